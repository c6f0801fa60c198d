/* tensor_entry.h - one named tensor of a model's file, as both formats describe it.
 *
 * Whoever hands one out has checked it: `bytes` is what type and shape ask for, and they lie inside
 * the mapping.
 */
#ifndef ENGINE_TENSOR_ENTRY_H
#define ENGINE_TENSOR_ENTRY_H

#include <stdint.h>

#include "../../kernels/quant.h"

typedef struct checkpoint_tensor {
    const char *name;  /* borrowed */
    dtype type;        /* DTYPE_COUNT = a type that we do not read: refuse by type_name if needed */
    int dims;          /* 0..4 */
    uint64_t shape[4]; /* row-major order: shape[dims-1] is contiguous (GGUF's ne[] reversed) */
    const void *data;  /* borrowed until checkpoint_close; may be unaligned */
    uint64_t bytes;
    const char *type_name; /* static; as the format calls it: "Q4_K", "F8_E4M3" */
} checkpoint_tensor;

#endif
