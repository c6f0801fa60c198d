/* schedule.h - which samples a step learns from, and how fast: functions of the seed and the step.
 *
 * An epoch is one pass over all samples that are learned. It sorts them by length, with some noise, cuts
 * the row into batches of like length (their prompts are then computed once, and no row waits for a
 * longer one), and shuffles the batches. In the last part of a run a share of the lessons comes in a
 * variant that says a sentence twice (samples.h).
 *
 * Nothing is kept from step to step: step 57 can be made without the 56 before it, so a run that
 * is resumed goes on as if it had not stopped.
 */
#ifndef PERSONAS_SCHEDULE_H
#define PERSONAS_SCHEDULE_H

#include "samples.h"

typedef struct schedule_options {
    int batch;          /* samples a step */
    int steps;          /* in all */
    double repeat;      /* share of lessons that say something twice, from repeat_from on */
    double repeat_from; /* share of the steps; [0, 1] */
    uint64_t seed;
} schedule_options;

typedef struct schedule schedule;

/* s must outlive it, and stay as it is. Caller owns. ERROR_USAGE when nothing is to be learned. */
schedule *schedule_open(const samples *s, const schedule_options *options, error *err);
void schedule_close(schedule *c); /* NULL ok */

int schedule_epoch_steps(const schedule *c); /* steps of an epoch */
/* The samples of a step, [*n], at most options.batch of them; borrowed until the next call. */
const int *schedule_batch(schedule *c, int number, int *n);
/* The near sample that comes along, or -1 when there are none. */
int schedule_near(const schedule *c, int number);

#endif
