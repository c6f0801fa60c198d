/* mode.c - reading one mode file; mode_find.c knows where they lie.
 *
 * The same manners as persona.c: a fixed set of fields at the root and in each object below it, a
 * member that is none of them is an error, values are copied out and the document is closed. A mode
 * names personas and words but no file, so there is nothing that it could reach.
 */
#include "mode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json.h"
#include "../../engine/base/ranges.h"
#include "../merge/merge.h"
#include "../roster/persona.h"

enum { MODE_BYTES = 1 << 20, TOKENS_MOST = 1 << 24 };

/* ---- knobs ------------------------------------------------------------------------------------- */

/* 8, or "1.5x" of what the model calls by itself. */
static int read_count(const json *object, const char *field, mode_count *out, error *err)
{
    const json *v = json_member(object, field);
    char *end = NULL;
    if (v && json_type(v) == JSON_STRING) {
        const char *text = json_string(v);
        double x = strspn(text, ".0123456789") ? strtod(text, &end) : 0;
        if (!end || strcmp(end, "x") != 0 || !(x > 0 && x <= 64))
            return error_set(err, ERROR_LOAD, "%s: \"%.20s\" is no multiple like \"0.5x\"", field,
                             text);
        *out = (mode_count){x, true};
        return 0;
    }
    int64_t n = 0;
    int found = json_get_int(object, field, 1, MODEL_MAX_EXPERTS, &n, err);
    if (found == 1)
        *out = (mode_count){(double)n, false};
    return found < 0 ? -1 : 0;
}

/* A layer stands in one list alone. */
static int join_layers(uint8_t *all, const uint8_t *more, error *err)
{
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) {
        if (all[i] && more[i])
            return error_set(err, ERROR_LOAD, "layer %d stands twice", i);
        all[i] |= more[i];
    }
    return 0;
}

/* {"0-9": 2, "10-29": "0.5x"} */
static int read_layers(const json *object, char **out, error *err)
{
    uint8_t all[MODEL_MAX_LAYERS] = {0};
    const json *list = NULL;
    buf text = {0};
    int found = json_get_object(object, "layers", &list, err), result = 0;
    if (found != 1)
        return found;
    for (const json *v = json_first(list); v && !result; v = json_next(v)) {
        uint8_t set[MODEL_MAX_LAYERS] = {0};
        mode_count n = {0};
        result = read_count(list, json_key(v), &n, err) ||
                 ranges_read(json_key(v), "layer", MODEL_MAX_LAYERS, set, err) ||
                 join_layers(all, set, err) ||
                 buf_format(&text, err, n.times ? "%s%gx@%s" : "%s%g@%s", text.len ? "+" : "",
                            n.value, json_key(v));
    }
    if (!result && !text.len)
        result = error_set(err, ERROR_LOAD, "name at least one layer, as {\"0-9\": 2}");
    *out = result ? NULL : buf_detach(&text);
    buf_release(&text);
    return result ? error_prefix(err, "layers: ") : 0;
}

static int read_adaptive(const json *object, mode_knobs *k, error *err)
{
    static const char *const known[] = {"min", "ratio"};
    const json *a = NULL;
    int64_t min = 0;
    int found = json_get_object(object, "adaptive", &a, err);
    if (found != 1)
        return found;
    if (json_check_members(a, known, 2, err) ||
        json_get_int(a, "min", 1, MODEL_MAX_EXPERTS, &min, err) < 0)
        return error_prefix(err, "adaptive: ");
    found = json_get_number(a, "ratio", 0, 1, &k->adaptive_ratio, err);
    if (found < 0)
        return error_prefix(err, "adaptive: ");
    if (!min || !found)
        return error_set(err, ERROR_LOAD, "adaptive: needs both min and ratio");
    k->adaptive_min = (int)min;
    return 0;
}

/* true, false, or the most tokens of a thought. */
static int read_thinking(const json *object, int *out, error *err)
{
    const json *v = json_member(object, "thinking");
    int64_t n = 0;
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    if (json_type(v) == JSON_BOOL) {
        *out = json_true(v) ? -1 : 0;
        return 0;
    }
    if (json_type(v) != JSON_NUMBER)
        return error_set(err, ERROR_LOAD, "thinking: true, false or a number of tokens");
    if (json_get_int(object, "thinking", 1, 1 << 20, &n, err) < 0)
        return -1;
    *out = (int)n;
    return 0;
}

static int read_tokens(const json *object, const char *field, int *out, error *err)
{
    int64_t n = *out;
    if (json_get_int(object, field, 1, TOKENS_MOST, &n, err) < 0)
        return -1;
    *out = (int)n;
    return 0;
}

static int read_knobs(const json *object, mode_knobs *k, error *err)
{
    if (read_count(object, "experts", &k->experts, err) || read_layers(object, &k->layers, err) ||
        read_count(object, "norm_width", &k->norm_width, err) || read_adaptive(object, k, err) ||
        read_thinking(object, &k->thinking, err) ||
        read_tokens(object, "context", &k->context, err))
        return -1;
    return read_tokens(object, "budget", &k->budget, err);
}

static int read_depth(mode_file *m, const json *root, guess_depth depth, error *err)
{
    static const char *const known[] = {"experts",  "layers",  "norm_width", "adaptive",
                                        "thinking", "context", "budget"};
    const json *object = NULL;
    int found = json_get_object(root, guess_depths[depth], &object, err);
    if (found != 1)
        return found;
    if (json_check_members(object, known, sizeof known / sizeof *known, err) ||
        read_knobs(object, &m->knobs[depth], err))
        return error_prefix(err, "%s: ", guess_depths[depth]);
    return 0;
}

