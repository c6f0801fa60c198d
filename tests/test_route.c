/* test_route.c - the router pipeline: each knob by hand, its exact off state, and random rows.
 *
 * "Same bytes" below means the ids and gates of two rules compared with memcmp.
 */
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 160 };

/* What the router did with one row. */
typedef struct choice {
    int32_t ids[MOST];
    float gates[MOST];
    float banned, margin, entropy;
} choice;

static layer_routing plain(int k)
{
    return (layer_routing){.k = k, .trained_k = k, .norm_width = k, .tail_gain = 1, .strength = 1};
}

static backend *any_backend(void **state)
{
    return ((lab *)*state)->backends[0][1];
}

/* Routes n rows of logits [n, experts] under rules[i]; out [n]. Returns backend_sync(). */
static int route_rows(backend *b, const layer_routing *rules, const float *z, int experts,
                      int slots, bool renormalise, int n, choice *out, error *err)
{
    kv_layout layout = {1, 1, 8, DTYPE_F32};
    batch_row rows[MOST];
    routing_tables *tables[MOST];
    size_t cells = (size_t)n * (size_t)slots;
    routes *r = routes_new(b, n, slots, NULL);
    assert_non_null(r);
    tensor *t = tensor_of(b, z, (size_t)n, (size_t)experts);
    for (int i = 0; i < n; i++)
        rows[i] =
            (batch_row){0, NULL, tables[i] = routing_tables_new(b, &rules[i], 1, experts, NULL)};
    routes_host host = {.slots = slots,
                        .ids = malloc(cells * sizeof(int32_t)),
                        .seen = malloc(cells * sizeof(int32_t)),
                        .gates = malloc(cells * sizeof(float)),
                        .banned = malloc((size_t)n * sizeof(float)),
                        .margin = malloc((size_t)n * sizeof(float)),
                        .entropy = malloc((size_t)n * sizeof(float))};
    op_layer(b, 0);
    op_batch(b, &layout, rows, n, NULL, NULL, 0);
    op_route(b, r, t, NULL, 0, &(router_form){.renormalise = renormalise}, n);
    routes_read(b, r, n, &host);
    int result = backend_sync(b, err);
    memset(out, 0, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++) {
        memcpy(out[i].ids, host.ids + i * slots, (size_t)slots * sizeof(int32_t));
        memcpy(out[i].gates, host.gates + i * slots, (size_t)slots * sizeof(float));
        out[i].banned = host.banned[i];
        out[i].margin = host.margin[i];
        out[i].entropy = host.entropy[i];
    }
    free(host.ids);
    free(host.seen);
    free(host.gates);
    free(host.banned);
    free(host.margin);
    free(host.entropy);
    routes_free(b, r);
    for (int i = 0; i < n; i++)
        routing_tables_free(tables[i]);
    tensor_free(t);
    return result;
}

static choice route_one(backend *b, layer_routing rule, const float *z, int experts, int slots,
                        bool renormalise)
{
    choice c;
    assert_int_equal(route_rows(b, &rule, z, experts, slots, renormalise, 1, &c, NULL), 0);
    return c;
}

static void assert_ids(const choice *c, const int *want, int slots)
{
    for (int s = 0; s < slots; s++)
        assert_int_equal(c->ids[s], want[s]);
}

static void assert_gate(float got, double want)
{
    if (!(fabs((double)got - want) <= 3e-7))
        print_error("gate %.9g, not %.9g\n", (double)got, want);
    assert_true(fabs((double)got - want) <= 3e-7);
}

static void assert_same(const choice *a, const choice *b, int slots)
{
    assert_memory_equal(a->ids, b->ids, (size_t)slots * sizeof *a->ids);
    assert_memory_equal(a->gates, b->gates, (size_t)slots * sizeof *a->gates);
}

/* Logits whose softmax is easy: e^z = 1, 2, 4, 8, 16, 1 of a sum of 32, in this order of experts. */
static void easy_logits(float z[6])
{
    const double weights[6] = {1, 2, 4, 8, 16, 1};
    for (int e = 0; e < 6; e++)
        z[e] = (float)log(weights[e]);
}

