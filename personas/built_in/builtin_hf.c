/* builtin_hf.c - the built-in model as a Hugging Face directory in f32.
 *
 * Written for one purpose: that the reference implementation can load what we run, and be compared
 * with it. Tensor names are those of the published qwen2_moe checkpoints, one tensor per expert.
 * The tokenizer is rebuilt from the GGUF's vocabulary and merges: byte-level BPE with digits split
 * one by one, which is what "smollm" means in the GGUF metadata.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/formats/checkpoint.h"
#include "../../engine/formats/gguf.h"
#include "../../engine/formats/safetensors_writer.h"
#include "../../kernels/dequantize.h"
#include "builtin.h"

#define TOKENIZER(name) "tokenizer.ggml." name

typedef struct exporter {
    const checkpoint *model;
    const gguf *meta;
    const char *directory;
    error *err;
} exporter;

/* ---- JSON files -------------------------------------------------------------------------------- */

static int put_json(const exporter *x, const char *name, json_writer *e)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", x->directory, name);
    int result = json_writer_finish(e);
    if (result == 0 && (n < 0 || (size_t)n >= sizeof path))
        result = error_set(x->err, ERROR_USAGE, "the path of %s is too long", name);
    if (result == 0)
        result =
            buf_text(e->out, "\n", x->err) || atomic_file_put(path, e->out->v, e->out->len, x->err)
                ? -1
                : 0;
    buf_release(e->out);
    return result;
}

static int64_t token_id(const exporter *x, const char *key)
{
    int64_t id = -1;
    (void)gguf_get_integer(x->meta, key, 0, INT32_MAX, &id, NULL);
    return id;
}

static void put_ids(json_writer *e, const exporter *x)
{
    static const char *const ids[][2] = {{"bos_token_id", TOKENIZER("bos_token_id")},
                                         {"eos_token_id", TOKENIZER("eos_token_id")},
                                         {"pad_token_id", TOKENIZER("padding_token_id")}};
    for (int i = 0; i < 3; i++)
        if (token_id(x, ids[i][1]) >= 0)
            json_put_int(e, ids[i][0], token_id(x, ids[i][1]));
}

static void put_experts(json_writer *e, const model_config *c)
{
    json_put_int(e, "num_experts", c->experts);
    json_put_int(e, "num_experts_per_tok", c->experts_per_token);
    json_put_int(e, "moe_intermediate_size", c->expert_width);
    json_put_int(e, "shared_expert_intermediate_size", c->shared_width);
    json_put_bool(e, "norm_topk_prob", c->renormalise);
    json_put_int(e, "decoder_sparse_step", 1);
    json_begin_array(e, "mlp_only_layers");
    for (int i = 0; i < c->layers; i++)
        if (!c->moe_layer[i])
            json_put_int(e, NULL, i);
    json_end(e);
}

static int write_config(const exporter *x)
{
    const model_config *c = checkpoint_config(x->model);
    buf out = {0};
    json_writer e = {.out = &out, .err = x->err};
    json_begin_object(&e, NULL);
    json_begin_array(&e, "architectures");
    json_put_text(&e, NULL, "Qwen2MoeForCausalLM");
    json_end(&e);
    json_put_text(&e, "model_type", "qwen2_moe");
    json_put_text(&e, "hidden_act", "silu");
    json_put_int(&e, "hidden_size", c->width);
    json_put_int(&e, "intermediate_size", c->ffn_width);
    json_put_int(&e, "num_hidden_layers", c->layers);
    json_put_int(&e, "num_attention_heads", c->heads);
    json_put_int(&e, "num_key_value_heads", c->kv_heads);
    json_put_int(&e, "max_position_embeddings", c->context);
    json_put_int(&e, "vocab_size", c->vocabulary);
    json_put_number(&e, "rms_norm_eps", (double)c->norm_eps);
    json_put_number(&e, "rope_theta", c->rope.theta);
    json_put_bool(&e, "qkv_bias", c->qkv_bias);
    json_put_bool(&e, "use_sliding_window", false);
    json_put_bool(&e, "tie_word_embeddings", c->tied);
    put_experts(&e, c);
    json_put_text(&e, "torch_dtype", "float32");
    put_ids(&e, x);
    json_end(&e);
    return put_json(x, "config.json", &e);
}

