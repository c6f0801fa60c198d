/* other_folder.c - config.json and what stands beside it, by a model's configuration; keys as transformers
 * has them, RoPE in the spelling that all of its versions read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/atomic_file.h"
#include "../base/folder.h"
#include "../base/json_writer.h"
#include "../text/tokenizer_write.h"
#include "other_parts.h"

static bool is_qwen_moe(architecture a)
{
    return a == ARCH_QWEN2_MOE || a == ARCH_QWEN3_MOE;
}

/* ---- what a config.json has no words for ------------------------------------------------------- */

/* Which biases the architecture's attention has, as the configuration can say it. */
static bool says_biases(const model_config *c)
{
    switch (c->arch) {
    case ARCH_QWEN2:
        return c->qkv_bias && !c->output_bias;
    case ARCH_QWEN2_MOE:
        return !c->output_bias;
    case ARCH_MIXTRAL:
        return !c->qkv_bias && !c->output_bias;
    default:
        return c->qkv_bias == c->output_bias;
    }
}

int other_folder_check(const model_config *c, error *err)
{
    int routed = 0;
    for (int i = 0; i < c->layers; i++)
        routed += c->moe_layer[i];
    const char *what = NULL;
    if (routed && routed < c->layers && !is_qwen_moe(c->arch))
        what = "some layers route and others do not";
    else if (!says_biases(c))
        what = "attention has some biases and lacks others";
    else if (c->rope.dim != c->head_dim)
        what = "only a part of a head is rotated (rope.dimension_count)";
    else if (routed && !c->renormalise && (c->arch == ARCH_MIXTRAL || c->arch == ARCH_GRANITE_MOE))
        what = "gates do not sum to 1";
    if (!what)
        return 0;
    return error_set(err, ERROR_USAGE, "%s, and a config.json cannot say that of %s", what,
                     architecture_name(c->arch));
}

/* ---- config.json ------------------------------------------------------------------------------- */

static const char *class_name(architecture a)
{
    static const char *const names[ARCH_COUNT] = {
        [ARCH_LLAMA] = "LlamaForCausalLM",        [ARCH_QWEN2] = "Qwen2ForCausalLM",
        [ARCH_QWEN3] = "Qwen3ForCausalLM",        [ARCH_MIXTRAL] = "MixtralForCausalLM",
        [ARCH_QWEN2_MOE] = "Qwen2MoeForCausalLM", [ARCH_QWEN3_MOE] = "Qwen3MoeForCausalLM",
        [ARCH_OLMOE] = "OlmoeForCausalLM",        [ARCH_GRANITE_MOE] = "GraniteMoeForCausalLM",
    };
    return names[a];
}

static void put_size(json_writer *e, const model_config *c)
{
    const rope_config *r = &c->rope;
    int whole = r->kind == ROPE_LINEAR ? (int)((double)c->context / r->factor) : 0;
    bool exact = whole && (double)whole * r->factor == (double)c->context;
    json_put_int(e, "vocab_size", c->vocabulary);
    json_put_int(e, "hidden_size", c->width);
    json_put_int(e, "intermediate_size", c->ffn_width ? c->ffn_width : c->expert_width);
    json_put_int(e, "num_hidden_layers", c->layers);
    json_put_int(e, "num_attention_heads", c->heads);
    json_put_int(e, "num_key_value_heads", c->kv_heads);
    json_put_int(e, "head_dim", c->head_dim);
    json_put_int(e, "max_position_embeddings", exact ? whole : c->context);
    json_put_float(e, "rms_norm_eps", c->norm_eps);
    json_put_bool(e, "tie_word_embeddings", c->tied);
    json_put_text(e, "hidden_act", "silu");
}

static void put_switches(json_writer *e, const model_config *c)
{
    architecture a = c->arch;
    if (a == ARCH_QWEN2_MOE)
        json_put_bool(e, "qkv_bias", c->qkv_bias);
    else if (a != ARCH_QWEN2 && a != ARCH_MIXTRAL)
        json_put_bool(e, "attention_bias", c->qkv_bias);
    if (a == ARCH_LLAMA)
        json_put_bool(e, "mlp_bias", c->ffn_bias);
    if (a == ARCH_MIXTRAL)
        json_put_null(e, "sliding_window");
    if (a == ARCH_QWEN2 || a == ARCH_QWEN3 || is_qwen_moe(a))
        json_put_bool(e, "use_sliding_window", false);
    if (a != ARCH_GRANITE_MOE)
        return;
    json_put_float(e, "embedding_multiplier", c->embedding_scale);
    json_put_float(e, "residual_multiplier", c->residual_scale);
    json_put_float(e, "attention_multiplier", c->attention_scale);
    json_put_float(e, "logits_scaling", other_logit_divisor(c));
}

static void put_experts(json_writer *e, const model_config *c)
{
    bool local = c->arch == ARCH_MIXTRAL || c->arch == ARCH_GRANITE_MOE;
    if (!c->experts)
        return;
    json_put_int(e, local ? "num_local_experts" : "num_experts", c->experts);
    json_put_int(e, "num_experts_per_tok", c->experts_per_token);
    if (!local)
        json_put_bool(e, "norm_topk_prob", c->renormalise);
    if (!is_qwen_moe(c->arch))
        return;
    json_put_int(e, "moe_intermediate_size", c->expert_width);
    json_put_int(e, "decoder_sparse_step", 1);
    if (c->shared_width)
        json_put_int(e, "shared_expert_intermediate_size", c->shared_width);
    json_begin_array(e, "mlp_only_layers");
    for (int i = 0; i < c->layers; i++)
        if (!c->moe_layer[i])
            json_put_int(e, NULL, i);
    json_end(e);
}

