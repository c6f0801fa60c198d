/* activation.c - see activation.h: the plain reading of the definition.
 *
 * lrintf rounds to nearest even in the default environment, in which every region of the pool runs.
 */
#include "activation.h"

#include <math.h>
#include <string.h>

activation_form activation_of(dtype type)
{
    switch (dtype_describe(type)->block) {
    case 1:
        return ACTIVATION_F32;
    case 32:
        return ACTIVATION_Q32;
    default:
        return ACTIVATION_Q256;
    }
}

size_t activation_bytes(activation_form form, size_t cols)
{
    if (form == ACTIVATION_F32)
        return (cols * sizeof(float) + 31) / 32 * 32;
    size_t groups = (cols + ACTIVATION_GROUP - 1) / ACTIVATION_GROUP;
    return groups * (form == ACTIVATION_Q32 ? sizeof(activation_q32) : sizeof(activation_q256));
}

/* The largest magnitude; a NaN is larger than all numbers. */
static float largest_of(const float *x, size_t n)
{
    uint32_t largest = 0;
    for (size_t j = 0; j < n; j++) {
        uint32_t bits;
        memcpy(&bits, &x[j], sizeof bits);
        bits &= 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    float value;
    memcpy(&value, &largest, sizeof value);
    return value;
}

/* Quantises n elements and returns their scale. */
static float quantize_block(const float *x, size_t n, int8_t *q)
{
    float largest = largest_of(x, n);
    memset(q, 0, n);
    if (largest < ACTIVATION_TINY)
        return 0;
    if (!isfinite(largest))
        return largest;
    float factor = 127.0f / largest;
    for (size_t j = 0; j < n; j++)
        q[j] = (int8_t)lrintf(x[j] * factor);
    return largest / 127.0f;
}

static int32_t sum_of(const int8_t *q, size_t n)
{
    int32_t sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += q[j];
    return sum;
}

/* The group's elements, filled up with zeros. */
static void take_group(const float *x, size_t left, float group[ACTIVATION_GROUP])
{
    size_t n = left < ACTIVATION_GROUP ? left : ACTIVATION_GROUP;
    memset(group, 0, ACTIVATION_GROUP * sizeof *group);
    memcpy(group, x, n * sizeof *group);
}

void activation_quantize_q32(const float *x, size_t cols, void *out)
{
    activation_q32 *a = out;
    for (size_t at = 0; at < cols; at += ACTIVATION_GROUP, a++) {
        float group[ACTIVATION_GROUP];
        take_group(x + at, cols - at, group);
        for (int b = 0; b < 8; b++) {
            int8_t q[32];
            int lane = ACTIVATION_LANE(b);
            a->scale[lane] = quantize_block(group + 32 * b, 32, q);
            a->sum[lane] = sum_of(q, 32);
            a->offset[lane] = a->scale[lane] * (float)a->sum[lane];
            for (int j = 0; j < 32; j++)
                a->q[ACTIVATION_PLACE(b, j)] = q[j];
        }
    }
}

void activation_quantize_q256(const float *x, size_t cols, void *out)
{
    activation_q256 *a = out;
    for (size_t at = 0; at < cols; at += ACTIVATION_GROUP, a++) {
        float group[ACTIVATION_GROUP];
        take_group(x + at, cols - at, group);
        memset(a, 0, sizeof *a);
        a->scale = quantize_block(group, ACTIVATION_GROUP, a->q);
        for (int j = 0; j < 16; j++)
            a->sum16[j] = (int16_t)sum_of(a->q + 16 * j, 16);
        for (int j = 0; j < 8; j++)
            a->sum32[j] = (int16_t)sum_of(a->q + 32 * j, 32);
    }
}
