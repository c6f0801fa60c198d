/* config_gguf.c - a model's dimensions from GGUF metadata.
 *
 * Keys are "ARCHITECTURE.name". What they mean, and what the architecture implies without saying it
 * (which models renormalise their gates, how RoPE pairs elements), is what llama.cpp does with the
 * same file; where tensors say more than keys (tied output, biases, which layers route), they
 * are asked. Two conventions differ from config.json:
 *
 *   - llama, mixtral and granitemoe files have the rows of Q and K permuted so that RoPE rotates
 *     neighbours (2j, 2j+1): rope.pairs;
 *   - Llama 3's RoPE scaling comes as a tensor of divisors, rope_freqs.weight: rope.factors.
 */
#include <math.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../base/printable.h"
#include "config.h"
#include "special_ids.h"

/* general.architecture, and what follows from it. */
typedef struct gguf_architecture {
    const char *name;
    architecture arch, routed; /* routed: when there are experts */
    bool pairs, renormalise;
} gguf_architecture;

static const gguf_architecture architectures[] = {
    {"llama", ARCH_LLAMA, ARCH_MIXTRAL, true, true},
    {"qwen2", ARCH_QWEN2, ARCH_QWEN2, false, false},
    {"qwen3", ARCH_QWEN3, ARCH_QWEN3, false, false},
    {"qwen2moe", ARCH_QWEN2_MOE, ARCH_QWEN2_MOE, false, false},
    {"qwen3moe", ARCH_QWEN3_MOE, ARCH_QWEN3_MOE, false, true},
    {"olmoe", ARCH_OLMOE, ARCH_OLMOE, false, false},
    {"granitemoe", ARCH_GRANITE_MOE, ARCH_GRANITE_MOE, true, true},
};

const char *architecture_gguf_name(architecture a)
{
    const char *name = architectures[0].name; /* llama, and mixtral */
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        name = architectures[i].arch == a ? architectures[i].name : name;
    return name;
}

/* Values that only help to work out others. */
typedef struct gguf_fields {
    config_fields f;
    int64_t value_length, window, rope_dim, original_context, gating, file_vocabulary, predictors;
    double weights_scale, linear_scale, attn_factor, log_multiplier, ext_factor, yarn_attn_factor;
    bool causal, finetuned;
} gguf_fields;

#define AT(field) offsetof(gguf_fields, field)
#define INT(key, field, min, max)                                                                  \
    {                                                                                              \
        key, CONFIG_INT, 0, CONFIG_NULL_REFUSED, AT(field), min, max                               \
    }
#define REAL(key, field, min, max)                                                                 \
    {                                                                                              \
        key, CONFIG_NUMBER, 0, CONFIG_NULL_REFUSED, AT(field), min, max                            \
    }
#define FLAG(key, field)                                                                           \
    {                                                                                              \
        key, CONFIG_BOOL, 0, CONFIG_NULL_REFUSED, AT(field), 0, 0                                  \
    }
#define OFF(key)                                                                                   \
    {                                                                                              \
        key, CONFIG_OFF, 0, CONFIG_NULL_REFUSED, 0, 0, 0                                           \
    }
#define OTHER(key)                                                                                 \
    {                                                                                              \
        key, CONFIG_OTHER, 0, CONFIG_NULL_REFUSED, 0, 0, 0                                         \
    }

