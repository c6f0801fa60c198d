/* test_dot.c - every kernel gives the bits of the definition in dot.h.
 *
 * The scalar set is compared with arithmetic in double precision, every other set with the scalar
 * one, byte for byte: any type, any number of rows and columns, odd sizes, extreme values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/cpu/dot.h"
#include "../kernels/cpu/mathx.h"
#include "../kernels/cpu/matmul.h"
#include "../kernels/dequantize.h"
#include "blocks.h"

static const dot_kernels *baseline(void)
{
    return dot_select("baseline", NULL);
}

/* The fastest set here; the same as baseline() on a processor without AVX2. */
static const dot_kernels *fastest(void)
{
    return dot_select("auto", NULL);
}

enum { SETS = 3 };

/* All sets that run here, the baseline first; returns how many. */
static int sets_here(const dot_kernels *sets[SETS])
{
    const char *const names[SETS] = {"baseline", "avx2", "avx512"};
    int count = 0;
    for (int i = 0; i < SETS; i++) {
        error err;
        sets[count] = dot_select(names[i], &err);
        count += sets[count] != NULL;
    }
    return count;
}

/* n quantised (or plain) rows made from x [n, cols]; aligned; caller frees. */
typedef struct inputs {
    uint8_t *bytes;
    const void *rows[DOT_MANY];
} inputs;

static inputs inputs_of(const dot_kernels *k, dtype type, const float *x, size_t cols, size_t n)
{
    activation_form form = activation_of(type);
    size_t stride = activation_bytes(form, cols);
    inputs in = {.bytes = aligned_alloc(64, (n * stride + 63) / 64 * 64)};
    assert_non_null(in.bytes);
    for (size_t i = 0; i < n; i++) {
        in.rows[i] = in.bytes + i * stride;
        if (form == ACTIVATION_F32)
            memcpy(in.bytes + i * stride, x + i * cols, cols * sizeof *x);
        else
            k->quantize[form](x + i * cols, cols, in.bytes + i * stride);
    }
    return in;
}

/* Activation j of a row as a double. */
static double activation_at(dtype type, const void *row, size_t j)
{
    size_t group = j / ACTIVATION_GROUP, at = j % ACTIVATION_GROUP;
    const activation_q32 *q32 = (const activation_q32 *)row + group;
    const activation_q256 *q256 = (const activation_q256 *)row + group;
    int block = (int)(at / 32);
    switch (activation_of(type)) {
    case ACTIVATION_Q32:
        return (double)q32->scale[ACTIVATION_LANE(block)] *
               q32->q[ACTIVATION_PLACE(block, (int)(at % 32))];
    case ACTIVATION_Q256:
        return (double)q256->scale * q256->q[at];
    default:
        return ((const float *)row)[j];
    }
}

/* ---- against double precision ---------------------------------------------------------------------- */

static void near_double(dtype type, size_t rows, size_t cols)
{
    blocks_random random = {cols * 31 + type};
    uint8_t *weight = blocks_matrix(&random, type, rows, cols);
    float *x = blocks_activations(&random, cols), *row = calloc(cols, sizeof *row);
    float *out = calloc(rows, sizeof *out);
    inputs in = inputs_of(fastest(), type, x, cols, 1);
    fastest()->rows[type](weight, cols, 0, rows, in.rows, 1, &out);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0, absolute = 0;
        dequantize_row(type, weight + r * dtype_row_bytes(type, cols), row, cols);
        for (size_t j = 0; j < cols; j++) {
            double product = (double)row[j] * activation_at(type, in.rows[0], j);
            sum += product;
            absolute += fabs(product);
        }
        if (!(fabs(out[r] - sum) <= 1e-6 * absolute))
            fail_msg("%s: row %zu of %zu columns: %.9g, exact %.9g", dtype_describe(type)->name, r,
                     cols, (double)out[r], sum);
        assert_true(absolute > 0);
    }
    free(weight);
    free(x);
    free(row);
    free(out);
    free(in.bytes);
}

