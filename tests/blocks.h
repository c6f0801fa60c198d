/* blocks.h - weights and activations for the kernel tests and the kernel benchmark.
 *
 * Numbers come from a fixed generator, so that a failure is the same on every machine.
 */
#ifndef TESTS_BLOCKS_H
#define TESTS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "../kernels/quant.h"

typedef struct blocks_random {
    uint64_t state;
} blocks_random;

uint32_t blocks_next(blocks_random *random);
float blocks_uniform(blocks_random *random, float low, float high);

/* A matrix of random codes whose scales are of usual size: caller frees. Exactly as long as the
 * matrix, so that the address sanitizer sees a kernel read past it. */
void *blocks_matrix(blocks_random *random, dtype type, size_t rows, size_t cols);

/* The same with every code at one extreme: 0 the smallest value, 1 the largest, 2 alternating.
 * Scales are the largest of the type, d and dmin 1. Q8_0 codes are -128 and 127. */
void *blocks_extreme(dtype type, size_t rows, size_t cols, int which);

/* n floats, roughly normal, with a few outliers: caller frees. */
float *blocks_activations(blocks_random *random, size_t n);

#endif
