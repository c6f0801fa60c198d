/* sample.h - one row of logits to one token id: what the sampler asks a backend for.
 *
 * The row says everything that the choice depends on, so rows are independent, may be computed in any
 * order and by any thread, and a device that holds the logits can be given the same. The definition:
 *
 *   logit   = the row's, as double; penalised for ids in `repeats`; -inf where banned
 *   d       = (best - logit) / temperature           best = the largest logit; rounded twice
 *   weight  = exp(-d) in units of 2^-42, an integer; 0 from d = 30 on     sample_weight()
 *   order   = logit descending, id ascending
 *   kept    = the first top_k of the order, of these up to and with the one that reaches
 *             top_p * (their weight), of these what stands before the first below min_p
 *   id      = the one whose share of [0, weight of kept) holds random * 2^-53 * (weight of kept)
 *
 * Sums of integers have no order and no rounding: that is why a choice needs no sorted vocabulary and
 * is the same on every ISA level. temperature 0 takes the first of the order.
 */
#ifndef KERNELS_SAMPLE_H
#define KERNELS_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SAMPLE_WEIGHT_BITS = 42,
    SAMPLE_REACH = 30,               /* nats below the best: exp(-30) * 2^42 rounds to 0 */
    SAMPLE_MAX_CANDIDATES = 1 << 21, /* so that the sum of all weights stays below 2^63 */
};

typedef struct sample_repeat {
    int id; /* each at most once in a row's list, below candidates */
    uint32_t times;
} sample_repeat;

#define SAMPLE_ALL_FINITE SIZE_MAX

typedef enum sample_fault {
    SAMPLE_OK,
    SAMPLE_NOT_FINITE, /* a logit, banned or not, is NaN or +infinity */
    SAMPLE_NONE_LEFT,  /* every token is banned or at -infinity */
} sample_fault;

typedef struct sample_row {
    const float *logits;   /* [vocabulary], not changed */
    size_t candidates;     /* 1..SAMPLE_MAX_CANDIDATES; logits from here on are not looked at */
    const uint8_t *banned; /* [candidates] 1 = never, or NULL */
    const sample_repeat *repeats; /* [repeat_count] ids that the penalties are for */
    size_t repeat_count;
    double repeat_penalty;    /* CTRL: divides positive, multiplies negative logits, */
    double presence_penalty;  /* then this is subtracted */
    double frequency_penalty; /* and this for each time */
    double temperature, top_p, min_p;
    int top_k;         /* 0 = off */
    uint64_t random;   /* 53 bits */
    void *memory;      /* sample_memory_bytes(candidates), aligned to 64; the row's own */
    size_t vocabulary; /* 0, or the logits that `logprob` is over */

    sample_fault fault; /* out */
    size_t at;          /* out: the first token whose logit is not finite, */
    float bad;          /* and that logit */
    size_t broken;  /* out of op_sample(): the first of the whole row, -infinity too, that is not
                           finite; SAMPLE_ALL_FINITE */
    int id;         /* out */
    double logprob; /* out, when vocabulary is not 0: backend_logprob() of the id */
} sample_row;

size_t sample_memory_bytes(size_t candidates);

#ifdef __cplusplus
}
#endif
#endif
