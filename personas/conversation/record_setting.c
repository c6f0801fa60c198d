/* record_setting.c - the setting record: all that a turn runs under, written and read back.
 *
 * Writer and reader stand next to each other field by field; transcripts/records.h has the list. Paths
 * are made absolute, so that a session can be replayed from another folder.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/digest.h"
#include "../../engine/formats/model_defaults.h"
#include "../../engine/run/engine_tokenizer.h"
#include "../../transcripts/records.h"
#include "record_setting.h"

enum { LIST_MOST = 1024 };

static const char *const kv_names[] = {"f16", "f32", "q8_0"};
static const dtype kv_types[] = {DTYPE_F16, DTYPE_F32, DTYPE_Q8_0};
static const char *const prefills[] = {"auto", "own", "shared"};

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_sampling(json_writer *e, const sampling *s)
{
    for (const sampling_field *f = sampling_fields; f < sampling_fields + SAMPLING_FIELDS; f++)
        if (f->whole)
            json_put_int(e, f->name, (int)sampling_get(s, f));
        else
            json_put_number(e, f->name, sampling_get(s, f));
}

int record_model(engine *e, transcript_model *out, error *err)
{
    const model_config *m = engine_config(e);
    *out = (transcript_model){.path = checkpoint_path(engine_checkpoint(e)),
                              .architecture = architecture_name(m->arch),
                              .fingerprint = engine_fingerprint(e, err),
                              .layers = m->layers,
                              .experts = m->experts,
                              .experts_per_token = m->experts_per_token};
    return out->fingerprint ? 0 : -1;
}

/* With its whole path, and the name: what stands beside the weights is found by it alone. */
static void put_model(json_writer *e, engine *model)
{
    transcript_model m;
    (void)record_model(model, &m, e->err);
    char *full = realpath(m.path, NULL);
    m.path = full ? full : m.path;
    m.name = engine_defaults(model) ? engine_defaults(model)->name : NULL;
    records_put_model(e, "model", &m);
    free(full);
}

/* Only where it is not the model's own. */
static void put_tokenizer(json_writer *e, const engine *model)
{
    if (!engine_tokenizer_path(model))
        return;
    json_begin_object(e, "tokenizer");
    json_put_text(e, "path", engine_tokenizer_path(model));
    json_put_text(e, "hash", engine_tokenizer_hash(model));
    json_end(e);
}

static void put_council(json_writer *e, const dialogue_options *o)
{
    const council_options *c = &o->council;
    const char *kv = "f16";
    for (size_t i = 0; i < sizeof kv_types / sizeof *kv_types; i++)
        kv = kv_types[i] == c->kv ? kv_names[i] : kv;
    json_put_text(e, "kv", kv);
    json_put_int(e, "context", c->context);
    json_put_int(e, "max_tokens", c->max_tokens);
    json_put_int(e, "loop", c->loop);
    json_put_int(e, "think", c->think);
    json_put_text(e, "prefill", prefills[c->prefill]);
    json_put_bool(e, "raw", c->raw);
    json_begin_array(e, "stops");
    for (int i = 0; i < c->stop_count; i++)
        json_put_text(e, NULL, c->stops[i]);
    json_end(e);
    json_put_bool(e, "overflow_stop", o->overflow_stop);
    json_put_count(e, "seed", o->seed);
}

static void put_masks(json_writer *e, const roster_options *o)
{
    json_begin_array(e, "masks");
    for (int i = 0; i < o->mask_count; i++) {
        char hash[DIGEST_TEXT];
        char *full = realpath(o->masks[i].path, NULL);
        digest_files(&o->masks[i].path, 1, hash);
        json_begin_object(e, NULL);
        json_put_text(e, "name", o->masks[i].name);
        json_put_text(e, "path", full ? full : o->masks[i].path);
        json_put_text(e, "hash", hash);
        json_end(e);
        free(full);
    }
    json_end(e);
}

