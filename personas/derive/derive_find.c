/* derive_find.c - search and verdict: see derive.h.
 *
 * A mask that is tried takes the way of every mask: it is written as a file's text (plan.h), read back,
 * checked and compiled, so what is measured is what will be loaded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "contrast.h"
#include "derive_state.h"
#include "plan.h"

enum { LEAST_SAMPLES = 8, PROGRAMS = DERIVE_TRIALS + 1 };

/* Strengths that are tried; plan.h says what they mean. An expert of which the others have less than
 * twice the share is one that all use: banning it, too, may widen the gap, but steers by damage. */
static const double BANS[] = {10, 7, 5, 4, 3, 2}, BIASES[] = {0.5, 1, 1.5, 2, 4}, NEAR = 0.75,
                    KEEPS[] = {0.999, 0.99, 0.97, 0.9};

typedef enum side { OWN, OTHER, SIDES } side;

typedef struct finding {
    derivation *d;
    int source;
    const derive_wish *wish;
    derive_report *r;
    measure_samples held[2][SIDES]; /* by half; the tokens are the voices' */
    expert_contrast *contrast;      /* [layers * experts] of the half at hand */
    progress_fn *progress;
    void *user;
    int done, total, part; /* tokens that programs read, in all; of the running measurement */
} finding;

derive_wish derive_wish_plain(void)
{
    return (derive_wish){.modes = {[MASK_BAN] = true, [MASK_BIAS] = true}, .damage = 0.02};
}

static const model_config *config_of(const finding *f)
{
    return engine_config(f->d->engine);
}

/* ---- the halves ---------------------------------------------------------------------------------- */

/* Borrows sample i of a voice. */
static int hold(measure_samples *to, const voice *v, size_t i, error *err)
{
    measure_sample *room = array_room(to->v, to->len, &to->cap, sizeof *room, "samples", err);
    if (!room)
        return -1;
    to->v = room;
    to->v[to->len++] = v->samples.v[i];
    to->tokens += v->samples.v[i].ids.len - v->samples.v[i].from;
    return 0;
}

/* The other voices take turns, so that each is heard. */
static int hold_half(finding *f, int half, error *err)
{
    measure_samples *own = &f->held[half][OWN], *other = &f->held[half][OTHER];
    bool more = true;
    for (size_t i = (size_t)half; more; i += 2) {
        more = false;
        for (size_t v = 0; v < f->d->len; v++) {
            const voice *one = &f->d->voices[v];
            measure_samples *to = (int)v == f->source ? own : other;
            if (i >= one->samples.len || to->tokens >= DERIVE_HELD)
                continue;
            more = true;
            if (hold(to, one, i, err))
                return -1;
        }
    }
    return 0;
}

static int hold_halves(finding *f, error *err)
{
    size_t count[SIDES] = {0};
    for (size_t v = 0; v < f->d->len; v++)
        count[(int)v == f->source ? OWN : OTHER] += f->d->voices[v].samples.len;
    for (int s = 0; s < SIDES; s++)
        if (count[s] < LEAST_SAMPLES)
            return error_set(err, ERROR_USAGE,
                             "%s: %zu lessons or pieces of text of %s are too few to tell an "
                             "effect from chance; give %d or more",
                             derive_source(f->d, f->source), count[s],
                             s == OWN ? "its own" : "the others", LEAST_SAMPLES);
    return hold_half(f, 0, err) || hold_half(f, 1, err) ? -1 : 0;
}

static void release_halves(finding *f)
{
    for (int h = 0; h < 2; h++)
        for (int s = 0; s < SIDES; s++)
            free(f->held[h][s].v); /* the tokens are borrowed */
}

/* ---- measuring ----------------------------------------------------------------------------------- */

static void on_progress(void *user, int done, int total)
{
    finding *f = user;
    (void)total;
    f->part = done;
    if (f->progress)
        f->progress(f->user, f->done + done < f->total ? f->done + done : f->total, f->total);
}

typedef struct measured {
    measure_figures of[SIDES][PROGRAMS];
    int n;
} measured;

static void measured_release(measured *m)
{
    for (int s = 0; s < SIDES; s++)
        for (int i = 0; i < m->n; i++)
            measure_figures_release(&m->of[s][i]);
}

/* programs[0] is NULL: the plain model. */
static int measure(finding *f, int half, const router_program *const *programs, int n,
                   measure_depth depth, measured *out, error *err)
{
    *out = (measured){.n = n};
    for (int s = 0; s < SIDES; s++) {
        if (measure_programs(f->d->engine, &f->held[half][s], programs, n, depth, out->of[s],
                             on_progress, f, err))
            return -1;
        f->done += f->part;
    }
    return 0;
}

