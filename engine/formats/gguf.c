/* gguf.c - opening a GGUF model: one file, or the parts of a split one.
 *
 * Each part is a whole GGUF file that says which part of how many it is. The first names the model;
 * the metadata of the others only has to agree about the split.
 */
#include "gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file_check.h"
#include "gguf_internal.h"

typedef struct split {
    int64_t part, parts; /* counted from 0; parts = 1 for a file that is not split */
    int64_t tensors;     /* in all parts together, -1 = not said */
} split;

static const gguf_value *plain(const metadata *m, const char *key)
{
    const gguf_value *v = metadata_find(m, key);
    return v && gguf_value_type(v) != GGUF_ARRAY ? v : NULL;
}

static int split_field(const metadata *m, const char *where, const char *key, int64_t max,
                       int64_t *out, error *err)
{
    const gguf_value *v = plain(m, key);
    if (!metadata_find(m, key))
        return 0;
    if (!v || !gguf_integer(v, 0, out))
        return error_set(err, ERROR_LOAD, "%s: %s is not an integer", where, key);
    if (*out < 0 || *out > max)
        return error_set(err, ERROR_LOAD, "%s: %s is %lld, expected 0 to %lld", where, key,
                         (long long)*out, (long long)max);
    return 0;
}

/* What a file says about its place among others. Absent keys mean a model of one file. */
static int read_split(const metadata *m, const char *where, split *s, error *err)
{
    *s = (split){.part = 0, .parts = 1, .tensors = -1};
    if (split_field(m, where, "split.count", GGUF_MAX_PARTS, &s->parts, err) ||
        split_field(m, where, "split.no", INT64_MAX, &s->part, err) ||
        split_field(m, where, "split.tensors.count", INT64_MAX, &s->tensors, err))
        return -1;
    if (s->parts == 0)
        s->parts = 1; /* how some writers say "not split" */
    if (s->part >= s->parts)
        return error_set(err, ERROR_LOAD, "%s: split.no is %lld, split.count is %lld", where,
                         (long long)s->part, (long long)s->parts);
    return 0;
}

/* path ends in "-00001-of-00003.gguf": *stem is what comes before. */
static int split_stem(const char *path, const split *s, size_t *stem, error *err)
{
    char tail[32];
    int n = snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", (int)s->part + 1, (int)s->parts);
    size_t len = strlen(path), want = (size_t)n;
    if (len > want && strcmp(path + len - want, tail) == 0) {
        *stem = len - want;
        return 0;
    }
    return error_set(err, ERROR_LOAD,
                     "%s: is part %d of %d, but its name does not end in \"%s\", so the other "
                     "parts cannot be found",
                     path, (int)s->part + 1, (int)s->parts, tail);
}

/* The sentence for a part that is not there, unless its download is under way. */
static int missing_part(const char *path, int64_t part, int64_t parts, error *err)
{
    if (file_check_download(path, err))
        return -1;
    const char *partial = file_partial_download(path);
    return error_set(err, ERROR_LOAD,
                     "%s: part %lld of %lld of the model is not there%s%s; download the missing "
                     "parts into the same folder",
                     path, (long long)part, (long long)parts,
                     partial ? " yet: beside it is one that ends in " : "", partial ? partial : "");
}

/* Opens part i (counted from 0, at least 1), which must say that it is that part. */
static int open_part(gguf *g, size_t stem, const split *whole, int64_t i, tensor_list *tensors,
                     error *err)
{
    size_t size = stem + 32;
    char *path = malloc(size);
    metadata meta = {0};
    split here;
    if (!path)
        return error_memory(err, "a path");
    (void)snprintf(path, size, "%.*s-%05d-of-%05d.gguf", (int)stem, g->path, (int)i + 1,
                   (int)whole->parts);
    mapped_file *m = &g->files[i];
    int result = file_check_download(path, err) || access(path, F_OK) != 0
                     ? missing_part(path, i + 1, whole->parts, err)
                     : mapped_file_open(m, path, err);
    if (result == 0) {
        g->parts++;
        result = gguf_read(path, m->data, m->size, &meta, tensors, err);
    }
    if (result == 0)
        result = read_split(&meta, path, &here, err);
    if (result == 0 && (here.part != i || here.parts != whole->parts))
        result = error_set(err, ERROR_LOAD, "%s: split.no is %lld of %lld, expected %lld of %lld",
                           path, (long long)here.part, (long long)here.parts, (long long)i,
                           (long long)whole->parts);
    metadata_release(&meta); /* only the first file's metadata is the model's */
    free(path);
    return result;
}