static void test_near_double(void **state)
{
    (void)state;
    for (dtype type = 0; type < DTYPE_COUNT; type++)
        for (size_t blocks = 1; blocks <= 24; blocks += blocks < 12 ? 1 : 4)
            near_double(type, 5,
                        blocks * (size_t)dtype_describe(type)->block *
                            (dtype_describe(type)->block == 1 ? 37 : 1));
}

/* ---- set against set --------------------------------------------------------------------------------- */

/* All results of [rows, cols] x n, starting at row `first`; what lies outside must stay. */
static void same_bits(dtype type, const void *weight, const float *x, size_t rows, size_t cols,
                      size_t n, size_t first)
{
    float *out[SETS][DOT_COLUMNS];
    const dot_kernels *sets[SETS];
    int count = sets_here(sets);
    for (int s = 0; s < count; s++) {
        inputs in = inputs_of(sets[s], type, x, cols, n);
        for (size_t i = 0; i < n; i++)
            out[s][i] = calloc(rows, sizeof(float));
        sets[s]->rows[type](weight, cols, first, rows, in.rows, n, out[s]);
        free(in.bytes);
    }
    for (int s = 0; s < count; s++)
        for (size_t i = 0; i < n; i++) {
            if (memcmp(out[0][i], out[s][i], rows * sizeof(float)) != 0)
                fail_msg("%s: %zu x %zu, column %zu of %zu: baseline %a, %s %a (row %zu first)",
                         dtype_describe(type)->name, rows, cols, i, n, (double)out[0][i][first],
                         sets[s]->name, (double)out[s][i][first], first);
            for (size_t r = 0; r < first; r++)
                assert_true(out[s][i][r] == 0);
        }
    for (int s = 0; s < count; s++)
        for (size_t i = 0; i < n; i++)
            free(out[s][i]);
}

static void test_same_bits(void **state)
{
    (void)state;
    blocks_random random = {1};
    for (dtype type = 0; type < DTYPE_COUNT; type++) {
        size_t unit = (size_t)dtype_describe(type)->block;
        for (int round = 0; round < 60; round++) {
            size_t rows = 1 + blocks_next(&random) % 9, n = 1 + blocks_next(&random) % DOT_COLUMNS;
            size_t cols = unit * (1 + blocks_next(&random) % (unit == 1 ? 200 : 20));
            void *weight = blocks_matrix(&random, type, rows, cols);
            float *x = blocks_activations(&random, n * cols);
            same_bits(type, weight, x, rows, cols, n, blocks_next(&random) % rows);
            free(weight);
            free(x);
        }
    }
}

/* Codes, scales and activations at their extremes: no intermediate sum may saturate or wrap. */
static void test_extremes(void **state)
{
    (void)state;
    enum { COLS = 512, ROWS = 5 };
    for (dtype type = 0; type < DTYPE_COUNT; type++)
        for (int which = 0; which < 3; which++)
            for (int signs = 0; signs < 4; signs++) {
                void *weight = blocks_extreme(type, ROWS, COLS, which);
                float *x = calloc(4 * COLS, sizeof *x);
                for (int j = 0; j < 4 * COLS; j++)
                    x[j] = signs == 0   ? 127.0f
                           : signs == 1 ? -127.0f
                           : j % signs  ? 127.0f
                                        : -127.0f;
                same_bits(type, weight, x, ROWS, COLS, 1, 0);
                same_bits(type, weight, x, ROWS, COLS, 4, 0);
                free(weight);
                free(x);
            }
}

/* What a kernel for many columns gives is what the baseline gives each alone; what lies outside of the
 * rows asked for must stay. */
