/* head_loss.c - the output matrix and the losses, a block of rows at a time: net.h has the losses.
 *
 * The logits of a block of rows are made, turned into their gradients in place, and multiplied back; the
 * next block takes their place, so [n, vocabulary] is never held. Both products walk the output matrix in
 * tiles of rows, which are dequantised into a thread's room when there is no f32 copy. Going back, the
 * tiles are dealt to GROUPS sums of their own, added up in order.
 *
 * With p = softmax(z), t the target and q the plain model's distribution, for each row
 *     cross entropy  w (lse - z_t)              d_z = w (p - 1_t)
 *     against        -|w| ln(1 - p_t)           d_z = |w| p_t / (1 - p_t) (1_t - p)
 *     near           sum q (ln q - ln p)        d_z = near (p - q)
 * 1 - p_t is taken for at least 1e-4, so that a certain repetition has a finite loss.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "net_state.h"

enum { TILE = 512, GROUPS = 8, CHUNK = 1024, BLOCK_FLOATS = 16 << 20, MOST_ROWS = 512 };

static const double LEAST_REST = 1e-4;

typedef struct row_loss {
    double cross_entropy, against, near;
} row_loss;

typedef struct head_job {
    net *n;
    const loss_row *items;        /* of the block */
    size_t m, d, v;               /* rows of the block, width, choices */
    const frozen *output;         /* [v, d] */
    float *x, *normed, *plain;    /* [m, d] */
    float *logits, *plain_logits; /* [m, v] */
    float *sums;                  /* [GROUPS, m, d] */
    float *d_normed, *d_x;        /* [m, d] */
    row_loss *losses;             /* [m] */
    size_t tiles;
    bool any_plain;
} head_job;

/* ---- candidates ------------------------------------------------------------------------------ */

static void gather_candidates(void *user, int from, int to, int thread)
{
    const net *n = user;
    float *rows = n->candidates.data;
    size_t d = (size_t)n->config->width;
    (void)thread;
    for (int i = from; i < to; i++) {
        float *row = rows + (size_t)i * d;
        const float *source =
            frozen_open_rows(&n->output, (size_t)n->options->candidates[i], 1, row);
        if (source != row)
            memcpy(row, source, d * sizeof *row);
    }
}

/* The rows of the output matrix that are choices, and where each id stands among them. */
static int prepare_candidates(net *n, frozen *output, error *err)
{
    const net_options *o = n->options;
    size_t d = (size_t)n->config->width, vocabulary = (size_t)n->config->vocabulary;
    if (!n->lookup && !(n->lookup = calloc(vocabulary, sizeof *n->lookup)))
        return error_memory(err, "the candidates");
    for (size_t i = 0; i < vocabulary; i++)
        n->lookup[i] = -1;
    for (int i = 0; i < o->candidate_count; i++) {
        if (o->candidates[i] < 0 || o->candidates[i] >= n->config->vocabulary)
            return error_set(err, ERROR_USAGE, "candidate %d is no token: the ids are 0 to %d",
                             o->candidates[i], n->config->vocabulary - 1);
        n->lookup[o->candidates[i]] = i;
    }
    if (!grow(&n->candidates, (size_t)o->candidate_count * d * sizeof(float)))
        return error_memory(err, "the candidates");
    pieces_rows(n->workers, o->candidate_count, gather_candidates, n);
    *output = (frozen){n->candidates.data, DTYPE_F32, (size_t)o->candidate_count, d,
                       n->candidates.data, NULL};
    return 0;
}

static int target_of(const net *n, const loss_row *item)
{
    return item->target < 0 || !n->options->candidates ? item->target : n->lookup[item->target];
}

static int check_targets(const net *n, error *err)
{
    for (int i = 0; i < n->pack.loss_count; i++)
        if (n->pack.losses[i].target >= 0 && target_of(n, &n->pack.losses[i]) < 0)
            return error_set(err, ERROR_USAGE, "token %d is to be learned and is no candidate",
                             n->pack.losses[i].target);
    return 0;
}

/* ---- one row --------------------------------------------------------------------------------- */

static float most_of(const float *z, size_t v)
{
    float most = z[0];
    for (size_t i = 1; i < v; i++)
        most = z[i] > most ? z[i] : most;
    return most;
}

/* z becomes exp(z - most); returns the sum. */
static double exponentials(const dot_kernels *dots, float *z, size_t v, float most)
{
    double sum = 0;
    for (size_t at = 0; at < v; at += CHUNK) {
        size_t c = at + CHUNK < v ? CHUNK : v - at;
        dots->exp(z + at, most, c);
        sum += (double)lanes_sum(z + at, c);
    }
    return sum;
}

