/* compare_columns.c - from a column's words to an engine, a seat and what its council is told.
 *
 * Engines are opened once for each model with its tweaks, and once more as the file has it where only a
 * tweaked one was asked for: answers are held against that. A seat is a roster of one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json.h"
#include "../../engine/base/ranges.h"
#include "compare_state.h"

/* ---- engines ----------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_tweaks(const model_tweaks *a, const model_tweaks *b)
{
    return a->rope_theta == b->rope_theta && a->positions == b->positions &&
           same_text(a->rope_scaling, b->rope_scaling) && same_text(a->skip, b->skip);
}

static place *find_place(compare *c, const compare_setup *s, const model_tweaks *t, error *err)
{
    for (int i = 0; i < c->place_count; i++)
        if (same_text(c->places[i].model, s->model) &&
            same_text(c->places[i].tokenizer, s->tokenizer) && same_tweaks(&c->places[i].tweaks, t))
            return &c->places[i];
    if (!c->source->open) {
        error_set(err, ERROR_USAGE,
                  "another model or tokenizer, and other angles, positions or layers of this one, "
                  "need `consilium compare`: here one model is open");
        return NULL;
    }
    place *p = &c->places[c->place_count];
    *p = (place){.model = s->model, .tokenizer = s->tokenizer, .tweaks = *t};
    p->engine = c->source->open(c->source->user, s->model, s->tokenizer, t, err);
    if (!p->engine)
        return NULL;
    p->owned = true;
    c->place_count++;
    return p;
}

static int open_engines(compare *c, column *k, error *err)
{
    const compare_setup *s = k->shown.setup;
    static const model_tweaks none = {0};
    model_tweaks t = {.rope_theta = isnan(s->rope_theta) ? 0 : s->rope_theta,
                      .rope_scaling = s->rope_scaling,
                      .positions = s->positions > 0 ? s->positions : 0,
                      .skip = s->skip};
    k->place = find_place(c, s, &t, err);
    k->own = k->place && model_tweaks_any(&t) ? find_place(c, s, &none, err) : k->place;
    if (!k->place || !k->own)
        return -1;
    k->shown.engine = k->place->engine;
    k->shown.own = k->own->engine;
    return 0;
}

/* ---- how it answers ---------------------------------------------------------------------------- */

static bool whole(const char *text, int least, int most, int *out)
{
    size_t n = strspn(text, "0123456789");
    long v = n && n < 9 && !text[n] ? strtol(text, NULL, 10) : -1;
    *out = (int)v;
    return v >= least && v <= most;
}

static int take_words(const compare_setup *s, council_options *o, error *err)
{
    if (s->think) {
        bool word = strcmp(s->think, "on") == 0 || strcmp(s->think, "off") == 0;
        o->think = strcmp(s->think, "on") == 0 ? -1 : 0;
        if (!word && !whole(s->think, 1, 1 << 20, &o->think))
            return error_set(err, ERROR_USAGE, "think: \"%.40s\" is none of on, off, 1..%d",
                             s->think, 1 << 20);
    }
    if (s->loop) {
        o->loop = 0;
        if (strcmp(s->loop, "off") != 0 && !whole(s->loop, 2, 1 << 20, &o->loop))
            return error_set(err, ERROR_USAGE, "loop: \"%.40s\" is neither off nor in 2..%d",
                             s->loop, 1 << 20);
    }
    if (s->kv)
        o->kv = strcmp(s->kv, "f32") == 0    ? DTYPE_F32
                : strcmp(s->kv, "q8_0") == 0 ? DTYPE_Q8_0
                                             : DTYPE_F16;
    return 0;
}