/* Nats a token that a side loses by program i. */
static double lost(const measured *m, side s, int i)
{
    return m->of[s][i].loss - m->of[s][0].loss;
}

/* ---- masks as programs --------------------------------------------------------------------------- */

static router_program *compile(finding *f, const plan *p, error *err)
{
    buf text = {0};
    router_program *program = NULL;
    mask *m = NULL;
    if (!plan_write(p, config_of(f), NULL, &text, err))
        m = mask_read("the mask that is tried", text.v, text.len, err);
    if (m) {
        router_settings s = router_settings_plain();
        s.masks = (const mask *const[]){m};
        s.mask_count = 1;
        program = router_program_compile(config_of(f), NULL, &s, err);
    }
    mask_close(m);
    buf_release(&text);
    return program;
}

static int look_at(finding *f, block_set blocks, error *err)
{
    return contrast_make(f->d->tally, config_of(f), (int)f->d->len, f->source, blocks, f->contrast,
                         err);
}

/* ---- the search ---------------------------------------------------------------------------------- */

static bool same_as_last(const plan *a, const plan *b, size_t places)
{
    return a->values && a->mode == b->mode && a->named == b->named &&
           memcmp(a->values, b->values, places * sizeof *a->values) == 0;
}

/* Adds a trial and its program, unless its mask is empty or the one before. */
static int add_trial(finding *f, mask_mode mode, double strength, plan *last,
                     router_program **program, error *err)
{
    derive_report *r = f->r;
    size_t places = (size_t)config_of(f)->layers * (size_t)config_of(f)->experts;
    plan p;
    if (r->trial_count == DERIVE_TRIALS)
        return 0;
    if (plan_make(&p, config_of(f), f->contrast, mode, strength, err)) {
        plan_release(&p);
        return -1;
    }
    if (p.named == 0 || same_as_last(last, &p, places)) {
        plan_release(&p);
        return 0;
    }
    plan_release(last);
    *last = p;
    *program = compile(f, &p, err);
    if (!*program)
        return -1;
    r->trials[r->trial_count++] =
        (derive_trial){.mode = mode, .strength = strength, .layers = p.layers, .named = p.named};
    return 0;
}

static int add_trials(finding *f, router_program **programs, error *err)
{
    plan last = {0};
    int result = 0;
    const double *strengths[3] = {[MASK_BAN] = BANS, [MASK_BIAS] = BIASES, [MASK_KEEP] = KEEPS};
    size_t counts[3] = {[MASK_BAN] = sizeof BANS / sizeof *BANS,
                        [MASK_BIAS] = sizeof BIASES / sizeof *BIASES,
                        [MASK_KEEP] = sizeof KEEPS / sizeof *KEEPS};
    static const mask_mode order[] = {MASK_BAN, MASK_BIAS, MASK_KEEP};
    if (f->wish->coverage > 0) {
        strengths[MASK_KEEP] = &f->wish->coverage;
        counts[MASK_KEEP] = 1;
    }
    for (int m = 0; m < 3; m++)
        for (size_t i = 0; f->wish->modes[order[m]] && i < counts[order[m]] && !result; i++)
            result = add_trial(f, order[m], strengths[order[m]][i], &last,
                               &programs[f->r->trial_count], err);
    plan_release(&last);
    return result;
}

static double gap_of(const derive_trial *t)
{
    return t->other - t->own;
}

/* The widest gap among those that cost little enough, or a smaller mask of its kind that comes near
 * it; -1 = none. Trials of one mode stand in order of size. */
static int choose(const derive_report *r, double damage)
{
    int best = -1;
    for (int i = 0; i < r->trial_count; i++) {
        const derive_trial *t = &r->trials[i];
        if (!t->too_dear && t->own + t->own_error <= damage &&
            gap_of(t) > (best < 0 ? 0 : gap_of(&r->trials[best])))
            best = i;
    }
    for (int i = 0; i < best; i++) {
        const derive_trial *t = &r->trials[i], *b = &r->trials[best];
        if (!t->too_dear && t->mode == b->mode && t->own + t->own_error <= damage &&
            gap_of(t) >= NEAR * gap_of(b))
            return i;
    }
    return best;
}

static int rate_trial(finding *f, const measured *m, int i, error *err)
{
    derive_trial *t = &f->r->trials[i];
    measure_pair pair = {&f->held[1][OWN], &m->of[OWN][i + 1], &m->of[OWN][0]};
    measure_interval own;
    t->own = lost(m, OWN, i + 1);
    t->other = lost(m, OTHER, i + 1);
    if (measure_gain(&pair, 1, &own, err))
        return -1;
    t->own_error = (own.high - own.low) / 4; /* an interval of 95 % has about four of them */
    return 0;
}

