/* net.c - opening a net, and one call of it: net.h has the contract, net_state.h the layers' functions.
 *
 * A call packs its texts, makes room, runs the layers upwards, takes the losses and, going back, runs them
 * downwards to the lowest one that learns. Each layer has room of its own for what it saves; without a
 * way back all use the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../run/rope.h"
#include "net_state.h"

/* ---- room ------------------------------------------------------------------------------------ */

void *grow(growing *g, size_t bytes)
{
    if (g->bytes >= bytes)
        return g->data;
    free(g->data);
    g->bytes = (bytes + 63) / 64 * 64;
    g->data = aligned_alloc(64, g->bytes);
    if (!g->data)
        g->bytes = 0;
    return g->data;
}

int net_reserve(net *n, size_t floats, error *err)
{
    for (int i = 0; i < n->threads; i++)
        if (!grow(&n->mine[i], floats * sizeof(float)))
            return error_memory(err, "training");
    return 0;
}

/* Hands out parts of a block, each of a multiple of 16 numbers; with base NULL it only counts. */
typedef struct carver {
    float *base;
    size_t at;
} carver;

static float *carve(carver *c, size_t floats)
{
    float *part = c->base ? c->base + c->at : NULL;
    c->at += (floats + 15) / 16 * 16;
    return part;
}

/* Numbers of one layer's shapes that its room depends on. */
static size_t ffn_width(const net_layer *l)
{
    return l->gate.rows;
}

static size_t widest_expert(const net *n, const net_layer *l)
{
    size_t wide = l->routed ? (size_t)n->config->expert_width : 0;
    for (int e = 0; l->learned && e < l->seen; e++)
        if (l->learned->of[e].whole[EXPERT_GATE].rows > wide)
            wide = l->learned->of[e].whole[EXPERT_GATE].rows;
    return wide;
}

static size_t carve_saved(const net *n, const net_layer *l, carver *c, size_t rows, saved *s)
{
    const model_config *m = n->config;
    size_t d = (size_t)m->width, h = query_width(m), g = key_width(m);
    size_t f = ffn_width(l), wide = widest_expert(n, l);
    size_t cells = l->routed ? rows * (size_t)n->slots : 0, seen = (size_t)l->seen;
    s->x = carve(c, rows * d);
    s->q = carve(c, rows * h);
    s->k = carve(c, rows * g);
    s->v = carve(c, rows * g);
    s->spread = carve(c, rows * (size_t)m->heads);
    s->middle = carve(c, rows * d);
    s->gate = carve(c, rows * f);
    s->up = carve(c, rows * f);
    s->open = carve(c, rows);
    s->odds = carve(c, l->routed ? rows * seen : 0);
    s->gates = carve(c, cells);
    s->ids = (int *)(void *)carve(c, cells);
    s->place = (int *)(void *)carve(c, cells);
    s->pair_cell = (int *)(void *)carve(c, cells);
    s->pair_gate = carve(c, cells * wide);
    s->pair_up = carve(c, cells * wide);
    s->runs = (expert_run *)(void *)carve(c, seen * sizeof(expert_run) / sizeof(float));
    return c->at;
}

/* Makes room for what the layer saves. */
static int ask_saved(const net *n, net_layer *l, growing *room, error *err)
{
    carver count = {0};
    size_t floats = carve_saved(n, l, &count, (size_t)n->pack.rows, &l->kept);
    return grow(room, floats * sizeof(float)) ? 0 : error_memory(err, "the activations of a layer");
}

static void place_saved(const net *n, net_layer *l, const growing *room)
{
    carver carved = {room->data, 0};
    (void)carve_saved(n, l, &carved, (size_t)n->pack.rows, &l->kept);
    l->s = &l->kept;
}

/* Widths that the room of a batch depends on, over all layers. */
typedef struct widths {
    size_t d, h, g, f, seen;
} widths;

static widths widths_of(const net *n)
{
    const model_config *m = n->config;
    widths w = {.d = (size_t)m->width, .h = query_width(m), .g = key_width(m)};
    for (int i = 0; i < n->layer_count; i++) {
        const net_layer *l = &n->layers[i];
        w.f = ffn_width(l) > w.f ? ffn_width(l) : w.f;
        w.seen = (size_t)l->seen > w.seen ? (size_t)l->seen : w.seen;
    }
    return w;
}

