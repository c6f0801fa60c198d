/* dot_scalar.c - the definitions of dot.h, read plainly: the oracle of every faster kernel.
 *
 * A block is first opened into small integers and its scales, once for all columns; then come the
 * integer sums and the float steps, in the order that dot.h fixes. fmaf is exact in glibc, with or
 * without the instruction.
 */
#include <math.h>
#include <string.h>

#include "../dequantize.h"
#include "../iq.h"
#include "dot_sets.h"
#include "mathx.h"

/* The tree that ends every sum over eight lanes. */
static float sum_of_lanes(const float v[8])
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* ---- F32, F16, BF16 ----------------------------------------------------------------------------- */

enum { PLAIN_LANES = 32 };

static float dot_plain(dtype type, const uint8_t *w, const float *x, size_t cols)
{
    float lane[PLAIN_LANES] = {0};
    size_t size = (size_t)dtype_describe(type)->bytes;
    for (size_t at = 0; at < cols; at += PLAIN_LANES) {
        size_t n = cols - at < PLAIN_LANES ? cols - at : PLAIN_LANES;
        float weights[PLAIN_LANES] = {0}, inputs[PLAIN_LANES] = {0};
        dequantize_row(type, w + at * size, weights, n);
        memcpy(inputs, x + at, n * sizeof *inputs);
        for (int l = 0; l < PLAIN_LANES; l++)
            lane[l] = fmaf(weights[l], inputs[l], lane[l]);
    }
    float v[8];
    for (int l = 0; l < 8; l++)
        v[l] = (lane[l] + lane[8 + l]) + (lane[16 + l] + lane[24 + l]);
    return sum_of_lanes(v);
}

static void rows_plain(dtype type, const void *weight, size_t cols, size_t first, size_t last,
                       const void *const *x, size_t n, float *const *out)
{
    size_t stride = dtype_row_bytes(type, cols);
    for (size_t r = first; r < last; r++)
        for (size_t i = 0; i < n; i++)
            out[i][r] = dot_plain(type, (const uint8_t *)weight + r * stride, x[i], cols);
}

/* ---- types of 32-element blocks ------------------------------------------------------------------ */

/* One block, its offset taken off the codes. m is 0 and has_min false where there is no minimum. */
typedef struct opened32 {
    int code[32];
    float d, m;
    int has_min;
} opened32;

/* w = d * code + m; code = nibble | fifth bit - offset. qh NULL: no fifth bit. */
static opened32 open_nibbles(float d, const uint8_t qs[16], const uint8_t *qh, int offset)
{
    opened32 o = {.d = d};
    for (int j = 0; j < 32; j++) {
        int low = j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
        int high = qh ? (qh[j / 8] >> (j % 8) & 1) << 4 : 0;
        o.code[j] = (low | high) - offset;
    }
    return o;
}

static opened32 open_values(float d, const uint8_t qs[16], const int8_t values[16])
{
    opened32 o = open_nibbles(d, qs, NULL, 0);
    for (int j = 0; j < 32; j++)
        o.code[j] = values[o.code[j]];
    return o;
}

static opened32 with_min(opened32 o, uint16_t m)
{
    o.m = half_to_float(m);
    o.has_min = 1;
    return o;
}

static opened32 open_q8_0(const block_q8_0 *b)
{
    opened32 o = {.d = half_to_float(b->d)};
    for (int j = 0; j < 32; j++)
        o.code[j] = b->qs[j];
    return o;
}

