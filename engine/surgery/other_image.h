/* other_image.h - the tensors of a model under the names, shapes and order of the other format.
 *
 * GGUF and Hugging Face directories hold the same numbers and differ in four ways: names; experts one by one
 * or stacked, gate and up fused or not; the order in which a head's rows are rotated (image.h);
 * and that GGUF keeps vectors and routers in F32. None of it changes a number. Tensors that nothing is
 * computed of (tensor_claims.h) are left out.
 */
#ifndef ENGINE_OTHER_IMAGE_H
#define ENGINE_OTHER_IMAGE_H

#include "image.h"

/* *extra: [n] F32 divisors of rotary frequencies that GGUF keeps as a tensor, or NULL; they and c, which
 * has passed weights_check(), must outlive the image. ERROR_USAGE naming a tensor that the other format
 * would need and the model has not. */
int image_of_other(image *m, const checkpoint *c, bool to_gguf, const float *extra, error *err);

#endif
