/* config_hf.c - config.json and generation_config.json of a Hugging Face directory.
 *
 * What a key means, and what holds when it is absent, is what transformers' configuration and
 * modeling classes of the eight model types say (read at 5.23): `defaults` below is their class
 * attributes, one row a class. Both spellings of a key are read: transformers 5 moved rope_theta
 * and rope_scaling into rope_parameters and torch_dtype to dtype; Mixtral and Granite say
 * num_local_experts where others say num_experts.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/file_check.h"
#include "../base/printable.h"
#include "config_hf.h"
#include "special_ids.h"

enum { MAX_FILE = 4 << 20 };

#define BIT(a) (1u << (a))
enum {
    ALL = (1 << ARCH_COUNT) - 1,
    QWEN_MOE = BIT(ARCH_QWEN2_MOE) | BIT(ARCH_QWEN3_MOE),
    QWEN = BIT(ARCH_QWEN2) | BIT(ARCH_QWEN3) | QWEN_MOE,
    LOCAL = BIT(ARCH_MIXTRAL) | BIT(ARCH_GRANITE_MOE),
    MOE = QWEN_MOE | LOCAL | BIT(ARCH_OLMOE),
    BIASED = BIT(ARCH_LLAMA) | BIT(ARCH_QWEN3) | BIT(ARCH_QWEN3_MOE) | BIT(ARCH_OLMOE) |
             BIT(ARCH_GRANITE_MOE),
    GRANITE = BIT(ARCH_GRANITE_MOE),
};

/* The class attributes: vocab_size, hidden_size, intermediate_size, num_hidden_layers,
 * num_attention_heads, num_key_value_heads, head_dim, max_position_embeddings, num_experts,
 * num_experts_per_tok, moe_intermediate_size, shared_expert_intermediate_size, rms_norm_eps,
 * bos, eos (-1 = none). */
static const struct class_defaults {
    int32_t vocabulary, width, ffn, layers, heads, kv_heads, head_dim, context, experts, used,
        expert_width, shared_width;
    double eps;
    int32_t bos, eos;
} defaults[ARCH_COUNT] = {
    [ARCH_LLAMA] = {32000, 4096, 11008, 32, 32, 0, 0, 2048, 0, 0, 0, 0, 1e-6, 1, 2},
    [ARCH_QWEN2] = {151936, 4096, 22016, 32, 32, 32, 0, 32768, 0, 0, 0, 0, 1e-6, -1, -1},
    [ARCH_QWEN3] = {151936, 4096, 22016, 32, 32, 32, 128, 32768, 0, 0, 0, 0, 1e-6, -1, -1},
    [ARCH_MIXTRAL] = {32000, 4096, 14336, 32, 32, 8, 0, 131072, 8, 2, 0, 0, 1e-5, 1, 2},
    [ARCH_QWEN2_MOE] = {151936, 2048, 5632, 24, 16, 16, 0, 32768, 60, 4, 1408, 5632, 1e-6, -1, -1},
    [ARCH_QWEN3_MOE] = {151936, 2048, 6144, 24, 32, 4, 0, 32768, 128, 8, 768, 0, 1e-6, -1, -1},
    [ARCH_OLMOE] = {50304, 2048, 2048, 16, 16, 0, 0, 4096, 64, 8, 0, 0, 1e-5, -1, 50279},
    [ARCH_GRANITE_MOE] = {32000, 4096, 11008, 32, 32, 0, 0, 2048, 8, 2, 0, 0, 1e-6, 1, 2},
};

#define AT(field) offsetof(hf_config, field)
#define INT(key, archs, field, min, max)                                                           \
    {                                                                                              \
        key, CONFIG_INT, archs, CONFIG_NULL_REFUSED, AT(field), min, max                           \
    }
#define DERIVED(key, archs, field, max)                                                            \
    {                                                                                              \
        key, CONFIG_INT, archs, CONFIG_NULL_ZERO, AT(field), 1, max                                \
    }
#define REAL(key, archs, field, min, max)                                                          \
    {                                                                                              \
        key, CONFIG_NUMBER, archs, CONFIG_NULL_REFUSED, AT(field), min, max                        \
    }
