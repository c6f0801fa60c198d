/* attention_grad.c - causal grouped-query attention over the texts of a pack, and its block of a layer.
 *
 * A piece is one text and one head of keys: its keys and values are gathered (those of a shared beginning
 * lie with another text), then the query heads that read them go through in blocks of QUERIES rows, each
 * block against the positions up to its last row. The softmax is kept as one number a row and head, ln of
 * its sum, from which the backward pass makes it again (Dao et al. 2022 do the same):
 *     P = exp(S - spread)    dP = dO V^T    dS = P (dP - sum(P dP)) scale
 *     dQ = dS K              dK += dS^T Q   dV += P^T dO
 * Gradients of keys and values are kept text by text and summed over the texts in their order, since a
 * shared row is read by several.
 */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "net_state.h"

enum { QUERIES = 64 };

/* One text, one head of keys. */
typedef struct view {
    const net *n;
    const net_layer *l;
    const packed_text *t;
    int kv;            /* head of keys */
    size_t size, q, g; /* head_dim, strides of query and key rows */
    float *k, *v;      /* [t->n, size] gathered */
    float *s, *d_s;    /* [QUERIES, t->n] */
    float *d_k, *d_v;  /* [t->n, g] of this text, at this head */
} view;

static void gather(const view *w, const float *from, float *to)
{
    for (int i = 0; i < w->t->n; i++)
        memcpy(to + (size_t)i * w->size,
               from + (size_t)w->t->rows[i] * w->g + (size_t)w->kv * w->size, w->size * sizeof *to);
}

static view view_of(net *n, const net_layer *l, size_t piece, int thread)
{
    const model_config *c = n->config;
    size_t size = (size_t)c->head_dim, g = (size_t)c->kv_heads * size;
    view w = {.n = n,
              .l = l,
              .t = &n->pack.texts[piece / (size_t)c->kv_heads],
              .kv = (int)(piece % (size_t)c->kv_heads),
              .size = size,
              .q = (size_t)c->heads * size,
              .g = g,
              .k = net_mine(n, thread)};
    size_t at = (size_t)w.t->offset * g + (size_t)w.kv * size;
    w.v = w.k + (size_t)w.t->n * size;
    w.s = w.v + (size_t)w.t->n * size;
    w.d_s = w.s + QUERIES * (size_t)w.t->n;
    w.d_k = n->d_k_texts + at;
    w.d_v = n->d_v_texts + at;
    gather(&w, n->turned_k, w.k);
    gather(&w, l->s->v, w.v);
    return w;
}

/* A block of query rows of one head: positions [from, to). */
typedef struct block {
    int head, from, to;
    size_t at; /* of its first number in [n, h] */
} block;

/* s = scale Q K^T for the block, [to - from, t->n]; columns up to `to` are made. */
static void scores(const view *w, const block *b)
{
    matrix q = {w->n->turned_q + b->at, w->q}, k = {w->k, w->size};
    gemm_nt(w->n->blas, (size_t)(b->to - b->from), (size_t)b->to, w->size,
            w->n->config->attention_scale, q, k, 0, w->s, (size_t)w->t->n);
}

static float *spread_of(const view *w, const block *b, int i)
{
    return w->l->s->spread + (size_t)w->t->rows[i] * (size_t)w->n->config->heads + (size_t)b->head;
}

static void block_forward(const view *w, const block *b)
{
    size_t stride = (size_t)w->t->n;
    scores(w, b);
    for (int i = b->from; i < b->to; i++) {
        float *s = w->s + (size_t)(i - b->from) * stride, most = s[0];
        size_t seen = (size_t)i + 1;
        for (size_t j = 1; j < seen; j++)
            most = s[j] > most ? s[j] : most;
        w->n->dots->exp(s, most, seen);
        float sum = lanes_sum(s, seen), inverse = 1 / sum;
        for (size_t j = 0; j < seen; j++)
            s[j] *= inverse;
        memset(s + seen, 0, ((size_t)b->to - seen) * sizeof *s);
        *spread_of(w, b, i) = most + logf(sum);
    }
    gemm_nn(w->n->blas, (size_t)(b->to - b->from), w->size, (size_t)b->to, 1,
            (matrix){w->s, stride}, (matrix){w->v, w->size}, 0, w->n->attended + b->at, w->q);
}

