/* source_place.c - see source_place.h.
 *
 * Three things that every scheme needs: the folders to look in, a name cut at its slashes into
 * parts that are plain file names, and the choice of a model in a folder that may hold several.
 * The sentences for what is not found are made here as well, so that all schemes say the same.
 */
#include "source_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/folder.h"

/* ---- places -------------------------------------------------------------------------------- */

void places_release(places *p)
{
    for (size_t i = 0; i < p->len; i++)
        free(p->v[i]);
    *p = (places){0};
}

int places_add(places *p, const char *base, const char *below, error *err)
{
    if (!base)
        return 0;
    char *path = string_format(err, "%s%s", base, below);
    if (!path)
        return -1;
    p->v[p->len++] = path;
    return 0;
}

const char *source_environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- names --------------------------------------------------------------------------------- */

int source_malformed(error *err, const char *name, const char *form)
{
    return error_set(err, ERROR_LOAD, "%s: not a model's name; the form is %s", name, form);
}

int parts_cut(const char *name, const char *rest, size_t min, size_t max, const char *form,
              parts *p, error *err)
{
    *p = (parts){.text = strdup(rest)};
    if (!p->text)
        return error_memory(err, "a model's name");
    char *at = p->text;
    while (at && p->len < SOURCE_PARTS) {
        p->v[p->len++] = at;
        at = strchr(at, '/');
        if (at)
            *at++ = '\0';
    }
    bool ok = !at && p->len >= min && p->len <= max;
    for (size_t i = 0; ok && i < p->len; i++)
        ok = folder_name_ok(p->v[i], strlen(p->v[i]));
    return ok ? 0 : source_malformed(err, name, form);
}

int parts_file(const parts *p, char **file, error *err)
{
    *file = NULL;
    if (p->len < 3)
        return 0;
    *file = string_format(err, "%s%s%s", p->v[2], p->len > 3 ? "/" : "", p->len > 3 ? p->v[3] : "");
    return *file ? 0 : -1;
}

void parts_release(parts *p)
{
    free(p->text);
    *p = (parts){0};
}

bool source_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* Ollama's service keeps its models where not everybody may look. */
static const char *denied(const char *place)
{
    return access(place, R_OK | X_OK) != 0 && errno == EACCES ? " (no permission to look there)"
                                                              : "";
}

int source_missing(error *err, const char *name, const char *what, const places *looked)
{
    buf where = {0};
    for (size_t i = 0; i < looked->len; i++)
        if (buf_format(&where, err, "%s%s%s", i ? " and " : "", looked->v[i], denied(looked->v[i])))
            break;
    error_set(
        err, ERROR_LOAD,
        "%s: not in %s (looked in %s); nothing is downloaded, and `consilium model list` shows "
        "what is there",
        name, what, where.v ? where.v : "no place: HOME is not set");
    buf_release(&where);
    return -1;
}

/* ---- models in a folder -------------------------------------------------------------------- */

static int several(error *err, const char *name, const sources *found)
{
    buf list = {0};
    for (size_t i = 0; i < found->len; i++)
        if (buf_format(&list, err, "%s%s", i ? ", " : "", found->v[i].name))
            break;
    error_set(err, ERROR_LOAD, "%s holds %zu models; add /FILE with one of: %s", name, found->len,
              list.v ? list.v : "");
    buf_release(&list);
    return -1;
}

int source_choose(const char *name, const char *dir, const char *file, char **path, error *err)
{
    sources found = {0};
    const char *chosen = NULL;
    int result = source_folder_models(dir, &found, err);
    for (size_t i = 0; result == 0 && i < found.len; i++)
        if (strcmp(found.v[i].name, file ? file : "") == 0)
            chosen = found.v[i].path;
    if (result == 0 && !chosen && !file && found.len == 1)
        chosen = found.v[0].path;
    if (chosen)
        result = (*path = string_format(err, "%s", chosen)) ? 0 : -1;
    else if (result == 0 && found.len && !file)
        result = several(err, name, &found);
    else if (result == 0)
        result = error_set(err, ERROR_LOAD, "%s: no %s in %s", name,
                           file ? file : "GGUF file, nor config.json with safetensors,", dir);
    sources_release(&found);
    return result;
}

int source_list_one(const char *name, const char *path, uint64_t bytes, sources *out, error *err)
{
    for (size_t i = 0; i < out->len; i++)
        if (strcmp(out->v[i].name, name) == 0)
            return 0;
    return out->len < SOURCE_MAX ? sources_add(out, name, path, bytes, err) : 0;
}

int source_list_folder(const char *name, const char *dir, sources *out, error *err)
{
    sources found = {0};
    int result = source_folder_models(dir, &found, err);
    for (size_t i = 0; result == 0 && i < found.len; i++) {
        const source *one = &found.v[i];
        bool alone = found.len == 1 || !*one->name;
        char *full = string_format(err, "%s%s%s", name, alone ? "" : "/", alone ? "" : one->name);
        result = full ? source_list_one(full, one->path, one->bytes, out, err) : -1;
        free(full);
    }
    sources_release(&found);
    return result;
}
