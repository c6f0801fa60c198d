/* bank_view.h - where the parts of one routed expert lie in a checkpoint.
 *
 * An expert is four things: its row of the router, and the matrices gate, up and down. Files keep
 * them in three ways (one tensor an expert, all experts of a layer in one, gate and up fused); here
 * they are rows of bytes, whichever way it is. The checkpoint must have passed weights_check(): then
 * all of them are there, with the shapes that its configuration says.
 */
#ifndef ENGINE_BANK_VIEW_H
#define ENGINE_BANK_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "../formats/checkpoint.h"
#include "../formats/weight_names.h"

typedef enum bank_matrix {
    BANK_ROUTER, /* [1, width] */
    BANK_GATE,   /* [expert_width, width] */
    BANK_UP,     /* the same */
    BANK_DOWN,   /* [width, expert_width] */
    BANK_MATRICES,
} bank_matrix;

/* rows x cols elements, one row behind the other; data is the checkpoint's. */
typedef struct bank_rows {
    dtype type;
    size_t rows, cols;
    const uint8_t *data;
} bank_rows;

bank_rows bank_view(const checkpoint *c, int layer, int expert, bank_matrix m);

#endif
