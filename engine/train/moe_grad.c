/* moe_grad.c - the routed experts, forward and back: net_state.h.
 *
 * As in kernels/cpu/moe.c the (row, rank) pairs are sorted by expert, rows in order. A piece is one expert
 * with all its rows: their inputs are gathered, then
 *     gate = x Wg^T    up = x Wu^T    h = dropout(silu(gate) * up)    y = h Wd^T
 * with W + scale B A in place of W where a LoRA pair is learned: the two thin products are added, the sum
 * is never made. A row adds up gate * y over its ranks. Back, with d_y that of the row's output:
 *     e = d_y Wd         d_(gate value) = e . h      d_h = gate value * e
 *     dWd += d_y^T (gate value * h)     dWg += d_gate^T x     d_x = d_gate Wg + d_up Wu
 * One piece adds to the gradients of one expert only, so no two threads meet.
 */
#include <math.h>
#include <string.h>

#include "../run/philox.h"
#include "lanes.h"
#include "net_state.h"

typedef struct moe_job {
    net *n;
    const net_layer *l;
    bool inputs;                /* back: gradients of the inputs are wanted */
    size_t d, wide, rank, most; /* width, widest ffn, largest rank, rows of the largest run */
} moe_job;

/* The room of one piece; c rows. */
typedef struct piece_room {
    float *x, *y;      /* [c, d] inputs; outputs' gradients */
    float *h, *e, *up; /* [c, f] */
    float *t, *u;      /* [c, rank] */
    float *w;          /* [f, d] an opened matrix */
} piece_room;

static size_t room_floats(const moe_job *j)
{
    return j->most * (2 * j->d + 3 * j->wide + 2 * j->rank) + j->wide * j->d;
}

static piece_room room_of(const moe_job *j, int thread)
{
    piece_room r = {.x = net_mine(j->n, thread)};
    r.y = r.x + j->most * j->d;
    r.h = r.y + j->most * j->d;
    r.e = r.h + j->most * j->wide;
    r.up = r.e + j->most * j->wide;
    r.t = r.up + j->most * j->wide;
    r.u = r.t + j->most * j->rank;
    r.w = r.u + j->most * j->rank;
    return r;
}

static const expert_trainable *learned(const net_layer *l, int expert)
{
    return l->learned ? &l->learned->of[expert] : NULL;
}

/* An expert's matrix as f32. A piece is the only one that looks at its expert, so it may copy it. */
static const float *matrix_of(const moe_job *j, int expert, int which, float *room)
{
    const expert_trainable *x = learned(j->l, expert);
    if (x && x->whole[which].value)
        return x->whole[which].value;
    frozen *w = &j->l->experts[which][expert];
    if (j->n->copied)
        (void)frozen_copy(w, NULL);
    return frozen_open(w, room);
}

static size_t ffn_of(const net_layer *l, int expert)
{
    const expert_trainable *x = learned(l, expert);
    return x && x->whole[EXPERT_GATE].value ? x->whole[EXPERT_GATE].rows
                                            : l->experts[EXPERT_GATE][expert].rows;
}

/* ---- sorting --------------------------------------------------------------------------------- */

/* Runs, pairs and places of what the router chose. */
static void sort_pairs(const net *n, const net_layer *l)
{
    saved *s = l->s;
    int count[MODEL_MAX_EXPERTS] = {0}, next[MODEL_MAX_EXPERTS], first = 0;
    int cells = n->pack.rows * n->slots;
    size_t at = 0;
    for (int i = 0; i < cells; i++)
        if (s->ids[i] >= 0)
            count[s->ids[i]]++;
    s->run_count = 0;
    for (int e = 0; e < l->seen; e++) {
        if (!count[e])
            continue;
        size_t ffn = ffn_of(l, e);
        s->runs[s->run_count++] = (expert_run){e, first, count[e], ffn, at};
        next[e] = first;
        first += count[e];
        at += (size_t)count[e] * ffn;
    }
    for (int i = 0; i < cells; i++) {
        s->place[i] = s->ids[i] >= 0 ? next[s->ids[i]]++ : -1;
        if (s->place[i] >= 0)
            s->pair_cell[s->place[i]] = i;
    }
}

static moe_job job_of(net *n, const net_layer *l, bool inputs)
{
    moe_job j = {.n = n, .l = l, .inputs = inputs, .d = (size_t)n->config->width, .rank = 1};
    for (int i = 0; i < l->s->run_count; i++) {
        const expert_run *r = &l->s->runs[i];
        const expert_trainable *x = learned(l, r->expert);
        j.most = (size_t)r->count > j.most ? (size_t)r->count : j.most;
        j.wide = r->ffn > j.wide ? r->ffn : j.wide;
        for (int m = 0; x && m < EXPERT_MATRICES; m++)
            j.rank = x->lora[m].a.rows > j.rank ? x->lora[m].a.rows : j.rank;
    }
    return j;
}

static int row_of(const moe_job *j, int pair)
{
    return j->l->s->pair_cell[pair] / j->n->slots;
}

