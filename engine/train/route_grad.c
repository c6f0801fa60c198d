/* route_grad.c - the router: softmax over the allowed experts, top-k, gates; and back.
 *
 * With S the chosen experts, p the softmax, and dg the gradients of the gates:
 *     renormalised   g_i = p_i / sum over S of p     dz_i = g_i (dg_i - sum over S of g dg), i in S
 *     as they are    g_i = p_i                       dz_j = p_j ([j in S] dg_j - sum over S of p dg)
 * The balance loss of a layer, E sum of f_e P_e with f the share of calls and P the mean of p, has the
 * gradient E f_e / (counted rows) with respect to each p_e; f is a constant (Fedus et al. 2021).
 */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "net_state.h"

typedef struct route_job {
    net *n;
    const net_layer *l;
    layer_routing routing;
    const float *share; /* [seen] of calls, times what the balance loss weighs; NULL = none */
} route_job;

layer_routing net_routing(const net *n, const net_layer *l)
{
    int k = n->config->experts_per_token;
    if (n->options->routing)
        return n->options->routing[l->layer];
    return (layer_routing){.k = k, .norm_width = k, .strength = 1, .tail_gain = 1};
}

/* ---- forward --------------------------------------------------------------------------------- */

static bool allowed(const layer_routing *r, int e)
{
    return !r->allowed || r->allowed[e];
}

/* The allowed experts of the highest z + bias, ties to the lowest number. Returns how many. */
static int choose(const layer_routing *r, const float *z, int seen, int *ids)
{
    int n = 0;
    for (int e = 0; e < seen; e++) {
        if (!allowed(r, e))
            continue;
        float mine = z[e] + (r->bias ? r->bias[e] : 0);
        int at = n < r->k ? n++ : r->k;
        for (; at > 0; at--) {
            int other = ids[at - 1];
            if (!(mine > z[other] + (r->bias ? r->bias[other] : 0)))
                break;
            if (at < r->k)
                ids[at] = other;
        }
        if (at < r->k)
            ids[at] = e;
    }
    return n;
}

/* z becomes its softmax over the allowed experts, 0 elsewhere. */
static void softmax(const net *n, const layer_routing *r, float *z, int seen)
{
    float most = -INFINITY, sum = 0;
    for (int e = 0; e < seen; e++)
        if (allowed(r, e) && z[e] > most)
            most = z[e];
    n->dots->exp(z, most, (size_t)seen);
    for (int e = 0; e < seen; e++) {
        z[e] = allowed(r, e) ? z[e] : 0;
        sum += z[e];
    }
    for (int e = 0; e < seen; e++)
        z[e] /= sum;
}

static void route_row(const route_job *j, int row)
{
    const layer_routing *r = &j->routing;
    saved *s = j->l->s;
    float *z = s->odds + (size_t)row * (size_t)j->l->seen, sum = 0;
    int *ids = s->ids + (size_t)row * (size_t)j->n->slots;
    float *gates = s->gates + (size_t)row * (size_t)j->n->slots;
    int k = choose(r, z, j->l->seen, ids);
    softmax(j->n, r, z, j->l->seen);
    for (int i = 0; i < k; i++)
        sum += z[ids[i]];
    for (int i = 0; i < k; i++) {
        gates[i] = z[ids[i]];
        if (j->n->config->renormalise)
            gates[i] = sum > 0 ? gates[i] / sum : 0;
        if (r->named && r->named[ids[i]])
            gates[i] *= r->strength;
    }
    for (int i = k; i < j->n->slots; i++) {
        ids[i] = -1;
        gates[i] = 0;
    }
}

static void route_rows(void *user, int from, int to, int thread)
{
    (void)thread;
    for (int row = from; row < to; row++)
        route_row(user, row);
}

int route_forward(net *n, net_layer *l, error *err)
{
    route_job j = {.n = n, .l = l, .routing = net_routing(n, l)};
    size_t rows = (size_t)n->pack.rows, d = (size_t)n->config->width;
    if (j.routing.k < 1 || j.routing.k > l->seen)
        return error_set(err, ERROR_USAGE, "layer %d: %d experts of %d cannot be called", l->layer,
                         j.routing.k, l->seen);
    net_multiply_nt(n, rows, (size_t)l->seen, d, n->normed, l->router, l->s->odds);
    pieces_rows(n->workers, n->pack.rows, route_rows, &j);
    return 0;
}

/* ---- the balance loss ------------------------------------------------------------------------ */

/* Fills share [seen] and odds [seen], the mean of the softmax, over the counted rows; returns how many
 * experts are allowed. */
static int call_shares(const net *n, const net_layer *l, double *share, double *odds)
{
    layer_routing r = net_routing(n, l);
    double calls = 0;
    int open = 0;
    memset(share, 0, (size_t)l->seen * sizeof *share);
    memset(odds, 0, (size_t)l->seen * sizeof *odds);
    for (int row = 0; row < n->pack.rows; row++) {
        if (!n->pack.counted[row])
            continue;
        for (int i = 0; i < n->slots; i++) {
            int id = l->s->ids[row * n->slots + i];
            share[id < 0 ? 0 : id] += id >= 0;
            calls += id >= 0;
        }
        for (int e = 0; e < l->seen; e++)
            odds[e] += (double)l->s->odds[(size_t)row * (size_t)l->seen + (size_t)e];
    }
    for (int e = 0; e < l->seen; e++) {
        share[e] /= calls > 0 ? calls : 1;
        odds[e] /= n->pack.counted_count ? n->pack.counted_count : 1;
        open += allowed(&r, e);
    }
    return open;
}