static int write_generation(const exporter *x)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = x->err};
    json_begin_object(&e, NULL);
    put_ids(&e, x);
    json_end(&e);
    return put_json(x, "generation_config.json", &e);
}

/* ---- the tokenizer ----------------------------------------------------------------------------- */

static int need(const exporter *x, const char *key, gguf_type type, const gguf_value **out)
{
    int found = gguf_get_array(x->meta, key, type, out, x->err);
    if (found == 0)
        return error_set(x->err, ERROR_LOAD, "%s: %s is missing", gguf_path(x->meta), key);
    return found < 0 ? -1 : 0;
}

static void put_string_of(json_writer *e, const char *key, const gguf_value *list, size_t i)
{
    const char *text = "";
    size_t len = 0;
    (void)gguf_string(list, i, &text, &len);
    json_put_bytes(e, key, text, len);
}

/* Control tokens (type 3) are the added ones. */
static void put_added(json_writer *e, const gguf_value *words, const gguf_value *types)
{
    enum { CONTROL = 3 };
    json_begin_array(e, "added_tokens");
    for (size_t i = 0; i < gguf_elements(types); i++) {
        int64_t type = 0;
        if (!gguf_integer(types, i, &type) || type != CONTROL)
            continue;
        json_begin_object(e, NULL);
        json_put_count(e, "id", i);
        put_string_of(e, "content", words, i);
        json_put_bool(e, "single_word", false);
        json_put_bool(e, "lstrip", false);
        json_put_bool(e, "rstrip", false);
        json_put_bool(e, "normalized", false);
        json_put_bool(e, "special", true);
        json_end(e);
    }
    json_end(e);
}

static void put_byte_level(json_writer *e, const char *key)
{
    json_begin_object(e, key);
    json_put_text(e, "type", "ByteLevel");
    json_put_bool(e, "add_prefix_space", false);
    json_put_bool(e, "trim_offsets", true);
    json_put_bool(e, "use_regex", true);
    json_end(e);
}

static void put_split(json_writer *e)
{
    json_begin_object(e, "pre_tokenizer");
    json_put_text(e, "type", "Sequence");
    json_begin_array(e, "pretokenizers");
    json_begin_object(e, NULL);
    json_put_text(e, "type", "Digits");
    json_put_bool(e, "individual_digits", true);
    json_end(e);
    put_byte_level(e, NULL);
    json_end(e);
    json_end(e);
}

static int put_bpe(json_writer *e, const exporter *x, const gguf_value *words,
                   const gguf_value *merges)
{
    json_begin_object(e, "model");
    json_put_text(e, "type", "BPE");
    json_put_null(e, "dropout");
    json_put_null(e, "unk_token");
    json_put_null(e, "continuing_subword_prefix");
    json_put_null(e, "end_of_word_suffix");
    json_put_bool(e, "fuse_unk", false);
    json_put_bool(e, "byte_fallback", false);
    json_begin_object(e, "vocab");
    buf key = {0};
    for (size_t i = 0; i < gguf_elements(words); i++) {
        const char *text = "";
        size_t len = 0;
        (void)gguf_string(words, i, &text, &len);
        buf_clear(&key);
        if (buf_add(&key, text, len, x->err)) {
            buf_release(&key);
            return -1;
        }
        json_put_count(e, key.v ? key.v : "", i);
    }
    buf_release(&key);
    json_end(e);
    json_begin_array(e, "merges");
    for (size_t i = 0; i < gguf_elements(merges); i++)
        put_string_of(e, NULL, merges, i);
    json_end(e);
    json_end(e);
    return 0;
}

