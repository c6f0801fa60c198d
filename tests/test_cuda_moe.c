/* test_cuda_moe.c - routing and experts of the GPU's backend, on the host, against the CPU's
 * plain reading.
 *
 * As test_cuda_ops: the CPU's bytes are what is wanted, for every number of experts and every knob of a
 * program, and planted faults must be found.
 */
#include "cuda_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"

enum { MOST = 512 };

/* ---- routing -------------------------------------------------------------------------------------------- */

typedef struct route_case {
    int rows, experts, slots;
    bool renormalise;
    float *z;
    layer_routing *rules;
    uint8_t allowed[MOST], named[MOST], forced[MOST];
    float bias[MOST];
} route_case;

static int run_route(backend *b, const void *user, float *out, error *err)
{
    const route_case *p = user;
    size_t n = (size_t)p->rows, cells = n * (size_t)p->slots;
    routing_tables *tables[16];
    batch_row rows[16] = {{0}};
    int32_t *ids = calloc(2 * cells, sizeof *ids);
    tensor *z = tensor_of(b, p->z, n, (size_t)p->experts);
    routes *r = routes_new(b, p->rows, p->slots, NULL);
    routes_host host = {.slots = p->slots, .ids = ids, .seen = ids + cells};
    host.gates = out;
    host.banned = out + cells;
    host.margin = host.banned + n;
    host.entropy = host.margin + n;
    for (int i = 0; i < p->rows; i++)
        rows[i].routing = tables[i] = routing_tables_new(b, &p->rules[i], 1, p->experts, NULL);
    op_layer(b, 0);
    op_batch(b, &(kv_layout){1, 1, 8, DTYPE_F32}, rows, p->rows, NULL, NULL, 0);
    op_route(b, r, z, NULL, 0, &(router_form){.renormalise = p->renormalise}, p->rows);
    routes_read(b, r, p->rows, &host);
    int result = backend_sync(b, err);
    for (size_t i = 0; i < 2 * cells; i++)
        out[cells + 3 * n + i] = (float)ids[i];
    routes_free(b, r);
    tensor_free(z);
    for (int i = 0; i < p->rows; i++)
        routing_tables_free(tables[i]);
    free(ids);
    return result;
}

/* Rows of one batch that differ in every knob; k runs from 1 to all experts. */
static layer_routing rule_of(const route_case *p, int i)
{
    int experts = p->experts, k = i == p->rows - 1 ? experts : 1 + i * 3 % (experts / 4);
    layer_routing r = {.k = k, .trained_k = k, .norm_width = k, .tail_gain = 1, .strength = 1};
    if (k == experts)
        return r;
    r.allowed = i % 2 ? p->allowed : NULL;
    r.bias = i % 3 == 1 ? p->bias : NULL;
    r.named = i % 5 < 3 ? p->named : NULL;
    r.forced = i % 4 == 3 && k > 2 ? p->forced : NULL;
    r.strength = i % 5 < 2 ? 1.2f : 1;
    r.trained_k = i % 4 < 2 ? k : (k + 1) / 2;
    r.tail_gain = i % 7 < 4 ? 0.5f : 1;
    r.norm_width = k + i % 3 % 2;
    r.adaptive_min = i % 6 < 3 ? i % 3 : 0;
    r.adaptive_ratio = 0.3f;
    return r;
}

static route_case make_route(int experts, int rows, bool renormalise)
{
    route_case p = {.rows = rows, .experts = experts, .slots = experts, .renormalise = renormalise};
    blocks_random random = {(uint64_t)experts};
    p.z = blocks_activations(&random, (size_t)rows * (size_t)experts);
    p.rules = calloc((size_t)rows, sizeof *p.rules);
    for (int e = 0; e < experts; e++) {
        p.allowed[e] = e % 3 != 1;
        p.named[e] = e % 4 == 2;
        p.forced[e] = e == 2 || e == 5;
        p.bias[e] = blocks_uniform(&random, -1, 1);
        if (e % 9 == 4)
            p.z[e] = p.z[0]; /* ties */
    }
    return p;
}

