/* activation.h - the forms in which a row of activations meets the weights.
 *
 * Weights of F32, F16 and BF16 are multiplied with the f32 row itself. Quantised weights are
 * multiplied with an int8 copy of the row, made once per row and shared by every product of the
 * same form, so that the inner loops are exact integer arithmetic:
 *
 *   Q32   one f32 scale for each 32 elements: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4
 *   Q256  one f32 scale for each 256 elements: Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_XS and the types of iq.h
 *
 * Definition, per block: largest = max |x|, read as integers (a NaN is the largest of all);
 *   scale = largest / 127,  q = x * (127 / largest) rounded to nearest even: -127..127, never -128.
 * A block whose largest is below ACTIVATION_TINY is zero. One that holds an infinity or a NaN has
 * q = 0 and keeps its infinite or NaN scale, so that 0 * scale makes all its products NaN.
 *
 * Both forms come in groups of 256 elements. A row whose length is not a multiple of 256 ends in a
 * group filled up with zeros.
 */
#ifndef CPU_ACTIVATION_H
#define CPU_ACTIVATION_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "../quant.h"

typedef enum activation_form {
    ACTIVATION_F32,
    ACTIVATION_Q32,
    ACTIVATION_Q256,
    ACTIVATION_FORMS,
} activation_form;

enum { ACTIVATION_GROUP = 256 };

#define ACTIVATION_TINY 0x1p-100f

/* Eight blocks of 32. `q` holds them in pairs, so that one 32-byte vector of weights can be made
 * from the 16 bytes of nibbles of two blocks: the first halves of blocks 2p and 2p + 1, then their
 * second halves. Block b stands at lane ACTIVATION_LANE(b) of the other arrays: that is where the
 * cheapest summing of eight vectors into one leaves it. */
typedef struct activation_q32 {
    alignas(32) int8_t q[ACTIVATION_GROUP];
    float scale[8];
    float offset[8]; /* scale * (float)sum: what a weight's minimum is multiplied with */
    int32_t sum[8];  /* of the q of the block */
} activation_q32;

#define ACTIVATION_LANE(block) (((block)&1) * 4 + (block) / 2)

/* Where element j of block b lies in activation_q32.q. */
#define ACTIVATION_PLACE(block, j) ((block) / 2 * 64 + (j) / 16 * 32 + ((block)&1) * 16 + (j) % 16)

/* One block of 256, elements in order. */
typedef struct activation_q256 {
    alignas(32) int8_t q[ACTIVATION_GROUP];
    int16_t sum16[16]; /* of 16 elements each */
    int16_t sum32[8];  /* of 32 elements each */
    float scale;
} activation_q256;

/* The form that weights of `type` are multiplied with. */
activation_form activation_of(dtype type);

/* Bytes of one row of `cols` activations in `form`, a multiple of 32. Quantised rows must be
 * aligned to 32 bytes; f32 rows need no alignment. */
size_t activation_bytes(activation_form form, size_t cols);

/* out = the row x[0..cols) in the form: activation_bytes(form, cols) bytes. The plain reading. */
void activation_quantize_q32(const float *x, size_t cols, void *out);
void activation_quantize_q256(const float *x, size_t cols, void *out);

#endif
