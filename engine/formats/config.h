/* config.h - what a file says about a model, made into a model_config or refused.
 *
 * Two readers, config_hf.c for config.json and config_gguf.c for GGUF metadata, fill the same plain
 * record (config_fields) from tables of keys; config_build() then checks what belongs together
 * and makes the model_config. Every key that a reader knows is one of
 *
 *     used     - it lands in a field, within a range
 *     off      - only the value that changes nothing is accepted ("clip_qkv": null)
 *     ignored  - it cannot change a forward pass and is passed over in silence
 *
 * and what a reader does not know becomes one warning. A number out of range, of the wrong type or
 * not finite is refused with file, key, value and range.
 */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "../../kernels/error.h"
#include "../base/json.h"
#include "gguf.h"
#include "load_notes.h"
#include "model_config.h"
#include "tensor_list.h"

/* The dimensions and switches common to both formats, before they are checked against each other.
 * 0 in kv_heads or head_dim means "derive": heads, width / heads. */
typedef struct config_fields {
    architecture arch;
    int64_t vocabulary, width, ffn, layers, heads, kv_heads, head_dim, context;
    int64_t experts, experts_per_token, expert_width, shared_width;
    double eps, embedding_scale, residual_scale, logits_scaling, attention_multiplier;
    bool tied, qkv_bias, output_bias, ffn_bias, renormalise;
    uint8_t moe_layer[MODEL_MAX_LAYERS];
    rope_config rope; /* dim 0 = head_dim; context_factor below goes with it */
    double context_factor, trained_context; /* positions = max(context, factor * trained) */
    int64_t bos;
    int64_t eos[MODEL_MAX_EOS];
    int eos_count;
    double temperature, top_p, min_p, repeat_penalty;
    int64_t top_k;
} config_fields;

/* The values that mean "not given": no scaling, no ids, no sampling. */
config_fields config_fields_none(void);

/* Checks the fields against each other and fills *out. `where` names the file in errors. */
int config_build(const char *where, const config_fields *f, model_config *out, error *err);

/* `config` and `generation` (may be NULL) are the roots of config.json and
 * generation_config.json; the names of those files come first in sentences. */
int config_from_json(const char *where, const json *config, const char *generation_where,
                     const json *generation, checkpoint_warn *warn, void *user, model_config *out,
                     error *err);

/* Reads both files of a directory; generation_config.json may be absent. */
int config_from_directory(const char *directory, checkpoint_warn *warn, void *user,
                          model_config *out, error *err);

/* out->rope.factors points into the mapping or is NULL. */
int config_from_gguf(const gguf *g, const tensor_list *tensors, checkpoint_warn *warn, void *user,
                     model_config *out, error *err);

/* One row of a reader's table: a key, and where its value goes. */
typedef enum config_kind {
    CONFIG_INT,     /* int64_t at `offset`, min to max */
    CONFIG_NUMBER,  /* double at `offset`, min to max */
    CONFIG_BOOL,    /* bool at `offset` */
    CONFIG_OFF,     /* false, 0, null or absent */
    CONFIG_IGNORED, /* cannot change a forward pass */
    CONFIG_OTHER,   /* read by a function of its own, or looked up elsewhere */
} config_kind;

/* What null does. CONFIG_NULL_ZERO and _NONE put 0 or -1 into an integer: "derive", "there is none". */
typedef enum config_null {
    CONFIG_NULL_REFUSED,
    CONFIG_NULL_ABSENT, /* the same as no key at all */
    CONFIG_NULL_ZERO,
    CONFIG_NULL_NONE,
} config_null;

typedef struct config_row {
    const char *key;
    config_kind kind;
    uint16_t archs; /* bit set over architecture */
    config_null null;
    size_t offset;
    double min, max;
} config_row;

#endif
