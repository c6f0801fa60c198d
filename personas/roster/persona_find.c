/* persona_find.c - the search path of personas, and of what was made for them on a model.
 *
 * $XDG_CONFIG_HOME/consilium/personas (the user's own), then where those lie that came with the program
 * (paths_shipped). The first file of a name wins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/file_set.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/mapped_file.h"
#include "../../engine/base/search_path.h"
#include "persona.h"

enum { DIGITS = 16, PREVIOUS_BYTES = 256 << 20 };

/* ---- finding one ------------------------------------------------------------------------------- */

static int not_found(const char *name, const search_path *s, error *err)
{
    persona_list all = {0};
    char known[256] = "";
    if (persona_list_all(&all, NULL) == 0)
        for (size_t i = 0; i < all.len && strlen(known) + strlen(all.names[i]) + 3 < sizeof known;
             i++) {
            strcat(known, i ? ", " : "");
            strcat(known, all.names[i]);
        }
    persona_list_release(&all);
    return error_set(err, ERROR_LOAD, "no persona %.64s in %s or the program's own; there are: %s",
                     name, s->folders[0] ? s->folders[0] : "your configuration",
                     known[0] ? known : "none");
}

persona *persona_find(const char *name, error *err)
{
    if (!persona_name_ok(name)) {
        error_set(err, ERROR_USAGE, "\"%.64s\" is no persona's name", name);
        return NULL;
    }
    search_path s;
    if (search_path_open(&s, "personas", NULL, err))
        return NULL;
    char *file = string_format(err, "%s.json", name), *path = NULL;
    int result = file ? search_path_find(&s, file, &path, err) : -1;
    persona *p = path ? persona_load(path, err) : NULL;
    if (!result && !path)
        not_found(name, &s, err);
    free(path);
    free(file);
    search_path_close(&s);
    if (p && strcmp(p->name, name) != 0) {
        error_set(err, ERROR_LOAD, "%s: its name is %s; file and name must agree", p->path,
                  p->name);
        persona_close(p);
        return NULL;
    }
    return p;
}

int persona_exists(const char *name, bool *there, error *err)
{
    search_path s;
    *there = false;
    if (search_path_open(&s, "personas", NULL, err))
        return -1;
    char *file = string_format(err, "%s.json", name), *path = NULL;
    int result = file ? search_path_find(&s, file, &path, err) : -1;
    *there = path != NULL;
    free(path);
    free(file);
    search_path_close(&s);
    return result;
}

/* ---- listing ----------------------------------------------------------------------------------- */

static int list_add(persona_list *l, const char *name, size_t n, char *path, error *err)
{
    if (l->len == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        char **names = realloc(l->names, cap * sizeof *names);
        if (names)
            l->names = names;
        char **paths = realloc(l->paths, cap * sizeof *paths);
        if (paths)
            l->paths = paths;
        if (!names || !paths)
            return error_memory(err, "the personas");
        l->cap = cap;
    }
    char *copy = strndup(name, n);
    if (!copy || !path) {
        free(copy);
        return error_memory(err, "the personas");
    }
    /* Insert in order; a name that is there came from an earlier place and wins. */
    size_t at = 0;
    while (at < l->len && strcmp(l->names[at], copy) < 0)
        at++;
    if (at < l->len && strcmp(l->names[at], copy) == 0) {
        free(copy);
        free(path);
        return 0;
    }
    memmove(l->names + at + 1, l->names + at, (l->len - at) * sizeof *l->names);
    memmove(l->paths + at + 1, l->paths + at, (l->len - at) * sizeof *l->paths);
    l->names[at] = copy;
    l->paths[at] = path;
    l->len++;
    return 0;
}

/* NAME.json, and not NAME.FP16.mask.json: a persona's name holds no dot. */
static int list_folder(persona_list *out, const char *path, error *err)
{
    folder f = {0};
    int result = folder_read(path, &f, err);
    for (size_t i = 0; i < f.len && !result; i++) {
        const char *dot = strchr(f.v[i], '.');
        char name[65];
        size_t n = dot ? (size_t)(dot - f.v[i]) : 0;
        if (!dot || strcmp(dot, ".json") != 0 || n >= sizeof name)
            continue;
        memcpy(name, f.v[i], n);
        name[n] = '\0';
        if (persona_name_ok(name))
            result = list_add(out, name, n, string_format(err, "%s/%s", path, f.v[i]), err);
    }
    folder_release(&f);
    return result;
}

