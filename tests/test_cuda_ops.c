/* test_cuda_ops.c - products, rows, attention and draws of the GPU's backend, on the host, against the
 * CPU's plain reading.
 *
 * The CPU's baseline is held against double precision by other tests; here its bytes are what is wanted
 * (cuda_support.h). Sizes are odd where the types allow it. At the end faults are planted into the kernels,
 * one at a time, and each must be found.
 */
#include "cuda_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"

enum { MOST = 1280, PAGES = MOST / KV_PAGE };

/* ---- products ----------------------------------------------------------------------------------- */

typedef struct products {
    dtype type;
    size_t rows, cols;
    int n;
    void *weight, *second;
    float *x, *bias;
} products;

static products make_products(dtype type, size_t rows, size_t cols, int n)
{
    blocks_random random = {(uint64_t)type * 77 + cols + (uint64_t)n};
    products p = {type, rows, cols, n, NULL, NULL, NULL, NULL};
    p.weight = blocks_matrix(&random, type, rows, cols);
    p.second = blocks_matrix(&random, type, rows, cols);
    p.x = blocks_activations(&random, (size_t)n * cols);
    p.bias = blocks_activations(&random, rows);
    return p;
}

static void release_products(products *p)
{
    free(p->weight);
    free(p->second);
    free(p->x);
    free(p->bias);
}

/* A product, one with a bias into a wider tensor, and the gated pair: 3 results of [n, rows + 2]. */
static int run_products(backend *b, const void *user, float *out, error *err)
{
    const products *p = user;
    size_t rows = p->rows, wide = rows + 2, n = (size_t)p->n;
    tensor *w = tensor_map(b, p->type, rows, p->cols, p->weight, NULL);
    tensor *u = tensor_map(b, p->type, rows, p->cols, p->second, NULL);
    tensor *bias = tensor_map(b, DTYPE_F32, 1, rows, p->bias, NULL);
    tensor *x = tensor_of(b, p->x, n, p->cols), *y[3];
    for (int i = 0; i < 3; i++)
        y[i] = tensor_of(b, NULL, n, wide);
    op_matmul(b, (product[]){{y[0], w, NULL}, {y[1], u, bias}}, 2, x, p->n);
    op_matmul_swiglu(b, y[2], &(gated_weights){w, u, bias, NULL}, x, p->n);
    int result = 0;
    for (size_t i = 0; i < 3; i++)
        result = cuda_read(b, y[i], p->n, out + i * n * wide, err) ? -1 : result;
    for (int i = 0; i < 3; i++)
        tensor_free(y[i]);
    tensor_free(w);
    tensor_free(u);
    tensor_free(bias);
    tensor_free(x);
    return result;
}

static void test_products(void **state)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        size_t block = (size_t)dtype_describe((dtype)type)->block;
        size_t cols = block == 1 ? 75 : block == 32 ? 288 : 512;
        const int batches[] = {1, 3, 8, 11};
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
            products p = make_products((dtype)type, i ? 5 : 9, cols, batches[i]);
            cuda_check(*state, run_products, &p, 3 * (size_t)p.n * (p.rows + 2),
                       dtype_describe((dtype)type)->name);
            release_products(&p);
        }
    }
}

/* Values that are not finite pass through the same way. */
static void test_not_finite_products(void **state)
{
    const dtype types[] = {DTYPE_F16, DTYPE_Q8_0, DTYPE_Q4_K};
    for (size_t i = 0; i < 3; i++) {
        products p = make_products(types[i], 5, 512, 3);
        p.x[3] = NAN;
        p.x[512 + 300] = INFINITY;
        error err = {0};
        float got[3 * 3 * 7];
        cuda_seed(3);
        assert_int_equal(run_products(((cuda_rig *)*state)->cuda, &p, got, &err), 0);
        assert_true(isnan(got[0]) && !isfinite(got[7]) && isfinite(got[14]));
        release_products(&p);
    }
}

/* ---- ops on single elements ------------------------------------------------------------------------- */

typedef struct rows_case {
    int n, heads, dim, rotary;
    bool pairs;
    dtype table;
    float *x, *y, *weight, *angles;
    void *embedding;
} rows_case;