static size_t carve_batch(net *n, carver *c, size_t rows, size_t positions, size_t longest)
{
    widths w = widths_of(n);
    size_t half = (size_t)n->config->rope.dim / 2, slots = (size_t)n->slots;
    n->last = carve(c, rows * w.d);
    n->normed = carve(c, rows * w.d);
    n->turned_q = carve(c, rows * w.h);
    n->turned_k = carve(c, rows * w.g);
    n->attended = carve(c, rows * w.h);
    n->delta = carve(c, rows * w.d);
    n->hidden = carve(c, rows * w.f);
    n->pair_out = carve(c, w.seen ? rows * slots * w.d : 0);
    n->cosines = carve(c, longest * half);
    n->sines = carve(c, longest * half);
    if (!n->back)
        return c->at;
    n->d_x = carve(c, rows * w.d);
    n->d_y = carve(c, rows * w.d);
    n->d_normed = carve(c, rows * w.d);
    n->d_q = carve(c, rows * w.h);
    n->d_k = carve(c, rows * w.g);
    n->d_v = carve(c, rows * w.g);
    n->d_k_texts = carve(c, positions * w.g);
    n->d_v_texts = carve(c, positions * w.g);
    n->d_scores = carve(c, rows * w.seen);
    n->d_gates = carve(c, rows * slots);
    return c->at;
}

static int make_room(net *n, error *err)
{
    size_t rows = (size_t)n->pack.rows, positions = (size_t)n->pack.positions;
    size_t longest = (size_t)n->pack.longest;
    carver count = {0};
    float *block =
        grow(&n->batch, carve_batch(n, &count, rows, positions, longest) * sizeof(float));
    if (!block)
        return error_memory(err, "the activations of a batch");
    carver carved = {block, 0};
    (void)carve_batch(n, &carved, rows, positions, longest);
    /* Room that all layers share may move while they ask: they are placed afterwards. */
    for (int i = 0; i < n->layer_count; i++)
        if (ask_saved(n, &n->layers[i], n->back ? &n->layers[i].room : &n->single, err))
            return -1;
    for (int i = 0; i < n->layer_count; i++)
        place_saved(n, &n->layers[i], n->back ? &n->layers[i].room : &n->single);
    return 0;
}

/* ---- one layer ------------------------------------------------------------------------------- */

typedef struct stream_job {
    const float *x, *delta;
    float *out, scale;
    size_t width;
} stream_job;

/* out = x + scale * delta, or scale * delta when x is NULL. */
static void stream_rows(void *user, int from, int to, int thread)
{
    const stream_job *j = user;
    (void)thread;
    for (size_t i = (size_t)from * j->width; i < (size_t)to * j->width; i++)
        j->out[i] = (j->x ? j->x[i] : 0) + j->scale * j->delta[i];
}

static int layer_forward(net *n, net_layer *l, float *out, error *err)
{
    int rows = n->pack.rows;
    if (attention_forward(n, l, err))
        return -1;
    net_norm(n, l->s->middle, l->ffn_norm, n->normed, rows);
    if (ffn_forward(n, l, err) ||
        (l->routed && (route_forward(n, l, err) || moe_forward(n, l, err))))
        return -1;
    if (l->learns_rows) {
        float unused[MODEL_MAX_EXPERTS];
        n->losses->balance += route_balance(n, l, unused);
    }
    stream_job j = {l->s->middle, n->delta, out, n->config->residual_scale,
                    (size_t)n->config->width};
    pieces_rows(n->workers, rows, stream_rows, &j);
    return 0;
}

/* d_x, that of the stream behind the layer, becomes that of the stream before it, or, in the lowest
 * layer, only reaches what learns. */
static int layer_back(net *n, net_layer *l, error *err)
{
    int rows = n->pack.rows;
    bool inputs = l->layer > n->lowest;
    stream_job j = {NULL, n->d_x, n->d_y, n->config->residual_scale, (size_t)n->config->width};
    pieces_rows(n->workers, rows, stream_rows, &j);
    if (l->routed) {
        net_norm(n, l->s->middle, l->ffn_norm, n->normed, rows);
        if (moe_back(n, l, inputs, err))
            return -1;
    }
    if (inputs && ffn_back(n, l, err))
        return -1;
    if (l->routed && inputs)
        moe_gather_back(n, l);
    if (l->routed && route_back(n, l, inputs, err))
        return -1;
    if (!inputs)
        return 0;
    net_norm_back(n, l->s->middle, l->ffn_norm, n->d_normed, n->d_x, rows);
    return attention_back(n, l, err);
}

