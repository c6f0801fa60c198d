/* eval_learn.h - from what an evaluation found to evidence (personas/merge/evidence_table.h).
 *
 * Counted are the questions that every arm has answered which the table holds: control, the personas, the
 * merges by name. So all arms are compared on the same ones. Auto and best, which go by evidence, and the arms
 * that no `ask` can choose (consistency, correction) have no part in it.
 */
#ifndef PERSONAS_EVAL_LEARN_H
#define PERSONAS_EVAL_LEARN_H

#include "eval_run.h"

/* set: its name. *out holds that one set. ERROR_USAGE when the run did not ask all of the set, or left a
 * persona out, or when no question was answered by all. Caller frees (free()). */
int eval_learn(const eval_run *r, const char *set, evidence_table **out, error *err);

#endif
