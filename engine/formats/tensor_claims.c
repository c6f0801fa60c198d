/* tensor_claims.c - see tensor_claims.h.
 *
 * Names are those of published files: GGUF's as llama.cpp's converter writes them, Hugging Face's
 * as transformers and the quantisation tools save them.
 */
#include "tensor_claims.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"

/* Patterns are matched against names up to this length: no real name is longer, and a pattern's
 * stars must not be made to wander. */
enum { MAX_NAME = 256, REASONS = 16 /* more than there are */ };

typedef struct meaning {
    const char *pattern; /* of fnmatch(3) */
    const char *words;
} meaning;

#define FREQUENCIES "rotary frequencies, which are computed from the configuration"
#define MASK        "a causal mask, which is computed"
#define MORE_TOKENS "a layer that predicts further tokens (MTP), which is not used"
#define VISION      "of a vision or audio encoder, which text does not pass through"

/* Tensors without which every logit is the same. */
static const meaning harmless[] = {
    {"*rotary_emb.inv_freq", FREQUENCIES},
    {"*rotary_emb.cos_cached", FREQUENCIES},
    {"*rotary_emb.sin_cached", FREQUENCIES},
    {"blk.*.attn_rot_embd.weight", FREQUENCIES},
    {"rope.freqs", FREQUENCIES},
    {"*attn.masked_bias", MASK},
    {"mtp.*", MORE_TOKENS},
    {"model.mtp.*", MORE_TOKENS},
    {"model.mtp_layers.*", MORE_TOKENS},
    {"blk.*.nextn.*", MORE_TOKENS},
    {"v_head.*", "a value head of reinforcement learning, which is not used"},
    {"v.*", VISION},
    {"a.*", VISION},
    {"mm.*", VISION},
    {"vision_tower.*", VISION},
    {"model.vision_tower.*", VISION},
    {"multi_modal_projector.*", VISION},
};

/* A layer beyond the model's count that holds one of these predicts further tokens. */
static const char *const more_tokens[] = {
    "blk.%d.nextn.eh_proj.weight", "model.layers.%d.eh_proj.weight", "model.layers.%d.enorm.weight",
    "model.layers.%d.shared_head.norm.weight"};

/* What quantisation tools write where a weight should be. */
static const meaning quantised[] = {
    {"*.qweight", "GPTQ or AWQ"},
    {"*.qzeros", "GPTQ or AWQ"},
    {"*.g_idx", "GPTQ"},
    {"*.scales", "GPTQ, AWQ or MLX"},
    {"*.weight_packed", "compressed-tensors"},
    {"*.weight_shape", "compressed-tensors"},
    {"*.weight_zero_point", "compressed-tensors"},
    {"*.weight_scale", "FP8 or compressed-tensors"},
    {"*.weight_scale_inv", "FP8"},
    {"*.weight_scale_2", "NVFP4"},
    {"*_scale_inv", "FP8"},
    {"*_proj_blocks", "MXFP4"},
    {"*_proj_scales", "MXFP4"},
    {"*.input_scale", "FP8 or FP4"},
    {"*.output_scale", "FP8"},
    {"*.SCB", "bitsandbytes"},
    {"*.weight_format", "bitsandbytes"},
    {"*.absmax", "bitsandbytes"},
    {"*.nested_absmax", "bitsandbytes"},
    {"*.quant_map", "bitsandbytes"},
    {"*.nested_quant_map", "bitsandbytes"},
    {"*.quant_state.*", "bitsandbytes"},
    {"*.trellis", "EXL3"},
    {"*.q_weight", "EXL2"},
    {"*.q_scale", "EXL2"},
};

