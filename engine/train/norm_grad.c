/* norm_grad.c - RMSNorm, the norms of queries and keys, and RoPE, forward and back.
 *
 * y = r w x with r = 1 / sqrt(mean(x^2) + eps) has the gradient
 *     d_x = r (w d_y) - x r^3 / n * sum(w d_y x)
 * RoPE turns pairs of numbers by an angle; its gradient is the turn back.
 */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "net_state.h"

static float inverse_size(const float *x, size_t width, float eps)
{
    return 1.0f / sqrtf(lanes_dot(x, x, width) / (float)width + eps);
}

static void norm_vector(const float *x, const float *weight, float *out, size_t width, float eps)
{
    float r = inverse_size(x, width, eps);
    for (size_t i = 0; i < width; i++)
        out[i] = x[i] * r * weight[i];
}

/* d_x = keep * d_x + the gradient; d_out may be d_x. */
static void norm_vector_back(const float *x, const float *weight, const float *d_out, float keep,
                             float *d_x, size_t width, float eps)
{
    float r = inverse_size(x, width, eps);
    float along = lanes_dot3(weight, d_out, x, width) * r * r * r / (float)width;
    for (size_t i = 0; i < width; i++)
        d_x[i] = (keep != 0 ? d_x[i] : 0) + (r * weight[i] * d_out[i] - x[i] * along);
}

typedef struct norm_job {
    const float *x, *weight, *d_out;
    float *out;
    size_t width;
    float eps;
} norm_job;

static void norm_rows(void *user, int from, int to, int thread)
{
    const norm_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i += j->width)
        norm_vector(j->x + i, j->weight, j->out + i, j->width, j->eps);
}

static void norm_rows_back(void *user, int from, int to, int thread)
{
    const norm_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i += j->width)
        norm_vector_back(j->x + i, j->weight, j->d_out + i, 1, j->out + i, j->width, j->eps);
}

void net_norm(net *n, const float *x, const float *weight, float *out, int rows)
{
    norm_job j = {x, weight, NULL, out, (size_t)n->config->width, n->config->norm_eps};
    pieces_rows(n->workers, rows, norm_rows, &j);
}

void net_norm_back(net *n, const float *x, const float *weight, const float *d_out, float *d_x,
                   int rows)
{
    norm_job j = {x, weight, d_out, d_x, (size_t)n->config->width, n->config->norm_eps};
    pieces_rows(n->workers, rows, norm_rows_back, &j);
}

/* ---- queries and keys ------------------------------------------------------------------------ */

typedef struct turn_job {
    const net *n;
    const float *bias, *norm;
    float *raw, *out;
    int heads;
} turn_job;

/* sign -1 turns back. */
static void turn_head(const rope_config *rope, float *x, const float *cosines, const float *sines,
                      float sign)
{
    int half = rope->dim / 2;
    for (int j = 0; j < half; j++) {
        float *a = rope->pairs ? x + 2 * j : x + j, *b = rope->pairs ? a + 1 : a + half;
        float c = cosines[j], s = sign * sines[j], left = *a, right = *b;
        *a = left * c - right * s;
        *b = left * s + right * c;
    }
}

static void turn_row(const turn_job *j, int row, float *x, float sign)
{
    const model_config *c = j->n->config;
    size_t at = (size_t)j->n->pack.position[row] * (size_t)(c->rope.dim / 2);
    for (int h = 0; h < j->heads; h++)
        turn_head(&c->rope, x + (size_t)h * (size_t)c->head_dim, j->n->cosines + at,
                  j->n->sines + at, sign);
}

/* Numbers that are normed together. */
static size_t norm_width(const turn_job *j)
{
    const model_config *c = j->n->config;
    return (size_t)c->head_dim * (c->norm_qk == QK_NORM_HEAD ? 1 : (size_t)j->heads);
}

static void turn_rows(void *user, int from, int to, int thread)
{
    const turn_job *j = user;
    const model_config *c = j->n->config;
    size_t width = (size_t)j->heads * (size_t)c->head_dim, part = norm_width(j);
    (void)thread;
    for (int row = from; row < to; row++) {
        float *raw = j->raw + (size_t)row * width, *out = j->out + (size_t)row * width;
        for (size_t i = 0; j->bias && i < width; i++)
            raw[i] += j->bias[i];
        for (size_t i = 0; j->norm && i < width; i += part)
            norm_vector(raw + i, j->norm, out + i, part, c->norm_eps);
        if (!j->norm)
            memcpy(out, raw, width * sizeof *out);
        turn_row(j, row, out, 1);
    }
}

static void turn_rows_back(void *user, int from, int to, int thread)
{
    const turn_job *j = user;
    const model_config *c = j->n->config;
    size_t width = (size_t)j->heads * (size_t)c->head_dim, part = norm_width(j);
    (void)thread;
    for (int row = from; row < to; row++) {
        float *raw = j->raw + (size_t)row * width, *d = j->out + (size_t)row * width;
        turn_row(j, row, d, -1);
        for (size_t i = 0; j->norm && i < width; i += part)
            norm_vector_back(raw + i, j->norm, d + i, 0, d + i, part, c->norm_eps);
    }
}

static turn_job job_of(const net *n, const net_layer *l, bool keys, float *raw, float *out)
{
    const model_config *c = n->config;
    return (turn_job){n,   NULL, keys ? l->k_norm : l->q_norm,
                      raw, out,  keys ? c->kv_heads : c->heads};
}

void net_turn(net *n, const net_layer *l, bool keys, float *raw, float *out, bool add_bias)
{
    turn_job j = job_of(n, l, keys, raw, out);
    if (add_bias)
        j.bias = keys ? l->k_bias : l->q_bias;
    pieces_rows(n->workers, n->pack.rows, turn_rows, &j);
}

void net_turn_back(net *n, const net_layer *l, bool keys, const float *raw, float *d)
{
    turn_job j = job_of(n, l, keys, (float *)raw, d);
    pieces_rows(n->workers, n->pack.rows, turn_rows_back, &j);
}
