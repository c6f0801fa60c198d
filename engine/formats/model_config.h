/* model_config.h - what a model is: every dimension and switch that its numbers depend on.
 *
 * Filled by config.c from a Hugging Face config.json or from GGUF metadata, validated there once;
 * after that nobody checks again. A field of the file that would change numbers and that we do not
 * implement is refused with its value; there is no "probably fine".
 */
#ifndef ENGINE_MODEL_CONFIG_H
#define ENGINE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum architecture {
    ARCH_LLAMA,
    ARCH_QWEN2,
    ARCH_QWEN3,
    ARCH_MIXTRAL,
    ARCH_QWEN2_MOE,
    ARCH_QWEN3_MOE,
    ARCH_OLMOE,
    ARCH_GRANITE_MOE,
    ARCH_COUNT,
} architecture;

const char *architecture_name(architecture a);      /* "qwen3_moe": the model_type of config.json */
const char *architecture_gguf_name(architecture a); /* "qwen3moe": general.architecture of GGUF */

typedef enum rope_kind { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN } rope_kind;

/* Rotary position embedding; formulas in rope.c. */
typedef struct rope_config {
    rope_kind kind;
    int dim;    /* rotary_dim: elements rotated per head, even */
    bool pairs; /* llama-architecture GGUF: element 2j rotates with 2j+1 */
    double theta;
    double factor;               /* linear, llama3, yarn */
    double original_context;     /* llama3, yarn */
    double low_freq, high_freq;  /* llama3 */
    double beta_fast, beta_slow; /* yarn, 32 and 1 */
    double attention_factor;     /* yarn: cos and sin are multiplied by it; 1 otherwise */
    bool truncate;               /* yarn: correction range rounded to integers (default true) */
    const float *factors;        /* [dim/2] divisors of the frequencies (rope_freqs.weight) or NULL;
                                    borrowed from the checkpoint */
} rope_config;

typedef enum qk_norm { QK_NORM_NONE, QK_NORM_HEAD, QK_NORM_FULL } qk_norm;

enum { MODEL_MAX_LAYERS = 1024, MODEL_MAX_EXPERTS = 4096, MODEL_MAX_EOS = 64 };

typedef struct model_config {
    architecture arch;
    int layers, width, heads, kv_heads, head_dim;
    int ffn_width;  /* dense layers; 0 when there are none */
    int vocabulary; /* rows of the embedding and of the output matrix (may exceed the tokens) */
    int context;    /* positions the model was trained for, after RoPE scaling */
    float norm_eps;
    bool tied; /* the output matrix is the embedding */
    bool qkv_bias, output_bias;
    bool ffn_bias; /* of the dense layers: gate, up and down */
    qk_norm norm_qk;

    int experts;                          /* 0 = dense model */
    int experts_per_token;                /* the trained k */
    int expert_width;                     /* ffn width of a routed expert */
    int shared_width;                     /* ffn width of the shared expert, 0 = none */
    bool shared_gate;                     /* the shared expert has a sigmoid gate */
    bool renormalise;                     /* norm_topk_prob */
    uint8_t moe_layer[MODEL_MAX_LAYERS];  /* 1 = this layer has routed experts */
    uint8_t skip_layer[MODEL_MAX_LAYERS]; /* 1 = left out; never a file's wish (model_tweaks.h) */

    float embedding_scale, residual_scale, logit_scale; /* granite; 1 otherwise; logits *= scale */
    float attention_scale;                              /* 1/sqrt(head_dim) unless granite */
    rope_config rope;

    int bos;                /* -1 = none */
    int eos[MODEL_MAX_EOS]; /* ids that end an answer, each once */
    int eos_count;
    /* generation_config.json; negative = not given */
    double temperature, top_p, min_p, repeat_penalty;
    int top_k;
} model_config;

#endif