static int write_tokenizer(const exporter *x)
{
    const gguf_value *words, *types, *merges;
    if (need(x, TOKENIZER("tokens"), GGUF_STRING, &words) ||
        need(x, TOKENIZER("token_type"), GGUF_I32, &types) ||
        need(x, TOKENIZER("merges"), GGUF_STRING, &merges))
        return -1;
    buf out = {0};
    json_writer e = {.out = &out, .err = x->err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "version", "1.0");
    json_put_null(&e, "truncation");
    json_put_null(&e, "padding");
    put_added(&e, words, types);
    json_put_null(&e, "normalizer");
    put_split(&e);
    json_put_null(&e, "post_processor");
    put_byte_level(&e, "decoder");
    if (put_bpe(&e, x, words, merges)) {
        buf_release(&out);
        return -1;
    }
    json_end(&e);
    return put_json(x, "tokenizer.json", &e);
}

static int write_tokenizer_config(const exporter *x)
{
    static const char *const marks[][2] = {{"bos_token", TOKENIZER("bos_token_id")},
                                           {"eos_token", TOKENIZER("eos_token_id")},
                                           {"unk_token", TOKENIZER("unknown_token_id")},
                                           {"pad_token", TOKENIZER("padding_token_id")}};
    const gguf_value *words;
    if (need(x, TOKENIZER("tokens"), GGUF_STRING, &words))
        return -1;
    buf out = {0};
    json_writer e = {.out = &out, .err = x->err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "tokenizer_class", "PreTrainedTokenizerFast");
    for (int i = 0; i < 4; i++) {
        int64_t id = token_id(x, marks[i][1]);
        if (id >= 0 && (size_t)id < gguf_elements(words))
            put_string_of(&e, marks[i][0], words, (size_t)id);
    }
    json_put_int(&e, "model_max_length", checkpoint_config(x->model)->context);
    json_put_bool(&e, "clean_up_tokenization_spaces", false);
    json_put_text(&e, "chat_template", checkpoint_chat_template(x->model));
    json_end(&e);
    return put_json(x, "tokenizer_config.json", &e);
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* The Hugging Face name of a tensor, with "%d" left where an expert's number goes. */
static void hf_name(const char *name, char *out, size_t size)
{
    static const char *const inner[][2] = {
        {"attn_norm.weight", "input_layernorm.weight"},
        {"attn_q.weight", "self_attn.q_proj.weight"},
        {"attn_k.weight", "self_attn.k_proj.weight"},
        {"attn_v.weight", "self_attn.v_proj.weight"},
        {"attn_output.weight", "self_attn.o_proj.weight"},
        {"ffn_norm.weight", "post_attention_layernorm.weight"},
        {"ffn_gate.weight", "mlp.gate_proj.weight"},
        {"ffn_up.weight", "mlp.up_proj.weight"},
        {"ffn_down.weight", "mlp.down_proj.weight"},
        {"ffn_gate_inp.weight", "mlp.gate.weight"},
        {"ffn_gate_exps.weight", "mlp.experts.%d.gate_proj.weight"},
        {"ffn_up_exps.weight", "mlp.experts.%d.up_proj.weight"},
        {"ffn_down_exps.weight", "mlp.experts.%d.down_proj.weight"},
        {"ffn_gate_shexp.weight", "mlp.shared_expert.gate_proj.weight"},
        {"ffn_up_shexp.weight", "mlp.shared_expert.up_proj.weight"},
        {"ffn_down_shexp.weight", "mlp.shared_expert.down_proj.weight"},
        {"ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight"},
    };
    int layer, at = 0;
    const char *rest = NULL;
    if (sscanf(name, "blk.%d.%n", &layer, &at) == 1 && at)
        for (size_t i = 0; i < sizeof inner / sizeof *inner && !rest; i++)
            if (strcmp(name + at, inner[i][0]) == 0)
                rest = inner[i][1];
    if (rest)
        (void)snprintf(out, size, "model.layers.%d.%s", layer, rest);
    else if (strcmp(name, "token_embd.weight") == 0)
        (void)snprintf(out, size, "model.embed_tokens.weight");
    else
        (void)snprintf(out, size, "model.norm.weight");
}

/* Replaces "%d" by the expert's number; names are ours, so nothing else stands there. */
static void with_expert(const char *name, uint64_t expert, char *out, size_t size)
{
    const char *mark = strstr(name, "%d");
    if (mark)
        (void)snprintf(out, size, "%.*s%llu%s", (int)(mark - name), name,
                       (unsigned long long)expert, mark + 2);
    else
        (void)snprintf(out, size, "%s", name);
}

/* A stack [experts, rows, cols] is declared as one matrix per expert; the gate of the shared expert,
 * a vector in GGUF, as a matrix of one row. */
static int declare(const exporter *x, safetensors_writer *w, const checkpoint_tensor *t)
{
    char name[128], full[160];
    hf_name(t->name, name, sizeof name);
    uint64_t copies = t->dims == 3 ? t->shape[0] : 1, row[2] = {1, t->shape[0]};
    bool vector = strstr(t->name, "inp_shexp") != NULL;
    for (uint64_t i = 0; i < copies; i++) {
        with_expert(name, i, full, sizeof full);
        int dims = t->dims == 3 ? 2 : vector ? 2 : t->dims;
        const uint64_t *shape = t->dims == 3 ? t->shape + 1 : vector ? row : t->shape;
        if (safetensors_writer_tensor(w, full, dims, shape, x->err))
            return -1;
    }
    return 0;
}

static int write_values(const exporter *x, safetensors_writer *w, const checkpoint_tensor *t)
{
    size_t cols = (size_t)t->shape[t->dims - 1], stride = dtype_row_bytes(t->type, cols);
    float *row = malloc(cols * sizeof *row);
    if (!row)
        return error_memory(x->err, "a row");
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < t->bytes; at += stride) {
        dequantize_row(t->type, (const char *)t->data + at, row, cols);
        result = safetensors_writer_data(w, row, cols, x->err);
    }
    free(row);
    return result;
}