int persona_list_all(persona_list *out, error *err)
{
    search_path s;
    *out = (persona_list){0};
    if (search_path_open(&s, "personas", NULL, err))
        return -1;
    int result = 0;
    for (int i = 0; i < SEARCH_PLACES && !result; i++)
        if (s.folders[i])
            result = list_folder(out, s.folders[i], err);
    search_path_close(&s);
    if (result)
        persona_list_release(out);
    return result;
}

void persona_list_release(persona_list *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->names[i]);
        free(l->paths[i]);
    }
    free(l->names);
    free(l->paths);
    *l = (persona_list){0};
}

/* ---- made for a model ---------------------------------------------------------------------------- */

static const char MASK_END[] = ".mask.json", ADAPTER_END[] = ".adapter.safetensors";

/* NAME.FP16 and its ending in a folder, the first n bytes of `place`. */
static char *made_in(const char *place, size_t n, const char *name, const char *fingerprint,
                     const char *end, error *err)
{
    return string_format(err, "%.*s/%s.%.*s%s", (int)n, place, name, DIGITS, fingerprint, end);
}

/* Folder of the persona's file: its first n bytes of path. */
static size_t own_folder(const persona *p)
{
    const char *slash = strrchr(p->path, '/');
    return slash ? (size_t)(slash - p->path) : 0;
}

static int find_made(const persona *p, const char *fingerprint, const char *end, char **path,
                     error *err)
{
    char *cache = NULL;
    *path = made_in(p->path, own_folder(p), p->name, fingerprint, end, err);
    if (!*path || is_file(*path))
        return *path ? 0 : -1;
    free(*path);
    *path = NULL;
    if (paths_own(PATHS_CACHE, "masks", &cache, err))
        return -1;
    if (!cache)
        return 0;
    *path = made_in(cache, strlen(cache), p->name, fingerprint, end, err);
    free(cache);
    if (*path && !is_file(*path)) {
        free(*path);
        *path = NULL;
        return 0;
    }
    return *path ? 0 : -1;
}

int persona_find_mask(const persona *p, const char *fingerprint, char **path, error *err)
{
    return find_made(p, fingerprint, MASK_END, path, err);
}

int persona_find_adapter(const persona *p, const char *fingerprint, char **path, error *err)
{
    return find_made(p, fingerprint, ADAPTER_END, path, err);
}

int persona_new_path(const char *name, char **path, error *err)
{
    char *config = NULL;
    *path = NULL;
    if (paths_own(PATHS_CONFIG, "personas", &config, err))
        return -1;
    if (!config)
        return paths_missing(PATHS_CONFIG, "no place for a persona: ", err);
    if (paths_make(config, strlen(config), err) == 0)
        *path = string_format(err, "%s/%s.json", config, name);
    free(config);
    return *path ? 0 : -1;
}

/* NAME.FP16 and `end` in one folder. */
static int list_made_in(persona_list *out, const persona *p, const char *end, const char *path,
                        error *err)
{
    folder f = {0};
    size_t name = strlen(p->name);
    int result = folder_read(path, &f, err);
    for (size_t i = 0; i < f.len && !result; i++) {
        const char *digits = f.v[i] + name + 1;
        if (strncmp(f.v[i], p->name, name) != 0 || f.v[i][name] != '.' ||
            strspn(digits, "0123456789abcdef") != DIGITS || strcmp(digits + DIGITS, end) != 0)
            continue;
        result = list_add(out, digits, DIGITS, string_format(err, "%s/%s", path, f.v[i]), err);
    }
    folder_release(&f);
    return result;
}

static int list_made(const persona *p, const char *end, persona_list *out, error *err)
{
    char *own = NULL, *cache = NULL;
    *out = (persona_list){0};
    int result = paths_own(PATHS_CACHE, "masks", &cache, err);
    if (!result && !(own = string_format(err, "%.*s", (int)own_folder(p), p->path)))
        result = -1;
    if (!result)
        result = list_made_in(out, p, end, own, err);
    if (!result && cache)
        result = list_made_in(out, p, end, cache, err);
    free(own);
    free(cache);
    if (result)
        persona_list_release(out);
    return result;
}