static void block_back(const view *w, const block *b)
{
    const gemm *g = w->n->blas;
    size_t stride = (size_t)w->t->n, m = (size_t)(b->to - b->from), to = (size_t)b->to;
    matrix d_out = {w->n->attended + b->at, w->q}, s = {w->s, stride}, d_s = {w->d_s, stride};
    scores(w, b);
    gemm_nt(g, m, to, w->size, 1, d_out, (matrix){w->v, w->size}, 0, w->d_s, stride);
    for (int i = b->from; i < b->to; i++) {
        float *p = w->s + (size_t)(i - b->from) * stride;
        float *d = w->d_s + (size_t)(i - b->from) * stride;
        size_t seen = (size_t)i + 1;
        w->n->dots->exp(p, *spread_of(w, b, i), seen);
        float mean = lanes_dot(p, d, seen), scale = w->n->config->attention_scale;
        for (size_t j = 0; j < seen; j++)
            d[j] = p[j] * (d[j] - mean) * scale;
        memset(p + seen, 0, (to - seen) * sizeof *p);
        memset(d + seen, 0, (to - seen) * sizeof *d);
    }
    gemm_nn(g, m, w->size, to, 1, d_s, (matrix){w->k, w->size}, 0, w->n->d_q + b->at, w->q);
    gemm_tn(g, to, w->size, m, 1, d_s, (matrix){w->n->turned_q + b->at, w->q}, 1, w->d_k, w->g);
    gemm_tn(g, to, w->size, m, 1, s, d_out, 1, w->d_v, w->g);
}

/* All blocks of the piece, head after head. */
static void each_block(const view *w, void (*fn)(const view *, const block *))
{
    const model_config *c = w->n->config;
    int group = c->heads / c->kv_heads;
    for (int h = w->kv * group; h < (w->kv + 1) * group; h++)
        for (int from = w->t->shared; from < w->t->n; from += QUERIES) {
            block b = {.head = h, .from = from, .to = from + QUERIES};
            if (b.to > w->t->n)
                b.to = w->t->n;
            b.at = (size_t)w->t->rows[from] * w->q + (size_t)h * w->size;
            fn(w, &b);
        }
}

typedef struct attention_job {
    net *n;
    const net_layer *l;
} attention_job;

static void piece_forward(void *user, size_t piece, int thread)
{
    const attention_job *j = user;
    view w = view_of(j->n, j->l, piece, thread);
    each_block(&w, block_forward);
}

static void piece_back(void *user, size_t piece, int thread)
{
    const attention_job *j = user;
    view w = view_of(j->n, j->l, piece, thread);
    for (int i = 0; i < w.t->n; i++) {
        memset(w.d_k + (size_t)i * w.g, 0, w.size * sizeof(float));
        memset(w.d_v + (size_t)i * w.g, 0, w.size * sizeof(float));
    }
    each_block(&w, block_back);
}

static int run_pieces(net *n, const net_layer *l, piece_fn *fn, error *err)
{
    size_t longest = (size_t)n->pack.longest, size = (size_t)n->config->head_dim;
    attention_job j = {n, l};
    if (net_reserve(n, longest * (2 * size + 2 * QUERIES), err))
        return -1;
    pieces_run(n->workers, (size_t)n->pack.text_count * (size_t)n->config->kv_heads, fn, &j);
    return 0;
}

