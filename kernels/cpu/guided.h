/* guided.h - how the threads of one region divide its work: OpenMP's guided schedule.
 *
 * Memory is read fastest in long runs, so a thread takes several neighbouring cells at a time; near
 * the end it takes fewer, so that all come to their end together. Who took what changes no byte:
 * see cpu_state.h.
 */
#ifndef CPU_GUIDED_H
#define CPU_GUIDED_H

#include <stdatomic.h>
#include <stddef.h>

/* The next chunk of cells [*first, return value) of `total`: at most `most`, and less than half of
 * what each of the threads has still to do, but at least one. *first == total when none is left. */
static inline size_t guided_chunk(atomic_size_t *next, size_t total, size_t most, int threads,
                                  size_t *first)
{
    size_t at = atomic_load_explicit(next, memory_order_relaxed), n;
    do {
        if (at >= total)
            return *first = total;
        n = (total - at) / (2 * (size_t)threads);
        n = n > most ? most : n;
        n = n ? n : 1;
    } while (!atomic_compare_exchange_weak_explicit(next, &at, at + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    *first = at;
    return at + n;
}

#endif
