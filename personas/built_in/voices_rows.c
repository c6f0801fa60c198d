/* voices_rows.c - see voices_rows.h. */
#include "voices_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TELL_SHARE = 1e-3, EVEN_SHARE = 1e-5; /* of ridge_solve() */
/* Logits between the right persona and the others where the regression is sure. */
static const float CONTRAST = 12;
/* Rounds of the even direction, how much more a token weighs whose g.x falls short of 1, the least
 * g.x that is reckoned with, and by how much the general experts
 * win: by a factor, and by so many nats, beyond which the softmax leaves nothing for others. */
enum { ROUNDS = 6, GATHERED = 64 };
static const float SHORT = 30, LEAST = 0.05f, AHEAD = 3, CLEAR = 20;

static float product(const float *a, const float *b, int n)
{
    float sum[8] = {0}, rest = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int lane = 0; lane < 8; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7])) + rest;
}

static float *row_of(const voices_router *r, int expert)
{
    return r->rows + (size_t)expert * (size_t)r->width;
}

int voices_contrast(voices_router *r, const ridge *tell, error *err)
{
    float *map = malloc((size_t)r->personas * (size_t)r->width * sizeof *map);
    int result = map ? ridge_solve(tell, TELL_SHARE, map, err) : error_memory(err, "a router");
    for (int p = 0; p < r->personas && !result; p++)
        for (int i = 0; i < r->width; i++) {
            float mean = 0;
            for (int e = 0; e < r->experts; e++)
                mean += row_of(r, p * r->experts + e)[i] / (float)r->experts;
            float move = CONTRAST * map[(size_t)p * (size_t)r->width + (size_t)i] - mean;
            for (int e = 0; e < r->experts; e++)
                row_of(r, p * r->experts + e)[i] += move;
        }
    free(map);
    return result;
}

/* ---- the even direction ------------------------------------------------------------------------ */

/* What one fit needs beside the rows x [n, width]. */
typedef struct fit {
    ridge *base, *now; /* all rows by their weights; and those that fell short again */
    float *level;      /* [n] g.x of the round before; 1 in the first */
    float *some;       /* [GATHERED, width] rows that fell short */
} fit;

static void fit_close(fit *f)
{
    ridge_close(f->base);
    ridge_close(f->now);
    free(f->level);
    free(f->some);
}

static int fit_open(fit *f, const float *x, const float *weight, int n, int width, error *err)
{
    *f = (fit){.base = ridge_open(width, 1, err), .level = malloc((size_t)n * sizeof(float))};
    f->now = f->base ? ridge_open(width, 1, err) : NULL;
    f->some = malloc((size_t)GATHERED * (size_t)width * sizeof(float));
    if (!f->now)
        return -1;
    if (!f->level || !f->some)
        return error_memory(err, "a router");
    for (int i = 0; i < n; i++)
        f->level[i] = 1;
    ridge_add(f->base, x, f->level, weight, n);
    return 0;
}

/* Adds once more, SHORT - 1 times their weights, the rows that fell short. */
static void add_short(fit *f, const float *x, const float *weight, int n, int width)
{
    float ones[GATHERED], heavy[GATHERED];
    int used = 0;
    ridge_copy(f->now, f->base);
    for (int i = 0; i < n; i++) {
        if (f->level[i] < 1) {
            memcpy(f->some + (size_t)used * (size_t)width, x + (size_t)i * (size_t)width,
                   (size_t)width * sizeof *x);
            ones[used] = 1;
            heavy[used++] = (SHORT - 1) * weight[i];
        }
        if (used == GATHERED || (used && i == n - 1)) {
            ridge_add(f->now, f->some, ones, heavy, used);
            used = 0;
        }
    }
}

/* g [width] with g.x near 1: ridge, then again and again with more weight on tokens that fall short,
 * since it is the least g.x that decides. Leaves g.x in f->level. */
static int even_direction(fit *f, const float *x, const float *weight, int n, int width, float *g,
                          error *err)
{
    for (int round = 0; round < ROUNDS; round++) {
        add_short(f, x, weight, n, width);
        if (ridge_solve(f->now, EVEN_SHARE, g, err))
            return -1;
        for (int i = 0; i < n; i++)
            f->level[i] = product(x + (size_t)i * (size_t)width, g, width);
    }
    return 0;
}

static voices_lead lead_of(const voices_router *r, const float *x, const float *level, int n)
{
    voices_lead lead = {level[0], level[0], -HUGE_VALF, 0};
    for (int i = 0; i < n; i++) {
        float high = -HUGE_VALF;
        for (int e = 0; e < r->personas * r->experts; e++)
            high = fmaxf(high, product(x + (size_t)i * (size_t)r->width, row_of(r, e), r->width));
        lead.least = fminf(lead.least, level[i]);
        lead.most = fmaxf(lead.most, level[i]);
        lead.high = fmaxf(lead.high, high);
        lead.gain = fmaxf(lead.gain, fmaxf(AHEAD * high, high + CLEAR) / fmaxf(level[i], LEAST));
    }
    return lead;
}

int voices_general(voices_router *r, const float *x, const float *weight, int n, voices_lead *lead,
                   error *err)
{
    fit f;
    float *g = malloc((size_t)r->width * sizeof *g);
    int result = fit_open(&f, x, weight, n, r->width, err);
    if (!result)
        result =
            g ? even_direction(&f, x, weight, n, r->width, g, err) : error_memory(err, "a router");
    if (!result) {
        *lead = lead_of(r, x, f.level, n);
        for (int e = 0; e < r->general; e++)
            for (int i = 0; i < r->width; i++)
                row_of(r, r->personas * r->experts + e)[i] += g[i] * lead->gain;
    }
    fit_close(&f);
    free(g);
    return result;
}
