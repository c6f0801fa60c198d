/* arena.c - chunks in a list; a large piece gets a chunk of its own. */
#include "arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

enum { ALIGN = 16, FIRST = 4096, LARGEST = 256 << 10 };

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t at, size; /* of bytes behind this head */
} arena_chunk;

static_assert(sizeof(arena_chunk) % 8 == 0, "pieces behind the head stay aligned");

static char *chunk_bytes(arena_chunk *c)
{
    return (char *)c + (sizeof *c + ALIGN - 1) / ALIGN * ALIGN;
}

static arena_chunk *chunk_new(arena *a, size_t size)
{
    const size_t head = (sizeof(arena_chunk) + ALIGN - 1) / ALIGN * ALIGN;
    if (size > SIZE_MAX / 2 || a->used + head + size > a->limit) {
        a->full = true;
        return NULL;
    }
    arena_chunk *c = malloc(head + size);
    a->full = false;
    if (c == NULL)
        return NULL;
    *c = (arena_chunk){.size = size};
    a->used += head + size;
    return c;
}

/* How large the next shared chunk is: as large as all so far, within bounds. */
static size_t next_size(const arena *a)
{
    size_t size = a->used < FIRST ? FIRST : a->used;
    return size > LARGEST ? LARGEST : size;
}

void *arena_take(arena *a, size_t n)
{
    if (n > SIZE_MAX / 4) {
        a->full = true;
        return NULL;
    }
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    arena_chunk *c = a->chunks;
    if (c != NULL && n <= c->size - c->at) {
        c->at += n;
        return chunk_bytes(c) + c->at - n;
    }
    const size_t shared = next_size(a);
    const bool own = n > shared / 4;
    c = chunk_new(a, own ? n : shared);
    if (c == NULL)
        return NULL;
    c->at = n;
    if (own && a->chunks != NULL) { /* the shared chunk stays in front */
        c->next = a->chunks->next;
        a->chunks->next = c;
    } else {
        c->next = a->chunks;
        a->chunks = c;
    }
    return chunk_bytes(c);
}

void *arena_array(arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    return arena_take(a, bytes);
}

void arena_release(arena *a)
{
    for (arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    a->chunks = NULL;
    a->used = 0;
}
