/* other_gguf.c - the metadata of a GGUF file, by a model's configuration; keys as the specification and
 * llama.cpp's converter have them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/tokenizer_write.h"
#include "history.h"
#include "other_parts.h"

/* A key under the architecture's prefix. */
typedef struct keys {
    gguf_writer *w;
    const char *prefix;
    char text[96];
    error *err;
} keys;

static const char *key(keys *k, const char *name)
{
    (void)snprintf(k->text, sizeof k->text, "%s.%s", k->prefix, name);
    return k->text;
}

static int put(keys *k, const char *name, int value)
{
    return gguf_writer_u32(k->w, key(k, name), (uint32_t)value, k->err);
}

static int put_real(keys *k, const char *name, double value)
{
    return gguf_writer_f32(k->w, key(k, name), (float)value, k->err);
}

/* ---- what GGUF has no words for ---------------------------------------------------------------- */

/* Programs that run GGUF files take it from the architecture whether gates sum to 1. */
static bool renormalises(architecture a)
{
    return a == ARCH_MIXTRAL || a == ARCH_QWEN3_MOE || a == ARCH_GRANITE_MOE;
}

int other_gguf_check(const model_config *c, error *err)
{
    int routed = 0;
    for (int i = 0; i < c->layers; i++)
        routed += c->moe_layer[i];
    const char *what = NULL;
    if (routed && routed < c->layers)
        what = "some layers route and others do not (mlp_only_layers, decoder_sparse_step)";
    else if (routed && c->renormalise != renormalises(c->arch))
        what = c->renormalise ? "norm_topk_prob is true" : "norm_topk_prob is false";
    else if (c->rope.kind == ROPE_YARN && !c->rope.truncate)
        what = "YaRN does not round its range (truncate: false)";
    else if ((double)(float)c->rope.theta != c->rope.theta)
        what = "rope_theta is no number of 32 bits";
    if (!what)
        return 0;
    return error_set(err, ERROR_USAGE, "%s, and GGUF cannot say that of %s", what,
                     architecture_gguf_name(c->arch));
}

/* ---- keys -------------------------------------------------------------------------------------- */

static int put_size(keys *k, const model_config *c)
{
    int ffn = c->ffn_width ? c->ffn_width : c->expert_width;
    return put(k, "block_count", c->layers) || put(k, "context_length", c->context) ||
                   put(k, "embedding_length", c->width) || put(k, "feed_forward_length", ffn) ||
                   put(k, "vocab_size", c->vocabulary) ||
                   put(k, "attention.head_count", c->heads) ||
                   put(k, "attention.head_count_kv", c->kv_heads) ||
                   put(k, "attention.key_length", c->head_dim) ||
                   put(k, "attention.value_length", c->head_dim) ||
                   put_real(k, "attention.layer_norm_rms_epsilon", (double)c->norm_eps) ||
                   put(k, "rope.dimension_count", c->rope.dim) ||
                   put_real(k, "rope.freq_base", c->rope.theta)
               ? -1
               : 0;
}

static int put_experts(keys *k, const model_config *c)
{
    bool own = c->arch == ARCH_QWEN2_MOE || c->arch == ARCH_QWEN3_MOE;
    if (!c->experts)
        return 0;
    if (put(k, "expert_count", c->experts) || put(k, "expert_used_count", c->experts_per_token) ||
        (own && put(k, "expert_feed_forward_length", c->expert_width)))
        return -1;
    return c->shared_width ? put(k, "expert_shared_feed_forward_length", c->shared_width) : 0;
}

float other_logit_divisor(const model_config *c)
{
    float near[3] = {(float)(1 / (double)c->logit_scale), 0, 0};
    near[1] = nextafterf(near[0], INFINITY);
    near[2] = nextafterf(near[0], 0);
    for (int i = 0; i < 3; i++)
        if ((float)(1 / (double)near[i]) == c->logit_scale)
            return near[i];
    return near[0];
}

static int put_scales(keys *k, const model_config *c)
{
    if (c->arch != ARCH_GRANITE_MOE)
        return 0;
    return put_real(k, "embedding_scale", (double)c->embedding_scale) ||
                   put_real(k, "residual_scale", (double)c->residual_scale) ||
                   put_real(k, "attention.scale", (double)c->attention_scale) ||
                   put_real(k, "logit_scale", (double)other_logit_divisor(c))
               ? -1
               : 0;
}

/* config_gguf.c has the formula of the attention factor. */
static int put_rope(keys *k, const rope_config *r)
{
    if (r->kind != ROPE_LINEAR && r->kind != ROPE_YARN)
        return 0;
    if (gguf_writer_text(k->w, key(k, "rope.scaling.type"),
                         r->kind == ROPE_YARN ? "yarn" : "linear", k->err) ||
        put_real(k, "rope.scaling.factor", r->factor))
        return -1;
    if (r->kind == ROPE_LINEAR)
        return 0;
    double own = r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1, more = r->attention_factor / own;
    return put(k, "rope.scaling.original_context_length", (int)r->original_context) ||
                   (fabs(more - 1) > 1e-12 && put_real(k, "rope.scaling.attn_factor", more)) ||
                   (r->beta_fast != 32 &&
                    put_real(k, "rope.scaling.yarn_beta_fast", r->beta_fast)) ||
                   (r->beta_slow != 1 && put_real(k, "rope.scaling.yarn_beta_slow", r->beta_slow))
               ? -1
               : 0;
}

static int put_sampling(gguf_writer *w, const model_config *c, error *err)
{
    const struct {
        const char *key;
        double value;
    } reals[] = {{"general.sampling.temp", c->temperature},
                 {"general.sampling.top_p", c->top_p},
                 {"general.sampling.min_p", c->min_p},
                 {"general.sampling.penalty_repeat", c->repeat_penalty}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (reals[i].value >= 0 && gguf_writer_f32(w, reals[i].key, (float)reals[i].value, err))
            return -1;
    return c->top_k >= 0 ? gguf_writer_u32(w, "general.sampling.top_k", (uint32_t)c->top_k, err)
                         : 0;
}

/* The architecture, a name for people, and how the weights are kept. */
static int put_general(const other_description *d, const char *arch, gguf_writer *w, error *err)
{
    char *name = checkpoint_name(d->c, err);
    int result = !name || gguf_writer_text(w, "general.architecture", arch, err) ||
                         gguf_writer_text(w, "general.type", "model", err) ||
                         gguf_writer_text(w, "general.name", name, err) ||
                         gguf_writer_u32(w, "general.file_type",
                                         gguf_file_type(dtype_describe(d->type)), err) ||
                         gguf_writer_u32(w, "general.quantization_version", 2, err)
                     ? -1
                     : 0;
    free(name);
    return result;
}

static int put_words(const other_description *d, gguf_writer *w, error *err)
{
    const char *template = checkpoint_chat_template(d->c);
    if (tokenizer_to_gguf(d->words, checkpoint_config(d->c), w, err))
        return -1;
    return d->words && template ? gguf_writer_text(w, "tokenizer.chat_template", template, err) : 0;
}

int other_gguf_describe(void *user, gguf_writer *w, error *err)
{
    const other_description *d = user;
    const model_config *c = checkpoint_config(d->c);
    keys k = {.w = w, .prefix = architecture_gguf_name(c->arch), .err = err};
    if (put_general(d, k.prefix, w, err) || put_size(&k, c) || put_experts(&k, c) ||
        put_scales(&k, c) || put_rope(&k, d->rope) || put_sampling(w, c, err) ||
        put_words(d, w, err))
        return -1;
    return d->history ? gguf_writer_text(w, HISTORY_KEY, d->history, err) : 0;
}
