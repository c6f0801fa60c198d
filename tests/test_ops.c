/* test_ops.c - opening a backend, tensors, and the ops that look at each row once.
 *
 * Every op is compared with a naive double-precision version and must give the same bytes on all ISA
 * levels, thread counts and batch sizes (op_support.h). Sizes are odd on purpose, weights lie at odd
 * addresses, and one problem is large enough that the rows are shared among threads.
 */
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/cpu/cores.h"
#include "../kernels/devices/backend_open.h"

static double silu(double x)
{
    return x / (1 + exp(-x));
}

/* One problem of any op here: rows of x, sometimes of y, and a weight at an odd address. */
typedef struct problem {
    int rows, heads, rotary;
    size_t cols, outs; /* of x, of the result */
    float scale;
    bool pairs;
    dtype type;
    float *x, *y;
    char *weight, *second, *bias;
    float *weight_values, *second_values, *bias_values;
    float *cosines, *sines;
    int *ids;
} problem;

/* weight rows x cols of `type`, and the values it stands for */
static char *make_weight(dtype type, size_t rows, size_t cols, unsigned seed, float **values)
{
    *values = malloc(rows * cols * sizeof **values);
    assert_non_null(*values);
    random_normal(*values, rows * cols, 0.5f, seed);
    char *stored = stored_as(type, *values, rows, cols);
    values_of(type, stored, *values, rows, cols);
    return stored;
}

static float *make_rows(int rows, size_t cols, unsigned seed)
{
    float *x = malloc((size_t)rows * cols * sizeof *x);
    assert_non_null(x);
    random_normal(x, (size_t)rows * cols, 1.5f, seed);
    return x;
}

static void release(problem *p)
{
    free(p->x);
    free(p->y);
    free(p->weight ? p->weight - 1 : NULL);
    free(p->second ? p->second - 1 : NULL);
    free(p->bias ? p->bias - 1 : NULL);
    free(p->weight_values);
    free(p->second_values);
    free(p->bias_values);
    free(p->cosines);
    free(p->sines);
    free(p->ids);
}

static tensor *map(backend *b, dtype type, size_t rows, size_t cols, const char *stored)
{
    tensor *t = tensor_map(b, type, rows, cols, stored, NULL);
    assert_non_null(t);
    return t;
}

/* ---- opening and tensors ---------------------------------------------------------------------- */

static void test_open(void **state)
{
    (void)state;
    error err = {0};
    assert_null(backend_open(&(backend_options){.name = "tpu"}, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "tpu"));
    assert_null(backend_open(&(backend_options){.name = "cuda", .plugin = "./no.so"}, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "no.so"));
    error why = {0};
    backend *instead =
        backend_open(&(backend_options){.plugin = "./no.so", .fallback = &why}, &err);
    assert_non_null(instead);
    assert_string_equal(backend_name(instead), "cpu");
    assert_non_null(strstr(why.text, "no.so"));
    backend_close(instead);
    assert_null(backend_open(&(backend_options){.isa = "sse9"}, &err));
    assert_int_equal(err.code, ERROR_USAGE);

    backend *b = backend_open(&(backend_options){0}, &err);
    assert_non_null(b);
    assert_string_equal(backend_name(b), "cpu");
    assert_int_equal(backend_threads(b), cores_physical());
    assert_true(cores_physical() >= 1);
    backend_close(b);
    b = backend_open(&(backend_options){.name = "cpu", .isa = "baseline", .threads = 3}, &err);
    assert_non_null(b);
    assert_string_equal(backend_isa(b), "baseline");
    assert_int_equal(backend_threads(b), 3);
    backend_close(b);
    backend_close(NULL);
}

