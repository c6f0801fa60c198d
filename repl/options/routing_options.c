/* routing_options.c - see routing_options.h.
 *
 * Masks and adapters come one a word, "[NAME=]FILE"; experts and strengths all in one, "NAME=X,NAME=X". Each
 * text is copied once and cut in place, and the lists point into the copies. What the values
 * mean for a seat is the roster's.
 */
#include "routing_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/ranges.h"

/* A copy of all words behind each other, cut where "NAME=" ends when a persona's name stands there.
 * *at: the copies, [given->len, 2]: name or NULL, and the rest. Both are the caller's. */
static int split_words(const texts *given, char **text, char *(**at)[2], error *err)
{
    size_t bytes = 1;
    for (size_t i = 0; i < given->len; i++)
        bytes += strlen(given->v[i]) + 1;
    *text = malloc(bytes);
    *at = calloc(given->len + 1, sizeof **at);
    if (!*text || !*at)
        return error_memory(err, "the command line");
    char *word = *text;
    for (size_t i = 0; i < given->len; i++) {
        strcpy(word, given->v[i]);
        char *equals = strchr(word, '=');
        if (equals)
            *equals = '\0';
        bool named = equals && persona_name_ok(word);
        if (equals && !named)
            *equals = '=';
        (*at)[i][0] = named ? word : NULL;
        (*at)[i][1] = named ? equals + 1 : word;
        word += strlen(given->v[i]) + 1;
    }
    return 0;
}

static int read_masks(routing_options *r, const texts *given, error *err)
{
    char *(*words)[2] = NULL;
    r->masks = calloc(given->len + 1, sizeof *r->masks);
    int result = split_words(given, &r->mask_text, &words, err);
    if (!result && !r->masks)
        result = error_memory(err, "the masks");
    for (size_t i = 0; i < given->len && !result; i++)
        r->masks[r->mask_count++] = (named_mask){words[i][0], words[i][1]};
    free(words);
    return result;
}

/* Cuts ":SCALE" off a file's name: what stands behind its last colon, if that is a number. */
static double cut_scale(char *file)
{
    char *colon = strrchr(file, ':'), *end = colon;
    double scale = colon ? strtod(colon + 1, &end) : 1;
    bool number = colon && colon[1] && strspn(colon + 1, "-.0123456789") == strlen(colon + 1);
    if (!number || *end)
        return 1;
    *colon = '\0';
    return scale;
}

static int read_adapters(routing_options *r, const texts *given, error *err)
{
    char *(*words)[2] = NULL;
    r->adapters = calloc(given->len + 1, sizeof *r->adapters);
    int result = split_words(given, &r->adapter_text, &words, err);
    if (!result && !r->adapters)
        result = error_memory(err, "the adapters");
    for (size_t i = 0; i < given->len && !result; i++) {
        double scale = cut_scale(words[i][1]);
        r->adapters[r->adapter_count++] = (named_adapter){words[i][0], words[i][1], scale};
    }
    free(words);
    return result;
}

typedef struct number_rule {
    const char *option;
    double min, max;
    bool whole;
} number_rule;

static int read_value(const number_rule *rule, const char *text, double *out, error *err)
{
    const char *letters = rule->whole ? "0123456789" : ".0123456789";
    char *end;
    *out = strtod(text, &end);
    bool number = *text && strspn(text, letters) == strlen(text) && !*end;
    if (number && *out >= rule->min && *out <= rule->max)
        return 0;
    return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is no %snumber in %g..%g", rule->option,
                     text, rule->whole ? "whole " : "", rule->min, rule->max);
}

/* 8, or 0.5x: minus a half. */
static int read_experts(const number_rule *rule, char *text, double *out, error *err)
{
    size_t n = strlen(text);
    char *end = NULL;
    if (n < 2 || text[n - 1] != 'x')
        return read_value(rule, text, out, err);
    bool number = strspn(text, ".0123456789") == n - 1;
    *out = number ? -strtod(text, &end) : 0;
    if (number && end == text + n - 1 && *out < 0 && *out >= -64)
        return 0;
    return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is no multiple above 0x and at most 64x",
                     rule->option, text);
}

/* "VALUE" or "NAME=VALUE,NAME=VALUE". *text keeps the names. */
static int read_named(const number_rule *rule, const char *given, char **text, named_value **list,
                      int *count, error *err)
{
    if (!given)
        return 0;
    *text = strdup(given);
    *list = calloc(strlen(given) / 2 + 1, sizeof **list);
    if (!*text || !*list)
        return error_memory(err, "the command line");
    for (char *item = *text, *comma; item; item = comma ? comma + 1 : NULL) {
        comma = strchr(item, ',');
        if (comma)
            *comma = '\0';
        named_value *v = &(*list)[(*count)++];
        char *equals = strchr(item, '=');
        if (equals) {
            *equals = '\0';
            v->name = item;
        }
        char *number = equals ? equals + 1 : item;
        if (rule->whole ? read_experts(rule, number, &v->value, err)
                        : read_value(rule, number, &v->value, err))
            return -1;
    }
    return 0;
}

