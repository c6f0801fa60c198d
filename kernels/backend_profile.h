/* backend_profile.h - where the time of a backend's ops goes.
 *
 * A backend is a pointer to a table of functions, so its ops can be timed without their knowing: while
 * a profile is open, the pointer leads to a copy of the table in which each op is wrapped by two looks
 * at the clock. Whoever does not ask pays nothing, and results are the same bytes. A device that only
 * enqueues is waited for after every op.
 *
 * An op is known by its part: what it does or, of a product, what its weights are, as the caller names
 * them. Beside the time stands what the part has to read and to compute at least: weights once for all
 * rows of an op, of experts those that are called, keys and values once for each session of a batch. So
 * bytes over seconds is a rate that memory bounds, unless they lie in a cache already, as those of a small
 * model do, and operations over seconds one that the processor bounds. Activations are not counted: they
 * stay in the caches.
 */
#ifndef KERNELS_BACKEND_PROFILE_H
#define KERNELS_BACKEND_PROFILE_H

#include "backend.h"

typedef struct backend_profile backend_profile;

typedef struct profile_part {
    const char *name;
    dtype type; /* of its weights, or of the keys; F32 where there are none */
    bool reads; /* it has weights, or keys and values */
    uint64_t calls;
    double seconds;
    double bytes;
    double operations; /* a multiplication and an addition are two; of products and attention */
} profile_part;

enum { PROFILE_PARTS = 64 }; /* the most that are told apart; further ones are added to the last */

/* The name of a product with this weight, in this layer (-1: outside them): a string that outlives the
 * profile. */
typedef const char *profile_name_fn(void *user, int layer, const tensor *weight);

typedef struct profile_options {
    int max_rows, slots; /* of the routes that will be used; slots 0 = there are none */
    profile_name_fn *name;
    void *user;
} profile_options;

/* From here on ops of b are timed. One profile a backend, closed before it. Caller closes. */
backend_profile *backend_profile_open(backend *b, const profile_options *opt, error *err);
void backend_profile_close(backend_profile *p); /* NULL ok */
void backend_profile_reset(backend_profile *p); /* forgets all parts */
/* [*n] in the order of their first call; until the next op. */
const profile_part *backend_profile_parts(const backend_profile *p, int *n);

#endif
