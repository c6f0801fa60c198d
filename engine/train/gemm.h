/* gemm.h - products of f32 matrices: OpenBLAS, loaded when training begins and not before.
 *
 * Every call runs on the calling thread alone; the callers share out pieces (pieces.h). The library is
 * told which kernels to use by the engine's ISA level (avx512: SkylakeX, avx2: Haswell, baseline:
 * Nehalem), not by the processor, so that one level and one version of the library give the same bytes.
 * Who only talks never pays for it: the program is not linked with it.
 *
 * Matrices are row-major; a stride is in floats from row to row.
 */
#ifndef ENGINE_GEMM_H
#define ENGINE_GEMM_H

#include <stddef.h>

#include "../../kernels/error.h"

typedef struct gemm gemm;

typedef struct matrix {
    const float *v;
    size_t stride;
} matrix;

/* isa: backend_isa(). ERROR_RUN naming the Debian package when the library is not there. Caller owns; the
 * library itself stays loaded to the end of the process. */
gemm *gemm_open(const char *isa, error *err);
void gemm_close(gemm *g); /* NULL ok */

/* c [m, n] = scale * a [m, k] b + keep * c; b is [n, k] transposed (nt), or [k, n] (nn); in tn a is
 * [k, m] transposed and b [k, n]. With keep 0 what c held does not matter. */
void gemm_nt(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride);
void gemm_nn(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride);
void gemm_tn(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride);

#endif
