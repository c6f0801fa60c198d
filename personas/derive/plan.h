/* plan.h - a mask to be: which experts, in which mode, how strongly.
 *
 *   ban    Experts of which the others have at least `strength` times the share that the voice has.
 *          A ban buys what others lose with what the voice loses, and an order by the ratio of
 *          the two, the same in all layers, buys the most. 2 k experts of a layer are always left.
 *   bias   strength * lean, within +-2 * strength, for every expert that may be named.
 *   keep   The fewest experts that have a share of `strength` of the voice's own mass, at least 2 k;
 *          layers that may not be changed are left alone.
 *
 * (k = experts a token.) Experts that may not be named are never banned or leant on.
 */
#ifndef PERSONAS_PLAN_H
#define PERSONAS_PLAN_H

#include "../../engine/base/buf.h"
#include "../../engine/routing/mask.h"
#include "contrast.h"

typedef struct plan {
    mask_mode mode;
    double strength;
    int layers, named; /* that the mask names; `named` counts experts banned, biased or kept */
    double stability;  /* mean of those that were chosen by their lean; 1 when there are none */
    float *values;     /* [layers * experts] bias; or 1 = banned or kept */
} plan;

/* p: {0}. ERROR_RUN without memory. plan_release in any case. */
int plan_make(plan *p, const model_config *m, const expert_contrast *contrast, mask_mode mode,
              double strength, error *err);
void plan_release(plan *p); /* {0} ok */

/* Appends the mask file (mask.h) and a line end. fingerprint: NULL = of any model. */
int plan_write(const plan *p, const model_config *m, const char *fingerprint, buf *out, error *err);

#endif
