/* measure_sure.c - random programs to compare with, and intervals: see measure.h.
 *
 * All that is random here is a function of a seed (philox.h): the same figures come out again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/run/philox.h"
#include "measure.h"

/* Uniform in 0..n-1, up to a bias of n / 2^32. */
static uint32_t draw_below(uint64_t seed, uint32_t stream, uint32_t a, uint32_t b, uint32_t n)
{
    uint32_t counter[4] = {a, b, stream, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox4x32(counter, key, counter);
    return (uint32_t)((uint64_t)counter[0] * n >> 32);
}

/* ---- random programs --------------------------------------------------------------------------- */

router_program *measure_random_program(const router_program *p, uint64_t seed, error *err)
{
    const model_config *m = router_program_model(p);
    size_t experts = (size_t)m->experts;
    int *order = calloc((size_t)m->layers * (experts ? experts : 1), sizeof *order);
    if (!order) {
        error_memory(err, "a random program");
        return NULL;
    }
    for (int layer = 0; layer < m->layers; layer++) { /* Fisher and Yates's shuffle of each layer */
        int *row = order + (size_t)layer * experts;
        for (int i = 0; i < m->experts; i++)
            row[i] = i;
        for (int i = m->experts - 1; i > 0; i--) {
            uint32_t j = draw_below(seed, 1, (uint32_t)layer, (uint32_t)i, (uint32_t)i + 1);
            int kept = row[i];
            row[i] = row[j];
            row[j] = kept;
        }
    }
    router_program *random = router_program_permuted(p, order, err);
    free(order);
    return random;
}

/* ---- quantiles and intervals ------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double measure_quantile(double *v, size_t n, double q)
{
    if (!n)
        return 0;
    qsort(v, n, sizeof *v, ascending);
    double rank = q * (double)(n - 1);
    size_t below = (size_t)rank;
    if (below + 1 >= n)
        return v[n - 1];
    return v[below] + (rank - (double)below) * (v[below + 1] - v[below]);
}

/* The gain on a resample of the pair's samples; `round` 0 is the samples themselves. */
static double resampled_gain(const measure_pair *p, uint64_t seed, uint32_t side, uint32_t round)
{
    double sum = 0, predicted = 0;
    uint32_t n = (uint32_t)p->samples->len;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = round ? draw_below(seed, 2 + side, round, i, n) : i;
        const measure_sample *s = &p->samples->v[j];
        sum += p->a->sums[j] - p->b->sums[j];
        predicted += (double)(s->ids.len - s->from);
    }
    return predicted > 0 ? sum / predicted : 0;
}

static int bootstrap(const measure_pair *own, const measure_pair *other, uint64_t seed,
                     measure_interval *out, error *err)
{
    double *rounds = malloc(MEASURE_RESAMPLES * sizeof *rounds);
    if (!rounds)
        return error_memory(err, "an interval");
    out->value = resampled_gain(own, seed, 0, 0) - (other ? resampled_gain(other, seed, 1, 0) : 0);
    for (uint32_t i = 0; i < MEASURE_RESAMPLES; i++)
        rounds[i] = resampled_gain(own, seed, 0, i + 1) -
                    (other ? resampled_gain(other, seed, 1, i + 1) : 0);
    out->low = measure_quantile(rounds, MEASURE_RESAMPLES, 0.025);
    out->high = measure_quantile(rounds, MEASURE_RESAMPLES, 0.975);
    free(rounds);
    return 0;
}

int measure_gain(const measure_pair *pair, uint64_t seed, measure_interval *out, error *err)
{
    return bootstrap(pair, NULL, seed, out, err);
}

int measure_gap(const measure_pair *own, const measure_pair *other, uint64_t seed,
                measure_interval *out, error *err)
{
    return bootstrap(own, other, seed, out, err);
}