static void put_yarn(json_writer *e, const rope_config *r)
{
    double own = r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1;
    if (fabs(r->attention_factor / own - 1) > 1e-7) /* f32, as GGUF has it */
        json_put_number(e, "attention_factor", r->attention_factor);
    if (r->beta_fast != 32)
        json_put_number(e, "beta_fast", r->beta_fast);
    if (r->beta_slow != 1)
        json_put_number(e, "beta_slow", r->beta_slow);
    json_put_number(e, "original_max_position_embeddings", r->original_context);
}

static void put_rope(json_writer *e, const rope_config *r)
{
    static const char *const names[] = {[ROPE_PLAIN] = "default",
                                        [ROPE_LINEAR] = "linear",
                                        [ROPE_LLAMA3] = "llama3",
                                        [ROPE_YARN] = "yarn"};
    json_put_number(e, "rope_theta", r->theta);
    if (r->kind == ROPE_PLAIN) {
        json_put_null(e, "rope_scaling");
        return;
    }
    json_begin_object(e, "rope_scaling");
    json_put_text(e, "rope_type", names[r->kind]);
    json_put_number(e, "factor", r->factor);
    if (r->kind == ROPE_YARN)
        put_yarn(e, r);
    if (r->kind == ROPE_LLAMA3) {
        json_put_number(e, "low_freq_factor", r->low_freq);
        json_put_number(e, "high_freq_factor", r->high_freq);
        json_put_number(e, "original_max_position_embeddings", r->original_context);
    }
    json_end(e);
}

/* One id as a number, several as a list, none as null. */
static void put_ends(json_writer *e, const model_config *c)
{
    if (c->eos_count == 0)
        json_put_null(e, "eos_token_id");
    if (c->eos_count == 1)
        json_put_int(e, "eos_token_id", c->eos[0]);
    if (c->eos_count > 1) {
        json_begin_array(e, "eos_token_id");
        for (int i = 0; i < c->eos_count; i++)
            json_put_int(e, NULL, c->eos[i]);
        json_end(e);
    }
    if (c->bos < 0)
        json_put_null(e, "bos_token_id");
    else
        json_put_int(e, "bos_token_id", c->bos);
}

static int put_config(const other_description *d, buf *out, error *err)
{
    const model_config *c = checkpoint_config(d->c);
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_begin_array(&e, "architectures");
    json_put_text(&e, NULL, class_name(c->arch));
    json_end(&e);
    json_put_text(&e, "model_type", architecture_name(c->arch));
    put_size(&e, c);
    put_switches(&e, c);
    put_experts(&e, c);
    put_rope(&e, d->rope);
    put_ends(&e, c);
    json_put_text(&e, "torch_dtype",
                  d->type == DTYPE_F32   ? "float32"
                  : d->type == DTYPE_F16 ? "float16"
                                         : "bfloat16");
    json_end(&e);
    return json_writer_finish(&e);
}

/* ---- beside it --------------------------------------------------------------------------------- */

/* What the model's maker wants it run with; nothing is written when nothing is known. */
static int put_generation(const other_description *d, buf *out, error *err)
{
    const model_config *c = checkpoint_config(d->c);
    const struct {
        const char *key;
        double value;
    } reals[] = {{"temperature", c->temperature},
                 {"top_p", c->top_p},
                 {"min_p", c->min_p},
                 {"repetition_penalty", c->repeat_penalty}};
    bool any = c->top_k >= 0;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        any = any || reals[i].value >= 0;
    json_writer e = {.out = out, .err = err};
    if (!any)
        return 0;
    json_begin_object(&e, NULL);
    json_put_bool(&e, "do_sample", c->temperature != 0);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (reals[i].value >= 0)
            json_put_float(&e, reals[i].key, (float)reals[i].value);
    if (c->top_k >= 0)
        json_put_int(&e, "top_k", c->top_k);
    put_ends(&e, c);
    json_end(&e);
    return json_writer_finish(&e);
}

static int put_words(const other_description *d, buf *out, error *err)
{
    return tokenizer_to_json(d->words, out, err);
}

static int put_words_config(const other_description *d, buf *out, error *err)
{
    return tokenizer_config_to_json(d->words, checkpoint_chat_template(d->c),
                                    checkpoint_config(d->c)->context, out, err);
}

int other_folder_fill(void *user, const char *place, error *err)
{
    const other_description *d = user;
    const struct {
        const char *name;
        int (*put)(const other_description *d, buf *out, error *err);
        bool wanted;
    } files[] = {{"config.json", put_config, true},
                 {"generation_config.json", put_generation, true},
                 {"tokenizer.json", put_words, d->words != NULL},
                 {"tokenizer_config.json", put_words_config, d->words != NULL}};
    int result = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !result; i++) {
        buf text = {0};
        char *path = string_format(err, "%s/%s", place, files[i].name);
        result = !path || (files[i].wanted && files[i].put(d, &text, err)) ? -1 : 0;
        if (!result && text.len)
            result = atomic_file_put(path, text.v, text.len, err);
        buf_release(&text);
        free(path);
    }
    return result;
}