static void many_same_bits(const dot_kernels *set, dtype type, const void *weight, const float *x,
                           size_t rows, size_t cols, size_t n, size_t first)
{
    float *out[DOT_MANY], *alone = calloc(rows, sizeof *alone);
    inputs in = inputs_of(set, type, x, cols, n);
    for (size_t i = 0; i < n; i++)
        out[i] = calloc(rows + 1, sizeof(float));
    set->many[type](weight, cols, first, rows, in.rows, n, out);
    for (size_t i = 0; i < n; i++) {
        baseline()->rows[type](weight, cols, first, rows, &in.rows[i], 1, &alone);
        if (memcmp(out[i] + first, alone + first, (rows - first) * sizeof(float)) != 0)
            fail_msg("%s: %zu x %zu, column %zu of %zu, from row %zu: %s differs",
                     dtype_describe(type)->name, rows, cols, i, n, first, set->name);
        for (size_t r = 0; r < first; r++)
            assert_true(out[i][r] == 0);
        assert_true(out[i][rows] == 0);
        free(out[i]);
    }
    free(alone);
    free(in.bytes);
}

static void many_of_type(const dot_kernels *set, dtype type)
{
    enum { COLS = 512, ROWS = 19, N = 21 };
    blocks_random random = {7};
    size_t unit = (size_t)dtype_describe(type)->block;
    for (int round = 0; round < 24; round++) {
        size_t rows = 1 + blocks_next(&random) % 40, n = 1 + blocks_next(&random) % DOT_MANY;
        size_t cols = unit * (1 + blocks_next(&random) % 10);
        void *weight = blocks_matrix(&random, type, rows, cols);
        float *x = blocks_activations(&random, n * cols);
        many_same_bits(set, type, weight, x, rows, cols, n, blocks_next(&random) % rows);
        free(weight);
        free(x);
    }
    for (int which = 0; which < 12; which++) { /* nothing may saturate or wrap */
        void *weight = blocks_extreme(type, ROWS, COLS, which % 3);
        float *x = calloc(N * COLS, sizeof *x);
        for (int j = 0; j < N * COLS; j++)
            x[j] = which / 3 == 0 || (which / 3 > 1 && j % (which / 3)) ? 127.0f : -127.0f;
        many_same_bits(set, type, weight, x, ROWS, COLS, N, 0);
        free(weight);
        free(x);
    }
}

static void test_many_same_bits(void **state)
{
    (void)state;
    const dot_kernels *sets[SETS];
    for (int s = sets_here(sets); s-- > 0;)
        for (dtype type = 0; type < DTYPE_COUNT; type++)
            if (sets[s]->many[type])
                many_of_type(sets[s], type);
}

static void columns_alone(const dot_kernels *set)
{
    enum { ROWS = 7 };
    blocks_random random = {2};
    for (dtype type = 0; type < DTYPE_COUNT; type++) {
        size_t cols = dtype_describe(type)->block == 1 ? 75 : 768;
        void *weight = blocks_matrix(&random, type, ROWS, cols);
        float *x = blocks_activations(&random, DOT_COLUMNS * cols);
        inputs in = inputs_of(set, type, x, cols, DOT_COLUMNS);
        float together[DOT_COLUMNS][ROWS], alone[ROWS], *out[DOT_COLUMNS], *one = alone;
        for (size_t n = 1; n <= DOT_COLUMNS; n++) {
            for (size_t i = 0; i < n; i++)
                out[i] = together[i];
            set->rows[type](weight, cols, 0, ROWS, in.rows, n, out);
            for (size_t i = 0; i < n; i++) {
                set->rows[type](weight, cols, 0, 3, &in.rows[i], 1, &one);
                set->rows[type](weight, cols, 3, ROWS, &in.rows[i], 1, &one);
                assert_memory_equal(alone, together[i], sizeof alone);
            }
        }
        free(weight);
        free(x);
        free(in.bytes);
    }
}

/* A column's results do not depend on those beside it: the lockstep promise, for every set. */
static void test_columns_alone(void **state)
{
    (void)state;
    const dot_kernels *sets[SETS];
    for (int s = sets_here(sets); s-- > 0;)
        columns_alone(sets[s]);
}

/* ---- quantised activations ---------------------------------------------------------------------------- */

static void quantize_both(activation_form form, const float *x, size_t cols)
{
    size_t bytes = activation_bytes(form, cols);
    void *a = aligned_alloc(32, bytes), *b = aligned_alloc(32, bytes);
    memset(a, 0, bytes); /* padding inside the groups is not compared with chance */
    memset(b, 0, bytes);
    baseline()->quantize[form](x, cols, a);
    fastest()->quantize[form](x, cols, b);
    assert_memory_equal(a, b, bytes);
    free(a);
    free(b);
}

