/* train_check.c - looking at what was learned: held-out loss, greedy answers, and which is kept.
 *
 * Of every checkpoint that is looked at the loss on what is held out is measured; every second one from a third
 * of the run on, and the last, also answers the held-out questions (probe.h). Of those that did, and whose loss
 * is below the plain model's, the one is kept with the highest
 *
 *     voice + (control - loss) / control
 *
 * so a tenth of the voice weighs as much as a tenth of the plain model's loss: the voice, which goes from 0
 * to 1, decides, and between like voices the loss does. Where nothing can be asked the loss decides alone.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

enum { CHECKS = 20, TOGETHER = 8, UNHELD = 16 };
static const double PROBES_FROM = 0.3;

bool train_check_due(const trainer *t)
{
    int every = t->state.steps / CHECKS;
    return t->state.step % (every ? every : 1) == 0;
}

static bool probe_due(const trainer *t, bool last)
{
    int every = t->state.steps / CHECKS ? t->state.steps / CHECKS : 1;
    bool second = t->state.step / every % 2 == 0;
    return t->probe && (last || (second && t->state.step >= PROBES_FROM * t->state.steps));
}

/* ---- held-out loss ----------------------------------------------------------------------------- */

static bool is_asked(const trainer *t, const sample *s, bool held)
{
    (void)t;
    return s->counted && s->held_out == held &&
           (s->kind == SAMPLE_LESSON || s->kind == SAMPLE_TEXT);
}

/* What is held out; when nothing is, some of what is learned. */
int train_held_out_loss(trainer *t, const layer_routing *routing, double *loss, error *err)
{
    bool held = t->plan.held_out > 0;
    double sum = 0, weight = 0;
    int taken = 0;
    for (size_t at = 0; at < t->samples.len;) {
        train_sequence sequences[TOGETHER];
        net_losses losses;
        net_options options = {.routing = routing, .cancel = t->options.cancel};
        int n = 0;
        for (; at < t->samples.len && n < TOGETHER && (held || taken < UNHELD); at++)
            if (is_asked(t, &t->samples.v[at], held)) {
                sequences[n++] = train_sequence_of(t, (int)at, 0);
                taken++;
            }
        if (n == 0)
            break;
        if (net_evaluate(t->net, sequences, n, &options, &losses, err))
            return -1;
        sum += losses.cross_entropy;
        weight += losses.weight;
    }
    *loss = sum / weight;
    return isfinite(*loss) ? 0
                           : error_set(err, ERROR_RUN, "step %d: the held-out loss is not finite",
                                       t->state.step);
}

/* The plain model's: nothing that was added may be called, and nothing has been learned yet. */
int train_evaluate_plain(trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    size_t row = (size_t)t->routing.experts;
    uint8_t *allowed = calloc(row, 1);
    layer_routing *plain = calloc((size_t)m->layers, sizeof *plain);
    int result = allowed && plain ? 0 : error_memory(err, "the plain model's loss");
    for (int l = 0; l < m->layers && !result; l++) {
        plain[l] = t->routing.v[l];
        plain[l].allowed = allowed;
    }
    if (!result) {
        memset(allowed, 1, (size_t)m->experts);
        result = train_held_out_loss(t, plain, &t->state.control, err);
    }
    free(plain);
    free(allowed);
    return result;
}

/* ---- greedy answers ---------------------------------------------------------------------------- */

/* The program that the result will be run by. */
typedef struct train_program {
    const struct placed_adapter *placed;
    router_program *program;
    mask *mask;
} train_program;

static void close_program(trainer *t, train_program *p)
{
    router_program_close(p->program);
    mask_close(p->mask);
    engine_remove_adapter(t->engine, p->placed);
    *p = (train_program){0};
}

static int open_program(trainer *t, train_program *out, error *err)
{
    adapter *a = trainable_to_adapter(t->learned, t->engine, TRAIN_RESULT_TYPE, err);
    buf text = {0};
    *out = (train_program){0};
    if (!a || engine_add_adapter(t->engine, a, &out->placed, err))
        return -1;
    router_settings settings = router_settings_plain();
    settings.adapters = &out->placed;
    settings.adapter_count = 1;
    int result = 0;
    if (t->routing.masks) {
        result = train_mask_text(t, &text, err);
        out->mask = result ? NULL : mask_read("the mask", text.v, text.len, err);
        result = out->mask ? 0 : -1;
        settings.mask_count = 1;
    }
    const mask *masks[] = {out->mask};
    settings.masks = masks;
    if (!result)
        out->program =
            router_program_compile(engine_config(t->engine), t->fingerprint, &settings, err);
    buf_release(&text);
    if (out->program)
        return 0;
    close_program(t, out);
    return -1;
}

static int ask(trainer *t, train_check *c, error *err)
{
    train_program p;
    probe_figures f;
    if (open_program(t, &p, err))
        return -1;
    int result = probe_ask(t->probe, p.program, &f, err);
    close_program(t, &p);
    if (result)
        return -1;
    c->voice = f.voice;
    c->answers = f.answers;
    c->ended = f.ended;
    c->looped = f.looped;
    train_event event = {.kind = TRAIN_PROBE,
                         .loss = c->loss,
                         .voice = f.voice,
                         .answers = f.answers,
                         .ended = f.ended,
                         .looped = f.looped,
                         .text = f.sample};
    train_tell(t, &event);
    return 0;
}

/* ---- choosing ---------------------------------------------------------------------------------- */

static double worth(const train_state *s, const train_check *c)
{
    return fmax(c->voice, 0) + (s->control - c->loss) / s->control;
}

static void choose(trainer *t, const train_check *c)
{
    train_state *s = &t->state;
    bool asked = !t->probe || c->voice >= 0;
    if (!asked || c->step == 0 || !(c->loss < s->control) ||
        (s->has_best && worth(s, c) <= worth(s, &s->chosen)))
        return;
    s->has_best = true;
    s->chosen = *c;
    memcpy(s->best, s->values, s->count * sizeof(float));
    train_event event = {.kind = TRAIN_BEST,
                         .loss = c->loss,
                         .voice = c->voice,
                         .answers = c->answers,
                         .ended = c->ended,
                         .looped = c->looped};
    train_tell(t, &event);
}

int train_check_now(trainer *t, bool last, error *err)
{
    train_state *s = &t->state;
    train_check c = {.step = s->step, .voice = -1};
    if (train_held_out_loss(t, t->routing.v, &c.loss, err))
        return -1;
    train_event event = {.kind = TRAIN_VALIDATION, .loss = c.loss};
    train_tell(t, &event);
    if (probe_due(t, last) && ask(t, &c, err))
        return -1;
    choose(t, &c);
    s->checks[s->check_count++] = c;
    return 0;
}
