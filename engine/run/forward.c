/* forward.c - see forward.h for the recipe of a layer.
 *
 * Opening allocates every activation for max_rows rows, once. Running a batch has four parts:
 * what differs from row to row is laid out in host arrays (ids, positions, pages, routing,
 * RoPE's cosines and sines) and told to the backend; the embedding starts the residual stream
 * x; each layer adds to x what its two blocks make of it; and of the rows that want logits,
 * OUTPUT_ROWS at a time are normed and multiplied with the output matrix; tokens and likelihoods are
 * taken from them where they lie. Ops only enqueue, so nothing here waits before the end. A cancel is
 * looked at between layers.
 */
#include "forward.h"

#include <math.h>
#include <stdlib.h>

#include "forward_hooks.h"
#include "rope.h"

/* Rows whose logits are computed at a time: bounds the output buffer (32 x 151,936 x 4 = 19 MB). */
enum { OUTPUT_ROWS = 32 };

struct forward {
    backend *backend;
    const model_config *config;
    const weights *weights;
    kv_layout layout;
    attention_form attention; /* of every layer */
    router_form routing;
    int max_rows;

    /* activations, [max_rows, cols] f32 */
    tensor *x;              /* the residual stream, d */
    tensor *normed;         /* d */
    tensor *q, *k, *v;      /* heads * head_dim, kv_heads * head_dim, the same */
    tensor *attended;       /* heads * head_dim */
    tensor *delta;          /* d: what a block adds to x */
    tensor *hidden;         /* ffn of the dense layers, or NULL */
    tensor *shared_hidden;  /* ffn of the shared expert, or NULL */
    tensor *shared;         /* d: the shared expert's output, or NULL */
    tensor *scores;         /* experts: router logits, or NULL */
    tensor *adapter_scores; /* those of adapters' rows: prepare_adapter_scores() */
    tensor *last;           /* [OUTPUT_ROWS, d] rows that want logits */
    tensor *logits;         /* [OUTPUT_ROWS, vocabulary] */
    routes *chosen;         /* NULL for a dense model */

    /* host arrays that the ops of one batch are given */
    int *ids;               /* [max_rows] */
    batch_row *rows;        /* [max_rows] */
    float *frequencies;     /* [rotary/2] */
    float *cosines, *sines; /* [max_rows, rotary/2] */
    int *wanted;            /* [max_rows] indices of rows that want logits or a logprob */
    route_copies copies;    /* for a trace */
    int slots;

    forward_hooks hooks;
    const forward_row *asked;  /* the rows of the batch at hand */
    forward_states_fn *states; /* NULL = nobody asked */
    void *states_user;
    float *host_states; /* [max_rows, d]; made by forward_watch_states() */
    forward_taps taps;
};

/* ---- opening ------------------------------------------------------------------------------- */

static tensor *activation(forward *f, int cols, error *err)
{
    return tensor_new(f->backend, DTYPE_F32, (size_t)f->max_rows, (size_t)cols, err);
}

static int open_activations(forward *f, error *err)
{
    const model_config *c = f->config;
    int h = c->heads * c->head_dim, g = c->kv_heads * c->head_dim;
    if (!(f->x = activation(f, c->width, err)) || !(f->normed = activation(f, c->width, err)) ||
        !(f->q = activation(f, h, err)) || !(f->k = activation(f, g, err)) ||
        !(f->v = activation(f, g, err)) || !(f->attended = activation(f, h, err)) ||
        !(f->delta = activation(f, c->width, err)))
        return -1;
    if (c->ffn_width && !(f->hidden = activation(f, c->ffn_width, err)))
        return -1;
    if (c->shared_width && (!(f->shared_hidden = activation(f, c->shared_width, err)) ||
                            !(f->shared = activation(f, c->width, err))))
        return -1;
    if (c->experts && (!(f->scores = activation(f, c->experts, err)) ||
                       !(f->chosen = routes_new(f->backend, f->max_rows, f->slots, err))))
        return -1;
    f->last = tensor_new(f->backend, DTYPE_F32, OUTPUT_ROWS, (size_t)c->width, err);
    f->logits = tensor_new(f->backend, DTYPE_F32, OUTPUT_ROWS, (size_t)c->vocabulary, err);
    return f->last && f->logits ? 0 : -1;
}

uint64_t forward_output_bytes(const model_config *config)
{
    return OUTPUT_ROWS * ((uint64_t)config->width + (uint64_t)config->vocabulary) * sizeof(float);
}

