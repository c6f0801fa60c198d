/* trial.c - see trial.h. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#define TOLD 0.01 /* nats a token that its own texts lose: no more is passed over in silence */

const char *const trial_verdicts[3] = {
    [TRIAL_NO_EFFECT] = "no effect", [TRIAL_ACTS] = "acts", [TRIAL_HARMS] = "harms"};

/* ---- chance ------------------------------------------------------------------------------------ */

typedef struct chance {
    router_program *programs[MEASURE_NULL];
    measure_figures figures[2][MEASURE_NULL]; /* own, other */
    int count;
    size_t before, total; /* tokens of the side that was read, and of both */
    progress_fn *progress;
    void *user;
} chance;

/* Random programs that rules do not allow (an expert is forced and banned) are left out. */
static int make_programs(chance *c, const router_program *p, uint64_t seed, error *err)
{
    bool differ = false;
    for (int tries = 0; tries < 4 * MEASURE_NULL && c->count < MEASURE_NULL; tries++) {
        error why = {0};
        router_program *r = measure_random_program(p, seed + (uint64_t)tries, &why);
        if (r)
            c->programs[c->count++] = r;
        else if (why.code != ERROR_LOAD)
            return *err = why, -1;
        differ = differ || (r && router_program_hash(r) != router_program_hash(p));
    }
    while (!differ && c->count)
        router_program_close(c->programs[--c->count]);
    return 0;
}

static void on_progress(void *user, int done, int total)
{
    chance *c = user;
    (void)total;
    if (c->progress)
        c->progress(c->user, (int)c->before + done, (int)c->total);
}

static size_t tokens_of(const measure_pair *p)
{
    size_t n = 0;
    for (size_t i = 0; p && i < p->samples->len; i++)
        n += p->samples->v[i].ids.len;
    return n;
}

static int measure_chance(engine *e, chance *c, const measure_pair *own, const measure_pair *other,
                          error *err)
{
    const measure_pair *sides[2] = {own, other};
    c->total = (tokens_of(own) + tokens_of(other)) * (size_t)c->count;
    for (int i = 0; i < 2; i++) {
        if (!sides[i])
            continue;
        if (measure_programs(e, sides[i]->samples, (const router_program *const *)c->programs,
                             c->count, MEASURE_LOSS, c->figures[i], on_progress, c, err))
            return -1;
        c->before = tokens_of(own) * (size_t)c->count;
    }
    return 0;
}

static void release_chance(chance *c)
{
    for (int i = 0; i < c->count; i++) {
        router_program_close(c->programs[i]);
        measure_figures_release(&c->figures[0][i]);
        measure_figures_release(&c->figures[1][i]);
    }
    free(c);
}

/* Gaps of the random programs against the same control. */
static void take_gaps(const chance *c, const measure_pair *own, const measure_pair *other,
                      trial *out)
{
    double gains[MEASURE_NULL];
    for (int i = 0; i < c->count; i++) {
        out->null[i] = gains[i] = own->a->loss - c->figures[0][i].loss;
        if (other)
            out->null[i] -= other->a->loss - c->figures[1][i].loss;
    }
    out->null_count = c->count;
    out->null_median = measure_quantile(out->null, (size_t)c->count, 0.5);
    out->null_p95 = measure_quantile(out->null, (size_t)c->count, 0.95);
    out->null_own_p05 = measure_quantile(gains, (size_t)c->count, 0.05);
}

/* ---- the verdict ------------------------------------------------------------------------------- */

static trial_verdict verdict_of(const trial *t)
{
    bool beyond_chance = !t->null_count || t->own.value < t->null_own_p05;
    if (t->own.high < -TRIAL_BREAKS || (t->own.high < -TRIAL_HARM && beyond_chance))
        return TRIAL_HARMS;
    if (t->gap.low > 0 && (!t->null_count || t->gap.value > t->null_p95))
        return TRIAL_ACTS;
    return TRIAL_NO_EFFECT;
}

int trial_judge(engine *e, const router_program *p, const measure_pair *own,
                const measure_pair *other, uint64_t seed, trial *out, progress_fn *progress,
                void *user, error *err)
{
    *out = (trial){.others = other != NULL};
    if (measure_gain(own, seed, &out->own, err) ||
        (other && measure_gain(other, seed, &out->other, err)) ||
        (other ? measure_gap(own, other, seed, &out->gap, err)
               : measure_gain(own, seed, &out->gap, err)))
        return -1;
    chance *c = calloc(1, sizeof *c);
    if (!c)
        return error_memory(err, "a trial");
    c->progress = progress;
    c->user = user;
    int result = p && router_program_hash(p) ? make_programs(c, p, seed, err) : 0;
    if (!result && c->count)
        result = measure_chance(e, c, own, other, err);
    if (!result)
        take_gaps(c, own, other, out);
    release_chance(c);
    out->verdict = verdict_of(out);
    return result;
}

/* ---- in words ---------------------------------------------------------------------------------- */

int trial_sentence(const trial *t, buf *out, error *err)
{
    const measure_interval *i = &t->gap;
    if (buf_format(out, err, "%s: ", trial_verdicts[t->verdict]))
        return -1;
    if (t->verdict == TRIAL_HARMS)
        return buf_format(out, err, "its own texts lose %.3f nats a token [%.3f, %.3f]",
                          -t->own.value, -t->own.high, -t->own.low);
    if (i->value == 0 && i->low == 0 && i->high == 0)
        return buf_text(out, "no token is predicted in another way", err);
    bool less = i->value < 0;
    const char *verb = less && !t->others ? "lose" : "gain";
    const char *than = !t->others ? ""
                       : less     ? " less than the others do"
                                  : " more than the others do";
    if (buf_format(out, err, "its own texts %s %.3f nats a token%s [%.3f, %.3f]", verb,
                   less ? -i->value : i->value, than, less ? -i->high : i->low,
                   less ? -i->low : i->high))
        return -1;
    if (t->null_count &&
        buf_format(out, err, "; of %d random programs of its size 95 %% stay below %.3f",
                   t->null_count, t->null_p95))
        return -1;
    if (!t->others || t->own.high > -TOLD)
        return 0;
    return buf_format(out, err, "; taken alone its own texts lose %.3f", -t->own.value);
}
