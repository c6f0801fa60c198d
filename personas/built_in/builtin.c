/* builtin.c - see builtin.h.
 *
 * A plan first: every tensor of the new file with the rule that makes its bytes. Then the plan is
 * declared to the writer, and then carried out, a row at a time where rows move.
 */
#include "builtin.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/search_path.h"
#include "../../engine/formats/checkpoint.h"
#include "../../engine/formats/gguf_writer.h"
#include "builtin_slices.h"

/* How a tensor's bytes are made from its source's. */
typedef enum rule {
    COPY,         /* as they are */
    HALVES,       /* rows of Q or K: pairs (2j, 2j+1) of a head become (j, j + head_dim/2) */
    ZEROS,        /* `zeros` zero bytes */
    REST_ROWS,    /* gate and up without the neurons of the slices */
    REST_COLUMNS, /* down without them, doubled */
    STACK_ROWS,   /* the personas' experts, then the slices */
    STACK_COLUMNS,
} rule;

typedef struct part {
    char name[GGUF_MAX_NAME + 1];
    dtype type;
    int dims;
    uint64_t shape[4];
    rule rule;
    const void *data;
    uint64_t bytes, zeros;
    sliced cut;                   /* of the last four */
    const checkpoint_tensor *own; /* of a stack: the personas', or NULL */
} part;

typedef struct plan {
    const checkpoint *base;
    const builtin_bank *bank;
    part *parts;
    int count, cap;
    uint64_t bytes;
} plan;

/* ---- planning ---------------------------------------------------------------------------------- */

static part *plan_add(plan *p, const checkpoint_tensor *t, const char *name, rule r)
{
    part *out = &p->parts[p->count++];
    *out = (part){.type = t->type, .dims = t->dims, .rule = r, .data = t->data, .bytes = t->bytes};
    memcpy(out->shape, t->shape, sizeof out->shape);
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    p->bytes += t->bytes;
    return out;
}

/* The gate of the shared expert: sigmoid(0) for every token. */
static void plan_even_gate(plan *p, int layer)
{
    part *out = &p->parts[p->count++];
    *out = (part){.type = DTYPE_F32, .dims = 1, .rule = ZEROS};
    out->shape[0] = (uint64_t)p->bank->width;
    out->zeros = out->shape[0] * sizeof(float);
    (void)snprintf(out->name, sizeof out->name, "blk.%d.ffn_gate_inp_shexp.weight", layer);
}

/* One matrix of the dense block: what is left of it, the shared expert's, and the stack of experts. */
static void plan_cut(plan *p, const checkpoint_tensor *t, int layer, const char *name, bool down)
{
    const builtin_bank *b = p->bank;
    const checkpoint_tensor *list = builtin_bank_tensor(b, layer, "ffn_slices");
    const sliced cut = {*t, list->data, b->general, b->expert_width};
    char full[GGUF_MAX_NAME + 1];
    (void)snprintf(full, sizeof full, "blk.%d.%s_shexp.weight", layer, name);
    part *rest = plan_add(p, t, full, down ? REST_COLUMNS : REST_ROWS);
    rest->cut = cut;
    rest->shape[down] -= (uint64_t)b->general * (uint64_t)b->expert_width;
    if (down)
        rest->type = SLICES_TYPE;
    (void)snprintf(full, sizeof full, "%s_exps", name);
    const checkpoint_tensor *own = b->personas ? builtin_bank_tensor(b, layer, full) : NULL;
    (void)snprintf(full, sizeof full, "blk.%d.%s_exps.weight", layer, name);
    part *stack = plan_add(p, own ? own : t, full, down ? STACK_COLUMNS : STACK_ROWS);
    stack->cut = cut;
    stack->own = own;
    stack->type = SLICES_TYPE;
    stack->dims = 3;
    stack->shape[0] = (uint64_t)b->personas + (uint64_t)b->general;
    stack->shape[1] = (uint64_t)(down ? b->width : b->expert_width);
    stack->shape[2] = (uint64_t)(down ? b->expert_width : b->width);
}

