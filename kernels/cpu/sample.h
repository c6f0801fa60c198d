/* sample.h - choosing a token on the CPU: ../sample.h says what, this how its vocabulary is read.
 *
 * Few tokens decide. The kernels read all logits (a maximum, a sum of weights to five digits) and list
 * those within a distance of the best; only listed ones get their exact weight and a bucket by
 * distance, and only a bucket that decides is sorted. The sum to five digits comes with its error:
 * where a border lies inside it, or beyond the list, everything in reach is listed and weighed exactly.
 * So the choice is always that of the definition.
 */
#ifndef CPU_SAMPLE_H
#define CPU_SAMPLE_H

#include "../sample.h"

enum {
    SAMPLE_BUCKETS_PER_NAT = 128,
    SAMPLE_BUCKETS =
        SAMPLE_REACH * SAMPLE_BUCKETS_PER_NAT, /* also the bucket of all beyond reach */
};

typedef struct sample_kernels {
    /* Whether all of z are below +infinity and none NaN; *most = the largest if so. n >= 1 */
    bool (*scan)(const float *z, size_t n, float *most);
    /* Lists those with z[i] >= cut, ascending: their logits and ids [n]; returns how many. */
    size_t (*list)(const float *z, size_t n, float cut, double *logit, int *id);
    /* Sum of exp((z[i] - best) * rate), each term to 2^-20 of itself if the argument were exact, the
     * sum to 2^-20 of itself besides. NULL = not worth it at this level. */
    double (*mass)(const float *z, size_t n, float best, float rate);
    /* Weight and bucket of n listed ones; weight 0 and SAMPLE_BUCKETS from a distance of REACH on. */
    void (*weigh)(const double *logit, size_t n, double best, double temperature, uint64_t *weight,
                  uint16_t *bucket);
} sample_kernels;

const sample_kernels *sample_baseline(void);
const sample_kernels *sample_avx2(void); /* ask the processor first */

/* Chooses row->id. */
void sample_pick(const sample_kernels *k, sample_row *row);

#endif
