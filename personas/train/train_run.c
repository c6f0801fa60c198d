/* train_run.c - the loop: hidden states once, then steps, with a look at what was learned now and then.
 *
 * The state is written when the last time is SAVE_SECONDS ago, when the run is interrupted, and when it
 * fails: always between two steps, so whoever goes on from it makes the same steps.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train_internal.h"

enum { MEASURED_STEPS = 6, WARM_STEPS = 10 };
static const uint64_t DROPOUT_PARTS = UINT64_C(1) << 48; /* between the seeds of a step's parts */
static const double SAVE_SECONDS = 30, FLOOR = 0.1, CLIP = 1, CHECKS_SHARE = 0.8;

/* Of a clock that only moves forward. */
static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void train_tell(const trainer *t, train_event *event)
{
    const train_state *s = &t->state;
    event->step = s->step;
    event->steps = s->steps;
    event->seconds = seconds_now() - t->began;
    event->control = s->control;
    int done = s->step - t->plan.resumed;
    event->left =
        done > 0 ? (event->seconds - t->resumed_seconds) / done * (s->steps - s->step) : -1;
    if (t->listener)
        t->listener(t->user, event);
}

static bool cancelled(const trainer *t)
{
    return t->options.cancel && atomic_load(t->options.cancel);
}

/* ---- what the frozen layers make of the samples -------------------------------------------------- */

static int read_sample(trainer *t, const sample *s, error *err)
{
    int layers = engine_config(t->engine)->layers, first = t->options.first;
    float *row = hidden_store_at(t->store, s->row);
    if (engine_hidden(t->engine, NULL, s->ids, s->n, first, first, row, err))
        return -1;
    return s->kind == SAMPLE_NEAR
               ? engine_hidden(t->engine, NULL, s->ids, s->n, layers, layers,
                               hidden_store_at(t->store, s->row + (size_t)s->n), err)
               : 0;
}

static int read_samples(trainer *t, error *err)
{
    int longest, done = 0, total = (int)samples_tokens(&t->samples, &longest);
    for (size_t i = 0; i < t->samples.len; i++) {
        train_event event = {.kind = TRAIN_READING, .done = done, .total = total};
        train_tell(t, &event);
        if (read_sample(t, &t->samples.v[i], err))
            return -1;
        done += t->samples.v[i].n;
    }
    return 0;
}

train_sequence train_sequence_of(const trainer *t, int sample_at, double near)
{
    const sample *s = &t->samples.v[sample_at];
    bool plain = s->kind == SAMPLE_NEAR;
    return (train_sequence){.ids = s->ids,
                            .n = s->n,
                            .hidden = hidden_store_at(t->store, s->row),
                            .weight = plain ? NULL : s->weight,
                            .plain =
                                plain ? hidden_store_at(t->store, s->row + (size_t)s->n) : NULL,
                            .near = (float)near,
                            .near_from = s->near_from};
}

/* ---- one step ---------------------------------------------------------------------------------- */

static net_options options_of(trainer *t)
{
    const train_options *o = &t->options;
    net_options n = {.routing = t->routing.v,
                     .balance = (float)o->balance,
                     .dropout = (float)o->dropout,
                     .seed = o->seed * 1000003 + (uint64_t)t->state.step,
                     .cancel = o->cancel};
    if (t->listed) {
        train_draw_candidates(t);
        n.candidates = t->candidates;
        n.shift = t->shift;
        n.candidate_count = t->candidate_count;
    }
    return n;
}

static int diverged(const trainer *t, error *err)
{
    return error_set(err, ERROR_RUN,
                     "step %d: the loss is no longer finite; a smaller --rate than %g may help",
                     t->state.step + 1, t->options.rate);
}

static double positive_weight(const sample *s)
{
    double sum = 0;
    for (int i = 0; i < s->n; i++)
        sum += fmax(0, (double)s->weight[i]);
    return sum;
}

/* Adds the gradients of a step, TRAIN_TOGETHER samples at a time; the near sample comes with the last of them.
 * A larger batch has the balance of each part, in shares. */
static int add_gradients(trainer *t, net_losses *all, error *err)
{
    const train_state *s = &t->state;
    int n, near = schedule_near(t->schedule, s->step);
    const int *batch = schedule_batch(t->schedule, s->step, &n);
    int parts = n > TRAIN_TOGETHER ? (n + TRAIN_TOGETHER - 1) / TRAIN_TOGETHER : 1;
    net_options options = options_of(t);
    for (int i = 0; i < n; i++)
        options.normaliser += positive_weight(&t->samples.v[batch[i]]);
    options.balance /= (float)parts;
    for (int at = 0; at < parts; at++, options.seed += DROPOUT_PARTS) {
        train_sequence sequences[TRAIN_TOGETHER + 1];
        net_losses losses;
        int len = 0;
        for (int i = at * TRAIN_TOGETHER; i < n && len < TRAIN_TOGETHER; i++)
            sequences[len++] = train_sequence_of(t, batch[i], 0);
        if (near >= 0 && at == parts - 1) {
            int count = t->samples.v[near].n - t->samples.v[near].near_from;
            sequences[len++] =
                train_sequence_of(t, near, t->options.near * options.normaliser / count);
        }
        if (net_forward_backward(t->net, sequences, len, &options, &losses, err))
            return -1;
        all->cross_entropy += losses.cross_entropy;
        all->against += losses.against;
        all->total += losses.total;
        all->normaliser = losses.normaliser;
    }
    return 0;
}