static void check_route(const cuda_rig *r, int experts, int rows, bool renormalise)
{
    route_case p = make_route(experts, rows, renormalise);
    for (int i = 0; i < rows; i++)
        p.rules[i] = rule_of(&p, i);
    size_t n = (size_t)rows * (size_t)experts;
    cuda_check(r, run_route, &p, 3 * n + 3 * (size_t)rows, "route");
    free(p.z);
    free(p.rules);
}

static void test_route(void **state)
{
    const int experts[] = {8, 60, 64, 128, 256};
    for (size_t i = 0; i < 5; i++)
        check_route(*state, experts[i], experts[i] < 128 ? 13 : 5, i % 2);
}

/* A row whose logits are not finite is told, with its layer, and chooses nothing. */
static void test_not_finite_route(void **state)
{
    const cuda_rig *r = *state;
    route_case p = make_route(8, 3, true);
    float out[3 * 8 * 3 + 9];
    error err = {0};
    for (int i = 0; i < 3; i++)
        p.rules[i] = (layer_routing){.k = 2, .trained_k = 2, .norm_width = 2};
    p.z[8 + 3] = NAN;
    assert_int_equal(run_route(r->cuda, &p, out, &err), -1);
    assert_non_null(strstr(err.text, "layer 0: router logits are not finite"));
    for (int s = 0; s < 8; s++)
        assert_true(out[24 + 9 + 8 + s] == -1);
    assert_int_equal(backend_sync(r->cuda, &err), 0);
    free(p.z);
    free(p.rules);
}

/* ---- experts ---------------------------------------------------------------------------------------------- */

enum { EXPERTS = 7, SLOTS = 3, WIDTH = 256, FFN = 256 };

typedef struct experts_case {
    int rows;
    dtype type[EXPERTS][3];
    void *matrix[EXPERTS][3];
    float *a, *b; /* of an update: [3, 256] each */
    float *x, gates[16 * SLOTS];
    int32_t ids[16 * SLOTS];
} experts_case;

static experts_case make_experts(int rows, const dtype types[3])
{
    blocks_random random = {(uint64_t)rows};
    experts_case p = {.rows = rows};
    for (int e = 0; e < EXPERTS; e++)
        for (int part = 0; part < 3; part++) {
            p.type[e][part] = types[(e + part) % 3];
            p.matrix[e][part] = blocks_matrix(&random, p.type[e][part], FFN, WIDTH);
        }
    p.a = blocks_activations(&random, 3 * 256);
    p.b = blocks_activations(&random, 3 * 256);
    p.x = blocks_activations(&random, (size_t)rows * WIDTH);
    for (int i = 0; i < rows * SLOTS; i++) {
        int e = (i * 5 + i / 3) % (EXPERTS - 1); /* the last one is never called */
        p.ids[i] = i % SLOTS == 0 && i % 4 ? 1 : i % 7 == 6 ? -1 : e;
        p.gates[i] = blocks_uniform(&random, 0, 1);
    }
    return p;
}

static void release_experts(experts_case *p)
{
    for (int e = 0; e < EXPERTS; e++)
        for (int part = 0; part < 3; part++)
            free(p->matrix[e][part]);
    free(p->a);
    free(p->b);
    free(p->x);
}

/* Every second row's program changes expert 1 (all three matrices, down twice) and expert 3 (up). */
typedef struct update_tables {
    tensor *a, *b;
    low_rank twice[2];
    expert_update first, second;
    const expert_update *of[EXPERTS];
    layer_routing layer[2];
    routing_tables *tables[2];
} update_tables;

static void open_updates(backend *b, const experts_case *p, update_tables *t)
{
    *t = (update_tables){.a = tensor_of(b, p->a, 3, 256), .b = tensor_of(b, p->b, 3, 256)};
    t->twice[0] = (low_rank){t->a, t->b, 0.01f};
    t->twice[1] = (low_rank){t->a, t->b, -0.003f};
    t->first = (expert_update){{t->twice, 1}, {t->twice + 1, 1}, {t->twice, 2}};
    t->second = (expert_update){{NULL, 0}, {t->twice, 1}, {NULL, 0}};
    t->of[1] = &t->first;
    t->of[3] = &t->second;
    t->layer[0] = t->layer[1] = (layer_routing){.k = SLOTS};
    t->layer[1].update = t->of;
    t->layer[1].update_rank = 12;
    for (int i = 0; i < 2; i++)
        t->tables[i] = routing_tables_new(b, &t->layer[i], 1, EXPERTS, NULL);
}

