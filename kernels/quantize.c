/* quantize.c - see quantize.h.
 *
 * The types of 32 elements are written as the `gguf` package writes them: one scale from the extremes of
 * the block, kept as binary16, and codes rounded with the f32 scale.
 */
#include "quantize.h"

#include <math.h>
#include <string.h>

/* ---- which ------------------------------------------------------------------------------------- */

bool quantize_writes(dtype type)
{
    static const bool writes[DTYPE_COUNT] = {
        [DTYPE_F32] = true,  [DTYPE_F16] = true,  [DTYPE_BF16] = true, [DTYPE_Q4_0] = true,
        [DTYPE_Q4_1] = true, [DTYPE_Q5_0] = true, [DTYPE_Q5_1] = true, [DTYPE_Q8_0] = true,
        [DTYPE_Q2_K] = true, [DTYPE_Q3_K] = true, [DTYPE_Q4_K] = true, [DTYPE_Q5_K] = true,
        [DTYPE_Q6_K] = true,
    };
    return writes[type];
}

/* ---- scales ------------------------------------------------------------------------------------ */

/* Where the binary16 scales of a block stand, from its beginning; -1 = there is none. */
typedef struct scale_places {
    int d, m;
} scale_places;

static scale_places places_of(dtype type)
{
#define PLACES(block, d, m)                                                                        \
    (scale_places)                                                                                 \
    {                                                                                              \
        (int)offsetof(block, d), (int)offsetof(block, m)                                           \
    }
#define PLACE(block, d)                                                                            \
    (scale_places)                                                                                 \
    {                                                                                              \
        (int)offsetof(block, d), -1                                                                \
    }
    switch (type) {
    case DTYPE_Q4_0:
        return PLACE(block_q4_0, d);
    case DTYPE_Q4_1:
        return PLACES(block_q4_1, d, m);
    case DTYPE_Q5_0:
        return PLACE(block_q5_0, d);
    case DTYPE_Q5_1:
        return PLACES(block_q5_1, d, m);
    case DTYPE_Q8_0:
        return PLACE(block_q8_0, d);
    case DTYPE_Q2_K:
        return PLACES(block_q2_k, d, dmin);
    case DTYPE_Q3_K:
        return PLACE(block_q3_k, d);
    case DTYPE_Q4_K:
        return PLACES(block_q4_k, d, dmin);
    case DTYPE_Q5_K:
        return PLACES(block_q5_k, d, dmin);
    case DTYPE_Q6_K:
        return PLACE(block_q6_k, d);
    case DTYPE_IQ4_NL:
        return PLACE(block_iq4_nl, d);
    case DTYPE_IQ4_XS:
        return PLACE(block_iq4_xs, d);
    case DTYPE_IQ1_S:
        return PLACE(block_iq1_s, d);
    case DTYPE_IQ2_XXS:
        return PLACE(block_iq2_xxs, d);
    case DTYPE_IQ2_XS:
        return PLACE(block_iq2_xs, d);
    case DTYPE_IQ2_S:
        return PLACE(block_iq2_s, d);
    case DTYPE_IQ3_XXS:
        return PLACE(block_iq3_xxs, d);
    case DTYPE_IQ3_S:
        return PLACE(block_iq3_s, d);
    default:
        return (scale_places){-1, -1};
    }
}

bool quantize_scales(dtype type)
{
    return places_of(type).d >= 0;
}

static int scale_half(uint8_t *at, float factor)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    float value = half_to_float(half) * factor;
    half = float_to_half(value);
    memcpy(at, &half, sizeof half);
    return (half & 0x7C00u) == 0x7C00u ? -1 : 0;
}

int quantize_scale(dtype type, void *row, size_t n, float factor)
{
    const dtype_info *info = dtype_describe(type);
    scale_places at = places_of(type);
    uint8_t *block = row;
    for (size_t i = 0; i < n / (size_t)info->block; i++, block += info->bytes)
        if (scale_half(block + at.d, factor) || (at.m >= 0 && scale_half(block + at.m, factor)))
            return -1;
    return 0;
}

/* ---- blocks of 32 ------------------------------------------------------------------------------ */

/* truncf(x + 0.5) for x >= 0, at most `most`. */
static int code_of(float x, int most)
{
    float code = fminf(truncf(x), (float)most);
    return code > 0 ? (int)code : 0;
}

static void put_nibble(uint8_t qs[16], int j, int code)
{
    qs[j % 16] |= (uint8_t)((code & 15) << (j < 16 ? 0 : 4));
}

static void put_fifth(uint8_t qs[16], uint8_t qh[4], int j, int code)
{
    put_nibble(qs, j, code);
    qh[j / 8] |= (uint8_t)(code >> 4 << j % 8);
}

/* The element of largest magnitude, the first of equal ones. */
static int largest_of(const float *x)
{
    int largest = 0;
    for (int j = 1; j < 32; j++)
        if (fabsf(x[j]) > fabsf(x[largest]))
            largest = j;
    return largest;
}

/* The largest becomes code 0, which is -8 steps. */
static void quantize_q4_0(const float *x, block_q4_0 *out)
{
    float d = x[largest_of(x)] / -8.0f, inverse = d == 0 ? 0 : 1.0f / d;
    *out = (block_q4_0){.d = float_to_half(d)};
    for (int j = 0; j < 32; j++)
        put_nibble(out->qs, j, code_of(x[j] * inverse + 8.5f, 15));
}

