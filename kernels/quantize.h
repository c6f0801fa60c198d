/* quantize.h - weights made anew: which types can be written, and blocks that are only scaled.
 *
 * quantize_row() (dequantize.h) writes a row of numbers in a type; here stands which types it writes,
 * and what can be done to a row without opening it: most blocks carry one scale of all their elements
 * (and one of their minima), so a factor needs no new codes. A power of two is then exact.
 */
#ifndef KERNELS_QUANTIZE_H
#define KERNELS_QUANTIZE_H

#include <stdbool.h>

#include "quant.h"

/* Whether quantize_row() writes the type. */
bool quantize_writes(dtype type);
/* Whether quantize_scale() knows the type: those of blocks whose scale is a binary16. */
bool quantize_scales(dtype type);
/* Multiplies the n elements of a row by a factor, through the scales of its blocks, each rounded to
 * nearest. -1 when one becomes too large for a binary16; the row is then half changed. */
int quantize_scale(dtype type, void *row, size_t n, float factor);

/* Whether every element of a row, of a type that quantize_row() writes, is a number. */
bool quantize_is_finite(dtype type, const void *row, size_t n);

/* One block of 32 (Q4_0, Q4_1, Q5_1) or 256 elements, for quantize_row(); the latter by _k. */
void quantize_block(dtype type, const float *x, void *out);
void quantize_block_k(dtype type, const float *x, void *out);

#endif
