/* model_tweaks.h - what a user may change about a model as it is opened, file and weights untouched.
 *
 * A configuration says how far a model reaches (the base of its rotary angles, how they are stretched,
 * how many positions there are) and how deep it is. Each of these can be asked for differently, to see
 * what it is worth. {0} changes nothing at all; what changes is checked as a file's own value would be.
 * The fingerprint stays the model's: no weight is another one.
 */
#ifndef ENGINE_MODEL_TWEAKS_H
#define ENGINE_MODEL_TWEAKS_H

#include "../../kernels/error.h"
#include "model_config.h"

typedef struct model_tweaks {
    double rope_theta; /* base of the angles, above 1; 0 = the model's */
    /* "none", "linear:F", "yarn:F[:ORIGINAL]", "llama3:F[:ORIGINAL[:LOW:HIGH]]"; F "auto" = what the
     * positions asked for need. NULL = the model's. Borrowed, as `skip` is. */
    const char *rope_scaling;
    int positions;    /* the most that a sequence may have; 0 = by the scaling, else the model's */
    const char *skip; /* layers that are left out, "4,8-11": each gives on what it was given */
} model_tweaks;

bool model_tweaks_any(const model_tweaks *t);
/* Changes *c, all or nothing. ERROR_USAGE naming the field that is out of range. */
int model_tweaks_apply(const model_tweaks *t, model_config *c, error *err);

#endif