/* The same, which is -16 steps. */
static void quantize_q5_0(const float *x, block_q5_0 *out)
{
    float d = x[largest_of(x)] / -16.0f, inverse = d == 0 ? 0 : 1.0f / d;
    *out = (block_q5_0){.d = float_to_half(d)};
    for (int j = 0; j < 32; j++)
        put_fifth(out->qs, out->qh, j, code_of(x[j] * inverse + 16.5f, 31));
}

/* The scale of `steps` steps from the least element to the largest; *low is the least. */
static float span_of(const float *x, int steps, float *low)
{
    float high = *low = x[0];
    for (int j = 1; j < 32; j++) {
        *low = fminf(*low, x[j]);
        high = fmaxf(high, x[j]);
    }
    return (high - *low) / (float)steps;
}

static void quantize_q4_1(const float *x, block_q4_1 *out)
{
    float low, d = span_of(x, 15, &low), inverse = d == 0 ? 0 : 1.0f / d;
    *out = (block_q4_1){.d = float_to_half(d), .m = float_to_half(low)};
    for (int j = 0; j < 32; j++)
        put_nibble(out->qs, j, code_of((x[j] - low) * inverse + 0.5f, 15));
}

static void quantize_q5_1(const float *x, block_q5_1 *out)
{
    float low, d = span_of(x, 31, &low), inverse = d == 0 ? 0 : 1.0f / d;
    *out = (block_q5_1){.d = float_to_half(d), .m = float_to_half(low)};
    for (int j = 0; j < 32; j++)
        put_fifth(out->qs, out->qh, j, code_of((x[j] - low) * inverse + 0.5f, 31));
}

/* Rounds halves away from zero. */
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

/* ---- rows --------------------------------------------------------------------------------------- */

static void quantize_plain(dtype type, const float *x, uint8_t *out, size_t n)
{
    if (type == DTYPE_F32)
        memcpy(out, x, n * sizeof *x);
    else
        for (size_t i = 0; i < n; i++, out += 2) {
            uint16_t bits = type == DTYPE_F16 ? float_to_half(x[i]) : float_to_bfloat(x[i]);
            memcpy(out, &bits, sizeof bits);
        }
}

static void quantize_block(dtype type, const float *x, void *out)
{
    if (type == DTYPE_Q8_0)
        quantize_q8_0(x, out);
    else if (type == DTYPE_Q5_0)
        quantize_q5_0(x, out);
    else if (type == DTYPE_Q4_0)
        quantize_q4_0(x, out);
    else if (type == DTYPE_Q4_1)
        quantize_q4_1(x, out);
    else if (type == DTYPE_Q5_1)
        quantize_q5_1(x, out);
    else
        quantize_block_k(type, x, out);
}

void quantize_row(dtype type, const float *x, void *out, size_t n)
{
    const dtype_info *info = dtype_describe(type);
    uint8_t *bytes = out;
    if (info->block == 1) {
        quantize_plain(type, x, bytes, n);
        return;
    }
    for (size_t i = 0; i < n; i += (size_t)info->block, bytes += info->bytes)
        quantize_block(type, x + i, bytes);
}

/* ---- what a type can hold ---------------------------------------------------------------------- */

/* Whether a binary16 is a number. */
static bool is_finite_half(const uint8_t *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return (half & 0x7C00u) != 0x7C00u;
}

/* Whether every element of a row that was written is a number. */
static bool is_finite_row(dtype type, const void *row, size_t n)
{
    const dtype_info *info = dtype_describe(type);
    scale_places at = places_of(type);
    const uint8_t *block = row;
    for (size_t i = 0; i < n / (size_t)info->block; i++, block += info->bytes) {
        float value = 0;
        uint16_t bits;
        memcpy(&bits, block, sizeof bits);
        if (type == DTYPE_F32)
            memcpy(&value, block, sizeof value);
        else if (type == DTYPE_F16 || type == DTYPE_BF16)
            value = type == DTYPE_F16 ? half_to_float(bits) : bfloat_to_float(bits);
        else if ((at.d >= 0 && !is_finite_half(block + at.d)) ||
                 (at.m >= 0 && !is_finite_half(block + at.m)))
            return false;
        if (!isfinite(value))
            return false;
    }
    return true;
}

int quantize_row_checked(dtype type, const float *x, void *out, size_t n, error *err)
{
    const float block_most = 1e9F; /* no block reaches that: 65504 times 128 times 32 */
    float most = 0;                /* of magnitude, or the first that is no number */
    for (size_t i = 0; i < n && isfinite(most); i++)
        most = fabsf(x[i]) <= fabsf(most) ? most : x[i];
    bool fits = isfinite(most) && (dtype_describe(type)->block == 1 || fabsf(most) < block_most);
    if (fits)
        quantize_row(type, x, out, n);
    if (fits && is_finite_row(type, out, n))
        return 0;
    return error_set(err, ERROR_RUN, "a weight would become %g, which %s cannot hold", (double)most,
                     dtype_describe(type)->name);
}
