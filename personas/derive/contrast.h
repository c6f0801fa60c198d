/* contrast.h - which experts tell one voice from the others.
 *
 *     own(e), other(e) = the share of a layer's mass (expert_tally.h) that expert e has in the voice,
 *                        and the mean of its shares in the other voices, each counted alike
 *     lean(e) = ln((own + eps) / (other + eps))           eps = 0.1 / experts
 *     stability(e) = of 50 random halves of what was read, how many lean the same way
 *
 * eps is a tenth of an expert's fair share: it keeps the logarithm of rarely called experts small. An
 * expert may be named by a mask when its layer may be changed, its stability is 0.8 or more, it
 * is neither nil nor a super expert, and the two shares differ by 5 % or more of the larger and of the
 * fair share. Layers that may be changed are those behind the first tenth (tokens, not meanings, are
 * routed there) and before the last two.
 */
#ifndef PERSONAS_CONTRAST_H
#define PERSONAS_CONTRAST_H

#include "expert_tally.h"

typedef struct expert_contrast {
    double own, other, lean, stability;
    bool may_be_named;
} expert_contrast;

bool contrast_layer(const model_config *m, int layer); /* may it be changed? */

/* out [layers * experts], zeroed in layers that may not be changed. ERROR_RUN without memory. */
int contrast_make(const expert_tally *s, const model_config *m, int sources, int source,
                  block_set blocks, expert_contrast *out, error *err);

#endif