/* ---- choosing --------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
    float z[6];
    easy_logits(z);
    choice c = route_one(any_backend(state), plain(2), z, 6, 3, false);
    assert_ids(&c, (int[]){4, 3, -1}, 3);
    assert_gate(c.gates[0], 16.0 / 32);
    assert_gate(c.gates[1], 8.0 / 32);
    assert_true(c.gates[2] == 0 && c.banned == 0);
    assert_gate(c.margin, log(2));
    /* -sum p ln p */
    assert_gate(c.entropy,
                (16 * log(2) + 8 * log(4) + 4 * log(8) + 2 * log(16) + 2 * log(32)) / 32);
    c = route_one(any_backend(state), plain(2), z, 6, 3, true);
    assert_gate(c.gates[0], 2.0 / 3);
    assert_gate(c.gates[1], 1.0 / 3);
}

static void test_ties(void **state)
{
    const float equal[7] = {1, 1, 1, 1, 1, 1, 1}, mixed[7] = {0, 3, 1, 3, 3, 1, 3};
    choice c = route_one(any_backend(state), plain(3), equal, 7, 3, true);
    assert_ids(&c, (int[]){0, 1, 2}, 3);
    assert_true(c.margin == 0);
    c = route_one(any_backend(state), plain(5), mixed, 7, 5, true);
    assert_ids(&c, (int[]){1, 3, 4, 6, 2}, 5);
}

static void test_every_expert(void **state)
{
    float z[6];
    easy_logits(z);
    choice c = route_one(any_backend(state), plain(6), z, 6, 6, false);
    assert_ids(&c, (int[]){4, 3, 2, 1, 0, 5}, 6);
    assert_true(isinf(c.margin)); /* nobody was left out */
}

/* ---- mask and bias ---------------------------------------------------------------------------- */

static void test_mask(void **state)
{
    float z[6];
    easy_logits(z);
    const uint8_t allowed[6] = {1, 1, 1, 1, 0, 1}, all[6] = {1, 1, 1, 1, 1, 1};
    layer_routing rule = plain(2);
    choice free_choice = route_one(any_backend(state), rule, z, 6, 2, true);
    rule.allowed = all;
    choice keep_all = route_one(any_backend(state), rule, z, 6, 2, true);
    assert_same(&free_choice, &keep_all, 2);
    assert_true(keep_all.banned == 0);
    rule.allowed = allowed;
    choice c = route_one(any_backend(state), rule, z, 6, 2, false);
    assert_ids(&c, (int[]){3, 2}, 2);
    assert_gate(c.gates[0], 8.0 / 16);
    assert_gate(c.gates[1], 4.0 / 16);
    assert_gate(c.banned, 16.0 / 32);
    assert_gate(c.entropy, (8 * log(2) + 4 * log(4) + 2 * log(8) + 2 * log(16)) / 16);

    /* A banned logit however large neither runs nor disturbs the gates. */
    z[4] = 3e38f;
    choice d = route_one(any_backend(state), rule, z, 6, 2, false);
    assert_same(&c, &d, 2);
    assert_gate(d.banned, 1);
}

static void test_bias(void **state)
{
    float z[6];
    easy_logits(z);
    const float bias[6] = {10, 0, 0, -10, 0, 0}, zeros[6] = {0};
    layer_routing rule = plain(2);
    choice off = route_one(any_backend(state), rule, z, 6, 2, true);
    rule.bias = zeros;
    choice same = route_one(any_backend(state), rule, z, 6, 2, true);
    assert_same(&off, &same, 2);
    rule.bias = bias;
    choice c = route_one(any_backend(state), rule, z, 6, 2, false);
    assert_ids(&c, (int[]){0, 4}, 2);
    assert_gate(c.gates[0], 1.0 / 32); /* of the logits without the bias */
    assert_gate(c.gates[1], 16.0 / 32);
    assert_gate(c.margin, log(4));
}

/* ---- the gates -------------------------------------------------------------------------------- */

static void test_tail_gain(void **state)
{
    float z[MOST];
    random_normal(z, 64, 2, 50);
    for (int renormalise = 0; renormalise < 2; renormalise++) {
        layer_routing wide = plain(8);
        choice eight = route_one(any_backend(state), wide, z, 64, 8, renormalise);
        wide.trained_k = 4;
        choice full = route_one(any_backend(state), wide, z, 64, 8, renormalise);
        assert_same(&eight, &full, 8);
        wide.tail_gain = 0;
        choice none = route_one(any_backend(state), wide, z, 64, 8, renormalise);
        choice four = route_one(any_backend(state), plain(4), z, 64, 8, renormalise);
        assert_same(&four, &none, 8);
        assert_int_equal(none.ids[4], -1);
    }
    easy_logits(z);
    layer_routing rule = plain(3);
    rule.trained_k = 1;
    rule.tail_gain = 0.5f;
    choice c = route_one(any_backend(state), rule, z, 6, 3, true); /* 16, 8/2, 4/2 of 22 */
    assert_gate(c.gates[0], 16.0 / 22);
    assert_gate(c.gates[1], 4.0 / 22);
    assert_gate(c.gates[2], 2.0 / 22);
}