/* Only when there are any: most settings have none. What the personas bring is in the programs' hashes. */
static void put_adapters(json_writer *e, const roster_options *o, const roster *r)
{
    if (!o->adapter_count)
        return;
    json_begin_array(e, "adapters");
    for (int i = 0; i < o->adapter_count; i++) {
        char *full = realpath(o->adapters[i].path, NULL);
        json_begin_object(e, NULL);
        json_put_text(e, "name", o->adapters[i].name);
        json_put_text(e, "path", full ? full : o->adapters[i].path);
        json_put_text(e, "hash", roster_adapter_digest(r, i));
        json_put_number(e, "scale", o->adapters[i].scale);
        json_end(e);
        free(full);
    }
    json_end(e);
}

/* For who reads it: nothing is ever loaded because a record names it. */
static void put_router(json_writer *e, const roster_options *o, const roster *r)
{
    if (!o->router)
        return;
    json_begin_object(e, "router");
    json_put_text(e, "path", o->router);
    json_put_text(e, "hash", roster_router_digest(r));
    json_end(e);
}

/* Only when any was turned; counts by layer as far as the model goes. */
static void put_knobs(json_writer *e, const router_knobs *k, int layers)
{
    if (!k)
        return;
    json_begin_object(e, "knobs");
    json_put_int(e, "norm_width", k->norm_width);
    json_put_int(e, "adaptive_min", k->adaptive_min);
    json_put_number(e, "adaptive_ratio", k->adaptive_ratio);
    if (k->experts_by_layer) {
        json_begin_array(e, "experts_by_layer");
        for (int i = 0; i < layers; i++)
            json_put_int(e, NULL, k->experts_by_layer[i]);
        json_end(e);
    }
    json_end(e);
}

static void put_values(json_writer *e, const char *key, const named_value *v, int n)
{
    json_begin_array(e, key);
    for (int i = 0; i < n; i++) {
        json_begin_object(e, NULL);
        json_put_text(e, "name", v[i].name);
        json_put_number(e, "value", v[i].value);
        json_end(e);
    }
    json_end(e);
}

static void put_roster(json_writer *e, const roster_options *o, const roster *r, int router_layers)
{
    json_begin_array(e, "personas");
    for (int i = 0; i < o->persona_count; i++)
        json_put_text(e, NULL, o->personas[i]);
    json_end(e);
    json_put_text(e, "control", roster_controls[o->control]);
    json_put_bool(e, "no_instruction", o->no_instruction);
    if (o->everyone)
        json_put_bool(e, "everyone", true);
    json_begin_object(e, "sampling");
    put_sampling(e, &o->sampling);
    json_begin_array(e, "given");
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        if (o->given & 1u << i)
            json_put_text(e, NULL, sampling_fields[i].name);
    json_end(e);
    json_end(e);
    put_masks(e, o);
    put_adapters(e, o, r);
    put_router(e, o, r);
    put_values(e, "experts", o->experts, o->expert_count);
    put_knobs(e, o->knobs, router_layers);
    put_values(e, "strengths", o->strengths, o->strength_count);
    put_values(e, "softened", o->mask_penalties, o->mask_penalty_count);
    json_begin_array(e, "unmasked");
    for (int i = 0; i < o->unmasked_count; i++)
        json_put_text(e, NULL, o->unmasked[i]);
    json_end(e);
    json_put_text(e, "system", o->system);
}

/* Only when there are any: how the answers of their members become theirs. */
static void put_groups(json_writer *e, const roster *r)
{
    if (!roster_groups(r))
        return;
    json_begin_array(e, "groups");
    for (int i = 0; i < roster_groups(r); i++) {
        const seat_group *g = roster_group(r, i);
        const seat *s = roster_seat(r, roster_seats(r) + i);
        json_begin_object(e, NULL);
        json_put_text(e, "name", s->name);
        json_put_text(e, "persona", s->persona);
        json_put_text(e, "merge", merge_name(g->merge));
        json_put_int(e, "rounds", g->rounds);
        json_put_text(e, "by", g->by);
        json_begin_array(e, "members");
        for (int k = 0; k < roster_seats(r) + roster_groups(r); k++)
            if (roster_seat(r, k)->group == i && !seat_is_control(roster_seat(r, k)))
                json_put_text(e, NULL, roster_seat(r, k)->name);
        json_end(e);
        json_end(e);
    }
    json_end(e);
}

