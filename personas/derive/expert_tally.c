/* expert_tally.c - see expert_tally.h. */
#include "expert_tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Single precision holds sums of some thousand gates well enough, in half the memory. */
typedef struct cell {
    float calls, gates, mass;
} cell;

struct expert_tally {
    const model_config *model;
    int sources;
    cell *cells;  /* [sources, TALLY_BLOCKS, layers, experts] */
    float *peaks; /* [layers, experts] */
};

/* ---- storage ------------------------------------------------------------------------------------- */

size_t tally_bytes(int layers, int experts, int sources)
{
    size_t places = (size_t)layers * (size_t)experts;
    return places * ((size_t)sources * TALLY_BLOCKS * sizeof(cell) + sizeof(float));
}

expert_tally *tally_open(const model_config *m, int sources, error *err)
{
    size_t places = (size_t)m->layers * (size_t)m->experts;
    if (tally_bytes(m->layers, m->experts, sources) > TALLY_BYTES) {
        error_set(err, ERROR_USAGE,
                  "statistics of %d voices over %d layers of %d experts take more than %d MB; "
                  "compare fewer personas (--against)",
                  sources, m->layers, m->experts, TALLY_BYTES >> 20);
        return NULL;
    }
    expert_tally *s = calloc(1, sizeof *s);
    if (s) {
        s->cells = calloc(places * (size_t)sources * TALLY_BLOCKS, sizeof *s->cells);
        s->peaks = calloc(places, sizeof *s->peaks);
    }
    if (!s || !s->cells || !s->peaks) {
        tally_close(s);
        error_memory(err, "the statistics of the experts");
        return NULL;
    }
    s->model = m;
    s->sources = sources;
    return s;
}

void tally_close(expert_tally *s)
{
    if (!s)
        return;
    free(s->cells);
    free(s->peaks);
    free(s);
}

int tally_block(size_t i)
{
    enum { HALF = TALLY_READ / 2 };
    return (int)(i % 2) * HALF + (int)(i / 2 % HALF);
}

int tally_spoken_block(size_t i)
{
    return TALLY_READ + (int)(i % 2);
}

/* The row of a layer: [experts]. */
static cell *row_of(const expert_tally *s, int source, int block, int layer)
{
    size_t at = (size_t)source * TALLY_BLOCKS + (size_t)block;
    at = at * (size_t)s->model->layers + (size_t)layer;
    return s->cells + at * (size_t)s->model->experts;
}

static float *peaks_of(const expert_tally *s, int layer)
{
    return s->peaks + (size_t)layer * (size_t)s->model->experts;
}

/* ---- counting ------------------------------------------------------------------------------------ */

void tally_add(expert_tally *s, int source, int block, const route_trace *t)
{
    cell *row = row_of(s, source, block, t->layer);
    float *peaks = peaks_of(s, t->layer);
    for (int i = 0; i < t->slots; i++) {
        int e = t->ids[i];
        if (e < 0 || e >= s->model->experts)
            continue;
        row[e].calls += 1;
        row[e].gates += t->gates[i];
        row[e].mass += t->gates[i] * t->norms[i];
        if (t->peaks[i] > peaks[e])
            peaks[e] = t->peaks[i];
    }
}

void tally_sums(const expert_tally *s, int source, block_set blocks, int layer, expert_sums *out)
{
    size_t n = (size_t)s->model->experts;
    memset(out, 0, n * sizeof *out);
    for (int b = 0; b < TALLY_BLOCKS; b++) {
        if (!(blocks >> b & 1))
            continue;
        const cell *row = row_of(s, source, b, layer);
        for (size_t e = 0; e < n; e++) {
            out[e].calls += (double)row[e].calls;
            out[e].gates += (double)row[e].gates;
            out[e].mass += (double)row[e].mass;
        }
    }
}

static double mass_of(const expert_sums *v, int experts)
{
    double total = 0;
    for (int e = 0; e < experts; e++)
        total += v[e].mass;
    return total;
}

int tally_alike(const expert_tally *s, int source, block_set a, block_set b, double *alike,
                error *err)
{
    int experts = s->model->experts, layers = 0;
    expert_sums *x = calloc(2 * (size_t)experts, sizeof *x), *y = x + experts;
    *alike = 0;
    if (!x)
        return error_memory(err, "the statistics of the experts");
    for (int layer = 0; layer < s->model->layers; layer++) {
        tally_sums(s, source, a, layer, x);
        tally_sums(s, source, b, layer, y);
        double in_a = mass_of(x, experts), in_b = mass_of(y, experts);
        layers += in_a > 0 && in_b > 0;
        for (int e = 0; e < experts && in_a > 0 && in_b > 0; e++)
            *alike += fmin(x[e].mass / in_a, y[e].mass / in_b);
    }
    *alike /= layers ? layers : 1;
    free(x);
    return 0;
}

float tally_peak(const expert_tally *s, int layer, int expert)
{
    return peaks_of(s, layer)[expert];
}

void tally_called(const expert_tally *s, int layer, int *called, int *nil)
{
    *called = *nil = 0;
    for (int e = 0; e < s->model->experts; e++) {
        bool any = false;
        for (int at = 0; at < s->sources * TALLY_BLOCKS && !any; at++)
            any = row_of(s, at / TALLY_BLOCKS, at % TALLY_BLOCKS, layer)[e].calls > 0;
        *called += any;
        *nil += any && peaks_of(s, layer)[e] == 0;
    }
}

/* ---- super experts ------------------------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Of the peaks that are not 0; sorts v. `rank` 0..1 from the largest. */
static float ranked(float *v, size_t n, double rank)
{
    qsort(v, n, sizeof *v, descending);
    while (n > 0 && v[n - 1] == 0)
        n--;
    return n ? v[(size_t)(rank * (double)(n - 1))] : 0;
}

int tally_super(const expert_tally *s, uint8_t *named)
{
    size_t experts = (size_t)s->model->experts, places = (size_t)s->model->layers * experts;
    float *sorted = malloc(places * sizeof *sorted);
    int count = 0;
    memset(named, 0, places);
    if (!sorted)
        return 0;
    memcpy(sorted, s->peaks, places * sizeof *sorted);
    float least = ranked(sorted, places, 0.005), largest = sorted[0];
    for (int layer = 0; layer < s->model->layers; layer++) {
        memcpy(sorted, peaks_of(s, layer), experts * sizeof *sorted);
        float median = ranked(sorted, experts, 0.5);
        for (size_t e = 0; e < experts; e++) {
            float peak = peaks_of(s, layer)[e];
            bool super = peak > 0 && peak >= least && peak > largest / 10 && peak > 10 * median;
            named[(size_t)layer * experts + e] = super;
            count += super;
        }
    }
    free(sorted);
    return count;
}
