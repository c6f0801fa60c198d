/* cuda_support.h - the GPU's backend as tests open it: its kernels on the host (cuda_host.h).
 *
 * A case computes some op on a backend; its bytes on the GPU's must be those of the CPU's baseline, in two
 * orders of blocks and threads. With a fault planted into the kernels a case must go wrong.
 */
#ifndef TESTS_CUDA_SUPPORT_H
#define TESTS_CUDA_SUPPORT_H

#include "op_support.h"

/* Opens that plug-in, $BUILD/tests/cuda_host.so, or the one that $CUDA_PLUGIN names. */
backend_options cuda_options(void);
/* The order in which blocks and threads of later launches take turns. */
void cuda_seed(int seed);

/* The faults that the kernels hold ready, in the order of host_plant (cuda_host.h). */
typedef enum cuda_fault {
    CUDA_NOTHING,
    CUDA_BARRIER,
    CUDA_BOUND,
    CUDA_MASK,
    CUDA_STRIDE,
    CUDA_ALIGNMENT,
    CUDA_RACE,
    CUDA_TIE,
    CUDA_SPLIT,
} cuda_fault;
void cuda_plant(cuda_fault fault);
/* The device is gone after so many more launches, and all that it held; -1 = it is there again. */
void cuda_break(int launches);
/* It has so many KiB of memory; 0 = as much as one likes. */
void cuda_memory_kib(int kib);
/* The most of it that was taken since this was last asked. */
unsigned long cuda_memory_taken(void);
/* Whether faults can be planted: not with $CUDA_PLUGIN, which names a real plug-in. */
bool cuda_on_host(void);

typedef struct cuda_rig {
    backend *cpu, *cuda;
} cuda_rig;

/* cmocka group fixtures: *state is a cuda_rig. */
int cuda_setup(void **state);
int cuda_teardown(void **state);

/* Computes a problem on a backend: floats to out; returns backend_sync(). */
typedef int cuda_case(backend *b, const void *problem, float *out, error *err);

/* n floats have the CPU's bytes. */
void cuda_check(const cuda_rig *r, cuda_case *run, const void *problem, size_t n, const char *name);
/* The case goes wrong with the fault, and its failure says `word`; NULL: by other bytes. Without it all is
 * well. */
void cuda_must_find(cuda_rig *r, cuda_fault fault, cuda_case *run, const void *problem, size_t n,
                    const char *word);
/* Rows [0, n) of t when all is done. */
int cuda_read(backend *b, const tensor *t, int n, float *out, error *err);

#endif
