/* quantize_k.c - see quantize.h: blocks of 256 elements, fitted by least squares.
 *
 * Such a block is 8 or 16 sub-blocks, each with a small integer scale (and minimum) of the block's
 * binary16 one. What is wanted are the codes and scales of the least sum of squared errors, which is a
 * search: codes are rounded, so the error has many valleys. It is done in two steps:
 *
 *   - each sub-block alone, with a scale that is any number: a grid of scales gives codes, codes give
 *     the best scale (a line through pairs of code and value), and the best of the grid is kept;
 *   - the scales become integers of the block's: of the neighbours of each that is taken whose nearest
 *     codes leave the least error. Then the block's own scale is fitted to all of them, and again.
 *
 * Sums run in eight lanes of a fixed order: the same bytes on every processor, and a vectoriser sees
 * them.
 */
#include <math.h>
#include <string.h>

#include "quantize.h"

enum { LANES = 8, SUB_MOST = 32, SUBS_MOST = 16 };

/* x = s * q - m for codes q of 0..most (m >= 0), or x = s * q for codes -most - 1..most. */
typedef struct line {
    float s, m;
} line;

/* A type: sub-blocks of `sub` elements, `most` the largest code; with minima their scales are
 * 0..scale_most, without -scale_most - 1..scale_most. */
typedef struct shape {
    int sub, most, scale_most;
    bool minima;
} shape;

/* A block that is being made. */
typedef struct fit {
    shape t;
    const float *x; /* [256] */
    uint16_t d, dmin;
    int scale[SUBS_MOST], min[SUBS_MOST];
    float q[QUANT_K]; /* codes */
} fit;

/* ---- sums -------------------------------------------------------------------------------------- */

static float total(const float lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static float sum_of(const float *a, int n)
{
    float lane[LANES] = {0};
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += a[i + l];
    return total(lane);
}

static float product_of(const float *a, const float *b, int n)
{
    float lane[LANES] = {0};
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    return total(lane);
}

static float error_of(const float *x, const float *q, int n, line f)
{
    float lane[LANES] = {0};
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float off = f.s * q[i + l] - f.m - x[i + l];
            lane[l] += off * off;
        }
    return total(lane);
}

/* q = (x + m) * inverse, rounded to the nearest code. */
static void codes_of(const float *x, int n, float m, float inverse, float least, float most,
                     float *q)
{
    const float round = 0x1.8p23f; /* a sum with this has no bits left for fractions */
    for (int i = 0; i < n; i++) {
        float code = (x[i] + m) * inverse;
        code = code > least ? code : least; /* so is what is no number */
        code = code < most ? code : most;
        q[i] = code + round - round;
    }
}

static float least_code(const shape *t)
{
    return t->minima ? 0 : -(float)t->most - 1;
}

static void nearest(const shape *t, const float *x, line f, float *q)
{
    codes_of(x, t->sub, f.m, f.s == 0 ? 0 : 1 / f.s, least_code(t), (float)t->most, q);
}

/* ---- a sub-block alone ------------------------------------------------------------------------- */

/* Of values and of the codes that are nearest to them under a line. */
typedef struct sums {
    float x, xx, q, qq, xq;
} sums;

/* One pass: the codes by this line, and what the next line takes of them. */
static void add_codes(const shape *t, const float *x, line f, sums *out)
{
    const float least = least_code(t), most = (float)t->most, inverse = f.s == 0 ? 0 : 1 / f.s;
    float q[LANES] = {0}, qq[LANES] = {0}, xq[LANES] = {0}, code[LANES];
    for (int i = 0; i < t->sub; i += LANES) {
        codes_of(x + i, LANES, f.m, inverse, least, most, code);
        for (int l = 0; l < LANES; l++) {
            q[l] += code[l];
            qq[l] += code[l] * code[l];
            xq[l] += code[l] * x[i + l];
        }
    }
    out->q = total(q);
    out->qq = total(qq);
    out->xq = total(xq);
}

/* The line of least squares through codes and values; its minimum is not below zero. */
static line line_of(const shape *t, const sums *s)
{
    float n = (float)t->sub, det = n * s->qq - s->q * s->q;
    line through = {s->qq > 0 ? s->xq / s->qq : 0, 0};
    if (!t->minima)
        return through;
    line both = {det > 0 ? (n * s->xq - s->q * s->x) / det : 0, 0};
    both.m = (both.s * s->q - s->x) / n;
    return both.m > 0 && both.s >= 0 ? both : (line){through.s > 0 ? through.s : 0, 0};
}

/* Of the line with the codes that it was made of. In double: it is a small difference of large sums. */
static double error_by(const shape *t, const sums *s, line f)
{
    double a = (double)f.s, m = (double)f.m;
    return (double)s->xx + a * a * (double)s->qq + m * m * t->sub - 2 * a * m * (double)s->q -
           2 * a * (double)s->xq + 2 * m * (double)s->x;
}

