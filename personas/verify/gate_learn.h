/* gate_learn.h - from examples to a gate (personas/merge/gate.h).
 *
 * An example is a position in a right answer: what the passes expected there, and how likely each found the
 * token that stands there. What is learned is the likelihood of right answers under the blend: the loss is
 * -ln sum_i w_i p_i(token), descended by Adam (Kingma and Ba 2015) over all examples at once, from small
 * weights drawn by a fixed seed, and an output of zeros, so it begins at the blend without a gate.
 *
 * Questions fall into folds by the hash of their ids. Each fold is told by a gate that learned from the others,
 * of which one is its development part: the step with the least loss there is kept. The figures are those of
 * the folds told so; the gate that is written learns from all, for as many steps as the folds' gates
 * kept in the middle. In double, in one order: the same bytes each time.
 */
#ifndef PERSONAS_GATE_LEARN_H
#define PERSONAS_GATE_LEARN_H

#include "gate_examples.h"

enum { GATE_FOLDS = 5, GATE_LEAST = 20, GATE_STEPS = 200 };

/* Fills weights and figures. ERROR_RUN for fewer than GATE_LEAST questions. */
int learn_gate(const gate_examples *x, gate *out, error *err);
/* Loss of one example, for tests; its gradient [GATE_WEIGHTS] is added unless NULL. */
double learn_gate_loss(const gate_example *e, const double *weights, double *gradient);

#endif
