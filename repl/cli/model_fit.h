/* model_fit.h - how fast a model would run here, from a short measurement and a count of bytes.
 *
 * A step multiplies each dense matrix with one row for each pass, and each expert that is called with the
 * rows that called it. How many bytes of weights a second this machine multiplies is measured, for each
 * weight type and number of rows, on a matrix far larger than its caches; a step's time is the bytes of
 * each type over its rate, plus FIT_DEPTH keys and values over the rate of plain reads, plus 50
 * microseconds a layer. n passes call
 *
 *     E (1 - (1 - k/E)^n)                     distinct ones of E experts
 *
 * when they choose apart from each other, the worst case. Experts that do not fit in memory are read at the
 * rate of the disk, while those that are there are multiplied: the longer of the two counts.
 *
 * Types that the model is not in are counted as if all its matrices were.
 */
#ifndef REPL_MODEL_FIT_H
#define REPL_MODEL_FIT_H

#include "../../engine/run/engine.h"

enum { FIT_PASSES = 8, FIT_VARIANTS = 12, FIT_DEPTH = 512 };

/* What this machine does, in bytes a second; 0 = not measured. */
typedef struct fit_rates {
    double products[DTYPE_COUNT][FIT_PASSES + 1]; /* of weights of a type, with so many rows */
    double memory, disk;
} fit_rates;

/* The model as it is, or in another type. */
typedef struct fit_variant {
    bool own;
    dtype type;                                                   /* of most of its bytes */
    uint64_t dense[DTYPE_COUNT], experts[DTYPE_COUNT], embedding; /* bytes, all layers */
    uint64_t file;                                                /* of all weights */
} fit_variant;

typedef struct fit_question {
    const fit_variant *variant;
    int passes, experts, context; /* experts: k */
    uint64_t memory;              /* bytes that may be taken; 0 = no bound */
    dtype kv;
    double may; /* share of the experts that somebody may call */
} fit_question;

typedef struct fit_answer {
    bool fits;       /* all that may be called */
    uint64_t needed; /* bytes, if so */
    double step;     /* seconds, each pass gains a token; 0 = it cannot run at all */
    double reading;  /* of them, seconds of reading experts from the disk */
} fit_answer;

/* Fills variants [at most FIT_VARIANTS]: the model as it is, then smaller types. Returns how many. */
int fit_variants(const engine *e, fit_variant *out);
/* Measures what the variants need, for 1 and `passes` rows; fractions of a second for each type. disk:
 * how fast its own file is read, too. */
int fit_measure(engine *e, const fit_variant *variants, int count, int passes, bool disk,
                fit_rates *out, error *err);
fit_answer fit_predict(const engine *e, const fit_rates *r, const fit_question *q);

#endif