static const config_row rows[] = {
    INT("block_count", f.layers, 1, MODEL_MAX_LAYERS),
    INT("context_length", f.context, 1, 1 << 30),
    INT("embedding_length", f.width, 1, 1 << 20),
    INT("feed_forward_length", f.ffn, 0, 1 << 24),
    INT("vocab_size", file_vocabulary, 1, 1 << 24),
    INT("attention.head_count", f.heads, 1, 1 << 16),
    INT("attention.head_count_kv", f.kv_heads, 1, 1 << 16),
    INT("attention.key_length", f.head_dim, 1, 1 << 16),
    INT("attention.value_length", value_length, 1, 1 << 16),
    REAL("attention.layer_norm_rms_epsilon", f.eps, 1e-20, 1),
    REAL("attention.scale", f.attention_multiplier, 0, 1e9),
    INT("attention.sliding_window", window, 0, 1 << 30),
    FLAG("attention.causal", causal),
    OFF("attention.clamp_kqv"),
    OFF("attn_logit_softcapping"),
    OFF("final_logit_softcapping"),
    OFF("router_logit_softcapping"),
    OFF("attention.max_alibi_bias"),
    OFF("use_parallel_residual"),
    INT("nextn_predict_layers", predictors, 0, 64),
    OFF("expert_group_count"),
    INT("expert_count", f.experts, 0, MODEL_MAX_EXPERTS),
    INT("expert_used_count", f.experts_per_token, 0, MODEL_MAX_EXPERTS),
    INT("expert_feed_forward_length", f.expert_width, 0, 1 << 24),
    INT("expert_shared_feed_forward_length", f.shared_width, 0, 1 << 24),
    FLAG("expert_weights_norm", f.renormalise),
    REAL("expert_weights_scale", weights_scale, 0, 1e9),
    INT("expert_gating_func", gating, 0, 255),
    REAL("logit_scale", f.logits_scaling, 1e-9, 1e9),
    REAL("residual_scale", f.residual_scale, 1e-9, 1e9),
    REAL("embedding_scale", f.embedding_scale, 1e-9, 1e9),
    INT("rope.dimension_count", rope_dim, 1, 1 << 16),
    REAL("rope.freq_base", f.rope.theta, 1.001, 1e18),
    REAL("rope.scale_linear", linear_scale, 1e-3, 1e6),
    REAL("rope.scaling.factor", f.rope.factor, 0, 1e6),
    INT("rope.scaling.original_context_length", original_context, 1, 1 << 30),
    REAL("rope.scaling.attn_factor", attn_factor, 1e-6, 1e6),
    REAL("rope.scaling.yarn_log_multiplier", log_multiplier, 0, 1e6),
    REAL("rope.scaling.yarn_beta_fast", f.rope.beta_fast, 1e-6, 1e6),
    REAL("rope.scaling.yarn_beta_slow", f.rope.beta_slow, 1e-6, 1e6),
    REAL("rope.scaling.yarn_ext_factor", ext_factor, -1e6, 1e6),
    REAL("rope.scaling.yarn_attn_factor", yarn_attn_factor, -1e6, 1e6),
    FLAG("rope.scaling.finetuned", finetuned),
    OTHER("rope.scaling.type"),
    OTHER("tensor_data_layout"),
};

/* Keys whose prefix is not the architecture. */
static const config_row plain_rows[] = {
    REAL("general.sampling.temp", f.temperature, 0, 1e6),
    REAL("general.sampling.top_p", f.top_p, 1e-9, 1),
    REAL("general.sampling.min_p", f.min_p, 0, 1),
    REAL("general.sampling.penalty_repeat", f.repeat_penalty, 1e-3, 1e3),
    INT("general.sampling.top_k", f.top_k, 0, 1 << 30),
};

/* ---- rows ----------------------------------------------------------------------------------- */

static int check_off(const gguf *g, const char *key, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    double number = 0;
    bool flag = false;
    if (!v || (gguf_value_type(v) != GGUF_ARRAY &&
               ((gguf_bool(v, 0, &flag) && !flag) || (gguf_number(v, 0, &number) && number == 0))))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: %s is set, which is not implemented", gguf_path(g), key);
}

static int take_row(const gguf *g, const config_row *row, const char *key, gguf_fields *h,
                    error *err)
{
    void *at = (char *)h + row->offset;
    switch (row->kind) {
    case CONFIG_INT:
        return gguf_get_integer(g, key, (int64_t)row->min, (int64_t)row->max, at, err);
    case CONFIG_NUMBER:
        return gguf_get_number(g, key, row->min, row->max, at, err);
    case CONFIG_BOOL:
        return gguf_get_bool(g, key, at, err);
    case CONFIG_OFF:
        return check_off(g, key, err);
    default:
        return 0;
    }
}