static void gather(const moe_job *j, const expert_run *r, const float *from, float *to)
{
    for (int i = 0; i < r->count; i++)
        memcpy(to + (size_t)i * j->d, from + (size_t)row_of(j, r->first + i) * j->d,
               j->d * sizeof *to);
}

/* ---- dropout --------------------------------------------------------------------------------- */

/* Scales or silences h [count, ffn] of a run by a function of seed, layer, expert, row and column. */
static void drop(const moe_job *j, const expert_run *r, float *h)
{
    const net_options *o = j->n->options;
    const expert_trainable *x = learned(j->l, r->expert);
    if (!j->n->back || !(o->dropout > 0) || !x || !x->whole[EXPERT_GATE].value)
        return;
    uint32_t limit = (uint32_t)((double)o->dropout * 65536);
    float keep = 65536.0f / (float)(65536 - limit);
    const uint32_t key[2] = {(uint32_t)o->seed, (uint32_t)(o->seed >> 32)};
    for (int i = 0; i < r->count; i++) {
        float *row = h + (size_t)i * r->ffn;
        for (size_t c = 0; c < r->ffn; c += 8) {
            uint32_t bits[4] = {(uint32_t)c, (uint32_t)row_of(j, r->first + i), (uint32_t)r->expert,
                                (uint32_t)j->l->layer};
            philox4x32(bits, key, bits);
            for (size_t b = 0; b < 8 && c + b < r->ffn; b++)
                row[c + b] *= (bits[b / 2] >> (16 * (b % 2)) & 0xffff) < limit ? 0 : keep;
        }
    }
}

/* ---- forward --------------------------------------------------------------------------------- */

/* out [c, b.rows] += scale * (x A^T) B^T; leaves x A^T in t. */
static void add_lora(const moe_job *j, const lora_pair *p, const float *x, size_t c, float *t,
                     float *out)
{
    size_t in = p->a.cols, rank = p->a.rows, to = p->b.rows;
    if (!p->a.value)
        return;
    gemm_nt(j->n->blas, c, rank, in, 1, (matrix){x, in}, (matrix){p->a.value, in}, 0, t, rank);
    gemm_nt(j->n->blas, c, to, rank, p->scale, (matrix){t, rank}, (matrix){p->b.value, rank}, 1,
            out, to);
}

static void apply(const moe_job *j, const expert_run *r, int which, const float *x, piece_room *m,
                  float *out)
{
    size_t in = which == EXPERT_DOWN ? r->ffn : j->d, to = which == EXPERT_DOWN ? j->d : r->ffn;
    const expert_trainable *l = learned(j->l, r->expert);
    matrix w = {matrix_of(j, r->expert, which, m->w), in};
    gemm_nt(j->n->blas, (size_t)r->count, to, in, 1, (matrix){x, in}, w, 0, out, to);
    if (l)
        add_lora(j, &l->lora[which], x, (size_t)r->count, m->t, out);
}

static void piece_forward(void *user, size_t piece, int thread)
{
    const moe_job *j = user;
    const expert_run *r = &j->l->s->runs[piece];
    piece_room m = room_of(j, thread);
    float *gate = j->l->s->pair_gate + r->at, *up = j->l->s->pair_up + r->at;
    gather(j, r, j->n->normed, m.x);
    apply(j, r, EXPERT_GATE, m.x, &m, gate);
    apply(j, r, EXPERT_UP, m.x, &m, up);
    j->n->dots->swiglu(m.h, gate, up, (size_t)r->count * r->ffn);
    drop(j, r, m.h);
    apply(j, r, EXPERT_DOWN, m.h, &m, j->n->pair_out + (size_t)r->first * j->d);
}

/* delta += gate * y over the ranks of each row. */
static void sum_rows(void *user, int from, int to, int thread)
{
    const moe_job *j = user;
    const saved *s = j->l->s;
    (void)thread;
    for (int row = from; row < to; row++) {
        float *restrict out = j->n->delta + (size_t)row * j->d;
        for (int i = row * j->n->slots; i < (row + 1) * j->n->slots; i++) {
            if (s->place[i] < 0)
                continue;
            const float *restrict y = j->n->pair_out + (size_t)s->place[i] * j->d;
            for (size_t c = 0; c < j->d; c++)
                out[c] += s->gates[i] * y[c];
        }
    }
}

int moe_forward(net *n, net_layer *l, error *err)
{
    sort_pairs(n, l);
    moe_job j = job_of(n, l, false);
    if (net_reserve(n, room_floats(&j), err))
        return -1;
    pieces_run(n->workers, (size_t)l->s->run_count, piece_forward, &j);
    pieces_rows(n->workers, n->pack.rows, sum_rows, &j);
    return 0;
}

/* ---- back ------------------------------------------------------------------------------------ */

static void add_outer(const moe_job *j, const parameter *p, size_t c, float scale, const float *a,
                      const float *b)
{
    gemm_tn(j->n->blas, p->rows, p->cols, c, scale, (matrix){a, p->rows}, (matrix){b, p->cols}, 1,
            p->grad, p->cols);
}

