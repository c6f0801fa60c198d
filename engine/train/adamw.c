/* adamw.c - see adamw.h. */
#include "adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int adamw_open(adamw *a, size_t count, error *err)
{
    *a = (adamw){calloc(count, sizeof(float)), calloc(count, sizeof(float)), 0};
    if (a->mean && a->square)
        return 0;
    adamw_release(a);
    return error_memory(err, "the optimiser");
}

void adamw_release(adamw *a)
{
    free(a->mean);
    free(a->square);
    *a = (adamw){0};
}

/* In sixteen lanes of double, folded at the end: one order at any vector width. */
static double norm_of(const float *v, size_t n)
{
    double lane[16] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        lane[i % 16] += (double)v[i] * (double)v[i];
    for (int l = 0; l < 16; l++)
        sum += lane[l];
    return sqrt(sum);
}

/* The numbers of a step that are the same for all parameters. */
typedef struct rates {
    float beta1, beta2, scale, step, root, epsilon, keep;
} rates;

static void update(const adamw *a, trainable *t, const rates *r, size_t from, size_t to)
{
    float *restrict w = t->values, *restrict g = t->grads, *restrict m = a->mean,
                    *restrict v = a->square;
    for (size_t i = from; i < to; i++) {
        float grad = g[i] * r->scale;
        m[i] = r->beta1 * m[i] + (1 - r->beta1) * grad;
        v[i] = r->beta2 * v[i] + (1 - r->beta2) * grad * grad;
        w[i] = w[i] * r->keep - r->step * m[i] / (sqrtf(v[i]) * r->root + r->epsilon);
        g[i] = 0;
    }
}

double adamw_step(adamw *a, trainable *t, const adamw_options *o)
{
    double beta1 = o->beta1 > 0 ? o->beta1 : 0.9, beta2 = o->beta2 > 0 ? o->beta2 : 0.95;
    for (size_t i = 0; i < o->still_count; i++)
        memset(t->grads + o->still[i].from, 0,
               (o->still[i].to - o->still[i].from) * sizeof *t->grads);
    double norm = norm_of(t->grads, t->count);
    if (!isfinite(norm)) {
        memset(t->grads, 0, t->count * sizeof *t->grads);
        return norm;
    }
    a->steps++;
    rates r = {.beta1 = (float)beta1,
               .beta2 = (float)beta2,
               .scale = o->clip > 0 && norm > o->clip ? (float)(o->clip / norm) : 1.0f,
               .step = (float)(o->rate / (1 - pow(beta1, (double)a->steps))),
               .root = (float)(1 / sqrt(1 - pow(beta2, (double)a->steps))),
               .epsilon = (float)(o->epsilon > 0 ? o->epsilon : 1e-8),
               .keep = (float)(1 - o->rate * o->decay)};
    size_t at = 0;
    for (size_t i = 0; i < o->still_count; i++) {
        update(a, t, &r, at, o->still[i].from);
        at = o->still[i].to;
    }
    update(a, t, &r, at, t->count);
    return norm;
}

double schedule_rate(double rate, double floor, int64_t warm, int64_t at, int64_t steps)
{
    double rise = at < warm ? (double)(at + 1) / (double)(warm + 1) : 1;
    int64_t fall = steps > warm ? steps - warm : 1, fallen = at > warm ? at - warm : 0;
    double share = fallen < fall ? (double)fallen / (double)fall : 1;
    return rate * rise * (floor + (1 - floor) * 0.5 * (1 + cos(share * 3.14159265358979323846)));
}
