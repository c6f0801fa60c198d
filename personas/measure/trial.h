/* trial.h - does a router program do what it is for? A verdict with its interval.
 *
 * A program is for its own texts: it should make them likelier than it makes others, or at least
 * cost them less. The gap is how much more it gains on its own texts than on the others (without
 * others: what it gains on its own):
 *
 *     gain(texts) = loss under control - loss under the program         nats a token
 *     gap         = gain(own) - gain(other)
 *
 * A program of any kind changes losses a little, so chance has its say: MEASURE_NULL random programs of
 * the same size (measure_random_program) give the gaps of "the null". The verdict:
 *
 *     harms      own texts lose more than TRIAL_HARM nats a token and more than under 95 % of the null,
 *                or more than TRIAL_BREAKS whatever others do; the interval as a whole
 *     acts       the gap's interval lies above 0, and the gap above 95 % of the null
 *     no effect  anything else
 */
#ifndef PERSONAS_TRIAL_H
#define PERSONAS_TRIAL_H

#include "../../engine/base/buf.h"
#include "measure.h"

#define TRIAL_HARM   0.05 /* nats a token: five per cent of perplexity */
#define TRIAL_BREAKS 0.25 /* more than a quarter */

typedef enum trial_verdict { TRIAL_NO_EFFECT, TRIAL_ACTS, TRIAL_HARMS } trial_verdict;
extern const char *const trial_verdicts[3]; /* "no effect", "acts", "harms" */

typedef struct trial {
    bool others;            /* there are texts of others */
    measure_interval own;   /* gain */
    measure_interval other; /* gain; 0 without others */
    measure_interval gap;
    double null[MEASURE_NULL]; /* gaps of random programs, ascending */
    int null_count;            /* 0: there is nothing in the program to deal out */
    double null_median, null_p95;
    double null_own_p05; /* of their gains on its own texts, what 95 % lie above */
    trial_verdict verdict;
} trial;

/* own, other: what control (.a) and the program p (.b) lost there; other may be NULL. Random programs
 * are measured here, on all samples of both. progress (may be NULL) counts tokens. The same seed, the
 * same verdict. ERROR_CANCELLED. */
int trial_judge(engine *e, const router_program *p, const measure_pair *own,
                const measure_pair *other, uint64_t seed, trial *out, progress_fn *progress,
                void *user, error *err);

/* Appends the verdict as one sentence: "acts: its own texts gain 0.810 nats a token more than
 * the others do [0.740, 0.880]; of 20 random programs of its size 95 % stay below 0.050". No full stop, no newline. */
int trial_sentence(const trial *t, buf *out, error *err);

#endif