#define FLAG(key, archs, field)                                                                    \
    {                                                                                              \
        key, CONFIG_BOOL, archs, CONFIG_NULL_REFUSED, AT(field), 0, 0                              \
    }
#define OFF(key, archs)                                                                            \
    {                                                                                              \
        key, CONFIG_OFF, archs, CONFIG_NULL_ABSENT, 0, 0, 0                                        \
    }
#define IGNORED(key)                                                                               \
    {                                                                                              \
        key, CONFIG_IGNORED, ALL, CONFIG_NULL_ABSENT, 0, 0, 0                                      \
    }
#define OTHER(key, archs)                                                                          \
    {                                                                                              \
        key, CONFIG_OTHER, archs, CONFIG_NULL_ABSENT, 0, 0, 0                                      \
    }

static const config_row rows[] = {
    INT("vocab_size", ALL, f.vocabulary, 1, 1 << 24),
    INT("hidden_size", ALL, f.width, 1, 1 << 20),
    INT("intermediate_size", ALL, f.ffn, 1, 1 << 24),
    INT("num_hidden_layers", ALL, f.layers, 1, MODEL_MAX_LAYERS),
    INT("num_attention_heads", ALL, f.heads, 1, 1 << 16),
    DERIVED("num_key_value_heads", ALL, f.kv_heads, 1 << 16),
    DERIVED("head_dim", ALL, f.head_dim, 1 << 16),
    INT("max_position_embeddings", ALL, f.context, 1, 1 << 30),
    REAL("rms_norm_eps", ALL, f.eps, 1e-20, 1),
    FLAG("tie_word_embeddings", ALL, f.tied),
    FLAG("attention_bias", BIASED, attention_bias),
    FLAG("mlp_bias", BIT(ARCH_LLAMA), f.ffn_bias),
    FLAG("qkv_bias", BIT(ARCH_QWEN2_MOE), f.qkv_bias),
    FLAG("norm_topk_prob", QWEN_MOE | BIT(ARCH_OLMOE), f.renormalise),
    INT("num_experts", MOE, f.experts, 1, MODEL_MAX_EXPERTS),
    INT("num_local_experts", MOE, f.experts, 1, MODEL_MAX_EXPERTS),
    INT("num_experts_per_tok", MOE, f.experts_per_token, 1, MODEL_MAX_EXPERTS),
    INT("moe_intermediate_size", QWEN_MOE, f.expert_width, 1, 1 << 24),
    INT("shared_expert_intermediate_size", BIT(ARCH_QWEN2_MOE), f.shared_width, 1, 1 << 24),
    INT("decoder_sparse_step", QWEN_MOE, sparse_step, 1, 1 << 30),
    OTHER("mlp_only_layers", QWEN_MOE),
    REAL("embedding_multiplier", GRANITE, f.embedding_scale, -1e9, 1e9),
    REAL("residual_multiplier", GRANITE, f.residual_scale, -1e9, 1e9),
    REAL("logits_scaling", GRANITE, f.logits_scaling, 1e-9, 1e9),
    REAL("attention_multiplier", GRANITE, f.attention_multiplier, 1e-9, 1e9),
    REAL("rope_theta", ALL, f.rope.theta, 1.001, 1e18),
    {"partial_rotary_factor", CONFIG_NUMBER, ALL, CONFIG_NULL_ABSENT, AT(partial), 0, 1},
    OTHER("rope_scaling", ALL),
    OTHER("rope_parameters", ALL),
    DERIVED("original_max_position_embeddings", ALL, original_context, 1 << 30),
    FLAG("use_sliding_window", QWEN, use_window),
    {"sliding_window", CONFIG_INT, QWEN | BIT(ARCH_MIXTRAL), CONFIG_NULL_ZERO, AT(window), 0,
     1 << 30},
    {"max_window_layers", CONFIG_INT, QWEN, CONFIG_NULL_REFUSED, AT(max_window_layers), 0, 1 << 30},
    OTHER("layer_types", ALL),
    OTHER("hidden_act", ALL),
    OTHER("model_type", ALL),
    OTHER("eos_token_id", ALL),
    OTHER("bos_token_id", ALL),
    OTHER("pad_token_id", ALL),
    OFF("clip_qkv", BIT(ARCH_OLMOE)),
    OTHER("quantization_config", ALL),
    OTHER("quantization", ALL),
    OTHER("compression_config", ALL),
    OFF("is_encoder_decoder", ALL),
    OFF("add_cross_attention", ALL),
    OFF("cross_attention_hidden_size", ALL),
    OFF("pruned_heads", ALL),
    IGNORED("_attn_implementation_autoset"),
    IGNORED("_name_or_path"),
    IGNORED("architectures"),
    IGNORED("attention_dropout"),
    IGNORED("auto_map"),
    IGNORED("bad_words_ids"),
    IGNORED("begin_suppress_tokens"),
    IGNORED("chunk_size_feed_forward"),
    IGNORED("decoder_start_token_id"),
    IGNORED("diversity_penalty"),
    IGNORED("do_sample"),
    IGNORED("dtype"),
    IGNORED("early_stopping"),
    IGNORED("encoder_no_repeat_ngram_size"),
    IGNORED("exponential_decay_length_penalty"),
    IGNORED("finetuning_task"),
    IGNORED("forced_bos_token_id"),
    IGNORED("forced_eos_token_id"),
    IGNORED("id2label"),
    IGNORED("initializer_range"),
    IGNORED("is_decoder"),
    IGNORED("label2id"),
    IGNORED("length_penalty"),
    IGNORED("max_length"),
    IGNORED("min_length"),
    IGNORED("no_repeat_ngram_size"),
    IGNORED("num_beam_groups"),
    IGNORED("num_beams"),
    IGNORED("num_nextn_predict_layers"),
    IGNORED("num_return_sequences"),
    IGNORED("output_attentions"),
    IGNORED("output_hidden_states"),
    IGNORED("output_router_logits"),
    IGNORED("output_scores"),
    IGNORED("prefix"),
    IGNORED("pretraining_tp"),
    IGNORED("problem_type"),
    IGNORED("remove_invalid_values"),
    IGNORED("repetition_penalty"),
    IGNORED("return_dict"),
    IGNORED("return_dict_in_generate"),
    IGNORED("router_aux_loss_coef"),
    IGNORED("router_jitter_noise"),
    IGNORED("sep_token_id"),
    IGNORED("suppress_tokens"),
    IGNORED("task_specific_params"),
    IGNORED("temperature"),
    IGNORED("tf_legacy_loss"),
    IGNORED("tokenizer_class"),
    IGNORED("top_k"),
    IGNORED("top_p"),
    IGNORED("torch_dtype"),
    IGNORED("torchscript"),
    IGNORED("transformers_version"),
    IGNORED("typical_p"),
    IGNORED("unsloth_fixed"),
    IGNORED("unsloth_version"),
    IGNORED("use_bfloat16"),
    IGNORED("use_cache"),
};

