/* recipe_rows.h - the bytes of one part of a new expert, made of its recipe.
 *
 * Rows come one after the other into the caller's buffer; only one row is ever in memory. One expert
 * with a share of 1 is copied as it lies; one that is only scaled keeps its codes, and the scales of
 * its blocks are multiplied (exactly, when the factor is a power of two); a sum is made in f32 and
 * written anew in the type, which must be one that quantize_row() writes. Updates (bank_bake.h) are added in
 * double: B A has as many roundings as ranks otherwise. Rows and columns that a part has not are zeros.
 */
#ifndef ENGINE_RECIPE_ROWS_H
#define ENGINE_RECIPE_ROWS_H

#include "bank_plan.h"

typedef struct recipe_rows {
    const recipe *r;
    bank_matrix matrix;
    dtype type; /* of what is written */
    size_t rows, cols;
    bank_rows *views;  /* [r->count] */
    float *sum, *term; /* [cols], NULL where codes are kept */
    double *update;    /* [cols], likewise */
} recipe_rows;

/* Where the part of a term lies: in the checkpoint, or in the adapter that put another in its place. */
bank_rows recipe_term_rows(const recipe_term *t, bank_matrix m);
/* Whether a low-rank update changes it. */
bool recipe_term_is_updated(const recipe_term *t, bank_matrix m);

/* `type`, [rows, cols]: the part as it is to be. ERROR_USAGE when it cannot be written so.
 * recipe_rows_release() in any case. */
int recipe_rows_open(recipe_rows *w, const recipe *r, bank_matrix m, dtype type, size_t rows,
                     size_t cols, error *err);
void recipe_rows_release(recipe_rows *w);

/* All rows at once where they are the bytes of one expert, else NULL. Borrowed. */
const void *recipe_rows_all(const recipe_rows *w);
/* Row i as bytes: borrowed, or written to out [dtype_row_bytes(type, cols)]. NULL with ERROR_RUN when a
 * number is too large for the type. */
const void *recipe_rows_get(const recipe_rows *w, size_t i, void *out, error *err);

#endif