static int open_host_arrays(forward *f, error *err)
{
    size_t rows = (size_t)f->max_rows, half = (size_t)f->config->rope.dim / 2;
    f->ids = calloc(rows, sizeof *f->ids);
    f->rows = calloc(rows, sizeof *f->rows);
    f->wanted = calloc(rows, sizeof *f->wanted);
    f->frequencies = calloc(half, sizeof(float));
    f->cosines = calloc(rows * half, sizeof(float));
    f->sines = calloc(rows * half, sizeof(float));
    if (!f->ids || !f->rows || !f->wanted || !f->frequencies || !f->cosines || !f->sines)
        return error_memory(err, "a batch");
    rope_frequencies(&f->config->rope, f->frequencies);
    return 0;
}

forward *forward_open(backend *b, const model_config *config, const weights *w,
                      const kv_layout *layout, int max_rows, int slots, error *err)
{
    forward *f = calloc(1, sizeof *f);
    if (!f) {
        error_memory(err, "the layer loop");
        return NULL;
    }
    f->backend = b;
    f->config = config;
    f->weights = w;
    f->layout = *layout;
    f->max_rows = max_rows;
    f->slots = slots;
    f->copies =
        (route_copies){.backend = b, .config = config, .max_rows = max_rows, .slots = slots};
    f->attention = (attention_form){.heads = config->heads,
                                    .key_width = config->head_dim,
                                    .value_width = config->head_dim,
                                    .scale = config->attention_scale};
    f->routing = (router_form){.score = ROUTER_SOFTMAX, .renormalise = config->renormalise};
    if (backend_can_attend(b, &f->attention, layout, err) ||
        backend_can_route(b, &f->routing, err) || open_activations(f, err) ||
        open_host_arrays(f, err)) {
        forward_close(f);
        return NULL;
    }
    return f;
}

void forward_close(forward *f)
{
    if (!f)
        return;
    tensor *all[] = {
        f->x,      f->normed,        f->q,      f->k,      f->v,    f->attended, f->delta,
        f->hidden, f->shared_hidden, f->shared, f->scores, f->last, f->logits,   f->adapter_scores};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tensor_free(all[i]);
    routes_free(f->backend, f->chosen);
    route_copies_release(&f->copies);
    free(f->ids);
    free(f->rows);
    free(f->wanted);
    free(f->host_states);
    forward_hooks_release(&f->hooks);
    forward_taps_release(&f->taps);
    free(f->frequencies);
    free(f->cosines);
    free(f->sines);
    free(f);
}

/* Room for the logits of adapters' rows that came since the last batch. */
static int prepare_adapter_scores(forward *f, error *err)
{
    int rows = f->weights->max_rows;
    if (!rows || (f->adapter_scores && tensor_cols(f->adapter_scores) >= (size_t)rows))
        return 0;
    tensor *wider = activation(f, rows, err);
    if (!wider)
        return -1;
    tensor_free(f->adapter_scores);
    f->adapter_scores = wider;
    return 0;
}

static int prepare_hooks(forward *f, const forward_row *rows, int n, error *err)
{
    return forward_hooks_prepare(&f->hooks, f->backend, f->config, rows, n, f->max_rows,
                                 f->weights->max_experts, err);
}

/* ---- the layer loop -------------------------------------------------------------------------- */

/* x as one of the activations that somebody may watch. */
static inline void tap(forward *f, activation_kind kind, const tensor *x, int n)
{
    if (f->taps.wanted)
        forward_taps_copy(&f->taps, f->backend, kind, x, n);
}

static void enqueue_attention(forward *f, const layer_weights *w, int layer, int n)
{
    backend *b = f->backend;
    const model_config *c = f->config;
    op_rmsnorm(b, f->normed, f->x, w->attention_norm, c->norm_eps, n);
    tap(f, ACT_ATTN_NORM, f->normed, n);
    product qkv[3] = {{f->q, w->q, w->q_bias}, {f->k, w->k, w->k_bias}, {f->v, w->v, w->v_bias}};
    op_matmul(b, qkv, 3, f->normed, n);
    if (c->norm_qk == QK_NORM_FULL) {
        op_rmsnorm(b, f->q, f->q, w->q_norm, c->norm_eps, n);
        op_rmsnorm(b, f->k, f->k, w->k_norm, c->norm_eps, n);
    } else if (c->norm_qk == QK_NORM_HEAD) {
        op_head_rmsnorm(b, f->q, w->q_norm, c->heads, c->head_dim, c->norm_eps, n);
        op_head_rmsnorm(b, f->k, w->k_norm, c->kv_heads, c->head_dim, c->norm_eps, n);
    }
    op_rope(b, f->q, c->heads, c->head_dim, c->rope.dim, c->rope.pairs, n);
    op_rope(b, f->k, c->kv_heads, c->head_dim, c->rope.dim, c->rope.pairs, n);
    tap(f, ACT_Q, f->q, n);
    tap(f, ACT_K, f->k, n);
    tap(f, ACT_V, f->v, n);
    op_kv_store(b, layer, f->k, f->v, n);
    op_attention(b, f->attended, f->q, layer, &f->attention, n);
    tap(f, ACT_HEADS, f->attended, n);
    product o = {f->delta, w->o, w->o_bias};
    op_matmul(b, &o, 1, f->attended, n);
    tap(f, ACT_ATTN_OUT, f->delta, n);
    op_add(b, f->x, f->delta, c->residual_scale, n);
    tap(f, ACT_ATTN_SUM, f->x, n);
}

