/* verifier.c - see verifier.h. */
#include "verifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/mapped_file.h"
#include "../../engine/base/paths.h"

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

/* -1 unless the member is there and in range. */
static int need_number(const json *v, const char *key, double min, double max, double *out,
                       error *err)
{
    int found = json_get_number(v, key, min, max, out, err);
    return found ? found : error_set(err, ERROR_LOAD, "%s: missing", key);
}

static int need_int(const json *v, const char *key, int max, int *out, error *err)
{
    int64_t number = 0;
    int found = json_get_int(v, key, 0, max, &number, err);
    *out = (int)number;
    return found ? found : error_set(err, ERROR_LOAD, "%s: missing", key);
}

static int need_text(const json *v, const char *key, char *out, size_t size, error *err)
{
    const char *text = NULL;
    int found = json_get_string(v, key, &text, err);
    if (found < 0)
        return -1;
    if (!found || !*text || strlen(text) >= size)
        return error_set(err, ERROR_LOAD, "%s: must be a text of 1 to %zu bytes", key, size - 1);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int need_hash(const json *v, const char *key, uint64_t *out, error *err)
{
    char text[17];
    if (need_text(v, key, text, sizeof text, err))
        return -1;
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return error_set(err, ERROR_LOAD, "%s: must be 16 hexadecimal digits", key);
    *out = strtoull(text, NULL, 16);
    return 0;
}

static int read_model(const json *v, verifier_content *c, error *err)
{
    static const char *const known[] = {"architecture", "width", "layers", "fingerprint"};
    if (json_check_members(v, known, 4, err) ||
        need_text(v, "architecture", c->architecture, sizeof c->architecture, err) ||
        need_text(v, "fingerprint", c->fingerprint, sizeof c->fingerprint, err) ||
        need_int(v, "width", 1 << 20, &c->width, err) < 0 ||
        need_int(v, "layers", 1 << 12, &c->layers, err) < 0)
        return -1;
    if (strlen(c->fingerprint) != 64 || strspn(c->fingerprint, "0123456789abcdef") != 64)
        return error_set(err, ERROR_LOAD, "fingerprint: must be 64 hexadecimal digits");
    return 0;
}

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
    if (json_check_members(i, known, 3, err) || need_text(i, "name", name, sizeof name, err))
        return -1;
    int f = feature_of(name);
    if (f < 0)
        return error_set(err, ERROR_LOAD, "\"%s\": this program knows no such feature", name);
    if (v->is.scale[f] > 0)
        return error_set(err, ERROR_LOAD, "\"%s\": stands there twice", name);
    if (need_number(i, "scale", 1e-9, LARGE, &v->is.scale[f], err) < 0 ||
        need_number(i, "weight", -LARGE, LARGE, &v->is.weight[f], err) < 0)
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
                   need_int(v, "questions", 1 << 24, &g->questions, err) < 0 ||
                   need_int(v, "told", 1 << 24, &g->told, err) < 0 ||
                   need_number(v, "right", 0, 1, &g->right, err) < 0 ||
                   need_number(v, "blind", 0, 1, &g->blind, err) < 0 ||
                   need_number(v, "best", 0, 1, &g->best, err) < 0 ||
                   need_number(v, "any", 0, 1, &g->any, err) < 0 ||
                   need_number(v, "low", -1, 1, &g->low, err) < 0 ||
                   need_number(v, "high", -1, 1, &g->high, err) < 0
               ? -1
               : 0;
}

static int read_part(const json *root, const char *key, const json **out, error *err)
{
    if (json_get_object(root, key, out, err) < 0)
        return -1;
    return *out ? 0 : error_set(err, ERROR_LOAD, "%s: missing", key);
}

static int fill(verifier *v, const json *root, error *err)
{
    static const char *const known[] = {"verifier", "model",   "features",
                                        "penalty",  "figures", "learned_from"};
    const json *model = NULL, *figures = NULL;
    int form = 0;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is no verifier: must be an object");
    if (json_check_members(root, known, 6, err) ||
        need_int(root, "verifier", 1 << 20, &form, err) < 0)
        return -1;
    if (form != FORM)
        return error_set(err, ERROR_LOAD, "verifier: form %d; this program reads form %d", form,
                         FORM);
    if (read_part(root, "model", &model, err) || read_part(root, "figures", &figures, err))
        return -1;
    if (read_model(model, &v->is, err))
        return error_prefix(err, "model: ");
    if (read_figures(figures, &v->is.figures, err))
        return error_prefix(err, "figures: ");
    return read_features(root, v, err) ||
                   need_number(root, "penalty", 0, LARGE, &v->is.penalty, err) < 0 ||
                   need_hash(root, "learned_from", &v->is.learned_from, err)
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
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)c->learned_from);
    json_begin_object(&w, NULL);
    json_put_int(&w, "verifier", FORM);
    json_begin_object(&w, "model");
    json_put_text(&w, "architecture", c->architecture);
    json_put_int(&w, "width", c->width);
    json_put_int(&w, "layers", c->layers);
    json_put_text(&w, "fingerprint", c->fingerprint);
    json_end(&w);
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
    json_put_text(&w, "learned_from", hash);
    json_end(&w);
    return json_writer_finish(&w) || buf_text(out, "\n", err) ? -1 : 0;
}

/* ---- where they lie ---------------------------------------------------------------------------- */

enum { FINGERPRINT_DIGITS = 16 };

static char *path_in(const char *place, const char *fingerprint, error *err)
{
    return string_format(err, "%s/council.%.*s.verifier.json", place, FINGERPRINT_DIGITS,
                         fingerprint);
}

/* *out = the one in `place`, or NULL. */
static int try_place(const char *place, const char *fingerprint, verifier **out, char **path,
                     error *err)
{
    char *file = path_in(place, fingerprint, err);
    if (!file)
        return -1;
    if (access(file, F_OK) != 0) {
        free(file);
        return 0;
    }
    verifier *v = verifier_open(file, err);
    if (v && strcmp(v->is.fingerprint, fingerprint) != 0) {
        (void)error_set(err, ERROR_LOAD, "%s: is for the model %.16s, this one is %.16s", file,
                        v->is.fingerprint, fingerprint);
        verifier_close(v);
        v = NULL;
    }
    *out = v;
    if (path && v)
        *path = file;
    else
        free(file);
    return v ? 0 : -1;
}

int verifier_find(engine *e, verifier **out, char **path, error *err)
{
    char *own = NULL, *shipped[PATHS_SHIPPED];
    const char *print = engine_fingerprint(e, err);
    *out = NULL;
    if (path)
        *path = NULL;
    if (!print || paths_own(PATHS_CONFIG, "personas", &own, err))
        return -1;
    int result = own ? try_place(own, print, out, path, err) : 0;
    free(own);
    if (result || *out)
        return result;
    if (paths_shipped(shipped, err))
        return -1;
    for (int i = 0; i < PATHS_SHIPPED && !result && !*out; i++)
        result = try_place(shipped[i], print, out, path, err);
    paths_shipped_release(shipped);
    return result;
}

int verifier_own_path(engine *e, char **path, error *err)
{
    char *own = NULL;
    const char *print = engine_fingerprint(e, err);
    *path = NULL;
    if (!print || paths_own(PATHS_CONFIG, "personas", &own, err))
        return -1;
    if (!own)
        return paths_missing(PATHS_CONFIG, "no place for the verifier (--output FILE): ", err);
    if (paths_make(own, strlen(own), err) == 0)
        *path = path_in(own, print, err);
    free(own);
    return *path ? 0 : -1;
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