static void test_tensors(void **state)
{
    backend *b = ((lab *)*state)->backends[0][0];
    float in[6] = {1, 2, 3, 4, 5, 6}, out[6];
    tensor *t = tensor_new(b, DTYPE_F32, 4, 3, NULL);
    assert_non_null(t);
    tensor_read(b, t, 0, 2, out);
    for (int i = 0; i < 6; i++)
        assert_true(out[i] == 0);
    tensor_write(b, t, 2, 2, in);
    read_rows(b, t, 1, out);
    tensor_read(b, t, 2, 2, out);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(tensor_rows(t), 4);
    assert_int_equal(tensor_cols(t), 3);
    tensor_free(t);
    tensor_free(NULL);
    error err = {0};
    assert_null(tensor_new(b, DTYPE_F32, SIZE_MAX / 2, 64, &err));
    assert_int_equal(err.code, ERROR_RUN);
}

static void test_bandwidth(void **state)
{
    size_t bytes = (1 << 20) + 3;
    char *memory = calloc(bytes, 1);
    assert_non_null(memory);
    for (int t = 0; t < LAB_THREADS; t++)
        assert_true(backend_read_seconds(((lab *)*state)->backends[0][t], memory, bytes) > 0);
    free(memory);
}

/* ---- embedding and gathering ------------------------------------------------------------------ */

static void run_embed(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *table = map(b, p->type, 50, p->cols, p->weight);
    tensor *t = tensor_of(b, NULL, (size_t)n, p->cols);
    op_embed(b, t, table, p->ids + first, n, p->scale);
    read_rows(b, t, n, out);
    tensor_free(t);
    tensor_free(table);
}

static void test_embed(void **state)
{
    const struct {
        dtype type;
        size_t cols;
        int rows;
    } cases[] = {
        {DTYPE_F32, 37, 5}, {DTYPE_F16, 37, 5}, {DTYPE_Q8_0, 64, 5}, {DTYPE_BF16, 640, 90}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        problem p = {
            .rows = cases[c].rows, .cols = cases[c].cols, .type = cases[c].type, .scale = 12.5f};
        p.weight = make_weight(p.type, 50, p.cols, 1, &p.weight_values);
        p.ids = malloc((size_t)p.rows * sizeof *p.ids);
        double *want = malloc((size_t)p.rows * p.cols * sizeof *want);
        for (int i = 0; i < p.rows; i++) {
            p.ids[i] = i * 17 % 50;
            for (size_t j = 0; j < p.cols; j++)
                want[(size_t)i * p.cols + j] =
                    12.5 * (double)p.weight_values[(size_t)p.ids[i] * p.cols + j];
        }
        check_case(*state, run_embed, &p, p.rows, p.cols, want, 1e-13);
        free(want);
        release(&p);
    }
}

static void test_gather(void **state)
{
    backend *b = ((lab *)*state)->backends[0][1];
    const float in[6] = {1, 2, 3, 4, 5, 6}, want[8] = {5, 6, 1, 2, 5, 6, 3, 4};
    float out[8];
    tensor *x = tensor_of(b, in, 3, 2), *t = tensor_of(b, NULL, 4, 2);
    op_gather(b, t, x, (const int[]){2, 0, 2, 1}, 4);
    read_rows(b, t, 4, out);
    assert_memory_equal(out, want, sizeof out);
    tensor_free(x);
    tensor_free(t);
}

/* ---- norms ------------------------------------------------------------------------------------ */

static void run_rmsnorm(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    tensor *weight = map(b, DTYPE_F32, 1, p->cols / (size_t)p->heads, p->weight);
    if (p->heads > 1)
        op_head_rmsnorm(b, x, weight, p->heads, (int)p->cols / p->heads, 1e-5f, n);
    else
        op_rmsnorm(b, x, x, weight, 1e-5f, n); /* in place */
    read_rows(b, x, n, out);
    tensor_free(x);
    tensor_free(weight);
}

