/* train_spec.c - what learns in each layer, and under which routing: the survey's answer to --what.
 *
 *                  pool layer                         any other layer
 *     experts      new ones, nothing yet; the mask    exact copies of the most called, whose
 *                  keeps exactly them                 originals the mask bans
 *     lora         empty ones, woken by updates;      the most called; no mask
 *                  the mask keeps them
 *     router       their rows                         the rows of all experts; no mask
 *
 * A slim layer has a shared expert that is SLIM times as wide as all that a token calls beside it. There a token
 * calls nearly all that is not empty, so a row of the router decides how loud an expert is, not whether it
 * speaks: copies keep the rows of their originals, or neutral text suffers most of what it suffers.
 * Experts of the model's own that are named (own_first) learn whole, with their rows, in any layer; no mask.
 *
 * With experts and lora or router together, a pool layer has new experts alone: nothing else is kept.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/run/sampler.h"
#include "train_internal.h"

enum { EXPERTS = 4, ALL_MATRICES = 7, SLIM = 4 };

void train_spec_release(learned_spec *s)
{
    free(s->layers);
    free(s->copies);
    free(s->flags);
    *s = (learned_spec){0};
}

void train_routing_release(learned_routing *r)
{
    free(r->v);
    free(r->allowed);
    *r = (learned_routing){0};
}

/* ---- which layers ------------------------------------------------------------------------------ */

bool train_is_slim(const model_config *m, int layer)
{
    return m->moe_layer[layer] && m->shared_width / SLIM >= m->expert_width * m->experts_per_token;
}

/* The upper third; pool and slim layers all: there a persona's own experts do no harm. */
static int settle_layers(trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    train_options *o = &t->options;
    if (o->first < 0) {
        int first = m->layers - (m->layers + 2) / 3;
        o->last = m->layers - 1;
        for (o->first = 0;
             o->first < first && !t->survey.pool[o->first] && !train_is_slim(m, o->first);)
            o->first++;
    }
    while (o->first <= o->last && !m->moe_layer[o->first])
        o->first++;
    while (o->last > o->first && !m->moe_layer[o->last])
        o->last--;
    if (o->first > o->last)
        return error_set(err, ERROR_USAGE, "--layers: none of them has experts");
    return 0;
}

static int check_named(const char *what, int last, const model_config *m, error *err)
{
    if (last < m->experts)
        return 0;
    return error_set(err, ERROR_USAGE, "--what %s:%d: the model has 0 to %d in a layer", what, last,
                     m->experts - 1);
}

static int settle_experts(trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    train_options *o = &t->options;
    int pools = 0, slim = 0;
    if (check_named("experts", o->own_last, m, err) || check_named("lora", o->lora_last, m, err) ||
        check_named("router", o->rows_last, m, err))
        return -1;
    if (o->own_first >= 0) {
        o->experts = o->own_last - o->own_first + 1;
        return 0;
    }
    if (o->lora_first >= 0 && !(o->what & TRAIN_EXPERTS))
        o->experts = o->lora_last - o->lora_first + 1;
    for (int l = o->first; l <= o->last; l++) {
        pools += t->survey.pool[l];
        slim += train_is_slim(m, l);
    }
    if (!o->experts)
        o->experts =
            pools + slim && m->experts_per_token > EXPERTS ? m->experts_per_token : EXPERTS;
    if (pools && o->experts < m->experts_per_token)
        return error_set(err, ERROR_USAGE,
                         "--experts %d: a token calls %d experts, and the mask keeps those that "
                         "learn alone; give at least %d",
                         o->experts, m->experts_per_token, m->experts_per_token);
    if (o->experts > m->experts)
        return error_set(err, ERROR_USAGE, "--experts %d: the model has %d in a layer", o->experts,
                         m->experts);
    return 0;
}

/* ---- what learns in them ------------------------------------------------------------------------ */

static void allow(trainer *t, int layer, int expert, bool may)
{
    t->routing.allowed[(size_t)layer * (size_t)t->routing.experts + (size_t)expert] = may;
}

/* The mask of a pool layer: nobody yet. */
static void close_pool(trainer *t, int layer)
{
    t->routing.masks = true;
    for (int i = 0; i < t->routing.experts; i++)
        allow(t, layer, i, false);
}

static void add_experts(trainer *t, int layer, layer_spec *s)
{
    const model_config *m = engine_config(t->engine);
    int n = t->options.experts, experts = t->survey.experts;
    int *copies = t->spec.copies + (size_t)layer * (size_t)n;
    bool pool = t->survey.pool[layer];
    if (pool) {
        close_pool(t, layer);
    } else {
        n = survey_most_called(&t->survey, layer, n, copies);
        for (int i = 0; i < n; i++)
            allow(t, layer, copies[i], false);
        t->routing.masks |= n > 0;
        s->copies = copies;
        s->keep_rows =
            train_is_slim(m, layer) && !t->options.copied_rows && !(t->options.what & TRAIN_ROUTER);
    }
    s->added = n;
    for (int i = 0; i < n; i++)
        allow(t, layer, experts + i, true);
}