static int write_all(const exporter *x, safetensors_writer *w, const builtin_progress *watch)
{
    int count = checkpoint_count(x->model);
    checkpoint_tensor t;
    for (int i = 0; i < count; i++) {
        checkpoint_at(x->model, i, &t);
        if (declare(x, w, &t))
            return -1;
    }
    if (safetensors_writer_begin(w, x->err))
        return -1;
    for (int i = 0; i < count; i++) {
        checkpoint_at(x->model, i, &t);
        if (write_values(x, w, &t))
            return -1;
        if (watch->step && !watch->step(watch->user, (double)(i + 1) / count))
            return error_set(x->err, ERROR_CANCELLED, "interrupted");
    }
    return safetensors_writer_finish(w, x->err);
}

static int write_weights(const exporter *x, const builtin_progress *watch)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/model.safetensors", x->directory);
    safetensors_writer *w = safetensors_writer_open(path, x->err);
    int result = w ? write_all(x, w, watch) : -1;
    safetensors_writer_close(w);
    return result;
}

int builtin_export(const char *model, const char *directory, const builtin_progress *watch,
                   error *err)
{
    checkpoint *c = checkpoint_open(model, NULL, NULL, err);
    exporter x = {c, c ? checkpoint_gguf(c) : NULL, directory, err};
    int result = -1;
    if (c && (!x.meta || checkpoint_config(c)->arch != ARCH_QWEN2_MOE))
        (void)error_set(err, ERROR_LOAD, "%s: is not the built-in model", model);
    else if (c && mkdir(directory, 0777) && errno != EEXIST)
        (void)error_set(err, ERROR_RUN, "%s: cannot be made: %s", directory, strerror(errno));
    else if (c)
        result = write_config(&x) || write_generation(&x) || write_tokenizer(&x) ||
                         write_tokenizer_config(&x) || write_weights(&x, watch)
                     ? -1
                     : 0;
    checkpoint_close(c);
    return result;
}