static void test_adaptive(void **state)
{
    float z[6];
    easy_logits(z);
    layer_routing rule = plain(4); /* 16, 8, 4, 2 of 32 */
    choice off = route_one(any_backend(state), rule, z, 6, 4, true);
    rule.adaptive_min = 1;
    rule.adaptive_ratio = 0;
    choice idle = route_one(any_backend(state), rule, z, 6, 4, true);
    assert_same(&off, &idle, 4);
    rule.adaptive_ratio = 0.3f; /* drops what is below 4.8 */
    choice c = route_one(any_backend(state), rule, z, 6, 4, true);
    assert_ids(&c, (int[]){4, 3, -1, -1}, 4);
    assert_gate(c.gates[0], 16.0 / 24);
    assert_gate(c.gates[1], 8.0 / 24);
    assert_true(c.gates[2] == 0);
    rule.adaptive_min = 3; /* at least three stay */
    c = route_one(any_backend(state), rule, z, 6, 4, true);
    assert_ids(&c, (int[]){4, 3, 2, -1}, 4);
    assert_gate(c.gates[2], 4.0 / 28);
}

static void test_norm_width(void **state)
{
    float z[6];
    easy_logits(z);
    layer_routing rule = plain(2);
    rule.norm_width = 4;
    choice c = route_one(any_backend(state), rule, z, 6, 2, true); /* 16 + 8 + 4 + 2 */
    assert_gate(c.gates[0], 16.0 / 30);
    assert_gate(c.gates[1], 8.0 / 30);
    assert_gate(c.margin, log(2));
    choice ignored = route_one(any_backend(state), rule, z, 6, 2, false);
    choice off = route_one(any_backend(state), plain(2), z, 6, 2, false);
    assert_same(&off, &ignored, 2);

    const uint8_t allowed[6] = {1, 0, 0, 1, 1, 0}; /* wider than what is allowed: 16 + 8 + 1 */
    rule.allowed = allowed;
    c = route_one(any_backend(state), rule, z, 6, 2, true);
    assert_gate(c.gates[0], 16.0 / 25);
}

static void test_strength(void **state)
{
    float z[6];
    easy_logits(z);
    const uint8_t named[6] = {1, 0, 0, 1, 0, 0};
    layer_routing rule = plain(3);
    choice off = route_one(any_backend(state), rule, z, 6, 3, true);
    rule.named = named;
    choice one = route_one(any_backend(state), rule, z, 6, 3, true);
    assert_same(&off, &one, 3);
    rule.strength = 1.25f;
    choice c = route_one(any_backend(state), rule, z, 6, 3, true);
    assert_gate(c.gates[0], 16.0 / 28);
    assert_gate(c.gates[1], 1.25 * 8.0 / 28);
    rule.strength = 0;
    c = route_one(any_backend(state), rule, z, 6, 3, true);
    assert_ids(&c, (int[]){4, -1, 2}, 3);
    assert_gate(c.gates[2], 4.0 / 28); /* silenced after renormalising: the others keep theirs */
}

/* Experts so far below the rest that their gate is 0 are not run, also when nothing else is. */
static void test_gate_of_zero(void **state)
{
    const float z[4] = {0, -200, -300, -400}, bias[4] = {-1000, 0, 0, 0};
    choice c = route_one(any_backend(state), plain(2), z, 4, 2, true);
    assert_ids(&c, (int[]){0, -1}, 2);
    assert_true(c.gates[0] == 1 && c.gates[1] == 0);
    layer_routing rule = plain(2);
    rule.bias = bias;
    c = route_one(any_backend(state), rule, z, 4, 2, true);
    assert_ids(&c, (int[]){-1, -1}, 2);
    assert_true(c.gates[0] == 0 && c.gates[1] == 0);
}

