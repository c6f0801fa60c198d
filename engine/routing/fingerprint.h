/* fingerprint.h - the name of a model that a mask is made for.
 *
 * A mask speaks of experts by number, so it fits one model only; but it fits every quantisation of
 * that model, because the experts keep their places. So the name is not the file's hash but the
 * SHA-256 over the router weights, each rounded to bf16: files that were quantised with the routers
 * left in f32, f16 or bf16, as all converters do, give the same digits.
 *
 * The value hashed is the plain sequence of bf16 values, little-endian, in the order given; the
 * caller adds each layer's router [experts, width] from the first layer to the last. How the rows
 * are cut into calls does not matter.
 */
#ifndef ENGINE_FINGERPRINT_H
#define ENGINE_FINGERPRINT_H

#include <stddef.h>

#include "../../kernels/error.h"

enum { FINGERPRINT_TEXT = 65 }; /* 64 hex digits and the NUL */

typedef struct fingerprint fingerprint;

/* Caller owns. ERROR_RUN when out of memory or the library refuses. */
fingerprint *fingerprint_open(error *err);
void fingerprint_close(fingerprint *f); /* NULL ok */

/* Adds n weights, rounded to the nearest bf16, ties to even. */
int fingerprint_add_f32(fingerprint *f, const float *v, size_t n, error *err);

/* Writes the 64 lower-case hex digits; afterwards f can only be closed. */
int fingerprint_finish(fingerprint *f, char hex[FINGERPRINT_TEXT], error *err);

#endif
