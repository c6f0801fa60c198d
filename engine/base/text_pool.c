/* text_pool.c - see text_pool.h. */
#include "text_pool.h"

#include <stdlib.h>
#include <string.h>

typedef struct text_chunk {
    struct text_chunk *next;
    size_t len, cap;
    char v[];
} text_chunk;

enum { CHUNK = 4096 };

char *text_pool_keep(text_pool *p, const void *bytes, size_t len, error *err)
{
    text_chunk *c = p->chunks;
    if (!c || c->cap - c->len <= len) {
        size_t cap = len < CHUNK ? CHUNK : len + 1;
        c = malloc(sizeof *c + cap);
        if (!c) {
            error_memory(err, "names");
            return NULL;
        }
        *c = (text_chunk){.next = p->chunks, .cap = cap};
        p->chunks = c;
    }
    char *at = c->v + c->len;
    if (len)
        memcpy(at, bytes, len);
    at[len] = '\0';
    c->len += len + 1;
    return at;
}

void text_pool_release(text_pool *p)
{
    while (p->chunks) {
        text_chunk *next = p->chunks->next;
        free(p->chunks);
        p->chunks = next;
    }
}
