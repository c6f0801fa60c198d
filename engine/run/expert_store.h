/* expert_store.h - routed experts that do not all fit in memory, read from their file as they are called.
 *
 * A mapped file that is larger than memory is read by page faults: one page at a time, by the thread that
 * computes, throwing out pages that the next layer needs. Here a pool of equal slots, each with room for
 * one expert, is filled by explicit reads instead:
 *
 *   op_experts names its experts (backend.h, expert_source) -> those in the pool are computed, while a
 *   few reader threads fetch the others, each once for all rows of the batch, into slots of the experts
 *   of that layer that were called longest ago.
 *
 * Every layer with experts is owed an equal share of the slots. One that needs fewer (a mask allows no
 * more) leaves the rest to the others, and gets them back when it calls more. Reads go past the page
 * cache, which would keep a second copy of each expert at the cost of the dense weights, but take
 * what it holds already.
 *
 * The model's own tensors stay mapped for whoever looks at a weight; only the banks point into the
 * pool. What adapters bring is never read here. Answers have the bytes that they have without a store.
 *
 * Invariant: a place is held only between two calls of the same op, so between ops every slot may go.
 */
#ifndef ENGINE_EXPERT_STORE_H
#define ENGINE_EXPERT_STORE_H

#include "../formats/checkpoint.h"
#include "weights.h"

typedef struct expert_store expert_store;

typedef struct expert_store_figures {
    uint64_t bytes;        /* of the slots that may be used */
    uint64_t slots, total; /* of those, and of all experts of the model */
    uint64_t calls, reads; /* experts that ops named, and those of them that were read */
    uint64_t read_bytes;
    double waited; /* seconds in which a thread that computes had to wait, of all threads */
} expert_store_figures;

/* Bytes of one slot for this model. */
uint64_t expert_store_slot_bytes(const weights *w);
/* The least that a store works with: four experts, two of which are read while two are computed. */
uint64_t expert_store_least(const weights *w);

/* Takes over the banks of w (of which there is at least one), with a pool of at most `bytes`. w, c and b
 * are borrowed. Caller owns; closed before w is released, and no op runs after it. */
expert_store *expert_store_open(weights *w, const checkpoint *c, backend *b, uint64_t bytes,
                                error *err);
void expert_store_close(expert_store *s); /* NULL ok */

/* Gives the pool another size, between two ops; at least expert_store_least(). Memory of slots that go
 * is given back at once. */
void expert_store_resize(expert_store *s, uint64_t bytes);
void expert_store_figures_of(const expert_store *s, expert_store_figures *out);

#endif
