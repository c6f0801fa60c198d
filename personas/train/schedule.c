/* schedule.c - see schedule.h. All draws are keyed by (seed, what for, epoch or step, index). */
#include "schedule.h"

#include <math.h>
#include <stdlib.h>

#include "../../engine/run/sampler.h"

static const double NOISE = 25; /* tokens: the deviation of a length while sorting */

typedef struct place {
    double key;
    int sample;
} place;

struct schedule {
    const samples *samples;
    schedule_options options;
    int *learned; /* [count] lessons and texts, in order */
    int *near;    /* [near_count] */
    int count, near_count;
    int epoch;     /* that `order` is of; -1 = none */
    place *order;  /* [count] */
    place *groups; /* [epoch steps] */
    int *batch;    /* [options.batch] */
};

/* Standard normal (Box and Muller 1958). */
static double normal(uint64_t seed, const char *what, int at, int draw)
{
    double u = keyed_uniform(seed, what, (uint64_t)at, 2 * (uint32_t)draw);
    double v = keyed_uniform(seed, what, (uint64_t)at, 2 * (uint32_t)draw + 1);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

static bool is_learned(const sample *v)
{
    return !v->held_out && (v->kind == SAMPLE_LESSON || v->kind == SAMPLE_TEXT) && v->counted;
}

static int fill(schedule *c, error *err)
{
    const samples *s = c->samples;
    for (size_t i = 0; i < s->len; i++)
        if (is_learned(&s->v[i]))
            c->learned[c->count++] = (int)i;
        else if (s->v[i].kind == SAMPLE_NEAR)
            c->near[c->near_count++] = (int)i;
    return c->count ? 0 : error_set(err, ERROR_USAGE, "there is nothing to learn from");
}

schedule *schedule_open(const samples *s, const schedule_options *options, error *err)
{
    schedule *c = calloc(1, sizeof *c);
    size_t n = s->len + 1;
    bool whole = c != NULL;
    if (whole) {
        *c = (schedule){.samples = s, .options = *options, .epoch = -1};
        c->learned = calloc(n, sizeof *c->learned);
        c->near = calloc(n, sizeof *c->near);
        c->order = calloc(n, sizeof *c->order);
        c->groups = calloc(n, sizeof *c->groups);
        c->batch = calloc((size_t)options->batch, sizeof *c->batch);
        whole = c->learned && c->near && c->order && c->groups && c->batch;
    }
    if (!whole)
        (void)error_memory(err, "the schedule");
    if (whole && fill(c, err) == 0)
        return c;
    schedule_close(c);
    return NULL;
}

void schedule_close(schedule *c)
{
    if (!c)
        return;
    free(c->learned);
    free(c->near);
    free(c->order);
    free(c->groups);
    free(c->batch);
    free(c);
}

int schedule_epoch_steps(const schedule *c)
{
    return (c->count + c->options.batch - 1) / c->options.batch;
}

static int by_key(const void *a, const void *b)
{
    const place *p = a, *q = b;
    if (p->key != q->key)
        return p->key < q->key ? -1 : 1;
    return p->sample - q->sample;
}

static void arrange(schedule *c, int epoch)
{
    uint64_t seed = c->options.seed;
    int groups = schedule_epoch_steps(c);
    for (int i = 0; i < c->count; i++) {
        int n = c->samples->v[c->learned[i]].n;
        c->order[i] = (place){n + NOISE * normal(seed, "order", epoch, i), c->learned[i]};
    }
    qsort(c->order, (size_t)c->count, sizeof *c->order, by_key);
    for (int i = 0; i < groups; i++)
        c->groups[i] = (place){keyed_uniform(seed, "groups", (uint64_t)epoch, (uint32_t)i), i};
    qsort(c->groups, (size_t)groups, sizeof *c->groups, by_key);
    c->epoch = epoch;
}

/* A lesson, or one of its variants. */
static int variant(const schedule *c, int number, int lesson_at)
{
    const samples *s = c->samples;
    const schedule_options *o = &c->options;
    uint64_t at = (uint64_t)lesson_at;
    if (number < o->repeat_from * o->steps || s->v[lesson_at].kind != SAMPLE_LESSON ||
        keyed_uniform(o->seed, "again", at, 2 * (uint32_t)number) >= o->repeat)
        return lesson_at;
    int n = 0, chosen = lesson_at;
    for (size_t i = 0; i < s->len; i++) /* each of n variants with a chance of 1 / n */
        if (s->v[i].of == lesson_at && s->v[i].counted) {
            double u =
                keyed_uniform(o->seed, "variant", at * 64 + (uint64_t)n, 2 * (uint32_t)number + 1);
            if (u * ++n < 1)
                chosen = (int)i;
        }
    return chosen;
}

const int *schedule_batch(schedule *c, int number, int *n)
{
    int groups = schedule_epoch_steps(c), epoch = number / groups;
    if (epoch != c->epoch)
        arrange(c, epoch);
    int first = c->groups[number % groups].sample * c->options.batch;
    *n = 0;
    for (int i = first; i < c->count && *n < c->options.batch; i++)
        c->batch[(*n)++] = variant(c, number, c->order[i].sample);
    return c->batch;
}

int schedule_near(const schedule *c, int number)
{
    if (c->near_count == 0)
        return -1;
    double u = keyed_uniform(c->options.seed, "near", (uint64_t)number, 0);
    return c->near[(int)(u * c->near_count)];
}
