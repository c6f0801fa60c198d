/* safetensors.c - the files of a safetensors model: which there are, and that they agree.
 *
 * The index of a sharded model maps each tensor to a file name. Those names come from a stranger,
 * so they may be nothing but names: no separator, not "." or "..", opened below the directory's own
 * descriptor. The file may be a link, as all files of the Hugging Face cache are.
 */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/array.h"
#include "../base/buf.h"
#include "../base/file_check.h"
#include "../base/json.h"
#include "../base/mapped_file.h"
#include "../base/name_index.h"
#include "../base/printable.h"

enum { MAX_INDEX = 64 << 20, MAX_SHARDS = 4096, MAX_FILE_NAME = 255 };

/* A shard: its mapping and which tensors of the list are its own, [first, last). */
typedef struct shard {
    mapped_file file;
    char *name;
    size_t first, last;
    const char *metadata; /* [metadata_len] the text of its __metadata__, or NULL */
    size_t metadata_len;
} shard;

struct safetensors {
    shard *v;
    size_t len, cap;
    name_index
        index; /* of file names, so that 18,000 lines of an index are not 18,000 comparisons */
    int directory;
    char *path;
};

/* ---- shards --------------------------------------------------------------------------------- */

static bool same_name(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const char *name = ((const safetensors *)owner)->v[number].name;
    return strlen(name) == len && memcmp(name, bytes, len) == 0;
}

/* A path in an index would let a model read any file of its user. */
static int check_name(const char *where, const char *name, error *err)
{
    size_t len = strlen(name);
    if (len > 0 && len <= MAX_FILE_NAME && !strchr(name, '/') && strcmp(name, ".") != 0 &&
        strcmp(name, "..") != 0)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: weight_map: \"%s\" is not the name of a file beside it",
                     where, printable_text(name).text);
}

/* Remembers a file name once. */
static int add_shard(safetensors *s, const char *name, error *err)
{
    size_t len = strlen(name);
    uint32_t number;
    shard *v = array_room(s->v, s->len, &s->cap, sizeof *v, "the shards of a model", err);
    if (!v)
        return -1;
    s->v = v;
    if (name_index_find(&s->index, 0, name, len, same_name, s, &number))
        return 0;
    if (s->len == MAX_SHARDS)
        return error_set(err, ERROR_LOAD, "%s: weight_map names more than %d files", s->path,
                         MAX_SHARDS);
    char *copy = strdup(name);
    if (!copy)
        return error_memory(err, "the name of a shard");
    s->v[s->len] = (shard){.name = copy};
    return name_index_add(&s->index, 0, name, len, (uint32_t)s->len++, same_name, s, &number, err);
}

/* Maps one file below the directory's descriptor and adds its tensors. */
static int read_shard(safetensors *s, shard *part, tensor_list *tensors, error *err)
{
    buf path = {0};
    int result = buf_format(&path, err, "%s/%s", s->path, part->name);
    if (result == 0)
        result = file_check_download(path.v, err);
    if (result == 0 && faccessat(s->directory, part->name, F_OK, 0) != 0)
        result = error_set(
            err, ERROR_LOAD, "%s: %s, which the index names; download it into the same folder",
            path.v,
            file_partial_download(path.v) ? "is not there yet: its download has not finished"
                                          : "is not there");
    if (result == 0)
        result = mapped_file_open_at(&part->file, s->directory, part->name, path.v, err);
    part->first = tensors->len;
    if (result == 0)
        result = safetensors_read_all(path.v, part->file.data, part->file.size, tensors,
                                      &part->metadata, &part->metadata_len, err);
    part->last = tensors->len;
    buf_release(&path);
    return result;
}

static int read_shards(safetensors *s, tensor_list *tensors, error *err)
{
    for (size_t i = 0; i < s->len; i++)
        if (read_shard(s, &s->v[i], tensors, err))
            return -1;
    return 0;
}

/* ---- the index ------------------------------------------------------------------------------ */

