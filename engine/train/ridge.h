/* ridge.h - linear maps fitted in closed form, from rows that stream by.
 *
 * Ridge regression (Hoerl and Kennard 1970): of rows x [width] with targets y [outputs] and weights w,
 * the map m [outputs, width] that minimises
 *
 *     sum of w |m x - y|^2 + lambda |m|^2,   lambda = share * trace(G) / width,   G = sum of w x x'
 *
 * Only G and the sums of w y x' are kept, in double, so any number of rows costs the memory of one
 * matrix [width, width]; lambda is a share of G's mean diagonal, so that it means the same whatever
 * the rows' number and size. G + lambda I is factorised by Cholesky once for all outputs.
 *
 * Rows are summed one after another: the same rows in the same order give the same bytes, in however
 * many calls they come. A handle belongs to one thread; several handles may be filled at once.
 */
#ifndef ENGINE_TRAIN_RIDGE_H
#define ENGINE_TRAIN_RIDGE_H

#include <stddef.h>

#include "../../kernels/error.h"

typedef struct ridge ridge;

/* width and outputs are at least 1. Caller owns. */
ridge *ridge_open(int width, int outputs, error *err);
void ridge_close(ridge *r); /* NULL ok */
/* Bytes that one handle holds, and ridge_solve() once more while it works. */
size_t ridge_bytes(int width, int outputs);

/* Adds n rows: x [n, width], y [n, outputs], weight [n] or NULL for 1 each. A weight below 0 takes the
 * row's part away again. Values must be finite. */
void ridge_add(ridge *r, const float *x, const float *y, const float *weight, int n);
/* Makes `to` hold what `from` holds; both are of one shape. */
void ridge_copy(ridge *to, const ridge *from);

/* map [outputs, width]; share >= 0. The sums stay as they are. ERROR_RUN when the rows do not tell
 * all directions apart and share is too small to settle it. */
int ridge_solve(const ridge *r, double share, float *map, error *err);

#endif
