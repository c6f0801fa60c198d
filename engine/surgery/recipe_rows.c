/* recipe_rows.c - see recipe_rows.h. */
#include "recipe_rows.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"

/* What a term counts in this part. */
static float factor_of(const recipe_rows *w, const recipe_term *t)
{
    return w->matrix == BANK_DOWN ? t->share * t->down : t->share;
}

/* The bytes are those of the only term, but for the scales of its blocks. */
static bool keeps_codes(const recipe_rows *w)
{
    return w->r->count == 1 && w->views[0].type == w->type;
}

int recipe_rows_open(recipe_rows *w, const recipe *r, bank_matrix m, dtype type, size_t rows,
                     size_t cols, error *err)
{
    const dtype_info *info = dtype_describe(type);
    *w = (recipe_rows){r,    m,   type, rows, cols, calloc((size_t)r->count + 1, sizeof *w->views),
                       NULL, NULL};
    if (!w->views)
        return error_memory(err, "an expert");
    for (int i = 0; i < r->count; i++)
        w->views[i] = bank_view(r->term[i].of, r->term[i].layer, r->term[i].expert, m);
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
    return w->sum && w->term ? 0 : error_memory(err, "an expert");
}

void recipe_rows_release(recipe_rows *w)
{
    free(w->views);
    free(w->sum);
    free(w->term);
    *w = (recipe_rows){0};
}

static const uint8_t *row_of(const bank_rows *b, size_t i)
{
    return b->data + dtype_row_bytes(b->type, b->cols) * i;
}

static void add_terms(const recipe_rows *w, size_t i)
{
    memset(w->sum, 0, w->cols * sizeof *w->sum);
    for (int k = 0; k < w->r->count; k++) {
        const recipe_term *t = &w->r->term[k];
        const bank_rows *b = &w->views[k];
        float factor = factor_of(w, t);
        dequantize_row(b->type, row_of(b, i), w->term, w->cols);
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
