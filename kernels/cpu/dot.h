/* dot.h - the inner products: one arithmetic definition per weight type.
 *
 * Everything above multiplies matrices through these functions, and the promise "the same bytes for
 * any batch, thread count and chunk" is kept here: a result depends on one weight row and one
 * activation row only, and the operations and their order are fixed by the definitions below.
 * dot_scalar.c is the plain reading of them; the AVX2 and AVX-512 files give the same bits, which
 * test_dot checks with memcmp. So "baseline", "avx2" and "avx512" differ in speed, not in bytes.
 *
 * a = activation, w = weight; fma(x, y, z) rounds once; integers are exact (none can overflow:
 * the largest sum, of Q6_K, is below 2^29).
 *
 * F32 F16 BF16, 32 lanes:
 *     lane[i % 32] = fma(w[i], x[i], lane[i % 32])      i ascending, filled up with zeros to 32
 *     v[l] = (lane[l] + lane[8 + l]) + (lane[16 + l] + lane[24 + l])
 *     result = ((v0 + v4) + (v2 + v6)) + ((v1 + v5) + (v3 + v7))
 *
 * Types of 32-element blocks, 8 lanes, one for each block of a group of eight (the lane is
 * ACTIVATION_LANE(block % 8)), blocks ascending, filled up with zeros to a multiple of eight:
 *     S = sum over the block of code * a.q              the code with its offset taken off: integer
 *     lane = fma(w.d * a.scale, (float)S, lane)
 *     lane = fma(w.m, a.offset, lane)                   Q4_1 and Q5_1 only
 *     result = the same tree over the 8 lanes
 *
 * Types of 256-element blocks, no lanes, blocks ascending:
 *     S = sum over sub-blocks of w.scale * (sum of code * a.q)                          integer
 *     M = sum over sub-blocks of w.min * (sum of a.q)                                   integer
 *     s = fma(w.d * a.scale, (float)S, s)
 *     m = fma(w.dmin * a.scale, (float)M, m)            m stays 0 where the type has no minimum
 *     result = s - m
 * Types of code books are of these: w.d, w.scale and code are what iq.h makes of a block.
 *
 * None of it mentions how many rows or columns are computed together, nor the width of a vector.
 *
 * Low-rank updates (backend.h) are a sum over rows instead, each output by itself:
 *     y[i] = fma(h[j], b[j][i], y[i])                   j ascending
 */
#ifndef CPU_DOT_H
#define CPU_DOT_H

#include <stddef.h>

#include "../error.h"
#include "../quant.h"
#include "activation.h"

enum {
    DOT_COLUMNS = 8,  /* the most activation rows that one call takes */
    DOT_MANY = 64,    /* the most of a call for many */
    DOT_AHEAD = 8192, /* bytes of weights that a call asks memory for before it needs them */
};

/* out[i][r] = weight row r . x[i], for first <= r < last and i < n, 1 <= n <= DOT_COLUMNS.
 * weight: the matrix from its row 0, rows of dtype_row_bytes(type, cols), no alignment needed.
 * x[i]: cols activations in the form activation_of(type). out[i]: element r is written.
 * Reads nothing outside these rows. */
typedef void dot_rows_fn(const void *weight, size_t cols, size_t first, size_t last,
                         const void *const *x, size_t n, float *const *out);

/* out = the row x[0..cols) in a quantised form: activation_bytes(form, cols) bytes. */
typedef void dot_quantize_fn(const float *x, size_t cols, void *out);

typedef struct dot_kernels {
    const char *name; /* "baseline", "avx2", "avx512" */
    dot_rows_fn *rows[DTYPE_COUNT];
    /* The same results for up to DOT_MANY columns, faster from many_from of them on; NULL = there is none */
    dot_rows_fn *many[DTYPE_COUNT];
    uint8_t many_from[DTYPE_COUNT];
    dot_quantize_fn *quantize[ACTIVATION_FORMS]; /* NULL for ACTIVATION_F32 */

    /* out[i] = mathx_silu(gate[i]) * up[i]; out may be gate or up. */
    void (*swiglu)(float *out, const float *gate, const float *up, size_t n);
    /* x[i] = mathx_exp(x[i] - shift), in place. */
    void (*exp)(float *x, float shift, size_t n);
    /* y[i] = fma(h[j], b[j * stride + i], y[i]) for j = 0 .. rank - 1, i < n. */
    void (*add_rows)(float *y, const float *b, size_t stride, const float *h, size_t rank,
                     size_t n);
} dot_kernels;

/* The set named "baseline", "avx2", "avx512" or "auto" (the fastest that runs here). Static.
 * NULL: ERROR_USAGE for another name, ERROR_RUN when the processor lacks it. */
const dot_kernels *dot_select(const char *isa, error *err);

#endif
