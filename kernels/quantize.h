/* quantize.h - f32 to rows of a weight type, and rows that are only scaled.
 *
 * Caches and files are written so; dequantize.h says what the bytes are worth. Blocks of 32 are bit-equal
 * to the `gguf` package's, blocks of 256 are a search for the least error (quantize_k.c). A row can also be
 * changed without being opened: most blocks carry one scale of all their elements (and one of their
 * minima), so a factor needs no new codes. A power of two is then exact.
 */
#ifndef KERNELS_QUANTIZE_H
#define KERNELS_QUANTIZE_H

#include <stdbool.h>

#include "error.h"
#include "quant.h"

/* Whether quantize_row() writes the type. */
bool quantize_writes(dtype type);
/* out = the n elements in `type`: F32, F16, BF16, or Q8_0, Q5_0, Q5_1, Q4_0, Q4_1 (bit-equal to the `gguf`
 * package, on finite values whose block maximum is below 65520 steps of 1/127, 1/16 ..; beyond, the scale is
 * infinite), or Q2_K to Q6_K. */
void quantize_row(dtype type, const float *x, void *out, size_t n);
/* The same, or ERROR_RUN with the largest number when one is none or the type cannot hold it. */
int quantize_row_checked(dtype type, const float *x, void *out, size_t n, error *err);

/* Whether quantize_scale() knows the type: those of blocks whose scale is a binary16. */
bool quantize_scales(dtype type);
/* Multiplies the n elements of a row by a factor, through the scales of its blocks, each rounded to
 * nearest. -1 when one becomes too large for a binary16; the row is then half changed. */
int quantize_scale(dtype type, void *row, size_t n, float factor);

/* One block of 256 elements, for quantize_row(): quantize_k.c. */
void quantize_block_k(dtype type, const float *x, void *out);

#endif
