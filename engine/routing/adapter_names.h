/* adapter_names.h - what a tensor of a safetensors adapter is, told from its name.
 *
 * Read are the names of one's own files, of PEFT and of vLLM, for every spelling of a layer's experts
 * that transformers has had; D and E are numbers without leading zeros:
 *
 *     [base_model.model.][model.]layers.L.  mlp. | block_sparse_moe.
 *       gate.weight                                     router            NAME_ROUTER
 *       experts.E.gate_proj|up_proj|down_proj.weight    (also w1, w3, w2) NAME_WHOLE
 *       experts.E. ... .lora_A.weight | .lora_B.weight                    NAME_LORA_A, _B
 *       experts.E. ... .lora_scale                                        NAME_SCALE
 *       experts.[base_layer.]lora_A.weight | lora_B.weight                NAME_FUSED_A, _B
 *       input_linear | output_linear.lora_A.weight | lora_B.weight        NAME_FUSED_A, _B
 *     replaced.layers.L.mlp.
 *       gate.E.weight                                                     NAME_ROW
 *       experts.E.gate_proj|up_proj|down_proj.weight                      NAME_REPLACED
 */
#ifndef ENGINE_ADAPTER_NAMES_H
#define ENGINE_ADAPTER_NAMES_H

#include <stdbool.h>

#include "adapter.h"

typedef enum name_kind {
    NAME_ROUTER,
    NAME_WHOLE,
    NAME_LORA_A,
    NAME_LORA_B,
    NAME_SCALE,
    NAME_FUSED_A,
    NAME_FUSED_B,
    NAME_ROW,
    NAME_REPLACED,
} name_kind;

/* The parameter [experts, rows, cols] that a fused update is of. INNER and OUTER: PEFT wraps one of a
 * module's targeted parameters in the next, and names neither. */
typedef enum fused_part {
    FUSED_INNER,
    FUSED_OUTER,
    FUSED_GATE_UP,
    FUSED_DOWN,
    FUSED_PARTS
} fused_part;

typedef struct adapter_name {
    name_kind kind;
    int layer, expert;
    expert_matrix matrix;
    fused_part part; /* of a fused name */
    bool prefix;     /* with base_model.model. */
    bool sparse;     /* block_sparse_moe */
} adapter_name;

/* False for a name of anything else. */
bool adapter_name_read(const char *text, adapter_name *out);

enum { ADAPTER_NAME_SIZE = 128 };
/* The name in one's own files. */
void adapter_name_write(const adapter_name *n, char out[ADAPTER_NAME_SIZE]);

#endif
