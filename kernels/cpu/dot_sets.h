/* dot_sets.h - the pieces that dot.c puts together; for the dot files and their tests only.
 *
 * Files whose name ends in _avx2.c are compiled for AVX2, FMA and F16C; nothing in them may be
 * called, and no data initialised, before dot_select() has asked the processor.
 */
#ifndef CPU_DOT_SETS_H
#define CPU_DOT_SETS_H

#include "dot.h"

extern const dot_kernels dot_baseline;

/* activation.c */
dot_quantize_fn activation_quantize_q32, activation_quantize_q256;

#endif
