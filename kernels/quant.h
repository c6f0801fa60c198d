/* quant.h - the weight types and their block layouts, written once.
 *
 * A quantised row is a sequence of blocks: a few scales and `block` small integers. Everything
 * that must know where a scale or a nibble lies (dequantisation, the dot products of cpu/, the
 * CUDA kernels) reads the packed structs below; their sizes are asserted. The layouts are those
 * of the GGUF specification (ggml type numbers in comments); F32, F16 and BF16 are "blocks" of 1.
 *
 * Rows never share a block, so a row of n columns takes dtype_row_bytes(type, n) bytes and n must
 * be a multiple of the block.
 */
#ifndef KERNELS_QUANT_H
#define KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_MXFP4,
    DTYPE_COUNT,
} dtype;

typedef struct dtype_info {
    const char *name; /* "Q4_K" */
    int block;        /* elements in a block: 1, 32 or 256 */
    int bytes;        /* bytes of a block */
    int ggml;         /* type number in GGUF files */
} dtype_info;

/* Borrowed, static, never NULL for type < DTYPE_COUNT. */
const dtype_info *dtype_describe(dtype type);

/* The dtype of a ggml type number, or DTYPE_COUNT when we do not read it. */
dtype dtype_from_ggml(uint32_t ggml);

/* Bytes of a row of n elements; n is a multiple of the block (checked when the file is read). */
size_t dtype_row_bytes(dtype type, size_t n);

/* out[0..n) = the n elements of one row, in f32. Bit-equal to the `gguf` Python package. */
void dequantize_row(dtype type, const void *row, float *out, size_t n);

float half_to_float(uint16_t half);    /* IEEE binary16, exact, subnormals kept */
uint16_t float_to_half(float value);   /* round to nearest even; overflow to infinity */
float bfloat_to_float(uint16_t bits);  /* exact */
uint16_t float_to_bfloat(float value); /* round to nearest even; NaN stays NaN */

#ifdef __cplusplus
}
#endif
#endif
