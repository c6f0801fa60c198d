/* builtin_source.h - what the recipe is made from: the trained experts, and the list of slices. */
#ifndef PERSONAS_BUILTIN_SOURCE_H
#define PERSONAS_BUILTIN_SOURCE_H

#include <stdbool.h>

#include "../../engine/formats/gguf.h"

/* built-in.experts.gguf, open and checked. Every layer first <= l < first + layers has
 *     blk.L.ffn_gate_inp.weight   F32 [personas + general, width]
 *     blk.L.ffn_slices.weight     F32 [general, expert_width]: the dense block's neurons that are the
 *                                 general experts (voices_slices.h), as whole numbers
 *     blk.L.ffn_gate_exps.weight  [personas, expert_width, width], ffn_up_exps the same,
 *     blk.L.ffn_down_exps.weight  [personas, width, expert_width]
 * where `personas` counts the experts of all personas. With personas 0 only the router and the slices
 * are there: the base that voices are trained on (voices.h). */
typedef struct builtin_bank {
    gguf *file;
    tensor_list tensors;
    char *path;
    int first, layers, personas, general, used, expert_width, width;
    char hash[65]; /* SHA-256 of the file */
} builtin_bank;

/* The SHA-256 of an experts file alone. */
int builtin_bank_hash(const char *path, char hex[65], error *err);
int builtin_bank_open(builtin_bank *b, const char *path, error *err);
void builtin_bank_close(builtin_bank *b); /* {0} ok */
/* The tensor "blk.LAYER.NAME.weight"; there, once the bank is open. */
const checkpoint_tensor *builtin_bank_tensor(const builtin_bank *b, int layer, const char *name);

#endif