static int run_rows(backend *b, const void *user, float *out, error *err)
{
    const rows_case *p = user;
    size_t n = (size_t)p->n, cols = (size_t)p->heads * (size_t)p->dim, half = (size_t)p->rotary / 2;
    tensor *x = tensor_of(b, p->x, n, cols), *y = tensor_of(b, p->y, n, cols);
    tensor *w = tensor_map(b, DTYPE_F32, 1, cols, p->weight, NULL);
    tensor *head = tensor_map(b, DTYPE_F32, 1, (size_t)p->dim, p->weight, NULL);
    tensor *z = tensor_of(b, NULL, n, cols);
    tensor *table = tensor_map(b, p->table, 7, cols, p->embedding, NULL);
    batch_row *rows = calloc(n, sizeof *rows);
    int ids[16], result;
    for (int i = 0; i < p->n; i++)
        ids[i] = (3 * i + 2) % 7;
    op_batch(b, &(kv_layout){1, 1, 8, DTYPE_F32}, rows, p->n, p->angles, p->angles + n * half,
             (int)half);
    op_rmsnorm(b, z, x, w, 1e-5f, p->n);
    op_head_rmsnorm(b, z, head, p->heads, p->dim, 1e-6f, p->n);
    op_rope(b, z, p->heads, p->dim, p->rotary, p->pairs, p->n);
    op_add(b, z, y, 0.3f, p->n);
    op_sigmoid_gate(b, z, w, x, p->n);
    op_scale(b, z, 1.7f, p->n);
    result = cuda_read(b, z, p->n, out, err);
    op_embed(b, z, table, ids, p->n, 2.5f);
    result |= cuda_read(b, z, p->n, out + n * cols, err);
    for (int i = 0; i < p->n; i++)
        ids[i] = p->n - 1 - i;
    op_gather(b, z, y, ids, p->n);
    result |= cuda_read(b, z, p->n, out + 2 * n * cols, err);
    tensor *all[] = {x, y, w, head, z, table};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tensor_free(all[i]);
    free(rows);
    return result;
}

static rows_case make_rows(int n, int heads, int dim, int rotary, bool pairs, dtype table)
{
    blocks_random random = {(uint64_t)(n * 100 + heads)};
    size_t cells = (size_t)n * (size_t)heads * (size_t)dim;
    rows_case p = {.n = n, .heads = heads, .dim = dim, .rotary = rotary, .pairs = pairs};
    p.table = table;
    p.x = blocks_activations(&random, cells);
    p.y = blocks_activations(&random, cells);
    p.weight = blocks_activations(&random, (size_t)heads * (size_t)dim);
    p.angles = blocks_activations(&random, (size_t)n * (size_t)rotary);
    p.embedding = blocks_matrix(&random, table, 7, (size_t)heads * (size_t)dim);
    return p;
}

static void release_rows(rows_case *p)
{
    free(p->x);
    free(p->y);
    free(p->weight);
    free(p->angles);
    free(p->embedding);
}

static void test_rows(void **state)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        int block = dtype_describe((dtype)type)->block;
        rows_case p = make_rows(1 + type % 5, 3, 19, 12, type % 2, (dtype)type);
        if (block > 1) {
            release_rows(&p);
            p = make_rows(1 + type % 5, 4, 64, 64, type % 2, (dtype)type);
        }
        cuda_check(*state, run_rows, &p, 3 * (size_t)(p.n * p.heads * p.dim),
                   dtype_describe((dtype)type)->name);
        release_rows(&p);
    }
}

/* ---- pages and attention ----------------------------------------------------------------------------- */

typedef struct attention_case {
    kv_layout kv;
    int heads, sessions;
    int context[3], chunk[3]; /* positions; queries at their end */
    float *k, *v, *q;
} attention_case;