/* generation_config.json: only what a pass can use; the rest is about generation, not the model. */
static const config_row generation_rows[] = {
    {"temperature", CONFIG_NUMBER, ALL, CONFIG_NULL_ABSENT, AT(f.temperature), 0, 1e6},
    {"top_p", CONFIG_NUMBER, ALL, CONFIG_NULL_ABSENT, AT(f.top_p), 0, 1},
    {"min_p", CONFIG_NUMBER, ALL, CONFIG_NULL_ABSENT, AT(f.min_p), 0, 1},
    {"repetition_penalty", CONFIG_NUMBER, ALL, CONFIG_NULL_ABSENT, AT(f.repeat_penalty), 1e-3, 1e3},
    {"top_k", CONFIG_INT, ALL, CONFIG_NULL_ABSENT, AT(f.top_k), 0, 1 << 30},
};

/* ---- rows ----------------------------------------------------------------------------------- */

static int take_null(const config_row *row, void *at, error *err)
{
    if (row->null == CONFIG_NULL_REFUSED)
        return error_set(err, ERROR_LOAD, "%s is null", row->key);
    if (row->null != CONFIG_NULL_ABSENT)
        *(int64_t *)at = row->null == CONFIG_NULL_NONE ? -1 : 0;
    return 0;
}

/* Puts the member that `row` is about into its field. */
static int take_row(const config_row *row, const json *object, const json *v, void *fields,
                    error *err)
{
    void *at = (char *)fields + row->offset;
    if (row->kind == CONFIG_IGNORED || row->kind == CONFIG_OTHER)
        return 0;
    if (row->kind == CONFIG_OFF)
        return hf_off(v, row->key, err);
    if (json_type(v) == JSON_NULL)
        return take_null(row, at, err);
    if (row->kind == CONFIG_INT)
        return json_get_int(object, row->key, (int64_t)row->min, (int64_t)row->max, at, err);
    if (row->kind == CONFIG_NUMBER)
        return json_get_number(object, row->key, row->min, row->max, at, err);
    return json_get_bool(object, row->key, at, err);
}