/* One matrix back: adds to its gradients from d_out [c, out] and x [c, in], and, when d_x is not NULL, to
 * d_x (keep * d_x + ...). */
static void apply_back(const moe_job *j, const expert_run *r, int which, const float *d_out,
                       const float *x, piece_room *m, float keep, float *d_x)
{
    size_t in = which == EXPERT_DOWN ? r->ffn : j->d, out = which == EXPERT_DOWN ? j->d : r->ffn;
    size_t c = (size_t)r->count;
    const expert_trainable *l = learned(j->l, r->expert);
    if (d_x) {
        matrix w = {matrix_of(j, r->expert, which, m->w), in};
        gemm_nn(j->n->blas, c, in, out, 1, (matrix){d_out, out}, w, keep, d_x, in);
    }
    if (l && l->whole[which].value)
        add_outer(j, &l->whole[which], c, 1, d_out, x);
    if (!l || !l->lora[which].a.value)
        return;
    const lora_pair *p = &l->lora[which];
    size_t rank = p->a.rows;
    matrix a = {p->a.value, in}, b = {p->b.value, rank};
    gemm_nt(j->n->blas, c, rank, in, 1, (matrix){x, in}, a, 0, m->t, rank);
    gemm_nn(j->n->blas, c, rank, out, p->scale, (matrix){d_out, out}, b, 0, m->u, rank);
    add_outer(j, &p->b, c, p->scale, d_out, m->t);
    add_outer(j, &p->a, c, 1, m->u, x);
    if (d_x)
        gemm_nn(j->n->blas, c, in, rank, 1, (matrix){m->u, rank}, a, 1, d_x, in);
}

/* out [c, f] = gate * h, row by row. */
static void scale_rows(const moe_job *j, const expert_run *r, const float *h, float *out)
{
    const saved *s = j->l->s;
    for (int i = 0; i < r->count; i++) {
        float gate = s->gates[s->pair_cell[r->first + i]];
        for (size_t c = (size_t)i * r->ffn; c < ((size_t)i + 1) * r->ffn; c++)
            out[c] = gate * h[c];
    }
}

static void gates_back(const moe_job *j, const expert_run *r, const float *h, const float *e)
{
    for (int i = 0; i < r->count; i++)
        j->n->d_gates[j->l->s->pair_cell[r->first + i]] =
            lanes_dot(e + (size_t)i * r->ffn, h + (size_t)i * r->ffn, r->ffn);
}

static void piece_back(void *user, size_t piece, int thread)
{
    const moe_job *j = user;
    const expert_run *r = &j->l->s->runs[piece];
    piece_room m = room_of(j, thread);
    size_t c = (size_t)r->count;
    float *gate = j->l->s->pair_gate + r->at, *up = j->l->s->pair_up + r->at;
    float *d_x = j->inputs ? j->n->pair_out + (size_t)r->first * j->d : NULL;
    gather(j, r, j->n->normed, m.x);
    gather(j, r, j->n->d_y, m.y);
    j->n->dots->swiglu(m.h, gate, up, c * r->ffn);
    drop(j, r, m.h);
    scale_rows(j, r, m.h, m.up);
    apply_back(j, r, EXPERT_DOWN, m.y, m.up, &m, 0, m.e);
    gates_back(j, r, m.h, m.e);
    scale_rows(j, r, m.e, m.e);
    drop(j, r, m.e);
    swiglu_back(j->n->dots, gate, up, m.e, m.up, c * r->ffn);
    apply_back(j, r, EXPERT_GATE, gate, m.x, &m, 0, d_x);
    apply_back(j, r, EXPERT_UP, up, m.x, &m, 1, d_x);
}

int moe_back(net *n, net_layer *l, bool inputs, error *err)
{
    moe_job j = job_of(n, l, inputs);
    if (net_reserve(n, room_floats(&j), err))
        return -1;
    memset(n->d_gates, 0, (size_t)n->pack.rows * (size_t)n->slots * sizeof(float));
    pieces_run(n->workers, (size_t)l->s->run_count, piece_back, &j);
    return 0;
}

static void gather_rows(void *user, int from, int to, int thread)
{
    const moe_job *j = user;
    const saved *s = j->l->s;
    (void)thread;
    for (int row = from; row < to; row++) {
        float *restrict out = j->n->d_normed + (size_t)row * j->d;
        for (int i = row * j->n->slots; i < (row + 1) * j->n->slots; i++) {
            if (s->place[i] < 0)
                continue;
            const float *restrict d = j->n->pair_out + (size_t)s->place[i] * j->d;
            for (size_t c = 0; c < j->d; c++)
                out[c] += d[c];
        }
    }
}

void moe_gather_back(net *n, const net_layer *l)
{
    moe_job j = {.n = n, .l = l, .d = (size_t)n->config->width};
    pieces_rows(n->workers, n->pack.rows, gather_rows, &j);
}
