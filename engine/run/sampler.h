/* sampler.h - logits to one token id, replayable.
 *
 * No generator state: the random number for a step is a function of (seed, name, position), so a
 * pass draws the same numbers alone, in lockstep, in any column, and again on replay. Order of the
 * filters: penalties, temperature, top-k, top-p, min-p, then the draw. Candidates are ranked by
 * (logit descending, id ascending) and their weights are integers, so ties are fixed and sums have
 * no rounding. A NaN or +Inf logit is an error, not a token.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/backend.h"

typedef struct sampling {
    double temperature;       /* 0 = greedy */
    double top_p;             /* 1 = off; (0, 1] */
    double min_p;             /* 0 = off */
    int top_k;                /* 0 = off */
    double repeat_penalty;    /* 1 = off: divides positive, multiplies negative logits (CTRL) */
    double presence_penalty;  /* 0 = off: subtracted once for a token already generated */
    double frequency_penalty; /* 0 = off: subtracted for each time */
    uint64_t seed;            /* 0..2^53-1 */
} sampling;

/* Its fields but the seed, by the names that files have for them; the i-th is bit 1 << i where a set
 * of fields is one number. */
typedef struct sampling_field {
    const char *name; /* "top_p" */
    size_t at;        /* in a struct sampling */
    bool whole;       /* an int there, else a double */
} sampling_field;
enum { SAMPLING_FIELDS = 7 };
extern const sampling_field sampling_fields[SAMPLING_FIELDS];
double sampling_get(const sampling *s, const sampling_field *f);
void sampling_put(sampling *s, const sampling_field *f, double value);

/* The defaults: temperature 0.7, top_p 0.95, everything else off. */
sampling sampling_defaults(void);
/* ERROR_USAGE naming the field that is out of range. */
int sampling_check(const sampling *s, error *err);

typedef struct sampler sampler;

/* b chooses and outlives the sampler. candidates: logits from this id on are never looked at (rows of
 * padding). name keys the random numbers and is copied. Caller owns. Everything is allocated here; a
 * pick allocates nothing. ERROR_USAGE as sampling_check. */
sampler *sampler_open(backend *b, const sampling *s, const char *name, int candidates, error *err);
void sampler_close(sampler *s); /* NULL ok */
/* Another seed (0..2^53-1) for the picks to come. */
void sampler_reseed(sampler *s, uint64_t seed);

/* The next token for a pass whose generated tokens so far are history[0..n) (penalties see only
 * these), to stand at absolute `position`. `banned` (may be NULL) is [candidates], 1 = never.
 * ERROR_RUN for logits that hold NaN or +Inf, or when no token is left. Returns 0 and *id. logits
 * are not changed. */
int sampler_pick(sampler *s, const float *logits, const int *history, size_t n, uint64_t position,
                 const uint8_t *banned, int *id, error *err);

/* The same in two halves, so that several passes' rows are chosen in one backend_sample(): the row,
 * which borrows all that it is given and the sampler, until its next row; and what came of it. */
sample_row sampler_row(sampler *s, const float *logits, const int *history, size_t n,
                       uint64_t position, const uint8_t *banned);
int sampler_result(const sample_row *row, int *id, error *err);

/* Uniform in [0, 1) with 53 bits from (seed, hash of name, position, draw): Philox 4x32-10
 * (Salmon et al., 2011). Exposed for tests and for merges that need random numbers. */
double keyed_uniform(uint64_t seed, const char *name, uint64_t position, uint32_t draw);

#endif
