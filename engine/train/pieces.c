/* pieces.c - see pieces.h. */
#include "pieces.h"

#include <stdatomic.h>

typedef struct region {
    atomic_size_t next;
    size_t count;
    piece_fn *fn;
    void *user;
} region;

static void take_pieces(void *arg, int thread, int threads)
{
    region *r = arg;
    (void)threads;
    for (size_t piece; (piece = atomic_fetch_add(&r->next, 1)) < r->count;)
        r->fn(r->user, piece, thread);
}

void pieces_run(thread_pool *workers, size_t count, piece_fn *fn, void *user)
{
    region r = {.count = count, .fn = fn, .user = user};
    if (count == 1)
        fn(user, 0, 0);
    else if (count > 1)
        thread_pool_run(workers, take_pieces, &r);
}

enum { ROWS = 32 }; /* of a piece */

typedef struct row_region {
    piece_rows_fn *fn;
    void *user;
    int rows;
} row_region;

static void take_rows(void *arg, size_t piece, int thread)
{
    const row_region *r = arg;
    int from = (int)piece * ROWS, to = from + ROWS < r->rows ? from + ROWS : r->rows;
    r->fn(r->user, from, to, thread);
}

void pieces_rows(thread_pool *workers, int rows, piece_rows_fn *fn, void *user)
{
    row_region r = {fn, user, rows};
    pieces_run(workers, ((size_t)rows + ROWS - 1) / ROWS, take_rows, &r);
}