static int run_attention(backend *b, const void *user, float *out, error *err)
{
    const attention_case *p = user;
    size_t width = (size_t)p->kv.kv_heads * (size_t)p->kv.head_dim;
    size_t wide = (size_t)p->heads * (size_t)p->kv.head_dim;
    void *pages[3][PAGES] = {{0}};
    batch_row rows[MOST] = {{0}};
    int n = 0, result;
    for (int s = 0; s < p->sessions; s++) {
        for (int i = 0; i * KV_PAGE < p->context[s]; i++)
            pages[s][i] = kv_page_new(b, &p->kv, NULL);
        for (int i = 0; i < p->context[s]; i++)
            rows[i] = (batch_row){i, pages[s], NULL};
        tensor *k = tensor_of(b, p->k, (size_t)p->context[s], width);
        tensor *v = tensor_of(b, p->v, (size_t)p->context[s], width);
        op_batch(b, &p->kv, rows, p->context[s], NULL, NULL, 0);
        op_kv_store(b, 1, k, v, p->context[s]);
        assert_int_equal(backend_sync(b, err), 0);
        tensor_free(k);
        tensor_free(v);
    }
    for (int s = 0; s < p->sessions; s++)
        for (int i = p->context[s] - p->chunk[s]; i < p->context[s]; i++)
            rows[n++] = (batch_row){i, pages[s], NULL};
    tensor *q = tensor_of(b, p->q, (size_t)n, wide), *t = tensor_of(b, NULL, (size_t)n, wide);
    op_batch(b, &p->kv, rows, n, NULL, NULL, 0);
    memset(rows, 0, sizeof rows); /* what a batch was given is not looked at again */
    attention_form form = {.heads = p->heads, .key_width = p->kv.head_dim, .scale = 0.3f};
    form.value_width = form.key_width;
    op_attention(b, t, q, 1, &form, n);
    result = cuda_read(b, t, n, out, err);
    tensor_free(q);
    tensor_free(t);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < PAGES; i++)
            kv_page_free(b, pages[s][i]);
    return result;
}

/* Random keys, values and up to nine queries. */
static void fill_attention(attention_case *p)
{
    blocks_random random = {(uint64_t)p->kv.type + 9};
    size_t wide = (size_t)p->heads * (size_t)p->kv.head_dim, most = 0;
    for (int i = 0; i < 3; i++)
        most = (size_t)p->context[i] > most ? (size_t)p->context[i] : most;
    p->k = blocks_activations(&random, most * wide);
    p->v = blocks_activations(&random, most * wide);
    p->q = blocks_activations(&random, 9 * wide);
}

static attention_case make_attention(dtype type, int heads, int kv_heads, int dim)
{
    attention_case p = {{2, kv_heads, dim, type}, heads, 3, {1, 64, 130}, {1, 2, 3}, 0, 0, 0};
    fill_attention(&p);
    return p;
}

static void release_attention(attention_case *p)
{
    free(p->k);
    free(p->v);
    free(p->q);
}

static void test_attention(void **state)
{
    const dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};
    for (size_t i = 0; i < 3; i++) {
        attention_case p = make_attention(types[i], 4, 2, types[i] == DTYPE_Q8_0 ? 32 : 21);
        cuda_check(*state, run_attention, &p, 6 * (size_t)(p.heads * p.kv.head_dim),
                   dtype_describe(types[i])->name);
        release_attention(&p);
    }
}

/* Sessions of one, two and three spans, nine rows at once against each session's alone. */
static bool rows_are_their_own(const cuda_rig *r, const attention_case *p, float *all)
{
    size_t wide = (size_t)p->heads * (size_t)p->kv.head_dim, done = 0;
    float alone[9 * 64];
    error err = {0};
    bool same = true;
    assert_true(wide <= 64);
    cuda_seed(3);
    assert_int_equal(run_attention(r->cuda, p, all, &err), 0);
    cuda_seed(4);
    for (int s = 0; s < p->sessions; s++) {
        size_t n = (size_t)p->chunk[s];
        attention_case one = *p;
        one.sessions = 1;
        one.context[0] = p->context[s];
        one.chunk[0] = p->chunk[s];
        one.q = p->q + done * wide;
        assert_int_equal(run_attention(r->cuda, &one, alone, &err), 0);
        same = same && memcmp(alone, all + done * wide, n * wide * sizeof *all) == 0;
        done += n;
    }
    return same;
}

/* A long past is cut into spans, whoever else is in the batch; what comes of it is near the CPU's. */
static void test_long_attention(void **state)
{
    cuda_rig *r = *state;
    attention_case p = {{2, 2, 16, DTYPE_F16}, 4, 3, {1100, 513, 512}, {4, 3, 2}, 0, 0, 0};
    float got[9 * 64], want[9 * 64];
    error err = {0};
    fill_attention(&p);
    if (!rows_are_their_own(r, &p, got))
        fail_msg("a row of nine is not what it is among four");
    assert_int_equal(run_attention(r->cpu, &p, want, &err), 0);
    for (size_t i = 0; i < 9 * 64; i++)
        if (!(fabsf(got[i] - want[i]) <= 2e-6f * (1 + fabsf(want[i]))))
            fail_msg("value %zu is %.9g, not %.9g", i, (double)got[i], (double)want[i]);
    assert_memory_equal(got + 7 * 64, want + 7 * 64, sizeof(float) * 2 * 64); /* one span */
    if (cuda_on_host()) {
        cuda_plant(CUDA_SPLIT);
        assert_false(rows_are_their_own(r, &p, got));
        cuda_plant(CUDA_NOTHING);
    }
    release_attention(&p);
}