static int named_experts(const train_options *o, int *out)
{
    int n = 0;
    for (int e = o->lora_first; e <= o->lora_last; e++)
        out[n++] = e;
    return n;
}

static void update_experts(trainer *t, int layer, layer_spec *s)
{
    int experts = t->survey.experts, chosen[MODEL_MAX_EXPERTS];
    uint8_t *lora = t->spec.flags + (size_t)layer * (size_t)experts;
    bool pool = t->survey.pool[layer];
    int n = t->options.lora_first >= 0 ? named_experts(&t->options, chosen)
            : pool                     ? survey_empty(&t->survey, layer, t->options.experts, chosen)
                   : survey_most_called(&t->survey, layer, t->options.experts, chosen);
    if (pool)
        close_pool(t, layer);
    for (int i = 0; i < n; i++) {
        lora[chosen[i]] = ALL_MATRICES;
        allow(t, layer, chosen[i], true);
    }
    s->lora = lora;
}

static void free_rows(trainer *t, int layer, layer_spec *s)
{
    int experts = t->survey.experts;
    size_t row = (size_t)layer * (size_t)experts;
    uint8_t *rows = t->spec.flags + (size_t)t->survey.layers * (size_t)experts + row;
    bool pool = t->survey.pool[layer];
    int first = t->options.rows_first, last = t->options.rows_last;
    if (pool && !s->lora && first < 0)
        close_pool(t, layer);
    for (int i = 0; i < experts; i++) {
        rows[i] = pool ? (s->lora ? s->lora[i] != 0 : t->survey.calls[row + (size_t)i] > 0) : 1;
        rows[i] &= first < 0 || (i >= first && i <= last);
        if (pool && first < 0)
            allow(t, layer, i, rows[i]);
    }
    s->rows = rows;
}

/* Experts of the model's own, in their places. */
static void free_experts(trainer *t, int layer, layer_spec *s)
{
    size_t experts = (size_t)t->survey.experts, row = (size_t)layer * experts;
    uint8_t *whole = t->spec.flags + row;
    uint8_t *rows = whole + (size_t)t->survey.layers * experts;
    for (int e = t->options.own_first; e <= t->options.own_last; e++)
        whole[e] = rows[e] = 1;
    s->whole = whole;
    s->rows = rows;
}

static void fill_layer(trainer *t, int layer)
{
    unsigned what = t->options.what;
    layer_spec *s = &t->spec.layers[layer];
    if (!engine_config(t->engine)->moe_layer[layer])
        return;
    if (t->options.own_first >= 0) {
        free_experts(t, layer, s);
        return;
    }
    if (what & TRAIN_EXPERTS)
        add_experts(t, layer, s);
    if (what & TRAIN_EXPERTS && t->survey.pool[layer])
        return;
    if (what & TRAIN_LORA)
        update_experts(t, layer, s);
    if (what & TRAIN_ROUTER)
        free_rows(t, layer, s);
}

/* A layer must keep as many experts as a token calls. */
static int check_layer(const trainer *t, int layer, error *err)
{
    const learned_routing *r = &t->routing;
    int n = 0, k = engine_config(t->engine)->experts_per_token;
    for (int i = 0; i < t->survey.experts + t->spec.layers[layer].added; i++)
        n += r->allowed[(size_t)layer * (size_t)r->experts + (size_t)i];
    if (n < k)
        return error_set(err, ERROR_USAGE,
                         "layer %d: only %d experts can learn by --what, a token calls %d; take "
                         "--what experts, or other --layers",
                         layer, n, k);
    return 0;
}

static int allocate(trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    size_t layers = (size_t)m->layers, experts = (size_t)m->experts;
    learned_routing *r = &t->routing;
    r->experts = m->experts + t->options.experts;
    r->v = calloc(layers, sizeof *r->v);
    r->allowed = calloc(layers, (size_t)r->experts);
    t->spec.layers = calloc(layers, sizeof *t->spec.layers);
    t->spec.copies = calloc(layers * (size_t)t->options.experts, sizeof *t->spec.copies);
    t->spec.flags = calloc(2 * layers, experts);
    if (!r->v || !r->allowed || !t->spec.layers || !t->spec.copies || !t->spec.flags)
        return error_memory(err, "what learns");
    for (size_t l = 0; l < layers; l++)
        memset(r->allowed + l * (size_t)r->experts, 1, experts);
    return 0;
}

