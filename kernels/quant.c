/* quant.c - see quant.h: the table of types, and the packed numbers that blocks hold.
 *
 * A GGUF type number stands in one row of `descriptions` and nowhere else. Conversions between f32
 * and the short floats work on the bit patterns, so they give the same on any processor.
 */
#include "quant.h"

#include <string.h>

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
