/* adapter.c - see adapter.h. What is put is appended in any order; sealing sorts each list, merges
 * the matrices of a replaced expert, and refuses what comes twice: n log n, whoever wrote the file. */
#include "adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "adapter_internal.h"

const char *expert_matrix_name(expert_matrix m)
{
    static const char *const names[] = {"gate", "up", "down"};
    return names[m];
}

/* ---- life ---------------------------------------------------------------------------------------- */

adapter *adapter_new(const char *path, int width, error *err)
{
    adapter *a = calloc(1, sizeof *a);
    if (a)
        a->path = strdup(path);
    if (!a || !a->path) {
        adapter_close(a);
        (void)error_memory(err, "an adapter");
        return NULL;
    }
    a->width = width;
    return a;
}

void adapter_close(adapter *a)
{
    if (!a)
        return;
    region_release(&a->memory);
    free(a->file);
    free(a->path);
    free(a);
}

const adapter_layer *adapter_at(const adapter *a, int layer)
{
    int low = 0, high = a->layer_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (a->layers[middle].layer < layer)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->layer_count && a->layers[low].layer == layer ? &a->layers[low] : NULL;
}

int adapter_most_added(const adapter *a)
{
    int most = 0;
    for (int i = 0; i < a->layer_count; i++)
        if (a->layers[i].added_count > most)
            most = a->layers[i].added_count;
    return most;
}

/* ---- putting ------------------------------------------------------------------------------------- */

static int refuse(const adapter *a, int layer, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: layer %d: %s", a->path, layer, what);
}

/* The layer to put into: new ones are appended, the last one is tried first. */
static adapter_layer *layer_for(adapter *a, int layer, error *err)
{
    for (int i = a->layer_count; i-- > 0;)
        if (a->layers[i].layer == layer)
            return &a->layers[i];
    if (layer < 0 || layer >= MODEL_MAX_LAYERS) {
        (void)error_set(err, ERROR_LOAD, "%s: layer %d: no model has it", a->path, layer);
        return NULL;
    }
    adapter_layer *list = region_add(&a->memory, &a->layers, &a->layer_count, 1, sizeof *list, err);
    if (!list)
        return NULL;
    list->layer = layer;
    return list;
}

static int check_tensor(const adapter *a, int layer, const adapter_tensor *t, const char *what,
                        error *err)
{
    if (t->type > DTYPE_BF16)
        return error_set(err, ERROR_LOAD, "%s: layer %d: %s is not of type F32, F16 or BF16",
                         a->path, layer, what);
    if (t->rows < 1 || t->cols < 1)
        return error_set(err, ERROR_LOAD, "%s: layer %d: %s is no matrix", a->path, layer, what);
    return 0;
}

/* gate and up are [ffn, width], down [width, ffn]. */
static int check_matrix(const adapter *a, int layer, expert_matrix m, const adapter_tensor *t,
                        error *err)
{
    if (check_tensor(a, layer, t, expert_matrix_name(m), err))
        return -1;
    int width = m == EXPERT_DOWN ? t->rows : t->cols;
    if (width == a->width)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: layer %d: %s has shape [%d, %d] where the width is %d",
                     a->path, layer, expert_matrix_name(m), t->rows, t->cols, a->width);
}

static int check_expert_number(const adapter *a, int layer, int expert, error *err)
{
    if (expert >= 0 && expert < MODEL_MAX_EXPERTS)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: layer %d: no model has an expert %d", a->path, layer,
                     expert);
}

static int check_added(const adapter *a, int layer, const adapter_tensor *matrix, error *err)
{
    for (int m = 0; m < EXPERT_MATRICES; m++)
        if (check_matrix(a, layer, (expert_matrix)m, &matrix[m], err))
            return -1;
    if (matrix[EXPERT_GATE].rows == matrix[EXPERT_UP].rows &&
        matrix[EXPERT_GATE].rows == matrix[EXPERT_DOWN].cols)
        return 0;
    return refuse(a, layer, "gate, up and down of an added expert have different widths", err);
}

int adapter_add_expert(adapter *a, int layer, const adapter_tensor matrix[EXPERT_MATRICES],
                       error *err)
{
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_added(a, layer, matrix, err) ||
        check_expert_number(a, layer, l->added_count, err))
        return -1;
    adapter_expert *e = region_add(&a->memory, &l->added, &l->added_count, 1, sizeof *e, err);
    if (!e)
        return -1;
    e->expert = l->added_count - 1;
    memcpy(e->matrix, matrix, sizeof e->matrix);
    return 0;
}

int adapter_add_rows(adapter *a, int layer, const adapter_tensor *rows, error *err)
{
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_tensor(a, layer, rows, "the router", err))
        return -1;
    if (rows->cols != a->width)
        return refuse(a, layer, "the router rows have another width than the model", err);
    l->added_rows = *rows;
    return 0;
}