/* What a tensor would have done; the first that fits. */
static const meaning effects[] = {
    {"*lora_*", "it belongs to an adapter that was not merged into the weights"},
    {"*.base_layer.*", "it belongs to an adapter that was not merged into the weights"},
    {"*exp_probs_b*", "it shifts which experts are chosen"},
    {"*e_score_correction_bias*", "it shifts which experts are chosen"},
    {"*ffn_gate_inp.bias", "it shifts which experts are chosen"},
    {"*.gate.bias", "it shifts which experts are chosen"},
    {"*router*bias", "it shifts which experts are chosen"},
    {"*sinks*", "it takes a part of every head's attention"},
    {"rope_factors_*", "it changes the angles of rotary position embedding"},
    {"rope_freqs*", "it changes the angles of rotary position embedding"},
    {"score.*", "it is the head of a classifier, and this program continues text"},
    {"cls.*", "it is the head of a classifier, and this program continues text"},
    {"*classifier*", "it is the head of a classifier, and this program continues text"},
    {"*_shexp*", "it is a shared expert, which this architecture does not have"},
    {"*shared_expert*", "it is a shared expert, which this architecture does not have"},
    {"*shared_mlp*", "it is a shared expert, which this architecture does not have"},
    {"*norm*", "it normalises activations where this architecture does not"},
    {"*.bias", "it is a bias that this architecture, as configured, does not add"},
    {"*scale*", "it scales weights or activations"},
    {"position_embd*", "it embeds positions, which this architecture does not"},
};

/* ---- claiming --------------------------------------------------------------------------------- */

int tensor_claims_open(tensor_claims *t, const checkpoint *c, error *err)
{
    size_t n = (size_t)checkpoint_count(c);
    *t = (tensor_claims){c, calloc(n ? n : 1, 1)};
    return t->taken ? 0 : error_memory(err, "the table of tensors");
}

void tensor_claims_release(tensor_claims *t)
{
    free(t->taken);
    *t = (tensor_claims){0};
}

int tensor_claims_take(tensor_claims *t, const char *name, checkpoint_tensor *out)
{
    int i = checkpoint_index(t->c, name);
    if (i < 0)
        return 0;
    t->taken[i] = 1;
    checkpoint_at(t->c, i, out);
    return 1;
}

/* ---- meanings --------------------------------------------------------------------------------- */

static const char *look_up(const meaning *table, size_t n, const char *name)
{
    if (strlen(name) <= MAX_NAME)
        for (size_t i = 0; i < n; i++)
            if (fnmatch(table[i].pattern, name, 0) == 0)
                return table[i].words;
    return NULL;
}

#define LOOK_UP(table, name) look_up(table, sizeof(table) / sizeof *(table), name)

/* The layer that a name belongs to, or -1. */
static int layer_of(const char *name)
{
    int layer, used = 0;
    if ((sscanf(name, "blk.%7d.%n", &layer, &used) == 1 ||
         sscanf(name, "model.layers.%7d.%n", &layer, &used) == 1) &&
        used > 0 && layer >= 0)
        return layer;
    return -1;
}