static const config_row *find_row(const config_row *table, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}

/* One pass over the members, each looked up in the table: so no key is missed. */
static int take_rows(const json *config, hf_config *h, checkpoint_warn *warn, void *user,
                     const char *where, error *err)
{
    for (const json *v = json_first(config); v; v = json_next(v)) {
        const char *key = json_key(v);
        const config_row *row = find_row(rows, sizeof rows / sizeof *rows, key);
        if (row && (row->archs & BIT(h->f.arch))) {
            if (take_row(row, config, v, h, err) < 0)
                return -1;
        } else if (warn) {
            char sentence[512];
            (void)snprintf(sentence, sizeof sentence,
                           "%s: the key \"%s\" is not known for %s and "
                           "was passed over",
                           where, printable_text(key).text, architecture_name(h->f.arch));
            warn(user, CHECKPOINT_DETAIL, sentence);
        }
    }
    return 0;
}

/* ---- what needs a function ------------------------------------------------------------------ */

static int take_architecture(const json *config, architecture *out, error *err)
{
    const char *type;
    int found = json_get_string(config, "model_type", &type, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_LOAD, "model_type is missing");
    for (int a = 0; a < ARCH_COUNT; a++)
        if (strcmp(type, architecture_name((architecture)a)) == 0) {
            *out = (architecture)a;
            return 0;
        }
    return error_set(err, ERROR_LOAD,
                     "model_type is \"%s\"; known are llama, qwen2, qwen3, mixtral, qwen2_moe, "
                     "qwen3_moe, olmoe and granitemoe",
                     printable_text(type).text);
}

/* A record with the class attributes in it, for keys to write over. */
static hf_config class_of(architecture a)
{
    const struct class_defaults *d = &defaults[a];
    hf_config h = {.f = config_fields_none()};
    h.f.arch = a;
    h.f.vocabulary = d->vocabulary;
    h.f.width = d->width;
    h.f.ffn = d->ffn;
    h.f.layers = d->layers;
    h.f.heads = d->heads;
    h.f.kv_heads = d->kv_heads;
    h.f.head_dim = d->head_dim;
    h.f.context = d->context;
    h.f.experts = d->experts;
    h.f.experts_per_token = d->used;
    h.f.expert_width = d->expert_width;
    h.f.shared_width = d->shared_width;
    h.f.eps = d->eps;
    h.f.bos = d->bos;
    h.f.qkv_bias = a == ARCH_QWEN2 || a == ARCH_QWEN2_MOE;
    h.f.renormalise = a == ARCH_MIXTRAL || a == ARCH_GRANITE_MOE;
    h.f.attention_multiplier = a == ARCH_GRANITE_MOE ? 1 : 0;
    h.f.rope.theta = a == ARCH_MIXTRAL ? 1e6 : 1e4;
    h.partial = 1;
    h.sparse_step = 1;
    h.window = a == ARCH_MIXTRAL ? 0 : 4096;
    h.max_window_layers = 28;
    return h;
}

static int check_activation(const json *config, error *err)
{
    const char *name = "silu";
    if (json_get_string(config, "hidden_act", &name, err) < 0)
        return -1;
    if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)
        return 0;
    return error_set(err, ERROR_LOAD, "hidden_act is \"%s\", only \"silu\" is implemented",
                     printable_text(name).text);
}

