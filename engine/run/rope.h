/* rope.h - rotary position embedding: frequencies once, cosines and sines per position.
 *
 * Frequencies follow transformers' modeling_rope_utils: plain (RoFormer, Su et al. 2021), linear
 * interpolation, Llama 3.1's three bands, and YaRN (Peng et al. 2023). They are rounded to f32 step
 * by step as the reference's are, and an angle is the f32 product position * frequency: only so are
 * angles equal at the end of a long context. Sine and cosine are our own (rope.c), so that the bytes
 * do not depend on the C library.
 */
#ifndef ENGINE_ROPE_H
#define ENGINE_ROPE_H

#include "../formats/model_config.h"

/* frequencies: [rope->dim / 2], radians per position. */
void rope_frequencies(const rope_config *rope, float *frequencies);

/* cosines, sines: [rope->dim / 2] for one position >= 0, times the attention factor. */
void rope_angles(const rope_config *rope, const float *frequencies, int position, float *cosines,
                 float *sines);

#endif