static int check_cut(const plan *p, const checkpoint_tensor *t, int layer, bool down, error *err)
{
    const builtin_bank *b = p->bank;
    const sliced cut = {*t, builtin_bank_tensor(b, layer, "ffn_slices")->data, b->general,
                        b->expert_width};
    int ffn = checkpoint_config(p->base)->ffn_width;
    if (t->dims != 2 || t->shape[down] != (uint64_t)ffn || t->shape[!down] != (uint64_t)b->width)
        return error_set(err, ERROR_LOAD, "%s: tensor %s has not the shape of a feed-forward block",
                         checkpoint_path(p->base), t->name);
    return slices_check(&cut, layer, ffn, b->path, err);
}

/* One tensor of the base, under its new name and with its rule; `rest` is its name in layer. */
static int plan_layer_tensor(plan *p, const checkpoint_tensor *t, int layer, const char *rest,
                             error *err)
{
    static const char *const dense[] = {"ffn_gate", "ffn_up", "ffn_down"};
    bool routed = layer >= p->bank->first && layer < p->bank->first + p->bank->layers;
    for (int i = 0; routed && i < 3; i++) {
        size_t len = strlen(dense[i]);
        if (strncmp(rest, dense[i], len) != 0 || strcmp(rest + len, ".weight") != 0)
            continue;
        if (check_cut(p, t, layer, i == 2, err))
            return -1;
        plan_cut(p, t, layer, dense[i], i == 2);
        if (i == 2) {
            const checkpoint_tensor *router = builtin_bank_tensor(p->bank, layer, "ffn_gate_inp");
            (void)plan_add(p, router, router->name, COPY);
            plan_even_gate(p, layer);
        }
        return 0;
    }
    bool moved = strcmp(rest, "attn_q.weight") == 0 || strcmp(rest, "attn_k.weight") == 0;
    (void)plan_add(p, t, t->name, moved ? HALVES : COPY);
    return 0;
}

static int plan_all(plan *p, error *err)
{
    int count = checkpoint_count(p->base);
    p->cap = count + 5 * p->bank->layers; /* a stack for each matrix, a router, a gate */
    p->parts = calloc((size_t)p->cap, sizeof *p->parts);
    if (!p->parts)
        return error_memory(err, "the recipe");
    for (int i = 0; i < count; i++) {
        checkpoint_tensor t;
        checkpoint_at(p->base, i, &t);
        int layer, at = 0;
        if (t.type == DTYPE_COUNT)
            return error_set(err, ERROR_LOAD, "%s: tensor %s has type %s, which is not read here",
                             checkpoint_path(p->base), t.name, t.type_name);
        if (sscanf(t.name, "blk.%d.%n", &layer, &at) == 1 && at) {
            if (plan_layer_tensor(p, &t, layer, t.name + at, err))
                return -1;
        } else {
            (void)plan_add(p, &t, t.name, COPY);
        }
    }
    return 0;
}

/* ---- carrying out ------------------------------------------------------------------------------ */

static int write_zeros(gguf_writer *w, uint64_t n, error *err)
{
    static const char zeros[4096];
    for (; n > sizeof zeros; n -= sizeof zeros)
        if (gguf_writer_data(w, zeros, sizeof zeros, err))
            return -1;
    return gguf_writer_data(w, zeros, (size_t)n, err);
}

/* Row h * head_dim/2 + j of a head lies in the file as row 2j + h, h = 0 or 1. */
static int write_halves(const plan *p, gguf_writer *w, const part *t, error *err)
{
    size_t row = dtype_row_bytes(t->type, (size_t)t->shape[1]);
    size_t head = (size_t)checkpoint_config(p->base)->head_dim, half = head / 2;
    for (size_t r = 0; r < t->shape[0]; r++) {
        size_t in = r % head, from = r - in + 2 * (in % half) + in / half;
        if (gguf_writer_data(w, (const char *)t->data + from * row, row, err))
            return -1;
    }
    return 0;
}

/* The personas' experts, then the slices. */
static int write_stack(gguf_writer *w, const part *t, error *err)
{
    if (t->own && slices_put_tensor(t->own, w, err))
        return -1;
    return t->rule == STACK_ROWS ? slices_put_rows(&t->cut, w, err)
                                 : slices_put_columns(&t->cut, (float)t->cut.slices, w, err);
}

