/* mathx.h - exp, sigmoid and silu in f32, with the same bits everywhere.
 *
 * libm's expf may change with the library, and no vector code can be made equal to it. So exp is
 * defined here, operation by operation, every rounding step named (fmaf is one), and mathx_avx2.h
 * does the same operations on eight lanes. Error of mathx_exp: at most 1 ulp against the exact
 * value for normal results (test_dot measures it).
 *
 * Method: x = n ln 2 + r with |r| <= ln 2 / 2 and ln 2 split in two floats, exp(r) by its Taylor
 * polynomial to degree 7 (the remainder is below 2^-27), times 2^n in two exact halves, so that a
 * subnormal result is rounded once.
 */
#ifndef CPU_MATHX_H
#define CPU_MATHX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MATHX_LOG2E    0x1.715476p+0f
#define MATHX_LN2_HIGH 0x1.62e430p-1f
#define MATHX_LN2_LOW  (-0x1.05c610p-29f)
#define MATHX_ROUND    0x1.8p23f /* adding it rounds to an integer, held in the low bits */
#define MATHX_EXP_MAX  100.0f    /* beyond: infinity, as at 88.8 */
#define MATHX_EXP_MIN  (-110.0f) /* below: zero, as at -104 */
#define MATHX_C2       0x1p-1f
#define MATHX_C3       0x1.555556p-3f
#define MATHX_C4       0x1.555556p-5f
#define MATHX_C5       0x1.111112p-7f
#define MATHX_C6       0x1.6c16c2p-10f
#define MATHX_C7       0x1.a01a02p-13f

/* 2^n for -126 <= n <= 127. */
static inline float mathx_power_of_two(int32_t n)
{
    uint32_t bits = ((uint32_t)n + 127u) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* e^x; 0 at -infinity, infinity beyond 88.7, NaN for NaN. */
static inline float mathx_exp(float x)
{
    if (x != x)
        return x;
    x = MATHX_EXP_MAX < x ? MATHX_EXP_MAX : x;
    x = MATHX_EXP_MIN > x ? MATHX_EXP_MIN : x;
    float n = fmaf(x, MATHX_LOG2E, MATHX_ROUND) - MATHX_ROUND;
    float r = fmaf(n, -MATHX_LN2_LOW, fmaf(n, -MATHX_LN2_HIGH, x));
    float p = fmaf(MATHX_C7, r, MATHX_C6);
    p = fmaf(p, r, MATHX_C5);
    p = fmaf(p, r, MATHX_C4);
    p = fmaf(p, r, MATHX_C3);
    p = fmaf(p, r, MATHX_C2);
    p = fmaf(fmaf(p, r, 1.0f), r, 1.0f);
    int32_t whole = (int32_t)n, half = whole >> 1;
    return p * mathx_power_of_two(half) * mathx_power_of_two(whole - half);
}

/* 1 / (1 + e^-x) */
static inline float mathx_sigmoid(float x)
{
    return 1.0f / (1.0f + mathx_exp(-x));
}

/* x * sigmoid(x), in one division */
static inline float mathx_silu(float x)
{
    return x / (1.0f + mathx_exp(-x));
}

#endif
