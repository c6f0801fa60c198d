/* net_open.c - opening and closing a net, and what it takes: net.h. */
#include <stdlib.h>
#include <string.h>

#include "../run/rope.h"
#include "net_state.h"

/* ---- what it takes --------------------------------------------------------------------------- */

static uint64_t floats_of(const tensor *t)
{
    return t ? (uint64_t)tensor_rows(t) * tensor_cols(t) : 0;
}

/* Floats that an f32 copy takes: none when the file has f32. */
static uint64_t copy_floats(const tensor *t, uint64_t *widest)
{
    uint64_t floats = t && tensor_type(t) != DTYPE_F32 ? floats_of(t) : 0;
    if (floats > *widest)
        *widest = floats;
    return floats;
}

static uint64_t layer_floats(const layer_weights *w, int experts, uint64_t *widest)
{
    const tensor *all[] = {w->q,    w->k,  w->v,    w->o,           w->shared_gate,
                           w->gate, w->up, w->down, w->shared_down, w->shared_up};
    uint64_t floats = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        floats += copy_floats(all[i], widest);
    for (int e = 0; w->router && e < experts; e++)
        floats += copy_floats(w->expert_gate[e], widest) + copy_floats(w->expert_up[e], widest) +
                  copy_floats(w->expert_down[e], widest);
    return floats + 2 * floats_of(w->router);
}

/* What a row keeps in one layer for the way back: net_state.h, saved. */
static uint64_t saved_floats(const model_config *c, const layer_weights *w, int layer, int seen,
                             size_t wide)
{
    uint64_t d = (uint64_t)c->width, h = query_width(c), g = key_width(c);
    uint64_t k = (uint64_t)c->experts_per_token;
    uint64_t f = w->shared_gate ? tensor_rows(w->shared_gate) : w->gate ? tensor_rows(w->gate) : 0;
    uint64_t routed = c->moe_layer[layer] ? (uint64_t)seen + k * (4 + 2 * wide) : 0;
    return 2 * d + h + 2 * g + (uint64_t)c->heads + 2 * f + 1 + routed;
}

static size_t widest_learned(const layer_trainable *l, size_t wide)
{
    for (int e = 0; e < l->experts; e++)
        if (l->of[e].whole[EXPERT_GATE].rows > wide)
            wide = l->of[e].whole[EXPERT_GATE].rows;
    return wide;
}

static uint64_t row_floats(const engine *e, const trainable *t)
{
    const model_config *c = engine_config(e);
    uint64_t floats = 0, d = (uint64_t)c->width, h = query_width(c);
    for (int i = t->first; i < c->layers; i++) {
        size_t wide = (size_t)c->expert_width;
        int seen = c->experts;
        if (i < t->last && t->layers[i - t->first].experts) {
            wide = widest_learned(&t->layers[i - t->first], wide);
            seen = t->layers[i - t->first].experts;
        }
        floats += saved_floats(c, &engine_weights(e)->layers[i], i, seen, wide);
    }
    /* The batch's own, and the pairs that threads gather: twice the width a pair. */
    return floats + d * (8 + 3 * (uint64_t)c->experts_per_token) + 4 * h +
           (uint64_t)(c->ffn_width + c->shared_width);
}

