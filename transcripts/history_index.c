/* history_index.c - see history_index.h. */
#include "history_index.h"

#include <stdint.h>
#include <stdlib.h>

enum { FIRST = 64 };

/* The entry of that key, or the free one where it belongs. Multiplying by 2^32 / golden ratio spreads
 * neighbours (Knuth, "Sorting and Searching", 6.4). */
static history_entry *entry_of(const history_index *x, int key)
{
    size_t at = (size_t)((uint32_t)key * 2654435769u) & (x->cap - 1);
    while (x->v[at].key && x->v[at].key != key)
        at = (at + 1) & (x->cap - 1);
    return &x->v[at];
}

static int grow(history_index *x, error *err)
{
    history_index wide = {.cap = x->cap ? 2 * x->cap : FIRST, .count = x->count};
    wide.v = calloc(wide.cap, sizeof *wide.v);
    if (!wide.v)
        return error_memory(err, "a transcript");
    for (size_t i = 0; i < x->cap; i++)
        if (x->v[i].key)
            *entry_of(&wide, x->v[i].key) = x->v[i];
    free(x->v);
    *x = wide;
    return 0;
}

int history_index_put(history_index *x, int key, int value, error *err)
{
    if (2 * (x->count + 1) > x->cap && grow(x, err))
        return -1;
    history_entry *e = entry_of(x, key);
    x->count += e->key == 0;
    *e = (history_entry){key, value};
    return 0;
}

int history_index_get(const history_index *x, int key)
{
    const history_entry *e = x->cap && key > 0 ? entry_of(x, key) : NULL;
    return e && e->key ? e->value : -1;
}

void history_index_release(history_index *x)
{
    free(x->v);
    *x = (history_index){0};
}