static int search(finding *f, error *err)
{
    router_program *programs[PROGRAMS] = {NULL};
    const router_program *all[PROGRAMS] = {NULL};
    measured m = {0};
    int result = look_at(f, BLOCKS_FIRST, err) || add_trials(f, programs, err) ? -1 : 0;
    for (int i = 0; i < f->r->trial_count; i++)
        all[i + 1] = programs[i];
    f->total = (int)((f->held[1][OWN].tokens + f->held[1][OTHER].tokens) *
                     (size_t)(f->r->trial_count + 1));
    if (!result && f->r->trial_count)
        result = measure(f, 1, all, f->r->trial_count + 1, MEASURE_LOSS, &m, err);
    for (int i = 0; i < f->r->trial_count && !result; i++)
        result = rate_trial(f, &m, i, err);
    f->r->chosen = result ? -1 : choose(f->r, f->wish->damage);
    measured_release(&m);
    for (int i = 0; i < DERIVE_TRIALS; i++)
        router_program_close(programs[i]);
    return result;
}

/* ---- the verdict --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fills programs [2 + MEASURE_NULL]: plain, the mask, random ones. */
static int make_null(router_program **programs, error *err)
{
    for (int i = 0; i < MEASURE_NULL; i++)
        if (!(programs[2 + i] = measure_random_program(programs[1], 1 + (uint64_t)i, err)))
            return -1;
    return 0;
}

static int intervals(finding *f, const measured *m, error *err)
{
    derive_report *r = f->r;
    measure_pair pairs[SIDES];
    for (int s = 0; s < SIDES; s++) /* what is lost: the plain model's gain over the mask */
        pairs[s] = (measure_pair){&f->held[0][s], &m->of[s][1], &m->of[s][0]};
    if (measure_gap(&pairs[OTHER], &pairs[OWN], 1, &r->gap, err) ||
        measure_gain(&pairs[OWN], 1, &r->own, err) ||
        measure_gain(&pairs[OTHER], 1, &r->other, err))
        return -1;
    for (int i = 0; i < MEASURE_NULL; i++)
        r->random[i] = lost(m, OTHER, 2 + i) - lost(m, OWN, 2 + i);
    qsort(r->random, MEASURE_NULL, sizeof *r->random, by_value);
    return 0;
}

static int divergence(finding *f, const router_program *const *programs, error *err)
{
    measured m;
    int result = measure(f, 0, programs, 2, MEASURE_ALL, &m, err);
    if (!result) {
        const measure_figures *own = &m.of[OWN][1], *other = &m.of[OTHER][1];
        f->r->kl = own->kl;
        f->r->kl_p99 = own->kl_p99;
        f->r->agreement = own->agreement;
        f->r->banned = own->banned;
        f->r->other_kl = other->kl;
        f->r->other_banned = other->banned;
    }
    measured_release(&m);
    return result;
}

static int judge(finding *f, error *err)
{
    const derive_trial *t = &f->r->trials[f->r->chosen];
    router_program *programs[2 + MEASURE_NULL] = {NULL};
    const router_program *all[2 + MEASURE_NULL];
    measured m = {0};
    plan p = {0};
    f->done = 0;
    f->total = (int)((f->held[0][OWN].tokens + f->held[0][OTHER].tokens) * (4 + MEASURE_NULL));
    int result = look_at(f, BLOCKS_SECOND, err) ||
                         plan_make(&p, config_of(f), f->contrast, t->mode, t->strength, err) ||
                         !(programs[1] = compile(f, &p, err)) || make_null(programs, err)
                     ? -1
                     : 0;
    memcpy(all, programs, sizeof all);
    if (!result)
        result = measure(f, 0, all, 2 + MEASURE_NULL, MEASURE_LOSS, &m, err) ||
                         intervals(f, &m, err) || divergence(f, all, err)
                     ? -1
                     : 0;
    measured_release(&m);
    plan_release(&p);
    for (int i = 0; i < 2 + MEASURE_NULL; i++)
        router_program_close(programs[i]);
    return result;
}

