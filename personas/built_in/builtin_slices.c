/* builtin_slices.c - see builtin_slices.h. */
#include "builtin_slices.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"

static int count_of(const sliced *s)
{
    return s->slices * s->each;
}

int slices_check(const sliced *s, int layer, int ffn, const char *path, error *err)
{
    uint8_t *seen = calloc((size_t)ffn, 1);
    bool good = seen && count_of(s) < ffn;
    for (int i = 0; i < count_of(s) && good; i++) {
        float v = s->neurons[i];
        good = v >= 0 && v < (float)ffn && v == (float)(int)v && !seen[(int)v];
        if (good)
            seen[(int)v] = 1;
    }
    if (!seen)
        return error_memory(err, "slices");
    free(seen);
    return good ? 0
                : error_set(err, ERROR_LOAD,
                            "%s: tensor blk.%d.ffn_slices.weight: not a list of different neurons "
                            "below %d",
                            path, layer, ffn);
}

/* stays [ffn]: 1 for the neurons that are in no slice. Caller frees. */
static uint8_t *who_stays(const sliced *s, size_t ffn, error *err)
{
    uint8_t *stays = malloc(ffn);
    if (!stays) {
        (void)error_memory(err, "slices");
        return NULL;
    }
    memset(stays, 1, ffn);
    for (int i = 0; i < count_of(s); i++)
        stays[(int)s->neurons[i]] = 0;
    return stays;
}

static const void *row_of(const checkpoint_tensor *t, size_t row)
{
    return (const char *)t->data + row * dtype_row_bytes(t->type, (size_t)t->shape[1]);
}

int slices_put_rest_rows(const sliced *s, gguf_writer *w, error *err)
{
    size_t ffn = (size_t)s->dense.shape[0];
    size_t bytes = dtype_row_bytes(s->dense.type, (size_t)s->dense.shape[1]);
    uint8_t *stays = who_stays(s, ffn, err);
    int result = stays ? 0 : -1;
    for (size_t r = 0; r < ffn && !result; r++)
        if (stays[r])
            result = gguf_writer_data(w, row_of(&s->dense, r), bytes, err);
    free(stays);
    return result;
}

/* Rows on their way from one type to another: read as `values`, picked into `picked`. */
typedef struct moving {
    float *values, *picked;
    void *packed;
} moving;

static int moving_open(moving *m, size_t n, error *err)
{
    *m = (moving){malloc(n * sizeof(float)), malloc(n * sizeof(float)), malloc(n * sizeof(float))};
    return m->values && m->picked && m->packed ? 0 : error_memory(err, "a row");
}

static void moving_close(moving *m)
{
    free(m->values);
    free(m->picked);
    free(m->packed);
}

/* Writes n numbers of `from`. */
static int put(const moving *m, gguf_writer *w, const float *from, size_t n, error *err)
{
    quantize_row(SLICES_TYPE, from, m->packed, n);
    return gguf_writer_data(w, m->packed, dtype_row_bytes(SLICES_TYPE, n), err);
}

int slices_put_rest_columns(const sliced *s, float factor, gguf_writer *w, error *err)
{
    size_t ffn = (size_t)s->dense.shape[1];
    moving m;
    uint8_t *stays = who_stays(s, ffn, err);
    int result = moving_open(&m, ffn, err) || !stays ? -1 : 0;
    for (size_t r = 0; r < s->dense.shape[0] && !result; r++) {
        size_t n = 0;
        dequantize_row(s->dense.type, row_of(&s->dense, r), m.values, ffn);
        for (size_t i = 0; i < ffn; i++)
            if (stays[i])
                m.picked[n++] = factor * m.values[i];
        result = put(&m, w, m.picked, n, err);
    }
    moving_close(&m);
    free(stays);
    return result;
}

int slices_put_rows(const sliced *s, gguf_writer *w, error *err)
{
    size_t width = (size_t)s->dense.shape[1];
    moving m;
    int result = moving_open(&m, width, err);
    for (int i = 0; i < count_of(s) && !result; i++) {
        dequantize_row(s->dense.type, row_of(&s->dense, (size_t)s->neurons[i]), m.values, width);
        result = put(&m, w, m.values, width, err);
    }
    moving_close(&m);
    return result;
}

/* Down is read once for each slice: a row of the slice is a few columns of one of its rows. */
int slices_put_columns(const sliced *s, float factor, gguf_writer *w, error *err)
{
    size_t ffn = (size_t)s->dense.shape[1], each = (size_t)s->each;
    moving m;
    int result = moving_open(&m, ffn, err);
    for (int e = 0; e < s->slices; e++)
        for (size_t r = 0; r < s->dense.shape[0] && !result; r++) {
            dequantize_row(s->dense.type, row_of(&s->dense, r), m.values, ffn);
            for (size_t i = 0; i < each; i++)
                m.picked[i] = factor * m.values[(size_t)s->neurons[(size_t)e * each + i]];
            result = put(&m, w, m.picked, each, err);
        }
    moving_close(&m);
    return result;
}

int slices_put_tensor(const checkpoint_tensor *t, gguf_writer *w, error *err)
{
    size_t cols = (size_t)t->shape[t->dims - 1], bytes = dtype_row_bytes(t->type, cols);
    moving m;
    int result = moving_open(&m, cols, err);
    for (size_t at = 0; at < t->bytes && !result; at += bytes) {
        dequantize_row(t->type, (const char *)t->data + at, m.values, cols);
        result = put(&m, w, m.values, cols, err);
    }
    moving_close(&m);
    return result;
}
