/* adapter_place.h - where an engine put an adapter: the bridge from its data to a router program.
 *
 * An adapter (adapter.h) knows no backend, and a program (router.h) no weights. What both meet by is
 * a handful of numbers a layer: the place in the bank of experts where its first expert stands, the
 * column of the router logits where its first row does, and its updates as the ops take them. They
 * are made when an engine takes the adapter (engine_add_adapter()) and never move while it is there.
 */
#ifndef ENGINE_ADAPTER_PLACE_H
#define ENGINE_ADAPTER_PLACE_H

#include "../../kernels/backend.h"
#include "adapter.h"

/* One of the adapter's layers. Counts are those of its adapter_layer. */
typedef struct placed_layer {
    int place;       /* in the bank: the added experts, then the replaced ones */
    int score;       /* columns behind the model's: rows of the added, then the replaced rows */
    low_rank *loras; /* [lora_count], in the adapter's order */
} placed_layer;

typedef struct placed_adapter {
    adapter *file;
    placed_layer *layers; /* [file->layer_count] */
} placed_adapter;

#endif