/* mlp_only_layers, decoder_sparse_step: (layer + 1) % step == 0 routes unless it is listed. */
static int take_moe_layers(const json *config, hf_config *h, error *err)
{
    const json *list = NULL;
    config_fields *f = &h->f;
    if (!(BIT(f->arch) & MOE))
        return 0;
    for (int64_t i = 0; i < f->layers; i++)
        f->moe_layer[i] = (i + 1) % h->sparse_step == 0;
    if (!(BIT(f->arch) & QWEN_MOE)) {
        f->expert_width = f->ffn;
        return 0;
    }
    if (json_get_array(config, "mlp_only_layers", &list, err) < 0)
        return -1;
    for (const json *v = json_first(list); v; v = json_next(v)) {
        double layer = json_type(v) == JSON_NUMBER ? json_number(v) : -1;
        if (!(layer >= 0 && layer < MODEL_MAX_LAYERS) || layer != (double)(int)layer)
            return error_set(err, ERROR_LOAD, "mlp_only_layers holds something that is no layer");
        f->moe_layer[(int)layer] = 0;
    }
    return 0;
}

/* True when layer i would look back only `window` positions by the class' own rule. */
static bool slides(const hf_config *h, int64_t i)
{
    switch (h->f.arch) {
    case ARCH_MIXTRAL:
    case ARCH_QWEN3_MOE:
        return true;
    case ARCH_QWEN2_MOE:
        return i % 2 == 0 && i < h->max_window_layers;
    default:
        return i >= h->max_window_layers;
    }
}

/* Sliding windows are not implemented: refused unless no position can tell the difference. */
static int check_window(const json *config, const hf_config *h, error *err)
{
    const json *types = NULL;
    bool active = false;
    int listed = json_get_array(config, "layer_types", &types, err);
    if (listed < 0)
        return -1;
    for (const json *v = json_first(types); v; v = json_next(v))
        if (json_type(v) != JSON_STRING || strcmp(json_string(v), "full_attention") != 0) {
            if (json_type(v) != JSON_STRING || strcmp(json_string(v), "sliding_attention") != 0)
                return error_set(err, ERROR_LOAD,
                                 "layer_types holds a kind of layer other than "
                                 "\"full_attention\"");
            active = true;
        }
    if (!listed && h->window > 0 && (h->use_window || h->f.arch == ARCH_MIXTRAL))
        for (int64_t i = 0; i < h->f.layers; i++)
            active = active || slides(h, i);
    if (active && h->window < h->f.context)
        return error_set(err, ERROR_LOAD,
                         "sliding_window is %lld of %lld positions; sliding windows are not "
                         "implemented",
                         (long long)h->window, (long long)h->f.context);
    return 0;
}

/* The integer of an id's field, which may be any that a file can hold. */
static int id_of(const json *v, const char *key, int64_t *out, error *err)
{
    double id = json_type(v) == JSON_NUMBER ? json_number(v) : 0.5;
    if (!isfinite(id) || id != floor(id))
        return error_set(err, ERROR_LOAD, "%s is not the number of a token%s", key,
                         strcmp(key, "eos_token_id") == 0 ? ", nor a list of such" : "");
    *out = fabs(id) < 0x1p62 ? (int64_t)id : INT64_MAX;
    return 0;
}

/* eos_token_id: an integer or a list of them. Replaces what an earlier file said. */
static int take_eos(const json *object, const special_ids *ids, config_fields *f, error *err)
{
    const json *v = json_member(object, "eos_token_id");
    int64_t id = -1;
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    const json *list = json_type(v) == JSON_ARRAY ? json_first(v) : v;
    f->eos_count = 0;
    for (const json *at = list; at; at = at == v ? NULL : json_next(at)) {
        if (id_of(at, "eos_token_id", &id, err))
            return -1;
        id = special_id(ids, "eos_token_id", id, true);
        if (id >= 0 && f->eos_count == MODEL_MAX_EOS)
            return error_set(err, ERROR_LOAD, "eos_token_id lists more than %d tokens",
                             MODEL_MAX_EOS);
        if (id >= 0)
            f->eos[f->eos_count++] = id;
    }
    return 0;
}

/* bos_token_id and the like: null is none. Left alone when absent. */
static int take_id(const json *object, const char *key, const special_ids *ids, bool used,
                   int64_t *out, error *err)
{
    const json *v = json_member(object, key);
    int64_t id = -1;
    if (!v || (json_type(v) != JSON_NULL && id_of(v, key, &id, err)))
        return v ? -1 : 0;
    *out = special_id(ids, key, id, used);
    return 0;
}

