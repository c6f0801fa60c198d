/* dequantize.c - see dequantize.h.
 *
 * Each type is written once, element by element, with the float operations in the order that the
 * `gguf` package uses: d * scale first, then times the code, then plus or minus the minimum. A row
 * is opened block by block: dequantize_row() chooses by type, a function of the type's name reads one
 * block as quant.h lays it out; types of code books are opened by iq.h first.
 */
#include "dequantize.h"

#include <math.h>
#include <string.h>

#include "iq.h"

/* ---- dequantisation: one block each ------------------------------------------------------------ */

static int nibble(const uint8_t qs[16], int j)
{
    return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
}

static int fifth_bit(const uint8_t qh[4], int j)
{
    return (qh[j / 8] >> (j % 8) & 1) << 4;
}

static void dequantize_q4_0(const block_q4_0 *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)(nibble(b->qs, j) - 8);
}

static void dequantize_q4_1(const block_q4_1 *b, float *out)
{
    float d = half_to_float(b->d), m = half_to_float(b->m);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)nibble(b->qs, j) + m;
}

static void dequantize_q5_0(const block_q5_0 *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)((nibble(b->qs, j) | fifth_bit(b->qh, j)) - 16);
}

static void dequantize_q5_1(const block_q5_1 *b, float *out)
{
    float d = half_to_float(b->d), m = half_to_float(b->m);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)(nibble(b->qs, j) | fifth_bit(b->qh, j)) + m;
}

static void dequantize_q8_0(const block_q8_0 *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < 32; j++)
        out[j] = (float)b->qs[j] * d;
}

static void dequantize_iq4_nl(const block_iq4_nl *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)quant_iq4_values[nibble(b->qs, j)];
}

static void dequantize_mxfp4(const block_mxfp4 *b, float *out)
{
    float d = quant_e8m0_half(b->e);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)quant_mxfp4_values[nibble(b->qs, j)];
}

/* In the types below a sub-block's codes lie in neighbouring bytes at one shift: `codes[l] >> shift`. */

static void dequantize_q2_k(const block_q2_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    for (int j = 0; j < QUANT_K; j += 16) {
        const uint8_t *codes = b->qs + j / 128 * 32 + j % 32;
        int shift = j % 128 / 32 * 2;
        float scale = d * (float)(b->scales[j / 16] & 15);
        float min = dmin * (float)(b->scales[j / 16] >> 4);
        for (int l = 0; l < 16; l++)
            out[j + l] = scale * (float)(codes[l] >> shift & 3) - min;
    }
}

static void dequantize_q3_k(const block_q3_k *b, float *out)
{
    float d = half_to_float(b->d);
    int8_t scales[16];
    quant_q3_k_scales(b->scales, scales);
    for (int j = 0; j < QUANT_K; j += 16) {
        const uint8_t *codes = b->qs + j / 128 * 32 + j % 32, *high = b->hmask + j % 32;
        int shift = j % 128 / 32 * 2, bit = j / 32;
        float scale = d * (float)scales[j / 16];
        for (int l = 0; l < 16; l++)
            out[j + l] = scale * (float)((codes[l] >> shift & 3) + (high[l] >> bit & 1) * 4 - 4);
    }
}

static void dequantize_q4_k(const block_q4_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    uint8_t scales[8], mins[8];
    quant_q4_k_scales(b->scales, scales, mins);
    for (int j = 0; j < QUANT_K; j += 32) {
        const uint8_t *codes = b->qs + j / 64 * 32;
        int shift = j % 64 / 32 * 4;
        float scale = d * (float)scales[j / 32], min = dmin * (float)mins[j / 32];
        for (int l = 0; l < 32; l++)
            out[j + l] = scale * (float)(codes[l] >> shift & 15) - min;
    }
}

static void dequantize_q5_k(const block_q5_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    uint8_t scales[8], mins[8];
    quant_q4_k_scales(b->scales, scales, mins);
    for (int j = 0; j < QUANT_K; j += 32) {
        const uint8_t *codes = b->qs + j / 64 * 32;
        int shift = j % 64 / 32 * 4, bit = j / 32;
        float scale = d * (float)scales[j / 32], min = dmin * (float)mins[j / 32];
        for (int l = 0; l < 32; l++)
            out[j + l] =
                scale * (float)((codes[l] >> shift & 15) + (b->qh[l] >> bit & 1) * 16) - min;
    }
}