static opened32 open32(dtype type, const void *block)
{
    const block_q4_0 *q4_0 = block;
    const block_q4_1 *q4_1 = block;
    const block_q5_0 *q5_0 = block;
    const block_q5_1 *q5_1 = block;
    const block_iq4_nl *iq4_nl = block;
    const block_mxfp4 *mxfp4 = block;
    switch ((int)type) {
    case DTYPE_Q4_0:
        return open_nibbles(half_to_float(q4_0->d), q4_0->qs, NULL, 8);
    case DTYPE_Q4_1:
        return with_min(open_nibbles(half_to_float(q4_1->d), q4_1->qs, NULL, 0), q4_1->m);
    case DTYPE_Q5_0:
        return open_nibbles(half_to_float(q5_0->d), q5_0->qs, q5_0->qh, 16);
    case DTYPE_Q5_1:
        return with_min(open_nibbles(half_to_float(q5_1->d), q5_1->qs, q5_1->qh, 0), q5_1->m);
    case DTYPE_IQ4_NL:
        return open_values(half_to_float(iq4_nl->d), iq4_nl->qs, quant_iq4_values);
    case DTYPE_MXFP4:
        return open_values(quant_e8m0_half(mxfp4->e), mxfp4->qs, quant_mxfp4_values);
    default:
        return open_q8_0(block);
    }
}

static void step32(float lane[8], const opened32 *w, const activation_q32 *a, int b)
{
    int l = ACTIVATION_LANE(b);
    int32_t sum = 0;
    for (int j = 0; j < 32; j++)
        sum += w->code[j] * a->q[ACTIVATION_PLACE(b, j)];
    lane[l] = fmaf(w->d * a->scale[l], (float)sum, lane[l]);
    if (w->has_min)
        lane[l] = fmaf(w->m, a->offset[l], lane[l]);
}

static void rows32(dtype type, const void *weight, size_t cols, size_t first, size_t last,
                   const void *const *x, size_t n, float *const *out)
{
    size_t blocks = cols / 32, filled = (blocks + 7) / 8 * 8;
    size_t size = (size_t)dtype_describe(type)->bytes;
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = (const uint8_t *)weight + r * blocks * size;
        float lane[DOT_COLUMNS][8] = {{0}};
        opened32 absent = {.has_min = type == DTYPE_Q4_1 || type == DTYPE_Q5_1};
        for (size_t b = 0; b < filled; b++) {
            opened32 w = b < blocks ? open32(type, row + b * size) : absent;
            for (size_t i = 0; i < n; i++)
                step32(lane[i], &w, (const activation_q32 *)x[i] + b / 8, (int)(b % 8));
        }
        for (size_t i = 0; i < n; i++)
            out[i][r] = sum_of_lanes(lane[i]);
    }
}

/* ---- types of 256-element blocks ------------------------------------------------------------------ */

/* One block: w = d * scale[j / 16] * code[j] - dmin * min[j / 16]. */
typedef struct opened256 {
    int code[QUANT_K];
    int scale[16], min[16];
    float d, dmin;
} opened256;

static void open_q2_k(const block_q2_k *b, opened256 *o)
{
    o->d = half_to_float(b->d);
    o->dmin = half_to_float(b->dmin);
    for (int j = 0; j < 16; j++) {
        o->scale[j] = b->scales[j] & 15;
        o->min[j] = b->scales[j] >> 4;
    }
    for (int j = 0; j < QUANT_K; j++)
        o->code[j] = b->qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
}

static void open_q3_k(const block_q3_k *b, opened256 *o)
{
    int8_t scales[16];
    quant_q3_k_scales(b->scales, scales);
    o->d = half_to_float(b->d);
    for (int j = 0; j < 16; j++)
        o->scale[j] = scales[j];
    for (int j = 0; j < QUANT_K; j++) {
        int low = b->qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
        int high = (b->hmask[j % 32] >> (j / 32) & 1) << 2;
        o->code[j] = (low | high) - 4;
    }
}