/* Sum of exp(zq - most) and of that times (zq - z). */
static void compare(const dot_kernels *dots, const float *z, const float *zq, size_t v, float most,
                    double *sum, double *apart)
{
    float e[CHUNK], difference[CHUNK];
    *sum = *apart = 0;
    for (size_t at = 0; at < v; at += CHUNK) {
        size_t c = at + CHUNK < v ? CHUNK : v - at;
        for (size_t i = 0; i < c; i++) {
            e[i] = zq[at + i];
            difference[i] = zq[at + i] - z[at + i];
        }
        dots->exp(e, most, c);
        *sum += (double)lanes_sum(e, c);
        *apart += (double)lanes_dot(e, difference, c);
    }
}

static void shift_logits(const head_job *j, float *z)
{
    const float *shift = j->n->options->candidates ? j->n->options->shift : NULL;
    for (size_t i = 0; shift && i < j->v; i++)
        z[i] += shift[i];
}

/* Losses of a row; z (and zq) become exp(z - most), *factor what makes their softmax's share in d_z,
 * *at_target what is added there. */
static void weigh(const head_job *j, size_t row, const loss_row *item, float *factor,
                  float *at_target, float *plain_factor)
{
    const dot_kernels *dots = j->n->dots;
    float *z = j->logits + row * j->v, *zq = item->plain ? j->plain_logits + row * j->v : NULL;
    row_loss *loss = &j->losses[row];
    int t = target_of(j->n, item);
    double share = 0, target = 0, plain_sum = 1, apart = 0, by = 1 / j->n->losses->normaliser;
    shift_logits(j, z);
    float most = most_of(z, j->v), plain_most = 0, z_target = t >= 0 ? z[t] : 0;
    if (zq) {
        shift_logits(j, zq);
        plain_most = most_of(zq, j->v);
        compare(dots, z, zq, j->v, plain_most, &plain_sum, &apart);
    }
    double sum = exponentials(dots, z, j->v, most), lse = (double)most + log(sum);
    double w = (double)item->weight, near = zq ? (double)item->near : 0;
    *loss = (row_loss){0};
    if (t >= 0 && w > 0) {
        loss->cross_entropy = w * (lse - (double)z_target);
        share = w;
        target = -w;
    } else if (t >= 0) {
        double p = exp((double)z_target - lse), rest = 1 - p > LEAST_REST ? 1 - p : LEAST_REST;
        loss->against = w * log(rest);
        share = w * p / rest;
        target = -share;
    }
    if (zq)
        loss->near = near * (apart / plain_sum - ((double)plain_most + log(plain_sum)) + lse);
    *factor = (float)((share + near) * by / sum);
    *at_target = (float)(target * by);
    *plain_factor = (float)(near * by / plain_sum);
    if (zq && j->n->back)
        (void)exponentials(dots, zq, j->v, plain_most);
}

static void loss_piece(void *user, size_t row, int thread)
{
    const head_job *j = user;
    const loss_row *item = &j->items[row];
    float factor, at_target, plain_factor, *z = j->logits + row * j->v;
    (void)thread;
    weigh(j, row, item, &factor, &at_target, &plain_factor);
    if (!j->n->back)
        return;
    for (size_t i = 0; i < j->v; i++)
        z[i] *= factor;
    if (item->plain) {
        const float *q = j->plain_logits + row * j->v;
        for (size_t i = 0; i < j->v; i++)
            z[i] -= plain_factor * q[i];
    }
    if (target_of(j->n, item) >= 0)
        z[target_of(j->n, item)] += at_target;
}

/* ---- products -------------------------------------------------------------------------------- */

static const float *tile_of(const head_job *j, size_t tile, int thread, size_t *rows)
{
    size_t from = tile * TILE;
    *rows = from + TILE < j->v ? TILE : j->v - from;
    return frozen_open_rows(j->output, from, *rows, net_mine(j->n, thread));
}

static void logits_piece(void *user, size_t tile, int thread)
{
    const head_job *j = user;
    size_t rows;
    matrix w = {tile_of(j, tile, thread, &rows), j->d};
    float scale = j->n->config->logit_scale;
    gemm_nt(j->n->blas, j->m, rows, j->d, scale, (matrix){j->normed, j->d}, w, 0,
            j->logits + tile * TILE, j->v);
    if (j->any_plain)
        gemm_nt(j->n->blas, j->m, rows, j->d, scale, (matrix){j->plain, j->d}, w, 0,
                j->plain_logits + tile * TILE, j->v);
}

