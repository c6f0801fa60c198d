/* sources.c - see sources.h. */
#include "sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "source_place.h"

/* True when `wanted` is the last part of a listed name, or the part before it, or all but the
 * scheme; ".gguf" may be left out. */
static bool answers_to(const char *listed, const char *wanted)
{
    size_t n = strlen(wanted);
    for (const char *at = strchr(listed, ':'); at; at = strchr(at, '/')) {
        at++;
        if (strncmp(at, wanted, n) != 0)
            continue;
        if (at[n] == '\0' || at[n] == '/' || strcmp(at + n, ".gguf") == 0)
            return true;
    }
    return false;
}

/* A name that is no path: one model of LM Studio's that answers to it. */
static int resolve_bare(const char *name, char **path, error *err)
{
    sources all = {0};
    if (source_lmstudio_list(&all, err)) {
        sources_release(&all);
        return -1;
    }
    const source *match = NULL;
    size_t matches = 0;
    buf list = {0};
    for (size_t i = 0; i < all.len; i++) {
        if (!answers_to(all.v[i].name, name))
            continue;
        match = &all.v[i];
        (void)buf_format(&list, NULL, "%s%s", matches++ ? ", " : "", match->name);
    }
    int result = 0;
    if (matches == 1)
        result = (*path = strdup(match->path)) ? 0 : error_memory(err, "a model's name");
    else if (matches)
        result = error_set(err, ERROR_LOAD, "%s could be any of %s", name, list.v ? list.v : "");
    else
        result = error_set(err, ERROR_LOAD,
                           "%s: no such file or folder, nor a model in LM Studio's folder; other "
                           "names start with ollama:, hf: or lmstudio:",
                           name);
    buf_release(&list);
    sources_release(&all);
    return result;
}

int source_resolve(const char *name, char **path, error *err)
{
    static const struct {
        const char *scheme;
        int (*resolve)(const char *name, const char *rest, char **path, error *err);
    } schemes[] = {
        {"ollama:", source_ollama_resolve},
        {"hf:", source_hf_resolve},
        {"lmstudio:", source_lmstudio_resolve},
    };
    *path = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i].scheme);
        if (strncmp(name, schemes[i].scheme, n) == 0)
            return schemes[i].resolve(name, name + n, path, err);
    }
    struct stat s;
    if (stat(name, &s) == 0)
        return (*path = strdup(name)) ? 0 : error_memory(err, "a path");
    return resolve_bare(name, path, err);
}

static int by_name(const void *a, const void *b)
{
    const source *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int sources_list(sources *out, error *err)
{
    *out = (sources){0};
    if (source_ollama_list(out, err) || source_hf_list(out, err) ||
        source_lmstudio_list(out, err)) {
        sources_release(out);
        return -1;
    }
    if (out->len)
        qsort(out->v, out->len, sizeof *out->v, by_name);
    return 0;
}

void sources_release(sources *s)
{
    for (size_t i = 0; i < s->len; i++) {
        free(s->v[i].name);
        free(s->v[i].path);
    }
    free(s->v);
    *s = (sources){0};
}
