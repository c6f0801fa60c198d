/* sorting_sampler.h - the sampler in its plain form: weights in double precision, one after another, and
 * the front of the vocabulary sorted. kernels/sample.h has to choose the same tokens.
 */
#ifndef SORTING_SAMPLER_H
#define SORTING_SAMPLER_H

#include "../engine/run/sampler.h"

/* As sampler_pick() with a random number of 53 bits. Aborts without memory. */
int sorting_sampler(const sampling *s, int candidates, const float *logits, const int *history,
                    size_t n, uint64_t bits53, const uint8_t *banned, int *id, error *err);

#endif
