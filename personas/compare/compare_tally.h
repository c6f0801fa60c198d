/* compare_tally.h - what a set of questions says about each column, with how sure that is.
 *
 * A sample is one answer of one column. Shares (how many ended by themselves, what was recalled) have
 * Wilson's interval (transcripts/statistics.h). Means have the percentiles of resampled samples (B. Efron,
 * "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7, 1979, 1-26), drawn
 * by a seed, so that one record gives one report.
 */
#ifndef PERSONAS_COMPARE_TALLY_H
#define PERSONAS_COMPARE_TALLY_H

#include "compare_set.h"
#include "structure.h"

typedef struct compare_sample {
    pass_stop stop;
    int tokens, prompt_tokens, experts;
    double seconds, loss, foreign, kl; /* NAN = not known */
    double repeated; /* share of stretches of 4 tokens that stood in the answer before */
    structure built;
    int facts, found;
    uint64_t bytes;
    turn_text text;
    const char *failure; /* or NULL */
} compare_sample;

/* What one question brought: out [columns]; texts are kept in *memory. item NULL = none is known. */
int compare_sample_take(const compare_item *item, const compare_result *r, region *memory,
                        compare_sample *out, error *err);

typedef struct compare_share {
    int n, of;
    double low, high; /* in 0..1 */
} compare_share;

typedef struct compare_mean {
    int n;
    double value, low, high; /* NAN without a sample */
} compare_mean;

typedef struct compare_figures {
    int answers; /* all but those that failed */
    compare_share finished, loops, cut, failed, recall;
    compare_mean seconds; /* to finish: of those that did */
    compare_mean tokens, depth, links, repeated, loss, foreign, kl, experts;
    uint64_t bytes; /* the most of any */
} compare_figures;

/* Of column `column` of all samples [count][columns], those of `level` alone unless it is NULL. -1
 * only without memory. */
int compare_tally(const compare_set *set, const compare_sample *samples, int count, int columns,
                  int column, const char *level, compare_figures *out, error *err);

/* The levels of the first `count` items, each once, in order; returns how many. */
int compare_levels(const compare_set *set, int count, const char **out);

#endif