/* Collects the shards that weight_map names. */
static int collect_shards(safetensors *s, const char *where, const json *map, error *err)
{
    for (const json *at = json_first(map); at; at = json_next(at)) {
        if (json_type(at) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "%s: weight_map: the file of \"%s\" is not a string",
                             where, printable_text(json_key(at)).text);
        if (check_name(where, json_string(at), err) || add_shard(s, json_string(at), err))
            return -1;
    }
    if (s->len == 0)
        return error_set(err, ERROR_LOAD, "%s: weight_map names no file", where);
    return 0;
}

/* Every tensor of weight_map must be in the shard that it names. */
static int check_map(const safetensors *s, const char *where, const json *map,
                     const tensor_list *tensors, error *err)
{
    for (const json *at = json_first(map); at; at = json_next(at)) {
        const char *file = json_string(at), *key = json_key(at);
        uint32_t number = 0;
        const checkpoint_tensor *t = tensor_list_find(tensors, key, strlen(key));
        size_t i = t ? (size_t)(t - tensors->v) : 0;
        if (!t || !name_index_find(&s->index, 0, file, strlen(file), same_name, s, &number) ||
            i < s->v[number].first || i >= s->v[number].last)
            return error_set(err, ERROR_LOAD, "%s: weight_map: \"%s\" is not in %s", where,
                             printable_text(key).text, printable_text(file).text);
    }
    return 0;
}

static int read_index(safetensors *s, const char *where, const json_document *d,
                      tensor_list *tensors, error *err)
{
    const json *map = NULL;
    int found = json_get_object(json_root(d), "weight_map", &map, err);
    if (found < 0)
        return error_prefix(err, "%s: ", where);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: weight_map is missing", where);
    if (collect_shards(s, where, map, err) || read_shards(s, tensors, err))
        return -1;
    return check_map(s, where, map, tensors, err);
}

/* ---- opening -------------------------------------------------------------------------------- */

static int read_sharded(safetensors *s, tensor_list *tensors, error *err)
{
    buf where = {0};
    if (buf_format(&where, err, "%s/model.safetensors.index.json", s->path))
        return -1;
    json_document *d = json_load(where.v, MAX_INDEX, err);
    int result =
        d ? read_index(s, where.v, d, tensors, err) : file_explain_truncated_text(where.v, err);
    json_close(d);
    buf_release(&where);
    return result;
}

/* A single file wins over an index, as in the reference implementation. */
static int read_model(safetensors *s, tensor_list *tensors, error *err)
{
    s->directory = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->directory < 0)
        return error_set(err, ERROR_LOAD, "%s: cannot open: %s", s->path, strerror(errno));
    if (faccessat(s->directory, "model.safetensors", F_OK, 0) == 0) {
        int added = add_shard(s, "model.safetensors", err);
        return added ? -1 : read_shard(s, &s->v[0], tensors, err);
    }
    if (faccessat(s->directory, "model.safetensors.index.json", F_OK, 0) == 0)
        return read_sharded(s, tensors, err);
    return error_set(err, ERROR_LOAD,
                     "%s: has neither model.safetensors nor model.safetensors.index.json", s->path);
}

safetensors *safetensors_open(const char *directory, tensor_list *tensors, error *err)
{
    safetensors *s = calloc(1, sizeof *s);
    if (s)
        s->path = strdup(directory);
    if (!s || !s->path) {
        free(s);
        error_memory(err, "a model directory");
        return NULL;
    }
    s->directory = -1;
    if (read_model(s, tensors, err) == 0)
        return s;
    safetensors_close(s);
    return NULL;
}

void safetensors_close(safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->len; i++) {
        mapped_file_close(&s->v[i].file);
        free(s->v[i].name);
    }
    if (s->directory >= 0)
        close(s->directory);
    name_index_release(&s->index);
    free(s->v);
    free(s->path);
    free(s);
}

const char *safetensors_metadata(const safetensors *s, size_t *len)
{
    *len = s->v[0].metadata_len;
    return s->v[0].metadata;
}

int safetensors_intact(const safetensors *s, error *err)
{
    for (size_t i = 0; i < s->len; i++)
        if (mapped_file_intact(&s->v[i].file, err))
            return -1;
    return 0;
}

const mapped_file *safetensors_file(const safetensors *s, const void *data)
{
    for (size_t i = 0; i < s->len; i++)
        if (mapped_file_holds(&s->v[i].file, data))
            return &s->v[i].file;
    return NULL;
}