static int choose_council(column *k, council_options *o, error *err)
{
    const compare_setup *s = k->shown.setup;
    int most = engine_config(k->place->engine)->context;
    if (take_words(s, o, err))
        return -1;
    if (s->max_tokens > 0)
        o->max_tokens = s->max_tokens;
    if (s->context > most)
        return error_set(err, ERROR_USAGE,
                         "context: %d is outside 1..%d, the model's (positions=N gives it more)",
                         s->context, most);
    if (s->context > 0)
        o->context = s->context;
    o->keep_logprobs = true;
    if (o->prefill == PREFILL_AUTO)
        o->prefill = PREFILL_OWN;
    k->council = *o;
    k->shown.context = o->context;
    k->shown.max_tokens = o->max_tokens;
    return 0;
}

/* ---- how it is routed -------------------------------------------------------------------------- */

static int read_by_layer(column *k, const model_config *m, error *err)
{
    const compare_setup *s = k->shown.setup;
    uint8_t set[MODEL_MAX_LAYERS];
    if (!s->by_layer_count)
        return 0;
    k->by_layer = calloc((size_t)m->layers + 1, sizeof *k->by_layer);
    if (!k->by_layer)
        return error_memory(err, "a column");
    for (int i = 0; i < s->by_layer_count; i++) {
        const setup_layers *l = &s->by_layer[i];
        memset(set, 0, sizeof set);
        if (ranges_read(l->layers, "layer", m->layers, set, err)) {
            if (err && err->code == ERROR_LOAD)
                err->code = ERROR_USAGE;
            return error_prefix(err, "experts: ");
        }
        int n = setup_count_of(&l->experts, m->experts_per_token, m->experts);
        for (int layer = 0; layer < m->layers; layer++)
            if (set[layer])
                k->by_layer[layer] = n;
    }
    return 0;
}

static int read_rules(column *k, error *err)
{
    enum { MOST = 1 << 20 };
    const char *path = k->shown.setup->rules;
    if (!path)
        return 0;
    json_document *d = json_load(path, MOST, err);
    if (d && json_type(json_root(d)) != JSON_ARRAY)
        (void)error_set(err, ERROR_LOAD, "%s: is no list of rules", path);
    else if (d && !(k->rules = rules_read(json_root(d), err)))
        (void)error_prefix(err, "%s: ", path);
    json_close(d);
    return k->rules ? 0 : -1;
}

static router_knobs knobs_of(const column *k, const model_config *m)
{
    const compare_setup *s = k->shown.setup;
    int adaptive = s->adaptive_min.v < 0
                       ? -1
                       : setup_count_of(&s->adaptive_min, m->experts_per_token, m->experts);
    return (router_knobs){.norm_width =
                              setup_count_of(&s->norm_width, m->experts_per_token, m->experts),
                          .adaptive_min = adaptive,
                          .adaptive_ratio = s->adaptive_ratio,
                          .tail_gain = isnan(s->tail_gain) ? -1 : s->tail_gain,
                          .mask_penalty = isnan(s->soften) ? 0 : s->soften,
                          .experts_by_layer = k->by_layer,
                          .rules = k->rules};
}

/* Cuts ":SCALE" off the copy of a file's name. */
static double cut_scale(char *file)
{
    char *colon = strrchr(file, ':'), *end = colon;
    double scale = colon && colon[1] ? strtod(colon + 1, &end) : 1;
    if (!colon || !colon[1] || *end)
        return 1;
    *colon = '\0';
    return scale;
}

/* What the seat takes over of the column's words while it is opened. */
typedef struct seating {
    roster_options o;
    router_knobs knobs;
    named_mask masks[SETUP_FILES];
    named_adapter adapters[SETUP_FILES];
    char *files[SETUP_FILES]; /* names of adapters, without their scales */
    named_value experts, strength;
} seating;

