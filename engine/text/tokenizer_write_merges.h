/* tokenizer_write_merges.h - the merges of a tokenizer as a list. */
#ifndef ENGINE_TOKENIZER_WRITE_MERGES_H
#define ENGINE_TOKENIZER_WRITE_MERGES_H

#include "tokenizer_parts.h"

typedef struct merge_list {
    bpe_merge *v; /* [len] by rank, then left */
    size_t len;
} merge_list;

int merge_list_open(const bpe *b, merge_list *out, error *err);
void merge_list_release(merge_list *m);

#endif
