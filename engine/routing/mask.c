/* mask.c - see mask.h.
 *
 * Loading checks all that can be checked without a model: mode, fingerprint, that every member
 * of "layers" is of the kind its mode asks, that numbers of layers and experts could exist. The
 * parsed document is kept, and applying walks its "layers" object: for each member the range of
 * layers in its key is read again, then what it says about experts is written into the tables
 * of every layer in it. Only here is it known how many layers and experts there are, so only
 * here is one that the model lacks refused, and a layer that two members name.
 */
#include "mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/json.h"
#include "../base/ranges.h"

enum { MASK_BYTES = 64 << 20, FINGERPRINT_DIGITS = 64 };
static const double BIAS_LIMIT = 1e6; /* beyond it a bias is a mistake */

struct mask {
    json_document *document;
    const json *layers;
    const char *model;
    mask_mode mode;
    char *path;
};

/* ---- loading ----------------------------------------------------------------------------------- */

static int read_mode(const json *root, mask_mode *mode, error *err)
{
    static const char *const names[] = {"keep", "ban", "bias"};
    const char *text = NULL;
    int found = json_get_string(root, "mode", &text, err);
    if (found < 0)
        return -1;
    for (int i = 0; found && i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *mode = (mask_mode)i;
            return 0;
        }
    }
    return error_set(err, ERROR_LOAD, "mode: \"%.40s\" is none of keep, ban, bias",
                     found ? text : "");
}

static int read_model(const json *root, const char **model, error *err)
{
    if (json_get_string(root, "model", model, err) < 0)
        return -1;
    if (*model && (strlen(*model) != FINGERPRINT_DIGITS ||
                   strspn(*model, "0123456789abcdef") != FINGERPRINT_DIGITS))
        return error_set(err, ERROR_LOAD, "model: not a fingerprint of 64 hex digits");
    return 0;
}

static int check_bias(const json *value, error *err)
{
    if (json_type(value) != JSON_NUMBER || !(fabs(json_number(value)) <= BIAS_LIMIT))
        return error_set(err, ERROR_LOAD, "expert \"%.40s\": a bias is a number from -1e6 to 1e6",
                         json_key(value));
    return 0;
}

/* One member of "layers" must be of the kind its mode asks, whatever the model. */
static int check_layer(const mask *m, const json *layer, uint8_t *scratch, error *err)
{
    if (m->mode != MASK_BIAS) {
        if (json_type(layer) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "the experts of a %s mask are a text like \"0-63\"",
                             m->mode == MASK_KEEP ? "keep" : "ban");
        return ranges_read(json_string(layer), "expert", MODEL_MAX_EXPERTS, scratch, err);
    }
    if (json_type(layer) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD,
                         "the experts of a bias mask are an object like {\"77\":1.5}");
    for (const json *e = json_first(layer); e; e = json_next(e))
        if (ranges_read(json_key(e), "expert", MODEL_MAX_EXPERTS, scratch, err) ||
            check_bias(e, err))
            return -1;
    return 0;
}

static int check_layers(const mask *m, error *err)
{
    uint8_t scratch[MODEL_MAX_EXPERTS > MODEL_MAX_LAYERS ? MODEL_MAX_EXPERTS : MODEL_MAX_LAYERS];
    for (const json *layer = json_first(m->layers); layer; layer = json_next(layer)) {
        if (ranges_read(json_key(layer), "layer", MODEL_MAX_LAYERS, scratch, err))
            return error_prefix(err, "layers: "); /* the sentence quotes the key */
        if (check_layer(m, layer, scratch, err))
            return error_prefix(err, "layers \"%.40s\": ", json_key(layer));
    }
    return 0;
}

static int read_fields(mask *m, error *err)
{
    const json *root = json_root(m->document);
    int64_t version = 0;
    if (json_type(root) != JSON_OBJECT || json_get_int(root, "mask", 1, 1, &version, err) != 1)
        return error_set(err, ERROR_LOAD, "not a mask file: it must start with \"mask\": 1");
    if (read_mode(root, &m->mode, err) || read_model(root, &m->model, err))
        return -1;
    int found = json_get_object(root, "layers", &m->layers, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "layers: missing");
    return found < 0 ? -1 : check_layers(m, err);
}

/* Takes the document. */
static mask *mask_open(const char *where, json_document *document, error *err)
{
    if (!document)
        return NULL;
    mask *m = calloc(1, sizeof *m);
    if (m) {
        m->document = document;
        m->path = strdup(where);
    } else {
        json_close(document);
    }
    if (!m || !m->path) {
        mask_close(m);
        error_memory(err, "a mask");
        return NULL;
    }
    if (read_fields(m, err)) {
        error_prefix(err, "%s: ", where);
        mask_close(m);
        return NULL;
    }
    return m;
}