/* down.out = down (silu(gate x) * up x), biases added: a dense layer's ffn, or the shared expert. */
static void enqueue_ffn(forward *f, tensor *hidden, gated_weights w, product down, int n)
{
    op_matmul_swiglu(f->backend, hidden, &w, f->normed, n);
    op_matmul(f->backend, &down, 1, hidden, n);
}

static void measure_output(const float *y, size_t width, float *norm, float *peak)
{
    double squares = 0;
    *peak = 0;
    for (size_t i = 0; i < width; i++) {
        squares += (double)y[i] * (double)y[i];
        *peak = fmaxf(*peak, fabsf(y[i]));
    }
    *norm = (float)sqrt(squares);
}

/* How large the output of every chosen expert is: each slot runs alone, and is waited for. */
static int trace_outputs(forward *f, const layer_weights *w, int layer, int n, error *err)
{
    backend *b = f->backend;
    routes_host *to = &f->copies.of[layer];
    routes *single = f->copies.single;
    float *outputs = f->copies.outputs;
    size_t width = (size_t)f->config->width, slots = (size_t)to->slots;
    for (size_t s = 0; s < slots; s++) {
        op_routes_slot(b, single, f->chosen, (int)s, n);
        op_experts(b, f->delta, w->bank, single, f->normed, layer, n);
        tensor_read(b, f->delta, 0, (size_t)n, outputs);
        if (backend_sync(b, err))
            return -1;
        for (size_t i = 0; i < (size_t)n; i++)
            measure_output(outputs + i * width, width, &to->norms[i * slots + s],
                           &to->peaks[i * slots + s]);
    }
    return 0;
}

static int enqueue_experts(forward *f, const layer_weights *w, int layer, int n, traced_part trace,
                           error *err)
{
    backend *b = f->backend;
    product p[2] = {{f->scores, w->router, NULL}, {f->adapter_scores, w->adapter_router, NULL}};
    op_matmul(b, p, w->adapter_router ? 2 : 1, f->normed, n);
    tap(f, ACT_ROUTER, f->scores, n);
    const tensor *adapter_scores = w->adapter_router ? f->adapter_scores : NULL;
    if (forward_hooks_ask(&f->hooks, b, f->config, f->asked, n, layer, f->normed, f->scores,
                          f->slots, err))
        return -1;
    op_route(b, f->chosen, f->scores, adapter_scores, layer, &f->routing, n);
    route_copies_read(&f->copies, trace, layer, f->chosen, f->scores, adapter_scores, n);
    if (trace == TRACE_OUTPUTS && trace_outputs(f, w, layer, n, err))
        return -1;
    op_experts(b, f->delta, w->bank, f->chosen, f->normed, layer, n);
    tap(f, ACT_EXPERTS_OUT, f->delta, n);
    if (!w->shared_gate)
        return 0;
    enqueue_ffn(f, f->shared_hidden, (gated_weights){w->shared_gate, w->shared_up, NULL, NULL},
                (product){f->shared, w->shared_down, NULL}, n);
    if (w->shared_router)
        op_sigmoid_gate(b, f->shared, w->shared_router, f->normed, n);
    tap(f, ACT_SHARED_OUT, f->shared, n);
    op_add(b, f->delta, f->shared, 1, n);
    return 0;
}

