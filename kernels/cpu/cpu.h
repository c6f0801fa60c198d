/* cpu.h - the CPU backend, as devices/backend_open.c sees it: one function.
 *
 * It needs no more of the machine than x86-64; `isa` in the options takes a faster set of kernels
 * where the processor has one, or refuses. All sets give the same bytes (dot.h).
 */
#ifndef KERNELS_CPU_CPU_H
#define KERNELS_CPU_CPU_H

#include "../backend.h"

/* Caller owns. */
backend *cpu_open(const backend_options *options, error *err);

#endif
