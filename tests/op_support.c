/* op_support.c - see op_support.h. */
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/dequantize.h"
#include "../kernels/devices/backend_open.h"
#include "../kernels/quantize.h"

static const char *const ISA[LAB_LEVELS] = {"baseline", "avx2", "avx512"};
static const int THREADS[LAB_THREADS] = {1, 2, 3, 8};

int lab_setup(void **state)
{
    lab *l = calloc(1, sizeof *l);
    for (int i = 0; i < LAB_LEVELS; i++)
        for (int t = 0; t < LAB_THREADS; t++) {
            error err = {0};
            backend_options options = {.name = "cpu", .isa = ISA[i], .threads = THREADS[t]};
            l->backends[i][t] = backend_open(&options, &err);
            if (!l->backends[i][t] && i == 0)
                return -1;
            if (!l->backends[i][t] && t == 0)
                print_message("# %s: %s: not compared\n", ISA[i], err.text);
        }
    *state = l;
    return 0;
}

int lab_teardown(void **state)
{
    lab *l = *state;
    for (int i = 0; i < LAB_LEVELS; i++)
        for (int t = 0; t < LAB_THREADS; t++)
            backend_close(l->backends[i][t]);
    free(l);
    return 0;
}

static double uniform(unsigned long long *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 33) + 0.5) / 2147483648.0;
}

void random_normal(float *out, size_t n, float spread, unsigned seed)
{
    unsigned long long state = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < n; i++) {
        double radius = sqrt(-2 * log(uniform(&state)));
        out[i] = spread * (float)(radius * cos(6.283185307179586 * uniform(&state)));
    }
}

tensor *tensor_of(backend *b, const float *values, size_t rows, size_t cols)
{
    tensor *t = tensor_new(b, DTYPE_F32, rows, cols, NULL);
    assert_non_null(t);
    if (values)
        tensor_write(b, t, 0, rows, values);
    return t;
}

char *stored_as(dtype type, const float *x, size_t rows, size_t cols)
{
    size_t row_bytes = dtype_row_bytes(type, cols);
    char *stored = malloc(rows * row_bytes + 1);
    assert_non_null(stored);
    for (size_t i = 0; i < rows; i++)
        quantize_row(type, x + i * cols, stored + 1 + i * row_bytes, cols);
    return stored + 1;
}

void values_of(dtype type, const char *stored, float *out, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        dequantize_row(type, stored + i * dtype_row_bytes(type, cols), out + i * cols, cols);
}

void read_rows(backend *b, const tensor *t, int n, float *out)
{
    error err = {0};
    tensor_read(b, t, 0, (size_t)n, out);
    assert_int_equal(backend_sync(b, &err), 0);
}

void assert_near(const float *got, const double *want, size_t n, double bound)
{
    double wrong = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    if (!(size > 0 && wrong <= bound * size))
        print_error("error %g of %g, bound %g\n", wrong, size, bound);
    assert_true(size > 0 && wrong <= bound * size);
}

void check_case(const lab *l, op_case *run, const void *problem, int rows, size_t cols,
                const double *want, double bound)
{
    size_t bytes = (size_t)rows * cols * sizeof(float);
    float *first = malloc(bytes), *other = malloc(bytes);
    assert_true(first && other);
    run(l->backends[0][0], 0, rows, first, problem);
    assert_near(first, want, (size_t)rows * cols, bound);
    for (int i = 0; i < LAB_LEVELS; i++)
        for (int t = 0; t < LAB_THREADS; t++) {
            if (!l->backends[i][t])
                continue;
            memset(other, 0xff, bytes);
            run(l->backends[i][t], 0, rows, other, problem);
            assert_memory_equal(first, other, bytes);
            memset(other, 0xff, bytes);
            for (int row = 0; row < rows; row++)
                run(l->backends[i][t], row, 1, other + (size_t)row * cols, problem);
            assert_memory_equal(first, other, bytes);
        }
    free(first);
    free(other);
}