/* Q4_K, and Q5_K with its fifth bits. */
static void open_q45_k(uint16_t d, uint16_t dmin, const uint8_t *packed, const uint8_t *qs,
                       const uint8_t *qh, opened256 *o)
{
    uint8_t scales[8], mins[8];
    quant_q4_k_scales(packed, scales, mins);
    o->d = half_to_float(d);
    o->dmin = half_to_float(dmin);
    for (int j = 0; j < 16; j++) {
        o->scale[j] = scales[j / 2];
        o->min[j] = mins[j / 2];
    }
    for (int j = 0; j < QUANT_K; j++) {
        int low = qs[j / 64 * 32 + j % 32] >> (j % 64 / 32 * 4) & 15;
        int high = qh ? (qh[j % 32] >> (j / 32) & 1) << 4 : 0;
        o->code[j] = low | high;
    }
}

static void open_q6_k(const block_q6_k *b, opened256 *o)
{
    o->d = half_to_float(b->d);
    for (int j = 0; j < 16; j++)
        o->scale[j] = b->scales[j];
    for (int j = 0; j < QUANT_K; j++) {
        int low = b->ql[j / 128 * 64 + j % 64] >> (j % 128 / 64 * 4) & 15;
        int high = b->qh[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
        o->code[j] = (low | high << 4) - 32;
    }
}

static void open_iq4_xs(const block_iq4_xs *b, opened256 *o)
{
    int8_t scales[8];
    quant_iq4_xs_scales(b, scales);
    o->d = half_to_float(b->d);
    for (int j = 0; j < 16; j++)
        o->scale[j] = scales[j / 2];
    for (int j = 0; j < QUANT_K; j++) {
        int byte = b->qs[j / 32 * 16 + j % 16];
        o->code[j] = quant_iq4_values[j % 32 < 16 ? byte & 15 : byte >> 4];
    }
}

static void open_iq(dtype type, const void *block, opened256 *o)
{
    iq_block b;
    iq_open(type, block, &b);
    o->d = b.d;
    for (int j = 0; j < 16; j++)
        o->scale[j] = b.scale[j];
    for (int j = 0; j < QUANT_K; j++)
        o->code[j] = b.code[j];
}

static void open256(dtype type, const void *block, opened256 *o)
{
    const block_q4_k *q4 = block;
    const block_q5_k *q5 = block;
    memset(o, 0, sizeof *o);
    if (type == DTYPE_Q2_K)
        open_q2_k(block, o);
    else if (type == DTYPE_Q3_K)
        open_q3_k(block, o);
    else if (type == DTYPE_Q4_K)
        open_q45_k(q4->d, q4->dmin, q4->scales, q4->qs, NULL, o);
    else if (type == DTYPE_Q5_K)
        open_q45_k(q5->d, q5->dmin, q5->scales, q5->qs, q5->qh, o);
    else if (type == DTYPE_Q6_K)
        open_q6_k(block, o);
    else if (type == DTYPE_IQ4_XS)
        open_iq4_xs(block, o);
    else
        open_iq(type, block, o);
}

/* sums[0] gathers codes, sums[1] minimums. */
static void step256(float sums[2], const opened256 *w, const activation_q256 *a)
{
    int32_t codes = 0, mins = 0;
    for (int j = 0; j < 16; j++) {
        int32_t sum = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++)
            sum += w->code[i] * a->q[i];
        codes += w->scale[j] * sum;
        mins += w->min[j] * a->sum16[j];
    }
    sums[0] = fmaf(w->d * a->scale, (float)codes, sums[0]);
    sums[1] = fmaf(w->dmin * a->scale, (float)mins, sums[1]);
}

static void rows256(dtype type, const void *weight, size_t cols, size_t first, size_t last,
                    const void *const *x, size_t n, float *const *out)
{
    size_t blocks = cols / QUANT_K, size = (size_t)dtype_describe(type)->bytes;
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = (const uint8_t *)weight + r * blocks * size;
        float sums[DOT_COLUMNS][2] = {{0}};
        for (size_t b = 0; b < blocks; b++) {
            opened256 w;
            open256(type, row + b * size, &w);
            for (size_t i = 0; i < n; i++)
                step256(sums[i], &w, (const activation_q256 *)x[i] + b);
        }
        for (size_t i = 0; i < n; i++)
            out[i][r] = sums[i][0] - sums[i][1];
    }
}