static int take_rows(const gguf *g, const char *prefix, gguf_fields *h, error *err)
{
    char key[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)snprintf(key, sizeof key, "%s.%s", prefix, rows[i].key);
        if (take_row(g, &rows[i], key, h, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof plain_rows / sizeof *plain_rows; i++)
        if (take_row(g, &plain_rows[i], plain_rows[i].key, h, err) < 0)
            return -1;
    return 0;
}

/* Keys under the architecture's prefix that no row is about. */
static void warn_unknown(const gguf *g, const char *prefix, checkpoint_warn *warn, void *user)
{
    size_t len = strlen(prefix);
    for (size_t i = 0; i < gguf_count(g) && warn; i++) {
        const char *key = gguf_key(gguf_at(g, i));
        bool known = strncmp(key, prefix, len) != 0 || key[len] != '.';
        for (size_t j = 0; j < sizeof rows / sizeof *rows && !known; j++)
            known = strcmp(key + len + 1, rows[j].key) == 0;
        if (!known) {
            char sentence[512];
            (void)snprintf(sentence, sizeof sentence,
                           "%s: the key \"%s\" is not known and was "
                           "passed over",
                           gguf_path(g), printable_text(key).text);
            warn(user, CHECKPOINT_DETAIL, sentence);
        }
    }
}

/* ---- what the tensors say ------------------------------------------------------------------- */

static const checkpoint_tensor *tensor(const tensor_list *t, const char *name)
{
    return tensor_list_find(t, name, strlen(name));
}

static const checkpoint_tensor *layer_tensor(const tensor_list *t, int64_t layer, const char *rest)
{
    char name[64];
    (void)snprintf(name, sizeof name, "blk.%d.%s", (int)layer, rest);
    return tensor(t, name);
}

static int take_vocabulary(const gguf *g, const tensor_list *t, gguf_fields *h, error *err)
{
    const checkpoint_tensor *embedding = tensor(t, "token_embd.weight");
    const gguf_value *words = gguf_find(g, "tokenizer.ggml.tokens");
    if (!embedding || embedding->dims != 2 || embedding->shape[0] > 1 << 24)
        return error_set(err, ERROR_LOAD, "%s: tensor token_embd.weight is %s", gguf_path(g),
                         embedding ? "no matrix of at most 16777216 rows" : "missing");
    h->f.vocabulary = (int64_t)embedding->shape[0];
    if (h->file_vocabulary > h->f.vocabulary)
        return error_set(err, ERROR_LOAD, "%s: vocab_size is %lld, token_embd.weight has %lld rows",
                         gguf_path(g), (long long)h->file_vocabulary, (long long)h->f.vocabulary);
    if (words && gguf_elements(words) > (size_t)h->f.vocabulary)
        return error_set(err, ERROR_LOAD,
                         "%s: tokenizer.ggml.tokens has %zu entries, token_embd.weight %lld rows",
                         gguf_path(g), gguf_elements(words), (long long)h->f.vocabulary);
    h->f.tied = !tensor(t, "output.weight");
    return 0;
}

/* block_count may count layers that only predict further tokens: they come last, and their own
 * tensors tell them. */
static void drop_predictors(const tensor_list *t, gguf_fields *h)
{
    int64_t left = h->f.layers - h->predictors;
    if (h->predictors && left > 0 && layer_tensor(t, left, "nextn.eh_proj.weight"))
        h->f.layers = left;
}

/* Which layers route, and which parts have biases: what is there is used. */
static void take_layers(const tensor_list *t, config_fields *f)
{
    for (int64_t i = 0; i < f->layers; i++) {
        f->moe_layer[i] = f->experts > 0 && layer_tensor(t, i, "ffn_gate_inp.weight");
        f->qkv_bias |= layer_tensor(t, i, "attn_q.bias") || layer_tensor(t, i, "attn_k.bias") ||
                       layer_tensor(t, i, "attn_v.bias");
        f->output_bias |= layer_tensor(t, i, "attn_output.bias") != NULL;
        f->ffn_bias |= f->arch == ARCH_LLAMA &&
                       (layer_tensor(t, i, "ffn_gate.bias") || layer_tensor(t, i, "ffn_up.bias") ||
                        layer_tensor(t, i, "ffn_down.bias"));
    }
}

/* llama.cpp divides the frequencies by these. */
static int take_factors(const gguf *g, const tensor_list *t, config_fields *f, error *err)
{
    const checkpoint_tensor *freqs = tensor(t, "rope_freqs.weight");
    int64_t head_dim = f->head_dim ? f->head_dim : f->width / f->heads;
    int64_t dim = f->rope.dim ? f->rope.dim : head_dim;
    if (!freqs)
        return 0;
    if (freqs->type != DTYPE_F32 || freqs->dims != 1 || freqs->shape[0] != (uint64_t)dim / 2 ||
        (uintptr_t)freqs->data % alignof(float))
        return error_set(err, ERROR_LOAD, "%s: tensor rope_freqs.weight is not %lld aligned F32",
                         gguf_path(g), (long long)dim / 2);
    f->rope.factors = freqs->data;
    for (int64_t i = 0; i < dim / 2; i++)
        if (!(f->rope.factors[i] > 0) || !isfinite(f->rope.factors[i]))
            return error_set(err, ERROR_LOAD, "%s: rope_freqs.weight[%lld] is %g", gguf_path(g),
                             (long long)i, (double)f->rope.factors[i]);
    return 0;
}

/* ---- what the keys say together ------------------------------------------------------------- */

static bool says(const gguf *g, const char *key, const char *word)
{
    const char *text = "";
    size_t len = 0;
    return gguf_get_string(g, key, &text, &len, NULL) > 0 && len == strlen(word) &&
           memcmp(text, word, len) == 0;
}

/* GGUF also carries what is no model by itself. */
static int check_kind(const gguf *g, const tensor_list *tensors, error *err)
{
    const char *what = NULL;
    if (says(g, "general.type", "adapter") || gguf_find(g, "adapter.type"))
        what = "a LoRA adapter, which changes a base model: name that with -m, and this with "
               "--adapter";
    else if (says(g, "general.type", "mmproj") || says(g, "general.architecture", "clip"))
        what = "the vision part (mmproj) of a model; name the model's own GGUF file, which lies "
               "beside it";
    else if (says(g, "general.type", "imatrix") || says(g, "general.architecture", "imatrix"))
        what = "an importance matrix, which helps to quantise a model; name the model";
    else if (tensors->len == 0 && gguf_find(g, "tokenizer.ggml.tokens"))
        what = "a vocabulary without weights";
    if (!what)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: this is %s", gguf_path(g), what);
}

/* The entry of general.architecture; NULL with an error when it is none of the known. */
static const gguf_architecture *find_architecture(const gguf *g, error *err)
{
    const char *name = "";
    size_t len = 0;
    int found = gguf_get_string(g, "general.architecture", &name, &len, err);
    for (size_t i = 0; found > 0 && i < sizeof architectures / sizeof *architectures; i++)
        if (strlen(architectures[i].name) == len && memcmp(architectures[i].name, name, len) == 0)
            return &architectures[i];
    if (found == 0)
        error_set(err, ERROR_LOAD, "%s: general.architecture is missing", gguf_path(g));
    else if (found > 0)
        error_set(err, ERROR_LOAD,
                  "%s: general.architecture is \"%s\"; known are llama, qwen2, qwen3, qwen2moe, "
                  "qwen3moe, olmoe and granitemoe",
                  gguf_path(g), printable_of(name, len).text);
    return NULL;
}

static int missing(const gguf *g, const char *prefix, const char *key, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: %s.%s is missing", gguf_path(g), prefix, key);
}

static int check_required(const gguf *g, const char *prefix, const gguf_fields *h, error *err)
{
    const config_fields *f = &h->f;
    if (!f->layers)
        return missing(g, prefix, "block_count", err);
    if (!f->context)
        return missing(g, prefix, "context_length", err);
    if (!f->width)
        return missing(g, prefix, "embedding_length", err);
    if (!f->heads)
        return missing(g, prefix, "attention.head_count", err);
    if (f->eps == 0)
        return missing(g, prefix, "attention.layer_norm_rms_epsilon", err);
    if (!f->ffn && !f->expert_width)
        return missing(g, prefix, "feed_forward_length", err);
    if (f->experts && !f->experts_per_token)
        return missing(g, prefix, "expert_used_count", err);
    return 0;
}

/* Switches that would change numbers in a way that is not implemented. */
static int check_switches(const gguf *g, const gguf_fields *h, error *err)
{
    int64_t head_dim = h->f.head_dim ? h->f.head_dim : h->f.width / h->f.heads;
    const char *what = NULL;
    if (h->value_length && h->value_length != head_dim)
        what = "attention.value_length differs from attention.key_length";
    else if (h->window > 0 && h->window < h->f.context)
        what = "attention.sliding_window is less than context_length";
    else if (!h->causal)
        what = "attention.causal is false";
    else if (!h->finetuned && h->f.arch == ARCH_GRANITE_MOE)
        what = "rope.scaling.finetuned is false (no RoPE)";
    else if ((h->ext_factor >= 0 && h->ext_factor != 1) ||
             (h->yarn_attn_factor >= 0 && h->yarn_attn_factor != 1)) /* negative = not given */
        what = "rope.scaling.yarn_ext_factor or yarn_attn_factor is not 1";
    else if (h->weights_scale != 0 && h->weights_scale != 1)
        what = "expert_weights_scale is not 1";
    else if (h->gating > 1)
        what = "expert_gating_func is not softmax";
    else if (h->f.arch != ARCH_GRANITE_MOE &&
             (h->f.logits_scaling != 1 || h->f.residual_scale != 1 || h->f.embedding_scale != 1 ||
              h->f.attention_multiplier != 0))
        what = "a scale (of logits, residuals, embedding or attention) is set";
    else if (h->f.shared_width && h->f.arch != ARCH_QWEN2_MOE)
        what = "expert_shared_feed_forward_length is set";
    if (!what)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: %s, which is not implemented", gguf_path(g), what);
}

/* llama.cpp: the scaling's type is "linear" unless a key says otherwise; its YaRN multiplies cos
 * and sin by (0.1 ln factor + 1) / (0.1 m ln factor + 1), m = yarn_log_multiplier, times
 * attn_factor. That is transformers' attention_factor. */
static int take_rope(const gguf *g, const char *prefix, gguf_fields *h, error *err)
{
    rope_config *r = &h->f.rope;
    const char *type = "linear";
    size_t len = strlen(type);
    char key[64];
    (void)snprintf(key, sizeof key, "%s.rope.scaling.type", prefix);
    if (gguf_get_string(g, key, &type, &len, err) < 0)
        return -1;
    r->dim = (int)h->rope_dim;
    r->original_context = (double)(h->original_context ? h->original_context : h->f.context);
    double factor = r->factor != 0 ? r->factor : h->linear_scale != 0 ? h->linear_scale : 1;
    r->factor = factor;
    if (len == 4 && memcmp(type, "none", len) == 0) {
        r->factor = 1;
    } else if (len == 6 && memcmp(type, "linear", len) == 0) {
        r->kind = factor != 1 ? ROPE_LINEAR : ROPE_PLAIN;
    } else if (len == 4 && memcmp(type, "yarn", len) == 0) {
        double up = factor > 1 ? 0.1 * log(factor) : 0;
        r->kind = ROPE_YARN;
        r->attention_factor = (up + 1) / (up * h->log_multiplier + 1) * h->attn_factor;
    } else {
        return error_set(err, ERROR_LOAD, "%s: %s is \"%s\"; implemented are none, linear and yarn",
                         gguf_path(g), key, printable_of(type, len).text);
    }
    return 0;
}

/* Expert widths that older files leave out, as llama.cpp works them out. */
static void derive_experts(config_fields *f)
{
    if (!f->experts)
        return;
    if (!f->expert_width)
        f->expert_width = f->arch == ARCH_QWEN2_MOE || f->arch == ARCH_QWEN3_MOE
                              ? f->ffn / f->experts_per_token
                              : f->ffn;
    if (!f->shared_width && f->arch == ARCH_QWEN2_MOE)
        f->shared_width = f->ffn;
}

/* Several ids that end an answer, as Ollama's converter writes them. */
static int take_ends(const gguf *g, const special_ids *ids, config_fields *f, error *err)
{
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    const gguf_value *v = gguf_find(g, key);
    int64_t id;
    for (size_t i = 0; v && i < gguf_elements(v); i++) {
        if (!gguf_integer(v, i, &id))
            return error_set(err, ERROR_LOAD, "%s: %s holds something that is no integer",
                             gguf_path(g), key);
        id = special_id(ids, key, id, true);
        if (id >= 0 && f->eos_count == MODEL_MAX_EOS)
            return error_set(err, ERROR_LOAD, "%s: %s lists more than %d tokens", gguf_path(g), key,
                             MODEL_MAX_EOS);
        if (id >= 0)
            f->eos[f->eos_count++] = id;
    }
    return 0;
}

/* Ids of the tokenizer. The first three end an answer: the end of the text, of a turn, of a message;
 * of the others only bos and the unknown token are used. */
static int take_ids(const gguf *g, gguf_fields *h, checkpoint_warn *warn, void *user, error *err)
{
    static const char *const fields[] = {"eos",       "eot",       "eom",     "bos",     "unknown",
                                         "seperator", "separator", "padding", "cls",     "mask",
                                         "prefix",    "suffix",    "middle",  "fim_pre", "fim_suf",
                                         "fim_mid",   "fim_pad",   "fim_rep", "fim_sep"};
    enum { ENDS = 3, BOS = 3, USED = 5 };
    const gguf_value *words = gguf_find(g, "tokenizer.ggml.tokens");
    special_ids ids = {gguf_path(g), words ? (int64_t)gguf_elements(words) : h->f.vocabulary, warn,
                       user};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char key[64];
        int64_t id = -1;
        (void)snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", fields[i]);
        bool used = i < USED;
        if (gguf_get_integer(g, key, INT64_MIN, INT64_MAX, &id, used ? err : NULL) < 0 && used)
            return -1;
        id = special_id(&ids, key, id, used);
        if (i < ENDS && id >= 0)
            h->f.eos[h->f.eos_count++] = id;
        if (i == BOS)
            h->f.bos = id;
    }
    return take_ends(g, &ids, &h->f, err);
}

