/* image_folder.c - see image_folder.h. */
#include "image_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/atomic_file.h"
#include "../base/folder.h"
#include "../base/json_writer.h"
#include "../formats/safetensors_writer.h"
#include "history.h"
#include "image_parts.h"

static const uint64_t SHARD_BYTES = 5000000000; /* what libraries write, and the hub asks for */

/* ---- folders ----------------------------------------------------------------------------------- */

/* The folder and the plain files in it; 0 when it is gone. */
static int remove_folder(const char *path)
{
    folder names;
    if (folder_read(path, &names, NULL))
        return -1;
    for (size_t i = 0; i < names.len; i++) {
        char *file = string_format(NULL, "%s/%s", path, names.v[i]);
        if (file)
            (void)unlink(file);
        free(file);
    }
    folder_release(&names);
    return rmdir(path);
}

static bool holds_only_files(const char *path)
{
    folder names;
    bool plain = folder_read(path, &names, NULL) == 0;
    for (size_t i = 0; plain && i < names.len; i++) {
        struct stat st;
        char *file = string_format(NULL, "%s/%s", path, names.v[i]);
        plain = file && lstat(file, &st) == 0 && !S_ISDIR(st.st_mode);
        free(file);
    }
    folder_release(&names);
    return plain;
}

static int check_place(const char *path, bool over, error *err)
{
    struct stat st;
    if (lstat(path, &st))
        return 0;
    if (!over)
        return error_set(err, ERROR_USAGE, "%s is there already and was left alone (--force)",
                         path);
    if (S_ISDIR(st.st_mode) && holds_only_files(path))
        return 0;
    return error_set(err, ERROR_USAGE, "%s is no folder of files, and is not replaced", path);
}

static int take_place(const char *part, const char *path, error *err)
{
    struct stat st;
    bool there = lstat(path, &st) == 0;
    if (renameat2(AT_FDCWD, part, AT_FDCWD, path, there ? RENAME_EXCHANGE : RENAME_NOREPLACE))
        return error_set(err, ERROR_RUN, "%s: cannot rename to %s: %s", part, path,
                         strerror(errno));
    file_flush_name(path);
    if (there)
        (void)remove_folder(part); /* the old one, now */
    return 0;
}

/* ---- shards ------------------------------------------------------------------------------------ */

typedef struct shards {
    const image *m;
    const image_folder *f;
    const char *place; /* the folder */
    const image_watch *watch;
    uint64_t done;
    size_t count; /* of shards */
    safetensors_writer *w;
} shards;

/* The tensors of a shard end at: as many as fit, one at least. */
static size_t shard_end(const image *m, size_t first)
{
    uint64_t bytes = 0;
    size_t i = first;
    while (i < m->len && (i == first || bytes + m->v[i].bytes <= SHARD_BYTES))
        bytes += m->v[i++].bytes;
    return i;
}

static void shard_name(const shards *s, size_t number, char out[64])
{
    if (s->count == 1)
        (void)snprintf(out, 64, "model.safetensors");
    else
        (void)snprintf(out, 64, "model-%05zu-of-%05zu.safetensors", number + 1, s->count);
}

static int put_safetensors(void *writer, const void *bytes, size_t n, error *err)
{
    return safetensors_writer_bytes(writer, bytes, n, err);
}

static int take_bytes(void *user, const void *bytes, size_t n, error *err)
{
    shards *s = user;
    return image_take_parts(bytes, n, s->watch, &s->done, s->m->bytes, put_safetensors, s->w, err);
}

/* What the source's files say of themselves, and what was done. */
static int put_metadata(const shards *s, error *err)
{
    json_document *d;
    if (history_metadata(s->f->source, &d, err))
        return -1;
    for (const json *at = d ? json_first(json_root(d)) : NULL; at; at = json_next(at)) {
        bool ours = s->f->history && strcmp(json_key(at), HISTORY_KEY) == 0;
        if (json_type(at) == JSON_STRING && !ours && strcmp(json_key(at), "format") != 0)
            safetensors_writer_text(s->w, json_key(at), json_string(at));
    }
    json_close(d);
    if (s->f->history)
        safetensors_writer_text(s->w, HISTORY_KEY, s->f->history);
    return 0;
}

