/* lanes.h - sums of f32 vectors in sixteen fixed lanes: one order, and one that vector units like. */
#ifndef ENGINE_LANES_H
#define ENGINE_LANES_H

#include <stddef.h>

enum { LANES = 16 };

static inline float lanes_fold(float *lane)
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

/* Sum of a[i] * b[i]. */
static inline float lanes_dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        lane[i % LANES] += a[i] * b[i];
    return lanes_fold(lane);
}

/* Sum of a[i] * b[i] * c[i]. */
static inline float lanes_dot3(const float *a, const float *b, const float *c, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l] * c[i + l];
    for (; i < n; i++)
        lane[i % LANES] += a[i] * b[i] * c[i];
    return lanes_fold(lane);
}

static inline float lanes_sum(const float *a, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l];
    for (; i < n; i++)
        lane[i % LANES] += a[i];
    return lanes_fold(lane);
}

#endif
