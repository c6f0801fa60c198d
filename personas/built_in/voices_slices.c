/* voices_slices.c - see voices_slices.h. */
#include "voices_slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/train/ridge.h"

enum { ROUNDS = 15 };
static const double SHARE = 1e-2; /* of ridge_solve() */
/* How far apart the logits of slices lie (standard deviation): gates within so much of each other. */
static const float SPREAD = 0.05f;

/* What one layer's cut needs: everything is [.., n], a neuron's tokens one behind another. */
typedef struct cut {
    const slice_source *s;
    int slices, each;
    float *said;    /* [ffn, n] activation times the length of the column of down */
    int *chosen;    /* [slices * each] neurons, ascending */
    float *feature; /* [slices * each, n] unit vectors: when each says more than mostly, or less */
    float *centre;  /* [slices, n] */
    float *near;    /* [slices * each, slices] products of the two */
    int *of;        /* [slices * each] the slice of each */
} cut;

static void cut_close(cut *c)
{
    free(c->said);
    free(c->chosen);
    free(c->feature);
    free(c->centre);
    free(c->near);
    free(c->of);
}

static int cut_open(cut *c, const slice_source *s, int slices, int each, error *err)
{
    size_t n = (size_t)s->n, count = (size_t)slices * (size_t)each;
    *c = (cut){s,
               slices,
               each,
               calloc((size_t)s->ffn * n, sizeof(float)),
               calloc(count, sizeof(int)),
               malloc(count * n * sizeof(float)),
               malloc((size_t)slices * n * sizeof(float)),
               malloc(count * (size_t)slices * sizeof(float)),
               malloc(count * sizeof(int))};
    return c->said && c->chosen && c->feature && c->centre && c->near && c->of
               ? 0
               : error_memory(err, "slices");
}

/* ---- what neurons say -------------------------------------------------------------------------- */

static float column_length(const slice_source *s, int neuron)
{
    float sum = 0;
    for (int i = 0; i < s->width; i++) {
        float v = s->down[(size_t)i * (size_t)s->ffn + (size_t)neuron];
        sum += v * v;
    }
    return sqrtf(sum);
}

static int hear(cut *c, const gemm *g, error *err)
{
    const slice_source *s = c->s;
    size_t n = (size_t)s->n, width = (size_t)s->width, ffn = (size_t)s->ffn;
    float *up = malloc(ffn * n * sizeof *up);
    if (!up)
        return error_memory(err, "slices");
    gemm_nt(g, ffn, n, width, 1, (matrix){s->gate, width}, (matrix){s->x, width}, 0, c->said, n);
    gemm_nt(g, ffn, n, width, 1, (matrix){s->up, width}, (matrix){s->x, width}, 0, up, n);
    for (size_t j = 0; j < ffn; j++) {
        float length = column_length(s, (int)j);
        for (size_t i = j * n; i < (j + 1) * n; i++)
            c->said[i] = c->said[i] / (1 + expf(-c->said[i])) * up[i] * length;
    }
    free(up);
    return 0;
}

/* Of each token its share: what the loudest say is a thousand times what others do, and would rule every
 * sum over tokens. */
static int make_even(cut *c, error *err)
{
    size_t n = (size_t)c->s->n;
    float *sum = calloc(n, sizeof *sum);
    if (!sum)
        return error_memory(err, "slices");
    for (size_t j = 0; j < (size_t)c->s->ffn; j++)
        for (size_t i = 0; i < n; i++)
            sum[i] += c->said[j * n + i] * c->said[j * n + i];
    for (size_t i = 0; i < n; i++)
        sum[i] = sum[i] > 0 ? 1 / sqrtf(sum[i]) : 0;
    for (size_t j = 0; j < (size_t)c->s->ffn; j++)
        for (size_t i = 0; i < n; i++)
            c->said[j * n + i] *= sum[i];
    free(sum);
    return 0;
}

