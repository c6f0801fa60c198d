/* ridge.c - see ridge.h.
 *
 * The sums are the work: width^2 / 2 products a row. Rows are turned to double a few dozen at a time,
 * and G is filled by tiles of TILE x TILE that stay in registers while those rows go by. A tile's sums
 * go on from what G holds, so where one portion of rows ends leaves no trace. Of G only tiles on and
 * below the diagonal are kept up; `side`, the width rounded up to tiles, spares the loops their edges.
 */
#include "ridge.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 4, PORTION = 48 };

struct ridge {
    int width, outputs, side;
    double *gram;   /* [side, side], lower tiles; zeros behind width */
    double *target; /* [outputs, side] */
    double *rows;   /* [PORTION, side] rows of a portion, zeros behind width */
    double *scaled; /* [PORTION, side] the same times their weights */
};

static size_t side_of(int width)
{
    return ((size_t)width + TILE - 1) / TILE * TILE;
}

size_t ridge_bytes(int width, int outputs)
{
    size_t side = side_of(width);
    return (side + (size_t)outputs + 2 * (size_t)PORTION) * side * sizeof(double);
}

ridge *ridge_open(int width, int outputs, error *err)
{
    ridge *r = malloc(sizeof *r);
    size_t side = side_of(width);
    double *all = r ? calloc(ridge_bytes(width, outputs), 1) : NULL;
    if (!all) {
        free(r);
        (void)error_memory(err, "a regression");
        return NULL;
    }
    *r = (ridge){width, outputs, (int)side, all, NULL, NULL, NULL};
    r->target = r->gram + side * side;
    r->rows = r->target + (size_t)outputs * side;
    r->scaled = r->rows + PORTION * side;
    return r;
}

void ridge_close(ridge *r)
{
    if (r)
        free(r->gram);
    free(r);
}

void ridge_copy(ridge *to, const ridge *from)
{
    memcpy(to->gram, from->gram, ridge_bytes(from->width, from->outputs));
}

/* ---- sums -------------------------------------------------------------------------------------- */

/* gram[i + a][j + b] += scaled[row][i + a] * rows[row][j + b] over n rows. */
static void add_tile(ridge *r, size_t i, size_t j, int n)
{
    size_t side = (size_t)r->side;
    double sum[TILE][TILE];
    for (size_t a = 0; a < TILE; a++)
        memcpy(sum[a], r->gram + (i + a) * side + j, sizeof sum[a]);
    for (size_t row = 0; row < (size_t)n; row++) {
        const double *left = r->scaled + row * side + i, *right = r->rows + row * side + j;
        for (int a = 0; a < TILE; a++)
            for (int b = 0; b < TILE; b++)
                sum[a][b] += left[a] * right[b];
    }
    for (size_t a = 0; a < TILE; a++)
        memcpy(r->gram + (i + a) * side + j, sum[a], sizeof sum[a]);
}

static void add_targets(ridge *r, const float *y, int n)
{
    size_t side = (size_t)r->side;
    for (int o = 0; o < r->outputs; o++)
        for (int row = 0; row < n; row++) {
            double value = (double)y[(size_t)row * (size_t)r->outputs + (size_t)o];
            const double *scaled = r->scaled + (size_t)row * side;
            double *sum = r->target + (size_t)o * side;
            for (int i = 0; i < r->width; i++)
                sum[i] += value * scaled[i];
        }
}

static void add_portion(ridge *r, const float *x, const float *y, const float *weight, int n)
{
    size_t side = (size_t)r->side;
    for (size_t row = 0; row < (size_t)n; row++)
        for (size_t i = 0; i < (size_t)r->width; i++) {
            double value = (double)x[row * (size_t)r->width + i];
            r->rows[row * side + i] = value;
            r->scaled[row * side + i] = weight ? value * (double)weight[row] : value;
        }
    for (size_t i = 0; i < side; i += TILE)
        for (size_t j = 0; j <= i; j += TILE)
            add_tile(r, i, j, n);
    add_targets(r, y, n);
}

void ridge_add(ridge *r, const float *x, const float *y, const float *weight, int n)
{
    for (int at = 0; at < n; at += PORTION)
        add_portion(r, x + (size_t)at * (size_t)r->width, y + (size_t)at * (size_t)r->outputs,
                    weight ? weight + at : NULL, n - at < PORTION ? n - at : PORTION);
}

/* ---- solution ---------------------------------------------------------------------------------- */

/* a . b over n elements, in four sums side by side. */
static double product(const double *a, const double *b, size_t n)
{
    double sum[4] = {0}, rest = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t lane = 0; lane < 4; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]) + rest;
}

/* Lower l [width, side] with l l' = g in place of g; false where g is not positive definite beyond
 * what its own rounding leaves open. */
static bool factorise(double *g, size_t width, size_t side)
{
    for (size_t i = 0; i < width; i++) {
        double *row = g + i * side, whole = row[i];
        for (size_t j = 0; j <= i; j++) {
            const double *other = g + j * side;
            double sum = row[j] - product(row, other, j);
            if (j < i)
                row[j] = sum / other[j];
            else if (sum > whole * 0x1p-50 * (double)width && isfinite(sum))
                row[i] = sqrt(sum);
            else
                return false;
        }
    }
    return true;
}

/* v [width] = (l l')^-1 v: forwards, then backwards. */
static void substitute(const double *l, size_t width, size_t side, double *v)
{
    for (size_t i = 0; i < width; i++)
        v[i] = (v[i] - product(l + i * side, v, i)) / l[i * side + i];
    for (size_t i = width; i-- > 0;) {
        v[i] /= l[i * side + i];
        for (size_t k = 0; k < i; k++)
            v[k] -= l[i * side + k] * v[i];
    }
}

int ridge_solve(const ridge *r, double share, float *map, error *err)
{
    size_t width = (size_t)r->width, side = (size_t)r->side, square = side * side;
    double *l = malloc((square + side) * sizeof *l), *v = l ? l + square : NULL, trace = 0;
    if (!l)
        return error_memory(err, "a regression");
    memcpy(l, r->gram, square * sizeof *l);
    for (size_t i = 0; i < width; i++)
        trace += l[i * side + i];
    for (size_t i = 0; i < width; i++)
        l[i * side + i] += share * trace / (double)width;
    bool good = factorise(l, width, side);
    for (size_t o = 0; good && o < (size_t)r->outputs; o++) {
        memcpy(v, r->target + o * side, side * sizeof *v);
        substitute(l, width, side, v);
        for (size_t i = 0; i < width; i++)
            map[o * width + i] = (float)v[i];
    }
    free(l);
    return good ? 0
                : error_set(err, ERROR_RUN,
                            "a regression has no single solution: its rows leave directions open");
}