int persona_list_masks(const persona *p, persona_list *out, error *err)
{
    return list_made(p, MASK_END, out, err);
}

int persona_list_adapters(const persona *p, persona_list *out, error *err)
{
    return list_made(p, ADAPTER_END, out, err);
}

int persona_mask_path(const persona *p, const char *fingerprint, char **path, error *err)
{
    char *config = NULL, *cache = NULL;
    *path = NULL;
    if (paths_own(PATHS_CONFIG, "personas", &config, err))
        return -1;
    size_t n = own_folder(p);
    if (config && strlen(config) == n && strncmp(config, p->path, n) == 0) {
        *path = made_in(p->path, n, p->name, fingerprint, MASK_END, err);
        free(config);
        return *path ? 0 : -1;
    }
    free(config);
    if (paths_own(PATHS_CACHE, "masks", &cache, err))
        return -1;
    if (!cache)
        return paths_missing(PATHS_CACHE, "no place for a mask: ", err);
    if (paths_make(cache, strlen(cache), err) == 0)
        *path = made_in(cache, strlen(cache), p->name, fingerprint, MASK_END, err);
    free(cache);
    return *path ? 0 : -1;
}

/* ---- taking back ------------------------------------------------------------------------------- */

/* NAME.FP16 and its ending as it was before; where there was nothing, nothing is. */
static int take_back(file_set *set, const char *place, const char *name, const char *fingerprint,
                     const char *end, error *err)
{
    char *file = string_format(err, "%s.%.*s%s", name, DIGITS, fingerprint, end);
    char *previous = file ? string_format(err, "%s.previous", file) : NULL;
    char *path = previous ? string_format(err, "%s/%s", place, previous) : NULL, *bytes = NULL;
    size_t n = 0;
    int result = path ? 0 : -1;
    if (!result && !is_file(path))
        result = file_set_remove(set, file, err);
    else if (!result)
        result = file_read_all(path, PREVIOUS_BYTES, &bytes, &n, err) ||
                 file_set_put(set, file, bytes, n, err) || file_set_remove(set, previous, err);
    free(bytes);
    free(path);
    free(previous);
    free(file);
    return result ? -1 : 0;
}

/* 1 = there was something. */
static int untrain_in(const char *place, const char *name, const char *fingerprint, error *err)
{
    char *trained = made_in(place, strlen(place), name, fingerprint, ADAPTER_END, err);
    int result = !trained ? -1 : is_file(trained);
    free(trained);
    if (result < 1)
        return result;
    file_set *set = file_set_open(place, err);
    if (!set || take_back(set, place, name, fingerprint, MASK_END, err) ||
        take_back(set, place, name, fingerprint, ADAPTER_END, err) || file_set_commit(set, err))
        result = -1;
    file_set_close(set);
    return result;
}

void persona_settle(void)
{
    char *personas = NULL, *made = NULL;
    (void)paths_own(PATHS_CONFIG, "personas", &personas, NULL);
    (void)paths_own(PATHS_CACHE, "masks", &made, NULL);
    if (personas)
        file_set_settle(personas);
    if (made)
        file_set_settle(made);
    free(personas);
    free(made);
}

int persona_untrain(const char *name, const char *fingerprint, error *err)
{
    static const struct {
        paths_kind kind;
        const char *below;
    } places[] = {{PATHS_CONFIG, "personas"}, {PATHS_CACHE, "masks"}};
    int result = 0;
    if (!persona_name_ok(name) || strspn(fingerprint, "0123456789abcdef") < DIGITS)
        return error_set(err, ERROR_USAGE, "no persona, or no model");
    for (size_t i = 0; i < sizeof places / sizeof *places && !result; i++) {
        char *place = NULL;
        result = paths_own(places[i].kind, places[i].below, &place, err);
        if (!result && place)
            result = untrain_in(place, name, fingerprint, err);
        free(place);
    }
    return result == 1 ? 0
           : result    ? -1
                    : error_set(err, ERROR_USAGE, "nothing was trained for %s on this model", name);
}
