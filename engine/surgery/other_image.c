/* other_image.c - see other_image.h. */
#include "other_image.h"

#include <stdio.h>

typedef struct making {
    image *m;
    const checkpoint *c;
    const model_config *config;
    bool to_gguf;
    error *err;
} making;

/* ---- names ------------------------------------------------------------------------------------- */

/* Which spelling of Hugging Face's the architecture's own library writes (weight_names.c). */
static int spelling(architecture a, weight_part part)
{
    bool granite = a == ARCH_GRANITE_MOE, mixtral = a == ARCH_MIXTRAL;
    switch (part) {
    case PART_ROUTER:
        return granite ? 2 : mixtral;
    case PART_EXPERT_GATE:
    case PART_EXPERT_UP:
    case PART_EXPERT_DOWN:
        return mixtral;
    case PART_EXPERTS_GATE_UP:
    case PART_EXPERTS_DOWN:
        return granite;
    default:
        return 0;
    }
}

static void put_name(const making *k, weight_part part, int layer, int expert, char out[128])
{
    const char *format =
        weight_name(part, k->to_gguf, k->to_gguf ? 0 : spelling(k->config->arch, part));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(out, 128, format, layer, expert);
#pragma GCC diagnostic pop
}

/* The tensor of a part of the source; false when it has none. */
static bool find(const making *k, weight_part part, int layer, checkpoint_tensor *out)
{
    for (int i = 0; i < WEIGHT_SPELLINGS; i++) {
        const char *format = weight_name(part, !k->to_gguf, i);
        char name[128];
        if (!format)
            return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(name, sizeof name, format, layer, 0);
#pragma GCC diagnostic pop
        int at = checkpoint_index(k->c, name);
        if (at >= 0) {
            checkpoint_at(k->c, at, out);
            return true;
        }
    }
    return false;
}

/* ---- one tensor -------------------------------------------------------------------------------- */

static bool is_small(weight_part part)
{
    return part == PART_ROUTER || part == PART_SHARED_ROUTER;
}

/* In GGUF vectors and routers are F32. */
static dtype type_of(const making *k, weight_part part, int dims, dtype source)
{
    return k->to_gguf && (dims == 1 || is_small(part)) ? DTYPE_F32 : source;
}

/* How the rows of a part change their order. */
static image_order order_of(const making *k, weight_part part)
{
    architecture a = k->config->arch;
    bool turned = part == PART_Q || part == PART_K || part == PART_Q_BIAS || part == PART_K_BIAS;
    if (!turned || (a != ARCH_LLAMA && a != ARCH_MIXTRAL && a != ARCH_GRANITE_MOE))
        return IMAGE_AS_IT_LIES;
    return k->to_gguf ? IMAGE_TO_PAIRS : IMAGE_TO_HALVES;
}

/* Numbers that may stand as [n], [1, n] or [rows, n]. */
static int add_tensor(const making *k, weight_part part, int layer, const checkpoint_tensor *t)
{
    char name[128];
    uint64_t cols = t->shape[t->dims - 1], all = t->bytes /
                                                 (uint64_t)dtype_describe(t->type)->bytes *
                                                 (uint64_t)dtype_describe(t->type)->block;
    uint64_t rows = all / cols, shape[2] = {rows, cols};
    bool vector = rows == 1 && (part != PART_SHARED_ROUTER || k->to_gguf);
    image_piece p = {.from = t->data,
                     .type = t->type,
                     .rows = (size_t)rows,
                     .cols = (size_t)cols,
                     .order = order_of(k, part),
                     .head = (size_t)k->config->head_dim};
    if (p.order != IMAGE_AS_IT_LIES && rows == 1) { /* a bias: its elements are its rows */
        p.rows = p.cols;
        p.cols = 1;
    }
    put_name(k, part, layer, 0, name);
    return image_add(k->m, name, type_of(k, part, vector ? 1 : 2, t->type), vector ? 1 : 2,
                     vector ? shape + 1 : shape, k->err) ||
                   image_add_piece(k->m, &p, k->err)
               ? -1
               : 0;
}

static int add_part(const making *k, weight_part part, int layer)
{
    checkpoint_tensor t;
    char name[128];
    if (find(k, part, layer, &t))
        return add_tensor(k, part, layer, &t);
    put_name(k, part, layer, 0, name);
    return error_set(k->err, ERROR_USAGE,
                     "%s: the other format needs a tensor %s, and the model has none",
                     checkpoint_path(k->c), name);
}

/* What GGUF may lack in any layer, and a directory's configuration says for all. */
static int add_bias(const making *k, bool wanted, weight_part part, int layer)
{
    checkpoint_tensor t;
    return !wanted || (k->to_gguf && !find(k, part, layer, &t)) ? 0 : add_part(k, part, layer);
}

/* ---- experts ----------------------------------------------------------------------------------- */

static int add_rows(const making *k, int layer, int expert, bank_matrix matrix)
{
    bank_rows b = bank_view(k->c, layer, expert, matrix);
    const image_piece p = {.from = b.data, .type = b.type, .rows = b.rows, .cols = b.cols};
    return image_add_piece(k->m, &p, k->err);
}