static int step_once(trainer *t, error *err)
{
    train_state *s = &t->state;
    net_losses losses = {0};
    if (add_gradients(t, &losses, err)) {
        memset(t->learned->grads, 0, t->learned->count * sizeof(float));
        return -1;
    }
    adamw_options adam = {.rate =
                              schedule_rate(t->options.rate, FLOOR, WARM_STEPS, s->step, s->steps),
                          .decay = t->options.decay,
                          .clip = CLIP,
                          .still = t->learned->still,
                          .still_count = t->learned->still_count};
    if (!isfinite(losses.total) || !isfinite(adamw_step(&t->moments, t->learned, &adam)))
        return diverged(t, err);
    s->losses[s->step++] = (float)((losses.cross_entropy + losses.against) / losses.normaliser);
    train_event event = {.kind = TRAIN_STEP, .loss = (double)s->losses[s->step - 1]};
    train_tell(t, &event);
    return 0;
}

/* ---- the state --------------------------------------------------------------------------------- */

static int save_state(trainer *t, error *err)
{
    t->state.seconds = seconds_now() - t->began;
    t->saved = seconds_now();
    int result = train_state_write(t->state_path, &t->state, err);
    t->resumable |= result == 0;
    return result;
}

/* A run by time: once some steps were measured, as many as fit. A fifth is for the looks. */
static int plan_by_time(trainer *t, error *err)
{
    train_state *s = &t->state;
    double spent = seconds_now() - t->began;
    double each = (spent - t->reading_seconds) / s->step;
    double fit = s->step + (t->options.seconds * CHECKS_SHARE - spent) / each;
    int steps = fit < 2 * MEASURED_STEPS ? 2 * MEASURED_STEPS : fit > 1e6 ? 1000000 : (int)fit;
    float *losses = realloc(s->losses, ((size_t)steps + 1) * sizeof *losses);
    train_check *checks = realloc(s->checks, ((size_t)steps + 2) * sizeof *checks);
    s->losses = losses ? losses : s->losses;
    s->checks = checks ? checks : s->checks;
    if (!losses || !checks)
        return error_memory(err, "the state of training");
    s->check_room = steps + 2;
    s->steps = steps;
    return train_open_schedule(t, err);
}

static bool out_of_time(const trainer *t)
{
    return t->options.seconds > 0 && t->state.step >= 2 * MEASURED_STEPS &&
           seconds_now() - t->began >= t->options.seconds;
}

static bool looked_at(const train_state *s)
{
    return s->check_count && s->checks[s->check_count - 1].step == s->step;
}

static int run_steps(trainer *t, error *err)
{
    train_state *s = &t->state;
    for (;;) {
        bool last = s->step == s->steps || out_of_time(t);
        if (!looked_at(s) && (last || train_check_due(t)) && train_check_now(t, last, err))
            return -1;
        if (last)
            return 0;
        if (cancelled(t))
            return error_set(err, ERROR_CANCELLED, "interrupted");
        if (step_once(t, err))
            return -1;
        if (t->options.seconds > 0 && s->step == MEASURED_STEPS && plan_by_time(t, err))
            return -1;
        if (seconds_now() - t->saved >= SAVE_SECONDS && save_state(t, err))
            return -1;
    }
}

/* Before the first step: what the plain model loses, and where rows begin. */
static int begin(trainer *t, error *err)
{
    double scale;
    if (train_evaluate_plain(t, err))
        return -1;
    return t->plan.rows && t->probe ? train_router_start(t, &scale, err) : 0;
}

int trainer_run(trainer *t, train_listener *listener, void *user, error *err)
{
    t->listener = listener;
    t->user = user;
    t->resumed_seconds = t->state.seconds;
    t->began = seconds_now() - t->state.seconds;
    t->saved = seconds_now();
    t->net = net_open(t->engine, t->learned, t->net_rows, t->options.memory, err);
    if (!t->net || read_samples(t, err))
        return -1;
    if (t->lessons && probe_open(t->engine, &t->samples, t->lessons, &t->probe, err))
        return -1;
    if (!t->plan.resumed && begin(t, err))
        return -1;
    t->reading_seconds = seconds_now() - t->began - t->resumed_seconds;
    int result = run_steps(t, err);
    t->whole_run = result == 0;
    error full;
    if (result && save_state(t, &full) && err->code == ERROR_CANCELLED)
        *err = full;
    return result;
}

bool trainer_can_go_on(const trainer *t)
{
    return t->resumable;
}

bool trainer_has_best(const trainer *t)
{
    return t->state.has_best;
}