int record_groups_equal(const json *record, const roster *r, bool *equal, error *err)
{
    buf then = {0}, now = {0};
    json_writer was = {.out = &then, .err = err}, is = {.out = &now, .err = err};
    const json *groups = json_member(record, "groups");
    json_begin_object(&was, NULL);
    if (groups)
        json_put_value(&was, "groups", groups);
    json_end(&was);
    json_begin_object(&is, NULL);
    put_groups(&is, r);
    json_end(&is);
    int result = json_writer_finish(&was) || json_writer_finish(&is) ? -1 : 0;
    *equal = !result && strcmp(then.v, now.v) == 0;
    buf_release(&then);
    buf_release(&now);
    return result;
}

static void put_seats(json_writer *e, const roster *r, const struct turn *t)
{
    json_begin_array(e, "seats");
    for (int i = 0; i < roster_seats(r); i++) {
        const seat *s = roster_seat(r, i);
        char program[17];
        (void)snprintf(program, sizeof program, "%016llx",
                       (unsigned long long)(s->program ? router_program_hash(s->program) : 0));
        json_begin_object(e, NULL);
        json_put_text(e, "name", s->name);
        json_put_text(e, "persona", s->persona);
        json_put_text(e, "acts_by", s->acts_by);
        json_put_text(e, "color", s->color);
        json_put_text(e, "instruction", roster_instruction(r, i, t->prompt.v, t->prompt.len));
        json_put_text(e, "program", program);
        json_put_int(e, "asked_experts", s->asked_experts);
        json_begin_object(e, "sampling");
        put_sampling(e, &s->sampling);
        json_end(e);
        json_end(e);
    }
    json_end(e);
}

