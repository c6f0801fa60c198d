/* test_attention.c - the KV cache and attention against a naive version in double precision.
 *
 * The naive version sees the stored keys and values (rounded to the page's type), so the bound holds
 * the arithmetic alone. The sessions of a problem have contexts around page boundaries and share
 * batches in every mixture; the bytes must be the same at any thread count, ISA level and batch,
 * whether the rows of a session were read one by one or as one chunk. A build with
 * -DSPLIT_BY_THREAD must fail here.
 */
#include "../kernels/cpu/attention_chunk.h"
#include "../kernels/cpu/dot.h"
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 2, LAYER = 1, SESSIONS = 5, MOST_PAGES = 6 };

/* Queries at the end of each session; a chunk of them, as prefill would bring. */
static const int CONTEXT[SESSIONS] = {1, 64, 65, 200, 330};
static const int CHUNK[SESSIONS] = {1, 3, 20, 1, 9};

typedef struct problem {
    kv_layout kv;
    int heads;
    float scale;
    float *q;                         /* [rows, heads * head_dim] */
    float *k[SESSIONS], *v[SESSIONS]; /* [context, kv_heads * head_dim] */
    int rows;
    int session[64], position[64]; /* [rows] */
} problem;

static size_t kv_width(const problem *p)
{
    return (size_t)p->kv.kv_heads * (size_t)p->kv.head_dim;
}

static void make_problem(problem *p)
{
    for (int s = 0; s < SESSIONS; s++) {
        size_t n = (size_t)CONTEXT[s] * kv_width(p);
        p->k[s] = malloc(n * sizeof(float));
        p->v[s] = malloc(n * sizeof(float));
        random_normal(p->k[s], n, 1.0f, 20 + (unsigned)s);
        random_normal(p->v[s], n, 1.0f, 30 + (unsigned)s);
        for (int i = CONTEXT[s] - CHUNK[s]; i < CONTEXT[s]; i++) {
            p->session[p->rows] = s;
            p->position[p->rows++] = i;
        }
    }
    size_t n = (size_t)p->rows * (size_t)p->heads * (size_t)p->kv.head_dim;
    p->q = malloc(n * sizeof(float));
    random_normal(p->q, n, 2.0f, 40);
}

static void release(problem *p)
{
    free(p->q);
    for (int s = 0; s < SESSIONS; s++) {
        free(p->k[s]);
        free(p->v[s]);
    }
}

/* Writes a session's keys and values with op_kv_store, in chunks of 1, 7 or all positions. */
static void fill_pages(backend *b, const problem *p, int s, void **pages, int chunk)
{
    batch_row rows[512] = {0};
    for (int i = 0; i * KV_PAGE < CONTEXT[s]; i++)
        assert_non_null(pages[i] = kv_page_new(b, &p->kv, NULL));
    for (int at = 0; at < CONTEXT[s]; at += chunk) {
        int n = CONTEXT[s] - at < chunk ? CONTEXT[s] - at : chunk;
        for (int i = 0; i < n; i++)
            rows[i] = (batch_row){at + i, pages, NULL};
        size_t from = (size_t)at * kv_width(p);
        tensor *k = tensor_of(b, p->k[s] + from, (size_t)n, kv_width(p));
        tensor *v = tensor_of(b, p->v[s] + from, (size_t)n, kv_width(p));
        op_batch(b, &p->kv, rows, n, NULL, NULL, 0);
        op_kv_store(b, LAYER, k, v, n);
        assert_int_equal(backend_sync(b, NULL), 0);
        tensor_free(k);
        tensor_free(v);
    }
}

static void run_attention(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    size_t width = (size_t)p->heads * (size_t)p->kv.head_dim;
    void *pages[SESSIONS][MOST_PAGES] = {0};
    batch_row rows[64];
    for (int s = 0; s < SESSIONS; s++)
        if (n > 1 || p->session[first] == s)
            fill_pages(b, p, s, pages[s], n > 1 ? 512 : 7);
    for (int i = 0; i < n; i++)
        rows[i] = (batch_row){p->position[first + i], pages[p->session[first + i]], NULL};
    tensor *q = tensor_of(b, p->q + (size_t)first * width, (size_t)n, width);
    tensor *t = tensor_of(b, NULL, (size_t)n, width);
    op_batch(b, &p->kv, rows, n, NULL, NULL, 0);
    attention_form form = {.heads = p->heads,
                           .key_width = p->kv.head_dim,
                           .value_width = p->kv.head_dim,
                           .scale = p->scale};
    op_attention(b, t, q, LAYER, &form, n);
    read_rows(b, t, n, out);
    tensor_free(q);
    tensor_free(t);
    for (int s = 0; s < SESSIONS; s++)
        for (int i = 0; i < MOST_PAGES; i++)
            kv_page_free(b, pages[s][i]);
}

/* x as the page's type keeps it. */
static float *rounded(const problem *p, const float *x, int positions)
{
    size_t rows = (size_t)positions * (size_t)p->kv.kv_heads, dim = (size_t)p->kv.head_dim;
    float *values = malloc(rows * dim * sizeof *values);
    char *stored = stored_as(p->kv.type, x, rows, dim);
    values_of(p->kv.type, stored, values, rows, dim);
    free(stored - 1);
    return values;
}