static float squares(const float *v, int n)
{
    float sum[8] = {0};
    for (int i = 0; i < n; i++)
        sum[i % 8] += v[i] * v[i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* The slices * each neurons that say least, by the mean square. */
static int choose(cut *c, error *err)
{
    int ffn = c->s->ffn, count = c->slices * c->each, found = 0;
    float *size = malloc((size_t)ffn * sizeof *size);
    if (!size)
        return error_memory(err, "slices");
    for (int j = 0; j < ffn; j++)
        size[j] = squares(c->said + (size_t)j * (size_t)c->s->n, c->s->n);
    for (int j = 0; j < ffn; j++) {
        int less = 0;
        for (int k = 0; k < ffn; k++)
            less += size[k] < size[j] || (size[k] == size[j] && k < j);
        if (less < count)
            c->chosen[found++] = j;
    }
    free(size);
    return 0;
}

/* ---- slices ------------------------------------------------------------------------------------ */

static void make_unit(float *v, int n)
{
    float length = sqrtf(squares(v, n));
    for (int i = 0; i < n && length > 0; i++)
        v[i] /= length;
}

/* With their signs: neurons that say the same together, or unsay it, belong together. The mean goes, so
 * that what counts is when. */
static void make_features(cut *c)
{
    int n = c->s->n;
    for (int k = 0; k < c->slices * c->each; k++) {
        float *to = c->feature + (size_t)k * (size_t)n;
        const float *said = c->said + (size_t)c->chosen[k] * (size_t)n;
        double mean = 0;
        for (int i = 0; i < n; i++)
            mean += (double)said[i] / n;
        for (int i = 0; i < n; i++)
            to[i] = said[i] - (float)mean;
        make_unit(to, n);
    }
}

static void compare(cut *c, const gemm *g)
{
    size_t n = (size_t)c->s->n, k = (size_t)c->slices;
    gemm_nt(g, k * (size_t)c->each, k, n, 1, (matrix){c->feature, n}, (matrix){c->centre, n}, 0,
            c->near, k);
}

/* The first centre is the first neuron; each further one the neuron that is least like those before. */
static void begin_centres(cut *c, const gemm *g)
{
    size_t n = (size_t)c->s->n;
    memset(c->centre, 0, (size_t)c->slices * n * sizeof(float));
    memcpy(c->centre, c->feature, n * sizeof(float));
    for (int s = 1; s < c->slices; s++) {
        int best = 0;
        float least = HUGE_VALF;
        compare(c, g);
        for (int k = 0; k < c->slices * c->each; k++) {
            float most = -HUGE_VALF;
            for (int o = 0; o < s; o++)
                most = fmaxf(most, c->near[k * c->slices + o]);
            if (most < least) {
                least = most;
                best = k;
            }
        }
        memcpy(c->centre + (size_t)s * n, c->feature + (size_t)best * n, n * sizeof(float));
    }
}

/* The neuron that is most clearly one's own, of those without a slice: (neuron, slice) whose lead over
 * the next open slice is largest. */
static void take_clearest(cut *c, int *left)
{
    float clearest = -1;
    int neuron = -1, slice = 0;
    for (int k = 0; k < c->slices * c->each; k++) {
        float first = -HUGE_VALF, second = -HUGE_VALF;
        int at = 0;
        for (int s = 0; s < c->slices && c->of[k] < 0; s++) {
            float v = c->near[k * c->slices + s];
            if (left[s] && v > first) {
                second = first;
                first = v;
                at = s;
            } else if (left[s] && v > second) {
                second = v;
            }
        }
        float lead = second > -HUGE_VALF ? first - second : 0;
        if (c->of[k] < 0 && lead > clearest) {
            clearest = lead;
            neuron = k;
            slice = at;
        }
    }
    c->of[neuron] = slice;
    left[slice]--;
}

static int assign(cut *c, error *err)
{
    int *left = calloc((size_t)c->slices, sizeof *left);
    if (!left)
        return error_memory(err, "slices");
    for (int s = 0; s < c->slices; s++)
        left[s] = c->each;
    for (int k = 0; k < c->slices * c->each; k++)
        c->of[k] = -1;
    for (int k = 0; k < c->slices * c->each; k++)
        take_clearest(c, left);
    free(left);
    return 0;
}

static void move_centres(cut *c)
{
    size_t n = (size_t)c->s->n;
    memset(c->centre, 0, (size_t)c->slices * n * sizeof(float));
    for (int k = 0; k < c->slices * c->each; k++)
        for (size_t i = 0; i < n; i++)
            c->centre[(size_t)c->of[k] * n + i] += c->feature[(size_t)k * n + i];
    for (int s = 0; s < c->slices; s++)
        make_unit(c->centre + (size_t)s * n, (int)n);
}

/* Spherical k-means with slices of one size. */
static int tie(cut *c, const gemm *g, error *err)
{
    make_features(c);
    begin_centres(c, g);
    for (int round = 0; round < ROUNDS; round++) {
        compare(c, g);
        if (assign(c, err))
            return -1;
        move_centres(c);
    }
    return 0;
}

/* ---- the router -------------------------------------------------------------------------------- */

/* said [n, slices]: the root of what its neurons say, squared and summed. */
static void hear_slices(const cut *c, float *said)
{
    size_t n = (size_t)c->s->n, slices = (size_t)c->slices;
    memset(said, 0, n * slices * sizeof *said);
    for (int k = 0; k < c->slices * c->each; k++) {
        const float *v = c->said + (size_t)c->chosen[k] * n;
        for (size_t i = 0; i < n; i++)
            said[i * slices + (size_t)c->of[k]] += v[i] * v[i];
    }
    for (size_t i = 0; i < n * slices; i++)
        said[i] = sqrtf(said[i]);
}

/* Takes off what all rows share, which changes no choice, and makes the logits' spread SPREAD. */
static void make_small(const cut *c, const gemm *g, float *logits, float *rows)
{
    size_t n = (size_t)c->s->n, slices = (size_t)c->slices, width = (size_t)c->s->width;
    for (size_t i = 0; i < width; i++) {
        float mean = 0;
        for (size_t s = 0; s < slices; s++)
            mean += rows[s * width + i] / (float)slices;
        for (size_t s = 0; s < slices; s++)
            rows[s * width + i] -= mean;
    }
    gemm_nt(g, n, slices, width, 1, (matrix){c->s->x, width}, (matrix){rows, width}, 0, logits,
            slices);
    double sum = 0;
    for (size_t i = 0; i < n * slices; i++)
        sum += (double)logits[i] * (double)logits[i];
    float scale = sum > 0 ? SPREAD / (float)sqrt(sum / (double)(n * slices)) : 0;
    for (size_t i = 0; i < slices * width; i++)
        rows[i] *= scale;
}

static int fit_rows(const cut *c, const gemm *g, float *rows, error *err)
{
    float *said = malloc((size_t)c->s->n * (size_t)c->slices * sizeof *said);
    ridge *r = said ? ridge_open(c->s->width, c->slices, err) : NULL;
    int result = said ? (r ? 0 : -1) : error_memory(err, "slices");
    if (!result) {
        hear_slices(c, said);
        ridge_add(r, c->s->x, said, NULL, c->s->n);
        result = ridge_solve(r, SHARE, rows, err);
    }
    if (!result)
        make_small(c, g, said, rows);
    ridge_close(r);
    free(said);
    return result;
}

static void list(const cut *c, int *neurons)
{
    for (int s = 0; s < c->slices; s++)
        for (int k = 0; k < c->slices * c->each; k++)
            if (c->of[k] == s)
                *neurons++ = c->chosen[k];
}

int voices_slice(const gemm *g, const slice_source *s, int slices, int each, int *neurons,
                 float *rows, error *err)
{
    cut c;
    int result = cut_open(&c, s, slices, each, err) || hear(&c, g, err) || make_even(&c, err) ||
                         choose(&c, err) || tie(&c, g, err)
                     ? -1
                     : 0;
    if (!result) {
        list(&c, neurons);
        result = fit_rows(&c, g, rows, err);
    }
    cut_close(&c);
    return result;
}