static int write_shard(shards *s, size_t first, size_t end, error *err)
{
    for (size_t i = first; i < end; i++) {
        const image_tensor *t = &s->m->v[i];
        if (dtype_describe(t->type)->block > 1)
            return error_set(err, ERROR_USAGE,
                             "tensor %s is %s, which safetensors do not hold: F32, F16 or BF16",
                             t->name, dtype_describe(t->type)->name);
        if (safetensors_writer_typed(s->w, t->name, t->type, t->dims, t->shape, err))
            return -1;
    }
    if (safetensors_writer_begin(s->w, err))
        return -1;
    for (size_t i = first; i < end; i++)
        if (checkpoint_intact(s->f->source, err) || image_bytes(s->m, i, take_bytes, s, err))
            return -1;
    return safetensors_writer_finish(s->w, err);
}

static int write_shards(shards *s, error *err)
{
    size_t number = 0, end;
    for (size_t at = 0; at < s->m->len; at = shard_end(s->m, at))
        s->count++;
    for (size_t first = 0; first < s->m->len; first = end, number++) {
        char name[64];
        end = shard_end(s->m, first);
        shard_name(s, number, name);
        char *path = string_format(err, "%s/%s", s->place, name);
        s->w = path ? safetensors_writer_open(path, err) : NULL;
        int result =
            s->w && (number || put_metadata(s, err) == 0) ? write_shard(s, first, end, err) : -1;
        safetensors_writer_close(s->w);
        free(path);
        if (result)
            return -1;
    }
    return 0;
}

static int write_index(const shards *s, error *err)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = err};
    size_t number = 0, end = s->count > 1 ? shard_end(s->m, 0) : 0;
    if (s->count <= 1)
        return 0;
    json_begin_object(&e, NULL);
    json_begin_object(&e, "metadata");
    json_put_count(&e, "total_size", s->m->bytes);
    json_end(&e);
    json_begin_object(&e, "weight_map");
    for (size_t i = 0; i < s->m->len; i++) {
        char name[64];
        if (i == end) {
            number++;
            end = shard_end(s->m, i);
        }
        shard_name(s, number, name);
        json_put_text(&e, s->m->v[i].name, name);
    }
    json_end(&e);
    json_end(&e);
    char *path = string_format(err, "%s/model.safetensors.index.json", s->place);
    int result = json_writer_finish(&e) || !path || buf_text(&out, "\n", err) ||
                         atomic_file_put(path, out.v, out.len, err)
                     ? -1
                     : 0;
    free(path);
    buf_release(&out);
    return result;
}

/* ---- all --------------------------------------------------------------------------------------- */

static int fill_part(shards *s, const char *path, error *err)
{
    if (mkdir(s->place, 0755) && (errno != EEXIST || !holds_only_files(s->place) ||
                                  remove_folder(s->place) || mkdir(s->place, 0755)))
        return error_set(err, ERROR_RUN, "%s: cannot make the folder: %s", s->place,
                         strerror(errno));
    int result = write_shards(s, err) || write_index(s, err) ||
                         s->f->fill(s->f->user, s->place, err) || take_place(s->place, path, err)
                     ? -1
                     : 0;
    if (result)
        (void)remove_folder(s->place);
    return result;
}

int image_write_folder(const image *m, const image_folder *f, const char *path,
                       const image_watch *watch, error *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    char *name = strndup(path, len), *part = name ? string_format(err, "%s.part", name) : NULL;
    shards s = {.m = m, .f = f, .place = part, .watch = watch};
    int result = !name ? error_memory(err, "a path") : part ? 0 : -1;
    if (!result)
        result = check_place(name, f->over, err) || image_check(m, err) ||
                         image_check_room(name, m->bytes, err)
                     ? -1
                     : fill_part(&s, name, err);
    free(part);
    free(name);
    return result;
}
