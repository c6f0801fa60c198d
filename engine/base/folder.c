/* folder.c - see folder.h. */
#include "folder.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- names and paths ----------------------------------------------------------------------- */

bool folder_name_ok(const char *name, size_t len)
{
    if (len == 0 || len > 255 || (len <= 2 && memcmp(name, "..", len) == 0))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7F || c == '/' || c == '\\')
            return false;
    }
    return true;
}

char *folder_path(error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        error_memory(err, "a path");
        return NULL;
    }
    return text;
}

/* ---- listing ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(folder *f, const char *name, error *err)
{
    if (f->len == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        char **v = realloc(f->v, cap * sizeof *v);
        if (!v)
            return error_memory(err, "a folder");
        f->v = v;
        f->cap = cap;
    }
    if (!(f->v[f->len] = strdup(name)))
        return error_memory(err, "a folder");
    f->len++;
    return 0;
}

int folder_read(const char *path, folder *out, error *err)
{
    *out = (folder){0};
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    int result = 0;
    for (struct dirent *e; result == 0 && out->len < FOLDER_MAX && (e = readdir(dir));)
        if (folder_name_ok(e->d_name, strlen(e->d_name)))
            result = add_name(out, e->d_name, err);
    closedir(dir);
    if (result)
        folder_release(out);
    else if (out->len)
        qsort(out->v, out->len, sizeof *out->v, compare_names);
    return result;
}

void folder_release(folder *f)
{
    for (size_t i = 0; i < f->len; i++)
        free(f->v[i]);
    free(f->v);
    *f = (folder){0};
}

int sources_add(sources *s, const char *name, const char *path, uint64_t bytes, error *err)
{
    if (s->len == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        source *v = realloc(s->v, cap * sizeof *v);
        if (!v)
            return error_memory(err, "the list of models");
        s->v = v;
        s->cap = cap;
    }
    source one = {strdup(name), strdup(path), bytes};
    if (!one.name || !one.path) {
        free(one.name);
        free(one.path);
        return error_memory(err, "the list of models");
    }
    s->v[s->len++] = one;
    return 0;
}

/* ---- models in a folder -------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* "NAME-00002-of-00003.gguf": the part's number and how many there are; 0 for other names. */
static int split_part(const char *name, int *parts)
{
    size_t n = strlen(name);
    const size_t tail = strlen("-00001-of-00001.gguf");
    int part = 0, used = 0;
    if (n <= tail)
        return 0;
    if (sscanf(name + n - tail, "-%5d-of-%5d.%n", &part, parts, &used) != 2 || part < 1)
        return 0;
    return (size_t)used == tail - strlen("gguf") ? part : 0;
}

static uint64_t file_bytes(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 ? (uint64_t)s.st_size : 0;
}

/* Bytes of all parts of the model whose first part is `path`. */
static int split_bytes(const char *path, int parts, uint64_t *bytes, error *err)
{
    size_t stem = strlen(path) - strlen("00001-of-00001.gguf");
    *bytes = 0;
    for (int i = 1; i <= parts && i <= FOLDER_MAX; i++) {
        char *part = folder_path(err, "%.*s%05d%s", (int)stem, path, i, path + stem + 5);
        if (!part)
            return -1;
        *bytes += file_bytes(part);
        free(part);
    }
    return 0;
}

static int add_gguf(const char *dir, const char *sub, const char *name, sources *out, error *err)
{
    int parts = 1, part = split_part(name, &parts);
    if (part > 1 || strcasestr(name, "mmproj"))
        return 0;
    char *path = folder_path(err, "%s/%s%s", dir, sub, name);
    char *shown = path ? folder_path(err, "%s%s", sub, name) : NULL;
    uint64_t bytes = path ? file_bytes(path) : 0;
    int result = shown ? 0 : -1;
    if (result == 0 && bytes && part == 1)
        result = split_bytes(path, parts, &bytes, err);
    if (result == 0 && bytes)
        result = sources_add(out, shown, path, bytes, err);
    free(shown);
    free(path);
    return result;
}

/* Looks at dir/sub; sub is "" or "NAME/". Subfolders are looked into from the top only. */
static int models_in(const char *dir, const char *sub, sources *out, error *err)
{
    char *here = folder_path(err, "%s/%s", dir, sub);
    folder names = {0};
    int result = here ? folder_read(here, &names, err) : -1;
    uint64_t weights = 0;
    bool configured = false;
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        const char *name = names.v[i];
        char *path = folder_path(err, "%s%s", here, name);
        struct stat s;
        if (!path)
            result = -1;
        else if (stat(path, &s))
            ; /* gone, or a link to nowhere: no model */
        else if (S_ISDIR(s.st_mode) && !*sub) {
            char *below = folder_path(err, "%s/", name);
            result = below ? models_in(dir, below, out, err) : -1;
            free(below);
        } else if (ends_with(name, ".gguf"))
            result = add_gguf(dir, sub, name, out, err);
        else if (ends_with(name, ".safetensors"))
            weights += file_bytes(path);
        else if (strcmp(name, "config.json") == 0)
            configured = true;
        free(path);
    }
    if (result == 0 && configured && weights && !*sub)
        result = sources_add(out, "", dir, weights, err);
    folder_release(&names);
    free(here);
    return result;
}

int folder_models(const char *path, sources *out, error *err)
{
    return models_in(path, "", out, err);
}