static bool predicts_more(const checkpoint *c, int layer)
{
    for (size_t i = 0; i < sizeof more_tokens / sizeof *more_tokens; i++) {
        char name[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(name, sizeof name, more_tokens[i], layer);
#pragma GCC diagnostic pop
        if (checkpoint_index(c, name) >= 0)
            return true;
    }
    return false;
}

/* Nothing is added by zeros, written as F32, F16 or BF16. */
static bool adds_nothing(const checkpoint_tensor *t)
{
    static const char end[] = ".bias";
    size_t n = strlen(t->name), m = sizeof end - 1;
    if (n < m || strcmp(t->name + n - m, end) != 0 ||
        (t->type != DTYPE_F32 && t->type != DTYPE_F16 && t->type != DTYPE_BF16))
        return false;
    const uint8_t *bytes = t->data;
    for (uint64_t i = 0; i < t->bytes; i++)
        if (bytes[i])
            return false;
    return true;
}

/* lm_head.weight beside a tied embedding: checkpoint.c has seen that it is the same. */
static bool is_copy(const checkpoint *c, const char *name)
{
    return checkpoint_config(c)->tied && strcmp(name, "lm_head.weight") == 0;
}

/* Why the tensor changes nothing, or NULL. */
static const char *reason(const checkpoint *c, const checkpoint_tensor *t)
{
    int layer = layer_of(t->name);
    if (is_copy(c, t->name))
        return "the same as the embedding, which is used in its place";
    if (layer >= checkpoint_config(c)->layers && predicts_more(c, layer))
        return MORE_TOKENS;
    if (adds_nothing(t))
        return "a bias of zeros";
    return LOOK_UP(harmless, t->name);
}

/* ---- settling --------------------------------------------------------------------------------- */

static int refuse(const checkpoint *c, const checkpoint_tensor *t, int more, error *err)
{
    const char *does = LOOK_UP(effects, t->name), *tool = LOOK_UP(quantised, t->name);
    int layer = layer_of(t->name), layers = checkpoint_config(c)->layers;
    char words[160], others[48] = "";
    if (layer >= layers)
        (void)snprintf(words, sizeof words,
                       "it is of layer %d, and the configuration says %d layers", layer, layers);
    else if (tool)
        (void)snprintf(words, sizeof words, "it belongs to a quantisation that is not read (%s)",
                       tool);
    else
        (void)snprintf(words, sizeof words, "%s",
                       does ? does : "it is not known for this architecture");
    if (more)
        (void)snprintf(others, sizeof others, "; so are %d more tensors", more);
    return error_set(err, ERROR_LOAD,
                     "%s: tensor %s would be left out by %s: %s%s. A model without a part of its "
                     "tensors computes something else, so it is refused",
                     checkpoint_path(c), printable_text(t->name).text,
                     architecture_name(checkpoint_config(c)->arch), words, others);
}

/* One sentence about all harmless tensors with the reason of tensor `first`. */
static void tell(const tensor_claims *t, const char *const *reasons, int first,
                 checkpoint_warn *warn, void *user)
{
    int n = checkpoint_count(t->c), count = 0;
    for (int i = first; i < n; i++)
        count += reasons[i] && strcmp(reasons[i], reasons[first]) == 0;
    checkpoint_tensor at;
    checkpoint_at(t->c, first, &at);
    char others[40] = "", sentence[512];
    if (count > 1)
        (void)snprintf(others, sizeof others, " and %d more", count - 1);
    (void)snprintf(sentence, sizeof sentence, "%s: tensor %s%s passed over: %s",
                   checkpoint_path(t->c), printable_text(at.name).text, others, reasons[first]);
    warn(user, CHECKPOINT_DETAIL, sentence);
}

static void warn_all(const tensor_claims *t, const char *const *reasons, checkpoint_warn *warn,
                     void *user)
{
    const char *told[REASONS];
    int count = 0;
    for (int i = 0; i < checkpoint_count(t->c); i++) {
        bool again = !reasons[i];
        for (int j = 0; j < count && !again; j++)
            again = strcmp(reasons[i], told[j]) == 0;
        if (again || count == REASONS)
            continue;
        told[count++] = reasons[i];
        tell(t, reasons, i, warn, user);
    }
}

int tensor_claims_settle(const tensor_claims *t, checkpoint_warn *warn, void *user, error *err)
{
    int n = checkpoint_count(t->c), first = -1, refused = 0;
    const char **reasons = calloc((size_t)n + 1, sizeof *reasons);
    if (!reasons)
        return error_memory(err, "the table of tensors");
    for (int i = 0; i < n; i++) {
        checkpoint_tensor at;
        checkpoint_at(t->c, i, &at);
        if (t->taken[i] || (reasons[i] = reason(t->c, &at)))
            continue;
        refused++;
        first = first < 0 ? i : first;
    }
    checkpoint_tensor bad;
    if (first >= 0)
        checkpoint_at(t->c, first, &bad);
    int result = first >= 0 ? refuse(t->c, &bad, refused - 1, err) : 0;
    if (!result && warn)
        warn_all(t, reasons, warn, user);
    free(reasons);
    return result;
}

int tensor_claims_quantised(const tensor_claims *t, const char *needed, error *err)
{
    for (int i = 0; i < checkpoint_count(t->c); i++) {
        checkpoint_tensor at;
        checkpoint_at(t->c, i, &at);
        const char *tool = LOOK_UP(quantised, at.name);
        if (tool)
            return error_set(
                err, ERROR_LOAD,
                "%s: tensor %s is missing; %s is there in its place: the weights are "
                "quantised (%s), which is not read. Use the original checkpoint (BF16) "
                "or a GGUF file of this model",
                checkpoint_path(t->c), needed, printable_text(at.name).text, tool);
    }
    return 0;
}