int train_settle_spec(trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    int k = m->experts_per_token;
    train_options *o = &t->options;
    if (settle_layers(t, err) || settle_experts(t, err) || allocate(t, err))
        return -1;
    for (int l = o->first; l <= o->last; l++) {
        fill_layer(t, l);
        if (m->moe_layer[l] && check_layer(t, l, err))
            return -1;
    }
    for (int l = 0; l < m->layers; l++)
        t->routing.v[l] =
            (layer_routing){.k = k,
                            .trained_k = k,
                            .norm_width = k,
                            .tail_gain = 1,
                            .strength = 1,
                            .allowed = t->routing.allowed + (size_t)l * (size_t)t->routing.experts};
    t->spec.spec = (train_spec){.first = o->first,
                                .last = o->last + 1,
                                .layers = t->spec.layers + o->first,
                                .rank = o->rank,
                                .alpha = 2.0 * o->rank,
                                .seed = o->seed};
    return 0;
}

/* An expert whose matrices are all zero cannot learn by updates that begin as nothing: the gradient of each is a
 * product with another. So those of gate and up begin at random, as large as a new expert's, and
 * only down's as nothing: it still adds nothing, and learns. */
static void wake(const trainer *t, const lora_pair *p, uint64_t key)
{
    if (!p->b.value)
        return;
    double size = 0.5 * sqrt(3) / ((double)p->scale * sqrt((double)p->a.rows / 3));
    for (size_t i = 0; i < p->b.rows * p->b.cols; i++)
        p->b.value[i] =
            (float)(size *
                    (2 * keyed_uniform(t->options.seed, "wake", key << 32 | (uint64_t)i, 0) - 1));
}

/* The same of one that learns whole: all zero, as `edit` inserts it, none of its matrices has a gradient. */
static void wake_whole(const trainer *t, const expert_trainable *x, uint64_t key)
{
    for (int m = EXPERT_GATE; m <= EXPERT_DOWN; m++)
        for (size_t i = 0; i < x->whole[m].rows * x->whole[m].cols; i++)
            if (!x->whole[m].value || x->whole[m].value[i] != 0)
                return;
    for (int m = EXPERT_GATE; m <= EXPERT_UP; m++) {
        const parameter *p = &x->whole[m];
        double size = sqrt(3) / sqrt((double)p->cols);
        for (size_t i = 0; i < p->rows * p->cols; i++)
            p->value[i] = (float)(size * (2 * keyed_uniform(t->options.seed, "wake",
                                                            (key + (uint64_t)m) << 32 | i, 0) -
                                          1));
    }
}

void train_wake_empty(trainer *t)
{
    const trainable *l = t->learned;
    for (int at = l->first; at < l->last; at++) {
        const layer_trainable *layer = &l->layers[at - l->first];
        for (int i = t->options.own_first; i >= 0 && i <= t->options.own_last && layer->experts;
             i++)
            if (layer->of[i].whole[EXPERT_GATE].value)
                wake_whole(t, &layer->of[i], ((uint64_t)at * MODEL_MAX_EXPERTS + (uint64_t)i) * 2);
        for (int i = 0; t->survey.pool[at] && i < layer->experts; i++)
            for (int m = EXPERT_GATE; m <= EXPERT_UP; m++)
                wake(t, &layer->of[i].lora[m],
                     ((uint64_t)at * MODEL_MAX_EXPERTS + (uint64_t)i) * 2 + (uint64_t)m);
    }
}

/* ---- the mask ---------------------------------------------------------------------------------- */

/* The experts of a layer that a keep mask lists, or a ban mask, as "1,5,32-35". */
static int list_layer(const trainer *t, int layer, bool kept, buf *out, error *err)
{
    const learned_routing *r = &t->routing;
    const uint8_t *row = r->allowed + (size_t)layer * (size_t)r->experts;
    int n = t->survey.experts + t->spec.layers[layer].added;
    for (int i = 0, to; i < n; i = to + 1) {
        for (to = i; to + 1 < n && row[to + 1] == row[i];)
            to++;
        if ((row[i] != 0) != kept)
            continue;
        if (buf_format(out, err, to > i ? "%s%d-%d" : "%s%d", out->len ? "," : "", i, to))
            return -1;
    }
    return 0;
}

static bool any_pool(const trainer *t)
{
    for (int l = t->options.first; l <= t->options.last; l++)
        if (t->survey.pool[l])
            return true;
    return false;
}

int train_mask_text(const trainer *t, buf *out, error *err)
{
    json_writer j = {.out = out, .err = err};
    bool keep = any_pool(t);
    json_begin_object(&j, NULL);
    json_put_int(&j, "mask", 1);
    json_put_text(&j, "model", t->fingerprint);
    json_put_text(&j, "mode", keep ? "keep" : "ban");
    json_begin_object(&j, "layers");
    for (int l = t->options.first; l <= t->options.last; l++) {
        buf list = {0};
        char key[16];
        (void)snprintf(key, sizeof key, "%d", l);
        if (engine_config(t->engine)->moe_layer[l] && list_layer(t, l, keep, &list, err))
            j.failed = true;
        if (list.len)
            json_put_text(&j, key, list.v);
        buf_release(&list);
    }
    json_end(&j);
    json_end(&j);
    return json_writer_finish(&j) || buf_text(out, "\n", err) ? -1 : 0;
}
