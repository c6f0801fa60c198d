/* cores.h - how many threads are worth starting on this machine.
 *
 * Two hyper-threads of a core share its multipliers and its cache, and the kernels saturate both
 * with one thread, so the count that matters is that of physical cores, less those that the
 * process may not use.
 */
#ifndef KERNELS_CPU_CORES_H
#define KERNELS_CPU_CORES_H

/* Physical cores in the affinity mask of the process, at least 1. */
int cores_physical(void);

#endif
