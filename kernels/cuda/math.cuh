/* math.cuh - small arithmetic that every kernel shares: exp, short floats, sums over a warp.
 *
 * exp is the CPU's, operation by operation (cpu/mathx.h says why and how good it is), so that both
 * devices have the same bits.
 */
#ifndef KERNELS_CUDA_MATH_CUH
#define KERNELS_CUDA_MATH_CUH

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../quant.h"
#include "language.cuh"

template <class To, class From> __host__ __device__ inline To bits_as(From from)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

/* 2^n for -126 <= n <= 127. */
__host__ __device__ inline float power_of_two(int n)
{
    return bits_as<float>((uint32_t)(n + 127) << 23);
}

__host__ __device__ inline float exp_f32(float x)
{
    if (x != x)
        return x;
    x = 100.0f < x ? 100.0f : x;
    x = -110.0f > x ? -110.0f : x;
    float n = fmaf(x, 0x1.715476p+0f, 0x1.8p23f) - 0x1.8p23f;
    float r = fmaf(n, 0x1.05c610p-29f, fmaf(n, -0x1.62e430p-1f, x));
    float p = fmaf(0x1.a01a02p-13f, r, 0x1.6c16c2p-10f);
    p = fmaf(p, r, 0x1.111112p-7f);
    p = fmaf(p, r, 0x1.555556p-5f);
    p = fmaf(p, r, 0x1.555556p-3f);
    p = fmaf(p, r, 0x1p-1f);
    p = fmaf(fmaf(p, r, 1.0f), r, 1.0f);
    int whole = (int)n, half = whole >> 1;
    return p * power_of_two(half) * power_of_two(whole - half);
}

__device__ inline float silu(float x)
{
    return x / (1.0f + exp_f32(-x));
}

__device__ inline bool is_finite(float x)
{
    return (bits_as<uint32_t>(x) & 0x7F800000u) != 0x7F800000u;
}

/* ---- short floats ------------------------------------------------------------------------------- */

__device__ inline float half_as_float(uint16_t half)
{
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(half));
#else
    return half_to_float(half);
#endif
}

__device__ inline uint16_t float_as_half(float x)
{
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(x));
#else
    return float_to_half(x);
#endif
}

__device__ inline float bfloat_as_float(uint16_t bits)
{
    return bits_as<float>((uint32_t)bits << 16);
}

/* ---- sums over the lanes of a warp ---------------------------------------------------------------- */

__device__ inline int lane_of_warp()
{
    return (int)(threadIdx.x % WARP);
}

/* v added over lanes that differ in the given bits, the highest first. Every lane has the sum, made by
 * the same tree: a + b is b + a. */
template <class T> __device__ inline T sum_over(T v, int bits)
{
    for (int bit = WARP / 2; bit > 0; bit /= 2)
        if (bits & bit)
            v += __shfl_xor_sync(ALL_LANES, v, bit);
    return v;
}

/* The tree that ends the CPU's sums over 32 lanes: 8, 16, then 4, 2, 1 (cpu/dot.h). */
__device__ inline float sum_of_lanes32(float v)
{
    v += __shfl_xor_sync(ALL_LANES, v, 8);
    v += __shfl_xor_sync(ALL_LANES, v, 16);
    v += __shfl_xor_sync(ALL_LANES, v, 4);
    v += __shfl_xor_sync(ALL_LANES, v, 2);
    return v + __shfl_xor_sync(ALL_LANES, v, 1);
}

/* An integer sum over the warp: exact in any order. */
__device__ inline int sum_of_ints(int v)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_add_sync(ALL_LANES, v);
#else
    return sum_over(v, WARP - 1);
#endif
}

#endif