static int learning_layers(const net *n)
{
    int layers = 0;
    for (int i = 0; i < n->layer_count; i++)
        layers += n->layers[i].learns_rows;
    return layers;
}

double route_balance(const net *n, const net_layer *l, float *weight)
{
    double share[MODEL_MAX_EXPERTS], odds[MODEL_MAX_EXPERTS], loss = 0;
    int layers = learning_layers(n), open = call_shares(n, l, share, odds);
    double by = (double)n->options->balance * open / layers;
    for (int e = 0; e < l->seen; e++) {
        loss += open * share[e] * odds[e];
        weight[e] = n->pack.counted_count ? (float)(by * share[e] / n->pack.counted_count) : 0;
    }
    return loss / layers;
}

/* ---- back ------------------------------------------------------------------------------------ */

/* dz += p (d_p - sum p d_p) for a gradient d_p of the whole softmax. */
static void softmax_back(const float *p, const float *d_p, float *dz, int seen)
{
    float mean = lanes_dot(p, d_p, (size_t)seen);
    for (int e = 0; e < seen; e++)
        dz[e] += p[e] * (d_p[e] - mean);
}

static void gates_back(const route_job *j, int row, float *dz)
{
    const layer_routing *r = &j->routing;
    const saved *s = j->l->s;
    size_t at = (size_t)row * (size_t)j->n->slots;
    const int *ids = s->ids + at;
    const float *odds = s->odds + (size_t)row * (size_t)j->l->seen;
    float sum = 0, mean = 0;
    int k = 0;
    for (; k < j->n->slots && ids[k] >= 0; k++)
        sum += odds[ids[k]];
    bool renormalise = j->n->config->renormalise;
    float inverse = !renormalise ? 1 : sum > 0 ? 1 / sum : 0;
    for (int i = 0; i < k; i++) {
        float by = r->named && r->named[ids[i]] ? r->strength : 1;
        dz[ids[i]] = j->n->d_gates[at + (size_t)i] * by;
        mean += odds[ids[i]] * inverse * dz[ids[i]];
    }
    if (renormalise) {
        for (int i = 0; i < k; i++)
            dz[ids[i]] = odds[ids[i]] * inverse * (dz[ids[i]] - mean);
    } else {
        for (int e = 0; e < j->l->seen; e++)
            dz[e] = odds[e] * (dz[e] - mean);
    }
}

static void back_rows(void *user, int from, int to, int thread)
{
    const route_job *j = user;
    size_t seen = (size_t)j->l->seen;
    (void)thread;
    for (int row = from; row < to; row++) {
        float *dz = j->n->d_scores + (size_t)row * seen;
        memset(dz, 0, seen * sizeof *dz);
        gates_back(j, row, dz);
        if (j->share && j->n->pack.counted[row])
            softmax_back(j->l->s->odds + (size_t)row * seen, j->share, dz, j->l->seen);
    }
}

/* The learned rows' gradients, a block of columns of all of them: picked [n, rows that learn]. */
typedef struct rows_job {
    const net *n;
    const net_layer *l;
    const float *picked;
    size_t rows, wide;
} rows_job;

static void rows_block(void *user, size_t piece, int thread)
{
    const rows_job *j = user;
    size_t d = (size_t)j->n->config->width, col = piece * j->wide, i = 0;
    size_t cols = col + j->wide < d ? j->wide : d - col;
    float *sum = net_mine(j->n, thread);
    gemm_tn(j->n->blas, j->rows, cols, (size_t)j->n->pack.rows, 1, (matrix){j->picked, j->rows},
            (matrix){j->n->normed + col, d}, 0, sum, cols);
    for (int e = 0; e < j->l->seen; e++) {
        float *grad = j->l->learned->of[e].row.grad;
        if (!grad)
            continue;
        for (size_t c = 0; c < cols; c++)
            grad[col + c] += sum[i * cols + c];
        i++;
    }
}

static int rows_back(net *n, const net_layer *l, error *err)
{
    rows_job j = {.n = n, .l = l};
    size_t rows = (size_t)n->pack.rows, seen = (size_t)l->seen, to = 0;
    size_t pieces = parts_of((size_t)n->config->width, 256, &j.wide);
    if (net_reserve(n, seen * j.wide, err))
        return -1;
    for (int e = 0; e < l->seen; e++)
        j.rows += l->learned->of[e].row.grad != NULL;
    /* The scores' gradients have done their work in d_normed: they move together in place. */
    for (size_t i = 0; i < rows; i++)
        for (size_t e = 0; e < seen; e++)
            if (l->learned->of[e].row.grad)
                n->d_scores[to++] = n->d_scores[i * seen + e];
    j.picked = n->d_scores;
    pieces_run(n->workers, pieces, rows_block, &j);
    return 0;
}

int route_back(net *n, net_layer *l, bool inputs, error *err)
{
    float share[MODEL_MAX_EXPERTS];
    route_job j = {.n = n, .l = l, .routing = net_routing(n, l)};
    if (l->learns_rows && n->options->balance != 0) {
        (void)route_balance(n, l, share);
        j.share = share;
    }
    pieces_rows(n->workers, n->pack.rows, back_rows, &j);
    if (inputs)
        net_multiply_nn(n, (size_t)n->pack.rows, (size_t)n->config->width, (size_t)l->seen,
                        n->d_scores, l->router, 1, n->d_normed);
    return l->learns_rows ? rows_back(n, l, err) : 0;
}
