/* block_size.h - the bytes of a block of weights, for the kernels that are compiled for one type each.
 *
 * dtype_describe() looks them up. Here the type is a constant, so the size is one too, and what is
 * computed with it.
 */
#ifndef CPU_BLOCK_SIZE_H
#define CPU_BLOCK_SIZE_H

#include "../quant.h"
#include "vector_avx2.h"

/* Of a type that has blocks. */
VECTOR_INLINE size_t block_size(dtype type)
{
    switch ((int)type) {
    case DTYPE_Q4_1:
        return sizeof(block_q4_1);
    case DTYPE_Q5_0:
        return sizeof(block_q5_0);
    case DTYPE_Q5_1:
        return sizeof(block_q5_1);
    case DTYPE_Q8_0:
        return sizeof(block_q8_0);
    case DTYPE_MXFP4:
        return sizeof(block_mxfp4);
    case DTYPE_Q2_K:
        return sizeof(block_q2_k);
    case DTYPE_Q3_K:
        return sizeof(block_q3_k);
    case DTYPE_Q4_K:
        return sizeof(block_q4_k);
    case DTYPE_Q5_K:
        return sizeof(block_q5_k);
    case DTYPE_Q6_K:
        return sizeof(block_q6_k);
    case DTYPE_IQ4_XS:
        return sizeof(block_iq4_xs);
    case DTYPE_IQ1_S:
        return sizeof(block_iq1_s);
    case DTYPE_IQ1_M:
        return sizeof(block_iq1_m);
    case DTYPE_IQ2_XXS:
        return sizeof(block_iq2_xxs);
    case DTYPE_IQ2_XS:
        return sizeof(block_iq2_xs);
    case DTYPE_IQ2_S:
        return sizeof(block_iq2_s);
    case DTYPE_IQ3_XXS:
        return sizeof(block_iq3_xxs);
    case DTYPE_IQ3_S:
        return sizeof(block_iq3_s);
    default:
        return sizeof(block_q4_0); /* and IQ4_NL */
    }
}

/* Whether the blocks have a minimum beside the scale. */
VECTOR_INLINE int has_minimum(dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q2_K || type == DTYPE_Q4_K ||
           type == DTYPE_Q5_K;
}

#endif
