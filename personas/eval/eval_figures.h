/* eval_figures.h - the statistics of an evaluation, apart from what they are about.
 *
 * Shares come with Wilson's interval (transcripts/statistics.h). Two arms that answered the same items
 * are compared by the exact form of McNemar's test: of the items that only one of them got right,
 * b and c, each is equally likely under the null, so p is the two-sided tail of a binomial with
 * p = 1/2 (Q. McNemar, Psychometrika 12, 1947, pages 153-157). Several such tests of one run are
 * corrected by Holm's step-down rule (S. Holm, Scandinavian Journal of Statistics 6, 1979, 65-70).
 */
#ifndef PERSONAS_EVAL_FIGURES_H
#define PERSONAS_EVAL_FIGURES_H

/* min(1, 2 P(X <= min(b, c))), X ~ binomial(b + c, 1/2); 1 where b + c is 0. Not negative. */
double eval_mcnemar(int b, int c);

/* p[0..n), in place: NaN stays and counts for nothing. No memory is taken; n is small. */
void eval_holm(double *p, int n);

#endif