static int enqueue_layer(forward *f, int layer, int n, traced_part trace, error *err)
{
    int result = 0;
    const layer_weights *w = &f->weights->layers[layer];
    op_layer(f->backend, layer);
    enqueue_attention(f, w, layer, n);
    op_rmsnorm(f->backend, f->normed, f->x, w->ffn_norm, f->config->norm_eps, n);
    tap(f, ACT_FFN_NORM, f->normed, n);
    if (f->config->moe_layer[layer]) {
        result = enqueue_experts(f, w, layer, n, trace, err);
    } else {
        enqueue_ffn(f, f->hidden, (gated_weights){w->gate, w->up, w->gate_bias, w->up_bias},
                    (product){f->delta, w->down, w->down_bias}, n);
        tap(f, ACT_FFN_HIDDEN, f->hidden, n);
    }
    tap(f, ACT_FFN_OUT, f->delta, n);
    op_add(f->backend, f->x, f->delta, f->config->residual_scale, n);
    tap(f, ACT_OUT, f->x, n);
    return result;
}

int forward_watch_states(forward *f, forward_states_fn *fn, void *user, error *err)
{
    size_t cells = (size_t)f->max_rows * (size_t)f->config->width;
    if (fn && !f->host_states && !(f->host_states = malloc(cells * sizeof(float))))
        return error_memory(err, "the states of a batch");
    f->states = fn;
    f->states_user = user;
    return 0;
}

/* Tells what the layer's router read: `normed`, until the next layer begins. */
static int tell_states(forward *f, int layer, int n, error *err)
{
    if (!f->states || !f->config->moe_layer[layer])
        return 0;
    tensor_read(f->backend, f->normed, 0, (size_t)n, f->host_states);
    if (backend_sync(f->backend, err))
        return -1;
    f->states(f->states_user, layer, n, f->host_states);
    return 0;
}

int forward_watch_activations(forward *f, const activation_set *wanted, forward_tap_fn *fn,
                              void *user, error *err)
{
    if (!wanted && !f->taps.wanted)
        return 0;
    return forward_taps_set(&f->taps, wanted, f->max_rows, fn, user, err);
}

/* ---- one batch ------------------------------------------------------------------------------- */

/* The activations that follow are of this layer: forward_taps.h. */
static void tap_layer(forward *f, int layer)
{
    f->taps.layer = layer;
    if (layer < 0)
        f->taps.told = 0;
}

static int tell_taps(forward *f, int n, error *err)
{
    return f->taps.wanted ? forward_taps_tell(&f->taps, f->backend, n, err) : 0;
}

/* Behind the last layer; `normed` is nobody's by then. */
static int tell_last_taps(forward *f, int n, error *err)
{
    const activation_set *w = f->taps.wanted;
    if (!w || !w->kinds[f->config->layers + 1])
        return 0;
    tap_layer(f, f->config->layers);
    op_layer(f->backend, -1);
    op_rmsnorm(f->backend, f->normed, f->x, f->weights->output_norm, f->config->norm_eps, n);
    tap(f, ACT_NORM, f->normed, n);
    return tell_taps(f, n, err);
}

static void begin_batch(forward *f, const forward_row *rows, int n)
{
    size_t half = (size_t)f->config->rope.dim / 2;
    f->asked = rows;
    for (int i = 0; i < n; i++) {
        f->ids[i] = rows[i].token;
        f->rows[i] =
            (batch_row){rows[i].position, rows[i].pages, forward_hooks_of(&f->hooks, rows, i)};
        rope_angles(&f->config->rope, f->frequencies, rows[i].position,
                    f->cosines + (size_t)i * half, f->sines + (size_t)i * half);
    }
    op_layer(f->backend, -1);
    op_batch(f->backend, &f->layout, f->rows, n, f->cosines, f->sines, (int)half);
    op_embed(f->backend, f->x, f->weights->embedding, f->ids, n, f->config->embedding_scale);
    tap_layer(f, -1);
    tap(f, ACT_EMBED, f->x, n);
}

static bool wants_logits(const forward_row *row)
{
    return row->logits || row->logprob || row->draw;
}

/* What is wanted of the logits of the block's rows: themselves, a token, how likely the next ones are. */
static void enqueue_wanted(forward *f, const forward_row *rows, const int *block, int m)
{
    sample_row *draws[OUTPUT_ROWS] = {NULL};
    double *logprobs[OUTPUT_ROWS] = {NULL};
    int next[OUTPUT_ROWS];
    bool draw = false, score = false;
    for (int i = 0; i < m; i++) {
        const forward_row *row = &rows[block[i]];
        draws[i] = row->draw;
        logprobs[i] = row->logprob;
        next[i] = row->next;
        draw = draw || row->draw;
        score = score || row->logprob;
        if (row->logits)
            tensor_read(f->backend, f->logits, (size_t)i, 1, row->logits);
    }
    if (draw)
        op_sample(f->backend, f->logits, draws, m);
    if (score)
        op_logprob(f->backend, f->logits, next, logprobs, m);
}

