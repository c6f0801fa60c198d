/* model_file.c - see model_file.h. */
#include "model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"

static const char DIGITS[] = "0123456789abcdef";
enum { FINGERPRINT_DIGITS = 16 };

/* ---- members ----------------------------------------------------------------------------------- */

static int missing(int found, const char *key, error *err)
{
    return found ? found : error_set(err, ERROR_LOAD, "%s: missing", key);
}

int model_file_number(const json *v, const char *key, double min, double max, double *out,
                      error *err)
{
    return missing(json_get_number(v, key, min, max, out, err), key, err) < 0 ? -1 : 0;
}

int model_file_int(const json *v, const char *key, int max, int *out, error *err)
{
    int64_t number = 0;
    int found = json_get_int(v, key, 0, max, &number, err);
    *out = (int)number;
    return missing(found, key, err) < 0 ? -1 : 0;
}

int model_file_text(const json *v, const char *key, char *out, size_t size, error *err)
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

int model_file_hash(const json *v, const char *key, uint64_t *out, error *err)
{
    char text[17];
    if (model_file_text(v, key, text, sizeof text, err))
        return -1;
    if (strlen(text) != 16 || strspn(text, DIGITS) != 16)
        return error_set(err, ERROR_LOAD, "%s: must be 16 hexadecimal digits", key);
    *out = strtoull(text, NULL, 16);
    return 0;
}

void model_file_put_hash(json_writer *w, const char *key, uint64_t hash)
{
    char text[17];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    json_put_text(w, key, text);
}

int model_file_object(const json *v, const char *key, const json **out, error *err)
{
    return missing(json_get_object(v, key, out, err), key, err) < 0 ? -1 : 0;
}

int model_file_array(const json *v, const char *key, const json **out, error *err)
{
    return missing(json_get_array(v, key, out, err), key, err) < 0 ? -1 : 0;
}

/* ---- the model --------------------------------------------------------------------------------- */

int model_identity_of(engine *e, model_identity *out, error *err)
{
    const model_config *m = engine_config(e);
    const char *print = engine_fingerprint(e, err);
    if (!print)
        return -1;
    *out = (model_identity){.width = m->width, .layers = m->layers};
    (void)snprintf(out->architecture, sizeof out->architecture, "%s", architecture_name(m->arch));
    (void)snprintf(out->fingerprint, sizeof out->fingerprint, "%s", print);
    return 0;
}

void model_identity_write(json_writer *w, const model_identity *m)
{
    json_begin_object(w, "model");
    json_put_text(w, "architecture", m->architecture);
    json_put_int(w, "width", m->width);
    json_put_int(w, "layers", m->layers);
    json_put_text(w, "fingerprint", m->fingerprint);
    json_end(w);
}

static int read_identity(const json *v, model_identity *m, error *err)
{
    static const char *const known[] = {"architecture", "width", "layers", "fingerprint"};
    if (json_check_members(v, known, 4, err) ||
        model_file_text(v, "architecture", m->architecture, sizeof m->architecture, err) ||
        model_file_text(v, "fingerprint", m->fingerprint, sizeof m->fingerprint, err) ||
        model_file_int(v, "width", 1 << 20, &m->width, err) ||
        model_file_int(v, "layers", 1 << 12, &m->layers, err))
        return -1;
    if (strlen(m->fingerprint) != 64 || strspn(m->fingerprint, DIGITS) != 64)
        return error_set(err, ERROR_LOAD, "fingerprint: must be 64 hexadecimal digits");
    return 0;
}

int model_identity_read(const json *root, model_identity *out, error *err)
{
    const json *model = NULL;
    if (model_file_object(root, "model", &model, err))
        return -1;
    return read_identity(model, out, err) ? error_prefix(err, "model: ") : 0;
}

/* ---- where they lie ---------------------------------------------------------------------------- */

static char *path_in(const char *place, const char *fingerprint, const char *kind, error *err)
{
    return string_format(err, "%s/council.%.*s.%s.json", place, FINGERPRINT_DIGITS, fingerprint,
                         kind);
}

/* *path = the one in `place`, or NULL. */
static int try_place(const char *place, const char *fingerprint, const char *kind, char **path,
                     error *err)
{
    char *file = path_in(place, fingerprint, kind, err);
    bool there = file && access(file, F_OK) == 0;
    *path = there ? file : NULL;
    if (!there)
        free(file);
    return file ? 0 : -1;
}

int model_file_find(engine *e, const char *kind, char **path, error *err)
{
    char *own = NULL, *shipped[PATHS_SHIPPED];
    const char *print = engine_fingerprint(e, err);
    *path = NULL;
    if (!print || paths_own(PATHS_CONFIG, "personas", &own, err))
        return -1;
    int result = own ? try_place(own, print, kind, path, err) : 0;
    free(own);
    if (result || *path)
        return result;
    if (paths_shipped(shipped, err))
        return -1;
    for (int i = 0; i < PATHS_SHIPPED && !result && !*path; i++)
        result = try_place(shipped[i], print, kind, path, err);
    paths_shipped_release(shipped);
    return result;
}

int model_file_own_path(engine *e, const char *kind, char **path, error *err)
{
    char *own = NULL;
    const char *print = engine_fingerprint(e, err);
    *path = NULL;
    if (!print || paths_own(PATHS_CONFIG, "personas", &own, err))
        return -1;
    if (!own)
        return paths_missing(PATHS_CONFIG, "no place for the file (--output FILE): ", err);
    if (paths_make(own, strlen(own), err) == 0)
        *path = path_in(own, print, kind, err);
    free(own);
    return *path ? 0 : -1;
}

int model_file_check(engine *e, const char *path, const model_identity *m, error *err)
{
    const char *print = engine_fingerprint(e, err);
    if (!print)
        return -1;
    if (strcmp(m->fingerprint, print) == 0)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: is for the model %.16s, this one is %.16s", path,
                     m->fingerprint, print);
}
