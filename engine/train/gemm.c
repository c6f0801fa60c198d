/* gemm.c - see gemm.h.
 *
 * OpenBLAS reads its environment while it is loaded: the variables are set for that moment. If the
 * process has loaded the library before, they come too late; then the names are asked for and the number
 * of threads is set to one all the same.
 */
#include "gemm.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Of the CBLAS interface (netlib), as it stands in every libopenblas with 32-bit integers. */
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);
typedef void set_threads_fn(int threads);

struct gemm {
    sgemm_fn *sgemm;
};

static const char *core_of(const char *isa)
{
    return strcmp(isa, "avx512") == 0 ? "SkylakeX"
           : strcmp(isa, "avx2") == 0 ? "Haswell"
                                      : "Nehalem";
}

/* Sets a variable and returns what it was, which the caller gives back to restore_variable(). */
static char *change_variable(const char *name, const char *value)
{
    const char *now = getenv(name);
    char *old = now ? strdup(now) : NULL;
    setenv(name, value, 1);
    return old;
}

static void restore_variable(const char *name, char *old)
{
    if (old)
        setenv(name, old, 1);
    else
        unsetenv(name);
    free(old);
}

static void *load_library(const char *isa)
{
    char *core = change_variable("OPENBLAS_CORETYPE", core_of(isa));
    char *threads = change_variable("OPENBLAS_NUM_THREADS", "1");
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    restore_variable("OPENBLAS_CORETYPE", core);
    restore_variable("OPENBLAS_NUM_THREADS", threads);
    return library;
}

gemm *gemm_open(const char *isa, error *err)
{
    void *library = load_library(isa);
    if (!library) {
        (void)error_set(
            err, ERROR_RUN,
            "training needs OpenBLAS, and libopenblas.so.0 cannot be loaded: install the "
            "Debian package libopenblas0-pthread");
        return NULL;
    }
    gemm *g = calloc(1, sizeof *g);
    void *sgemm = dlsym(library, "cblas_sgemm"), *one = dlsym(library, "openblas_set_num_threads");
    if (g && sgemm)
        memcpy(&g->sgemm, &sgemm, sizeof sgemm);
    else
        (void)error_set(err, ERROR_RUN, "libopenblas.so.0 has no cblas_sgemm");
    if (one) {
        set_threads_fn *set;
        memcpy(&set, &one, sizeof one);
        set(1);
    }
    (void)dlclose(library);
    if (g && g->sgemm)
        return g;
    free(g);
    return NULL;
}

void gemm_close(gemm *g)
{
    free(g);
}

static void multiply(const gemm *g, int trans_a, int trans_b, size_t m, size_t n, size_t k,
                     float scale, matrix a, matrix b, float keep, float *c, size_t stride)
{
    if (m && n)
        g->sgemm(ROW_MAJOR, trans_a, trans_b, (int)m, (int)n, (int)k, scale, a.v, (int)a.stride,
                 b.v, (int)b.stride, keep, c, (int)stride);
}

void gemm_nt(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride)
{
    multiply(g, PLAIN, TRANSPOSED, m, n, k, scale, a, b, keep, c, stride);
}

void gemm_nn(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride)
{
    multiply(g, PLAIN, PLAIN, m, n, k, scale, a, b, keep, c, stride);
}

void gemm_tn(const gemm *g, size_t m, size_t n, size_t k, float scale, matrix a, matrix b,
             float keep, float *c, size_t stride)
{
    multiply(g, TRANSPOSED, PLAIN, m, n, k, scale, a, b, keep, c, stride);
}
