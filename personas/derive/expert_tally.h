/* expert_tally.h - what a model's experts did while voices were read.
 *
 * A source is one voice: a persona's lessons, or its texts. What was read of it is dealt out to
 * TALLY_READ blocks, sample by sample, so that any half of what was read can be looked at by
 * itself; what the model wrote (spoken.h) lies in two more, one a half. Of each layer, expert, source
 * and block three sums are kept:
 *
 *     calls    tokens that chose the expert
 *     gates    sum of its gates
 *     mass     sum of gate * norm of its output: what it added to the residual stream
 *
 * (REAP, arXiv 2510.13999, ranks experts by the mean of that product; arXiv 2606.15716 finds that a
 * task's experts are told by frequency and gate together, which a sum is.) An expert whose every
 * output was zero is nil: it has no mass and counts nowhere. Of each expert the largest single value
 * is kept, too: a few "super experts" put out values far beyond all others, and a model without them
 * falls to pieces (arXiv 2507.23279).
 *
 * One allocation, of at most TALLY_BYTES.
 */
#ifndef PERSONAS_EXPERT_TALLY_H
#define PERSONAS_EXPERT_TALLY_H

#include "../../engine/run/engine.h"

enum { TALLY_READ = 16, TALLY_BLOCKS = TALLY_READ + 2, TALLY_BYTES = 64 << 20 };

/* A set of blocks: bit b stands for block b. Samples with an even number lie in the first half. */
typedef uint32_t block_set;
enum {
    BLOCKS_FIRST = 0x00ff,
    BLOCKS_SECOND = 0xff00,
    BLOCKS_ALL = 0xffff, /* of what was read */
    BLOCKS_SPOKEN = 0x30000,
};

typedef struct expert_tally expert_tally;

size_t tally_bytes(int layers, int experts, int sources);
/* Caller owns. ERROR_USAGE when so many sources would not fit into TALLY_BYTES. */
expert_tally *tally_open(const model_config *m, int sources, error *err);
void tally_close(expert_tally *s); /* NULL ok */

/* The block of a source's i-th sample, and of what was written behind its beginning: in one half. */
int tally_block(size_t i);
int tally_spoken_block(size_t i);
/* Adds one token in one layer, from engine_trace_outputs(). */
void tally_add(expert_tally *s, int source, int block, const route_trace *t);

typedef struct expert_sums {
    double calls, gates, mass;
} expert_sums;
/* out [experts]: the sums of one layer over a set of blocks. */
void tally_sums(const expert_tally *s, int source, block_set blocks, int layer, expert_sums *out);

/* How much of a source's mass lies with the same experts in two sets of blocks: the sum of the
 * smaller shares, [0, 1], mean over the layers where both have some; 0 when none has. ERROR_RUN without
 * memory. */
int tally_alike(const expert_tally *s, int source, block_set a, block_set b, double *alike,
                error *err);

/* The largest magnitude that the expert put out; 0 when it was not called or is nil. */
float tally_peak(const expert_tally *s, int layer, int expert);
/* How many experts of a layer were called, and how many of these are nil. */
void tally_called(const expert_tally *s, int layer, int *called, int *nil);
/* Marks super experts: named [layers * experts]; returns how many. One is among the topmost 0.5 % of
 * peaks, above a tenth of the largest (both from arXiv 2507.23279), and above ten times its
 * layer's median, so that a model without any has none. */
int tally_super(const expert_tally *s, uint8_t *named);

#endif
