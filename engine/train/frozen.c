/* frozen.c - see frozen.h. */
#include "frozen.h"

#include <stdint.h>
#include <stdlib.h>

#include "../../kernels/dequantize.h"

enum { ROWS = 16 }; /* of a piece */

frozen frozen_of(const tensor *t)
{
    if (!t)
        return (frozen){0};
    frozen w = {tensor_host(t), tensor_type(t), tensor_rows(t), tensor_cols(t), NULL, NULL};
    if (w.type == DTYPE_F32 && (uintptr_t)w.bytes % sizeof(float) == 0)
        w.values = w.bytes;
    return w;
}

void frozen_release(frozen *w)
{
    free(w->copy);
    *w = (frozen){0};
}

static void open_rows(const frozen *w, size_t from, size_t to, float *out)
{
    size_t stride = dtype_row_bytes(w->type, w->cols);
    for (size_t r = from; r < to; r++)
        dequantize_row(w->type, (const char *)w->bytes + r * stride, out + (r - from) * w->cols,
                       w->cols);
}

typedef struct opening {
    const frozen *w;
    float *out;
} opening;

static void open_piece(void *user, size_t piece, int thread)
{
    const opening *o = user;
    size_t from = piece * ROWS, to = from + ROWS < o->w->rows ? from + ROWS : o->w->rows;
    (void)thread;
    open_rows(o->w, from, to, o->out + from * o->w->cols);
}

const float *frozen_open(const frozen *w, float *room)
{
    if (w->values)
        return w->values;
    open_rows(w, 0, w->rows, room);
    return room;
}

const float *frozen_open_rows(const frozen *w, size_t from, size_t rows, float *room)
{
    if (w->values)
        return w->values + from * w->cols;
    open_rows(w, from, from + rows, room);
    return room;
}

const float *frozen_open_shared(const frozen *w, float *room, thread_pool *workers)
{
    if (w->values)
        return w->values;
    opening o = {w, room};
    pieces_run(workers, (w->rows + ROWS - 1) / ROWS, open_piece, &o);
    return room;
}

int frozen_copy(frozen *w, thread_pool *workers)
{
    if (!w->bytes || w->values)
        return 0;
    float *copy = aligned_alloc(64, (w->rows * w->cols * sizeof *copy + 63) / 64 * 64);
    if (!copy)
        return -1;
    if (workers)
        (void)frozen_open_shared(w, copy, workers);
    else
        (void)frozen_open(w, copy);
    w->values = w->copy = copy;
    return 0;
}

float *frozen_vector(const tensor *t)
{
    if (!t)
        return NULL;
    frozen w = frozen_of(t);
    float *copy = malloc(w.rows * w.cols * sizeof *copy);
    if (copy)
        open_rows(&w, 0, w.rows, copy);
    return copy;
}
