/* safetensors_writer.c - see safetensors_writer.h. */
#include "safetensors_writer.h"

#include <stdlib.h>
#include <string.h>

#include "../base/atomic_file.h"
#include "../base/checked.h"
#include "../base/json_writer.h"

struct safetensors_writer {
    atomic_file *file; /* or NULL, and: */
    buf *out;
    const char *where;
    buf header;
    json_writer e;
    error emitted;         /* the json_writer's own: its failure is kept until begin */
    bool described;        /* __metadata__ is closed */
    uint64_t end, written; /* bytes declared; bytes given so far */
};

safetensors_writer *safetensors_writer_into(buf *out, const char *where, error *err)
{
    safetensors_writer *w = calloc(1, sizeof *w);
    if (!w) {
        (void)error_memory(err, "a file to write");
        return NULL;
    }
    w->out = out;
    w->where = where;
    w->e = (json_writer){.out = &w->header, .err = &w->emitted};
    json_begin_object(&w->e, NULL);
    json_begin_object(&w->e, "__metadata__");
    json_put_text(&w->e, "format", "pt");
    return w;
}

safetensors_writer *safetensors_writer_open(const char *path, error *err)
{
    safetensors_writer *w = safetensors_writer_into(NULL, path, err);
    if (w && !(w->file = atomic_file_open(path, err))) {
        safetensors_writer_close(w);
        return NULL;
    }
    return w;
}

static int put(safetensors_writer *w, const void *bytes, size_t n, error *err)
{
    return w->file ? atomic_file_write(w->file, bytes, n, err) : buf_add(w->out, bytes, n, err);
}

/* The file's path is its own copy. */
static const char *name_of(const safetensors_writer *w)
{
    return w->file ? atomic_file_path(w->file) : w->where;
}

void safetensors_writer_text(safetensors_writer *w, const char *key, const char *text)
{
    json_put_text(&w->e, key, text);
}

static void end_metadata(safetensors_writer *w)
{
    if (!w->described)
        json_end(&w->e);
    w->described = true;
}

void safetensors_writer_close(safetensors_writer *w)
{
    if (!w)
        return;
    atomic_file_close(w->file);
    buf_release(&w->header);
    free(w);
}

int safetensors_writer_tensor(safetensors_writer *w, const char *name, int dims,
                              const uint64_t *shape, error *err)
{
    return safetensors_writer_typed(w, name, DTYPE_F32, dims, shape, err);
}

int safetensors_writer_typed(safetensors_writer *w, const char *name, dtype type, int dims,
                             const uint64_t *shape, error *err)
{
    uint64_t elements, bytes, end, size = (uint64_t)dtype_describe(type)->bytes;
    if (!checked_product(shape, dims, &elements) || !checked_mul(elements, size, &bytes) ||
        !checked_add(w->end, bytes, &end))
        return error_set(err, ERROR_RUN, "%s: tensor %s is too large", name_of(w), name);
    end_metadata(w);
    json_begin_object(&w->e, name);
    json_put_text(&w->e, "dtype", dtype_describe(type)->name);
    json_begin_array(&w->e, "shape");
    for (int i = 0; i < dims; i++)
        json_put_count(&w->e, NULL, shape[i]);
    json_end(&w->e);
    json_begin_array(&w->e, "data_offsets");
    json_put_count(&w->e, NULL, w->end);
    json_put_count(&w->e, NULL, end);
    json_end(&w->e);
    json_end(&w->e);
    w->end = end;
    return 0;
}

int safetensors_writer_begin(safetensors_writer *w, error *err)
{
    end_metadata(w);
    json_end(&w->e);
    if (json_writer_finish(&w->e)) {
        if (err)
            *err = w->emitted;
        return -1;
    }
    while (w->header.len % 8)
        if (buf_text(&w->header, " ", err))
            return -1;
    uint64_t size = w->header.len;
    return put(w, &size, sizeof size, err) || put(w, w->header.v, w->header.len, err) ? -1 : 0;
}

int safetensors_writer_bytes(safetensors_writer *w, const void *bytes, size_t n, error *err)
{
    if (n > w->end - w->written)
        return error_set(err, ERROR_RUN, "%s: more values than were declared", name_of(w));
    w->written += n;
    return put(w, bytes, n, err);
}

int safetensors_writer_data(safetensors_writer *w, const float *values, size_t n, error *err)
{
    return safetensors_writer_bytes(w, values, n * sizeof *values, err);
}

int safetensors_writer_finish(safetensors_writer *w, error *err)
{
    if (w->written != w->end)
        return error_set(err, ERROR_RUN, "%s: %llu bytes of tensors are missing", name_of(w),
                         (unsigned long long)(w->end - w->written));
    return w->file ? atomic_file_commit(w->file, err) : 0;
}
