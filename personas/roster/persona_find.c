/* persona_find.c - the search path of personas and of their masks.
 *
 * $XDG_CONFIG_HOME/consilium/personas (the user's own), then share/consilium/personas beside the
 * folder of the installed program, then personas/shipped beside the build's folder, or beside the
 * folder that holds several builds. The first file of a name wins.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "persona.h"

enum { PLACES = 4, DIGITS = 16 };

typedef struct search_path {
    char *folders[PLACES]; /* NULL = not to be had */
} search_path;

static void search_release(search_path *s)
{
    for (int i = 0; i < PLACES; i++)
        free(s->folders[i]);
}

/* $variable, or $HOME/fallback; NULL and 0 when neither is set. XDG: relative values are ignored. */
static int base_folder(const char *variable, const char *fallback, const char *below, char **out,
                       error *err)
{
    const char *v = getenv(variable), *home = getenv("HOME");
    *out = NULL;
    if (v && v[0] == '/')
        *out = folder_path(err, "%s/%s", v, below);
    else if (home && home[0] == '/')
        *out = folder_path(err, "%s/%s/%s", home, fallback, below);
    else
        return 0;
    return *out ? 0 : -1;
}

/* The folder above the running program's, without a slash at the end; "" when it cannot be told. */
static void program_parent(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(out, '/');
        if (slash)
            *slash = '\0';
    }
}

/* Length of the folder above. */
static int above(const char *folder_name)
{
    const char *slash = strrchr(folder_name, '/');
    return slash ? (int)(slash - folder_name) : 0;
}

static int search_open(search_path *s, error *err)
{
    char parent[PATH_MAX];
    *s = (search_path){{NULL}};
    program_parent(parent);
    if (base_folder("XDG_CONFIG_HOME", ".config", "consilium/personas", &s->folders[0], err))
        return -1;
    s->folders[1] = folder_path(err, "%s/share/consilium/personas", parent);
    s->folders[2] = folder_path(err, "%s/personas/shipped", parent);
    s->folders[3] =
        folder_path(err, "%.*s/personas/shipped", above(parent), parent); /* build/san/ */
    if (s->folders[1] && s->folders[2] && s->folders[3])
        return 0;
    search_release(s);
    return -1;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

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
    if (search_open(&s, err))
        return NULL;
    persona *p = NULL;
    bool found = false;
    for (int i = 0; i < PLACES && !found; i++) {
        char *path = s.folders[i] ? folder_path(err, "%s/%s.json", s.folders[i], name) : NULL;
        found = path && is_file(path);
        if (found)
            p = persona_load(path, err);
        free(path);
    }
    if (!found)
        not_found(name, &s, err);
    search_release(&s);
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
    if (search_open(&s, err))
        return -1;
    int result = 0;
    for (int i = 0; i < PLACES && !*there && !result; i++) {
        if (!s.folders[i])
            continue;
        char *path = folder_path(err, "%s/%s.json", s.folders[i], name);
        result = path ? 0 : -1;
        *there = path && is_file(path);
        free(path);
    }
    search_release(&s);
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
            result = list_add(out, name, n, folder_path(err, "%s/%s", path, f.v[i]), err);
    }
    folder_release(&f);
    return result;
}