/* Sums the texts' gradients of keys (values) into their rows. */
static void sum_texts(net *n, const float *texts, float *out)
{
    size_t g = (size_t)n->config->kv_heads * (size_t)n->config->head_dim;
    memset(out, 0, (size_t)n->pack.rows * g * sizeof *out);
    for (const packed_text *t = n->pack.texts; t < n->pack.texts + n->pack.text_count; t++)
        for (int i = 0; i < t->n; i++) {
            const float *from = texts + ((size_t)t->offset + (size_t)i) * g;
            float *to = out + (size_t)t->rows[i] * g;
            for (size_t j = 0; j < g; j++)
                to[j] += from[j];
        }
}

/* ---- the block ------------------------------------------------------------------------------- */

typedef struct add_job {
    const float *x, *delta, *bias;
    float *out, scale;
    size_t width;
} add_job;

/* out = x + scale * (delta + bias) */
static void add_rows(void *user, int from, int to, int thread)
{
    const add_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i += j->width)
        for (size_t c = 0; c < j->width; c++)
            j->out[i + c] = j->x[i + c] + j->scale * (j->delta[i + c] + (j->bias ? j->bias[c] : 0));
}

static void scale_rows(void *user, int from, int to, int thread)
{
    const add_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i++)
        j->out[i] = j->scale * j->x[i];
}

/* Rows of [n, g]: x += bias. */
static void bias_rows(void *user, int from, int to, int thread)
{
    const add_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i += j->width)
        for (size_t c = 0; c < j->width; c++)
            j->out[i + c] += j->bias[c];
}

int attention_forward(net *n, net_layer *l, error *err)
{
    saved *s = l->s;
    int rows = n->pack.rows;
    net_norm(n, s->x, l->attention_norm, n->normed, rows);
    if (net_product(n, 0, &l->q, n->normed, s->q, rows, err) ||
        net_product(n, 1, &l->k, n->normed, s->k, rows, err) ||
        net_product(n, 2, &l->v, n->normed, s->v, rows, err))
        return -1;
    net_turn(n, l, false, s->q, n->turned_q, true);
    net_turn(n, l, true, s->k, n->turned_k, true);
    if (l->v_bias) {
        add_job bias = {.bias = l->v_bias, .out = s->v, .width = l->v.rows};
        pieces_rows(n->workers, rows, bias_rows, &bias);
    }
    if (run_pieces(n, l, piece_forward, err) ||
        net_product(n, 0, &l->o, n->attended, n->delta, rows, err))
        return -1;
    add_job add = {s->x, n->delta, l->o_bias, s->middle, n->config->residual_scale, l->o.rows};
    pieces_rows(n->workers, rows, add_rows, &add);
    return 0;
}

int attention_back(net *n, net_layer *l, error *err)
{
    saved *s = l->s;
    int rows = n->pack.rows;
    add_job scaled = {.x = n->d_x,
                      .out = n->d_y,
                      .scale = n->config->residual_scale,
                      .width = (size_t)n->config->width};
    pieces_rows(n->workers, rows, scale_rows, &scaled);
    net_turn(n, l, false, s->q, n->turned_q, false);
    net_turn(n, l, true, s->k, n->turned_k, false);
    if (net_product_back(n, 0, &l->o, n->d_y, 0, n->attended, rows, err) ||
        run_pieces(n, l, piece_back, err))
        return -1;
    sum_texts(n, n->d_k_texts, n->d_k);
    sum_texts(n, n->d_v_texts, n->d_v);
    net_turn_back(n, l, false, s->q, n->d_q);
    net_turn_back(n, l, true, s->k, n->d_k);
    if (net_product_back(n, 0, &l->q, n->d_q, 0, n->d_normed, rows, err) ||
        net_product_back(n, 1, &l->k, n->d_k, 1, n->d_normed, rows, err) ||
        net_product_back(n, 2, &l->v, n->d_v, 1, n->d_normed, rows, err))
        return -1;
    net_norm_back(n, s->x, l->attention_norm, n->d_normed, n->d_x, rows);
    return 0;
}