int adapter_add_replaced(adapter *a, int layer, int expert, expert_matrix matrix,
                         const adapter_tensor *t, error *err)
{
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_expert_number(a, layer, expert, err) || check_matrix(a, layer, matrix, t, err))
        return -1;
    adapter_expert *e = region_add(&a->memory, &l->replaced, &l->replaced_count, 1, sizeof *e, err);
    if (!e)
        return -1;
    e->expert = expert;
    e->matrix[matrix] = *t;
    return 0;
}

int adapter_add_row(adapter *a, int layer, const adapter_row *row, error *err)
{
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_expert_number(a, layer, row->expert, err))
        return -1;
    if (row->type > DTYPE_BF16)
        return refuse(a, layer, "a router row is not of type F32, F16 or BF16", err);
    adapter_row *r = region_add(&a->memory, &l->rows, &l->row_count, 1, sizeof *r, err);
    if (!r)
        return -1;
    *r = *row;
    return 0;
}

/* A [rank, in], B [out, rank], and in or out is the model's width. */
static int check_lora(const adapter *a, int layer, const adapter_lora *l, error *err)
{
    if (check_expert_number(a, layer, l->expert, err) ||
        check_tensor(a, layer, &l->a, "lora_A", err) ||
        check_tensor(a, layer, &l->b, "lora_B", err))
        return -1;
    int width = l->matrix == EXPERT_DOWN ? l->b.rows : l->a.cols;
    const char *wrong = NULL;
    if (l->a.rows != l->b.cols)
        wrong = "do not have the same rank";
    else if (l->a.rows > ADAPTER_MAX_RANK)
        wrong = "have a rank above 4096";
    else if (width != a->width)
        wrong = "do not suit the width";
    else if (!isfinite(l->scale))
        wrong = "have a scale that is not finite";
    if (!wrong)
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: layer %d: expert %d: lora_A [%d, %d] and lora_B [%d, %d] of %s %s",
                     a->path, layer, l->expert, l->a.rows, l->a.cols, l->b.rows, l->b.cols,
                     expert_matrix_name(l->matrix), wrong);
}

int adapter_add_lora(adapter *a, int layer, const adapter_lora *lora, error *err)
{
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_lora(a, layer, lora, err))
        return -1;
    adapter_lora *o = region_add(&a->memory, &l->loras, &l->lora_count, 1, sizeof *o, err);
    if (!o)
        return -1;
    *o = *lora;
    return 0;
}

/* ---- putting copies ------------------------------------------------------------------------------ */

static size_t tensor_bytes(const adapter_tensor *t)
{
    return (size_t)t->rows * dtype_row_bytes(t->type, (size_t)t->cols);
}

static int keep(adapter *a, int layer, adapter_tensor *t, error *err)
{
    if (check_tensor(a, layer, t, "a matrix", err))
        return -1;
    t->data = region_keep(&a->memory, t->data, tensor_bytes(t), err);
    return t->data ? 0 : -1;
}

/* Rows behind those that are there; the storage doubles. */
static int append_row(adapter *a, adapter_layer *l, const adapter_tensor *row, error *err)
{
    adapter_tensor *rows = &l->added_rows;
    size_t bytes = dtype_row_bytes(row->type, (size_t)row->cols);
    if (row->rows != 1 || row->cols != a->width || (rows->rows && rows->type != row->type))
        return refuse(a, l->layer, "a router row is not [1, width] of the type of the others", err);
    int count = rows->rows;
    char *end = region_add(&a->memory, &rows->data, &count, 1, bytes, err);
    if (!end)
        return -1;
    memcpy(end, row->data, bytes);
    *rows = (adapter_tensor){row->type, count, row->cols, end - bytes * (size_t)(count - 1)};
    return 0;
}

int adapter_put_added(adapter *a, int layer, const adapter_tensor matrix[EXPERT_MATRICES],
                      const adapter_tensor *row, error *err)
{
    adapter_tensor copy[EXPERT_MATRICES];
    adapter_layer *l = layer_for(a, layer, err);
    if (!l || check_tensor(a, layer, row, "a router row", err) || append_row(a, l, row, err))
        return -1;
    memcpy(copy, matrix, sizeof copy);
    for (int m = 0; m < EXPERT_MATRICES; m++)
        if (keep(a, layer, &copy[m], err))
            return -1;
    return adapter_add_expert(a, layer, copy, err);
}

int adapter_put_replaced(adapter *a, int layer, int expert, expert_matrix matrix,
                         const adapter_tensor *t, error *err)
{
    adapter_tensor copy = *t;
    return keep(a, layer, &copy, err) ? -1
                                      : adapter_add_replaced(a, layer, expert, matrix, &copy, err);
}

int adapter_put_row(adapter *a, int layer, const adapter_row *row, error *err)
{
    adapter_tensor t = {row->type, 1, a->width, row->values};
    if (keep(a, layer, &t, err))
        return -1;
    adapter_row copy = {row->expert, row->type, t.data};
    return adapter_add_row(a, layer, &copy, err);
}

int adapter_put_lora(adapter *a, int layer, const adapter_lora *lora, error *err)
{
    adapter_lora copy = *lora;
    if (keep(a, layer, &copy.a, err) || keep(a, layer, &copy.b, err))
        return -1;
    return adapter_add_lora(a, layer, &copy, err);
}
