/* arena.h - memory that is taken piece by piece, is bounded, and is given back all at once.
 *
 * Everything a parsed template, a tree of data or one rendering holds lies in its arena, so no
 * value has an owner and nothing can leak on an error path. What is taken is counted, chunk heads
 * and unused tails included; a request above the limit fails like one that the system refuses, and
 * `full` tells the two apart.
 */
#ifndef ENGINE_JINJA_ARENA_H
#define ENGINE_JINJA_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* {.limit = N} is valid and empty. */
typedef struct arena {
    struct arena_chunk *chunks;
    size_t used, limit; /* bytes */
    bool full;          /* the last failure was the limit's */
} arena;

/* n bytes, aligned for anything and not cleared, good until the release; NULL = none. */
void *arena_take(arena *a, size_t n);
/* The same for count elements of `size` bytes, checked against overflow. */
void *arena_array(arena *a, size_t count, size_t size);
void arena_release(arena *a); /* frees and empties; the limit stays */

#endif
