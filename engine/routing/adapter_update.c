/* adapter_update.c - one expert's update, cut out of a tensor that holds those of many. */
#include <stdlib.h>
#include <string.h>

#include "adapter_internal.h"

static size_t element_bytes(dtype type)
{
    return (size_t)dtype_describe(type)->bytes;
}

static const char *cell(const matrix_view *v, size_t i, size_t j)
{
    return (const char *)v->data + element_bytes(v->type) * (v->at + i * v->row + j * v->col);
}

/* Of either sign. */
static bool is_zero(const char *at, dtype type)
{
    if (type == DTYPE_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        return value == 0;
    }
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return (bits & 0x7fff) == 0;
}

static bool column_is_zero(const matrix_view *v, size_t rows, size_t column)
{
    for (size_t i = 0; i < rows; i++)
        if (!is_zero(cell(v, i, column), v->type))
            return false;
    return true;
}

/* The ranks that do something, ascending, into kept [rank]; how many. */
static size_t ranks_in_use(const matrix_view *b, size_t out, size_t rank, size_t *kept)
{
    size_t n = 0;
    for (size_t k = 0; k < rank; k++)
        if (!column_is_zero(b, out, k))
            kept[n++] = k;
    return n;
}

static bool in_a_row(const size_t *kept, size_t n)
{
    return n == 0 || kept[n - 1] - kept[0] == n - 1;
}

/* The kept rows of A [n, in]: in place when they lie there one behind the other. */
static int take_a(adapter *a, const matrix_view *v, const size_t *kept, size_t n,
                  adapter_tensor *out, error *err)
{
    size_t in = (size_t)out->cols, size = element_bytes(v->type);
    out->rows = (int)n;
    if (v->col == 1 && v->row == in && in_a_row(kept, n)) {
        out->data = cell(v, kept[0], 0);
        return 0;
    }
    char *copy = region_take(&a->memory, n * in * size, err);
    out->data = copy;
    for (size_t i = 0; copy && i < n; i++)
        for (size_t j = 0; j < in; j++)
            memcpy(copy + (i * in + j) * size, cell(v, kept[i], j), size);
    return copy ? 0 : -1;
}

/* The kept columns of B [out, n]. */
static int take_b(adapter *a, const matrix_view *v, const size_t *kept, size_t n,
                  adapter_tensor *out, error *err)
{
    size_t rows = (size_t)out->rows, size = element_bytes(v->type);
    bool whole = (size_t)out->cols == n;
    out->cols = (int)n;
    if (whole && v->col == 1 && v->row == n) {
        out->data = cell(v, 0, 0);
        return 0;
    }
    char *copy = region_take(&a->memory, rows * n * size, err);
    out->data = copy;
    for (size_t i = 0; copy && i < rows; i++)
        for (size_t j = 0; j < n; j++)
            memcpy(copy + (i * n + j) * size, cell(v, i, kept[j]), size);
    return copy ? 0 : -1;
}

int adapter_add_update(adapter *a, int layer, const adapter_lora *shape, matrix_view va,
                       matrix_view vb, error *err)
{
    adapter_lora l = *shape;
    size_t rank = (size_t)l.a.rows, *kept = malloc(rank * sizeof *kept);
    if (!kept)
        return error_memory(err, "an adapter");
    size_t n = ranks_in_use(&vb, (size_t)l.b.rows, rank, kept);
    int result = 0;
    l.a.type = va.type;
    l.b.type = vb.type;
    if (n)
        result = take_a(a, &va, kept, n, &l.a, err) || take_b(a, &vb, kept, n, &l.b, err)
                     ? -1
                     : adapter_add_lora(a, layer, &l, err);
    free(kept);
    return result;
}