/* Room for knobs, none of them turned. */
static int turn_knob(routing_options *r, error *err)
{
    if (r->knobs)
        return 0;
    r->knobs = calloc(1, sizeof *r->knobs);
    if (!r->knobs)
        return error_memory(err, "the command line");
    r->knobs->tail_gain = -1;
    return 0;
}

/* "2@0-9": so many experts in these layers. */
static int read_layers(routing_options *r, const number_rule *rule, char *part, char *layers,
                       error *err)
{
    uint8_t set[MODEL_MAX_LAYERS] = {0};
    double n = 0;
    *layers++ = '\0';
    if (read_experts(rule, part, &n, err))
        return -1;
    if (ranges_read(layers, "layer", MODEL_MAX_LAYERS, set, err)) {
        err->code = err->code == ERROR_LOAD ? ERROR_USAGE : err->code;
        return error_prefix(err, "--%s: ", rule->option);
    }
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) {
        if (!set[i])
            continue;
        if (r->by_layer[i])
            return error_set(err, ERROR_USAGE, "--%s: layer %d stands twice", rule->option, i);
        r->by_layer[i] = (int)(n < 0 ? n * 1000 : n);
        r->knobs->last_layer = i > r->knobs->last_layer ? i : r->knobs->last_layer;
    }
    return 0;
}

/* "2@0-9+8@10-29", "6+2@0-9": parts with layers are for every pass; *rest: the others, to be freed. */
static int read_by_layer(routing_options *r, const number_rule *rule, const char *given,
                         char **rest, error *err)
{
    char *text = strdup(given), *next = text;
    size_t n = 0;
    *rest = calloc(strlen(given) + 1, 1);
    r->by_layer = calloc(MODEL_MAX_LAYERS, sizeof *r->by_layer);
    r->called_by_layer = calloc(MODEL_MAX_LAYERS, sizeof *r->called_by_layer);
    bool room = text && *rest && r->by_layer && r->called_by_layer;
    int result = room ? turn_knob(r, err) : error_memory(err, "the command line");
    for (char *part; !result && (part = strsep(&next, "+")) != NULL;) {
        char *at = strchr(part, '@');
        if (at)
            result = read_layers(r, rule, part, at, err);
        else
            n += (size_t)sprintf(*rest + n, "%s%s", n ? "+" : "", part);
    }
    free(text);
    return result;
}

static int read_counts(routing_options *r, const char *given, error *err)
{
    static const number_rule rule = {"experts", 1, MODEL_MAX_EXPERTS, true};
    char *rest = NULL;
    bool layered = given && strchr(given, '@');
    int result = layered ? read_by_layer(r, &rule, given, &rest, err) : 0;
    if (!result)
        result = read_named(&rule,
                            !layered ? given
                            : *rest  ? rest
                                     : NULL,
                            &r->expert_text, &r->experts, &r->expert_count, err);
    free(rest);
    if (!result && !(r->called = calloc((size_t)r->expert_count + 1, sizeof *r->called)))
        result = error_memory(err, "the command line");
    return result;
}

/* N, or 1x; an int: minus the multiple, in thousandths. */
static int read_norm_width(routing_options *r, const char *text, error *err)
{
    static const number_rule rule = {"norm-width", 1, MODEL_MAX_EXPERTS, true};
    double n = 0;
    char copy[24] = "";
    if (!text)
        return 0;
    strncpy(copy, text, sizeof copy - 1);
    if (strlen(text) >= sizeof copy || read_experts(&rule, copy, &n, err))
        return strlen(text) < sizeof copy ? -1
                                          : error_set(err, ERROR_USAGE, "--norm-width: too long");
    if (turn_knob(r, err))
        return -1;
    r->norm_width = (int)(n < 0 ? n * 1000 : n);
    return 0;
}

/* MIN:RATIO */
static int read_adaptive(routing_options *r, const char *text, error *err)
{
    char *end = NULL;
    if (!text)
        return 0;
    long min = strspn(text, "0123456789") && strlen(text) < 24 ? strtol(text, &end, 10) : 0;
    const char *ratio = end && *end == ':' ? end + 1 : "";
    double x = *ratio && strspn(ratio, ".0123456789") == strlen(ratio) ? strtod(ratio, &end) : -1;
    if (min < 1 || min > MODEL_MAX_EXPERTS || !(x >= 0 && x <= 1) || *end)
        return error_set(
            err, ERROR_USAGE,
            "--adaptive: \"%.40s\" is not MIN:RATIO, as 2:0.25; MIN from 1, RATIO from 0 "
            "to 1",
            text);
    if (turn_knob(r, err))
        return -1;
    r->knobs->adaptive_min = (int)min;
    r->knobs->adaptive_ratio = x;
    return 0;
}

