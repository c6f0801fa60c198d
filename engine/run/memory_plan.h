/* memory_plan.h - what a model takes of a GPU's memory, known before anything is loaded.
 *
 * Weights lie there as the file has them, norms, biases and routers as f32; of the routed experts only
 * those that some program may call (backend.h: expert_bank_need). Each pass has pages of keys and values
 * for its whole context. The rest is what one batch works with: the activations of forward.c, and the
 * copies and lists that the kernels of a GPU keep (kernels/cuda). All of it follows from shapes alone, so
 * a plan can be made on a machine without a GPU, and a model that does not fit is refused with what would.
 *
 * Invariant: a plan is no less than what is taken, and little more (tests/test_cuda_memory.c). What the
 * driver itself takes is not in it: MEMORY_USABLE of a card is counted on.
 */
#ifndef ENGINE_MEMORY_PLAN_H
#define ENGINE_MEMORY_PLAN_H

#include "../routing/router.h"
#include "weights.h"

/* The share of a card's memory that a program is counted on to get. */
#define MEMORY_USABLE 0.95

typedef struct memory_ask {
    const model_config *config;
    const weights *weights; /* measured or loaded */
    int passes, context;
    dtype kv;
    int max_rows, slots; /* rows of a batch; experts of a row at most */
    /* Whose experts are loaded; 0 programs = all experts. Their weights must be loaded, on the CPU too. */
    const router_program *const *programs;
    int program_count;
} memory_ask;

typedef struct memory_plan {
    uint64_t dense;   /* weights that every token reads, the embedding and routers */
    uint64_t experts; /* routed experts that may be called */
    uint64_t pages;   /* keys and values of all passes */
    uint64_t work;    /* of a batch */
} memory_plan;

memory_plan memory_plan_of(const memory_ask *ask);
uint64_t memory_plan_total(const memory_plan *p);

/* What would fit into `room` bytes where the plan does not, each alone; 0, false or DTYPE_COUNT = that does
 * not help. */
typedef struct memory_fit {
    int context;     /* the most tokens a pass can have */
    bool q8_0;       /* keys and values in Q8_0, the rest as asked */
    dtype type;      /* the widest of Q8_0, Q6_K .. Q2_K that all matrices could have */
    uint64_t weight; /* bytes of all weights in that type */
    int experts;     /* experts that keep-masks may allow in each layer, all programs together */
} memory_fit;
memory_fit memory_fit_of(const memory_ask *ask, uint64_t room);

/* "a context of 4096 tokens, weights in Q4_K (3.9 GiB), ..." into text [size]; "" when nothing alone would
 * do. */
void memory_fit_text(const memory_fit *fit, const memory_ask *ask, char *text, size_t size);

/* -1 with ERROR_LOAD when the plan does not fit `room`: what it takes, what there is ("%.2f are free": the
 * words behind the number are room_is), what would fit. */
int memory_check(const memory_ask *ask, uint64_t room, const char *room_is, error *err);

#endif
