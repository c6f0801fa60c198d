/* other_rope.h - rotary position embedding as the two formats say it.
 *
 * Both name linear scaling and YaRN by their parameters. Llama 3's scaling (arXiv 2407.21783) has
 * parameters in a config.json, and in GGUF only what comes of them: a divisor for each frequency.
 */
#ifndef ENGINE_OTHER_ROPE_H
#define ENGINE_OTHER_ROPE_H

#include "../../kernels/error.h"
#include "../formats/model_config.h"

/* out[0..dim/2): what frequencies are divided by. */
void rope_divisors(const rope_config *llama3, float *out);

/* The other way: a ROPE_LLAMA3 whose divisors are r->factors within 1e-5, or ROPE_PLAIN when all of
 * them are 1. low_freq and high_freq are taken for the published 1 and 4. -1 when there is none. */
int rope_from_divisors(const rope_config *r, rope_config *out);

#endif
