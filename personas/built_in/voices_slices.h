/* voices_slices.h - the general experts: slices of the dense feed-forward block.
 *
 * A trained feed-forward block is sparse in use: of its neurons (rows of gate and up, columns of down)
 * some say little most of the time, and those that say much at one token tend to do so together
 * (MoEfication, Zhang et al. 2022; LLaMA-MoE, Zhu et al. 2024). Here the neurons that say least are cut
 * out of the block and tied into slices by what they do together; a slice is an expert, what is left
 * of the block is the shared expert. With all slices called the sum is the dense block again, up to
 * rounding; with fewer, those stay out that have least to say, as far as a linear router can tell.
 *
 * What a neuron says at a token is z_j |d_j|: its activation times the length of its column of down, as a
 * share of what all say there; else a few loud tokens would decide every choice. A
 * router's row foretells by ridge regression (ridge.h) what its slice says. The rows are made small,
 * since only their order chooses: every slice's gate is then near one in `slices`, and its
 * column of down, times `slices`, brings it back (builtin.h).
 *
 * Plain arithmetic and the products of one library (gemm.h) in one order: the same bytes on one ISA
 * level.
 */
#ifndef PERSONAS_VOICES_SLICES_H
#define PERSONAS_VOICES_SLICES_H

#include "../../engine/train/gemm.h"

/* One layer's dense block, and what it read. Borrowed. */
typedef struct slice_source {
    const float *gate, *up; /* [ffn, width] */
    const float *down;      /* [width, ffn] */
    const float *x;         /* [n, width] what the block read of n tokens */
    int ffn, width, n;
} slice_source;

/* neurons [slices, each]: numbers of neurons, ascending in every slice. rows [slices, width]: the
 * router's. slices * each is at most ffn; n at least 1. ERROR_RUN as ridge_solve(). */
int voices_slice(const gemm *g, const slice_source *s, int slices, int each, int *neurons,
                 float *rows, error *err);

#endif
