/* quant.c - see quant.h.
 *
 * Dequantisation is the definition of what a weight is worth; nothing fast is built on it. So each
 * type is written once, element by element, with the float operations in the order that the `gguf`
 * package uses: d * scale first, then times the code, then plus or minus the minimum.
 */
#include "quant.h"

#include <math.h>
#include <string.h>

#include "iq.h"

#define SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
SIZE_IS(block_q4_0, 18);
SIZE_IS(block_q4_1, 20);
SIZE_IS(block_q5_0, 22);
SIZE_IS(block_q5_1, 24);
SIZE_IS(block_q8_0, 34);
SIZE_IS(block_iq4_nl, 18);
SIZE_IS(block_mxfp4, 17);
SIZE_IS(block_q2_k, 84);
SIZE_IS(block_q3_k, 110);
SIZE_IS(block_q4_k, 144);
SIZE_IS(block_q5_k, 176);
SIZE_IS(block_q6_k, 210);
SIZE_IS(block_iq4_xs, 136);
SIZE_IS(block_iq1_s, 50);
SIZE_IS(block_iq1_m, 56);
SIZE_IS(block_iq2_xxs, 66);
SIZE_IS(block_iq2_xs, 74);
SIZE_IS(block_iq2_s, 82);
SIZE_IS(block_iq3_xxs, 98);
SIZE_IS(block_iq3_s, 110);

static const dtype_info descriptions[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 1, 4, 0},
    [DTYPE_F16] = {"F16", 1, 2, 1},
    [DTYPE_BF16] = {"BF16", 1, 2, 30},
    [DTYPE_Q4_0] = {"Q4_0", 32, 18, 2},
    [DTYPE_Q4_1] = {"Q4_1", 32, 20, 3},
    [DTYPE_Q5_0] = {"Q5_0", 32, 22, 6},
    [DTYPE_Q5_1] = {"Q5_1", 32, 24, 7},
    [DTYPE_Q8_0] = {"Q8_0", 32, 34, 8},
    [DTYPE_Q2_K] = {"Q2_K", QUANT_K, 84, 10},
    [DTYPE_Q3_K] = {"Q3_K", QUANT_K, 110, 11},
    [DTYPE_Q4_K] = {"Q4_K", QUANT_K, 144, 12},
    [DTYPE_Q5_K] = {"Q5_K", QUANT_K, 176, 13},
    [DTYPE_Q6_K] = {"Q6_K", QUANT_K, 210, 14},
    [DTYPE_IQ4_NL] = {"IQ4_NL", 32, 18, 20},
    [DTYPE_IQ4_XS] = {"IQ4_XS", QUANT_K, 136, 23},
    [DTYPE_MXFP4] = {"MXFP4", 32, 17, 39},
    [DTYPE_IQ1_S] = {"IQ1_S", QUANT_K, 50, 19},
    [DTYPE_IQ1_M] = {"IQ1_M", QUANT_K, 56, 29},
    [DTYPE_IQ2_XXS] = {"IQ2_XXS", QUANT_K, 66, 16},
    [DTYPE_IQ2_XS] = {"IQ2_XS", QUANT_K, 74, 17},
    [DTYPE_IQ2_S] = {"IQ2_S", QUANT_K, 82, 22},
    [DTYPE_IQ3_XXS] = {"IQ3_XXS", QUANT_K, 98, 18},
    [DTYPE_IQ3_S] = {"IQ3_S", QUANT_K, 110, 21},
};

const int8_t quant_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
const int8_t quant_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

const dtype_info *dtype_describe(dtype type)
{
    return &descriptions[type];
}

dtype dtype_from_ggml(uint32_t ggml)
{
    for (unsigned type = 0; type < DTYPE_COUNT; type++)
        if ((uint32_t)descriptions[type].ggml == ggml)
            return (dtype)type;
    return DTYPE_COUNT;
}

size_t dtype_row_bytes(dtype type, size_t n)
{
    return n / (size_t)descriptions[type].block * (size_t)descriptions[type].bytes;
}