static void dequantize_q6_k(const block_q6_k *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < QUANT_K; j += 16) {
        const uint8_t *codes = b->ql + j / 128 * 64 + j % 64, *high = b->qh + j / 128 * 32 + j % 32;
        int shift = j % 128 / 64 * 4, bits = j % 128 / 32 * 2;
        float scale = d * (float)b->scales[j / 16];
        for (int l = 0; l < 16; l++)
            out[j + l] =
                scale * (float)((codes[l] >> shift & 15) + (high[l] >> bits & 3) * 16 - 32);
    }
}

static void dequantize_iq4_xs(const block_iq4_xs *b, float *out)
{
    float d = half_to_float(b->d);
    int8_t scales[8];
    quant_iq4_xs_scales(b, scales);
    for (int j = 0; j < QUANT_K; j++) {
        int code = nibble(b->qs + j / 32 * 16, j % 32);
        out[j] = d * (float)scales[j / 32] * (float)quant_iq4_values[code];
    }
}

/* Exact: 11 bits of d, 5 of scale and 6 of code are 22, so the order of the products is free. */
static void dequantize_iq(dtype type, const void *block, float *out)
{
    iq_block b;
    iq_open(type, block, &b);
    for (int j = 0; j < QUANT_K; j++)
        out[j] = b.d * (float)b.scale[j / 16] * (float)b.code[j];
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* half_to_float() without a branch, so that a row is a few vector instructions: exponent and fraction
 * moved to their places are the value times 2^-112, exactly, subnormals too. */
static float open_half(uint16_t half)
{
    uint32_t magnitude = half & 0x7FFFu, bits = magnitude << 13;
    /* All ones for infinity and NaN; a NaN is made quiet. */
    uint32_t beyond = 0u - (uint32_t)(magnitude >= 0x7C00u);
    uint32_t quiet = (uint32_t)(magnitude > 0x7C00u) << 22;
    float value;
    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits & ~beyond) | ((0x7F800000u | magnitude << 13 | quiet) & beyond) |
           (uint32_t)(half & 0x8000u) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void dequantize_f16(const uint8_t *row, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, row + 2 * i, sizeof bits);
        out[i] = open_half(bits);
    }
}

static void dequantize_bf16(const uint8_t *row, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, row + 2 * i, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

static void dequantize_plain(dtype type, const uint8_t *row, float *out, size_t n)
{
    if (type == DTYPE_F32)
        memcpy(out, row, n * sizeof *out);
    else if (type == DTYPE_F16)
        dequantize_f16(row, out, n);
    else
        dequantize_bf16(row, out, n);
}

/* clang-format off */
static void dequantize_block(dtype type, const void *block, float *out)
{
    switch (type) {
    case DTYPE_Q4_0:   dequantize_q4_0(block, out); break;
    case DTYPE_Q4_1:   dequantize_q4_1(block, out); break;
    case DTYPE_Q5_0:   dequantize_q5_0(block, out); break;
    case DTYPE_Q5_1:   dequantize_q5_1(block, out); break;
    case DTYPE_Q8_0:   dequantize_q8_0(block, out); break;
    case DTYPE_Q2_K:   dequantize_q2_k(block, out); break;
    case DTYPE_Q3_K:   dequantize_q3_k(block, out); break;
    case DTYPE_Q4_K:   dequantize_q4_k(block, out); break;
    case DTYPE_Q5_K:   dequantize_q5_k(block, out); break;
    case DTYPE_Q6_K:   dequantize_q6_k(block, out); break;
    case DTYPE_IQ4_NL: dequantize_iq4_nl(block, out); break;
    case DTYPE_IQ4_XS: dequantize_iq4_xs(block, out); break;
    case DTYPE_MXFP4:  dequantize_mxfp4(block, out); break;
    case DTYPE_IQ1_S: case DTYPE_IQ1_M: case DTYPE_IQ2_XXS: case DTYPE_IQ2_XS: case DTYPE_IQ2_S:
    case DTYPE_IQ3_XXS: case DTYPE_IQ3_S: dequantize_iq(type, block, out); break;
    case DTYPE_F32: case DTYPE_F16: case DTYPE_BF16: case DTYPE_COUNT: break; /* no blocks */
    }
}
/* clang-format on */

void dequantize_row(dtype type, const void *row, float *out, size_t n)
{
    const uint8_t *bytes = row;
    size_t block = (size_t)dtype_describe(type)->block;
    if (block == 1) {
        dequantize_plain(type, bytes, out, n);
        return;
    }
    for (size_t i = 0; i < n; i += block, bytes += dtype_describe(type)->bytes)
        dequantize_block(type, bytes, out + i);
}
