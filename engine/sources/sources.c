/* sources.c - see sources.h.
 *
 * A name is tried in this order: a scheme ("ollama:") hands the rest to that scheme; a path
 * that exists is itself; anything else is looked for under every scheme, and one answer is
 * taken, several are listed for the user to choose from. What is left is refused with the
 * likeliest reason: a link that nobody follows here, a download that has not finished, a broken
 * symbolic link.
 */
#include "sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/array.h"
#include "../base/buf.h"
#include "../base/file_check.h"
#include "../base/folder.h"
#include "source_place.h"

int sources_add(sources *s, const char *name, const char *path, uint64_t bytes, error *err)
{
    source *v = array_room(s->v, s->len, &s->cap, sizeof *v, "the list of models", err);
    if (!v)
        return -1;
    s->v = v;
    source one = {strdup(name), strdup(path), bytes};
    if (!one.name || !one.path) {
        free(one.name);
        free(one.path);
        return error_memory(err, "the list of models");
    }
    s->v[s->len++] = one;
    return 0;
}

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

/* ---- a name without a scheme ------------------------------------------------------------------- */

/* Every model of this machine that a name without its scheme may mean, as full names. */
static int collect(const char *name, sources *out, error *err)
{
    static const struct {
        const char *scheme;
        int (*has)(const char *rest);
        int (*list)(sources *out, error *err);
    } schemes[] = {{"ollama", source_ollama_has, NULL},
                   {"hf", source_hf_has, source_hf_list},
                   {"lmstudio", NULL, source_lmstudio_list}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        sources all = {0};
        int result = 0;
        bool direct = schemes[i].has && schemes[i].has(name);
        if (direct) {
            char *full = string_format(err, "%s:%s", schemes[i].scheme, name);
            result = full ? sources_add(out, full, "", 0, err) : -1;
            free(full);
        } else if (schemes[i].list) {
            result = schemes[i].list(&all, err);
        }
        for (size_t j = 0; !result && j < all.len; j++)
            if (answers_to(all.v[j].name, name))
                result = sources_add(out, all.v[j].name, all.v[j].path, 0, err);
        sources_release(&all);
        if (result)
            return -1;
    }
    return 0;
}

/* "https://...", and hosts that people copy from a browser's line. */
static bool is_link(const char *name)
{
    static const char *const hosts[] = {"huggingface.co/", "hf.co/",      "www.",
                                        "ollama.com/",     "github.com/", "modelscope.cn/"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strncasecmp(name, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return strstr(name, "://") != NULL;
}

static int refuse_link(const char *name, error *err)
{
    if (strncasecmp(name, "file://", 7) == 0)
        return error_set(err, ERROR_LOAD, "%s: -m takes a path, not a link: %s", name, name + 7);
    return error_set(
        err, ERROR_LOAD,
        "%s: is a link, and nothing is downloaded: fetch the model yourself (`hf download "
        "ORG/NAME`, `ollama pull NAME`, or a browser) and give -m the file, or "
        "hf:ORG/NAME, or ollama:NAME",
        name);
}

static int refuse_unknown(const char *name, error *err)
{
    if (is_link(name))
        return refuse_link(name, err);
    const char *partial = *name ? file_partial_download(name) : NULL;
    if (partial)
        return error_set(err, ERROR_LOAD,
                         "%s: is not there yet: %s%s is, so its download has not finished", name,
                         name, partial);
    return error_set(
        err, ERROR_LOAD,
        "%s: no such file or folder, nor a model of that name in Ollama, in the Hugging "
        "Face cache or in LM Studio's folder; `consilium model list` shows what is on "
        "this machine, and nothing is downloaded",
        name);
}

/* A name that is no path: the one model that answers to it. */
static int find_bare(const char *name, source_found *out, error *err)
{
    sources all = {0};
    buf list = {0};
    int result = collect(name, &all, err);
    for (size_t i = 0; !result && i < all.len && list.len < 300; i++)
        result = buf_format(&list, err, "%s%s", i ? ", " : "", all.v[i].name);
    if (!result && all.len == 1)
        result = source_find(all.v[0].name, out, err);
    else if (!result && all.len)
        result = error_set(err, ERROR_LOAD, "%s could be any of %s", name, list.v);
    else if (!result && strncmp(name, "hf.co/", 6) == 0 && source_hf_has(name + 6))
        result = source_hf_resolve(name, name + 6, out, err);
    else if (!result)
        result = source_ollama_near(name, err) ? -1 : refuse_unknown(name, err);
    buf_release(&list);
    sources_release(&all);
    return result;
}

/* ---- names --------------------------------------------------------------------------------------- */

/* What cannot be looked at although something is there. */
static int refuse_unseen(const char *name, int why, error *err)
{
    char target[256];
    ssize_t n = readlink(name, target, sizeof target - 1);
    if (n <= 0 || why != ENOENT)
        return error_set(err, ERROR_LOAD, "%s: cannot look at: %s", name, strerror(why));
    target[n] = '\0';
    return error_set(
        err, ERROR_LOAD,
        "%s: is a link to %s, which is not there: its download is not complete, or was "
        "cleaned away",
        name, target);
}

int source_find(const char *name, source_found *out, error *err)
{
    static const struct {
        const char *scheme;
        int (*resolve)(const char *name, const char *rest, source_found *out, error *err);
    } schemes[] = {
        {"ollama:", source_ollama_resolve},
        {"hf:", source_hf_resolve},
        {"lmstudio:", source_lmstudio_resolve},
    };
    struct stat s;
    *out = (source_found){0};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i].scheme);
        if (strncmp(name, schemes[i].scheme, n) == 0)
            return schemes[i].resolve(name, name + n, out, err);
    }
    if (stat(name, &s) == 0)
        return source_of_path(name, &out->path, err);
    int why = errno;
    if (*name && lstat(name, &s) == 0)
        return refuse_unseen(name, why, err);
    return why == EACCES ? refuse_unseen(name, why, err) : find_bare(name, out, err);
}

void source_found_release(source_found *f)
{
    free(f->path);
    model_defaults_close(f->defaults);
    *f = (source_found){0};
}

int source_resolve(const char *name, char **path, error *err)
{
    source_found found;
    int result = source_find(name, &found, err);
    *path = result ? NULL : found.path;
    if (!result)
        found.path = NULL;
    source_found_release(&found);
    return result;
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