int routing_options_read(routing_options *r, const options *opt, error *err)
{
    static const number_rule strength = {"strength", 0, 4, false};
    *r = (routing_options){.router = opt->router};
    if (read_norm_width(r, opt->norm_width, err) || read_adaptive(r, opt->adaptive, err))
        return -1;
    if (read_masks(r, &opt->masks, err) || read_adapters(r, &opt->adapters, err) ||
        read_counts(r, opt->named_experts, err))
        return -1;
    return read_named(&strength, opt->named_strengths, &r->strength_text, &r->strengths,
                      &r->strength_count, err);
}

void routing_options_release(routing_options *r)
{
    free(r->masks);
    free(r->adapters);
    free(r->experts);
    free(r->strengths);
    free(r->mask_text);
    free(r->adapter_text);
    free(r->expert_text);
    free(r->strength_text);
    free(r->knobs);
    free(r->by_layer);
    free(r->called);
    free(r->called_by_layer);
    *r = (routing_options){0};
}

static void forget_value(named_value *v, int *count, const char *name)
{
    int n = 0;
    for (int i = 0; i < *count; i++)
        if (!v[i].name || strcmp(v[i].name, name) != 0)
            v[n++] = v[i];
    *count = n;
}

void routing_options_remove(routing_options *r, const char *name)
{
    int n = 0;
    for (int i = 0; i < r->mask_count; i++)
        if (!r->masks[i].name || strcmp(r->masks[i].name, name) != 0)
            r->masks[n++] = r->masks[i];
    r->mask_count = n;
    n = 0;
    for (int i = 0; i < r->adapter_count; i++)
        if (!r->adapters[i].name || strcmp(r->adapters[i].name, name) != 0)
            r->adapters[n++] = r->adapters[i];
    r->adapter_count = n;
    forget_value(r->experts, &r->expert_count, name);
    forget_value(r->strengths, &r->strength_count, name);
}

/* x: a number, or minus a multiple. */
static double number_of(double x, const model_config *m)
{
    double n = floor(-x * m->experts_per_token + 0.5);
    if (x >= 0)
        return x;
    return n < 1 ? 1 : n > m->experts && m->experts ? m->experts : n;
}

/* In thousandths when it is a multiple. */
static int whole_of(int x, const model_config *m)
{
    return x < 0 ? (int)number_of(x / 1000.0, m) : x;
}

/* What is called, and the most of it: a width that is a multiple is never narrower. */
static int fill_counts(const routing_options *r, const model_config *m)
{
    double most = m->experts_per_token;
    for (int i = 0; i < r->expert_count; i++) {
        r->called[i] = (named_value){r->experts[i].name, number_of(r->experts[i].value, m)};
        most = r->called[i].value > most ? r->called[i].value : most;
    }
    for (int i = 0; r->by_layer && i < m->layers; i++) {
        r->called_by_layer[i] = whole_of(r->by_layer[i], m);
        most = r->called_by_layer[i] > most ? r->called_by_layer[i] : most;
    }
    return (int)most;
}

void routing_options_fill(const routing_options *r, const model_config *m, roster_options *o)
{
    int most = fill_counts(r, m), width = whole_of(r->norm_width, m);
    if (r->knobs) {
        r->knobs->norm_width = r->norm_width < 0 && width < most ? most : width;
        r->knobs->experts_by_layer = r->called_by_layer;
    }
    o->masks = r->masks;
    o->mask_count = r->mask_count;
    o->adapters = r->adapters;
    o->adapter_count = r->adapter_count;
    o->experts = r->called;
    o->expert_count = r->expert_count;
    o->strengths = r->strengths;
    o->strength_count = r->strength_count;
    o->knobs = r->knobs;
    o->router = r->router;
}

/* ---- one pass ---------------------------------------------------------------------------------- */

int routing_options_check(const options *opt, error *err)
{
    routing_options r = {0};
    if (opt->personas && strchr(opt->personas, ','))
        return error_set(err, ERROR_USAGE, "--personas: %s runs one persona, not \"%.64s\"",
                         opt->command->name, opt->personas);
    int result = routing_options_read(&r, opt, err);
    routing_options_release(&r);
    return result;
}

roster *routing_options_seat(const options *opt, engine *e, console *con, error *err)
{
    routing_options r = {0};
    roster *one = NULL;
    roster_options o = {.personas = &opt->personas,
                        .persona_count = opt->personas ? 1 : 0,
                        .no_instruction = true,
                        .sampling = sampling_defaults()};
    if (routing_options_read(&r, opt, err) == 0) {
        routing_options_fill(&r, engine_config(e), &o);
        one = roster_open(e, &o, console_sentence, con, err);
    }
    routing_options_release(&r);
    return one;
}
