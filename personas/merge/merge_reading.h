/* merge_reading.h - what a vote goes by: readings, what they say of each answer, and the rule.
 *
 * All judges read all answers, and the plain model reads each answer with the question behind it,
 * nothing before: from one batch come how likely every pass finds an answer (scores), how likely the
 * plain model finds the same words without any question (plain), and how well they foretell it
 * (question). What of it is counted is a figure against the other answers of the same council: each
 * feature is centred over the answers that can win, so nothing is said of the question itself.
 *
 * Two rules turn readings into marks. A verifier (verifier.h) is a weighted sum of the features, learned
 * for this model. Without one a mark is how well the answer foretells the question when two other
 * questions stand between them (framed), in standard deviations over the answers; a spread below a
 * twentieth of a nat is noise. Likelihood itself has no part in it: what is cheap to predict, as code
 * is, wins nothing by that, nor does a form behind which a question is usual.
 */
#ifndef PERSONAS_MERGE_READING_H
#define PERSONAS_MERGE_READING_H

#include "merge_state.h"
#include "vote_features.h"

/* What was read; NaN where nothing was. vote_readings_release(); {0} ok. */
typedef struct vote_readings {
    int passes;
    vote_budget budget;
    double *scores;         /* [judge][answer] mean ln p of the answer's beginning */
    double *worst, *spread; /* the same, of its tokens' ln p */
    double *plain;          /* [answer] mean ln p of the same tokens without a question */
    double *question;       /* [answer] of the question, behind the answer's beginning */
    int *lengths;           /* [answer] tokens */
} vote_readings;
/* Reads them all in common batches: VOTE_BY_FIT for vote_marks(), VOTE_BY_FEATURES for vote_features(),
 * VOTE_BY_PEERS for scores. ERROR_CANCELLED. */
int vote_read(const merging *m, const merge_candidate *candidates, vote_use use, vote_readings *out,
              error *err);
/* Mean ln p of an answer's token by the other passes; where there is no other, by its own. */
double vote_peers(const vote_readings *r, int answer);
void vote_readings_release(vote_readings *r);

/* out [passes, VOTE_FEATURES]; 0 of answers that cannot win. */
int vote_features(const merging *m, const merge_candidate *candidates, const vote_readings *r,
                  double *out, error *err);
/* Marks by the rule without a verifier: [passes], higher is better. */
void vote_marks(const merge_candidate *candidates, const vote_readings *r, double *marks);
/* Reads a round and describes its answers, for who learns from them: out [passes, VOTE_FEATURES], barred
 * [passes]. */
int vote_describe(council *c, const council_round *round, double *out, bool *barred, error *err);

#endif
