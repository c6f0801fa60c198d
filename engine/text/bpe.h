/* bpe.h - byte-pair encoding: the merge table and the merging of one word.
 *
 * A word is a list of symbols (token ids). While some pair of neighbours is in the table, the pair
 * of lowest rank is replaced by its result; among equal ranks the leftmost. A priority queue over
 * the pairs and a linked list of symbols make this n log n in the length of the word, whatever the
 * table: a megabyte of one letter is one word.
 *
 * The same table serves byte-level BPE (symbols start as bytes) and SentencePiece-style BPE (they
 * start as characters, rank = order of scores).
 *
 * Reference: the `tokenizers` library, models/bpe/word.rs. Its test for stale queue entries
 * compares the *result* of the pair now at that place, not the pair; where two pairs with one result
 * follow each other (ab+c, a+bc) that decides ids, so it is done the same way here.
 */
#ifndef ENGINE_BPE_H
#define ENGINE_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

typedef struct bpe_merge {
    uint32_t left, right, rank, result; /* left = UINT32_MAX: a free slot of the table */
} bpe_merge;

/* {0} is valid and has no merges. */
typedef struct bpe {
    bpe_merge *slot;
    size_t slots;     /* power of two, at most half full */
    uint32_t *result; /* [merges] of each rank; where several merges share a rank, of the last */
    uint64_t seed;
} bpe;

int bpe_open(bpe *b, size_t merges, error *err); /* room for so many; every rank lies below it */
void bpe_release(bpe *b);
/* A pair given twice keeps the later rank, as in the reference. */
void bpe_add(bpe *b, int left, int right, uint32_t rank, int result);

typedef struct bpe_symbol {
    int id;
    uint32_t prev, next; /* UINT32_MAX = none */
    uint32_t alive;      /* 0 once merged into its left neighbour */
} bpe_symbol;

/* Storage for one word, reused from word to word. {0} is valid and empty. */
typedef struct bpe_word {
    bpe_symbol *v;
    size_t len, cap;
    uint64_t *queue; /* rank << 32 | place of the left symbol: a heap with four children a node */
    size_t queued, queue_cap;
} bpe_word;

void bpe_word_clear(bpe_word *w); /* empties, keeps the storage */
void bpe_word_release(bpe_word *w);
int bpe_word_add(bpe_word *w, int id, error *err);
/* Merges; afterwards the ids of the symbols with `alive` are the result, in order. */
int bpe_word_merge(bpe_word *w, const bpe *b, error *err);

#endif