/* Logits of the rows that want them, OUTPUT_ROWS at a time. */
static void enqueue_logits(forward *f, const forward_row *rows, int n)
{
    backend *b = f->backend;
    int wanted = 0;
    for (int i = 0; i < n; i++)
        if (wants_logits(&rows[i]))
            f->wanted[wanted++] = i;
    op_layer(b, -1);
    for (int at = 0; at < wanted; at += OUTPUT_ROWS) {
        int m = wanted - at < OUTPUT_ROWS ? wanted - at : OUTPUT_ROWS;
        op_gather(b, f->last, f->x, f->wanted + at, m);
        op_rmsnorm(b, f->last, f->last, f->weights->output_norm, f->config->norm_eps, m);
        product p = {f->logits, f->weights->output, NULL};
        op_matmul(b, &p, 1, f->last, m);
        if (f->config->logit_scale != 1.0f)
            op_scale(b, f->logits, f->config->logit_scale, m);
        enqueue_wanted(f, rows, f->wanted + at, m);
    }
}

/* The first of n logits that is not finite; n when all are. */
static size_t first_broken(const float *z, size_t n)
{
    size_t i = 0;
    while (i < n && isfinite(z[i]))
        i++;
    return i;
}

/* NaN or Inf in the output matrix shows only here. */
static int check_logits(const forward *f, const forward_row *rows, int n, error *err)
{
    size_t all = (size_t)f->config->vocabulary;
    for (int i = 0; i < n; i++) {
        const forward_row *row = &rows[i];
        size_t broken = row->logits ? first_broken(row->logits, all) : all;
        if (row->draw && row->draw->broken < broken)
            broken = row->draw->broken;
        if (broken < all)
            return error_set(err, ERROR_RUN, "logit %zu at position %d is not finite", broken,
                             row->position);
        if (row->logprob && !isfinite(*row->logprob))
            return error_set(err, ERROR_RUN, "the logits at position %d are not finite",
                             row->position);
    }
    return 0;
}

/* ERROR_CANCELLED when the caller wants no more; what was enqueued is done by then. */
static int look_at_cancel(forward *f, const atomic_bool *cancel, error *err)
{
    if (!cancel || !atomic_load(cancel))
        return 0;
    (void)backend_sync(f->backend, NULL);
    return error_set(err, ERROR_CANCELLED, "interrupted");
}

int forward_hidden(forward *f, const forward_row *rows, int n, const hidden_layers *want,
                   const atomic_bool *cancel, error *err)
{
    if (prepare_adapter_scores(f, err) || prepare_hooks(f, rows, n, err))
        return -1;
    begin_batch(f, rows, n);
    for (int layer = 0; layer <= want->last; layer++) {
        if (look_at_cancel(f, cancel, err))
            return -1;
        if (layer >= want->first)
            tensor_read(f->backend, f->x, 0, (size_t)n,
                        want->out + (size_t)(layer - want->first) * want->stride);
        if (layer < want->last && !f->config->skip_layer[layer] &&
            enqueue_layer(f, layer, n, TRACE_NOTHING, err))
            return -1;
    }
    return backend_sync(f->backend, err);
}

int forward_run(forward *f, const forward_row *rows, int n, const atomic_bool *cancel,
                const forward_trace *trace, error *err)
{
    traced_part part = trace ? trace->part : TRACE_NOTHING;
    if (prepare_adapter_scores(f, err) || prepare_hooks(f, rows, n, err) ||
        route_copies_prepare(&f->copies, part, f->adapter_scores, err))
        return -1;
    begin_batch(f, rows, n);
    if (tell_taps(f, n, err))
        return -1;
    for (int layer = 0; layer < f->config->layers; layer++) {
        if (f->config->skip_layer[layer])
            continue;
        tap_layer(f, layer);
        if (look_at_cancel(f, cancel, err) || enqueue_layer(f, layer, n, part, err) ||
            tell_states(f, layer, n, err) || tell_taps(f, n, err))
            return -1;
    }
    if (tell_last_taps(f, n, err))
        return -1;
    enqueue_logits(f, rows, n);
    if (backend_sync(f->backend, err) || check_logits(f, rows, n, err))
        return -1;
    if (part == TRACE_WANTED)
        route_copies_rank(&f->copies, f->rows, n);
    for (int layer = 0; part && layer < f->config->layers; layer++)
        if (f->config->moe_layer[layer] && !f->config->skip_layer[layer])
            trace->fn(trace->user, layer, n, &f->copies.of[layer]);
    return 0;
}