int persona_list_all(persona_list *out, error *err)
{
    search_path s;
    *out = (persona_list){0};
    if (search_open(&s, err))
        return -1;
    int result = 0;
    for (int i = 0; i < PLACES && !result; i++)
        if (s.folders[i])
            result = list_folder(out, s.folders[i], err);
    search_release(&s);
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

/* ---- masks ------------------------------------------------------------------------------------- */

static char *mask_in(const char *place, size_t n, const persona *p, const char *fingerprint,
                     error *err)
{
    return folder_path(err, "%.*s/%s.%.*s.mask.json", (int)n, place, p->name, DIGITS, fingerprint);
}

/* Folder of the persona's file: its first n bytes of path. */
static size_t own_folder(const persona *p)
{
    const char *slash = strrchr(p->path, '/');
    return slash ? (size_t)(slash - p->path) : 0;
}

int persona_find_mask(const persona *p, const char *fingerprint, char **path, error *err)
{
    char *cache = NULL;
    *path = mask_in(p->path, own_folder(p), p, fingerprint, err);
    if (!*path || is_file(*path))
        return *path ? 0 : -1;
    free(*path);
    *path = NULL;
    if (base_folder("XDG_CACHE_HOME", ".cache", "consilium/masks", &cache, err))
        return -1;
    if (!cache)
        return 0;
    *path = mask_in(cache, strlen(cache), p, fingerprint, err);
    free(cache);
    if (*path && !is_file(*path)) {
        free(*path);
        *path = NULL;
        return 0;
    }
    return *path ? 0 : -1;
}

/* mkdir -p with mode 0700, for what is ours. */
static int make_folders(char *path, error *err)
{
    for (char *at = path + 1;; at++) {
        char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        int why = errno;
        *at = c;
        if (failed)
            return error_set(err, ERROR_RUN, "cannot make %s: %s", path, strerror(why));
        if (c == '\0')
            return 0;
    }
}

int persona_new_path(const char *name, char **path, error *err)
{
    char *config = NULL;
    *path = NULL;
    if (base_folder("XDG_CONFIG_HOME", ".config", "consilium/personas", &config, err))
        return -1;
    if (!config)
        return error_set(err, ERROR_RUN,
                         "no place for a persona: neither XDG_CONFIG_HOME nor HOME is set");
    if (make_folders(config, err) == 0)
        *path = folder_path(err, "%s/%s.json", config, name);
    free(config);
    return *path ? 0 : -1;
}

/* NAME.FP16.mask.json in one folder. */
static int list_masks_in(persona_list *out, const persona *p, const char *path, error *err)
{
    static const char END[] = ".mask.json";
    folder f = {0};
    size_t name = strlen(p->name);
    int result = folder_read(path, &f, err);
    for (size_t i = 0; i < f.len && !result; i++) {
        const char *digits = f.v[i] + name + 1;
        if (strncmp(f.v[i], p->name, name) != 0 || f.v[i][name] != '.' ||
            strspn(digits, "0123456789abcdef") != DIGITS || strcmp(digits + DIGITS, END) != 0)
            continue;
        result = list_add(out, digits, DIGITS, folder_path(err, "%s/%s", path, f.v[i]), err);
    }
    folder_release(&f);
    return result;
}

int persona_list_masks(const persona *p, persona_list *out, error *err)
{
    char *own = NULL, *cache = NULL;
    *out = (persona_list){0};
    int result = base_folder("XDG_CACHE_HOME", ".cache", "consilium/masks", &cache, err);
    if (!result && !(own = folder_path(err, "%.*s", (int)own_folder(p), p->path)))
        result = -1;
    if (!result)
        result = list_masks_in(out, p, own, err);
    if (!result && cache)
        result = list_masks_in(out, p, cache, err);
    free(own);
    free(cache);
    if (result)
        persona_list_release(out);
    return result;
}

int persona_mask_path(const persona *p, const char *fingerprint, char **path, error *err)
{
    char *config = NULL, *cache = NULL;
    *path = NULL;
    if (base_folder("XDG_CONFIG_HOME", ".config", "consilium/personas", &config, err))
        return -1;
    size_t n = own_folder(p);
    if (config && strlen(config) == n && strncmp(config, p->path, n) == 0) {
        *path = mask_in(p->path, n, p, fingerprint, err);
        free(config);
        return *path ? 0 : -1;
    }
    free(config);
    if (base_folder("XDG_CACHE_HOME", ".cache", "consilium/masks", &cache, err))
        return -1;
    if (!cache)
        return error_set(err, ERROR_RUN,
                         "no place for a mask: neither XDG_CACHE_HOME nor HOME is set");
    if (make_folders(cache, err) == 0)
        *path = mask_in(cache, strlen(cache), p, fingerprint, err);
    free(cache);
    return *path ? 0 : -1;
}