void record_setting_write(json_writer *e, const dialogue *d, const roster_options *seats,
                          const struct turn *t)
{
    engine *model = dialogue_engine(d);
    const chat_format *chat = engine_chat(model);
    put_model(e, model);
    put_tokenizer(e, model);
    json_put_text(e, "isa", backend_isa(engine_backend(model)));
    put_council(e, dialogue_settings((dialogue *)(uintptr_t)d));
    if (dialogue_settings((dialogue *)(uintptr_t)d)->mode)
        json_put_text(e, "mode", dialogue_settings((dialogue *)(uintptr_t)d)->mode);
    json_put_text(e, "chat_format", chat ? chat_name(chat) : NULL);
    json_put_text(e, "day", chat ? chat_day(chat) : NULL);
    json_begin_array(e, "template");
    const char *variable;
    for (int i = 0; chat && (variable = chat_variable(chat, i)); i++)
        json_put_text(e, NULL, variable);
    json_end(e);
    put_roster(e, seats, dialogue_roster(d), engine_config(model)->layers);
    put_seats(e, dialogue_roster(d), t);
    put_groups(e, dialogue_roster(d));
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int word_of(const json *v, const char *key, const char *const *words, int n, int *out,
                   error *err)
{
    const char *text = json_text_at(v, key);
    for (int i = 0; text && i < n; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
    return error_set(err, ERROR_LOAD, "the setting's \"%s\" is %.40s", key,
                     text ? text : "missing");
}

static int number_of(const json *v, const char *key, double min, double max, double *out,
                     error *err)
{
    int got = json_get_number(v, key, min, max, out, err);
    return got < 0 ? error_prefix(err, "the setting's ") : 0;
}

static int int_of(const json *v, const char *key, int64_t min, int64_t max, int *out, error *err)
{
    int64_t n = *out;
    int got = json_get_int(v, key, min, max, &n, err);
    *out = (int)n;
    return got < 0 ? error_prefix(err, "the setting's ") : 0;
}

static int read_sampling(const json *v, sampling *s, error *err)
{
    *s = sampling_defaults();
    if (number_of(v, "temperature", 0, HUGE_VAL, &s->temperature, err) ||
        number_of(v, "top_p", 0, 1, &s->top_p, err) ||
        int_of(v, "top_k", 0, INT32_MAX, &s->top_k, err) ||
        number_of(v, "min_p", 0, 1, &s->min_p, err) ||
        number_of(v, "repeat_penalty", 0, HUGE_VAL, &s->repeat_penalty, err) ||
        number_of(v, "presence_penalty", -HUGE_VAL, HUGE_VAL, &s->presence_penalty, err) ||
        number_of(v, "frequency_penalty", -HUGE_VAL, HUGE_VAL, &s->frequency_penalty, err) ||
        sampling_check(s, err)) {
        if (err)
            err->code = ERROR_LOAD;
        return -1;
    }
    return 0;
}

/* The list that must be there, and zeroed room for one of `size` bytes for each of its elements and one
 * more; NULL with the error. */
static void *room_for(const json *v, const char *key, size_t size, const json **list, error *err)
{
    *list = json_member(v, key);
    if (!*list || json_type(*list) != JSON_ARRAY) {
        (void)error_set(err, ERROR_LOAD, "the setting's \"%s\" is no list", key);
        return NULL;
    }
    if (json_count(*list) > LIST_MOST) {
        (void)error_set(err, ERROR_LOAD, "the setting's \"%s\" has %zu entries, at most %d can be",
                        key, json_count(*list), LIST_MOST);
        return NULL;
    }
    void *items = calloc(json_count(*list) + 1, size);
    if (!items)
        (void)error_memory(err, "a setting");
    return items;
}

static int read_texts(const json *v, const char *key, const char *const **out, int *n, error *err)
{
    const json *list;
    const char **texts = room_for(v, key, sizeof *texts, &list, err);
    if (!texts)
        return -1;
    *out = texts;
    for (const json *i = json_first(list); i; i = json_next(i)) {
        if (json_type(i) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "the setting's \"%s\" holds no text", key);
        texts[(*n)++] = json_string(i);
    }
    return 0;
}

static int read_values(const json *v, const char *key, const named_value **out, int *n, error *err)
{
    const json *list;
    named_value *values = room_for(v, key, sizeof *values, &list, err);
    if (!values)
        return -1;
    *out = values;
    for (const json *i = json_first(list); i; i = json_next(i)) {
        named_value *at = &values[(*n)++];
        at->name = json_text_at(i, "name");
        if (number_of(i, "value", 0, 1e9, &at->value, err))
            return -1;
    }
    return 0;
}

static int read_masks(const json *v, record_setting *s, error *err)
{
    const json *list;
    named_mask *masks = room_for(v, "masks", sizeof *masks, &list, err);
    if (!masks)
        return -1;
    s->roster.masks = masks;
    s->masks = calloc(json_count(list) + 1, sizeof *s->masks);
    if (!s->masks)
        return error_memory(err, "a setting");
    for (const json *i = json_first(list); i; i = json_next(i)) {
        const char *path = json_text_at(i, "path"), *hash = json_text_at(i, "hash");
        if (!path)
            return error_set(err, ERROR_LOAD, "the setting's \"masks\" names no path");
        s->masks[s->roster.mask_count] = (record_file){path, hash ? hash : ""};
        masks[s->roster.mask_count++] = (named_mask){json_text_at(i, "name"), path};
    }
    return 0;
}

static int read_adapters(const json *v, record_setting *s, error *err)
{
    roster_options *o = &s->roster;
    const json *list;
    if (!json_member(v, "adapters"))
        return 0;
    named_adapter *adapters = room_for(v, "adapters", sizeof *adapters, &list, err);
    if (!adapters)
        return -1;
    o->adapters = adapters;
    s->adapters = calloc(json_count(list) + 1, sizeof *s->adapters);
    if (!s->adapters)
        return error_memory(err, "a setting");
    for (const json *i = json_first(list); i; i = json_next(i)) {
        named_adapter *at = &adapters[o->adapter_count];
        const char *hash = json_text_at(i, "hash");
        *at = (named_adapter){json_text_at(i, "name"), json_text_at(i, "path"), 1};
        if (!at->path)
            return error_set(err, ERROR_LOAD, "the setting's \"adapters\" names no path");
        s->adapters[o->adapter_count++] = (record_file){at->path, hash ? hash : ""};
        if (number_of(i, "scale", -100, 100, &at->scale, err))
            return -1;
    }
    return 0;
}

static int read_seats(const json *v, record_setting *s, error *err)
{
    const json *list;
    s->seats = room_for(v, "seats", sizeof *s->seats, &list, err);
    if (!s->seats)
        return -1;
    for (const json *i = json_first(list); i; i = json_next(i)) {
        record_seat *at = &s->seats[s->seat_count++];
        const char *name = json_text_at(i, "name"), *program = json_text_at(i, "program");
        if (!name)
            return error_set(err, ERROR_LOAD, "the setting has a seat without a name");
        at->name = name;
        at->instruction = json_text_at(i, "instruction");
        at->program = program ? program : "";
        if (read_sampling(json_member(i, "sampling"), &at->sampling, err))
            return -1;
    }
    return 0;
}

static int read_counts(const json *list, record_setting *s, error *err)
{
    size_t n = 0;
    s->by_layer = calloc(MODEL_MAX_LAYERS, sizeof *s->by_layer);
    if (!s->by_layer)
        return error_memory(err, "a setting");
    for (const json *v = list ? json_first(list) : NULL; v; v = json_next(v), n++) {
        double x = json_type(v) == JSON_NUMBER ? json_number(v) : -1;
        if (n == MODEL_MAX_LAYERS || !(x >= 0 && x <= MODEL_MAX_EXPERTS) || x != floor(x))
            return error_set(err, ERROR_LOAD, "the setting's \"knobs\": experts_by_layer is none");
        s->by_layer[n] = (int)x;
    }
    s->knobs->experts_by_layer = s->by_layer;
    return 0;
}

static int read_knobs(const json *v, record_setting *s, error *err)
{
    const json *k = json_member(v, "knobs"), *list = k ? json_member(k, "experts_by_layer") : NULL;
    if (!k)
        return 0;
    s->knobs = calloc(1, sizeof *s->knobs);
    if (!s->knobs)
        return error_memory(err, "a setting");
    s->roster.knobs = s->knobs;
    s->knobs->tail_gain = -1;
    if (int_of(k, "norm_width", 0, MODEL_MAX_EXPERTS, &s->knobs->norm_width, err) ||
        int_of(k, "adaptive_min", -1, MODEL_MAX_EXPERTS, &s->knobs->adaptive_min, err) ||
        number_of(k, "adaptive_ratio", 0, 1, &s->knobs->adaptive_ratio, err))
        return -1;
    return list ? read_counts(list, s, err) : 0;
}

static int read_roster(const json *v, record_setting *s, error *err)
{
    roster_options *o = &s->roster;
    const char *const *given = NULL;
    int control = 0, n = 0;
    const json *asked = json_member(v, "sampling");
    int result =
        read_texts(v, "personas", &o->personas, &o->persona_count, err) ||
        word_of(v, "control", roster_controls, 4, &control, err) ||
        read_sampling(asked, &o->sampling, err) || read_texts(asked, "given", &given, &n, err) ||
        read_masks(v, s, err) || read_adapters(v, s, err) || read_knobs(v, s, err) ||
        read_values(v, "experts", &o->experts, &o->expert_count, err) ||
        read_values(v, "strengths", &o->strengths, &o->strength_count, err) ||
        read_values(v, "softened", &o->mask_penalties, &o->mask_penalty_count, err) ||
        read_texts(v, "unmasked", &o->unmasked, &o->unmasked_count, err) || read_seats(v, s, err);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < SAMPLING_FIELDS; k++)
            o->given |= strcmp(given[i], sampling_fields[k].name) == 0 ? 1u << k : 0;
    free((void *)(uintptr_t)given);
    o->control = (control_kind)control;
    o->system = json_text_at(v, "system");
    o->no_instruction = json_true(json_member(v, "no_instruction"));
    o->everyone = json_true(json_member(v, "everyone"));
    o->groups = true;
    return result ? -1 : 0;
}

static int read_council(const json *v, dialogue_options *o, error *err)
{
    council_options *c = &o->council;
    int kv = 0, prefill = 0;
    int64_t seed = 0;
    if (word_of(v, "kv", kv_names, 3, &kv, err) ||
        word_of(v, "prefill", prefills, 3, &prefill, err) ||
        int_of(v, "context", 1, 1 << 24, &c->context, err) ||
        int_of(v, "max_tokens", 1, 1 << 24, &c->max_tokens, err) ||
        int_of(v, "loop", 0, 1 << 24, &c->loop, err) ||
        int_of(v, "think", -1, 1 << 24, &c->think, err) ||
        json_get_int(v, "seed", 0, (int64_t)1 << 53, &seed, err) < 0 ||
        read_texts(v, "stops", &c->stops, &c->stop_count, err))
        return -1;
    if (c->context < 1 || c->max_tokens < 1)
        return error_set(err, ERROR_LOAD, "the setting lacks \"context\" or \"max_tokens\"");
    c->kv = kv_types[kv];
    c->prefill = (prefill_mode)prefill;
    c->raw = json_true(json_member(v, "raw"));
    o->overflow_stop = json_true(json_member(v, "overflow_stop"));
    o->seed = (uint64_t)seed;
    return 0;
}

static int read_tokenizer(const json *v, record_file *out, error *err)
{
    const json *t = json_member(v, "tokenizer");
    const char *hash = t ? json_text_at(t, "hash") : NULL;
    if (!t)
        return 0;
    *out = (record_file){json_text_at(t, "path"), hash ? hash : ""};
    return out->path ? 0 : error_set(err, ERROR_LOAD, "the setting's \"tokenizer\" names no path");
}

int record_setting_read(const json *v, record_setting *out, error *err)
{
    const json *model = json_member(v, "model");
    *out = (record_setting){.model = json_text_at(model, "path"),
                            .model_name = json_text_at(model, "name"),
                            .fingerprint = json_text_at(model, "fingerprint"),
                            .isa = json_text_at(v, "isa"),
                            .chat_format = json_text_at(v, "chat_format"),
                            .day = json_text_at(v, "day"),
                            .mode = json_text_at(v, "mode")};
    if (!out->model || !out->fingerprint || !out->isa)
        return error_set(err, ERROR_LOAD, "the setting names no model");
    /* Before there was the list, a name stood for the model's own template when that was of its kind.
     * It has the same words today. */
    bool listed = json_member(v, "template") != NULL;
    if (out->chat_format && strcmp(out->chat_format, "template") == 0)
        out->chat_format = NULL;
    out->name_is_kind = !listed;
    if (listed && read_texts(v, "template", &out->variables, &out->variable_count, err))
        return -1;
    return read_tokenizer(v, &out->tokenizer, err) || read_council(v, &out->dialogue, err) ||
                   read_roster(v, out, err)
               ? -1
               : 0;
}

static void free_list(const void *list)
{
    free((void *)(uintptr_t)list);
}

void record_setting_release(record_setting *s)
{
    free_list(s->roster.personas);
    free_list(s->roster.masks);
    free_list(s->roster.adapters);
    free_list(s->roster.experts);
    free_list(s->roster.strengths);
    free_list(s->roster.mask_penalties);
    free_list(s->roster.unmasked);
    free_list(s->dialogue.council.stops);
    free_list(s->variables);
    free(s->seats);
    free(s->masks);
    free(s->adapters);
    free(s->knobs);
    free(s->by_layer);
    *s = (record_setting){0};
}
