/* thread_pool.h - the worker threads of the CPU backend.
 *
 * A pool runs one function on its threads at once and returns when the last one is done: a
 * parallel region. The caller takes part as thread 0, so thread_pool_open(1) starts no thread.
 * The function shares out the work through an atomic counter of chunks and returns when none is
 * left; results must not depend on who took what: see matmul.h.
 *
 * A worker that has not come by the time the caller finds no work left is not waited for, so the
 * function must not leave a part to a certain thread: any of them but the caller may stay away.
 *
 * Between regions the workers spin for a few microseconds, then sleep. A pool with more threads
 * than the process may use processors never spins, since the spinner would hold the processor that
 * the work needs.
 *
 * Every thread runs regions with the default floating-point environment (round to nearest,
 * subnormals kept, exceptions masked), whatever the host program set; the caller's own is put back.
 */
#ifndef CPU_THREAD_POOL_H
#define CPU_THREAD_POOL_H

#include "../error.h"

typedef struct thread_pool thread_pool;

/* One thread's part of a region; index 0..count-1, count = the pool's threads. */
typedef void thread_pool_fn(void *arg, int index, int count);

/* threads >= 1. Caller owns. NULL when a thread cannot be started: never fewer than asked. */
thread_pool *thread_pool_open(int threads, error *err);
void thread_pool_close(thread_pool *p); /* NULL ok; no region may be running */
int thread_pool_threads(const thread_pool *p);

/* Runs fn(arg, index, count) on the calling thread and on every other that comes before it is done;
 * on each at most once. Only one caller at a time, never from inside a region. What the caller wrote
 * before is seen by all, and what they wrote is seen after. */
void thread_pool_run(thread_pool *p, thread_pool_fn *fn, void *arg);

#endif