/* ---- faults ----------------------------------------------------------------------------------- */

static void test_not_finite(void **state)
{
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    for (int t = 0; t < LAB_THREADS; t++)
        for (int i = 0; i < 3; i++) {
            backend *b = ((lab *)*state)->backends[0][t];
            error err = {0};
            choice out[3];
            layer_routing rules[3] = {plain(2), plain(2), plain(2)};
            float z[3 * 5] = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1};
            z[7] = bad[i];
            assert_int_equal(route_rows(b, rules, z, 5, 2, true, 3, out, &err), -1);
            assert_int_equal(err.code, ERROR_RUN);
            assert_string_equal(err.text, "layer 0: router logits are not finite");
            assert_ids(&out[0], (int[]){4, 3}, 2);
            assert_ids(&out[1], (int[]){-1, -1}, 2);
            assert_ids(&out[2], (int[]){0, 1}, 2);
            assert_int_equal(backend_sync(b, NULL), 0);
        }
}

/* ---- random rows ------------------------------------------------------------------------------ */

typedef struct problem {
    int rows, experts, slots;
    bool renormalise;
    float *z;
    layer_routing *rules;
} problem;

/* out: ids (as numbers), gates, banned, margin, entropy */
static void run_route(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    choice *choices = malloc((size_t)n * sizeof *choices);
    assert_int_equal(route_rows(b, p->rules + first, p->z + (size_t)(first * p->experts),
                                p->experts, p->slots, p->renormalise, n, choices, NULL),
                     0);
    for (int i = 0; i < n; i++) {
        float *row = out + i * (2 * p->slots + 3);
        for (int s = 0; s < p->slots; s++) {
            row[s] = (float)choices[i].ids[s];
            row[p->slots + s] = choices[i].gates[s];
        }
        row[2 * p->slots] = choices[i].banned;
        row[2 * p->slots + 1] = choices[i].margin;
        row[2 * p->slots + 2] = choices[i].entropy;
    }
    free(choices);
}

/* Experts by falling score, the allowed ones only; returns how many. */
static int sort_naive(const problem *p, int row, int *order)
{
    const layer_routing *rule = &p->rules[row];
    int n = 0;
    for (int e = 0; e < p->experts; e++) {
        if (rule->allowed && !rule->allowed[e])
            continue;
        int at = n++;
        for (; at > 0; at--) {
            int above = order[at - 1];
            const float *z = p->z + row * p->experts;
            double bias = rule->bias ? (double)rule->bias[e] - (double)rule->bias[above] : 0;
            if ((double)z[e] - (double)z[above] + bias <= 0)
                break;
            order[at] = above;
        }
        order[at] = e;
    }
    return n;
}

/* Steps 6 to 10 in double precision. share [n] is the softmax in rank order; gates [slots] */
static void weigh_naive(const problem *p, const layer_routing *rule, const int *order,
                        const double *share, double *gates)
{
    double sum = 0;
    for (int s = 0; s < p->slots; s++) {
        gates[s] = s < rule->k ? share[s] * (s < rule->trained_k ? 1 : (double)rule->tail_gain) : 0;
        if (rule->adaptive_min && s >= rule->adaptive_min &&
            gates[s] < (double)rule->adaptive_ratio * gates[0])
            gates[s] = 0;
        sum += gates[s];
    }
    for (int i = rule->k; i < rule->norm_width; i++)
        sum += share[i];
    for (int s = 0; s < p->slots; s++) {
        gates[s] /= p->renormalise ? sum : 1;
        if (s < rule->k && rule->named && rule->named[order[s]])
            gates[s] *= (double)rule->strength;
    }
}

static void route_naive(const problem *p, int row, double *out)
{
    const layer_routing *rule = &p->rules[row];
    const float *z = p->z + row * p->experts;
    double sum = 0, all = 0, entropy = 0, share[MOST];
    int order[MOST], n = sort_naive(p, row, order);
    for (int e = 0; e < p->experts; e++)
        all += exp((double)z[e]);
    for (int i = 0; i < n; i++)
        sum += exp((double)z[order[i]]);
    for (int i = 0; i < n; i++) {
        share[i] = exp((double)z[order[i]]) / sum;
        entropy -= share[i] * log(share[i]);
    }
    weigh_naive(p, rule, order, share, out + p->slots);
    for (int s = 0; s < p->slots; s++)
        out[s] = out[p->slots + s] != 0 ? order[s] : -1;
    int last = order[rule->k - 1], next = order[rule->k];
    out[2 * p->slots] = (all - sum) / all;
    out[2 * p->slots + 1] = (double)z[last] - (double)z[next];
    if (rule->bias)
        out[2 * p->slots + 1] += (double)rule->bias[last] - (double)rule->bias[next];
    out[2 * p->slots + 2] = entropy;
}

