/* bank_bake.h - an adapter merged into the experts of a plan.
 *
 * What an adapter (adapter.h) brings to a model's experts at run time, a file can hold for good: matrices
 * and rows of the router in place of the model's, updates added to the matrices they are of, further
 * experts behind the others. An added expert that is narrower than the model's is filled up with zeros,
 * which say nothing. Experts keep the numbers that the adapter's programs give them.
 */
#ifndef ENGINE_BANK_BAKE_H
#define ENGINE_BANK_BAKE_H

#include "bank_plan.h"

/* The adapter must outlive the plan; the experts it names are those of these numbers as they stand.
 * ERROR_LOAD when it does not fit the model, ERROR_USAGE for an added expert that is wider than the
 * model's or an expert that is a sum already. The plan is half changed after a failure. */
int bank_plan_bake(bank_plan *p, const adapter *a, error *err);

/* Which of the four a matrix of an adapter is. */
bank_matrix bake_matrix(expert_matrix m);

#endif