/* The class' own ids hold only while nothing is said and the vocabulary has them. */
static int take_tokens(const json *config, const special_ids *ids, config_fields *f, error *err)
{
    int32_t eos = defaults[f->arch].eos;
    int64_t padding;
    f->bos = f->bos < f->vocabulary ? f->bos : -1;
    if (eos >= 0 && eos < f->vocabulary && !json_member(config, "eos_token_id"))
        f->eos[f->eos_count++] = eos;
    if (take_id(config, "bos_token_id", ids, true, &f->bos, err))
        return -1;
    (void)take_id(config, "pad_token_id", ids, false, &padding, NULL); /* only to tell of it */
    return take_eos(config, ids, f, err);
}

/* generation_config.json: its ids take the place of config.json's. */
static int take_generation(const json *generation, const special_ids *ids, hf_config *h, error *err)
{
    for (const json *v = json_first(generation); v; v = json_next(v)) {
        const config_row *row = find_row(
            generation_rows, sizeof generation_rows / sizeof *generation_rows, json_key(v));
        if (row && take_row(row, generation, v, h, err) < 0)
            return -1;
    }
    if (h->f.top_p == 0)
        return error_set(err, ERROR_LOAD, "top_p is 0, expected more");
    const json *bos = json_member(generation, "bos_token_id");
    if (bos && json_type(bos) != JSON_NULL &&
        take_id(generation, "bos_token_id", ids, true, &h->f.bos, err))
        return -1;
    return take_eos(generation, ids, &h->f, err);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Order matters: rows first, then what needs several of them. */
static int read_config(const char *where, const json *config, hf_config *h, checkpoint_warn *warn,
                       void *user, error *err)
{
    architecture arch = ARCH_LLAMA;
    if (json_type(config) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is not a JSON object");
    if (take_architecture(config, &arch, err))
        return -1;
    *h = class_of(arch);
    if (hf_quantisation(config, err) || take_rows(config, h, warn, user, where, err) ||
        check_activation(config, err) || take_moe_layers(config, h, err) ||
        check_window(config, h, err) || hf_rope(config, h, warn, user, where, err))
        return -1;
    special_ids ids = {where, h->f.vocabulary, warn, user};
    if (take_tokens(config, &ids, &h->f, err))
        return -1;
    if (h->attention_bias)
        h->f.qkv_bias = h->f.output_bias = true;
    return 0;
}

int config_from_json(const char *where, const json *config, const char *generation_where,
                     const json *generation, checkpoint_warn *warn, void *user, model_config *out,
                     error *err)
{
    hf_config h = {0};
    if (read_config(where, config, &h, warn, user, err))
        return error_prefix(err, "%s: ", where);
    special_ids ids = {generation_where, h.f.vocabulary, warn, user};
    if (generation && json_type(generation) == JSON_OBJECT &&
        take_generation(generation, &ids, &h, err))
        return error_prefix(err, "%s: ", generation_where);
    return config_build(where, &h.f, out, err);
}

/* Parses a file of the directory; an absent one leaves *out NULL when it is optional. */
static int load(const char *directory, const char *name, bool optional, buf *path,
                json_document **out, error *err)
{
    if (buf_format(path, err, "%s/%s", directory, name))
        return -1;
    if (optional && access(path->v, F_OK) != 0)
        return 0;
    *out = json_load(path->v, MAX_FILE, err);
    return *out ? 0 : file_explain_truncated_text(path->v, err);
}

int config_from_directory(const char *directory, checkpoint_warn *warn, void *user,
                          model_config *out, error *err)
{
    buf where = {0}, generation_where = {0};
    json_document *config = NULL, *generation = NULL;
    int result = load(directory, "config.json", false, &where, &config, err);
    if (result == 0)
        result =
            load(directory, "generation_config.json", true, &generation_where, &generation, err);
    if (result == 0)
        result = config_from_json(where.v, json_root(config), generation_where.v,
                                  generation ? json_root(generation) : NULL, warn, user, out, err);
    json_close(config);
    json_close(generation);
    buf_release(&where);
    buf_release(&generation_where);
    return result;
}