static int fill_seating(const column *k, const model_config *m, seating *g, error *err)
{
    const compare_setup *s = k->shown.setup;
    roster_options *o = &g->o;
    o->personas = s->everyone_count ? s->everyone : &s->persona;
    o->persona_count = s->everyone_count ? s->everyone_count : s->persona ? 1 : 0;
    o->everyone = s->everyone_count > 0;
    o->no_instruction = o->no_instruction || (s->instruction && strcmp(s->instruction, "off") == 0);
    for (int i = 0; i < s->mask_count; i++)
        g->masks[i] = (named_mask){NULL, s->masks[i]};
    for (int i = 0; i < s->adapter_count; i++) {
        if (!(g->files[i] = strdup(s->adapters[i])))
            return error_memory(err, "a column");
        double scale = cut_scale(g->files[i]);
        g->adapters[i] = (named_adapter){NULL, g->files[i], scale};
    }
    o->masks = g->masks;
    o->mask_count = s->mask_count;
    o->adapters = g->adapters;
    o->adapter_count = s->adapter_count;
    int experts = setup_count_of(&s->experts, m->experts_per_token, m->experts);
    g->experts = (named_value){NULL, experts};
    o->experts = &g->experts;
    o->expert_count = experts ? 1 : 0;
    g->strength = (named_value){NULL, s->strength};
    o->strengths = &g->strength;
    o->strength_count = isnan(s->strength) ? 0 : 1;
    g->knobs = knobs_of(k, m);
    o->knobs = &g->knobs;
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        if (s->given & 1u << i)
            sampling_put(&o->sampling, &sampling_fields[i],
                         sampling_get(&s->sampling, &sampling_fields[i]));
    o->given |= s->given;
    if (!isnan(s->seed))
        o->sampling.seed = (uint64_t)s->seed;
    return sampling_check(&o->sampling, err);
}

/* Whether all that the column says is of routing, so that a program which changes nothing leaves the
 * model as it is. */
static bool says_routing_alone(const column *k)
{
    const compare_setup *s = k->shown.setup;
    bool reach = s->model || s->tokenizer || k->place != k->own;
    bool draws = s->given || !isnan(s->seed);
    bool length = s->max_tokens > 0 || s->context > 0 || s->think || s->loop || s->kv;
    return !reach && !draws && !length && !s->persona && !s->everyone_count && !s->instruction;
}

/* A context of 131,072 need not be reserved for a question of 20 tokens. */
static void keep_ready(const compare *c, column *k)
{
    const char *told = k->shown.seat->instruction;
    council_options *o = &k->council;
    double need = (double)c->source->room + o->max_tokens + o->think;
    if (!c->source->room || o->think < 0)
        return;
    need += told ? (double)strlen(told) : 0;
    o->context = need < o->context ? (int)need : o->context;
}

static int sit_down(compare *c, column *k, error *err)
{
    seating g = {.o = {0}};
    council_options how = {0};
    engine *e = k->place->engine;
    const model_config *m = engine_config(e);
    int result = c->source->defaults(c->source->user, e, &how, &g.o, err) ||
                 choose_council(k, &how, err) || read_by_layer(k, m, err) || read_rules(k, err) ||
                 fill_seating(k, m, &g, err);
    if (!result)
        k->roster = roster_open(e, &g.o, c->source->note, c->source->user, err);
    for (int i = 0; i < SETUP_FILES; i++)
        free(g.files[i]);
    if (result || !k->roster)
        return -1;
    k->at = roster_seats(k->roster) - 1;
    k->shown.seat = roster_seat(k->roster, k->at);
    const router_program *program = k->shown.seat->program;
    k->shown.as_it_is = says_routing_alone(k) && (!program || !router_program_hash(program));
    keep_ready(c, k);
    return 0;
}

int compare_seat_all(compare *c, error *err)
{
    for (int i = 0; i < c->count; i++) {
        column *k = &c->columns[i];
        if (open_engines(c, k, err) || sit_down(c, k, err))
            return error_prefix(err, "%s: ", k->shown.setup->name);
    }
    return 0;
}

void compare_unseat_all(compare *c)
{
    for (int i = 0; i < c->count; i++) {
        roster_close(c->columns[i].roster);
        rules_close(c->columns[i].rules);
        free(c->columns[i].by_layer);
    }
    for (int i = 0; i < c->place_count; i++) {
        session_close(c->places[i].plain);
        if (c->places[i].owned)
            engine_close(c->places[i].engine);
    }
}