/* ---- one call -------------------------------------------------------------------------------- */

static void refresh_router(const net *n, net_layer *l)
{
    size_t d = (size_t)n->config->width;
    if (!l->learns_rows)
        return;
    for (int e = 0; e < l->seen; e++) {
        const parameter *row = &l->learned->of[e].row;
        const float *from = row->value ? row->value : l->model_router + (size_t)e * d;
        memcpy(l->router + (size_t)e * d, from, d * sizeof *from);
    }
}

static void begin_rows(void *user, int from, int to, int thread)
{
    net *n = user;
    size_t d = (size_t)n->config->width;
    (void)thread;
    for (int row = from; row < to; row++)
        memcpy(n->layers[0].s->x + (size_t)row * d, n->pack.hidden[row], d * sizeof(float));
}

static void begin_batch(net *n)
{
    const rope_config *rope = &n->config->rope;
    size_t half = (size_t)rope->dim / 2;
    for (int i = 0; i < n->pack.longest; i++)
        rope_angles(rope, n->frequencies, i, n->cosines + (size_t)i * half,
                    n->sines + (size_t)i * half);
    for (int i = 0; i < n->layer_count; i++)
        refresh_router(n, &n->layers[i]);
    pieces_rows(n->workers, n->pack.rows, begin_rows, n);
}

static int cancelled(const net *n, error *err)
{
    if (!n->options->cancel || !atomic_load(n->options->cancel))
        return 0;
    return error_set(err, ERROR_CANCELLED, "interrupted");
}

static int run_layers(net *n, error *err)
{
    begin_batch(n);
    for (int i = 0; i < n->layer_count; i++) {
        bool top = i + 1 == n->layer_count;
        if (cancelled(n, err) ||
            layer_forward(n, &n->layers[i], top ? n->last : n->layers[i + 1].s->x, err))
            return -1;
    }
    if (head_losses(n, err))
        return -1;
    for (int i = n->layer_count - 1; n->back && i >= n->lowest - n->first; i--)
        if (cancelled(n, err) || layer_back(n, &n->layers[i], err))
            return -1;
    return 0;
}

static int slots_of(const net *n)
{
    int slots = 1;
    for (int i = 0; i < n->layer_count; i++) {
        int k = n->layers[i].routed ? net_routing(n, &n->layers[i]).k : 0;
        slots = k > slots ? k : slots;
    }
    return slots;
}

static int finish(const net *n, error *err)
{
    net_losses *l = n->losses;
    l->total = (l->cross_entropy + l->against + l->near) / l->normaliser +
               (double)n->options->balance * l->balance;
    if (isfinite(l->total))
        return 0;
    return error_set(
        err, ERROR_RUN,
        "the loss is not a number: the rate of learning may be too high, or the weights "
        "hold values that are not finite");
}

static int call(net *n, const train_sequence *sequences, int count, const net_options *options,
                bool back, net_losses *losses, error *err)
{
    if (pack_make(&n->pack, sequences, count, n->config, err))
        return -1;
    n->options = options;
    n->back = back;
    n->losses = losses;
    n->slots = slots_of(n);
    *losses = (net_losses){
        .weight = n->pack.weight, .tokens = n->pack.counted_count, .rows = n->pack.rows};
    losses->normaliser = options->normaliser > 0 ? options->normaliser
                         : n->pack.weight > 0    ? n->pack.weight
                                                 : 1;
    int result = 0;
    if (n->pack.rows > 0)
        result = make_room(n, err) || run_layers(n, err) ? -1 : 0;
    if (!result)
        result = finish(n, err);
    pack_release(&n->pack);
    return result;
}

int net_forward_backward(net *n, const train_sequence *sequences, int count,
                         const net_options *options, net_losses *losses, error *err)
{
    return call(n, sequences, count, options, true, losses, err);
}

int net_evaluate(net *n, const train_sequence *sequences, int count, const net_options *options,
                 net_losses *losses, error *err)
{
    return call(n, sequences, count, options, false, losses, err);
}
