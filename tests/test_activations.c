/* test_activations.c - what a model computes on its way, by name: each once, in order, of the right row.
 *
 * On an architecture of each build of a layer the sums hold that a layer is: the stream behind attention
 * is the one before it plus attn_out, ffn_out is what experts and shared expert say, out is both.
 * tensor_read() is counted (see the Makefile): who does not watch copies nothing.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/engine.h"

enum { TOKENS = 40, ROWS = 16 };

/* NOLINTBEGIN: the linker's names */
static int *copies(void)
{
    static int all;
    return &all;
}

void __real_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);
void __wrap_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);

void __wrap_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    (*copies())++;
    __real_tensor_read(b, t, row, rows, dst);
}
/* NOLINTEND */

typedef struct seen {
    const activation_set *wanted;
    const session *of;
    float **v;  /* [wanted->len][TOKENS, cols] */
    int *count; /* [wanted->len] tokens that were told */
    size_t last;
} seen;

static engine *open_at(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "tests/fixtures/models/%s", name);
    engine_options opt = {.path = path, .backend = {.threads = 2}, .max_rows = ROWS};
    error err = {0};
    engine *e = engine_open(&opt, &err);
    if (!e)
        fail_msg("%s", err.text);
    return e;
}

static void keep(void *user, const session *s, int position, size_t which, const float *x)
{
    seen *k = user;
    size_t cols = (size_t)k->wanted->v[which].cols;
    if (s != k->of)
        return;
    assert_true(which >= k->last || which == 0); /* in order, batch by batch */
    k->last = which;
    assert_int_equal(position, k->count[which]);
    memcpy(k->v[which] + (size_t)position * cols, x, cols * sizeof(float));
    k->count[which]++;
}

static seen make_room(const activation_set *wanted, const session *of)
{
    seen k = {.wanted = wanted, .of = of};
    k.v = calloc(wanted->len, sizeof *k.v);
    k.count = calloc(wanted->len, sizeof *k.count);
    for (size_t i = 0; i < wanted->len; i++)
        k.v[i] = calloc(TOKENS, (size_t)wanted->v[i].cols * sizeof(float));
    return k;
}

static void release(seen *k)
{
    for (size_t i = 0; i < k->wanted->len; i++)
        free(k->v[i]);
    free(k->v);
    free(k->count);
}

static const float *find(const seen *k, activation_kind kind, int layer)
{
    for (size_t i = 0; i < k->wanted->len; i++)
        if (k->wanted->v[i].kind == kind && k->wanted->v[i].layer == layer)
            return k->v[i];
    return NULL;
}

/* Two sessions in one batch, ROWS at a time; out [vocabulary]: the first one's last logits. */
static void read_two(engine *e, session *const s[2], float *out)
{
    int ids[TOKENS];
    error err = {0};
    for (int i = 0; i < TOKENS; i++)
        ids[i] = (i * 37 + i * i * 11 + 5) % engine_config(e)->vocabulary;
    step steps[2] = {{s[0], ids, TOKENS, LOGITS_LAST, out},
                     {s[1], ids + 3, TOKENS - 7, LOGITS_NONE, NULL}};
    if (engine_advance(e, steps, 2, &err))
        fail_msg("%s", err.text);
}

static void assert_sum(const float *sum, const float *a, const float *b, float scale, size_t n)
{
    assert_non_null(sum);
    assert_non_null(a);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(sum[i] - (a[i] + scale * b[i])) <= 1e-6f * (1 + fabsf(sum[i])));
}

static void assert_layers_add_up(const model_config *c, const seen *k)
{
    size_t n = (size_t)TOKENS * (size_t)c->width;
    const float *x = find(k, ACT_EMBED, -1);
    for (int i = 0; i < c->layers; i++) {
        const float *experts = find(k, ACT_EXPERTS_OUT, i), *shared = find(k, ACT_SHARED_OUT, i);
        const float *ffn = find(k, ACT_FFN_OUT, i), *sum = find(k, ACT_ATTN_SUM, i);
        assert_sum(sum, x, find(k, ACT_ATTN_OUT, i), c->residual_scale, n);
        assert_sum(find(k, ACT_OUT, i), sum, ffn, c->residual_scale, n);
        assert_int_equal(experts != NULL, c->moe_layer[i]);
        assert_int_equal(find(k, ACT_ROUTER, i) != NULL, c->moe_layer[i]);
        assert_int_equal(find(k, ACT_FFN_HIDDEN, i) != NULL, !c->moe_layer[i]);
        if (shared)
            assert_sum(ffn, experts, shared, 1, n);
        else if (experts)
            assert_memory_equal(ffn, experts, n * sizeof(float));
        x = find(k, ACT_OUT, i);
    }
    assert_non_null(find(k, ACT_NORM, c->layers));
}

