/* recipe_rows.c - see recipe_rows.h. */
#include "recipe_rows.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"
#include "bank_bake.h"

/* What a term counts in this part. */
static float factor_of(const recipe_rows *w, const recipe_term *t)
{
    return w->matrix == BANK_DOWN ? t->share * t->down : t->share;
}

bank_rows recipe_term_rows(const recipe_term *t, bank_matrix m)
{
    if (t->baked && t->baked->part[m].data)
        return t->baked->part[m];
    return bank_view(t->of, t->layer, t->expert, m);
}

bool recipe_term_is_updated(const recipe_term *t, bank_matrix m)
{
    for (int i = 0; t->baked && i < t->baked->updates; i++)
        if (bake_matrix(t->baked->update[i]->matrix) == m)
            return true;
    return false;
}

/* The bytes are those of the only term, but for the scales of its blocks. */
static bool keeps_codes(const recipe_rows *w)
{
    const bank_rows *b = w->views;
    return w->r->count == 1 && b->type == w->type && b->rows == w->rows && b->cols == w->cols &&
           !recipe_term_is_updated(w->r->term, w->matrix);
}

int recipe_rows_open(recipe_rows *w, const recipe *r, bank_matrix m, dtype type, size_t rows,
                     size_t cols, error *err)
{
    const dtype_info *info = dtype_describe(type);
    *w = (recipe_rows){r,    m,    type, rows, cols, calloc((size_t)r->count + 1, sizeof *w->views),
                       NULL, NULL, NULL};
    if (!w->views)
        return error_memory(err, "an expert");
    for (int i = 0; i < r->count; i++)
        w->views[i] = recipe_term_rows(&r->term[i], m);
    if (r->count == 0 || (keeps_codes(w) && factor_of(w, r->term) == 1))
        return 0;
    if (keeps_codes(w) && quantize_scales(type))
        return 0;
    if (!quantize_writes(type))
        return error_set(err, ERROR_USAGE,
                         "experts of type %s are copied and scaled; sums of them are not written",
                         info->name);
    if (cols % (size_t)info->block)
        return error_set(err, ERROR_USAGE, "rows of %zu do not divide into %s blocks of %d", cols,
                         info->name, info->block);
    w->sum = malloc(cols * sizeof *w->sum);
    w->term = malloc(cols * sizeof *w->term);
    w->update = malloc(cols * sizeof *w->update);
    return w->sum && w->term && w->update ? 0 : error_memory(err, "an expert");
}

void recipe_rows_release(recipe_rows *w)
{
    free(w->views);
    free(w->sum);
    free(w->term);
    free(w->update);
    *w = (recipe_rows){0};
}

static const uint8_t *row_of(const bank_rows *b, size_t i)
{
    return b->data + dtype_row_bytes(b->type, b->cols) * i;
}

/* Row i of a part as numbers, filled up with zeros. */
static void open_row(const bank_rows *b, size_t i, size_t cols, float *out)
{
    size_t n = i < b->rows ? b->cols : 0;
    if (n)
        dequantize_row(b->type, row_of(b, i), out, n);
    memset(out + n, 0, (cols - n) * sizeof *out);
}

static float element(const adapter_tensor *t, size_t row, size_t col)
{
    float value;
    size_t size = dtype_row_bytes(t->type, 1);
    dequantize_row(t->type, (const uint8_t *)t->data + (row * (size_t)t->cols + col) * size, &value,
                   1);
    return value;
}

/* w->term += scale * B[i] A, of every update of this matrix. */
static void add_updates(const recipe_rows *w, const recipe_term *t, size_t i)
{
    for (size_t j = 0; j < w->cols; j++)
        w->update[j] = (double)w->term[j];
    for (int u = 0; u < t->baked->updates; u++) {
        const adapter_lora *o = t->baked->update[u];
        for (int k = 0; bake_matrix(o->matrix) == w->matrix && k < o->a.rows; k++) {
            double share = (double)o->scale * (double)element(&o->b, i, (size_t)k);
            size_t stride = dtype_row_bytes(o->a.type, w->cols) * (size_t)k;
            dequantize_row(o->a.type, (const uint8_t *)o->a.data + stride, w->term, w->cols);
            for (size_t j = 0; j < w->cols; j++)
                w->update[j] += share * (double)w->term[j];
        }
    }
    for (size_t j = 0; j < w->cols; j++)
        w->term[j] = (float)w->update[j];
}

static void add_terms(const recipe_rows *w, size_t i)
{
    memset(w->sum, 0, w->cols * sizeof *w->sum);
    for (int k = 0; k < w->r->count; k++) {
        const recipe_term *t = &w->r->term[k];
        const bank_rows *b = &w->views[k];
        float factor = factor_of(w, t);
        open_row(b, i, w->cols, w->term);
        if (recipe_term_is_updated(t, w->matrix))
            add_updates(w, t, i);
        for (size_t j = 0; j < w->cols; j++)
            w->sum[j] = k ? w->sum[j] + factor * w->term[j] : factor * w->term[j];
    }
}

const void *recipe_rows_all(const recipe_rows *w)
{
    bool same = w->r->count == 1 && !w->sum && factor_of(w, w->r->term) == 1;
    return same ? w->views[0].data : NULL;
}

const void *recipe_rows_get(const recipe_rows *w, size_t i, void *out, error *err)
{
    size_t bytes = dtype_row_bytes(w->type, w->cols);
    if (w->r->count == 0)
        return memset(out, 0, bytes); /* in every type the block of zero bytes is zero */
    if (w->sum) {
        add_terms(w, i);
        return quantize_row_checked(w->type, w->sum, out, w->cols, err) ? NULL : out;
    }
    float factor = factor_of(w, w->r->term);
    if (factor == 1)
        return row_of(&w->views[0], i);
    memcpy(out, row_of(&w->views[0], i), bytes);
    if (quantize_scale(w->type, out, w->cols, factor) == 0)
        return out;
    (void)error_set(err, ERROR_RUN, "the scale of a block times %g is no number of %s",
                    (double)factor, dtype_describe(w->type)->name);
    return NULL;
}