/* All experts of a layer in one tensor, of each the matrices first..last. */
static int add_stack(const making *k, int layer, weight_part part, bank_matrix first,
                     bank_matrix last)
{
    char name[128];
    bank_rows b = bank_view(k->c, layer, 0, first);
    uint64_t shape[3] = {(uint64_t)k->config->experts, b.rows * (uint64_t)(last - first + 1),
                         b.cols};
    put_name(k, part, layer, 0, name);
    if (image_add(k->m, name, b.type, 3, shape, k->err))
        return -1;
    for (int e = 0; e < k->config->experts; e++)
        for (int matrix = (int)first; matrix <= (int)last; matrix++)
            if (add_rows(k, layer, e, (bank_matrix)matrix))
                return -1;
    return 0;
}

static int add_single(const making *k, int layer, int expert, weight_part part, bank_matrix matrix)
{
    char name[128];
    bank_rows b = bank_view(k->c, layer, expert, matrix);
    uint64_t shape[2] = {b.rows, b.cols};
    put_name(k, part, layer, expert, name);
    return image_add(k->m, name, b.type, 2, shape, k->err) || add_rows(k, layer, expert, matrix)
               ? -1
               : 0;
}

static int add_experts(const making *k, int layer)
{
    if (k->to_gguf)
        return add_stack(k, layer, PART_EXPERTS_GATE, BANK_GATE, BANK_GATE) ||
                       add_stack(k, layer, PART_EXPERTS_UP, BANK_UP, BANK_UP) ||
                       add_stack(k, layer, PART_EXPERTS_DOWN, BANK_DOWN, BANK_DOWN)
                   ? -1
                   : 0;
    if (k->config->arch == ARCH_GRANITE_MOE)
        return add_stack(k, layer, PART_EXPERTS_GATE_UP, BANK_GATE, BANK_UP) ||
                       add_stack(k, layer, PART_EXPERTS_DOWN, BANK_DOWN, BANK_DOWN)
                   ? -1
                   : 0;
    for (int e = 0; e < k->config->experts; e++)
        if (add_single(k, layer, e, PART_EXPERT_GATE, BANK_GATE) ||
            add_single(k, layer, e, PART_EXPERT_UP, BANK_UP) ||
            add_single(k, layer, e, PART_EXPERT_DOWN, BANK_DOWN))
            return -1;
    return 0;
}

/* ---- layers ------------------------------------------------------------------------------------ */

static int add_each(const making *k, const weight_part *parts, size_t n, int layer)
{
    for (size_t i = 0; i < n; i++)
        if (add_part(k, parts[i], layer))
            return -1;
    return 0;
}

#define ADD_EACH(parts, layer) add_each(k, parts, sizeof(parts) / sizeof *(parts), layer)

static int add_attention(const making *k, int layer)
{
    static const weight_part matrices[] = {PART_ATTENTION_NORM, PART_Q, PART_K, PART_V, PART_O};
    static const weight_part norms[] = {PART_Q_NORM, PART_K_NORM};
    const model_config *c = k->config;
    return ADD_EACH(matrices, layer) || add_bias(k, c->qkv_bias, PART_Q_BIAS, layer) ||
                   add_bias(k, c->qkv_bias, PART_K_BIAS, layer) ||
                   add_bias(k, c->qkv_bias, PART_V_BIAS, layer) ||
                   add_bias(k, c->output_bias, PART_O_BIAS, layer) ||
                   (c->norm_qk != QK_NORM_NONE && ADD_EACH(norms, layer)) ||
                   add_part(k, PART_FFN_NORM, layer)
               ? -1
               : 0;
}

static int add_ffn(const making *k, int layer)
{
    static const weight_part dense[] = {PART_GATE, PART_UP, PART_DOWN};
    static const weight_part shared[] = {PART_SHARED_GATE, PART_SHARED_UP, PART_SHARED_DOWN,
                                         PART_SHARED_ROUTER};
    const model_config *c = k->config;
    if (!c->moe_layer[layer])
        return ADD_EACH(dense, layer) || add_bias(k, c->ffn_bias, PART_GATE_BIAS, layer) ||
                       add_bias(k, c->ffn_bias, PART_UP_BIAS, layer) ||
                       add_bias(k, c->ffn_bias, PART_DOWN_BIAS, layer)
                   ? -1
                   : 0;
    return add_part(k, PART_ROUTER, layer) || add_experts(k, layer) ||
                   (c->shared_width && ADD_EACH(shared, layer))
               ? -1
               : 0;
}

static int add_divisors(const making *k, const float *divisors)
{
    uint64_t n = (uint64_t)k->config->rope.dim / 2;
    const image_piece p = {
        .from = (const uint8_t *)divisors, .type = DTYPE_F32, .rows = 1, .cols = (size_t)n};
    return image_add(k->m, "rope_freqs.weight", DTYPE_F32, 1, &n, k->err) ||
                   image_add_piece(k->m, &p, k->err)
               ? -1
               : 0;
}

int image_of_other(image *m, const checkpoint *c, bool to_gguf, const float *extra, error *err)
{
    const making one = {m, c, checkpoint_config(c), to_gguf, err}, *k = &one;
    if (add_part(k, PART_EMBEDDING, 0) || (extra && add_divisors(k, extra)))
        return -1;
    for (int layer = 0; layer < k->config->layers; layer++)
        if (add_attention(k, layer) || add_ffn(k, layer))
            return -1;
    return add_part(k, PART_OUTPUT_NORM, 0) || (!k->config->tied && add_part(k, PART_OUTPUT, 0))
               ? -1
               : 0;
}
