/* builtin_slices.h - a dense feed-forward block is cut: what goes into slices, and what is left.
 *
 * The list of neurons comes with the experts (builtin_source.h). Rows of gate and up move as they are;
 * down's columns are the neurons, and a column does not lie on the borders of quantised blocks, so what is left of
 * down is written anew in Q8_0, finer than any base it comes from. So are the slices, and with them, since they
 * share a tensor, the personas' experts.
 */
#ifndef PERSONAS_BUILTIN_SLICES_H
#define PERSONAS_BUILTIN_SLICES_H

#include "../../engine/formats/gguf_writer.h"
#include "builtin_source.h"

#define SLICES_TYPE DTYPE_Q8_0

/* A dense matrix and the neurons that leave it. Borrowed. */
typedef struct sliced {
    checkpoint_tensor dense; /* gate or up [ffn, width], down [width, ffn] */
    const float *neurons;    /* [slices, each], whole numbers below ffn, none twice */
    int slices, each;
} sliced;

/* ERROR_LOAD naming `path` and the layer when the numbers are not of ffn neurons, or one stands twice. */
int slices_check(const sliced *s, int layer, int ffn, const char *path, error *err);

/* What is left of gate or up: rows of the dense matrix, as they are. */
int slices_put_rest_rows(const sliced *s, gguf_writer *w, error *err);
/* What is left of down, times `factor`, in SLICES_TYPE. */
int slices_put_rest_columns(const sliced *s, float factor, gguf_writer *w, error *err);
/* The slices [slices, each, width] of gate or up. */
int slices_put_rows(const sliced *s, gguf_writer *w, error *err);
/* The slices [slices, width, each] of down, times `factor`. */
int slices_put_columns(const sliced *s, float factor, gguf_writer *w, error *err);
/* All of `t`, rows of its last dimension, in SLICES_TYPE. */
int slices_put_tensor(const checkpoint_tensor *t, gguf_writer *w, error *err);

#endif