static void attend_naive(const problem *p, int row, int head, const float *k, const float *v,
                         double *out)
{
    size_t dim = (size_t)p->kv.head_dim, width = kv_width(p);
    size_t at = (size_t)(head / (p->heads / p->kv.kv_heads)) * dim;
    const float *q = p->q + ((size_t)row * (size_t)p->heads + (size_t)head) * dim;
    double *scores = malloc((size_t)(p->position[row] + 1) * sizeof *scores), most = -1e300,
           sum = 0;
    for (int j = 0; j <= p->position[row]; j++) {
        scores[j] = 0;
        for (size_t i = 0; i < dim; i++)
            scores[j] += (double)q[i] * (double)k[(size_t)j * width + at + i];
        scores[j] *= (double)p->scale;
        most = fmax(most, scores[j]);
    }
    for (size_t i = 0; i < dim; i++)
        out[i] = 0;
    for (int j = 0; j <= p->position[row]; j++) {
        double weight = exp(scores[j] - most);
        sum += weight;
        for (size_t i = 0; i < dim; i++)
            out[i] += weight * (double)v[(size_t)j * width + at + i];
    }
    for (size_t i = 0; i < dim; i++)
        out[i] /= sum;
    free(scores);
}

static void check_problem(const lab *l, problem p)
{
    make_problem(&p);
    size_t dim = (size_t)p.kv.head_dim, width = (size_t)p.heads * dim;
    double *want = malloc((size_t)p.rows * width * sizeof *want);
    for (int s = 0, row = 0; s < SESSIONS; s++) {
        float *k = rounded(&p, p.k[s], CONTEXT[s]), *v = rounded(&p, p.v[s], CONTEXT[s]);
        for (; row < p.rows && p.session[row] == s; row++)
            for (int h = 0; h < p.heads; h++)
                attend_naive(&p, row, h, k, v, want + (size_t)row * width + (size_t)h * dim);
        free(k);
        free(v);
    }
    check_case(l, run_attention, &p, p.rows, width, want, 1e-11);
    free(want);
    release(&p);
}

static problem problem_of(dtype type, int heads, int kv_heads, int head_dim)
{
    return (problem){.kv = {LAYERS, kv_heads, head_dim, type},
                     .heads = heads,
                     .scale = 1.0f / sqrtf((float)head_dim)};
}

static void test_f32(void **state)
{
    check_problem(*state, problem_of(DTYPE_F32, 9, 3, 64));
    check_problem(*state, problem_of(DTYPE_F32, 4, 1, 7));
    check_problem(*state, problem_of(DTYPE_F32, 1, 1, 1));
    check_problem(*state, problem_of(DTYPE_F32, 20, 1, 24)); /* more heads than a group holds */
}

static void test_f16(void **state)
{
    check_problem(*state, problem_of(DTYPE_F16, 9, 3, 64));
    check_problem(*state, problem_of(DTYPE_F16, 6, 2, 13));
    check_problem(*state, problem_of(DTYPE_F16, 8, 1, 128));
    check_problem(*state, problem_of(DTYPE_F16, 3, 3, 80));
}

static void test_q8_0(void **state)
{
    check_problem(*state, problem_of(DTYPE_Q8_0, 9, 3, 64));
    check_problem(*state, problem_of(DTYPE_Q8_0, 2, 1, 32));
    check_problem(*state, problem_of(DTYPE_Q8_0, 4, 4, 96));
}

/* A copied page is the original's equal, byte for byte, in every layer. */
static void test_page_copy(void **state)
{
    backend *b = ((lab *)*state)->backends[0][0];
    kv_layout kv = {3, 2, 5, DTYPE_F16};
    size_t bytes = kv_page_bytes(&kv);
    assert_int_equal(bytes, 3 * 2 * 2 * KV_PAGE * 5 * 2);
    char *from = kv_page_new(b, &kv, NULL), *to = kv_page_new(b, &kv, NULL);
    assert_true(from && to);
    for (size_t i = 0; i < bytes; i++)
        from[i] = (char)(i * 7 + i / 251);
    kv_page_copy(b, &kv, to, from);
    assert_memory_equal(from, to, bytes);
    kv_page_free(b, from);
    kv_page_free(b, to);
    kv_page_free(b, NULL);
}

/* Scores far apart and far from 0: the running maximum must keep every exponential in range, also
 * when it rises with each page. */
static void test_large_scores(void **state)
{
    const lab *l = *state;
    problem p = problem_of(DTYPE_F32, 2, 1, 8);
    p.scale = 3.0f;
    make_problem(&p);
    for (int s = 0; s < SESSIONS; s++)
        for (int j = 0; j < CONTEXT[s]; j++)
            for (size_t i = 0; i < 8; i++)
                p.k[s][(size_t)j * 8 + i] = (float)j; /* |score| grows to thousands */
    double *want = malloc((size_t)p.rows * 16 * sizeof *want);
    for (int row = 0; row < p.rows; row++)
        for (int h = 0; h < 2; h++)
            attend_naive(&p, row, h, p.k[p.session[row]], p.v[p.session[row]],
                         want + (size_t)row * 16 + (size_t)h * 8);
    check_case(l, run_attention, &p, p.rows, 16, want, 1e-6);
    free(want);
    release(&p);
}

