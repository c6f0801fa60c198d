/* cuda_support.h - the GPU's backend as tests open it: its kernels on the host (cuda_host.h). */
#ifndef TESTS_CUDA_SUPPORT_H
#define TESTS_CUDA_SUPPORT_H

#include "../kernels/backend.h"

/* Opens that plug-in: $BUILD/tests/cuda_host.so. */
backend_options cuda_options(void);
/* The order in which blocks and threads of later launches take turns. */
void cuda_seed(unsigned seed);

#endif
