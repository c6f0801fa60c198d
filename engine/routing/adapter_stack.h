/* adapter_stack.h - the updates of a layer's experts as one pair of tensors.
 *
 * PEFT and GGUF keep all experts of a layer in one tensor for A and one for B, of one rank: experts
 * that have a smaller one, or no update, are filled up with zeros.
 */
#ifndef ENGINE_ADAPTER_STACK_H
#define ENGINE_ADAPTER_STACK_H

#include "adapter_internal.h"

/* Gate and up of ADAPTER_PEFT are one matrix [2 * ffn, width] with one A: where an expert's gate and
 * up have the same A, it is that; else both stand one below the other, and B is zero where they do
 * not meet. */
typedef struct adapter_stack {
    int experts, rank, in, out;
    dtype type;  /* of all, when they are of one; else F32 */
    float scale; /* of all */
    float *a;    /* [experts, rank, in] */
    float *b;    /* [experts, out, rank] */
} adapter_stack;

/* The updates of matrices first .. last (both GATE and UP, or one) of a layer for `experts` experts. rank
 * 0 = there is none. least: the smallest rank to fill up to. Caller releases, after a failure too.
 * ERROR_USAGE "PATH: ..." for several scales. */
int adapter_stack_make(adapter_stack *s, const adapter *a, const adapter_layer *l,
                       expert_matrix first, expert_matrix last, int experts, int least, error *err);
void adapter_stack_release(adapter_stack *s); /* {0} ok */

/* The rank that a stack of these would have; 0 = no updates. */
int adapter_stack_rank(const adapter_layer *l, expert_matrix first, expert_matrix last);

/* ERROR_USAGE when it brings anything but updates: `format` names who cannot say it. */
int adapter_updates_alone(const adapter *a, const char *format, error *err);

#endif