static void test_quantize_same_bits(void **state)
{
    (void)state;
    blocks_random random = {3};
    const float odd[] = {0,        -0.0f,    INFINITY,  -INFINITY, NAN,   1e-38f,
                         3.4e38f,  -3.4e38f, 0x1p-100f, 0x1p-149f, 63.5f, 0.5f,
                         -127.49f, 1e-30f,   0x1p-101f, 127};
    for (activation_form form = ACTIVATION_Q32; form < ACTIVATION_FORMS; form++)
        for (size_t cols = 32; cols <= 1024; cols += form == ACTIVATION_Q32 ? 32 : 256) {
            float *x = blocks_activations(&random, cols);
            quantize_both(form, x, cols);
            for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
                x[blocks_next(&random) % cols] = odd[i];
                quantize_both(form, x, cols);
                memset(x, 0, cols / 2 * sizeof *x);
            }
            free(x);
        }
}

/* Half a step at most, and the stored sums are the sums. */
static void test_quantize_is_near(void **state)
{
    (void)state;
    blocks_random random = {4};
    enum { COLS = 544 };
    float *x = blocks_activations(&random, COLS);
    alignas(32) activation_q32 q[3];
    baseline()->quantize[ACTIVATION_Q32](x, COLS, q);
    for (size_t j = 0; j < COLS; j++) {
        double step = (double)q[j / 256].scale[ACTIVATION_LANE((int)(j % 256 / 32))];
        assert_true(fabs(activation_at(DTYPE_Q4_0, q, j) - (double)x[j]) <= 0.5001 * step);
    }
    for (int b = 0; b < 8; b++) {
        int sum = 0;
        for (int j = 0; j < 32; j++)
            sum += q[0].q[ACTIVATION_PLACE(b, j)];
        assert_int_equal(sum, q[0].sum[ACTIVATION_LANE(b)]);
    }
    assert_true(q[2].scale[ACTIVATION_LANE(1)] == 0); /* past the end of the row */
    free(x);
}

static void not_a_number_stays(const dot_kernels *set)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    blocks_random random = {5};
    for (dtype type = 0; type < DTYPE_COUNT; type++)
        for (int i = 0; i < 3; i++) {
            void *weight = blocks_matrix(&random, type, 1, 512);
            float *x = blocks_activations(&random, 512), result[2] = {0}, *out[] = {&result[0]};
            x[300] = bad[i];
            inputs in = inputs_of(set, type, x, 512, 1);
            set->rows[type](weight, 512, 0, 1, in.rows, 1, out);
            assert_false(fabsf(result[0]) <= FLT_MAX);
            free(weight);
            free(x);
            free(in.bytes);
        }
}

/* A number that is none must reach the result, not vanish in the integers. */
static void test_not_a_number_stays(void **state)
{
    (void)state;
    const dot_kernels *sets[SETS];
    for (int s = sets_here(sets); s-- > 0;)
        not_a_number_stays(sets[s]);
}

/* ---- exp ------------------------------------------------------------------------------------------------ */

/* Distance in units of the last place of the exact value. */
static double ulps(float got, double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)got - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void test_exp(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = -103.9f; x < 88.72f; x += 0.000917f)
        worst = fmax(worst, ulps(mathx_exp(x), exp((double)x)));
    if (!(worst <= 1))
        fail_msg("exp is off by %.3f ulp", worst);
    assert_true(mathx_exp(0) == 1);
    assert_true(mathx_exp(-INFINITY) == 0);
    assert_true(mathx_exp(-1000) == 0);
    assert_true(isinf(mathx_exp(INFINITY)) && isinf(mathx_exp(89)));
    assert_true(isnan(mathx_exp(NAN)));
    assert_true(mathx_sigmoid(0) == 0.5f && mathx_sigmoid(-200) == 0 && mathx_sigmoid(200) == 1);
    assert_true(mathx_silu(0) == 0 && mathx_silu(50) == 50);
}

