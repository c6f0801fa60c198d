/* verifier.c - see verifier.h. */
#include "verifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/mapped_file.h"

/* No weight or scale that training can give is larger. */
static const double LARGE = 1e6;
enum { FORM = 1 };

struct verifier {
    verifier_content is;
    int order[VOTE_FEATURES]; /* [used] features in the order of the file */
    int used;
    uint64_t hash;
    char basis[VERIFIER_BASIS];
};

/* ---- reading ----------------------------------------------------------------------------------- */

static int feature_of(const char *name)
{
    for (int f = 0; f < VOTE_FEATURES; f++)
        if (strcmp(vote_feature_name(f), name) == 0)
            return f;
    return -1;
}

static int read_feature(const json *i, verifier *v, error *err)
{
    static const char *const known[] = {"name", "scale", "weight"};
    char name[32];
    if (json_type(i) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "must be an object");
    if (json_check_members(i, known, 3, err) || model_file_text(i, "name", name, sizeof name, err))
        return -1;
    int f = feature_of(name);
    if (f < 0)
        return error_set(err, ERROR_LOAD, "\"%s\": this program knows no such feature", name);
    if (v->is.scale[f] > 0)
        return error_set(err, ERROR_LOAD, "\"%s\": stands there twice", name);
    if (model_file_number(i, "scale", 1e-9, LARGE, &v->is.scale[f], err) ||
        model_file_number(i, "weight", -LARGE, LARGE, &v->is.weight[f], err))
        return -1;
    v->order[v->used++] = f;
    return 0;
}

static int read_features(const json *root, verifier *v, error *err)
{
    const json *list = NULL;
    if (json_get_array(root, "features", &list, err) < 0)
        return -1;
    if (!list || !json_first(list))
        return error_set(err, ERROR_LOAD, "features: missing");
    int at = 0;
    for (const json *i = json_first(list); i; i = json_next(i), at++)
        if (read_feature(i, v, err))
            return error_prefix(err, "features[%d]: ", at);
    return 0;
}

static int read_figures(const json *v, verifier_figures *g, error *err)
{
    static const char *const known[] = {"questions", "told", "right", "blind",
                                        "best",      "any",  "low",   "high"};
    return json_check_members(v, known, 8, err) ||
                   model_file_int(v, "questions", 1 << 24, &g->questions, err) ||
                   model_file_int(v, "told", 1 << 24, &g->told, err) ||
                   model_file_number(v, "right", 0, 1, &g->right, err) ||
                   model_file_number(v, "blind", 0, 1, &g->blind, err) ||
                   model_file_number(v, "best", 0, 1, &g->best, err) ||
                   model_file_number(v, "any", 0, 1, &g->any, err) ||
                   model_file_number(v, "low", -1, 1, &g->low, err) ||
                   model_file_number(v, "high", -1, 1, &g->high, err)
               ? -1
               : 0;
}

static int fill(verifier *v, const json *root, error *err)
{
    static const char *const known[] = {"verifier", "model",   "features",
                                        "penalty",  "figures", "learned_from"};
    const json *figures = NULL;
    int form = 0;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is no verifier: must be an object");
    if (json_check_members(root, known, 6, err) ||
        model_file_int(root, "verifier", 1 << 20, &form, err))
        return -1;
    if (form != FORM)
        return error_set(err, ERROR_LOAD, "verifier: form %d; this program reads form %d", form,
                         FORM);
    if (model_identity_read(root, &v->is.model, err) ||
        model_file_object(root, "figures", &figures, err))
        return -1;
    if (read_figures(figures, &v->is.figures, err))
        return error_prefix(err, "figures: ");
    return read_features(root, v, err) ||
                   model_file_number(root, "penalty", 0, LARGE, &v->is.penalty, err) ||
                   model_file_hash(root, "learned_from", &v->is.learned_from, err)
               ? -1
               : 0;
}