static void back_piece(void *user, size_t group, int thread)
{
    const head_job *j = user;
    float *sum = j->sums + group * j->m * j->d;
    bool begun = false;
    for (size_t tile = group; tile < j->tiles; tile += GROUPS) {
        size_t rows;
        matrix w = {tile_of(j, tile, thread, &rows), j->d};
        gemm_nn(j->n->blas, j->m, j->d, rows, j->n->config->logit_scale,
                (matrix){j->logits + tile * TILE, j->v}, w, begun ? 1 : 0, sum, j->d);
        begun = true;
    }
}

static void sum_groups(void *user, int from, int to, int thread)
{
    const head_job *j = user;
    size_t groups = j->tiles < GROUPS ? j->tiles : GROUPS;
    (void)thread;
    for (size_t i = (size_t)from * j->d; i < (size_t)to * j->d; i++) {
        float sum = j->sums[i];
        for (size_t g = 1; g < groups; g++)
            sum += j->sums[g * j->m * j->d + i];
        j->d_normed[i] = sum;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void gather_block(head_job *j)
{
    j->any_plain = false;
    for (size_t i = 0; i < j->m; i++) {
        memcpy(j->x + i * j->d, j->n->last + (size_t)j->items[i].row * j->d, j->d * sizeof(float));
        if (j->items[i].plain)
            memcpy(j->plain + i * j->d, j->items[i].plain, j->d * sizeof(float));
        else
            memset(j->plain + i * j->d, 0, j->d * sizeof(float));
        j->any_plain = j->any_plain || j->items[i].plain;
    }
}

static void run_block(head_job *j)
{
    net *n = j->n;
    int m = (int)j->m;
    gather_block(j);
    net_norm(n, j->x, n->output_norm, j->normed, m);
    if (j->any_plain)
        net_norm(n, j->plain, n->output_norm, j->plain, m);
    pieces_run(n->workers, j->tiles, logits_piece, j);
    pieces_run(n->workers, j->m, loss_piece, j);
    for (size_t i = 0; i < j->m; i++) {
        n->losses->cross_entropy += j->losses[i].cross_entropy;
        n->losses->against += j->losses[i].against;
        n->losses->near += j->losses[i].near;
    }
    if (!n->back)
        return;
    pieces_run(n->workers, j->tiles < GROUPS ? j->tiles : GROUPS, back_piece, j);
    pieces_rows(n->workers, m, sum_groups, j);
    memset(j->d_x, 0, j->m * j->d * sizeof(float));
    net_norm_back(n, j->x, n->output_norm, j->d_normed, j->d_x, m);
    for (size_t i = 0; i < j->m; i++)
        memcpy(n->d_x + (size_t)j->items[i].row * j->d, j->d_x + i * j->d, j->d * sizeof(float));
}

size_t head_rows(size_t choices)
{
    size_t rows = BLOCK_FLOATS / choices;
    return rows > MOST_ROWS ? MOST_ROWS : rows < 16 ? 16 : rows;
}

size_t head_floats(size_t rows, size_t width, size_t choices, bool plain)
{
    return rows * (choices * (plain ? 2 : 1) + width * (5 + GROUPS) + 16);
}

/* Lays the block's arrays into the room of the head. */
static int place_arrays(head_job *j, size_t rows, bool plain, error *err)
{
    float *at = grow(&j->n->head, head_floats(rows, j->d, j->v, plain) * sizeof *at);
    if (!at || net_reserve(j->n, TILE * j->d, err))
        return error_memory(err, "a block of logits");
    size_t block = rows * j->d;
    j->losses = (row_loss *)(void *)at;
    j->x = at + rows * 16;
    j->normed = j->x + block;
    j->plain = j->normed + block;
    j->d_normed = j->plain + block;
    j->d_x = j->d_normed + block;
    j->sums = j->d_x + block;
    j->logits = j->sums + GROUPS * block;
    j->plain_logits = j->logits + rows * j->v;
    return 0;
}

int head_losses(net *n, error *err)
{
    frozen candidates;
    head_job j = {.n = n, .d = (size_t)n->config->width, .output = &n->output};
    bool plain = false;
    if (n->options->candidates) {
        if (prepare_candidates(n, &candidates, err))
            return -1;
        j.output = &candidates;
    }
    if (check_targets(n, err))
        return -1;
    for (int i = 0; i < n->pack.loss_count; i++)
        plain = plain || n->pack.losses[i].plain;
    j.v = j.output->rows;
    j.tiles = (j.v + TILE - 1) / TILE;
    size_t rows = head_rows(j.v), all = (size_t)n->pack.loss_count;
    if (place_arrays(&j, rows, plain, err))
        return -1;
    if (n->back)
        memset(n->d_x, 0, (size_t)n->pack.rows * j.d * sizeof(float));
    for (size_t at = 0; at < all; at += rows) {
        j.items = n->pack.losses + at;
        j.m = at + rows < all ? rows : all - at;
        run_block(&j);
    }
    return 0;
}
