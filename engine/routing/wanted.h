/* wanted.h - which experts a router would have called, had nobody told it otherwise.
 *
 * A program bans, biases and forces; what is called then says nothing of what was denied. Here the
 * same logits are ranked as they are: the k highest of z among all experts that the program sees,
 * ties to the lowest id, and the share that each has of the softmax over all of them. Who is wanted
 * and not called was denied; who is called and not wanted stood in.
 */
#ifndef ENGINE_WANTED_H
#define ENGINE_WANTED_H

#include "../../kernels/backend.h"

/* One token in one layer: z [columns] of the model's experts, adapter_z those of adapters' rows
 * (NULL without). ids [slots] become routing->k experts as the program numbers them, in rank order,
 * then -1; shares [slots] their softmax, then 0. Logits that are not finite want nobody. */
void wanted_experts(const layer_routing *routing, const float *z, int columns,
                    const float *adapter_z, int slots, int32_t *ids, float *shares);

#endif