/* The other parts, by name: part i of n is STEM-000i-of-0000n.gguf beside the first. */
static int open_rest(gguf *g, tensor_list *tensors, const split *s, error *err)
{
    size_t stem = 0;
    if (s->part != 0 && split_stem(g->path, s, &stem, err) == 0)
        return error_set(err, ERROR_LOAD,
                         "%s: is part %d of %d; name the first, %.*s-00001-of-%05d.gguf", g->path,
                         (int)s->part + 1, (int)s->parts, (int)stem, g->path, (int)s->parts);
    if (s->part != 0 || split_stem(g->path, s, &stem, err))
        return -1;
    mapped_file *files = realloc(g->files, (size_t)s->parts * sizeof *files);
    if (!files)
        return error_memory(err, "the parts of a model");
    g->files = files;
    memset(files + 1, 0, ((size_t)s->parts - 1) * sizeof *files);
    for (int64_t i = 1; i < s->parts; i++)
        if (open_part(g, stem, s, i, tensors, err))
            return -1;
    return 0;
}

/* The first file, and what it says must follow. On failure gguf_close() undoes what was done. */
static int open_all(gguf *g, tensor_list *tensors, error *err)
{
    split s;
    g->files = calloc(1, sizeof *g->files);
    if (!g->files)
        return error_memory(err, "a model file");
    if (file_check_download(g->path, err) || mapped_file_open(&g->files[0], g->path, err))
        return -1;
    g->parts = 1;
    const mapped_file *m = &g->files[0];
    if (gguf_read(g->path, m->data, m->size, &g->meta, tensors, err) ||
        read_split(&g->meta, g->path, &s, err) || (s.parts > 1 && open_rest(g, tensors, &s, err)))
        return -1;
    if (s.tensors >= 0 && (uint64_t)s.tensors != tensors->len)
        return error_set(err, ERROR_LOAD, "%s: split.tensors.count is %lld, the files hold %zu",
                         g->path, (long long)s.tensors, tensors->len);
    return 0;
}

static gguf *allocate(const char *path, error *err)
{
    gguf *g = calloc(1, sizeof *g);
    if (g)
        g->path = strdup(path);
    if (g && g->path)
        return g;
    free(g);
    error_memory(err, "a model file");
    return NULL;
}

gguf *gguf_open(const char *path, tensor_list *tensors, error *err)
{
    gguf *g = allocate(path, err);
    if (g && open_all(g, tensors, err) == 0)
        return g;
    gguf_close(g);
    return NULL;
}

gguf *gguf_open_memory(const char *where, const void *bytes, size_t len, tensor_list *tensors,
                       error *err)
{
    split s;
    gguf *g = allocate(where, err);
    if (!g)
        return NULL;
    if (gguf_read(where, bytes, len, &g->meta, tensors, err) == 0 &&
        read_split(&g->meta, where, &s, err) == 0) {
        if (s.parts == 1)
            return g;
        error_set(err, ERROR_LOAD, "%s: is one part of %lld", where, (long long)s.parts);
    }
    gguf_close(g);
    return NULL;
}

void gguf_close(gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->parts; i++)
        mapped_file_close(&g->files[i]);
    metadata_release(&g->meta);
    free(g->files);
    free(g->path);
    free(g);
}

const char *gguf_path(const gguf *g)
{
    return g->path;
}

int gguf_intact(const gguf *g, error *err)
{
    for (size_t i = 0; i < g->parts; i++)
        if (mapped_file_intact(&g->files[i], err))
            return -1;
    return 0;
}

const mapped_file *gguf_file(const gguf *g, const void *data)
{
    for (size_t i = 0; i < g->parts; i++)
        if (mapped_file_holds(&g->files[i], data))
            return &g->files[i];
    return NULL;
}
