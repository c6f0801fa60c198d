/* gguf_writer.c - see gguf_writer.h.
 *
 * Metadata and the table of tensors are encoded into two buffers as they are declared; offsets
 * can be given at once because sizes follow from type and shape. gguf_writer_begin() knows the
 * counts, so it writes the fixed head, both buffers and the padding. From then on `at` and
 * `left` say which tensor's bytes are wanted next and how many; each tensor is padded to the
 * alignment when its last byte came.
 */
#include "gguf_writer.h"

#include <stdlib.h>
#include <string.h>

#include "../base/array.h"
#include "../base/atomic_file.h"
#include "../base/buf.h"
#include "../base/checked.h"
#include "gguf_internal.h"

enum { ALIGNMENT = 32 };

struct gguf_writer {
    atomic_file *file;
    buf meta, table;     /* the encoded metadata and tensor table */
    uint64_t keys, next; /* next: offset of the next tensor to be declared */
    uint64_t *sizes;     /* [count] bytes of each tensor */
    size_t count, cap;
    size_t at;     /* the tensor whose bytes come next */
    uint64_t left; /* of its bytes */
};

gguf_writer *gguf_writer_open(const char *path, error *err)
{
    gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        (void)error_memory(err, "a file to write");
    else if ((w->file = atomic_file_open(path, err)))
        return w;
    free(w);
    return NULL;
}

void gguf_writer_close(gguf_writer *w)
{
    if (!w)
        return;
    atomic_file_close(w->file);
    buf_release(&w->meta);
    buf_release(&w->table);
    free(w->sizes);
    free(w);
}

/* ---- metadata ---------------------------------------------------------------------------------- */

static int put_u32(buf *b, uint32_t value, error *err)
{
    return buf_add(b, &value, sizeof value, err); /* x86-64: little-endian, as the format is */
}

static int put_u64(buf *b, uint64_t value, error *err)
{
    return buf_add(b, &value, sizeof value, err);
}

static int put_string(buf *b, const char *text, error *err)
{
    size_t len = strlen(text);
    return put_u64(b, len, err) || buf_add(b, text, len, err) ? -1 : 0;
}

static int put_key(gguf_writer *w, const char *key, gguf_type type, error *err)
{
    w->keys++;
    return put_string(&w->meta, key, err) || put_u32(&w->meta, (uint32_t)type, err) ? -1 : 0;
}

int gguf_writer_text(gguf_writer *w, const char *key, const char *text, error *err)
{
    return put_key(w, key, GGUF_STRING, err) || put_string(&w->meta, text, err) ? -1 : 0;
}

int gguf_writer_u32(gguf_writer *w, const char *key, uint32_t value, error *err)
{
    return put_key(w, key, GGUF_U32, err) || put_u32(&w->meta, value, err) ? -1 : 0;
}

int gguf_writer_f32(gguf_writer *w, const char *key, float value, error *err)
{
    return put_key(w, key, GGUF_F32, err) || buf_add(&w->meta, &value, sizeof value, err) ? -1 : 0;
}

int gguf_writer_bool(gguf_writer *w, const char *key, bool value, error *err)
{
    uint8_t byte = value;
    return put_key(w, key, GGUF_BOOL, err) || buf_add(&w->meta, &byte, 1, err) ? -1 : 0;
}

uint32_t gguf_file_type(const dtype_info *type)
{
    static const uint8_t types[][2] = {{0, 0},   {1, 1},   {30, 32}, {2, 2},   {3, 3},
                                       {6, 8},   {7, 9},   {8, 7},   {10, 10}, {11, 11},
                                       {12, 14}, {13, 16}, {14, 18}}; /* ggml, file_type */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i][0] == type->ggml)
            return types[i][1];
    return 1024; /* "guessed" */
}