/* ---- sampling ---------------------------------------------------------------------------------- */

static int read_sampling(mode_file *m, const json *root, error *err)
{
    const char *known[SAMPLING_FIELDS];
    const json *s = NULL;
    int found = json_get_object(root, "sampling", &s, err);
    m->sampling = sampling_defaults();
    if (found != 1)
        return found;
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        known[i] = sampling_fields[i].name;
    if (json_check_members(s, known, SAMPLING_FIELDS, err))
        return error_prefix(err, "sampling: ");
    for (int i = 0; i < SAMPLING_FIELDS; i++) {
        const sampling_field *f = &sampling_fields[i];
        double value = sampling_get(&m->sampling, f);
        found = json_get_number(s, f->name, -1e9, 1e9, &value, err);
        if (found < 0)
            return error_prefix(err, "sampling: ");
        if (f->whole && floor(value) < value)
            return error_set(err, ERROR_LOAD, "sampling: %s: must be a whole number", f->name);
        sampling_put(&m->sampling, f, value);
        m->given |= found ? 1u << i : 0;
    }
    if (!sampling_check(&m->sampling, err))
        return 0;
    if (err)
        err->code = ERROR_LOAD;
    return error_prefix(err, "sampling: ");
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_name(mode_file *m, const json *root, error *err)
{
    if (json_get_copy(root, "name", &m->name, err) < 0 ||
        json_get_copy(root, "about", &m->about, err) < 0)
        return -1;
    if (!m->name)
        return error_set(err, ERROR_LOAD, "name: missing");
    if (!persona_name_ok(m->name) || strcmp(m->name, "auto") == 0 || strcmp(m->name, "off") == 0)
        return error_set(err, ERROR_LOAD,
                         "name: \"%.64s\" must be 1 to 64 of A-Z a-z 0-9 _ - and not reserved",
                         m->name);
    return 0;
}

static int read_speakers(mode_file *m, const json *root, error *err)
{
    merge_method method;
    int rounds = 0;
    if (sign_names_read(root, "personas", &m->personas, &m->persona_count, err) ||
        json_get_copy(root, "merge", &m->merge, err) < 0)
        return -1;
    for (int i = 0; i < m->persona_count; i++)
        if (!persona_name_ok(m->personas[i]))
            return error_set(err, ERROR_LOAD, "personas: \"%.64s\" is no persona's name",
                             m->personas[i]);
    if (!m->merge || !merge_parse(m->merge, &method, &rounds, err))
        return 0;
    if (err)
        err->code = ERROR_LOAD;
    return -1;
}

static int read_mode(mode_file *m, const json *root, error *err)
{
    static const char *const known[] = {"mode",     "name",     "about",   "personas",
                                        "merge",    "layers",   "experts", "norm_width",
                                        "adaptive", "thinking", "context", "budget",
                                        "sampling", "fast",     "deep",    "auto"};
    int64_t version = 0;
    if (json_type(root) != JSON_OBJECT || json_get_int(root, "mode", 1, 1, &version, err) != 1)
        return error_set(err, ERROR_LOAD, "not a mode file: it must say \"mode\": 1");
    for (int i = 0; i < DEPTHS; i++)
        m->knobs[i].thinking = MODE_UNSAID;
    if (json_check_members(root, known, sizeof known / sizeof *known, err) ||
        read_name(m, root, err) || read_speakers(m, root, err) || read_sampling(m, root, err) ||
        read_knobs(root, &m->knobs[DEPTH_USUAL], err) || read_depth(m, root, DEPTH_FAST, err) ||
        read_depth(m, root, DEPTH_DEEP, err))
        return -1;
    return signs_read(root, &m->signs, err) < 0 ? -1 : 0;
}

mode_file *mode_load(const char *path, error *err)
{
    json_document *document = json_load(path, MODE_BYTES, err);
    mode_file *m = document ? calloc(1, sizeof *m) : NULL;
    if (!document)
        return NULL;
    if (m)
        m->path = strdup(path);
    if (!m || !m->path) {
        error_memory(err, "a mode");
    } else if (read_mode(m, json_root(document), err)) {
        error_prefix(err, "%s: ", path);
    } else {
        json_close(document);
        return m;
    }
    mode_close(m);
    json_close(document);
    return NULL;
}

void mode_close(mode_file *m)
{
    if (!m)
        return;
    free(m->name);
    free(m->about);
    free(m->path);
    free(m->merge);
    for (int i = 0; i < DEPTHS; i++)
        free(m->knobs[i].layers);
    sign_names_free(m->personas, m->persona_count);
    signs_release(&m->signs);
    free(m);
}

mode_knobs mode_at(const mode_file *m, guess_depth depth)
{
    mode_knobs k = m->knobs[DEPTH_USUAL];
    const mode_knobs *d = &m->knobs[depth];
    if (d->experts.value > 0)
        k.experts = d->experts;
    if (d->norm_width.value > 0)
        k.norm_width = d->norm_width;
    k.layers = d->layers ? d->layers : k.layers;
    if (d->adaptive_min) {
        k.adaptive_min = d->adaptive_min;
        k.adaptive_ratio = d->adaptive_ratio;
    }
    if (d->thinking != MODE_UNSAID)
        k.thinking = d->thinking;
    k.context = d->context ? d->context : k.context;
    k.budget = d->budget ? d->budget : k.budget;
    return k;
}