/* One start of the search: codes by this line, the line by the codes. */
static void try(const shape *t, const float *x, line start, sums *s, line *best, double *least)
{
    add_codes(t, x, start, s);
    line f = line_of(t, s);
    double off = error_by(t, s, f);
    if (off < *least) {
        *least = off;
        *best = f;
    }
}

static line fit_sub(const shape *t, const float *x)
{
    enum { STARTS = 20 };
    float low = 0, high = 0;
    for (int i = 0; i < t->sub; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    sums s = {.x = sum_of(x, t->sub), .xx = product_of(x, x, t->sub)};
    line best = {0, 0};
    double least = (double)s.xx;
    float largest = high > -low ? high : low; /* of magnitude */
    for (int i = 0; i < STARTS && high > low; i++) {
        float steps = (float)t->most + 0.1f * (float)(i - STARTS / 2);
        if (t->minima) {
            try(t, x, (line){(high - low) / steps, -low}, &s, &best, &least);
        } else { /* the largest becomes the code that is farthest from zero, or its opposite */
            try(t, x, (line){largest / -(steps + 1), 0}, &s, &best, &least);
            try(t, x, (line){largest / steps, 0}, &s, &best, &least);
        }
    }
    try(t, x, best, &s, &best, &least); /* and from there downhill */
    return best;
}

/* ---- a block ----------------------------------------------------------------------------------- */

static int least_scale(const shape *t)
{
    return t->minima ? 0 : -t->scale_most - 1;
}

static line line_at(const fit *b, int scale, int min)
{
    return (line){half_to_float(b->d) * (float)scale, half_to_float(b->dmin) * (float)min};
}

/* The integers that come nearest to the line, or a neighbour that fits better. */
static void settle(fit *b, int j, line want)
{
    const shape *t = &b->t;
    const float *x = b->x + j * t->sub;
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin), least = INFINITY;
    int scale = d == 0 ? 0 : (int)roundf(want.s / d);
    int min = dmin == 0 ? 0 : (int)roundf(want.m / dmin);
    scale = scale < least_scale(t) ? least_scale(t) : scale > t->scale_most ? t->scale_most : scale;
    min = min > t->scale_most ? t->scale_most : min; /* a scale that was rounded down */
    for (int s = scale - 1; s <= scale + 1; s++)
        for (int m = t->minima ? min - 1 : 0; m <= (t->minima ? min + 1 : 0); m++) {
            float q[SUB_MOST];
            line f = line_at(b, s, m);
            if (s < least_scale(t) || s > t->scale_most || m < 0 || m > t->scale_most)
                continue;
            nearest(t, x, f, q);
            float off = error_of(x, q, t->sub, f);
            if (!(off < least))
                continue;
            least = off;
            b->scale[j] = s;
            b->min[j] = m;
            memcpy(b->q + j * t->sub, q, (size_t)t->sub * sizeof *q);
        }
}

/* The block's scales of least squares, its integers as they are: x = d * (scale q) - dmin * min. */
static void refit(fit *b)
{
    float a[QUANT_K], c[QUANT_K];
    for (int i = 0; i < QUANT_K; i++) {
        int j = i / b->t.sub;
        a[i] = (float)b->scale[j] * b->q[i];
        c[i] = (float)-b->min[j];
    }
    float aa = product_of(a, a, QUANT_K), ac = product_of(a, c, QUANT_K);
    float cc = product_of(c, c, QUANT_K), det = aa * cc - ac * ac;
    float ax = product_of(a, b->x, QUANT_K), cx = product_of(c, b->x, QUANT_K);
    if (!b->t.minima || cc == 0) {
        b->d = aa > 0 ? float_to_half(ax / aa) : b->d;
    } else if (det > 1e-3f * aa * cc) { /* else the two can hardly be told apart */
        float d = (ax * cc - cx * ac) / det, dmin = (aa * cx - ac * ax) / det;
        if (d > 0 && dmin > 0) {
            b->d = float_to_half(d);
            b->dmin = float_to_half(dmin);
        }
    }
}

static float error_in_all(const fit *b)
{
    float sum = 0;
    for (int j = 0; j < QUANT_K / b->t.sub; j++)
        sum += error_of(b->x + j * b->t.sub, b->q + j * b->t.sub, b->t.sub,
                        line_at(b, b->scale[j], b->min[j]));
    return sum;
}

