/* weights.c - see weights.h.
 *
 * A `loader` carries what every step needs. find_part() resolves a part to a tensor of the file;
 * the load_* functions check it and hand it to the backend. The first fault ends the loading; what
 * was loaded until then is freed by weights_release().
 */
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../kernels/dequantize.h"
#include "../formats/tensor_claims.h"
#include "../formats/weight_names.h"

typedef struct loader {
    weights *w;
    const checkpoint *c;
    const model_config *config;
    tensor_claims *claims; /* of the tensors found so far */
    backend *b;            /* NULL: everything is checked and nothing is loaded */
    error *err;
    bool gguf;
} loader;

/* ---- finding and checking --------------------------------------------------------------- */

static int find_part(const loader *l, weight_part part, int layer, int expert,
                     checkpoint_tensor *found)
{
    for (int i = 0; i < WEIGHT_SPELLINGS; i++) {
        const char *format = weight_name(part, l->gguf, i);
        if (!format)
            break;
        char name[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(name, sizeof name, format, layer, expert);
#pragma GCC diagnostic pop
        if (tensor_claims_take(l->claims, name, found))
            return 1;
    }
    return 0;
}

static int missing(const loader *l, weight_part part, int layer, int expert)
{
    char name[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, sizeof name, weight_name(part, l->gguf, 0), layer, expert);
#pragma GCC diagnostic pop
    if (tensor_claims_quantised(l->claims, name, l->err))
        return -1;
    return error_set(l->err, ERROR_LOAD, "%s: tensor %s is missing", checkpoint_path(l->c), name);
}

/* "[12, 48]" for messages. */
static void shape_text(char *out, size_t size, const uint64_t *shape, int dims)
{
    size_t at = 0;
    for (int i = 0; i < dims && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%llu", i ? ", " : "",
                               (unsigned long long)shape[i]);
    if (dims == 0)
        out[0] = '\0';
}

/* The tensor must be of `dims` dimensions with this shape. A vector may also be written [1, n]. */
static int check_shape(const loader *l, const checkpoint_tensor *t, const uint64_t *shape, int dims)
{
    const uint64_t *have = t->shape;
    int have_dims = t->dims;
    if (t->type == DTYPE_COUNT)
        return error_set(l->err, ERROR_LOAD, "%s: tensor %s: weights of type %s are not read",
                         checkpoint_path(l->c), t->name, t->type_name);
    while (have_dims > dims && have[0] == 1) {
        have++;
        have_dims--;
    }
    bool same = have_dims == dims;
    for (int i = 0; same && i < dims; i++)
        same = have[i] == shape[i];
    if (same) {
        const dtype_info *info = dtype_describe(t->type);
        if (shape[dims - 1] % (uint64_t)info->block == 0)
            return 0;
        return error_set(l->err, ERROR_LOAD,
                         "%s: tensor %s: rows of %llu do not divide into %s blocks of %d",
                         checkpoint_path(l->c), t->name, (unsigned long long)shape[dims - 1],
                         info->name, info->block);
    }
    char want[96], got[96];
    shape_text(want, sizeof want, shape, dims);
    shape_text(got, sizeof got, t->shape, t->dims);
    return error_set(l->err, ERROR_LOAD,
                     "%s: tensor %s: shape is [%s], the configuration asks [%s]",
                     checkpoint_path(l->c), t->name, got, want);
}

/* ---- handing to the backend ---------------------------------------------------------------- */

static void count_matrix(const loader *l, const checkpoint_tensor *t)
{
    uint64_t elements = 1;
    for (int i = 0; i < t->dims; i++)
        elements *= t->shape[i];
    l->w->bytes += t->bytes;
    l->w->matrix_bytes += t->bytes;
    l->w->matrix_elements += elements;
}

/* Rows of a tensor, which an expert has, borrowed in place. 0 or -1. */
static int lend_rows(const loader *l, const checkpoint_tensor *t, uint64_t first, uint64_t rows,
                     uint64_t cols, tensor **out)
{
    size_t skip = dtype_row_bytes(t->type, (size_t)cols) * (size_t)first;
    if (!l->b)
        return 0;
    *out = tensor_lend(l->b, t->type, (size_t)rows, (size_t)cols, (const char *)t->data + skip,
                       l->err);
    return *out ? 0 : -1;
}

/* A matrix of the file, borrowed in place. */
static int load_matrix(loader *l, weight_part part, int layer, int expert, int rows, int cols,
                       tensor **out)
{
    checkpoint_tensor t;
    if (!find_part(l, part, layer, expert, &t))
        return missing(l, part, layer, expert);
    uint64_t shape[2] = {(uint64_t)rows, (uint64_t)cols};
    if (check_shape(l, &t, shape, 2))
        return -1;
    count_matrix(l, &t);
    if (!l->b)
        return 0;
    if (part == PART_EXPERT_GATE || part == PART_EXPERT_UP || part == PART_EXPERT_DOWN)
        return lend_rows(l, &t, 0, shape[0], shape[1], out);
    *out = tensor_map(l->b, t.type, (size_t)rows, (size_t)cols, t.data, l->err);
    return *out ? 0 : -1;
}

/* The backend's own f32 copy of a tensor that fits. */
static int copy_f32(const loader *l, const checkpoint_tensor *t, int rows, int cols, tensor **out)
{
    float *row = malloc((size_t)cols * sizeof *row);
    if (!row)
        return error_memory(l->err, "a tensor");
    *out = tensor_new(l->b, DTYPE_F32, (size_t)rows, (size_t)cols, l->err);
    size_t stride = dtype_row_bytes(t->type, (size_t)cols);
    for (int r = 0; *out && r < rows; r++) {
        dequantize_row(t->type, (const char *)t->data + stride * (size_t)r, row, (size_t)cols);
        tensor_write(l->b, *out, (size_t)r, 1, row);
    }
    free(row);
    return *out ? 0 : -1;
}

/* A small tensor, copied as f32 [rows, cols]; rows = 1 for norms and biases. */
static int load_f32(loader *l, weight_part part, int layer, int rows, int cols, tensor **out)
{
    checkpoint_tensor t;
    if (!find_part(l, part, layer, 0, &t))
        return missing(l, part, layer, 0);
    uint64_t shape[2] = {(uint64_t)rows, (uint64_t)cols};
    bool vector = rows == 1;
    if (check_shape(l, &t, shape + (vector ? 1 : 0), vector ? 1 : 2))
        return -1;
    l->w->bytes += t.bytes;
    l->w->grown += (uint64_t)rows * (uint64_t)cols * sizeof(float) - t.bytes;
    return l->b ? copy_f32(l, &t, rows, cols, out) : 0;
}

static int load_optional(loader *l, bool wanted, weight_part part, int layer, int cols,
                         tensor **out)
{
    return wanted ? load_f32(l, part, layer, 1, cols, out) : 0;
}

/* A bias that the configuration wants. In GGUF the configuration says what the tensors say, and any
 * layer may lack one of them, as in llama.cpp; but Qwen2's query, key and value always have theirs.   */
static int load_bias(loader *l, bool wanted, weight_part part, int layer, int cols, tensor **out)
{
    checkpoint_tensor t;
    bool always = l->config->arch == ARCH_QWEN2 || l->config->arch == ARCH_QWEN2_MOE;
    if (wanted && l->gguf && !(always && part != PART_O_BIAS) && !find_part(l, part, layer, 0, &t))
        return 0;
    return load_optional(l, wanted, part, layer, cols, out);
}

/* ---- experts --------------------------------------------------------------------------------- */

/* All experts of a layer in one tensor [experts, rows_in_file, cols]; `first` is the row where this
 * matrix starts inside each expert's rows (fused gate and up). */
static int slice_experts(loader *l, const checkpoint_tensor *t, int rows_in_file, int first,
                         int rows, int cols, tensor **out)
{
    uint64_t shape[3] = {(uint64_t)l->config->experts, (uint64_t)rows_in_file, (uint64_t)cols};
    if (check_shape(l, t, shape, 3))
        return -1;
    for (int e = 0; e < l->config->experts; e++) {
        uint64_t row = (uint64_t)e * shape[1] + (uint64_t)first;
        if (lend_rows(l, t, row, (uint64_t)rows, shape[2], &out[e]))
            return -1;
    }
    return 0;
}

static int load_experts_matrix(loader *l, weight_part single, weight_part stacked, int layer,
                               int rows, int cols, tensor **out)
{
    checkpoint_tensor t;
    if (find_part(l, stacked, layer, 0, &t)) {
        count_matrix(l, &t);
        return slice_experts(l, &t, rows, 0, rows, cols, out);
    }
    /* A file of either kind that has no expert at all is told about its stacked name in GGUF. */
    if (l->gguf && !find_part(l, single, layer, 0, &t))
        return missing(l, stacked, layer, 0);
    for (int e = 0; e < l->config->experts; e++)
        if (load_matrix(l, single, layer, e, rows, cols, &out[e]))
            return -1;
    return 0;
}

static int make_bank(loader *l, layer_weights *w)
{
    w->bank = expert_bank_new(l->b, l->err);
    if (!w->bank)
        return -1;
    return expert_bank_put(w->bank, 0, l->config->experts, (const tensor *const *)w->expert_gate,
                           (const tensor *const *)w->expert_up,
                           (const tensor *const *)w->expert_down, l->err);
}

static int load_experts(loader *l, layer_weights *w, int layer)
{
    const model_config *c = l->config;
    size_t n = (size_t)c->experts;
    l->w->experts = l->w->max_experts = c->experts;
    w->expert_gate = calloc(n, sizeof(tensor *));
    w->expert_up = calloc(n, sizeof(tensor *));
    w->expert_down = calloc(n, sizeof(tensor *));
    if (!w->expert_gate || !w->expert_up || !w->expert_down)
        return error_memory(l->err, "the experts");
    int f = c->expert_width, d = c->width;
    checkpoint_tensor t;
    if (find_part(l, PART_EXPERTS_GATE_UP, layer, 0, &t)) {
        count_matrix(l, &t);
        if (slice_experts(l, &t, 2 * f, 0, f, d, w->expert_gate) ||
            slice_experts(l, &t, 2 * f, f, f, d, w->expert_up))
            return -1;
    } else if (load_experts_matrix(l, PART_EXPERT_GATE, PART_EXPERTS_GATE, layer, f, d,
                                   w->expert_gate) ||
               load_experts_matrix(l, PART_EXPERT_UP, PART_EXPERTS_UP, layer, f, d, w->expert_up)) {
        return -1;
    }
    if (load_experts_matrix(l, PART_EXPERT_DOWN, PART_EXPERTS_DOWN, layer, d, f, w->expert_down))
        return -1;
    return l->b ? make_bank(l, w) : 0;
}

static int load_shared_expert(loader *l, layer_weights *w, int layer)
{
    const model_config *c = l->config;
    if (!c->shared_width)
        return 0;
    if (load_matrix(l, PART_SHARED_GATE, layer, 0, c->shared_width, c->width, &w->shared_gate) ||
        load_matrix(l, PART_SHARED_UP, layer, 0, c->shared_width, c->width, &w->shared_up) ||
        load_matrix(l, PART_SHARED_DOWN, layer, 0, c->width, c->shared_width, &w->shared_down))
        return -1;
    return load_optional(l, c->shared_gate, PART_SHARED_ROUTER, layer, c->width, &w->shared_router);
}

/* ---- layers ---------------------------------------------------------------------------------- */

static int load_attention(loader *l, layer_weights *w, int layer)
{
    const model_config *c = l->config;
    int d = c->width, h = c->heads * c->head_dim, g = c->kv_heads * c->head_dim;
    bool full = c->norm_qk == QK_NORM_FULL, normed = c->norm_qk != QK_NORM_NONE;
    if (load_f32(l, PART_ATTENTION_NORM, layer, 1, d, &w->attention_norm) ||
        load_matrix(l, PART_Q, layer, 0, h, d, &w->q) ||
        load_matrix(l, PART_K, layer, 0, g, d, &w->k) ||
        load_matrix(l, PART_V, layer, 0, g, d, &w->v) ||
        load_matrix(l, PART_O, layer, 0, d, h, &w->o))
        return -1;
    if (load_bias(l, c->qkv_bias, PART_Q_BIAS, layer, h, &w->q_bias) ||
        load_bias(l, c->qkv_bias, PART_K_BIAS, layer, g, &w->k_bias) ||
        load_bias(l, c->qkv_bias, PART_V_BIAS, layer, g, &w->v_bias) ||
        load_bias(l, c->output_bias, PART_O_BIAS, layer, d, &w->o_bias))
        return -1;
    if (load_optional(l, normed, PART_Q_NORM, layer, full ? h : c->head_dim, &w->q_norm) ||
        load_optional(l, normed, PART_K_NORM, layer, full ? g : c->head_dim, &w->k_norm))
        return -1;
    return load_f32(l, PART_FFN_NORM, layer, 1, d, &w->ffn_norm);
}

static int load_dense(loader *l, layer_weights *w, int layer)
{
    const model_config *c = l->config;
    int d = c->width, f = c->ffn_width;
    if (load_matrix(l, PART_GATE, layer, 0, f, d, &w->gate) ||
        load_matrix(l, PART_UP, layer, 0, f, d, &w->up) ||
        load_matrix(l, PART_DOWN, layer, 0, d, f, &w->down))
        return -1;
    if (load_bias(l, c->ffn_bias, PART_GATE_BIAS, layer, f, &w->gate_bias) ||
        load_bias(l, c->ffn_bias, PART_UP_BIAS, layer, f, &w->up_bias) ||
        load_bias(l, c->ffn_bias, PART_DOWN_BIAS, layer, d, &w->down_bias))
        return -1;
    return 0;
}

static int load_layer(loader *l, int layer)
{
    const model_config *c = l->config;
    layer_weights *w = &l->w->layers[layer];
    if (load_attention(l, w, layer))
        return -1;
    if (!c->moe_layer[layer])
        return load_dense(l, w, layer);
    l->w->moe_layers++;
    if (load_f32(l, PART_ROUTER, layer, c->experts, c->width, &w->router))
        return -1;
    uint64_t before = l->w->bytes;
    if (load_experts(l, w, layer))
        return -1;
    l->w->expert_bytes += l->w->bytes - before; /* all experts; made a mean at the end */
    return load_shared_expert(l, w, layer);
}

static int load_all(loader *l)
{
    const model_config *c = l->config;
    weights *w = l->w;
    if (load_matrix(l, PART_EMBEDDING, 0, 0, c->vocabulary, c->width, &w->embedding))
        return -1;
    uint64_t embedding = w->bytes;
    if (load_f32(l, PART_OUTPUT_NORM, 0, 1, c->width, &w->output_norm))
        return -1;
    w->tied = c->tied;
    if (c->tied)
        w->output = w->embedding;
    else if (load_matrix(l, PART_OUTPUT, 0, 0, c->vocabulary, c->width, &w->output))
        return -1;
    for (int i = 0; i < c->layers; i++)
        if (load_layer(l, i))
            return -1;
    w->dense_bytes = w->bytes - w->expert_bytes - (c->tied ? 0 : embedding);
    w->all_expert_bytes = w->expert_bytes;
    if (w->moe_layers)
        w->expert_bytes /= (uint64_t)w->moe_layers * (uint64_t)c->experts;
    return 0;
}

static int walk(weights *w, const checkpoint *c, backend *b, checkpoint_warn *warn, void *user,
                error *err)
{
    const model_config *config = checkpoint_config(c);
    tensor_claims claims = {0};
    *w = (weights){.layer_count = config->layers};
    w->layers = calloc((size_t)config->layers, sizeof *w->layers);
    if (!w->layers)
        return error_memory(err, "the layers");
    loader l = {w, c, config, &claims, b, err, checkpoint_gguf(c) != NULL};
    checkpoint_tensor t;
    int result = tensor_claims_open(&claims, c, err);
    if (!result && config->rope.factors) /* the configuration has looked at these */
        (void)tensor_claims_take(&claims, "rope_freqs.weight", &t);
    if (!result)
        result = load_all(&l);
    if (!result)
        result = tensor_claims_settle(&claims, warn, user, err);
    tensor_claims_release(&claims);
    return result;
}

int weights_load(weights *w, const checkpoint *c, backend *b, checkpoint_warn *warn, void *user,
                 error *err)
{
    int result = walk(w, c, b, warn, user, err);
    if (result)
        weights_release(w);
    return result;
}

int weights_measure(weights *w, const checkpoint *c, error *err)
{
    return walk(w, c, NULL, NULL, NULL, err);
}

int weights_check(const checkpoint *c, checkpoint_warn *warn, void *user, error *err)
{
    weights w;
    int result = walk(&w, c, NULL, warn, user, err);
    weights_release(&w);
    return result;
}

/* ---- freeing ----------------------------------------------------------------------------------- */

static void release_experts(tensor **experts, int n)
{
    for (int e = 0; experts && e < n; e++)
        tensor_free(experts[e]);
    free(experts);
}

void weights_release(weights *w)
{
    for (int i = 0; w->layers && i < w->layer_count; i++) {
        layer_weights *l = &w->layers[i];
        tensor *all[] = {l->attention_norm,
                         l->q,
                         l->k,
                         l->v,
                         l->o,
                         l->q_bias,
                         l->k_bias,
                         l->v_bias,
                         l->o_bias,
                         l->q_norm,
                         l->k_norm,
                         l->ffn_norm,
                         l->gate,
                         l->up,
                         l->down,
                         l->gate_bias,
                         l->up_bias,
                         l->down_bias,
                         l->router,
                         l->shared_gate,
                         l->shared_up,
                         l->shared_down,
                         l->shared_router,
                         l->adapter_router};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            tensor_free(all[j]);
        expert_bank_free(l->bank);
        release_experts(l->expert_gate, w->experts);
        release_experts(l->expert_up, w->experts);
        release_experts(l->expert_down, w->experts);
    }
    free(w->layers);
    tensor_free(w->embedding);
    tensor_free(w->output_norm);
    if (!w->tied)
        tensor_free(w->output);
    *w = (weights){0};
}