/* A byte-level vocabulary from before the key that names its split rule. */
static void warn_unnamed_rule(const gguf *g, checkpoint_warn *warn, void *user)
{
    const char *model = "";
    size_t len = 0;
    if (!warn || gguf_find(g, "tokenizer.ggml.pre") ||
        gguf_get_string(g, "tokenizer.ggml.model", &model, &len, NULL) <= 0 || len != 4 ||
        memcmp(model, "gpt2", 4) != 0)
        return;
    char sentence[512];
    (void)snprintf(sentence, sizeof sentence,
                   "%s: tokenizer.ggml.pre is missing: text is split by the rule \"default\", and "
                   "its token ids may not be those that the model was trained with; a newer "
                   "conversion of this model names its rule",
                   gguf_path(g));
    warn(user, CHECKPOINT_WARNING, sentence);
}

int config_from_gguf(const gguf *g, const tensor_list *tensors, checkpoint_warn *warn, void *user,
                     model_config *out, error *err)
{
    const gguf_architecture *a = check_kind(g, tensors, err) ? NULL : find_architecture(g, err);
    gguf_fields h = {.f = config_fields_none(),
                     .causal = true,
                     .finetuned = true,
                     .attn_factor = 1,
                     .ext_factor = -1,
                     .yarn_attn_factor = -1};
    h.f.rope.factor = 0;
    if (!a)
        return -1;
    h.f.arch = a->arch;
    h.f.renormalise = a->renormalise;
    h.f.rope.pairs = a->pairs;
    if (take_rows(g, a->name, &h, err) || check_required(g, a->name, &h, err))
        return -1;
    if (h.f.experts)
        h.f.arch = a->routed;
    else if (a->arch > ARCH_QWEN3)
        return missing(g, a->name, "expert_count", err);
    if (check_switches(g, &h, err) || take_vocabulary(g, tensors, &h, err) ||
        take_rope(g, a->name, &h, err) || take_factors(g, tensors, &h.f, err) ||
        take_ids(g, &h, warn, user, err))
        return -1;
    derive_experts(&h.f);
    drop_predictors(tensors, &h);
    take_layers(tensors, &h.f);
    warn_unknown(g, a->name, warn, user);
    warn_unnamed_rule(g, warn, user);
    return config_build(gguf_path(g), &h.f, out, err);
}
