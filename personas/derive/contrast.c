/* contrast.c - see contrast.h. */
#include "contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/run/philox.h"

enum { LAST_LAYERS = 2, HALVES = 50 };
static const double EPSILON = 0.1, LEAST = 0.05, STABLE = 0.8;

typedef struct work {
    const expert_tally *s;
    const model_config *m;
    int sources, source;
    expert_sums *sums;        /* [experts] */
    double *own, *other;      /* [experts] */
    uint8_t *super;           /* [layers * experts] */
    block_set halves[HALVES]; /* of the blocks asked for */
    expert_contrast *out;
} work;

bool contrast_layer(const model_config *m, int layer)
{
    return m->moe_layer[layer] && layer >= (m->layers + 9) / 10 && layer < m->layers - LAST_LAYERS;
}

/* Half of the set, drawn at random. */
static block_set random_half(block_set all, uint32_t draw)
{
    int left = __builtin_popcount(all), want = left / 2;
    block_set out = 0;
    for (int b = 0; b < TALLY_BLOCKS; b++) {
        if (!(all >> b & 1))
            continue;
        uint32_t counter[4] = {draw, (uint32_t)b, 0, 0};
        philox4x32(counter, (const uint32_t[2]){20261130, 0}, counter);
        if ((uint64_t)counter[0] * (uint64_t)left >> 32 < (uint64_t)want) {
            out |= (block_set)1 << b;
            want--;
        }
        left--;
    }
    return out;
}

/* Adds the source's shares in a layer, times `weight`; false when it has no mass there. */
static bool add_shares(const work *w, int source, block_set blocks, int layer, double *to)
{
    double total = 0;
    tally_sums(w->s, source, blocks, layer, w->sums);
    for (int e = 0; e < w->m->experts; e++)
        total += w->sums[e].mass;
    for (int e = 0; e < w->m->experts && total > 0; e++)
        to[e] += w->sums[e].mass / total;
    return total > 0;
}

/* own, other [experts]; false when one side was not read in these blocks. */
static bool both_sides(const work *w, block_set blocks, int layer)
{
    size_t bytes = (size_t)w->m->experts * sizeof(double);
    int others = 0;
    memset(w->own, 0, bytes);
    memset(w->other, 0, bytes);
    for (int i = 0; i < w->sources; i++)
        if (i != w->source)
            others += add_shares(w, i, blocks, layer, w->other);
    for (int e = 0; e < w->m->experts && others; e++)
        w->other[e] /= others;
    return add_shares(w, w->source, blocks, layer, w->own) && others > 0;
}

static void lean_of(const work *w, expert_contrast *row)
{
    double eps = EPSILON / w->m->experts;
    for (int e = 0; e < w->m->experts; e++) {
        row[e].own = w->own[e];
        row[e].other = w->other[e];
        row[e].lean = log((w->own[e] + eps) / (w->other[e] + eps));
    }
}

static void stability_of(const work *w, int layer, expert_contrast *row)
{
    int drawn = 0;
    for (int h = 0; h < HALVES; h++) {
        if (!both_sides(w, w->halves[h], layer))
            continue;
        drawn++;
        for (int e = 0; e < w->m->experts; e++)
            row[e].stability += (w->own[e] - w->other[e]) * (row[e].own - row[e].other) > 0;
    }
    for (int e = 0; e < w->m->experts && drawn; e++)
        row[e].stability /= drawn;
}

static void contrast_row(const work *w, block_set blocks, int layer)
{
    size_t at = (size_t)layer * (size_t)w->m->experts;
    expert_contrast *row = w->out + at;
    double fair = 1.0 / w->m->experts;
    if (!both_sides(w, blocks, layer))
        return;
    lean_of(w, row);
    stability_of(w, layer, row);
    for (int e = 0; e < w->m->experts; e++) {
        double difference = fabs(row[e].own - row[e].other);
        row[e].may_be_named = row[e].stability >= STABLE && !w->super[at + (size_t)e] &&
                              tally_peak(w->s, layer, e) > 0 &&
                              difference >= LEAST * fmax(fmax(row[e].own, row[e].other), fair);
    }
}

int contrast_make(const expert_tally *s, const model_config *m, int sources, int source,
                  block_set blocks, expert_contrast *out, error *err)
{
    size_t experts = (size_t)m->experts, places = (size_t)m->layers * experts;
    work w = {.s = s, .m = m, .sources = sources, .source = source, .out = out};
    w.sums = calloc(experts, sizeof *w.sums);
    w.own = calloc(experts, sizeof *w.own);
    w.other = calloc(experts, sizeof *w.other);
    w.super = calloc(places, 1);
    bool whole = w.sums && w.own && w.other && w.super;
    memset(out, 0, places * sizeof *out);
    for (uint32_t h = 0; h < HALVES; h++)
        w.halves[h] = random_half(blocks, h);
    if (whole)
        (void)tally_super(s, w.super);
    for (int layer = 0; layer < m->layers && whole; layer++)
        if (contrast_layer(m, layer))
            contrast_row(&w, blocks, layer);
    free(w.sums);
    free(w.own);
    free(w.other);
    free(w.super);
    return whole ? 0 : error_memory(err, "the contrast of two voices");
}
