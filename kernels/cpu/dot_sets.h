/* dot_sets.h - the pieces that dot.c puts together; for the dot files and their tests only.
 *
 * Files whose name ends in _avx2.c are compiled for AVX2, FMA and F16C, those in _avx512.c also for
 * AVX-512 (F, BW, VL) and VNNI; nothing in them may be called before dot_select() has asked the
 * processor.
 */
#ifndef CPU_DOT_SETS_H
#define CPU_DOT_SETS_H

#include "dot.h"

extern const dot_kernels dot_baseline;
extern const dot_kernels dot_avx2;
extern const dot_kernels dot_avx512;

/* dot_avx2.c */
dot_quantize_fn dot_avx2_quantize_q32, dot_avx2_quantize_q256;
void dot_avx2_swiglu(float *out, const float *gate, const float *up, size_t n);
void dot_avx2_exp(float *x, float shift, size_t n);
void dot_avx2_add_rows(float *y, const float *b, size_t stride, const float *h, size_t rank,
                       size_t n);

/* dot_plain_avx2.c, dot_q32_avx2.c, dot_q256_avx2.c */
dot_rows_fn dot_avx2_f32, dot_avx2_f16, dot_avx2_bf16;
dot_rows_fn dot_avx2_q4_0, dot_avx2_q4_1, dot_avx2_q5_0, dot_avx2_q5_1, dot_avx2_q8_0,
    dot_avx2_iq4_nl, dot_avx2_mxfp4;
dot_rows_fn dot_avx2_q2_k, dot_avx2_q3_k, dot_avx2_q4_k, dot_avx2_q5_k, dot_avx2_q6_k,
    dot_avx2_iq4_xs;

/* dot_iq_avx2.c */
dot_rows_fn dot_avx2_iq1_s, dot_avx2_iq1_m, dot_avx2_iq2_xxs, dot_avx2_iq2_xs, dot_avx2_iq2_s,
    dot_avx2_iq3_xxs, dot_avx2_iq3_s;

/* dot_q256_avx512.c */
dot_rows_fn dot_avx512_q4_k, dot_avx512_q5_k, dot_avx512_q6_k;

/* dot_iq_avx512.c */
dot_rows_fn dot_avx512_iq1_s, dot_avx512_iq1_m, dot_avx512_iq2_xxs, dot_avx512_iq2_xs,
    dot_avx512_iq2_s, dot_avx512_iq3_xxs, dot_avx512_iq3_s;

#endif
