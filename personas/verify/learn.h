/* learn.h - from examples to a verifier: logistic regression on differences of answers.
 *
 * Of a question whose answers are some right and some wrong, each pair of a right and a wrong one is an
 * observation: its logit is weights . (right - wrong), features over their spread, all pairs of a
 * question together weigh 1. What is learned is which answer, not how hard the question is. Newton's
 * method (iteratively reweighted least squares) in double, with a penalty on the squared weights,
 * from zero, in one order: the same bytes each time.
 *
 * Examples fall into folds by the hash of their ids. The penalty is the one with the least loss on held-out
 * folds; the figures are those of nested folds: no example has a part in the weights or the penalty that
 * pick its answer.
 *
 * Source: iteratively reweighted least squares, Hastie, Tibshirani, Friedman 2009, 4.4.1 and 18.4.
 */
#ifndef PERSONAS_LEARN_H
#define PERSONAS_LEARN_H

#include "../merge/verifier.h"
#include "gather.h"

enum { LEARN_FOLDS = 5, LEARN_TOLD = 20 };

/* Fills scale, weight, penalty and figures. ERROR_RUN when fewer than LEARN_TOLD questions have
 * right and wrong answers. */
int learn_verifier(const verify_examples *x, verifier_content *out, error *err);

/* The weights [VOTE_FEATURES] that fit the examples for which in[i] (NULL = all), with a penalty. scale
 * [VOTE_FEATURES] of those; 0 where a feature does not differ. ERROR_RUN when it does not converge. */
int learn_weights(const verify_examples *x, const bool *in, double penalty, double *scale,
                  double *weight, error *err);

#endif
