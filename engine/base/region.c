/* region.c - see region.h. */
#include "region.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_LEAST = 512, CHUNK_MOST = 1 << 16 };

typedef struct region_chunk {
    struct region_chunk *next;
    size_t used, size;
    max_align_t bytes[];
} region_chunk;

static region_chunk *add_chunk(region *a, size_t least, error *err)
{
    size_t size = a->chunks ? a->chunks->size * 3 / 2 : CHUNK_LEAST;
    size = size > CHUNK_MOST ? CHUNK_MOST : size;
    size = size < least ? least : size;
    region_chunk *c = malloc(sizeof *c + size);
    if (!c) {
        (void)error_memory(err, "what was read or said");
        return NULL;
    }
    *c = (region_chunk){.next = a->chunks, .size = size};
    a->chunks = c;
    return c;
}

void *region_take(region *a, size_t size, error *err)
{
    size_t whole = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    region_chunk *c = a->chunks;
    if ((!c || c->size - c->used < whole) && !(c = add_chunk(a, whole, err)))
        return NULL;
    void *out = (char *)c->bytes + c->used;
    c->used += whole;
    return memset(out, 0, whole);
}

char *region_keep(region *a, const void *bytes, size_t n, error *err)
{
    char *out = region_take(a, n + 1, err);
    if (out && n)
        memcpy(out, bytes, n);
    return out;
}

char *region_keep_text(region *a, const char *text, error *err)
{
    return text ? region_keep(a, text, strlen(text), err) : NULL;
}

/* Items that there is room for: the power of two that holds `count`. */
static size_t room_of(int count)
{
    size_t room = count > 0;
    while (room < (size_t)count)
        room *= 2;
    return room;
}

void *region_add(region *a, void *list, int *count, int more, size_t size, error *err)
{
    char *items;
    size_t have = (size_t)*count, room = room_of(*count + more);
    memcpy(&items, list, sizeof items);
    if (room > room_of(*count)) {
        char *grown = region_take(a, room * size, err);
        if (!grown)
            return NULL;
        if (have)
            memcpy(grown, items, have * size);
        memcpy(list, &grown, sizeof grown);
        items = grown;
    }
    *count += more;
    return memset(items + have * size, 0, (size_t)more * size);
}

void region_join(region *a, region *from)
{
    region_chunk **end = &from->chunks;
    while (*end)
        end = &(*end)->next;
    *end = a->chunks;
    a->chunks = from->chunks;
    from->chunks = NULL;
}

void region_release(region *a)
{
    while (a->chunks) {
        region_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}
