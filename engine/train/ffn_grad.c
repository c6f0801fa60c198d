/* ffn_grad.c - the dense feed-forward block or the shared expert, forward and back.
 *
 *     y = down (silu(gate x) * up x), the shared expert's times sigmoid(w . x)
 *
 * silu(g) = g s with s = sigmoid(g) has the derivative s (1 + g (1 - s)). The gradient of the shared
 * expert's gate needs no output: d_y . y = (down^T d_y) . hidden.
 */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "net_state.h"

typedef struct ffn_job {
    const net *n;
    const net_layer *l;
    size_t f, d;
} ffn_job;

static void add_vector(float *x, const float *bias, size_t n)
{
    for (size_t i = 0; bias && i < n; i++)
        x[i] += bias[i];
}

static void hidden_rows(void *user, int from, int to, int thread)
{
    const ffn_job *j = user;
    saved *s = j->l->s;
    (void)thread;
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * j->f;
        add_vector(s->gate + at, j->l->gate_bias, j->f);
        add_vector(s->up + at, j->l->up_bias, j->f);
        j->n->dots->swiglu(j->n->hidden + at, s->gate + at, s->up + at, j->f);
        if (!j->l->shared_router)
            continue;
        float z = -lanes_dot(j->l->shared_router, j->n->normed + (size_t)row * j->d, j->d);
        j->n->dots->exp(&z, 0, 1);
        s->open[row] = 1 / (1 + z);
    }
}

static void finish_rows(void *user, int from, int to, int thread)
{
    const ffn_job *j = user;
    (void)thread;
    for (int row = from; row < to; row++) {
        float *y = j->n->delta + (size_t)row * j->d;
        add_vector(y, j->l->down_bias, j->d);
        for (size_t i = 0; j->l->shared_router && i < j->d; i++)
            y[i] *= j->l->s->open[row];
    }
}

int ffn_forward(net *n, net_layer *l, error *err)
{
    int rows = n->pack.rows;
    ffn_job j = {n, l, l->gate.rows, (size_t)n->config->width};
    if (!l->gate.bytes) {
        memset(n->delta, 0, (size_t)rows * j.d * sizeof(float));
        return 0;
    }
    if (net_product(n, 0, &l->gate, n->normed, l->s->gate, rows, err) ||
        net_product(n, 1, &l->up, n->normed, l->s->up, rows, err))
        return -1;
    pieces_rows(n->workers, rows, hidden_rows, &j);
    if (net_product(n, 2, &l->down, n->hidden, n->delta, rows, err))
        return -1;
    if (l->down_bias || l->shared_router)
        pieces_rows(n->workers, rows, finish_rows, &j);
    return 0;
}

void swiglu_back(const dot_kernels *dots, float *gate, float *up, const float *d_hidden,
                 float *room, size_t n)
{
    for (size_t i = 0; i < n; i++)
        room[i] = -gate[i];
    dots->exp(room, 0, n);
    for (size_t i = 0; i < n; i++) {
        float s = 1 / (1 + room[i]), silu = gate[i] * s, d = d_hidden[i];
        gate[i] = d * up[i] * (s + silu * (1 - s));
        up[i] = d * silu;
    }
}

/* hidden holds down^T d_y; the saved gate and up become their gradients, open that of its logit. */
static void back_rows(void *user, int from, int to, int thread)
{
    const ffn_job *j = user;
    saved *s = j->l->s;
    float *room = net_mine(j->n, thread);
    for (int row = from; row < to; row++) {
        float *gate = s->gate + (size_t)row * j->f, *up = s->up + (size_t)row * j->f;
        float *d = j->n->hidden + (size_t)row * j->f;
        if (j->l->shared_router) {
            float open = s->open[row];
            j->n->dots->swiglu(room, gate, up, j->f);
            s->open[row] = lanes_dot(d, room, j->f) * open * (1 - open);
            for (size_t i = 0; i < j->f; i++)
                d[i] *= open;
        }
        swiglu_back(j->n->dots, gate, up, d, room, j->f);
    }
}

static void open_rows_back(void *user, int from, int to, int thread)
{
    const ffn_job *j = user;
    (void)thread;
    for (int row = from; row < to; row++) {
        float *d = j->n->d_normed + (size_t)row * j->d, by = j->l->s->open[row];
        for (size_t i = 0; i < j->d; i++)
            d[i] += by * j->l->shared_router[i];
    }
}

int ffn_back(net *n, net_layer *l, error *err)
{
    int rows = n->pack.rows;
    ffn_job j = {n, l, l->gate.rows, (size_t)n->config->width};
    if (!l->gate.bytes) {
        memset(n->d_normed, 0, (size_t)rows * j.d * sizeof(float));
        return 0;
    }
    if (net_reserve(n, j.f, err) ||
        net_product_back(n, 2, &l->down, n->d_y, 0, n->hidden, rows, err))
        return -1;
    pieces_rows(n->workers, rows, back_rows, &j);
    if (net_product_back(n, 0, &l->gate, l->s->gate, 0, n->d_normed, rows, err) ||
        net_product_back(n, 1, &l->up, l->s->up, 1, n->d_normed, rows, err))
        return -1;
    if (l->shared_router)
        pieces_rows(n->workers, rows, open_rows_back, &j);
    return 0;
}