static verifier *made_of(const json *root, uint64_t hash, error *err)
{
    verifier *v = calloc(1, sizeof *v);
    if (!v) {
        (void)error_memory(err, "the verifier");
        return NULL;
    }
    v->hash = hash;
    if (fill(v, root, err)) {
        free(v);
        return NULL;
    }
    const verifier_figures *g = &v->is.figures;
    (void)snprintf(v->basis, sizeof v->basis,
                   "a verifier, right on %.0f %% of %d questions (by chance %.0f %%)",
                   100 * g->right, g->questions, 100 * g->blind);
    return v;
}

verifier *verifier_read(const char *where, const char *text, size_t len, error *err)
{
    if (len > VERIFIER_BYTES) {
        (void)error_set(err, ERROR_LOAD, "%s: larger than %d bytes: no verifier", where,
                        VERIFIER_BYTES);
        return NULL;
    }
    json_document *d = json_parse(where, text, len, err);
    verifier *v = d ? made_of(json_root(d), hash_bytes(HASH_START, text, len), err) : NULL;
    if (d && !v)
        (void)error_prefix(err, "%s: ", where);
    json_close(d);
    return v;
}

static verifier *verifier_open(const char *path, error *err)
{
    char *text;
    size_t len;
    if (file_read_all(path, VERIFIER_BYTES, &text, &len, err))
        return NULL;
    verifier *v = verifier_read(path, text, len, err);
    free(text);
    return v;
}

void verifier_close(verifier *v)
{
    free(v);
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_figures(json_writer *w, const verifier_figures *g)
{
    json_begin_object(w, "figures");
    json_put_int(w, "questions", g->questions);
    json_put_int(w, "told", g->told);
    json_put_number(w, "right", g->right);
    json_put_number(w, "blind", g->blind);
    json_put_number(w, "best", g->best);
    json_put_number(w, "any", g->any);
    json_put_number(w, "low", g->low);
    json_put_number(w, "high", g->high);
    json_end(w);
}

int verifier_write(const verifier_content *c, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    json_begin_object(&w, NULL);
    json_put_int(&w, "verifier", FORM);
    model_identity_write(&w, &c->model);
    json_begin_array(&w, "features");
    for (int f = 0; f < VOTE_FEATURES; f++) {
        if (!(c->scale[f] > 0))
            continue;
        json_begin_object(&w, NULL);
        json_put_text(&w, "name", vote_feature_name(f));
        json_put_number(&w, "scale", c->scale[f]);
        json_put_number(&w, "weight", c->weight[f]);
        json_end(&w);
    }
    json_end(&w);
    json_put_number(&w, "penalty", c->penalty);
    put_figures(&w, &c->figures);
    model_file_put_hash(&w, "learned_from", c->learned_from);
    json_end(&w);
    return json_writer_finish(&w) || buf_text(out, "\n", err) ? -1 : 0;
}

/* ---- where they lie ---------------------------------------------------------------------------- */

int verifier_find(engine *e, verifier **out, char **path, error *err)
{
    char *file = NULL;
    *out = NULL;
    if (path)
        *path = NULL;
    int found = model_file_find(e, "verifier", &file, err);
    if (found || !file)
        return found;
    verifier *v = verifier_open(file, err);
    int result = v ? model_file_check(e, file, &v->is.model, err) : -1;
    if (result) {
        verifier_close(v);
    } else {
        *out = v;
        if (path)
            *path = file;
    }
    if (!path || result)
        free(file);
    return result;
}

/* ---- marks ------------------------------------------------------------------------------------- */

const verifier_content *verifier_is(const verifier *v)
{
    return &v->is;
}

uint64_t verifier_hash(const verifier *v)
{
    return v->hash;
}

const char *verifier_basis(const verifier *v)
{
    return v->basis;
}

void verifier_marks(const verifier *v, const double *features, int n, double *marks)
{
    for (int a = 0; a < n; a++) {
        const double *f = features + (size_t)a * VOTE_FEATURES;
        double sum = 0;
        for (int i = 0; i < v->used; i++)
            sum += v->is.weight[v->order[i]] * f[v->order[i]] / v->is.scale[v->order[i]];
        marks[a] = sum;
    }
}
