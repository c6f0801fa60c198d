/* tokenizer_write_merges.c - see tokenizer_write_merges.h. */
#include "tokenizer_write_merges.h"

#include <stdlib.h>

static int by_rank(const void *a, const void *b)
{
    const bpe_merge *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->left < y->left ? -1 : x->left > y->left;
}

int merge_list_open(const bpe *b, merge_list *out, error *err)
{
    *out = (merge_list){malloc((b->slots / 2 + 1) * sizeof *out->v), 0};
    if (!out->v)
        return error_memory(err, "the merges");
    for (size_t i = 0; i < b->slots; i++)
        if (b->slot[i].left != UINT32_MAX)
            out->v[out->len++] = b->slot[i];
    qsort(out->v, out->len, sizeof *out->v, by_rank);
    return 0;
}

void merge_list_release(merge_list *m)
{
    free(m->v);
    *m = (merge_list){0};
}