static int run_experts(backend *b, const void *user, float *out, error *err)
{
    const experts_case *p = user;
    update_tables t;
    tensor *maps[3][EXPERTS];
    batch_row rows[16] = {{0}};
    size_t n = (size_t)p->rows;
    int32_t ids[16 * SLOTS];
    float gates[16 * SLOTS];
    open_updates(b, p, &t);
    expert_bank *bank = expert_bank_new(b, NULL);
    for (int e = 0; e < EXPERTS; e++) {
        for (int part = 0; part < 3; part++)
            maps[part][e] = tensor_map(b, p->type[e][part], FFN, WIDTH, p->matrix[e][part], NULL);
        assert_int_equal(expert_bank_put(bank, e, 1, (const tensor *const *)&maps[0][e],
                                         (const tensor *const *)&maps[1][e],
                                         (const tensor *const *)&maps[2][e], NULL),
                         0);
    }
    for (int i = 0; i < p->rows; i++)
        rows[i].routing = t.tables[i % 2];
    tensor *x = tensor_of(b, p->x, n, WIDTH), *y = tensor_of(b, NULL, n, WIDTH);
    routes *r = routes_new(b, p->rows, SLOTS, NULL), *one = routes_new(b, p->rows, 1, NULL);
    memcpy(ids, p->ids, sizeof ids);
    memcpy(gates, p->gates, sizeof gates);
    op_layer(b, 0);
    op_batch(b, &(kv_layout){1, 1, 8, DTYPE_F32}, rows, p->rows, NULL, NULL, 0);
    routes_write(b, r, p->rows,
                 &(routes_host){.slots = SLOTS, .ids = ids, .seen = ids, .gates = gates});
    op_experts(b, y, bank, r, x, 0, p->rows);
    int result = cuda_read(b, y, p->rows, out, err);
    op_routes_slot(b, one, r, 1, p->rows);
    op_experts(b, y, bank, one, x, 0, p->rows);
    result |= cuda_read(b, y, p->rows, out + n * WIDTH, err);
    routes_free(b, r);
    routes_free(b, one);
    expert_bank_free(bank);
    for (int e = 0; e < EXPERTS; e++)
        for (int part = 0; part < 3; part++)
            tensor_free(maps[part][e]);
    tensor *all[] = {x, y, t.a, t.b};
    for (size_t i = 0; i < 4; i++)
        tensor_free(all[i]);
    for (int i = 0; i < 2; i++)
        routing_tables_free(t.tables[i]);
    return result;
}

static void test_experts(void **state)
{
    const dtype mixes[][3] = {{DTYPE_F32, DTYPE_Q8_0, DTYPE_Q4_K},
                              {DTYPE_BF16, DTYPE_Q6_K, DTYPE_IQ2_XXS}};
    const int rows[] = {1, 13};
    for (size_t i = 0; i < 2; i++) {
        experts_case p = make_experts(rows[i], mixes[i]);
        cuda_check(*state, run_experts, &p, 2 * (size_t)p.rows * WIDTH, "experts");
        release_experts(&p);
    }
}

/* ---- planted faults ---------------------------------------------------------------------------- */

static void test_planted(void **state)
{
    if (!cuda_on_host())
        skip();
    route_case route = make_route(8, 3, true);
    for (int i = 0; i < 3; i++)
        route.rules[i] = (layer_routing){.k = 2,
                                         .trained_k = 2,
                                         .norm_width = 2,
                                         .tail_gain = 1,
                                         .strength = 1,
                                         .allowed = route.allowed};
    cuda_must_find(*state, CUDA_MASK, run_route, &route, 3 * 24 + 9, NULL);
    free(route.z);
    free(route.rules);

    experts_case experts = make_experts(5, (const dtype[]){DTYPE_F32, DTYPE_F16, DTYPE_Q8_0});
    cuda_must_find(*state, CUDA_STRIDE, run_experts, &experts, 10 * WIDTH, NULL);
    release_experts(&experts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_not_finite_route),
        cmocka_unit_test(test_experts),
        cmocka_unit_test(test_planted),
    };
    return cmocka_run_group_tests(tests, cuda_setup, cuda_teardown);
}