net_memory net_plan(const engine *e, const trainable *t, int rows, uint64_t limit)
{
    const model_config *c = engine_config(e);
    const struct weights *w = engine_weights(e);
    uint64_t widest = 0, output = 0, v = (uint64_t)c->vocabulary;
    uint64_t copies = copy_floats(w->output, &output); /* never opened whole: head_loss.c */
    for (int i = t->first; i < c->layers; i++)
        copies += layer_floats(&w->layers[i], c->experts, &widest);
    net_memory m = {.copied = true, .weights = 4 * copies};
    m.activations = 4 * (row_floats(e, t) * (uint64_t)rows +
                         head_floats(head_rows(v), (size_t)c->width, v, true));
    m.learned = 4 * 4 * (uint64_t)t->count;
    m.total = m.weights + m.activations + m.learned;
    if (limit && m.total > limit) {
        m.copied = false;
        m.weights = 4 * widest * (3 + (uint64_t)backend_threads(engine_backend(e)));
        m.total = m.weights + m.activations + m.learned;
    }
    return m;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int vector_of(float **out, const tensor *t, error *err)
{
    *out = frozen_vector(t);
    return t && !*out ? error_memory(err, "a layer's norms") : 0;
}

static int open_vectors(net_layer *l, const layer_weights *w, error *err)
{
    struct {
        float **to;
        const tensor *from;
    } all[] = {{&l->attention_norm, w->attention_norm},
               {&l->ffn_norm, w->ffn_norm},
               {&l->q_bias, w->q_bias},
               {&l->k_bias, w->k_bias},
               {&l->v_bias, w->v_bias},
               {&l->o_bias, w->o_bias},
               {&l->q_norm, w->q_norm},
               {&l->k_norm, w->k_norm},
               {&l->gate_bias, w->gate_bias},
               {&l->up_bias, w->up_bias},
               {&l->down_bias, w->down_bias},
               {&l->shared_router, w->shared_router}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (vector_of(all[i].to, all[i].from, err))
            return -1;
    return 0;
}

static int open_experts(net *n, net_layer *l, const layer_weights *w, error *err)
{
    size_t experts = (size_t)n->config->experts, d = (size_t)n->config->width;
    tensor *const *lists[EXPERT_MATRICES] = {w->expert_gate, w->expert_up, w->expert_down};
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        l->experts[m] = calloc(experts, sizeof *l->experts[m]);
        if (!l->experts[m])
            return error_memory(err, "the experts");
        for (size_t e = 0; e < experts; e++)
            l->experts[m][e] = frozen_of(lists[m][e]);
    }
    l->model_router = tensor_host(w->router);
    l->router = malloc((size_t)l->seen * d * sizeof *l->router);
    if (!l->router)
        return error_memory(err, "a router");
    memcpy(l->router, l->model_router, experts * d * sizeof *l->router);
    return 0;
}

static int copy_matrices(net *n, net_layer *l, error *err)
{
    frozen *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (frozen_copy(all[i], n->workers))
            return error_memory(err, "the weights as f32");
    return 0;
}

static int open_layer(net *n, net_layer *l, error *err)
{
    const layer_weights *w = &engine_weights(n->engine)->layers[l->layer];
    bool shared = w->shared_gate != NULL;
    int at = l->layer - n->t->first;
    if (l->layer < n->t->last && n->t->layers[at].experts)
        l->learned = &n->t->layers[at];
    l->routed = n->config->moe_layer[l->layer];
    l->seen = l->learned ? l->learned->experts : l->routed ? n->config->experts : 0;
    for (int e = 0; l->learned && e < l->seen; e++)
        l->learns_rows = l->learns_rows || l->learned->of[e].row.value;
    l->q = frozen_of(w->q);
    l->k = frozen_of(w->k);
    l->v = frozen_of(w->v);
    l->o = frozen_of(w->o);
    l->gate = frozen_of(shared ? w->shared_gate : w->gate);
    l->up = frozen_of(shared ? w->shared_up : w->up);
    l->down = frozen_of(shared ? w->shared_down : w->down);
    if (open_vectors(l, w, err) || (l->routed && open_experts(n, l, w, err)))
        return -1;
    return n->copied ? copy_matrices(n, l, err) : 0;
}

static int open_layers(net *n, error *err)
{
    n->first = n->lowest = n->t->first;
    n->layer_count = n->config->layers - n->first;
    n->layers = calloc((size_t)n->layer_count, sizeof *n->layers);
    if (!n->layers)
        return error_memory(err, "the layers");
    for (int i = 0; i < n->layer_count; i++) {
        n->layers[i].layer = n->first + i;
        if (open_layer(n, &n->layers[i], err))
            return -1;
    }
    while (!n->layers[n->lowest - n->first].learned)
        n->lowest++;
    return 0;
}

static int open_all(net *n, error *err)
{
    backend *b = engine_backend(n->engine);
    const struct weights *w = engine_weights(n->engine);
    if (!tensor_host(w->output_norm))
        return error_set(err, ERROR_USAGE, "training runs on the CPU: use --backend cpu");
    n->threads = backend_threads(b);
    n->dots = dot_select(backend_isa(b), err);
    n->workers = n->dots ? thread_pool_open(n->threads, err) : NULL;
    n->blas = n->workers ? gemm_open(backend_isa(b), err) : NULL;
    if (!n->blas)
        return -1;
    n->mine = calloc((size_t)n->threads, sizeof *n->mine);
    n->frequencies = calloc((size_t)n->config->rope.dim / 2 + 1, sizeof(float));
    n->output_norm = frozen_vector(w->output_norm);
    n->output = frozen_of(w->output);
    if (!n->mine || !n->frequencies || !n->output_norm ||
        (n->copied && frozen_copy(&n->output, n->workers)))
        return error_memory(err, "training");
    rope_frequencies(&n->config->rope, n->frequencies);
    return open_layers(n, err);
}

net *net_open(engine *e, trainable *t, int rows, uint64_t limit, error *err)
{
    net *n = calloc(1, sizeof *n);
    if (!n) {
        (void)error_memory(err, "training");
        return NULL;
    }
    n->engine = e;
    n->config = engine_config(e);
    n->t = t;
    n->copied = net_plan(e, t, rows, limit).copied;
    if (open_all(n, err)) {
        net_close(n);
        return NULL;
    }
    return n;
}

/* ---- closing --------------------------------------------------------------------------------- */

static void close_layer(net_layer *l, int experts)
{
    float *vectors[] = {l->attention_norm, l->ffn_norm,      l->q_bias, l->k_bias,    l->v_bias,
                        l->o_bias,         l->q_norm,        l->k_norm, l->gate_bias, l->up_bias,
                        l->down_bias,      l->shared_router, l->router};
    frozen *matrices[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        free(vectors[i]);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        frozen_release(matrices[i]);
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        for (int e = 0; l->experts[m] && e < experts; e++)
            frozen_release(&l->experts[m][e]);
        free(l->experts[m]);
    }
    free(l->room.data);
}

void net_close(net *n)
{
    if (!n)
        return;
    for (int i = 0; n->layers && i < n->layer_count; i++)
        close_layer(&n->layers[i], n->config->experts);
    free(n->layers);
    for (int i = 0; n->mine && i < n->threads; i++)
        free(n->mine[i].data);
    free(n->mine);
    for (size_t i = 0; i < sizeof n->opened / sizeof *n->opened; i++)
        free(n->opened[i].data);
    free(n->batch.data);
    free(n->head.data);
    free(n->candidates.data);
    free(n->single.data);
    free(n->frequencies);
    free(n->output_norm);
    free(n->lookup);
    frozen_release(&n->output);
    gemm_close(n->blas);
    thread_pool_close(n->workers);
    free(n);
}
