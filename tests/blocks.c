/* blocks.c - see blocks.h. */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#include "../kernels/quantize.h"

uint32_t blocks_next(blocks_random *random)
{
    uint64_t x = random->state + 0x9E3779B97F4A7C15ull;
    random->state = x;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return (uint32_t)((x ^ x >> 31) >> 32);
}

float blocks_uniform(blocks_random *random, float low, float high)
{
    return low + (high - low) * ((float)(blocks_next(random) >> 8) * 0x1p-24f);
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

/* Where the binary16 scales of a block lie: byte offsets of d and of the minimum, -1 = none. */
static void scale_places(dtype type, int *d, int *min)
{
    *d = 0;
    *min = -1;
    if (type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q4_K || type == DTYPE_Q5_K)
        *min = 2;
    if (type == DTYPE_Q2_K) {
        *d = 80;
        *min = 82;
    }
    if (type == DTYPE_Q3_K)
        *d = 108;
    if (type == DTYPE_Q6_K)
        *d = 208;
    if (type == DTYPE_MXFP4 || type == DTYPE_IQ1_M)
        *d = -1;
}

static void put_half(uint8_t *block, int at, float value)
{
    uint16_t half = float_to_half(value);
    if (at >= 0)
        memcpy(block + at, &half, sizeof half);
}

/* A quarter of the scale in the highest four bits of each of four words. */
static void put_iq1_m_scale(block_iq1_m *block, uint16_t half)
{
    for (int i = 0; i < 4; i++)
        block->scales[i] =
            (uint16_t)((block->scales[i] & 0xFFFu) | ((unsigned)half >> (4 * i) & 15u) << 12);
}

static void set_scales(uint8_t *block, dtype type, float d, float min)
{
    int d_at, min_at;
    scale_places(type, &d_at, &min_at);
    put_half(block, d_at, d);
    put_half(block, min_at, min);
    if (type == DTYPE_MXFP4)
        block[0] = (uint8_t)(118 + block[0] % 4);
    if (type == DTYPE_IQ1_M)
        put_iq1_m_scale((block_iq1_m *)block, float_to_half(d));
}

void *blocks_matrix(blocks_random *random, dtype type, size_t rows, size_t cols)
{
    size_t size = rows * dtype_row_bytes(type, cols), step = (size_t)dtype_describe(type)->bytes;
    uint8_t *bytes = allocate(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)blocks_next(random);
    for (size_t at = 0; at < size; at += step) {
        float value = blocks_uniform(random, -1, 1);
        if (type == DTYPE_F32)
            memcpy(bytes + at, &value, sizeof value);
        else if (step == 2)
            quantize_row(type, &value, bytes + at, 1);
        else
            set_scales(bytes + at, type, blocks_uniform(random, -0.1f, 0.1f),
                       blocks_uniform(random, -0.5f, 0.5f));
    }
    return bytes;
}

/* Scale bytes at their largest; codes all bits clear, all set, or one after the other. */
static void set_extreme(uint8_t *block, dtype type, int which)
{
    const uint8_t bits = which == 0 ? 0x00 : 0xFF;
    size_t bytes = (size_t)dtype_describe(type)->bytes;
    for (size_t i = 0; i < bytes; i++)
        block[i] = which == 2 ? (uint8_t)(i % 2 ? 0xFF : 0x00) : bits;
    if (type == DTYPE_Q8_0)
        for (size_t i = 2; i < bytes; i++)
            block[i] = which == 0 ? 0x80 : which == 1 ? 0x7F : i % 2 ? 0x80 : 0x7F;
    if (type == DTYPE_Q4_K || type == DTYPE_Q5_K)
        memset(block + 4, 0xFF, 12);
    if (type == DTYPE_Q2_K)
        memset(block, 0xFF, 16);
    if (type == DTYPE_Q3_K) /* 6 bits of 0: -32, the largest magnitude */
        memset(block + 96, 0x00, 12);
    if (type == DTYPE_Q6_K)
        memset(block + 192, 0x80, 16);
    if (type == DTYPE_IQ4_XS)
        memset(block + 2, 0x00, 6);
    set_scales(block, type, 1, 1);
}

void *blocks_extreme(dtype type, size_t rows, size_t cols, int which)
{
    size_t size = rows * dtype_row_bytes(type, cols), step = (size_t)dtype_describe(type)->bytes;
    uint8_t *bytes = allocate(size);
    for (size_t at = 0; at < size; at += step) {
        float value = which == 0 ? -65504.0f : which == 1 ? 65504.0f : at / step % 2 ? -1e4f : 1e4f;
        if (dtype_describe(type)->block == 1)
            quantize_row(type, &value, bytes + at, 1);
        else
            set_extreme(bytes + at, type, which);
    }
    return bytes;
}

float *blocks_activations(blocks_random *random, size_t n)
{
    float *x = allocate(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++)
            sum += blocks_uniform(random, -1, 1);
        x[i] = blocks_next(random) % 97 == 0 ? 12 * sum : sum;
    }
    return x;
}
