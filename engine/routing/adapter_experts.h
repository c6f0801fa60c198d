/* adapter_experts.h - routed experts that a persona brings along in a file.
 *
 * The file is safetensors, F32, F16 or BF16, at most 5 MiB, with the names that transformers gives a
 * qwen2_moe model. For each layer L that it has something for, and n experts in each of them:
 *
 *     model.layers.L.mlp.gate.weight                  [n, width]    their rows of the router
 *     model.layers.L.mlp.experts.E.gate_proj.weight   [ffn, width]  E = 0 .. n-1
 *     model.layers.L.mlp.experts.E.up_proj.weight     [ffn, width]
 *     model.layers.L.mlp.experts.E.down_proj.weight   [width, ffn]
 *
 * n is the same in every layer; ffn is the expert's own affair. Nothing else may be in the file.
 *
 * They stand behind the model's experts: with 32 in the model, expert E of the file is expert 32 + E
 * to the persona's masks and rules, whoever else is loaded. Its program may call them wherever its
 * mask does not say otherwise; to every other program they do not exist: not chosen, not in a sum,
 * not counted as banned. So the plain model stays the plain model, bit for bit.
 *
 * The bytes are read into memory, not mapped, so that what was checked is what runs.
 */
#ifndef ENGINE_ADAPTER_EXPERTS_H
#define ENGINE_ADAPTER_EXPERTS_H

#include <stdbool.h>

#include "../formats/checkpoint.h"

enum { ADAPTER_EXPERTS_BYTES = 5 << 20 };

typedef struct adapter_experts adapter_experts;

typedef enum adapter_part { ADAPTER_ROUTER, ADAPTER_GATE, ADAPTER_UP, ADAPTER_DOWN } adapter_part;

/* Reads a file and checks all that can be known without a model: names, types, shapes among each
 * other, finite values. Caller owns. ERROR_LOAD with file, tensor and offset. */
adapter_experts *adapter_experts_open(const char *path, error *err);
void adapter_experts_close(adapter_experts *o); /* NULL ok */

/* Whether these experts fit into this model: ERROR_LOAD with file and tensor when a layer has no
 * experts or the width is another. */
int adapter_experts_fit(const adapter_experts *o, const model_config *model, error *err);

int adapter_experts_count(const adapter_experts *o);          /* in each layer that has some */
bool adapter_experts_in(const adapter_experts *o, int layer); /* whether this layer has some */
bool adapter_experts_same(const adapter_experts *a, const adapter_experts *b); /* equal bytes */
uint64_t adapter_experts_hash(const adapter_experts *o);                       /* of all bytes */
uint64_t adapter_experts_size(const adapter_experts *o); /* bytes of the file */

/* A tensor of a layer that has some; expert is not looked at for ADAPTER_ROUTER. Borrowed. */
checkpoint_tensor adapter_experts_tensor(const adapter_experts *o, adapter_part part, int layer,
                                         int expert);

/* Where the engine put them: behind the model's experts and this many of other files. Set once, by
 * engine_add_adapter(). */
int adapter_experts_place(const adapter_experts *o, int layer);
void adapter_experts_set_place(adapter_experts *o, int layer, int place);

#endif
