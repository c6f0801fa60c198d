/* op_support.h - what the tests of the ops share: backends, random data, and the one comparison.
 *
 * An op under test is a `op_case`: a function that computes rows [first, first + n) of a fixed
 * problem on some backend. check_case() runs it whole on one thread of the baseline and compares
 * with the double-precision answer; then on every ISA level and thread count, whole and row by row,
 * and the bytes must be the same each time.
 */
#ifndef TESTS_OP_SUPPORT_H
#define TESTS_OP_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../kernels/backend.h"

enum { LAB_LEVELS = 3, LAB_THREADS = 4 }; /* ISA levels; thread counts: 1, 2, 3, 8 */

typedef struct lab {
    backend *backends[LAB_LEVELS][LAB_THREADS]; /* NULL = not on this machine */
} lab;

/* cmocka group fixtures: *state is a lab. */
int lab_setup(void **state);
int lab_teardown(void **state);

/* Normal deviates scaled by `spread`, from a fixed seed. */
void random_normal(float *out, size_t n, float spread, unsigned seed);

/* A tensor of the backend's own with these rows; f32. */
tensor *tensor_of(backend *b, const float *values, size_t rows, size_t cols);
/* x in `type`, malloc'ed, at an odd address (free with free(p - 1)). cols must fit the block. */
char *stored_as(dtype type, const float *x, size_t rows, size_t cols);
/* The values that `stored` stands for. */
void values_of(dtype type, const char *stored, float *out, size_t rows, size_t cols);
/* Row 0.. of a tensor and a sync that must succeed. */
void read_rows(backend *b, const tensor *t, int n, float *out);

/* Squared error relative to the squared size of `want`, which must not be zero, is at most `bound`:
 * a zeroed answer has 1, and a NaN fails. */
void assert_near(const float *got, const double *want, size_t n, double bound);

typedef void op_case(backend *b, int first, int n, float *out, const void *problem);

/* cols: floats that one row writes to out. want [rows, cols]. */
void check_case(const lab *l, op_case *run, const void *problem, int rows, size_t cols,
                const double *want, double bound);

#endif
