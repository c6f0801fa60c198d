/* safetensors_writer.c - see safetensors_writer.h. */
#include "safetensors_writer.h"

#include <stdlib.h>
#include <string.h>

#include "../base/atomic_file.h"
#include "../base/checked.h"
#include "../base/json_writer.h"

struct safetensors_writer {
    whole_file *file;
    buf header;
    emitter e;
    error emitted;         /* the emitter's own: its failure is kept until begin */
    uint64_t end, written; /* bytes declared; bytes given so far */
};

safetensors_writer *safetensors_writer_open(const char *path, error *err)
{
    safetensors_writer *w = calloc(1, sizeof *w);
    if (!w)
        (void)error_memory(err, "a file to write");
    if (!w || !(w->file = whole_file_open(path, err))) {
        free(w);
        return NULL;
    }
    w->e = (emitter){.out = &w->header, .err = &w->emitted};
    emit_object(&w->e, NULL);
    emit_object(&w->e, "__metadata__");
    emit_text(&w->e, "format", "pt");
    emit_end(&w->e);
    return w;
}

void safetensors_writer_close(safetensors_writer *w)
{
    if (!w)
        return;
    whole_file_close(w->file);
    buf_release(&w->header);
    free(w);
}

int safetensors_writer_tensor(safetensors_writer *w, const char *name, int dims,
                              const uint64_t *shape, error *err)
{
    uint64_t elements, bytes, end;
    if (!checked_product(shape, dims, &elements) || !checked_mul(elements, 4, &bytes) ||
        !checked_add(w->end, bytes, &end))
        return error_set(err, ERROR_RUN, "%s: tensor %s is too large", whole_file_path(w->file),
                         name);
    emit_object(&w->e, name);
    emit_text(&w->e, "dtype", "F32");
    emit_array(&w->e, "shape");
    for (int i = 0; i < dims; i++)
        emit_count(&w->e, NULL, shape[i]);
    emit_end(&w->e);
    emit_array(&w->e, "data_offsets");
    emit_count(&w->e, NULL, w->end);
    emit_count(&w->e, NULL, end);
    emit_end(&w->e);
    emit_end(&w->e);
    w->end = end;
    return 0;
}

int safetensors_writer_begin(safetensors_writer *w, error *err)
{
    emit_end(&w->e);
    if (emit_finish(&w->e)) {
        if (err)
            *err = w->emitted;
        return -1;
    }
    while (w->header.len % 8)
        if (buf_text(&w->header, " ", err))
            return -1;
    uint64_t size = w->header.len;
    return whole_file_write(w->file, &size, sizeof size, err) ||
                   whole_file_write(w->file, w->header.v, w->header.len, err)
               ? -1
               : 0;
}

int safetensors_writer_data(safetensors_writer *w, const float *values, size_t n, error *err)
{
    if (n > (w->end - w->written) / 4)
        return error_set(err, ERROR_RUN, "%s: more values than were declared",
                         whole_file_path(w->file));
    w->written += (uint64_t)n * 4;
    return whole_file_write(w->file, values, n * sizeof *values, err);
}

int safetensors_writer_finish(safetensors_writer *w, error *err)
{
    if (w->written != w->end)
        return error_set(err, ERROR_RUN, "%s: %llu bytes of tensors are missing",
                         whole_file_path(w->file), (unsigned long long)(w->end - w->written));
    return whole_file_commit(w->file, err);
}
