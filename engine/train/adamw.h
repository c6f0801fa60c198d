/* adamw.h - the optimiser: AdamW (Loshchilov and Hutter 2019), clipping, and the schedule of the rate.
 *
 * All of it are loops over the blocks of a trainable in one fixed order, so a step is the same bytes
 * everywhere. The state that a checkpoint must keep is two moments of `count` floats and the number of
 * steps done.
 */
#ifndef ENGINE_ADAMW_H
#define ENGINE_ADAMW_H

#include "trainable.h"

typedef struct adamw {
    float *mean, *square; /* [count] moments of the gradient; caller's or of adamw_open() */
    int64_t steps;        /* done */
} adamw;

typedef struct adamw_options {
    double rate, beta1, beta2, epsilon, decay; /* 0.9, 0.95, 1e-8 when 0 is given for them */
    double clip;             /* the gradient is scaled down to this norm; 0 = off */
    const value_span *still; /* [still_count] in order: values that stay as they are */
    size_t still_count;
} adamw_options;

int adamw_open(adamw *a, size_t count, error *err); /* moments zero; adamw_release() */
void adamw_release(adamw *a);                       /* {0} ok */

/* values -= rate * (m / (sqrt(v) + epsilon) + decay * values), with bias-corrected moments of the
 * gradient; then the gradient is zero. Returns the norm that the gradient had before clipping; when it is
 * not finite nothing is changed but that the gradient is zero. */
double adamw_step(adamw *a, trainable *t, const adamw_options *o);

/* The rate of step `at` of `steps`: rises linearly over `warm` steps to `rate`, then falls along half a
 * cosine to `floor` * rate. */
double schedule_rate(double rate, double floor, int64_t warm, int64_t at, int64_t steps);

#endif