/* Rows of one batch that differ in every knob. */
static layer_routing random_rule(int i, const float *bias, const uint8_t *allowed,
                                 const uint8_t *named)
{
    layer_routing rule = plain(1 + i % 8);
    rule.allowed = i % 2 ? allowed : NULL;
    rule.bias = i % 3 == 1 ? bias : NULL;
    rule.named = i % 5 < 3 ? named : NULL;
    rule.strength = i % 5 < 2 ? 1.2f : 1;
    rule.trained_k = i % 4 < 2 ? rule.k : (rule.k + 1) / 2;
    rule.tail_gain = i % 7 < 4 ? 0.5f : 1;
    rule.norm_width = rule.k + i % 3 % 2;
    rule.adaptive_min = i % 6 < 3 ? i % 3 : 0;
    rule.adaptive_ratio = 0.3f;
    return rule;
}

static void test_random(void **state)
{
    uint8_t allowed[MOST], named[MOST];
    float bias[MOST];
    random_normal(bias, MOST, 1, 61);
    for (int e = 0; e < MOST; e++) {
        allowed[e] = e % 3 != 1;
        named[e] = e % 4 == 2;
    }
    for (int c = 0; c < 4; c++) {
        problem p = {.rows = c < 2 ? 3 : 150,
                     .experts = c < 2 ? 14 : 128,
                     .slots = 9,
                     .renormalise = c % 2 == 0};
        size_t cols = 2 * (size_t)p.slots + 3;
        p.z = malloc((size_t)p.rows * (size_t)p.experts * sizeof *p.z);
        p.rules = malloc((size_t)p.rows * sizeof *p.rules);
        random_normal(p.z, (size_t)p.rows * (size_t)p.experts, 2, 60);
        double *want = malloc((size_t)p.rows * cols * sizeof *want);
        for (int i = 0; i < p.rows; i++) {
            p.rules[i] = random_rule(i, bias, allowed, named);
            route_naive(&p, i, want + (size_t)i * cols);
        }
        check_case(*state, run_route, &p, p.rows, cols, want, 1e-12);
        free(want);
        free(p.z);
        free(p.rules);
    }
}

/* A router that the backend does not do is named, by the question and by the op. */
static void test_refused_forms(void **state)
{
    backend *b = any_backend(state);
    tensor *z = tensor_of(b, NULL, 1, 8);
    routes *r = routes_new(b, 1, 2, NULL);
    const struct {
        router_form form;
        const char *named;
    } cases[] = {
        {{.score = ROUTER_SIGMOID}, "a router's sigmoid"},
        {{.score = ROUTER_SOFTMAX_CHOSEN}, "softmax over the experts chosen"},
        {{.selection_bias = z}, "a router's selection bias"},
        {{.groups = 4, .groups_used = 2}, "groups of experts"},
    };
    error err = {0};
    assert_int_equal(backend_can_route(b, &(router_form){.renormalise = true}, &err), 0);
    op_layer(b, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(backend_can_route(b, &cases[i].form, &err), -1);
        assert_non_null(strstr(err.text, cases[i].named));
        op_route(b, r, z, NULL, 0, &cases[i].form, 1);
        assert_int_equal(backend_sync(b, &err), -1);
        assert_memory_equal(err.text, "layer 5: the cpu backend does not do ", 37);
        assert_non_null(strstr(err.text, cases[i].named));
    }
    op_layer(b, -1);
    routes_free(b, r);
    tensor_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_ties),
        cmocka_unit_test(test_every_expert),  cmocka_unit_test(test_mask),
        cmocka_unit_test(test_bias),          cmocka_unit_test(test_tail_gain),
        cmocka_unit_test(test_adaptive),      cmocka_unit_test(test_norm_width),
        cmocka_unit_test(test_strength),      cmocka_unit_test(test_gate_of_zero),
        cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_random),
        cmocka_unit_test(test_refused_forms),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
