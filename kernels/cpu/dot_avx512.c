/* dot_avx512.c - the set for processors with AVX-512 and VNNI: that of AVX2, with faster products for
 * the types that most files are made of. Like all sets it gives the bytes of dot.h.
 */
#include "dot_sets_avx512.h"

const dot_kernels dot_avx512 = {
    .name = "avx512",
    .rows = {[DTYPE_F32] = dot_avx512_f32,         [DTYPE_F16] = dot_avx512_f16,
             [DTYPE_BF16] = dot_avx512_bf16,       [DTYPE_Q4_0] = dot_avx512_q4_0,
             [DTYPE_Q4_1] = dot_avx512_q4_1,       [DTYPE_Q5_0] = dot_avx512_q5_0,
             [DTYPE_Q5_1] = dot_avx512_q5_1,       [DTYPE_Q8_0] = dot_avx512_q8_0,
             [DTYPE_Q2_K] = dot_avx2_q2_k,         [DTYPE_Q3_K] = dot_avx2_q3_k,
             [DTYPE_Q4_K] = dot_avx512_q4_k,       [DTYPE_Q5_K] = dot_avx512_q5_k,
             [DTYPE_Q6_K] = dot_avx512_q6_k,       [DTYPE_IQ4_NL] = dot_avx512_iq4_nl,
             [DTYPE_IQ4_XS] = dot_avx2_iq4_xs,     [DTYPE_MXFP4] = dot_avx512_mxfp4,
             [DTYPE_IQ1_S] = dot_avx512_iq1_s,     [DTYPE_IQ1_M] = dot_avx512_iq1_m,
             [DTYPE_IQ2_XXS] = dot_avx512_iq2_xxs, [DTYPE_IQ2_XS] = dot_avx512_iq2_xs,
             [DTYPE_IQ2_S] = dot_avx512_iq2_s,     [DTYPE_IQ3_XXS] = dot_avx512_iq3_xxs,
             [DTYPE_IQ3_S] = dot_avx512_iq3_s},
    .many = {[DTYPE_Q2_K] = dot_avx512_many_q2_k,
             [DTYPE_Q3_K] = dot_avx512_many_q3_k,
             [DTYPE_Q4_K] = dot_avx512_many_q4_k,
             [DTYPE_Q5_K] = dot_avx512_many_q5_k,
             [DTYPE_Q6_K] = dot_avx512_many_q6_k,
             [DTYPE_IQ4_XS] = dot_avx512_many_iq4_xs},
    /* Of types that have no rows of their own here, tiles are faster from one or two columns on. */
    .many_from = {[DTYPE_Q2_K] = 2,
                  [DTYPE_Q3_K] = 1,
                  [DTYPE_Q4_K] = 8,
                  [DTYPE_Q5_K] = 8,
                  [DTYPE_Q6_K] = 8,
                  [DTYPE_IQ4_XS] = 1},
    .quantize =
        {[ACTIVATION_Q32] = dot_avx2_quantize_q32, [ACTIVATION_Q256] = dot_avx2_quantize_q256},
    .swiglu = dot_avx2_swiglu,
    .exp = dot_avx2_exp,
    .add_rows = dot_avx2_add_rows,
};
