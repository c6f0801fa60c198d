/* statistics.h - what picks say about personas, and how much each model has written.
 *
 * A candidate is a persona, the control, or the merge. Only turns with a pick are counted, and
 * each candidate only where it could have been picked: it had an answer that did not fail (the
 * merge: a text) in a turn that was not undone. So a persona that sat out, or a merge that was
 * switched off, is not blamed for it. Blind picks, made before the names were shown, are counted
 * apart: they are the ones that say something about the answers alone.
 *
 * Intervals are Wilson's score intervals at 95 % (E. B. Wilson, "Probable inference, the law of
 * succession, and statistical inference", Journal of the American Statistical Association 22, 1927,
 * pages 209-212): right also for few picks, and for 0 of n and n of n.
 */
#ifndef TRANSCRIPTS_STATISTICS_H
#define TRANSCRIPTS_STATISTICS_H

#include "history.h"

typedef struct statistics_rate {
    size_t won, could; /* could: how often it could have been */
} statistics_rate;
/* Bounds of the share in 0..1 that gave `won` of `could`; 0 and 1 when could is 0. */
void statistics_interval(statistics_rate r, double *low, double *high);

typedef struct statistics_candidate {
    char *name; /* "merge" for the merge */
    statistics_rate open, blind;
} statistics_candidate;

typedef struct statistics_model {
    char *name, *fingerprint; /* name: the file's; of the transcript that was read last */
    size_t answers, tokens, loops, failures;
    double seconds; /* of writing tokens: tokens / seconds = mean tokens per second */
    size_t timed;   /* tokens that `seconds` is of */
} statistics_model;

typedef struct statistics {
    size_t transcripts, turns, picks, blind_picks;
    size_t damaged; /* lines */
    /* The vote: how often its winner (or the merge that repeats it) was picked. */
    statistics_rate vote;
    statistics_candidate *candidates; /* in order of appearance; statistics_sort: most wins first */
    size_t candidate_count, candidate_cap;
    statistics_model *models;
    size_t model_count, model_cap;
} statistics;

/* Adds one transcript; {0} is ready to use. -1 only without memory. */
int statistics_add(statistics *s, const history *h, error *err);
void statistics_sort(statistics *s);
void statistics_release(statistics *s);

#endif
