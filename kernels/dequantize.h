/* dequantize.h - rows of any weight type to f32; quantize.h goes the other way.
 *
 * This is the definition of what a weight is worth, written to be read; every fast kernel is measured
 * against it, and training opens matrices with it: its inner loops run over neighbouring codes, so that
 * a compiler makes vectors of them. A row is `n` elements of blocks that lie one behind the other, at
 * any address.
 */
#ifndef KERNELS_DEQUANTIZE_H
#define KERNELS_DEQUANTIZE_H

#include "quant.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[0..n) = the n elements of one row, in f32. Bit-equal to the `gguf` Python package. */
void dequantize_row(dtype type, const void *row, float *out, size_t n);

#ifdef __cplusplus
}
#endif
#endif