mask *mask_load(const char *path, error *err)
{
    return mask_open(path, json_load(path, MASK_BYTES, err), err);
}

mask *mask_read(const char *where, const char *text, size_t len, error *err)
{
    return mask_open(where, json_parse(where, text, len, err), err);
}

void mask_close(mask *m)
{
    if (!m)
        return;
    json_close(m->document);
    free(m->path);
    free(m);
}

mask_mode mask_kind(const mask *m)
{
    return m->mode;
}

const char *mask_path(const mask *m)
{
    return m->path;
}

/* ---- applying ---------------------------------------------------------------------------------- */

typedef struct application {
    const mask *mask;
    const model_config *model;
    mask_tables *tables;
    int row;                            /* experts in a row of the tables */
    uint8_t layers[MODEL_MAX_LAYERS];   /* of the member at hand */
    uint8_t seen[MODEL_MAX_LAYERS];     /* named by an earlier member */
    uint8_t experts[MODEL_MAX_EXPERTS]; /* scratch */
} application;

static int read_experts(application *a, const char *list, error *err)
{
    memset(a->experts, 0, (size_t)a->row);
    return ranges_read(list, "expert", a->row, a->experts, err);
}

/* The first expert from `first` on that the list at hand names, or -1. */
static int named_from(const application *a, int first)
{
    for (int e = first; e < a->row; e++)
        if (a->experts[e])
            return e;
    return -1;
}

static void apply_list(application *a, int layer)
{
    size_t at = (size_t)layer * (size_t)a->row;
    bool keep = a->mask->mode == MASK_KEEP;
    int end = keep && named_from(a, a->model->experts) < 0 ? a->model->experts : a->row;
    for (int e = 0; e < end; e++) {
        if (keep && a->experts[e])
            a->tables->named[at + (size_t)e] = 1;
        if ((bool)a->experts[e] != keep)
            a->tables->allowed[at + (size_t)e] = 0;
    }
}

static void apply_bias(application *a, int layer, float bias)
{
    size_t at = (size_t)layer * (size_t)a->row;
    for (int e = 0; e < a->row; e++) {
        if (a->experts[e]) {
            a->tables->named[at + (size_t)e] = 1;
            a->tables->bias[at + (size_t)e] += bias;
        }
    }
}

/* Does one thing to every routed layer that the member at hand names. */
static int apply_to_layers(application *a, bool listed, float bias, error *err)
{
    for (int i = 0; i < a->model->layers; i++) {
        if (!a->layers[i] || !a->model->moe_layer[i])
            continue;
        int added = a->tables->added ? a->tables->added[i] : 0;
        int beyond = named_from(a, a->model->experts + added);
        if (beyond >= 0)
            return error_set(err, ERROR_LOAD, "layer %d has no expert %d", i, beyond);
        if (listed)
            apply_list(a, i);
        else
            apply_bias(a, i, bias);
    }
    return 0;
}

static int read_layers(application *a, const json *member, error *err)
{
    memset(a->layers, 0, sizeof a->layers);
    return ranges_read(json_key(member), "layer", a->model->layers, a->layers, err);
}

static int apply_member(application *a, const json *member, error *err)
{
    for (int i = 0; i < a->model->layers; i++) {
        if (a->layers[i] && a->seen[i])
            return error_set(err, ERROR_LOAD, "layer %d is named twice", i);
        a->seen[i] |= a->layers[i];
    }
    if (a->mask->mode != MASK_BIAS) {
        if (read_experts(a, json_string(member), err))
            return -1;
        return apply_to_layers(a, true, 0, err);
    }
    for (const json *e = json_first(member); e; e = json_next(e)) {
        if (read_experts(a, json_key(e), err) ||
            apply_to_layers(a, false, (float)json_number(e), err))
            return -1;
    }
    return 0;
}

int mask_apply(const mask *m, const model_config *model, const char *fingerprint,
               mask_tables *tables, error *err)
{
    if (fingerprint && m->model && strcmp(fingerprint, m->model) != 0)
        return error_set(err, ERROR_LOAD, "%s: made for model %.16s, this model is %.16s", m->path,
                         m->model, fingerprint);
    application a = {
        .mask = m, .model = model, .tables = tables, .row = model->experts + tables->most_added};
    for (const json *member = json_first(m->layers); member; member = json_next(member)) {
        if (read_layers(&a, member, err))
            return error_prefix(err, "%s: layers: ", m->path);
        if (apply_member(&a, member, err))
            return error_prefix(err, "%s: layers \"%.40s\": ", m->path, json_key(member));
    }
    return 0;
}
