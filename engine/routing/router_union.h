/* router_union.h - several router programs as one: what they know, asked all at once.
 *
 * A council chooses between personas by asking each; here no choice is made. Every token is routed over
 * the experts of all of them, and as many are called as all would have called together. Whether that is
 * worth more than their answers side by side, or is only their mean, is what it is there to show.
 */
#ifndef ENGINE_ROUTER_UNION_H
#define ENGINE_ROUTER_UNION_H

#include "router.h"

/* Several programs (NULL = the plain model) as one: what any allows is allowed, and as many experts are
 * called as all call together, as far as the layer has them. Of one program it is that program. Knobs
 * that differ are off, and so are rules of more than one. Caller owns; rules and adapters must outlive
 * it. */
router_program *router_program_union(const model_config *model,
                                     const router_program *const *programs, int count, error *err);

#endif