/* ---- choosing a token ------------------------------------------------------------------------------ */

enum { SAMPLED = 40, VOCABULARY = 3001, REPEATS = 5 };

typedef struct draws {
    float *logits; /* [SAMPLED, VOCABULARY] */
    int candidates, n;
    sample_row rows[SAMPLED];
    bool from_host;
    uint8_t *banned;
    sample_repeat repeats[REPEATS];
} draws;

static void put_row(float *out, const sample_row *row)
{
    out[0] = (float)row->id;
    out[1] = (float)row->fault;
    out[2] = row->fault == SAMPLE_NOT_FINITE ? (float)row->at : 0;
    out[3] = row->fault == SAMPLE_OK ? (float)row->logprob : 0;
}

/* Four figures of each row, then the likelihoods of some ids. */
static int run_draws(backend *b, const void *user, float *out, error *err)
{
    const draws *p = user;
    size_t bytes = (sample_memory_bytes(VOCABULARY) + 63) / 64 * 64;
    sample_row rows[SAMPLED], *list[SAMPLED];
    double logprobs[SAMPLED] = {0}, *asked[SAMPLED];
    int ids[SAMPLED];
    tensor *logits = tensor_of(b, p->logits, (size_t)p->n, VOCABULARY);
    for (int i = 0; i < p->n; i++) {
        rows[i] = p->rows[i];
        rows[i].repeats = p->repeats;
        rows[i].memory = aligned_alloc(64, bytes);
        rows[i].logits = p->from_host ? p->logits + (size_t)i * VOCABULARY : NULL;
        list[i] = i % 5 == 4 ? NULL : &rows[i];
        asked[i] = i % 5 == 4 ? &logprobs[i] : NULL;
        ids[i] = (17 * i) % VOCABULARY;
    }
    if (p->from_host)
        backend_sample(b, rows, p->n);
    else
        op_sample(b, logits, list, p->n);
    op_logprob(b, logits, ids, asked, p->n);
    int result = backend_sync(b, err);
    for (int i = 0; i < p->n; i++) {
        memset(out + 5 * i, 0, 4 * sizeof *out);
        if (list[i])
            put_row(out + 5 * i, &rows[i]);
        out[5 * i + 4] = (float)logprobs[i];
        free(rows[i].memory);
    }
    tensor_free(logits);
    return result;
}

/* Rows under all kinds of filters; each value of a logit stands there several times, so that ties decide. */
static draws make_draws(int candidates, float steps)
{
    blocks_random random = {5};
    draws p = {.candidates = candidates, .n = SAMPLED};
    p.logits = blocks_activations(&random, (size_t)SAMPLED * VOCABULARY);
    p.banned = calloc((size_t)candidates, 1);
    for (int i = 0; i < candidates; i++)
        p.banned[i] = i % 7 == 0;
    for (int i = 0; i < REPEATS; i++)
        p.repeats[i] = (sample_repeat){(candidates / REPEATS) * i + i % 2, 1 + (uint32_t)i % 3};
    for (size_t i = 0; i < (size_t)SAMPLED * VOCABULARY; i++)
        p.logits[i] = steps > 0 ? floorf(p.logits[i] * steps) / steps : p.logits[i] * 6;
    const double temperatures[] = {0, 0.7, 1, 0.05, 3}, tops[] = {1, 0.9, 0.3, 0.999};
    for (int i = 0; i < SAMPLED; i++) {
        p.rows[i] = (sample_row){.candidates = (size_t)candidates,
                                 .vocabulary = i % 2 ? VOCABULARY : 0,
                                 .repeat_penalty = i % 3 ? 1 : 1.3,
                                 .presence_penalty = i % 4 ? 0 : 0.25,
                                 .frequency_penalty = i % 6 ? 0 : 0.5,
                                 .temperature = temperatures[i % 5],
                                 .top_p = tops[i % 4],
                                 .min_p = i % 7 == 3 ? 0.02 : 0,
                                 .top_k = i % 3 == 1 ? 1 + 4 * i : 0,
                                 .random = (((uint64_t)i * 0x9E3779B97F4A7C15u) >> 11),
                                 .banned = i % 8 == 5 ? p.banned : NULL,
                                 .repeat_count = i % 3 ? 0 : REPEATS};
    }
    return p;
}

static void release_draws(draws *p)
{
    free(p->logits);
    free(p->banned);
}

