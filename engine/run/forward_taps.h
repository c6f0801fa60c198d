/* forward_taps.h - copies of a batch's activations for who watches them; nothing where nobody does.
 *
 * A tensor of the loop is written over layer by layer, and often within one: so each kind that is
 * wanted has room of its own, to which it is copied where it is made. Copying only enqueues; behind a
 * layer the backend is waited for once, and all of that layer's kinds are told.
 */
#ifndef ENGINE_FORWARD_TAPS_H
#define ENGINE_FORWARD_TAPS_H

#include "../../kernels/backend.h"
#include "activations.h"

/* x [n, wanted->v[which].cols] of a batch's rows, host memory until the call ends. */
typedef void forward_tap_fn(void *user, size_t which, int n, const float *x);

/* {0} is off. */
typedef struct forward_taps {
    const activation_set *wanted; /* NULL = off */
    forward_tap_fn *fn;
    void *user;
    int layer;                     /* that is being enqueued; as activation_place.layer */
    size_t told;                   /* of wanted->v, in this batch */
    float *host[ACTIVATION_KINDS]; /* [max_rows, cols of that kind] */
    size_t room[ACTIVATION_KINDS]; /* floats there */
} forward_taps;

/* Tells later batches of what is wanted (borrowed); NULL = off. -1 without memory, and it is off. */
int forward_taps_set(forward_taps *t, const activation_set *wanted, int max_rows,
                     forward_tap_fn *fn, void *user, error *err);
void forward_taps_release(forward_taps *t);

/* Copies x as that kind of the layer at hand, if that is wanted. */
void forward_taps_copy(forward_taps *t, backend *b, activation_kind kind, const tensor *x, int n);
/* Tells all of the layer at hand. */
int forward_taps_tell(forward_taps *t, backend *b, int n, error *err);

#endif
