/* config.c - see config.h: the checks that need more than one field.
 *
 * Both readers have put each field within its own range. config_build() then takes the fields
 * in groups (attention, RoPE, experts, cache, tokens), derives what may be left out and refuses
 * what does not fit together, naming the number at fault. What leaves here can be computed
 * with: the layer loop checks no dimension again.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "../base/checked.h"

/* Far beyond any model; they keep products of two ints inside 64 bits. */
enum { MAX_CONTEXT = 1 << 30, MAX_ATTENTION_WIDTH = 1 << 24 };

const char *architecture_name(architecture a)
{
    static const char *const words[ARCH_COUNT] = {"llama",     "qwen2",     "qwen3", "mixtral",
                                                  "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe"};
    return words[a];
}

config_fields config_fields_none(void)
{
    return (config_fields){
        .embedding_scale = 1,
        .residual_scale = 1,
        .logits_scaling = 1,
        .attention_multiplier = 0,
        .rope = {.kind = ROPE_PLAIN,
                 .theta = 10000,
                 .factor = 1,
                 .low_freq = 1,
                 .high_freq = 4,
                 .beta_fast = 32,
                 .beta_slow = 1,
                 .attention_factor = 1,
                 .truncate = true},
        .context_factor = 1,
        .bos = -1,
        .temperature = -1,
        .top_p = -1,
        .min_p = -1,
        .repeat_penalty = -1,
        .top_k = -1,
    };
}

static int refuse(const char *where, const char *key, int64_t value, const char *rule, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: %s is %lld, %s", where, key, (long long)value, rule);
}

/* Heads and their width: what attention and the KV cache are made of. */
static int build_attention(const char *where, const config_fields *f, model_config *c, error *err)
{
    int64_t kv_heads = f->kv_heads ? f->kv_heads : f->heads;
    int64_t head_dim = f->head_dim ? f->head_dim : f->width / f->heads;
    if (kv_heads > f->heads || f->heads % kv_heads)
        return refuse(where, "the number of key/value heads", kv_heads,
                      "it does not divide the number of heads", err);
    if (head_dim < 2 || head_dim % 2)
        return refuse(where, "the width of a head", head_dim, "expected an even number", err);
    if (head_dim * f->heads > MAX_ATTENTION_WIDTH)
        return refuse(where, "heads times the width of a head", head_dim * f->heads,
                      "more than 16777216", err);
    c->heads = (int)f->heads;
    c->kv_heads = (int)kv_heads;
    c->head_dim = (int)head_dim;
    c->attention_scale = (float)(f->attention_multiplier != 0 ? f->attention_multiplier
                                                              : 1 / sqrt((double)head_dim));
    c->qkv_bias = f->qkv_bias;
    c->output_bias = f->output_bias;
    c->ffn_bias = f->ffn_bias;
    c->norm_qk = f->arch == ARCH_QWEN3 || f->arch == ARCH_QWEN3_MOE ? QK_NORM_HEAD
                 : f->arch == ARCH_OLMOE                            ? QK_NORM_FULL
                                                                    : QK_NORM_NONE;
    return 0;
}

/* The rotated part of a head, and the context that scaling stretches RoPE to. */
static int build_rope(const char *where, const config_fields *f, model_config *c, error *err)
{
    c->rope = f->rope;
    if (c->rope.dim == 0)
        c->rope.dim = c->head_dim;
    if (c->rope.dim < 2 || c->rope.dim % 2 || c->rope.dim > c->head_dim)
        return refuse(where, "the number of rotated elements of a head", c->rope.dim,
                      "expected an even number up to the width of a head", err);
    if (c->rope.kind == ROPE_LLAMA3 && !(c->rope.high_freq > c->rope.low_freq))
        return error_set(err, ERROR_LOAD,
                         "%s: high_freq_factor is %.9g, expected more than low_freq_factor, %.9g",
                         where, c->rope.high_freq, c->rope.low_freq);
    double context = f->context_factor * f->trained_context;
    context = context > (double)f->context ? context : (double)f->context;
    if (context > MAX_CONTEXT)
        return refuse(where, "the context after RoPE scaling",
                      context > 9e15 ? INT64_MAX : (int64_t)context, "more than 1073741824", err);
    c->context = (int)context;
    return 0;
}

