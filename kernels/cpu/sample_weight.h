/* sample_weight.h - the weight of one candidate, operation by operation.
 *
 * For the files of the sampler alone. sample_avx2.c does the same operations on four lanes; nothing is
 * contracted, so both round alike.
 */
#ifndef CPU_SAMPLE_WEIGHT_H
#define CPU_SAMPLE_WEIGHT_H

#include <stdint.h>
#include <string.h>

#include "sample.h"

#define WEIGHT_LOG2E    0x1.71547652b82fep+0
#define WEIGHT_LN2_HIGH 0x1.62e42feep-1
#define WEIGHT_LN2_LOW  0x1.a39ef35793c76p-33
#define WEIGHT_TWO52    0x1p52 /* adding it rounds to an integer, held in the low bits */

/* exp(-d) for 0 <= d <= SAMPLE_REACH in units of 2^-SAMPLE_WEIGHT_BITS. */
static inline uint64_t sample_weight(double d)
{
    double shifted = d * WEIGHT_LOG2E + WEIGHT_TWO52;
    double n = shifted - WEIGHT_TWO52;
    double r = (n * WEIGHT_LN2_HIGH - d) + n * WEIGHT_LN2_LOW;
    double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800)) +
                  r4 * (1.0 / 479001600 + r * (1.0 / 6227020800));
    double sum = low + r4 * middle + r8 * high, power;
    uint64_t pattern;
    memcpy(&pattern, &shifted, sizeof pattern); /* becomes 2^(SAMPLE_WEIGHT_BITS - n) */
    pattern = (1023 + SAMPLE_WEIGHT_BITS - (pattern & 0xFF)) << 52;
    memcpy(&power, &pattern, sizeof power);
    double weight = sum * power + WEIGHT_TWO52;
    memcpy(&pattern, &weight, sizeof pattern);
    return pattern & ((1ull << 52) - 1);
}

static inline void sample_weigh_one(double logit, double best, double temperature, uint64_t *weight,
                                    uint16_t *bucket)
{
    double d = (best - logit) / temperature;
    *weight = 0;
    *bucket = SAMPLE_BUCKETS;
    if (!(d < SAMPLE_REACH))
        return;
    *weight = sample_weight(d);
    *bucket = (uint16_t)(d * SAMPLE_BUCKETS_PER_NAT);
}

#endif