/* A form that the backend does not do is named, by the question and by the op, which computes nothing. */
static void test_refused_forms(void **state)
{
    backend *b = ((lab *)*state)->backends[0][0];
    const kv_layout kv = {1, 2, 8, DTYPE_F32};
    tensor *t = tensor_of(b, NULL, 1, 16), *q = tensor_of(b, NULL, 1, 16);
    const attention_form plain = {2, 8, 8, 1, 0, false, 0, NULL};
    const struct {
        attention_form form;
        const char *named;
    } cases[] = {
        {{2, 8, 8, 1, 30, false, 0, NULL}, "a soft cap"},
        {{2, 8, 8, 1, 0, true, 0, NULL}, "later positions"},
        {{2, 8, 8, 1, 0, false, 128, NULL}, "a sliding window"},
        {{2, 8, 8, 1, 0, false, 0, t}, "sinks"},
        {{2, 12, 8, 1, 0, false, 0, NULL}, "differ in width"},
        {{2, 8, 4, 1, 0, false, 0, NULL}, "differ in width"},
    };
    error err = {0};
    batch_row row = {0};
    assert_int_equal(backend_can_attend(b, &plain, &kv, &err), 0);
    op_batch(b, &kv, &row, 1, NULL, NULL, 0);
    op_layer(b, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(backend_can_attend(b, &cases[i].form, &kv, &err), -1);
        assert_non_null(strstr(err.text, cases[i].named));
        op_attention(b, t, q, 0, &cases[i].form, 1);
        assert_int_equal(backend_sync(b, &err), -1);
        assert_memory_equal(err.text, "layer 3: the cpu backend does not do ", 37);
        assert_non_null(strstr(err.text, cases[i].named));
    }
    op_layer(b, -1);
    tensor_free(t);
    tensor_free(q);
}

/* ---- the kernels alone ------------------------------------------------------------------------ */

enum { QUERIES = 16, DIM = 264 };

/* What one set makes of a chunk. */
typedef struct outcome {
    float scores[QUERIES][KV_PAGE];
    float acc[QUERIES][DIM];
} outcome;

static void fold_chunk(const attention_kernels *k, const attention_chunk *c, int queries,
                       const float *x, outcome *out)
{
    const float *q[QUERIES];
    float *acc[QUERIES], keep[QUERIES];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < QUERIES; i++) {
        q[i] = x + i * DIM;
        acc[i] = out->acc[i];
        keep[i] = x[i];
        memcpy(acc[i], x + i * DIM, sizeof out->acc[i]);
    }
    k->score(c, q, queries, 0.3f, out->scores);
    k->accumulate(c, out->scores, keep, queries, acc);
}

static void same_as_baseline(const attention_kernels *k, dtype type, size_t dim, int positions,
                             int queries)
{
    static outcome want, got; /* too large for a stack */
    size_t n = QUERIES * DIM;
    float *x = calloc(n, sizeof *x), *keys = calloc(KV_PAGE * dim, sizeof *keys);
    assert_true(x && keys);
    random_normal(x, n, 1, (unsigned)(dim + (size_t)queries));
    random_normal(keys, KV_PAGE * dim, 1, (unsigned)positions);
    char *stored = stored_as(type, keys, (size_t)positions, dim);
    attention_chunk c = {.type = type, .data = stored, .dim = dim, .positions = positions};
    fold_chunk(attention_baseline(), &c, queries, x, &want);
    fold_chunk(k, &c, queries, x, &got);
    assert_memory_equal(&got, &want, sizeof want);
    free(stored - 1);
    free(keys);
    free(x);
}

/* Every set, type, size and number of queries and positions: the bits of the baseline. */
static void test_kernels_same_bits(void **state)
{
    (void)state;
    const size_t dims[] = {8, 16, 24, 32, 40, 64, 96, 128, 256, 264};
    const int positions[] = {1, 3, 4, 7, 8, 13, 63, 64};
    const dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};
    const attention_kernels *sets[] = {dot_select("avx2", NULL) ? attention_avx2() : NULL,
                                       dot_select("avx512", NULL) ? attention_avx512() : NULL};
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++)
        for (size_t t = 0; sets[s] && t < sizeof types / sizeof *types; t++)
            for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
                for (size_t p = 0; p < sizeof positions / sizeof *positions; p++)
                    if (types[t] != DTYPE_Q8_0 || dims[d] % 32 == 0)
                        for (int q = 1; q <= QUERIES; q += q < 9 ? 1 : 7)
                            same_as_baseline(sets[s], types[t], dims[d], positions[p], q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_q8_0),
        cmocka_unit_test(test_page_copy),
        cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_refused_forms),
        cmocka_unit_test(test_kernels_same_bits),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
