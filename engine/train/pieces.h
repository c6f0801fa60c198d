/* pieces.h - a loop whose rounds the threads share: the one parallel construct of training.
 *
 * A piece is computed by one thread from start to end and depends on nothing but its number, so the
 * bytes do not depend on who took what. Pieces are cut by shape, never by the number of threads.
 */
#ifndef ENGINE_PIECES_H
#define ENGINE_PIECES_H

#include <stddef.h>

#include "../../kernels/cpu/thread_pool.h"

/* thread: below thread_pool_threads(), for room of its own. */
typedef void piece_fn(void *user, size_t piece, int thread);

/* fn(user, 0..count-1), each once, in any order; returns when all are done. */
void pieces_run(thread_pool *workers, size_t count, piece_fn *fn, void *user);

/* Work on rows [from, to). */
typedef void piece_rows_fn(void *user, int from, int to, int thread);

/* fn over rows 0..rows-1, a few at a time. */
void pieces_rows(thread_pool *workers, int rows, piece_rows_fn *fn, void *user);

/* n things in parts of about `most`, all but the last of a multiple of 16: how many parts, and how many
 * things are in each. */
static inline size_t parts_of(size_t n, size_t most, size_t *each)
{
    size_t parts = (n + most - 1) / most;
    *each = parts ? ((n + parts - 1) / parts + 15) / 16 * 16 : 0;
    return parts ? (n + *each - 1) / *each : 0;
}

#endif