static size_t element_bytes(gguf_type type)
{
    static const uint8_t bytes[GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[type];
}

static int put_array(gguf_writer *w, const char *key, gguf_type element, size_t n, error *err)
{
    return put_key(w, key, GGUF_ARRAY, err) || put_u32(&w->meta, (uint32_t)element, err) ||
                   put_u64(&w->meta, n, err)
               ? -1
               : 0;
}

int gguf_writer_array(gguf_writer *w, const char *key, gguf_type element, const void *values,
                      size_t n, error *err)
{
    return put_array(w, key, element, n, err)
               ? -1
               : buf_add(&w->meta, values, n * sizeof(uint32_t), err);
}

int gguf_writer_texts(gguf_writer *w, const char *key, size_t n, error *err)
{
    return put_array(w, key, GGUF_STRING, n, err);
}

int gguf_writer_element(gguf_writer *w, const char *text, size_t len, error *err)
{
    return put_u64(&w->meta, len, err) || buf_add(&w->meta, text, len, err) ? -1 : 0;
}

/* Encoded bytes of a value's elements; a string is its length field and its text. */
static size_t encoded_bytes(const gguf_value *v)
{
    if (v->element != GGUF_STRING)
        return v->count * element_bytes((gguf_type)v->element);
    if (v->count == 0)
        return 0;
    size_t last = v->starts ? v->starts[v->count - 1] : 0;
    uint64_t len;
    memcpy(&len, v->data + last, sizeof len);
    return last + sizeof len + (size_t)len; /* checked when the file was read */
}

int gguf_writer_copy(gguf_writer *w, const gguf_value *v, error *err)
{
    if (put_key(w, v->key, gguf_value_type(v), err))
        return -1;
    if (v->array && (put_u32(&w->meta, v->element, err) || put_u64(&w->meta, v->count, err)))
        return -1;
    return buf_add(&w->meta, v->data, encoded_bytes(v), err);
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static int remember_size(gguf_writer *w, uint64_t bytes, error *err)
{
    uint64_t *sizes =
        array_room(w->sizes, w->count, &w->cap, sizeof *sizes, "the tensor table", err);
    if (!sizes)
        return -1;
    w->sizes = sizes;
    w->sizes[w->count++] = bytes;
    return 0;
}

int gguf_writer_tensor(gguf_writer *w, const char *name, dtype type, int dims,
                       const uint64_t *shape, error *err)
{
    const dtype_info *info = dtype_describe(type);
    uint64_t elements, bytes, end;
    if (strlen(name) > GGUF_MAX_NAME || dims < 1 || dims > 4 ||
        shape[dims - 1] % (uint64_t)info->block || !checked_product(shape, dims, &elements) ||
        !checked_mul(elements / (uint64_t)info->block, (uint64_t)info->bytes, &bytes) ||
        !checked_add(w->next, bytes, &end) || !checked_align(end, ALIGNMENT, &end))
        return error_set(err, ERROR_RUN, "%s: tensor %s cannot be written as %s",
                         atomic_file_path(w->file), name, info->name);
    if (put_string(&w->table, name, err) || put_u32(&w->table, (uint32_t)dims, err))
        return -1;
    for (int i = dims; i-- > 0;)
        if (put_u64(&w->table, shape[i], err))
            return -1;
    if (put_u32(&w->table, (uint32_t)info->ggml, err) || put_u64(&w->table, w->next, err))
        return -1;
    w->next = end;
    return remember_size(w, bytes, err);
}

static int pad(gguf_writer *w, uint64_t written, error *err)
{
    static const char zeros[ALIGNMENT];
    uint64_t over = written % ALIGNMENT;
    return over ? atomic_file_write(w->file, zeros, (size_t)(ALIGNMENT - over), err) : 0;
}

/* Steps over finished tensors, padding each, to the next that still wants bytes. */
static int advance(gguf_writer *w, error *err)
{
    while (w->left == 0 && w->at < w->count) {
        if (pad(w, w->sizes[w->at], err))
            return -1;
        w->at++;
        w->left = w->at < w->count ? w->sizes[w->at] : 0;
    }
    return 0;
}

int gguf_writer_begin(gguf_writer *w, error *err)
{
    buf head = {0};
    bool failed = buf_add(&head, "GGUF", 4, err) || put_u32(&head, 3, err) ||
                  put_u64(&head, w->count, err) || put_u64(&head, w->keys, err) ||
                  atomic_file_write(w->file, head.v, head.len, err) ||
                  atomic_file_write(w->file, w->meta.v, w->meta.len, err) ||
                  atomic_file_write(w->file, w->table.v, w->table.len, err) ||
                  pad(w, head.len + w->meta.len + w->table.len, err);
    buf_release(&head);
    w->left = w->count ? w->sizes[0] : 0;
    return failed ? -1 : advance(w, err);
}

int gguf_writer_data(gguf_writer *w, const void *bytes, size_t n, error *err)
{
    if (n > w->left)
        return error_set(err, ERROR_RUN, "%s: tensor %zu was given more bytes than it has",
                         atomic_file_path(w->file), w->at);
    if (atomic_file_write(w->file, bytes, n, err))
        return -1;
    w->left -= n;
    return advance(w, err);
}

int gguf_writer_finish(gguf_writer *w, error *err)
{
    if (w->at < w->count)
        return error_set(err, ERROR_RUN, "%s: %llu bytes of tensor %zu are missing",
                         atomic_file_path(w->file), (unsigned long long)w->left, w->at);
    return atomic_file_commit(w->file, err);
}
