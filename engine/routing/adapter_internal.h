/* adapter_internal.h - what the readers and writers of adapter.h share, and nobody else.
 *
 * The adapter_add_* are adapter_put_* without a copy: the data lies in the adapter's file or memory.
 */
#ifndef ENGINE_ADAPTER_INTERNAL_H
#define ENGINE_ADAPTER_INTERNAL_H

#include "adapter.h"

const char *expert_matrix_name(expert_matrix m); /* "gate", "up", "down" */

/* The next added expert of a layer; its row is in what adapter_add_rows() gives. */
int adapter_add_expert(adapter *a, int layer, const adapter_tensor matrix[EXPERT_MATRICES],
                       error *err);
/* The router rows [n, width] of all added experts of a layer. */
int adapter_add_rows(adapter *a, int layer, const adapter_tensor *rows, error *err);
int adapter_add_replaced(adapter *a, int layer, int expert, expert_matrix matrix,
                         const adapter_tensor *t, error *err);
int adapter_add_row(adapter *a, int layer, const adapter_row *row, error *err);
int adapter_add_lora(adapter *a, int layer, const adapter_lora *lora, error *err);

/* Where a tensor of F32, F16 or BF16 has its first value that is no weight, as row * cols + column, or -1;
 * *value is that one. Its text: "not finite", or how far it is beyond ADAPTER_LARGEST. */
enum { ADAPTER_WILD_TEXT = 80 };
int64_t adapter_wild(const adapter_tensor *t, float *value);
const char *adapter_wild_text(float value, char out[ADAPTER_WILD_TEXT]);

/* A matrix of F32, F16 or BF16 wherever its elements lie: (i, j) at element `at + i * row + j * col`. */
typedef struct matrix_view {
    const void *data;
    dtype type;
    size_t at, row, col;
} matrix_view;

/* The update of one matrix of one expert from views of A [rank, in] and B [out, rank]. Formats that keep
 * all experts of a layer in one tensor fill it with zeros where nothing was learned: ranks whose
 * column of B is zero are left out, and nothing is added when all are. */
int adapter_add_update(adapter *a, int layer, const adapter_lora *shape, matrix_view va,
                       matrix_view vb, error *err);

#endif
