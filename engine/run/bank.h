/* bank.h - adapters join the weights of a model, and leave them again.
 *
 * The experts of a layer are a list: the model's, then whole experts that adapters add or put in
 * place of one of the model's. Which of them a pass sees is its program's affair (layer_routing), so
 * joining changes nothing for anybody else. Places never move: an adapter that leaves in the middle
 * leaves holes, which go when all behind them have gone.
 *
 * Whole matrices and A stay where they are, in the adapter; rows of the router become f32 rows behind
 * each other, and B is copied transposed to f32, as the op wants it (backend.h).
 */
#ifndef ENGINE_BANK_H
#define ENGINE_BANK_H

#include "weights.h"

typedef struct loaded_adapter {
    placed_adapter placed; /* first: the pointer that callers hold */
    int references;
    uint64_t bytes;
    int layers_done;  /* of its layers, those that are in the bank */
    tensor **tensors; /* [tensor_count] all that it owns */
    int tensor_count;
} loaded_adapter;

/* Takes `file` over, on failure too; it must fit the model. One that says the same as one that is there
 * is counted as that one. Sessions may be open. NULL on failure, which leaves no trace. */
const placed_adapter *bank_add(weights *w, backend *b, adapter *file, error *err);
/* Undoes one bank_add. No program that names it may be alive after the last. */
void bank_remove(weights *w, const placed_adapter *placed);
void bank_release(weights *w); /* of all; before weights_release() */

#endif