static void test_sample(void **state)
{
    const float steps[] = {0, 4, 64};
    for (size_t i = 0; i < 3; i++) {
        draws p = make_draws(i == 1 ? VOCABULARY : VOCABULARY - 40, steps[i]);
        cuda_check(*state, run_draws, &p, 5 * SAMPLED, "op_sample");
        p.from_host = true;
        p.n = 5;
        cuda_check(*state, run_draws, &p, 5 * 5, "backend_sample");
        release_draws(&p);
    }
}

/* What cannot be chosen from: not finite, all banned, all alike, a few that are possible. */
static void test_odd_samples(void **state)
{
    draws p = make_draws(60, 1);
    for (size_t i = 0; i < SAMPLED; i++) {
        float *z = p.logits + i * VOCABULARY;
        for (int j = 0; j < VOCABULARY && i % 4 == 0; j++)
            z[j] = 1.5f;
        for (int j = 0; j < 60 && i % 4 == 1; j++)
            z[j] = j % 7 && i % 8 == 1 ? -INFINITY : z[j];
        if (i % 4 == 2)
            z[i] = i % 8 == 2 ? NAN : INFINITY;
        if (i % 4 == 3)
            z[70] = NAN;
    }
    cuda_rig *r = *state;
    float want[5 * SAMPLED], got[5 * SAMPLED];
    error err = {0};
    cuda_seed(11);
    assert_int_equal(run_draws(r->cpu, &p, want, &err), 0);
    assert_int_equal(run_draws(r->cuda, &p, got, &err), 0);
    for (int i = 0; i < SAMPLED; i++)
        for (int j = 0; j < 3; j++)
            if (want[5 * i + j] != got[5 * i + j])
                fail_msg("row %d: %g, not %g", i, (double)got[5 * i + j], (double)want[5 * i + j]);
    release_draws(&p);
}

/* A whole row's first logit that is not finite, -infinity too, is told. */
static void test_broken_rows(void **state)
{
    cuda_rig *r = *state;
    for (int k = 0; k < 2; k++) {
        backend *b = k ? r->cuda : r->cpu;
        draws p = make_draws(60, 0);
        p.logits[VOCABULARY + 2900] = -INFINITY;
        tensor *logits = tensor_of(b, p.logits, 2, VOCABULARY);
        sample_row *list[2] = {&p.rows[1], &p.rows[2]};
        for (int i = 0; i < 2; i++)
            list[i]->memory = aligned_alloc(64, sample_memory_bytes(VOCABULARY));
        op_sample(b, logits, list, 2);
        assert_int_equal(backend_sync(b, NULL), 0);
        assert_true(list[0]->broken == SAMPLE_ALL_FINITE && list[1]->broken == 2900);
        assert_int_equal(list[1]->fault, SAMPLE_OK);
        free(list[0]->memory);
        free(list[1]->memory);
        tensor_free(logits);
        release_draws(&p);
    }
}

/* ---- planted faults ---------------------------------------------------------------------------- */

static void test_planted(void **state)
{
    if (!cuda_on_host())
        skip();
    rows_case rows = make_rows(3, 3, 19, 12, false, DTYPE_F32);
    size_t cells = 3 * (size_t)(rows.n * rows.heads * rows.dim);
    cuda_must_find(*state, CUDA_BARRIER, run_rows, &rows, cells, "different barriers");
    cuda_must_find(*state, CUDA_BOUND, run_rows, &rows, cells, "of a buffer of");
    release_rows(&rows);

    products p = make_products(DTYPE_IQ2_XXS, 5, 512, 2);
    cuda_must_find(*state, CUDA_ALIGNMENT, run_products, &p, 3 * 2 * 7, "not a multiple of 4");
    release_products(&p);

    attention_case attention = make_attention(DTYPE_F32, 4, 2, 21);
    cuda_must_find(*state, CUDA_RACE, run_attention, &attention, 6 * 84, "race");
    release_attention(&attention);

    draws d = make_draws(VOCABULARY, 4);
    cuda_must_find(*state, CUDA_TIE, run_draws, &d, 5 * SAMPLED, "value");
    release_draws(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),       cmocka_unit_test(test_not_finite_products),
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_attention),
        cmocka_unit_test(test_long_attention), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_odd_samples),    cmocka_unit_test(test_broken_rows),
        cmocka_unit_test(test_planted),
    };
    return cmocka_run_group_tests(tests, cuda_setup, cuda_teardown);
}
