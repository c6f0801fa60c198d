/* dot_sets_avx512.h - the products that are made of wide vectors, beside those of dot_sets.h.
 */
#ifndef CPU_DOT_SETS_AVX512_H
#define CPU_DOT_SETS_AVX512_H

#include "dot_sets.h"

/* dot_plain_avx512.c */
dot_rows_fn dot_avx512_f32, dot_avx512_f16, dot_avx512_bf16;

/* dot_q32_avx512.c */
dot_rows_fn dot_avx512_q4_0, dot_avx512_q4_1, dot_avx512_q5_0, dot_avx512_q5_1, dot_avx512_q8_0,
    dot_avx512_iq4_nl, dot_avx512_mxfp4;

/* dot_tile_avx512.c */
dot_rows_fn dot_avx512_many_q2_k, dot_avx512_many_q3_k, dot_avx512_many_q4_k, dot_avx512_many_q5_k,
    dot_avx512_many_q6_k, dot_avx512_many_iq4_xs;

/* dot_tile_q32_avx512.c */
dot_rows_fn dot_avx512_many_q4_0, dot_avx512_many_q4_1, dot_avx512_many_q5_0, dot_avx512_many_q5_1,
    dot_avx512_many_q8_0, dot_avx512_many_iq4_nl, dot_avx512_many_mxfp4;

#endif
