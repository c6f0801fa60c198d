/* tensor_claims.h - no tensor of a checkpoint is left out in silence.
 *
 * Whoever uses a tensor claims it. What nobody claimed when all is loaded is settled by name: a
 * table knows the tensors that cannot change a number (a buffer that is computed anew, a layer that
 * only predicts further tokens), each with its reason, and these are listed under -v; a bias of
 * zeros adds nothing. All else would change what the model computes, so the model is refused by the
 * first such tensor, with what it would have changed.
 */
#ifndef ENGINE_TENSOR_CLAIMS_H
#define ENGINE_TENSOR_CLAIMS_H

#include "checkpoint.h"

typedef struct tensor_claims {
    const checkpoint *c; /* must outlive the claims */
    uint8_t *taken;      /* [checkpoint_count(c)] */
} tensor_claims;

int tensor_claims_open(tensor_claims *t, const checkpoint *c, error *err);
void tensor_claims_release(tensor_claims *t); /* {0} ok */

/* The tensor of that name is used: 1 and *out filled when there is one, else 0. */
int tensor_claims_take(tensor_claims *t, const char *name, checkpoint_tensor *out);

/* ERROR_LOAD naming the first unclaimed tensor that would change numbers, what it would change and
 * how many more there are. Harmless ones become one CHECKPOINT_DETAIL for each reason. */
int tensor_claims_settle(const tensor_claims *t, checkpoint_warn *warn, void *user, error *err);

/* The refusal when `needed` is missing but the tensors of a quantisation stand in its place; 0 when
 * there are none. */
int tensor_claims_quantised(const tensor_claims *t, const char *needed, error *err);

#endif
