/* gate_learn.c - see gate_learn.h. */
#include "gate_learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = GATE_WEIGHTS, H = GATE_HIDDEN, F = GATE_FEATURES, PASSES_MOST = 256 };
static const double RATE = 0.01, DECAY_1 = 0.9, DECAY_2 = 0.999, TINY = 1e-300;

/* ---- loss and gradient ------------------------------------------------------------------------- */

/* d: of the loss by the output for these features. */
static void add_gradient(const double *weights, const double *features, double d, double *gradient)
{
    double hidden[2 * H], by_two[H], by_one[H] = {0};
    const double *second = weights + H * F + H, *last = second + H * H + H;
    double *g_first = gradient, *g_first_offset = g_first + H * F;
    double *g_second = g_first_offset + H, *g_second_offset = g_second + H * H;
    double *g_last = g_second_offset + H;
    (void)gate_output(weights, features, hidden);
    const double *one = hidden, *two = hidden + H;
    for (int h = 0; h < H; h++) {
        g_last[h] += d * two[h];
        by_two[h] = d * last[h] * (1 - two[h] * two[h]);
        g_second_offset[h] += by_two[h];
    }
    for (int h = 0; h < H; h++)
        for (int i = 0; i < H; i++) {
            g_second[h * H + i] += by_two[h] * one[i];
            by_one[i] += by_two[h] * second[h * H + i];
        }
    for (int h = 0; h < H; h++) {
        double v = by_one[h] * (1 - one[h] * one[h]);
        g_first_offset[h] += v;
        for (int i = 0; i < F; i++)
            g_first[h * F + i] += v * features[i];
    }
}

double learn_gate_loss(const gate_example *e, const double *weights, double *gradient)
{
    double w[PASSES_MOST], mixed = 0;
    gate_mix(weights, e->features, e->prior, e->passes, w);
    for (int i = 0; i < e->passes; i++)
        mixed += w[i] * e->p[i];
    mixed = fmax(mixed, TINY);
    for (int i = 0; gradient && i < e->passes; i++)
        if (e->prior[i] > 0)
            add_gradient(weights, e->features + (size_t)i * F, w[i] - w[i] * e->p[i] / mixed,
                         gradient);
    return -log(mixed);
}

static double plain_loss(const gate_example *e)
{
    double mixed = 0;
    for (int i = 0; i < e->passes; i++)
        mixed += e->prior[i] * e->p[i];
    return -log(fmax(mixed, TINY));
}

/* ---- descent ----------------------------------------------------------------------------------- */

typedef struct descent {
    const gate_examples *x;
    double weights[W], gradient[W], first[W], second[W];
    int step;
} descent;

static int fold_of(const gate_example *e)
{
    return (int)((e->id >> 20) % GATE_FOLDS);
}

/* Which examples: all but those of two folds, or those of one; -1 = none. */
typedef struct part {
    int without, nor, only;
} part;
static const part ALL = {-1, -1, -1};

static bool has(const part *p, const gate_example *e)
{
    int fold = fold_of(e);
    return p->only >= 0 ? fold == p->only : fold != p->without && fold != p->nor;
}

/* Small weights by a fixed seed (a linear congruential generator, Knuth's MMIX); the output is 0. */
static void begin(descent *d, const gate_examples *x)
{
    uint64_t state = 1;
    *d = (descent){.x = x};
    for (int i = 0; i < W - H; i++) {
        bool offset = (i >= H * F && i < H * F + H) || i >= H * F + H + H * H;
        state = state * 6364136223846793005u + 1442695040888963407u;
        double unit = (double)(state >> 11) / 9007199254740992.0;
        d->weights[i] = offset ? 0 : (2 * unit - 1) / sqrt(i < H * F ? F : H);
    }
}

/* The mean loss of a part; of the gradient as well where it is wanted. */
static double mean_loss(const descent *d, const part *p, double *gradient)
{
    double loss = 0;
    size_t n = 0;
    for (size_t i = 0; i < d->x->len; i++) {
        if (!has(p, &d->x->v[i]))
            continue;
        loss += learn_gate_loss(&d->x->v[i], d->weights, gradient);
        n++;
    }
    for (int i = 0; gradient && n && i < W; i++)
        gradient[i] /= (double)n;
    return n ? loss / (double)n : 0;
}