/* Which layers route, and how wide the parts are. A model whose every layer is dense is dense. */
static int build_experts(const char *where, const config_fields *f, model_config *c, error *err)
{
    int routed = 0;
    for (int i = 0; i < c->layers; i++)
        routed += c->moe_layer[i] = f->moe_layer[i];
    if (routed < c->layers && f->ffn == 0)
        return refuse(where, "the width of the dense layers", 0, "expected at least 1", err);
    if (routed < c->layers)
        c->ffn_width = (int)f->ffn;
    if (routed == 0)
        return 0; /* experts stay 0, whatever the file says about them */
    if (f->experts_per_token > f->experts)
        return refuse(where, "the number of experts per token", f->experts_per_token,
                      "more than there are experts", err);
    c->experts = (int)f->experts;
    c->experts_per_token = (int)f->experts_per_token;
    c->expert_width = (int)f->expert_width;
    c->shared_width = (int)f->shared_width;
    c->shared_gate = f->shared_width > 0;
    c->renormalise = f->renormalise;
    return 0;
}

/* Layers x context x key/value heads x head width x (keys, values) x 4 bytes must be a size. */
static int check_cache(const char *where, const model_config *c, error *err)
{
    const uint64_t sizes[] = {(uint64_t)c->layers, (uint64_t)c->context, (uint64_t)c->kv_heads,
                              (uint64_t)c->head_dim, 2 * sizeof(float)};
    uint64_t bytes;
    size_t size;
    if (checked_product(sizes, 5, &bytes) && checked_size(bytes, &size))
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: a cache of %d layers x %d positions x %d heads x %d elements is larger "
                     "than the address space",
                     where, c->layers, c->context, c->kv_heads, c->head_dim);
}

/* Ids that end an answer must exist: the sampler compares, the chat format pushes them. Each is kept once. */
static int build_tokens(const char *where, const config_fields *f, model_config *c, error *err)
{
    if (f->bos >= f->vocabulary)
        return refuse(where, "bos_token_id", f->bos, "beyond the vocabulary", err);
    c->bos = (int)f->bos;
    for (int i = 0; i < f->eos_count; i++) {
        if (f->eos[i] < 0 || f->eos[i] >= f->vocabulary)
            return refuse(where, "eos_token_id", f->eos[i], "outside the vocabulary", err);
        int at = 0;
        while (at < c->eos_count && c->eos[at] != (int)f->eos[i])
            at++;
        c->eos[at] = (int)f->eos[i];
        c->eos_count += at == c->eos_count;
    }
    c->temperature = f->temperature;
    c->top_p = f->top_p;
    c->min_p = f->min_p;
    c->repeat_penalty = f->repeat_penalty;
    c->top_k = (int)f->top_k;
    return 0;
}

int config_build(const char *where, const config_fields *f, model_config *out, error *err)
{
    model_config *c = out;
    *c = (model_config){.arch = f->arch,
                        .layers = (int)f->layers,
                        .width = (int)f->width,
                        .vocabulary = (int)f->vocabulary,
                        .norm_eps = (float)f->eps,
                        .tied = f->tied,
                        .embedding_scale = (float)f->embedding_scale,
                        .residual_scale = (float)f->residual_scale,
                        .logit_scale = (float)(1 / f->logits_scaling)};
    if (build_attention(where, f, c, err) || build_rope(where, f, c, err) ||
        build_experts(where, f, c, err) || check_cache(where, c, err))
        return -1;
    return build_tokens(where, f, c, err);
}