static void test_exp_same_bits(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *x = calloc(N, sizeof *x), *up = calloc(N, sizeof *x);
    float *a = calloc(N, sizeof *x), *b = calloc(N, sizeof *x);
    blocks_random random = {6};
    for (int i = 0; i < N; i++) {
        x[i] = blocks_uniform(&random, -115, 95);
        up[i] = blocks_uniform(&random, -2, 2);
    }
    const float odd[] = {INFINITY, -INFINITY, 0, -0.0f, 1e-40f, 3e38f, -3e38f};
    memcpy(x + 5, odd, sizeof odd);
    memcpy(a, x, N * sizeof *x);
    memcpy(b, x, N * sizeof *x);
    baseline()->exp(a, 0.25f, N);
    fastest()->exp(b, 0.25f, N);
    assert_memory_equal(a, b, N * sizeof *x);
    x[6] = -90; /* silu of -infinity is not a number, and those have many bit patterns */
    baseline()->swiglu(a, x, up, N);
    fastest()->swiglu(b, x, up, N);
    assert_memory_equal(a, b, N * sizeof *x);
    free(x);
    free(up);
    free(a);
    free(b);
}

/* Rows of any number and length, at any address; each output is its own chain. */
static void test_add_rows(void **state)
{
    (void)state;
    enum { MOST = 131, RANK = 9, STRIDE = 140 };
    float b[1 + RANK * STRIDE], h[RANK], y[1 + MOST], x[1 + MOST], start[1 + MOST];
    blocks_random random = {9};
    for (int i = 0; i <= RANK * STRIDE; i++)
        b[i] = blocks_uniform(&random, -1, 1);
    for (int i = 0; i < RANK; i++)
        h[i] = blocks_uniform(&random, -3, 3);
    for (int i = 0; i <= MOST; i++)
        start[i] = blocks_uniform(&random, -2, 2);
    for (size_t n = 0; n <= MOST; n++)
        for (size_t rank = 0; rank <= RANK; rank += 1 + rank / 2) {
            memcpy(x, start, sizeof x);
            memcpy(y, start, sizeof y);
            baseline()->add_rows(x + 1, b + 1, STRIDE, h, rank, n);
            fastest()->add_rows(y + 1, b + 1, STRIDE, h, rank, n);
            assert_memory_equal(x, y, sizeof x);
            for (size_t i = 0; i < n; i++) {
                float want = start[1 + i];
                for (size_t j = 0; j < rank; j++)
                    want = fmaf(h[j], b[1 + j * STRIDE + i], want);
                assert_true(x[1 + i] == want);
            }
        }
}

/* ---- over the pool ---------------------------------------------------------------------------------------- */

typedef struct layer {
    matmul_task tasks[4];
    size_t cols, n;
    float *x;
    void *scratch;
} layer;

static layer layer_new(size_t n)
{
    const dtype types[] = {DTYPE_Q4_K, DTYPE_Q6_K, DTYPE_Q8_0, DTYPE_F32};
    const size_t rows[] = {67, 130, 5, 33};
    blocks_random random = {7};
    layer l = {.cols = 512, .n = n};
    for (int t = 0; t < 4; t++)
        l.tasks[t] = (matmul_task){.type = types[t],
                                   .weight = blocks_matrix(&random, types[t], rows[t], l.cols),
                                   .rows = rows[t],
                                   .bias = t == 1 ? blocks_activations(&random, rows[t]) : NULL,
                                   .out = calloc(n * (rows[t] + 3), sizeof(float)),
                                   .out_stride = rows[t] + 3};
    l.x = blocks_activations(&random, n * (l.cols + 8));
    l.scratch = aligned_alloc(64, matmul_scratch_bytes(l.cols, n));
    return l;
}

static void layer_free(layer *l)
{
    for (int t = 0; t < 4; t++) {
        free((void *)l->tasks[t].weight);
        free((void *)l->tasks[t].bias);
        free(l->tasks[t].out);
    }
    free(l->x);
    free(l->scratch);
}

