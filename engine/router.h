/* router.h - a router program: everything that changes how one pass is routed.
 *
 * The model's router gives each expert a logit; a program decides what becomes of it. The pipeline
 * has one fixed order, so that knobs compose and each has an exact off state:
 *
 *   1. z = W_r h in f32                      6. gates p = softmax of unbiased z over allowed experts
 *   2. rules (later: force, ban, bias, k)    7. ranks beyond the trained k: p *= tail_gain
 *   3. mask -> banned set                    8. adaptive cut: drop ranks > min with p_i < ratio p_0
 *   4. c = z + bias; banned = -inf           9. renormalise over the gates left (norm_width wide)
 *   5. top-k of c, ties to the lowest id    10. gates of named experts *= strength
 *
 * A gate of 0 means the expert is not run. A program is compiled once against a model into one
 * route_rule (kernels/backend.h) a layer; without a program the plain rules apply, and an empty
 * program compiles to exactly those, bit for bit.
 */
#ifndef ENGINE_ROUTER_H
#define ENGINE_ROUTER_H

#include <stdint.h>

#include "../kernels/backend.h"
#include "../kernels/error.h"
#include "model_config.h"

typedef struct router_program router_program;

/* A program without masks: the plain model with `experts_per_token` experts a token (0 = trained).
 * ERROR_USAGE when k is beyond the model's experts, ERROR_LOAD on a dense model with k > 0. */
router_program *router_program_plain(const model_config *model, int experts_per_token, error *err);
void router_program_close(router_program *p); /* NULL ok */

const route_rule *router_program_rules(const router_program *p); /* [layers] */
/* 64-bit hash of everything that can change numbers; 0 = equal to the plain model. */
uint64_t router_program_hash(const router_program *p);
/* The largest k of any layer. */
int router_program_slots(const router_program *p);

#endif
