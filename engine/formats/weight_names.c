/* weight_names.c - see weight_names.h. */
#include "weight_names.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct spellings {
    const char *hf[WEIGHT_SPELLINGS];
    const char *gguf[WEIGHT_SPELLINGS];
} spellings;

#define LAYER "model.layers.%d."

static const spellings NAMES[PART_COUNT] = {
    [PART_EMBEDDING] = {{"model.embed_tokens.weight"}, {"token_embd.weight"}},
    [PART_OUTPUT_NORM] = {{"model.norm.weight"}, {"output_norm.weight"}},
    [PART_OUTPUT] = {{"lm_head.weight"}, {"output.weight"}},
    [PART_ATTENTION_NORM] = {{LAYER "input_layernorm.weight"}, {"blk.%d.attn_norm.weight"}},
    [PART_Q] = {{LAYER "self_attn.q_proj.weight"}, {"blk.%d.attn_q.weight"}},
    [PART_K] = {{LAYER "self_attn.k_proj.weight"}, {"blk.%d.attn_k.weight"}},
    [PART_V] = {{LAYER "self_attn.v_proj.weight"}, {"blk.%d.attn_v.weight"}},
    [PART_O] = {{LAYER "self_attn.o_proj.weight"}, {"blk.%d.attn_output.weight"}},
    [PART_Q_BIAS] = {{LAYER "self_attn.q_proj.bias"}, {"blk.%d.attn_q.bias"}},
    [PART_K_BIAS] = {{LAYER "self_attn.k_proj.bias"}, {"blk.%d.attn_k.bias"}},
    [PART_V_BIAS] = {{LAYER "self_attn.v_proj.bias"}, {"blk.%d.attn_v.bias"}},
    [PART_O_BIAS] = {{LAYER "self_attn.o_proj.bias"}, {"blk.%d.attn_output.bias"}},
    [PART_Q_NORM] = {{LAYER "self_attn.q_norm.weight"}, {"blk.%d.attn_q_norm.weight"}},
    [PART_K_NORM] = {{LAYER "self_attn.k_norm.weight"}, {"blk.%d.attn_k_norm.weight"}},
    [PART_FFN_NORM] = {{LAYER "post_attention_layernorm.weight"}, {"blk.%d.ffn_norm.weight"}},
    [PART_GATE] = {{LAYER "mlp.gate_proj.weight"}, {"blk.%d.ffn_gate.weight"}},
    [PART_UP] = {{LAYER "mlp.up_proj.weight"}, {"blk.%d.ffn_up.weight"}},
    [PART_DOWN] = {{LAYER "mlp.down_proj.weight"}, {"blk.%d.ffn_down.weight"}},
    [PART_GATE_BIAS] = {{LAYER "mlp.gate_proj.bias"}, {"blk.%d.ffn_gate.bias"}},
    [PART_UP_BIAS] = {{LAYER "mlp.up_proj.bias"}, {"blk.%d.ffn_up.bias"}},
    [PART_DOWN_BIAS] = {{LAYER "mlp.down_proj.bias"}, {"blk.%d.ffn_down.bias"}},
    [PART_ROUTER] = {{LAYER "mlp.gate.weight", LAYER "block_sparse_moe.gate.weight",
                      LAYER "block_sparse_moe.router.layer.weight",
                      LAYER "block_sparse_moe.router.weight"},
                     {"blk.%d.ffn_gate_inp.weight"}},
    [PART_EXPERT_GATE] = {{LAYER "mlp.experts.%d.gate_proj.weight",
                           LAYER "block_sparse_moe.experts.%d.w1.weight"},
                          {"blk.%d.ffn_gate.%d.weight"}},
    [PART_EXPERT_UP] = {{LAYER "mlp.experts.%d.up_proj.weight",
                         LAYER "block_sparse_moe.experts.%d.w3.weight"},
                        {"blk.%d.ffn_up.%d.weight"}},
    [PART_EXPERT_DOWN] = {{LAYER "mlp.experts.%d.down_proj.weight",
                           LAYER "block_sparse_moe.experts.%d.w2.weight"},
                          {"blk.%d.ffn_down.%d.weight"}},
    [PART_EXPERTS_GATE] = {{NULL}, {"blk.%d.ffn_gate_exps.weight"}},
    [PART_EXPERTS_UP] = {{NULL}, {"blk.%d.ffn_up_exps.weight"}},
    [PART_EXPERTS_DOWN] = {{LAYER "mlp.experts.down_proj",
                            LAYER "block_sparse_moe.output_linear.weight",
                            LAYER "block_sparse_moe.experts.down_proj"},
                           {"blk.%d.ffn_down_exps.weight"}},
    [PART_EXPERTS_GATE_UP] = {{LAYER "mlp.experts.gate_up_proj",
                               LAYER "block_sparse_moe.input_linear.weight",
                               LAYER "block_sparse_moe.experts.gate_up_proj"},
                              {"blk.%d.ffn_gate_up_exps.weight"}},
    [PART_SHARED_GATE] = {{LAYER "mlp.shared_expert.gate_proj.weight"},
                          {"blk.%d.ffn_gate_shexp.weight"}},
    [PART_SHARED_UP] = {{LAYER "mlp.shared_expert.up_proj.weight"}, {"blk.%d.ffn_up_shexp.weight"}},
    [PART_SHARED_DOWN] = {{LAYER "mlp.shared_expert.down_proj.weight"},
                          {"blk.%d.ffn_down_shexp.weight"}},
    [PART_SHARED_ROUTER] = {{LAYER "mlp.shared_expert_gate.weight"},
                            {"blk.%d.ffn_gate_inp_shexp.weight"}},
};

const char *weight_name(weight_part part, bool gguf, int i)
{
    return gguf ? NAMES[part].gguf[i] : NAMES[part].hf[i];
}

/* Digits as they are printed: no sign, no zero in front. NULL = there are none. */
static const char *take_number(const char *text, int *out)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 7 || (text[0] == '0' && n > 1))
        return NULL;
    *out = atoi(text);
    return text + n;
}

/* Whether `name` is what `format` prints for some numbers. */
static bool matches(const char *format, const char *name, int number[2])
{
    int count = 0;
    while (*format && name) {
        if (*format == '%') {
            name = count < 2 ? take_number(name, &number[count++]) : NULL;
            format += 2;
        } else if (*format++ != *name++) {
            return false;
        }
    }
    return name && !*name;
}

/* The part and format that print `name`; PART_COUNT = none. */
static weight_part look_up(const char *name, bool gguf, const char **format, int number[2])
{
    for (int part = 0; part < PART_COUNT; part++)
        for (int i = 0; i < WEIGHT_SPELLINGS; i++) {
            *format = weight_name((weight_part)part, gguf, i);
            number[0] = number[1] = -1;
            if (*format && matches(*format, name, number))
                return (weight_part)part;
        }
    number[0] = number[1] = -1;
    return PART_COUNT;
}

weight_part weight_named(const char *name, bool gguf, int *layer, int *expert)
{
    const char *format;
    int number[2];
    weight_part part = look_up(name, gguf, &format, number);
    *layer = number[0];
    *expert = number[1];
    return part;
}

void weight_sibling(const char *name, bool gguf, int expert, char *out, size_t size)
{
    const char *format;
    int number[2];
    if (look_up(name, gguf, &format, number) == PART_COUNT) {
        (void)snprintf(out, size, "%s", name);
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(out, size, format, number[0], expert);
#pragma GCC diagnostic pop
}