/* ---- half, bfloat, e8m0 ------------------------------------------------------------------------ */

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 31u;
    uint32_t fraction = half & 0x3FFu;
    if (exponent == 31) /* infinity, or a NaN: made quiet, as F16C does */
        return float_of_bits(sign | 0x7F800000u | fraction << 13 | (fraction ? 0x400000u : 0u));
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, exact */
        float magnitude = (float)fraction * 0x1p-24f;
        return float_of_bits(sign | bits_of_float(magnitude));
    }
    return float_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

/* value >> shift, rounded to nearest, ties to even. 0 < shift < 32. */
static uint32_t shift_to_even(uint32_t value, unsigned shift)
{
    uint32_t kept = value >> shift;
    uint32_t lost = value & ((1u << shift) - 1u);
    uint32_t tie = 1u << (shift - 1);
    return kept + (lost > tie || (lost == tie && (kept & 1u)));
}

uint16_t float_to_half(float value)
{
    uint32_t bits = bits_of_float(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) /* NaN: quiet, the top of its payload kept */
        return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
    if (magnitude >= 0x477FF000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude >= 0x38800000u) /* a carry out of the fraction steps the exponent: as it should */
        return (uint16_t)(sign | shift_to_even(magnitude - 0x38000000u, 13));
    uint32_t exponent = magnitude >> 23;
    if (exponent < 102) /* below 2^-25: zero */
        return (uint16_t)sign;
    uint32_t fraction = (magnitude & 0x7FFFFFu) | 0x800000u;
    return (uint16_t)(sign | shift_to_even(fraction, 126u - exponent));
}

float bfloat_to_float(uint16_t bits)
{
    return float_of_bits((uint32_t)bits << 16);
}