static fit fit_block(shape t, const float *x)
{
    line lines[SUBS_MOST];
    line most = {0, 0};
    fit b = {.t = t, .x = x};
    for (int j = 0; j < QUANT_K / t.sub; j++) {
        lines[j] = fit_sub(&t, x + j * t.sub);
        most.s = fabsf(lines[j].s) > fabsf(most.s) ? lines[j].s : most.s;
        most.m = lines[j].m > most.m ? lines[j].m : most.m;
    }
    b.d = float_to_half(most.s / (float)(t.minima ? t.scale_most : -t.scale_most - 1));
    b.dmin = float_to_half(most.m / (float)t.scale_most);
    for (int j = 0; j < QUANT_K / t.sub; j++)
        settle(&b, j, lines[j]);
    fit best = b;
    float least = error_in_all(&b);
    for (int turn = 0; turn < 2; turn++) {
        refit(&b);
        for (int j = 0; j < QUANT_K / t.sub; j++)
            settle(&b, j, lines[j]);
        float off = error_in_all(&b);
        if (off < least) {
            least = off;
            best = b;
        }
    }
    return best;
}

/* ---- packing: quant.h has the layouts ---------------------------------------------------------- */

static void put_bits(uint8_t *at, int shift, int code)
{
    *at |= (uint8_t)(code << shift);
}

/* The lowest two bits of codes that count from 0, as Q2_K and Q3_K keep them. */
static void put_pairs(uint8_t qs[64], const fit *b, int offset)
{
    for (int i = 0; i < QUANT_K; i++)
        put_bits(&qs[i / 128 * 32 + i % 32], i % 128 / 32 * 2, ((int)b->q[i] + offset) & 3);
}

static void quantize_q2_k(const float *x, block_q2_k *out)
{
    fit b = fit_block((shape){16, 3, 15, true}, x);
    *out = (block_q2_k){.d = b.d, .dmin = b.dmin};
    for (int j = 0; j < 16; j++)
        out->scales[j] = (uint8_t)(b.scale[j] | b.min[j] << 4);
    put_pairs(out->qs, &b, 0);
}

static void quantize_q3_k(const float *x, block_q3_k *out)
{
    fit b = fit_block((shape){16, 3, 31, false}, x);
    *out = (block_q3_k){.d = b.d};
    put_pairs(out->qs, &b, 4);
    for (int i = 0; i < QUANT_K; i++)
        put_bits(&out->hmask[i % 32], i / 32, ((int)b.q[i] + 4) >> 2);
    for (int j = 0; j < 16; j++) {
        int scale = b.scale[j] + 32;
        put_bits(&out->scales[j % 8], j / 8 * 4, scale & 15);
        put_bits(&out->scales[8 + j % 4], j / 4 * 2, scale >> 4);
    }
}

/* The other way of quant_q4_k_scales(). */
static void put_scales(uint8_t packed[12], const fit *b)
{
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(b->scale[j] | b->scale[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(b->min[j] | b->min[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((b->scale[j + 4] & 15) | (b->min[j + 4] & 15) << 4);
    }
}

static void put_nibbles(uint8_t qs[128], const fit *b)
{
    for (int i = 0; i < QUANT_K; i++)
        put_bits(&qs[i / 64 * 32 + i % 32], i % 64 / 32 * 4, (int)b->q[i] & 15);
}

static void quantize_q4_k(const float *x, block_q4_k *out)
{
    fit b = fit_block((shape){32, 15, 63, true}, x);
    *out = (block_q4_k){.d = b.d, .dmin = b.dmin};
    put_scales(out->scales, &b);
    put_nibbles(out->qs, &b);
}

static void quantize_q5_k(const float *x, block_q5_k *out)
{
    fit b = fit_block((shape){32, 31, 63, true}, x);
    *out = (block_q5_k){.d = b.d, .dmin = b.dmin};
    put_scales(out->scales, &b);
    put_nibbles(out->qs, &b);
    for (int i = 0; i < QUANT_K; i++)
        put_bits(&out->qh[i % 32], i / 32, (int)b.q[i] >> 4);
}

static void quantize_q6_k(const float *x, block_q6_k *out)
{
    fit b = fit_block((shape){16, 31, 127, false}, x);
    *out = (block_q6_k){.d = b.d};
    for (int i = 0; i < QUANT_K; i++) {
        int code = (int)b.q[i] + 32;
        put_bits(&out->ql[i / 128 * 64 + i % 64], i % 128 / 64 * 4, code & 15);
        put_bits(&out->qh[i / 128 * 32 + i % 32], i % 128 / 32 * 2, code >> 4);
    }
    for (int j = 0; j < 16; j++)
        out->scales[j] = (int8_t)b.scale[j];
}

void quantize_block_k(dtype type, const float *x, void *out)
{
    if (type == DTYPE_Q2_K)
        quantize_q2_k(x, out);
    else if (type == DTYPE_Q3_K)
        quantize_q3_k(x, out);
    else if (type == DTYPE_Q4_K)
        quantize_q4_k(x, out);
    else if (type == DTYPE_Q5_K)
        quantize_q5_k(x, out);
    else if (type == DTYPE_Q6_K)
        quantize_q6_k(x, out);
}