static int write_part(const plan *p, gguf_writer *w, const part *t, error *err)
{
    switch (t->rule) {
    case COPY:
        return gguf_writer_data(w, t->data, (size_t)t->bytes, err);
    case HALVES:
        return write_halves(p, w, t, err);
    case ZEROS:
        return write_zeros(w, t->zeros, err);
    case REST_ROWS:
        return slices_put_rest_rows(&t->cut, w, err);
    case REST_COLUMNS: /* the shared expert's gate is 1/2 */
        return slices_put_rest_columns(&t->cut, 2, w, err);
    case STACK_ROWS:
    case STACK_COLUMNS:
        break;
    }
    return write_stack(w, t, err);
}

static int write_parts(const plan *p, gguf_writer *w, const builtin_progress *watch, error *err)
{
    uint64_t done = 0;
    for (int i = 0; i < p->count; i++) {
        if (write_part(p, w, &p->parts[i], err))
            return -1;
        done += p->parts[i].bytes;
        if (watch->step && !watch->step(watch->user, (double)done / (double)p->bytes))
            return error_set(err, ERROR_CANCELLED, "interrupted");
    }
    return 0;
}

/* ---- metadata ---------------------------------------------------------------------------------- */

static int write_shape(const plan *p, gguf_writer *w, error *err)
{
    const model_config *c = checkpoint_config(p->base);
    const builtin_bank *b = p->bank;
    const struct {
        const char *key;
        int value;
    } numbers[] = {
        {"qwen2moe.block_count", c->layers},
        {"qwen2moe.context_length", c->context},
        {"qwen2moe.embedding_length", c->width},
        {"qwen2moe.feed_forward_length", c->ffn_width},
        {"qwen2moe.attention.head_count", c->heads},
        {"qwen2moe.attention.head_count_kv", c->kv_heads},
        {"qwen2moe.rope.dimension_count", c->rope.dim},
        {"qwen2moe.vocab_size", c->vocabulary},
        {"qwen2moe.expert_count", b->personas + b->general},
        {"qwen2moe.expert_used_count", b->used},
        {"qwen2moe.expert_feed_forward_length", b->expert_width},
        {"qwen2moe.expert_shared_feed_forward_length", c->ffn_width - b->general * b->expert_width},
        {"general.quantization_version", 2},
        {"consilium.recipe", BUILTIN_RECIPE},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (gguf_writer_u32(w, numbers[i].key, (uint32_t)numbers[i].value, err))
            return -1;
    if (gguf_writer_f32(w, "qwen2moe.attention.layer_norm_rms_epsilon", c->norm_eps, err) ||
        gguf_writer_f32(w, "qwen2moe.rope.freq_base", (float)c->rope.theta, err))
        return -1;
    return gguf_writer_bool(w, "qwen2moe.expert_weights_norm", false, err);
}

/* "coder 0-7, critic 8-15, slices of the dense block 16-23": for whoever looks at the file. The experts file
 * names the personas in the order of their experts, as many of each. */
static int write_whose(const builtin_bank *b, gguf_writer *w, error *err)
{
    const char *names = "";
    size_t len = 0;
    if (gguf_get_string(b->file, "consilium.personas", &names, &len, err) < 0)
        return -1;
    int count = len ? 1 : 0, at = 0;
    for (size_t i = 0; i < len; i++)
        count += names[i] == ',';
    buf text = {0};
    int result = 0;
    for (const char *end = names + len; names < end && !result; at += b->personas / count) {
        const char *comma = memchr(names, ',', (size_t)(end - names));
        result = buf_format(&text, err, "%.*s %d-%d, ", (int)((comma ? comma : end) - names), names,
                            at, at + b->personas / count - 1);
        names = comma ? comma + 1 : end;
        while (names < end && *names == ' ')
            names++;
    }
    if (!result)
        result = buf_format(&text, err, "slices of the dense block %d-%d", b->personas,
                            b->personas + b->general - 1) ||
                         gguf_writer_text(w, BUILTIN_WHOSE, text.v, err)
                     ? -1
                     : 0;
    buf_release(&text);
    return result;
}

/* Tokenizer and licence come along as they are. */
static int write_metadata(const plan *p, gguf_writer *w, error *err)
{
    const gguf *g = checkpoint_gguf(p->base);
    if (gguf_writer_text(w, "general.architecture", "qwen2moe", err) ||
        gguf_writer_text(w, "general.name", "consilium built-in", err) ||
        gguf_writer_text(w, "consilium.experts", p->bank->hash, err) ||
        write_whose(p->bank, w, err) || write_shape(p, w, err))
        return -1;
    for (size_t i = 0; i < gguf_count(g); i++) {
        const gguf_value *v = gguf_at(g, i);
        const char *key = gguf_key(v);
        if ((strncmp(key, "tokenizer.", 10) == 0 || strcmp(key, "general.license") == 0 ||
             strcmp(key, "general.languages") == 0) &&
            gguf_writer_copy(w, v, err))
            return -1;
    }
    return 0;
}

/* ---- the recipe -------------------------------------------------------------------------------- */

static int check_base(const checkpoint *base, const builtin_bank *b, error *err)
{
    const model_config *c = checkpoint_config(base);
    if (!checkpoint_gguf(base) || c->arch != ARCH_LLAMA || !c->tied || c->qkv_bias ||
        c->output_bias || c->ffn_bias || !c->rope.pairs || c->rope.kind != ROPE_PLAIN ||
        c->rope.factors)
        return error_set(err, ERROR_LOAD, "%s: is not a GGUF file of SmolLM2-135M-Instruct",
                         checkpoint_path(base));
    if (c->width != b->width || c->layers != b->first + b->layers || c->head_dim % 2)
        return error_set(
            err, ERROR_LOAD, "%s: has %d layers of width %d; the experts were trained for %d of %d",
            checkpoint_path(base), c->layers, c->width, b->first + b->layers, b->width);
    if (b->general * b->expert_width >= c->ffn_width ||
        (c->ffn_width - b->general * b->expert_width) % 32)
        return error_set(err, ERROR_LOAD, "%s: %d slices of %d cannot be cut out of %d neurons",
                         b->path, b->general, b->expert_width, c->ffn_width);
    return 0;
}

static int write_model(plan *p, const char *out, const builtin_progress *watch, error *err)
{
    gguf_writer *w = gguf_writer_open(out, err);
    int result = w ? write_metadata(p, w, err) : -1;
    for (int i = 0; result == 0 && i < p->count; i++)
        result = gguf_writer_tensor(w, p->parts[i].name, p->parts[i].type, p->parts[i].dims,
                                    p->parts[i].shape, err);
    if (result == 0)
        result = gguf_writer_begin(w, err) || write_parts(p, w, watch, err) ||
                         checkpoint_intact(p->base, err) || gguf_writer_finish(w, err)
                     ? -1
                     : 0;
    gguf_writer_close(w);
    return result;
}

int builtin_make(const char *base, const char *experts, const char *out,
                 const builtin_progress *watch, error *err)
{
    builtin_bank bank = {0};
    int result = -1;
    if (builtin_bank_open(&bank, experts, err))
        return -1;
    checkpoint *c = checkpoint_open(base, NULL, NULL, err);
    plan p = {.base = c, .bank = &bank};
    if (c && check_base(c, &bank, err) == 0 && plan_all(&p, err) == 0)
        result = write_model(&p, out, watch, err);
    free(p.parts);
    checkpoint_close(c);
    builtin_bank_close(&bank);
    return result;
}

bool builtin_is_from(const gguf *model, const char *experts)
{
    char wanted[65];
    int64_t recipe = 0;
    const char *hash = "";
    size_t len = 0;
    return builtin_bank_hash(experts, wanted, NULL) == 0 &&
           gguf_get_integer(model, "consilium.recipe", 0, INT_MAX, &recipe, NULL) == 1 &&
           gguf_get_string(model, "consilium.experts", &hash, &len, NULL) == 1 &&
           recipe == BUILTIN_RECIPE && len == strlen(wanted) && memcmp(hash, wanted, len) == 0;
}

bool builtin_is_current(const char *path, const char *experts)
{
    tensor_list tensors = {0};
    gguf *g = access(path, R_OK) == 0 ? gguf_open(path, &tensors, NULL) : NULL;
    bool current = g && builtin_is_from(g, experts);
    tensor_list_release(&tensors);
    gguf_close(g);
    return current;
}

int builtin_experts(char **path, error *err)
{
    char program[PATH_MAX];
    if (shipped_file("built-in.experts.gguf", path, err))
        return -1;
    if (*path)
        return 0;
    paths_program(program);
    return error_set(err, ERROR_LOAD,
                     "built-in.experts.gguf is neither in share/consilium/personas nor in "
                     "personas/shipped beside %s",
                     program[0] ? program : "the program");
}