static void test_rmsnorm(void **state)
{
    const struct {
        int rows, heads;
        size_t dim;
    } cases[] = {{1, 1, 576}, {5, 1, 37}, {3, 1, 1}, {70, 1, 1000}, {4, 3, 7}, {6, 9, 64}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t dim = cases[c].dim;
        problem p = {.rows = cases[c].rows, .heads = cases[c].heads};
        p.cols = dim * (size_t)p.heads;
        p.x = make_rows(p.rows, p.cols, 2);
        p.weight = make_weight(DTYPE_F32, 1, dim, 3, &p.weight_values);
        double *want = malloc((size_t)p.rows * p.cols * sizeof *want);
        for (size_t at = 0; at < (size_t)p.rows * p.cols; at += dim) {
            double sum = 0;
            for (size_t j = 0; j < dim; j++)
                sum += (double)p.x[at + j] * (double)p.x[at + j];
            for (size_t j = 0; j < dim; j++)
                want[at + j] = (double)p.x[at + j] / sqrt(sum / (double)dim + (double)1e-5f) *
                               (double)p.weight_values[j];
        }
        check_case(*state, run_rmsnorm, &p, p.rows, p.cols, want, 1e-12);
        free(want);
        release(&p);
    }
}

/* A row that is not finite is reported once, with the layer that op_layer() named. */
static void test_not_finite(void **state)
{
    backend *b = ((lab *)*state)->backends[0][1];
    error err = {0};
    float bad[6] = {1, 2, 3, 4, NAN, 6}, one[3] = {1, 1, 1};
    tensor *x = tensor_of(b, bad, 2, 3), *weight = tensor_of(b, one, 1, 3);
    tensor *out = tensor_of(b, NULL, 2, 3);
    op_layer(b, 7);
    op_rmsnorm(b, out, x, weight, 1e-5f, 1);
    assert_int_equal(backend_sync(b, &err), 0);
    op_rmsnorm(b, out, x, weight, 1e-5f, 2);
    op_layer(b, 8);
    op_rmsnorm(b, out, x, weight, 1e-5f, 2);
    assert_int_equal(backend_sync(b, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    assert_string_equal(err.text, "layer 7: activations are not finite");
    assert_int_equal(backend_sync(b, &err), 0);
    op_layer(b, -1);
    tensor_free(x);
    tensor_free(weight);
    tensor_free(out);
}

/* ---- RoPE ------------------------------------------------------------------------------------- */

static void run_rope(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    size_t half = (size_t)p->rotary / 2;
    kv_layout layout = {1, 1, 8, DTYPE_F32};
    batch_row *rows = calloc((size_t)n, sizeof *rows);
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    op_batch(b, &layout, rows, n, p->cosines + (size_t)first * half,
             p->sines + (size_t)first * half, (int)half);
    op_rope(b, x, p->heads, (int)p->cols / p->heads, p->rotary, p->pairs, n);
    read_rows(b, x, n, out);
    tensor_free(x);
    free(rows);
}

static void rotate_naive(const problem *p, double *want)
{
    size_t dim = p->cols / (size_t)p->heads, half = (size_t)p->rotary / 2;
    for (size_t i = 0; i < (size_t)p->rows * p->cols; i++)
        want[i] = (double)p->x[i];
    for (size_t i = 0; i < (size_t)p->rows * (size_t)p->heads; i++)
        for (size_t j = 0; j < half; j++) {
            size_t a = i * dim + (p->pairs ? 2 * j : j), c = p->pairs ? a + 1 : a + half;
            size_t angle = i / (size_t)p->heads * half + j;
            double cosine = (double)p->cosines[angle], sine = (double)p->sines[angle];
            want[a] = (double)p->x[a] * cosine - (double)p->x[c] * sine;
            want[c] = (double)p->x[c] * cosine + (double)p->x[a] * sine;
        }
}

static void test_rope(void **state)
{
    const struct {
        int rows, heads, dim, rotary;
        bool pairs;
    } cases[] = {{1, 9, 64, 64, true},
                 {5, 3, 10, 6, false},
                 {5, 3, 7, 2, true},
                 {4, 2, 64, 64, false},
                 {64, 9, 64, 32, true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        problem p = {.rows = cases[c].rows,
                     .heads = cases[c].heads,
                     .rotary = cases[c].rotary,
                     .cols = (size_t)(cases[c].heads * cases[c].dim),
                     .pairs = cases[c].pairs};
        p.x = make_rows(p.rows, p.cols, 4);
        p.cosines = make_rows(p.rows, (size_t)p.rotary / 2, 5); /* any numbers will do */
        p.sines = make_rows(p.rows, (size_t)p.rotary / 2, 6);
        double *want = malloc((size_t)p.rows * p.cols * sizeof *want);
        rotate_naive(&p, want);
        check_case(*state, run_rope, &p, p.rows, p.cols, want, 1e-13);
        free(want);
        release(&p);
    }
}

/* ---- sums and gates --------------------------------------------------------------------------- */

static void run_sums(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    tensor *y = tensor_of(b, p->y + (size_t)first * p->cols, (size_t)n, p->cols);
    op_add(b, x, y, p->scale, n);
    op_scale(b, x, 0.22f, n);
    read_rows(b, x, n, out);
    tensor_free(x);
    tensor_free(y);
}

static void run_gate(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    tensor *y = tensor_of(b, p->y + (size_t)first * p->outs, (size_t)n, p->outs);
    tensor *weight = map(b, DTYPE_F32, 1, p->cols, p->weight);
    op_sigmoid_gate(b, y, weight, x, n);
    read_rows(b, y, n, out);
    tensor_free(x);
    tensor_free(y);
    tensor_free(weight);
}

static void test_sums(void **state)
{
    for (int rows = 1; rows < 100; rows += 30) {
        problem p = {.rows = rows, .cols = 577, .scale = -0.75f};
        p.x = make_rows(rows, p.cols, 7);
        p.y = make_rows(rows, p.cols, 8);
        double *want = malloc((size_t)rows * p.cols * sizeof *want);
        for (size_t i = 0; i < (size_t)rows * p.cols; i++)
            want[i] = ((double)p.x[i] - 0.75 * (double)p.y[i]) * (double)0.22f;
        check_case(*state, run_sums, &p, rows, p.cols, want, 1e-13);
        free(want);
        release(&p);
    }
}

static void test_sigmoid_gate(void **state)
{
    for (int rows = 1; rows < 130; rows += 60) {
        problem p = {.rows = rows, .cols = 211, .outs = 93};
        p.x = make_rows(rows, p.cols, 9);
        p.y = make_rows(rows, p.outs, 10);
        p.weight = make_weight(DTYPE_F32, 1, p.cols, 11, &p.weight_values);
        double *want = malloc((size_t)rows * p.outs * sizeof *want);
        for (size_t i = 0; i < (size_t)rows; i++) {
            double z = 0;
            for (size_t j = 0; j < p.cols; j++)
                z += (double)p.weight_values[j] * (double)p.x[i * p.cols + j];
            for (size_t j = 0; j < p.outs; j++)
                want[i * p.outs + j] = (double)p.y[i * p.outs + j] / (1 + exp(-z));
        }
        check_case(*state, run_gate, &p, rows, p.outs, want, 1e-11);
        free(want);
        release(&p);
    }
}

/* ---- products --------------------------------------------------------------------------------- */

/* Two products of one input, the first with a bias; out = both results one after the other. */
static void run_matmul(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    tensor *weight = map(b, p->type, p->outs, p->cols, p->weight);
    tensor *second = map(b, DTYPE_F32, p->outs, p->cols, p->second);
    tensor *bias = map(b, DTYPE_F32, 1, p->outs, p->bias);
    tensor *y = tensor_of(b, NULL, (size_t)n, p->outs), *z = tensor_of(b, NULL, (size_t)n, p->outs);
    product both[2] = {{y, weight, bias}, {z, second, NULL}};
    op_matmul(b, both, 2, x, n);
    for (int i = 0; i < n; i++) {
        tensor_read(b, y, (size_t)i, 1, out + (size_t)(2 * i) * p->outs);
        tensor_read(b, z, (size_t)i, 1, out + (size_t)(2 * i + 1) * p->outs);
    }
    assert_int_equal(backend_sync(b, NULL), 0);
    tensor *all[] = {x, weight, second, bias, y, z};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tensor_free(all[i]);
}

static void run_swiglu(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *x = tensor_of(b, p->x + (size_t)first * p->cols, (size_t)n, p->cols);
    tensor *gate = map(b, p->type, p->outs, p->cols, p->weight);
    tensor *up = map(b, DTYPE_F32, p->outs, p->cols, p->second);
    tensor *y = tensor_of(b, NULL, (size_t)n, p->outs);
    tensor *gate_bias = tensor_of(b, p->bias_values, 1, p->outs);
    tensor *up_bias = tensor_of(b, p->second_values, 1, p->outs);
    op_matmul_swiglu(b, y, &(gated_weights){gate, up, gate_bias, up_bias}, x, n);
    read_rows(b, y, n, out);
    tensor *all[] = {x, gate, up, y, gate_bias, up_bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tensor_free(all[i]);
}

/* a = weight x + bias, c = second x, as [rows, 2, outs]; and silu(weight x + bias) * (second x +
 * the first values of second). */
static void multiply_naive(const problem *p, double *both, double *gated)
{
    for (size_t i = 0; i < (size_t)p->rows; i++)
        for (size_t r = 0; r < p->outs; r++) {
            double a = 0, c = 0;
            for (size_t j = 0; j < p->cols; j++) {
                a += (double)p->weight_values[r * p->cols + j] * (double)p->x[i * p->cols + j];
                c += (double)p->second_values[r * p->cols + j] * (double)p->x[i * p->cols + j];
            }
            both[2 * i * p->outs + r] = a + (double)p->bias_values[r];
            both[(2 * i + 1) * p->outs + r] = c;
            gated[i * p->outs + r] =
                silu(a + (double)p->bias_values[r]) * (c + (double)p->second_values[r]);
        }
}

static void test_products(void **state)
{
    const struct {
        dtype type;
        int rows;
        size_t cols, outs;
        double bound; /* int8 activations move a product by about 1 % of its size */
    } cases[] = {{DTYPE_F32, 1, 37, 19, 1e-11},
                 {DTYPE_F32, 11, 70, 33, 1e-11},
                 {DTYPE_BF16, 9, 576, 100, 1e-11},
                 {DTYPE_Q8_0, 1, 96, 45, 3e-4},
                 {DTYPE_Q8_0, 40, 576, 77, 3e-4}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        problem p = {.rows = cases[c].rows,
                     .cols = cases[c].cols,
                     .outs = cases[c].outs,
                     .type = cases[c].type};
        p.x = make_rows(p.rows, p.cols, 12);
        p.weight = make_weight(p.type, p.outs, p.cols, 13, &p.weight_values);
        p.second = make_weight(DTYPE_F32, p.outs, p.cols, 14, &p.second_values);
        p.bias = make_weight(DTYPE_F32, 1, p.outs, 15, &p.bias_values);
        size_t results = (size_t)p.rows * p.outs;
        double *both = malloc(2 * results * sizeof *both), *gated = malloc(results * sizeof *gated);
        multiply_naive(&p, both, gated);
        check_case(*state, run_matmul, &p, p.rows, 2 * p.outs, both, cases[c].bound);
        check_case(*state, run_swiglu, &p, p.rows, p.outs, gated, cases[c].bound);
        free(both);
        free(gated);
        release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),       cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_bandwidth),  cmocka_unit_test(test_embed),
        cmocka_unit_test(test_gather),     cmocka_unit_test(test_rmsnorm),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_rope),
        cmocka_unit_test(test_sums),       cmocka_unit_test(test_sigmoid_gate),
        cmocka_unit_test(test_products),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