/* Says why there is nothing to write; false when there is something. */
static bool refuse(const finding *f)
{
    derive_report *r = f->r;
    double most = r->random[MEASURE_NULL - 1];
    if (r->pools > 0)
        (void)snprintf(r->why, sizeof r->why,
                       "no effect found: in %d layers the experts that were called put out nothing "
                       "but zeros; this model is made for pools, its masks stay as they are, and "
                       "`consilium train` gives a persona experts there",
                       r->pools);
    else if (r->trial_count == 0)
        (void)snprintf(r->why, sizeof r->why,
                       "no effect found: no expert is called more by one side than by the other in "
                       "both halves of what was read");
    else if (r->chosen < 0)
        (void)snprintf(
            r->why, sizeof r->why,
            "no effect found: none of the %d masks that were tried costs the others more "
            "than its own texts, which may lose %.3g nats a token",
            r->trial_count, f->wish->damage);
    else if (r->gap.value <= most)
        (void)snprintf(
            r->why, sizeof r->why,
            "no effect found: on texts that it has not seen the best mask costs the others "
            "%+.4f nats a token more than its own, and one of %d random masks of its size "
            "%+.4f",
            r->gap.value, MEASURE_NULL, most);
    else if (r->gap.low <= 0)
        (void)snprintf(
            r->why, sizeof r->why,
            "no effect found: the gap between the others and its own, %+.4f nats a token, "
            "may be chance (95 %% interval %+.4f to %+.4f); more lessons or texts narrow it",
            r->gap.value, r->gap.low, r->gap.high);
    r->found = r->why[0] == '\0';
    return !r->found;
}

/* ---- the mask ------------------------------------------------------------------------------------ */

static int write_mask(finding *f, buf *out, error *err)
{
    const derive_trial *t = &f->r->trials[f->r->chosen];
    const char *fingerprint = engine_fingerprint(f->d->engine, err);
    plan p = {0};
    int result = !fingerprint || look_at(f, BLOCKS_ALL, err) ||
                         plan_make(&p, config_of(f), f->contrast, t->mode, t->strength, err) ||
                         plan_write(&p, config_of(f), fingerprint, out, err)
                     ? -1
                     : 0;
    f->r->layers = p.layers;
    f->r->named = p.named;
    f->r->stability = p.stability;
    plan_release(&p);
    return result;
}

static int describe(finding *f, error *err)
{
    const model_config *m = config_of(f);
    derive_report *r = f->r;
    for (size_t v = 0; v < f->d->len; v++) {
        const voice *one = &f->d->voices[v];
        bool own = (int)v == f->source;
        *(own ? &r->own_tokens : &r->other_tokens) += one->samples.tokens;
        *(own ? &r->own_spoken : &r->other_spoken) += one->spoken.samples.tokens;
    }
    r->others = (int)f->d->len - 1;
    size_t least = r->own_tokens < r->other_tokens ? r->own_tokens : r->other_tokens;
    r->calls_per_expert = (double)least * m->experts_per_token / m->experts;
    return tally_alike(f->d->tally, f->source, BLOCKS_ALL, BLOCKS_SPOKEN, &r->alike, err);
}

static int tell_super(finding *f, error *err)
{
    const model_config *m = config_of(f);
    size_t places = (size_t)m->layers * (size_t)m->experts, at = 0;
    uint8_t *named = malloc(places);
    if (!named)
        return error_memory(err, "the super experts");
    f->r->protected_count = tally_super(f->d->tally, named);
    for (size_t i = 0; i < places && at + 16 < sizeof f->r->protected; i++)
        if (named[i])
            at += (size_t)snprintf(f->r->protected + at, sizeof f->r->protected - at, "%s%zu:%zu",
                                   at ? ", " : "", i / (size_t)m->experts, i % (size_t)m->experts);
    free(named);
    return 0;
}

static void count_pools(finding *f)
{
    const model_config *m = config_of(f);
    for (int layer = 0; layer < m->layers; layer++) {
        int called = 0, nil = 0;
        if (contrast_layer(m, layer))
            tally_called(f->d->tally, layer, &called, &nil);
        f->r->pools += called > 0 && called == nil;
    }
}

int derive_find(derivation *d, int source, const derive_wish *wish, derive_report *report, buf *out,
                progress_fn *progress, void *user, error *err)
{
    finding f = {.d = d, .source = source, .wish = wish, .r = report};
    f.progress = progress;
    f.user = user;
    *report = (derive_report){.chosen = -1};
    size_t places = (size_t)config_of(&f)->layers * (size_t)config_of(&f)->experts;
    f.contrast = calloc(places, sizeof *f.contrast);
    int result = f.contrast ? describe(&f, err) : error_memory(err, "a derivation");
    count_pools(&f);
    if (!result)
        result = hold_halves(&f, err) || tell_super(&f, err) ? -1 : 0;
    if (!result && report->pools == 0)
        result = search(&f, err);
    while (!result && report->chosen >= 0) {
        result = judge(&f, err);
        if (report->own.value <= wish->damage)
            break;
        report->trials[report->chosen].too_dear = true; /* on texts that it has not seen */
        report->chosen = choose(report, wish->damage);
    }
    if (!result && !refuse(&f))
        result = write_mask(&f, out, err);
    free(f.contrast);
    release_halves(&f);
    return result;
}