/* Row i of every task for every number of threads, against the same row alone on one thread. */
static void test_threads_and_batch(void **state)
{
    (void)state;
    const size_t batches[] = {1, 2, 5, 8, 19, 70};
    const int threads[] = {1, 2, 3, 8};
    layer alone = layer_new(1);
    thread_pool *single = thread_pool_open(1, NULL);
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
        for (size_t c = 0; c < sizeof threads / sizeof *threads; c++) {
            layer l = layer_new(batches[b]);
            thread_pool *p = thread_pool_open(threads[c], NULL);
            matmul_input input = {.x = l.x, .stride = l.cols + 8, .cols = l.cols, .n = l.n};
            matmul_run((matmul_device){fastest(), p}, l.tasks, 4, input, l.scratch);
            for (size_t i = 0; i < l.n; i++) {
                matmul_input one = {.x = l.x + i * input.stride, .cols = l.cols, .n = 1};
                matmul_run((matmul_device){baseline(), single}, alone.tasks, 4, one, alone.scratch);
                for (int t = 0; t < 4; t++)
                    assert_memory_equal(alone.tasks[t].out,
                                        l.tasks[t].out + i * l.tasks[t].out_stride,
                                        l.tasks[t].rows * sizeof(float));
            }
            thread_pool_close(p);
            layer_free(&l);
        }
    thread_pool_close(single);
    layer_free(&alone);
}

/* Gate and up in one region, of different types, against the two products and silu. */
static void test_swiglu_region(void **state)
{
    (void)state;
    enum { ROWS = 531, COLS = 256, N = 11 };
    blocks_random random = {8};
    matmul_task tasks[2];
    for (int t = 0; t < 2; t++)
        tasks[t] = (matmul_task){.type = t ? DTYPE_Q5_K : DTYPE_Q4_1, .rows = ROWS};
    for (int t = 0; t < 2; t++) {
        tasks[t].weight = blocks_matrix(&random, tasks[t].type, ROWS, COLS);
        tasks[t].out = calloc(N * ROWS, sizeof(float));
        tasks[t].out_stride = ROWS;
    }
    float *x = blocks_activations(&random, N * COLS), *fused = calloc(N * ROWS, sizeof(float));
    void *scratch = aligned_alloc(64, matmul_scratch_bytes(COLS, N));
    thread_pool *p = thread_pool_open(3, NULL);
    matmul_device device = {fastest(), p};
    matmul_input input = {.x = x, .stride = COLS, .cols = COLS, .n = N};
    matmul_task gate = tasks[0];
    gate.out = fused;
    matmul_swiglu(device, &gate, &tasks[1], input, scratch);
    matmul_run(device, tasks, 2, input, scratch);
    for (int i = 0; i < N * ROWS; i++)
        assert_true(fused[i] == mathx_silu(tasks[0].out[i]) * tasks[1].out[i]);
    thread_pool_close(p);
    for (int t = 0; t < 2; t++) {
        free((void *)tasks[t].weight);
        free(tasks[t].out);
    }
    free(x);
    free(fused);
    free(scratch);
}

static void test_select(void **state)
{
    (void)state;
    error err = {0};
    assert_string_equal(dot_select("baseline", &err)->name, "baseline");
    assert_non_null(dot_select("auto", &err));
    const char *const names[] = {"avx2", "avx512"};
    for (int i = 0; i < 2; i++) {
        const dot_kernels *set = dot_select(names[i], &err);
        assert_true(set ? strcmp(set->name, names[i]) == 0 : err.code == ERROR_RUN);
    }
    assert_null(dot_select("sse9", &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "sse9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_double),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_columns_alone),
        cmocka_unit_test(test_many_same_bits),
        cmocka_unit_test(test_quantize_same_bits),
        cmocka_unit_test(test_quantize_is_near),
        cmocka_unit_test(test_not_a_number_stays),
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_exp_same_bits),
        cmocka_unit_test(test_threads_and_batch),
        cmocka_unit_test(test_add_rows),
        cmocka_unit_test(test_swiglu_region),
        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