static void check_model(const char *name)
{
    engine *e = open_at(name);
    const model_config *c = engine_config(e);
    error err = {0};
    activation_set all = {0};
    assert_int_equal(activation_set_add(&all, c, "*", &err), 0);
    session *s[2];
    for (int i = 0; i < 2; i++)
        assert_non_null(s[i] = session_open(e, TOKENS, DTYPE_F32, &err));
    float *z = calloc(3 * (size_t)c->vocabulary, sizeof *z);
    int counted[3];
    seen k = make_room(&all, s[0]);
    for (int round = 0; round < 3; round++) { /* the one in the middle is watched */
        session_rewind(s[0], 0);
        session_rewind(s[1], 0);
        engine_watch_activations(e, round == 1 ? &all : NULL, keep, &k);
        *copies() = 0;
        read_two(e, s, z + (size_t)round * (size_t)c->vocabulary);
        counted[round] = *copies();
    }
    assert_int_equal(counted[0], 1); /* the logits */
    assert_int_equal(counted[2], 1);
    assert_int_equal(counted[1], 1 + (2 * TOKENS - 7 + ROWS - 1) / ROWS * (int)all.len);
    for (int round = 1; round < 3; round++)
        assert_memory_equal(z, z + (size_t)round * (size_t)c->vocabulary,
                            (size_t)c->vocabulary * sizeof *z);
    for (size_t i = 0; i < all.len; i++)
        assert_int_equal(k.count[i], TOKENS);
    assert_layers_add_up(c, &k);
    release(&k);
    free(z);
    session_close(s[0]);
    session_close(s[1]);
    activation_set_release(&all);
    engine_close(e);
}

static void layers_add_up_and_nobody_else_pays(void **state)
{
    static const char *const models[] = {"qwen3_moe", "qwen3_moe-mlp-only", "qwen2_moe",
                                         "granitemoe", "llama"};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i]);
}

static void names_are_found_once_and_in_order(void **state)
{
    (void)state;
    static model_config c = {.layers = 12,
                             .width = 8,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_dim = 6,
                             .experts = 5,
                             .ffn_width = 7};
    activation_set set = {0};
    error err = {0};
    char name[ACTIVATION_NAME];
    c.moe_layer[10] = 1;
    c.skip_layer[3] = 1;
    assert_int_equal(activation_set_add(&set, &c, "norm,blk.10.*,blk.1?.k,embed", &err), 0);
    assert_int_equal(activation_set_add(&set, &c, "blk.11.k", &err), 0);
    static const char *const want[] = {"embed",           "blk.10.attn_norm",   "blk.10.q",
                                       "blk.10.k",        "blk.10.v",           "blk.10.heads",
                                       "blk.10.attn_out", "blk.10.attn_sum",    "blk.10.ffn_norm",
                                       "blk.10.router",   "blk.10.experts_out", "blk.10.ffn_out",
                                       "blk.10.out",      "blk.11.k",           "norm"};
    assert_int_equal(set.len, sizeof want / sizeof *want);
    for (size_t i = 0; i < set.len; i++)
        assert_string_equal(activation_name(&set.v[i], name), want[i]);
    assert_int_equal(set.v[0].cols, 8);
    assert_int_equal(set.v[2].cols, 12);
    assert_int_equal(set.v[9].cols, 5);
    assert_int_equal(set.v[13].cols, 6);
    size_t before = set.len;
    static const char *const none[] = {"",
                                       "blk.12.out",
                                       "blk.3.out",
                                       "blk.10.shared_out",
                                       "blk.10.ffn_hidden",
                                       "blk.9.router",
                                       "Embed",
                                       ",",
                                       "q"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(activation_set_add(&set, &c, none[i], &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.text, "blk.0. to blk.11."));
    }
    assert_int_equal(set.len, before);
    activation_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_once_and_in_order),
        cmocka_unit_test(layers_add_up_and_nobody_else_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
