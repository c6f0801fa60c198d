/* weight_names.h - what the two file formats call each tensor.
 *
 * A part has up to three spellings, tried in order; %d is the layer, a second %d the expert. The
 * Hugging Face names are those of transformers 4 and 5, the GGUF names those of the GGUF
 * specification ("blk.N.", and the older one-tensor-per-expert files).
 */
#ifndef ENGINE_WEIGHT_NAMES_H
#define ENGINE_WEIGHT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum weight_part {
    PART_EMBEDDING,
    PART_OUTPUT_NORM,
    PART_OUTPUT,
    PART_ATTENTION_NORM,
    PART_Q,
    PART_K,
    PART_V,
    PART_O,
    PART_Q_BIAS,
    PART_K_BIAS,
    PART_V_BIAS,
    PART_O_BIAS,
    PART_Q_NORM,
    PART_K_NORM,
    PART_FFN_NORM,
    PART_GATE,
    PART_UP,
    PART_DOWN,
    PART_GATE_BIAS,
    PART_UP_BIAS,
    PART_DOWN_BIAS,
    PART_ROUTER,
    PART_EXPERT_GATE, /* one tensor per expert */
    PART_EXPERT_UP,
    PART_EXPERT_DOWN,
    PART_EXPERTS_GATE, /* [experts, ffn, width] in one tensor */
    PART_EXPERTS_UP,
    PART_EXPERTS_DOWN,
    PART_EXPERTS_GATE_UP, /* [experts, 2 * ffn, width]: gate rows, then up rows */
    PART_SHARED_GATE,
    PART_SHARED_UP,
    PART_SHARED_DOWN,
    PART_SHARED_ROUTER,
    PART_COUNT,
} weight_part;

enum { WEIGHT_SPELLINGS = 4 };

/* The i-th spelling of a part (a printf format of layer and expert), or NULL. */
const char *weight_name(weight_part part, bool gguf, int i);

/* The other way: which part `name` is, of which layer and expert (-1 = of none). PART_COUNT for a
 * name that is none of them. */
weight_part weight_named(const char *name, bool gguf, int *layer, int *expert);
/* The name of another expert's tensor of the same part and layer, in the spelling of `name`, which
 * must be one of an expert. */
void weight_sibling(const char *name, bool gguf, int expert, char *out, size_t size);

#endif