uint16_t float_to_bfloat(float value)
{
    uint32_t bits = bits_of_float(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

float quant_e8m0_half(uint8_t e)
{
    return float_of_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* ---- packed scales ----------------------------------------------------------------------------- */

void quant_q4_k_scales(const uint8_t packed[12], uint8_t scales[8], uint8_t mins[8])
{
    for (int j = 0; j < 4; j++) {
        uint8_t low = packed[j], mid = packed[j + 4], high = packed[j + 8];
        scales[j] = low & 63;
        mins[j] = mid & 63;
        scales[j + 4] = (uint8_t)((high & 15) | (low >> 6) << 4);
        mins[j + 4] = (uint8_t)(high >> 4 | (mid >> 6) << 4);
    }
}

void quant_q3_k_scales(const uint8_t packed[12], int8_t scales[16])
{
    for (int j = 0; j < 16; j++) {
        int low = packed[j % 8] >> (j / 8 * 4) & 15;
        int high = packed[8 + j % 4] >> (j / 4 * 2) & 3;
        scales[j] = (int8_t)((low | high << 4) - 32);
    }
}

void quant_iq4_xs_scales(const block_iq4_xs *block, int8_t scales[8])
{
    for (int j = 0; j < 8; j++) {
        int low = block->scales_l[j / 2] >> (j % 2 * 4) & 15;
        int high = block->scales_h >> (2 * j) & 3;
        scales[j] = (int8_t)((low | high << 4) - 32);
    }
}

uint16_t quant_iq1_m_d(const block_iq1_m *block)
{
    unsigned bits = 0;
    for (int j = 0; j < 4; j++)
        bits |= (unsigned)(block->scales[j] >> 12) << (4 * j);
    return (uint16_t)bits;
}

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

/* Element j of the 2-bit codes that Q2_K and Q3_K share. */
static int two_bits(const uint8_t qs[64], int j)
{
    return qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
}

static void dequantize_q2_k(const block_q2_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    for (int j = 0; j < QUANT_K; j++) {
        float scale = d * (float)(b->scales[j / 16] & 15);
        float min = dmin * (float)(b->scales[j / 16] >> 4);
        out[j] = scale * (float)two_bits(b->qs, j) - min;
    }
}

static void dequantize_q3_k(const block_q3_k *b, float *out)
{
    float d = half_to_float(b->d);
    int8_t scales[16];
    quant_q3_k_scales(b->scales, scales);
    for (int j = 0; j < QUANT_K; j++) {
        int high = (b->hmask[j % 32] >> (j / 32) & 1) << 2;
        out[j] = d * (float)scales[j / 16] * (float)((two_bits(b->qs, j) | high) - 4);
    }
}

/* The 4-bit codes that Q4_K and Q5_K share. */
static int k_nibble(const uint8_t qs[128], int j)
{
    return qs[j / 64 * 32 + j % 32] >> (j % 64 / 32 * 4) & 15;
}

static void dequantize_q4_k(const block_q4_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    uint8_t scales[8], mins[8];
    quant_q4_k_scales(b->scales, scales, mins);
    for (int j = 0; j < QUANT_K; j++) {
        float scale = d * (float)scales[j / 32], min = dmin * (float)mins[j / 32];
        out[j] = scale * (float)k_nibble(b->qs, j) - min;
    }
}

static void dequantize_q5_k(const block_q5_k *b, float *out)
{
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    uint8_t scales[8], mins[8];
    quant_q4_k_scales(b->scales, scales, mins);
    for (int j = 0; j < QUANT_K; j++) {
        float scale = d * (float)scales[j / 32], min = dmin * (float)mins[j / 32];
        int high = (b->qh[j % 32] >> (j / 32) & 1) << 4;
        out[j] = scale * (float)(k_nibble(b->qs, j) | high) - min;
    }
}

static void dequantize_q6_k(const block_q6_k *b, float *out)
{
    float d = half_to_float(b->d);
    for (int j = 0; j < QUANT_K; j++) {
        int low = b->ql[j / 128 * 64 + j % 64] >> (j % 128 / 64 * 4) & 15;
        int high = b->qh[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
        out[j] = d * (float)b->scales[j / 16] * (float)((low | high << 4) - 32);
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

static void dequantize_plain(dtype type, const uint8_t *row, float *out, size_t n)
{
    if (type == DTYPE_F32) {
        memcpy(out, row, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, row + 2 * i, sizeof bits);
        out[i] = type == DTYPE_F16 ? half_to_float(bits) : bfloat_to_float(bits);
    }
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
    size_t block = (size_t)descriptions[type].block;
    if (block == 1) {
        dequantize_plain(type, bytes, out, n);
        return;
    }
    for (size_t i = 0; i < n; i += block, bytes += descriptions[type].bytes)
        dequantize_block(type, bytes, out + i);
}

/* Rounds halves away from zero, like the `gguf` package; the scale is kept as binary16 but the
 * codes are computed with the f32 one. */
static void quantize_q8_0(const float *x, block_q8_0 *out)
{
    float largest = 0;
    for (int j = 0; j < 32; j++)
        largest = fmaxf(largest, fabsf(x[j]));
    float d = largest / 127.0f;
    float inverse = d == 0 ? 0 : 1.0f / d;
    for (int j = 0; j < 32; j++)
        out->qs[j] = (int8_t)fminf(fmaxf(roundf(x[j] * inverse), -127.0f), 127.0f);
    out->d = float_to_half(d);
}

void quantize_row(dtype type, const float *x, void *out, size_t n)
{
    uint8_t *bytes = out;
    if (type == DTYPE_F32)
        memcpy(bytes, x, n * sizeof *x);
    if (type == DTYPE_Q8_0)
        for (size_t i = 0; i < n; i += 32, bytes += sizeof(block_q8_0))
            quantize_q8_0(x + i, (block_q8_0 *)bytes);
    if (type == DTYPE_F16 || type == DTYPE_BF16)
        for (size_t i = 0; i < n; i++, bytes += 2) {
            uint16_t bits = type == DTYPE_F16 ? float_to_half(x[i]) : float_to_bfloat(x[i]);
            memcpy(bytes, &bits, sizeof bits);
        }
}