/* ---- the set -------------------------------------------------------------------------------------- */

static void swiglu(float *out, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mathx_silu(gate[i]) * up[i];
}

static void exp_of_row(float *x, float shift, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = mathx_exp(x[i] - shift);
}

static void add_rows(float *y, const float *b, size_t stride, const float *h, size_t rank, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < rank; j++)
            y[i] = fmaf(h[j], b[j * stride + i], y[i]);
}

#define ROWS(lower, UPPER, form)                                                                   \
    static void rows_##lower(const void *weight, size_t cols, size_t first, size_t last,           \
                             const void *const *x, size_t n, float *const *out)                    \
    {                                                                                              \
        form(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                                 \
    }
ROWS(f32, F32, rows_plain)
ROWS(f16, F16, rows_plain)
ROWS(bf16, BF16, rows_plain)
ROWS(q4_0, Q4_0, rows32)
ROWS(q4_1, Q4_1, rows32)
ROWS(q5_0, Q5_0, rows32)
ROWS(q5_1, Q5_1, rows32)
ROWS(q8_0, Q8_0, rows32)
ROWS(iq4_nl, IQ4_NL, rows32)
ROWS(mxfp4, MXFP4, rows32)
ROWS(q2_k, Q2_K, rows256)
ROWS(q3_k, Q3_K, rows256)
ROWS(q4_k, Q4_K, rows256)
ROWS(q5_k, Q5_K, rows256)
ROWS(q6_k, Q6_K, rows256)
ROWS(iq4_xs, IQ4_XS, rows256)
ROWS(iq1_s, IQ1_S, rows256)
ROWS(iq1_m, IQ1_M, rows256)
ROWS(iq2_xxs, IQ2_XXS, rows256)
ROWS(iq2_xs, IQ2_XS, rows256)
ROWS(iq2_s, IQ2_S, rows256)
ROWS(iq3_xxs, IQ3_XXS, rows256)
ROWS(iq3_s, IQ3_S, rows256)

const dot_kernels dot_baseline = {
    .name = "baseline",
    .rows =
        {[DTYPE_F32] = rows_f32,         [DTYPE_F16] = rows_f16,       [DTYPE_BF16] = rows_bf16,
         [DTYPE_Q4_0] = rows_q4_0,       [DTYPE_Q4_1] = rows_q4_1,     [DTYPE_Q5_0] = rows_q5_0,
         [DTYPE_Q5_1] = rows_q5_1,       [DTYPE_Q8_0] = rows_q8_0,     [DTYPE_Q2_K] = rows_q2_k,
         [DTYPE_Q3_K] = rows_q3_k,       [DTYPE_Q4_K] = rows_q4_k,     [DTYPE_Q5_K] = rows_q5_k,
         [DTYPE_Q6_K] = rows_q6_k,       [DTYPE_IQ4_NL] = rows_iq4_nl, [DTYPE_IQ4_XS] = rows_iq4_xs,
         [DTYPE_MXFP4] = rows_mxfp4,     [DTYPE_IQ1_S] = rows_iq1_s,   [DTYPE_IQ1_M] = rows_iq1_m,
         [DTYPE_IQ2_XXS] = rows_iq2_xxs, [DTYPE_IQ2_XS] = rows_iq2_xs, [DTYPE_IQ2_S] = rows_iq2_s,
         [DTYPE_IQ3_XXS] = rows_iq3_xxs, [DTYPE_IQ3_S] = rows_iq3_s},
    .quantize =
        {[ACTIVATION_Q32] = activation_quantize_q32, [ACTIVATION_Q256] = activation_quantize_q256},
    .swiglu = swiglu,
    .exp = exp_of_row,
    .add_rows = add_rows,
};
