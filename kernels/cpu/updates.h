/* updates.h - low-rank updates of the experts that a batch calls: y += B (scale * A x).
 *
 * moe.c sorts the (row, slot) pairs of a batch by expert; here stands, beside each pair, what the
 * row's program changes of that expert. A x is worked out once for each pair and kept, since every
 * cell of a region needs it; B is then added to as many outputs as the cell has. Both are defined
 * output by output (backend.h), so neither the cells nor the company of a row can change a byte.
 *
 * A batch of programs without updates is told apart by one look at each row: `of` is NULL then, and
 * nothing here is called.
 */
#ifndef CPU_UPDATES_H
#define CPU_UPDATES_H

#include "cpu_state.h"

typedef struct pair_updates {
    const expert_update **of; /* [pairs] NULL = the pair has none; of NULL = no pair has any */
    float *inner;             /* [pairs, stride] scale * A x: of gate, then up, then down */
    size_t stride;
} pair_updates;

typedef enum update_part { UPDATE_GATE, UPDATE_UP, UPDATE_DOWN } update_part;

/* Room for the pairs of rows [0, n) of the batch, if one of them has updates in `layer`. false: no
 * memory, and the failure is recorded. */
bool updates_open(pair_updates *u, cpu_backend *cpu, const routes *chosen, int layer, int n);

/* What routing[layer] of a batch row changes of the expert that it sees as `seen`. */
const expert_update *update_of(const cpu_backend *cpu, int layer, int row, int32_t seen);

/* Works out `inner` of all pairs. x: f32 rows, that of pair p at x + row[p] * stride floats, or
 * x + p * stride when row is NULL. For gate and up together, or for down. */
void updates_project(const pair_updates *u, cpu_backend *cpu, const float *x, size_t stride,
                     const int *row, int pairs, bool down);

/* y[0..n) += the update's outputs first .. first + n - 1 of one pair that has one. */
void updates_add(const pair_updates *u, const dot_kernels *dots, size_t pair, update_part part,
                 size_t first, float *y, size_t n);

#endif
