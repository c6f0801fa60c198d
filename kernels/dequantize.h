/* dequantize.h - rows of any weight type to f32, and back for those that a cache or a file is
 * written in.
 *
 * This is the definition of what a weight is worth, written to be read; every fast kernel is measured
 * against it, and training opens matrices with it: its inner loops run over neighbouring codes, so that
 * a compiler makes vectors of them. A row is `n` elements of blocks that lie one behind the other, at
 * any address.
 */
#ifndef KERNELS_DEQUANTIZE_H
#define KERNELS_DEQUANTIZE_H

#include "error.h"
#include "quant.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[0..n) = the n elements of one row, in f32. Bit-equal to the `gguf` Python package. */
void dequantize_row(dtype type, const void *row, float *out, size_t n);

/* out = the n elements in `type`, one that quantize_writes() names (quantize.h): F32, F16, BF16, or Q8_0,
 * Q5_0, Q5_1, Q4_0, Q4_1 (bit-equal to the `gguf` package, on finite values whose block maximum is below
 * 65520 steps of 1/127, 1/16 ..; beyond, the scale is infinite), or Q2_K to Q6_K (the least error that
 * quantize_k.c finds). */
void quantize_row(dtype type, const float *x, void *out, size_t n);
/* The same, or ERROR_RUN with the largest number when one is none or the type cannot hold it. */
int quantize_row_checked(dtype type, const float *x, void *out, size_t n, error *err);

#ifdef __cplusplus
}
#endif
#endif