static void descend(descent *d, const part *p)
{
    memset(d->gradient, 0, sizeof d->gradient);
    (void)mean_loss(d, p, d->gradient);
    d->step++;
    double fix_1 = 1 - pow(DECAY_1, d->step), fix_2 = 1 - pow(DECAY_2, d->step);
    for (int i = 0; i < W; i++) {
        double g = d->gradient[i];
        d->first[i] = DECAY_1 * d->first[i] + (1 - DECAY_1) * g;
        d->second[i] = DECAY_2 * d->second[i] + (1 - DECAY_2) * g * g;
        d->weights[i] -= RATE * (d->first[i] / fix_1) / (sqrt(d->second[i] / fix_2) + 1e-8);
    }
}

/* Learns from all but a fold and its development part; best [W] = the weights of the step with the least
 * loss there. Returns that step; 0 = the blend without a gate. */
static int learn_fold(descent *d, const gate_examples *x, int fold, double *best)
{
    int dev = (fold + 1) % GATE_FOLDS, kept = 0;
    part in = {fold, dev, -1}, out = {-1, -1, dev};
    begin(d, x);
    double least = mean_loss(d, &out, NULL);
    memcpy(best, d->weights, sizeof d->weights);
    while (d->step < GATE_STEPS) {
        descend(d, &in);
        double loss = mean_loss(d, &out, NULL);
        if (!(loss < least))
            continue;
        least = loss;
        kept = d->step;
        memcpy(best, d->weights, sizeof d->weights);
    }
    return kept;
}

/* ---- figures ----------------------------------------------------------------------------------- */

/* Of the questions of a fold: sums of their mean gains, and of the tokens' ln p. */
typedef struct telling {
    gate_figures *f;
    double gains, squares;
} telling;

static void tell_fold(const gate_examples *x, int fold, const double *weights, telling *t)
{
    for (size_t i = 0, next; i < x->len; i = next) {
        double plain = 0, gated = 0;
        for (next = i; next < x->len && x->v[next].id == x->v[i].id; next++) {
            plain -= plain_loss(&x->v[next]);
            gated -= learn_gate_loss(&x->v[next], weights, NULL);
        }
        if (fold_of(&x->v[i]) != fold)
            continue;
        int n = (int)(next - i);
        double gain = (gated - plain) / n;
        t->f->questions++;
        t->f->tokens += n;
        t->f->plain += plain;
        t->f->gated += gated;
        t->gains += gain;
        t->squares += gain * gain;
    }
}

static void settle(telling *t)
{
    double n = t->f->questions, mean = t->gains / n;
    double spread = sqrt(fmax(0, t->squares / n - mean * mean) / (n - 1));
    t->f->plain /= t->f->tokens;
    t->f->gated /= t->f->tokens;
    t->f->low = mean - 1.96 * spread;
    t->f->high = mean + 1.96 * spread;
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int questions_of(const gate_examples *x)
{
    int n = 0;
    for (size_t i = 0; i < x->len; i++)
        n += !i || x->v[i].id != x->v[i - 1].id;
    return n;
}

int learn_gate(const gate_examples *x, gate *out, error *err)
{
    int steps[GATE_FOLDS], n = questions_of(x);
    telling t = {.f = &out->figures};
    if (n < GATE_LEAST)
        return error_set(err, ERROR_RUN, "%d questions have keys: at least %d are needed", n,
                         GATE_LEAST);
    descent *d = malloc(sizeof *d);
    if (!d)
        return error_memory(err, "a gate");
    out->figures = (gate_figures){0};
    for (int fold = 0; fold < GATE_FOLDS; fold++) {
        steps[fold] = learn_fold(d, x, fold, out->weights);
        tell_fold(x, fold, out->weights, &t);
    }
    settle(&t);
    qsort(steps, GATE_FOLDS, sizeof *steps, by_size);
    begin(d, x);
    while (d->step < steps[GATE_FOLDS / 2])
        descend(d, &ALL);
    memcpy(out->weights, d->weights, sizeof d->weights);
    free(d);
    return 0;
}
