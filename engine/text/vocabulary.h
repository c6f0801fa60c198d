/* vocabulary.h - the tokens of a model: content to id, id to content, id to the bytes it adds.
 *
 * A token's *content* is what the file writes ("Ġthe", "<0x0A>", "<|im_end|>"); its *piece* is what
 * it adds to a text (" the", "\n", nothing). Ids may have gaps: an id without a token has kind
 * TOKEN_NONE, empty content and an empty piece.
 *
 * Contents come from strangers, so the hash is keyed with a random seed: nobody can write a file
 * whose tokens all share one bucket. The seed changes the order of probes and nothing else.
 */
#ifndef ENGINE_VOCABULARY_H
#define ENGINE_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* 16 million tokens are a hundred times what models have; beyond that a file is refused. */
enum { VOCABULARY_MAX = 1 << 24 };

typedef enum token_kind {
    TOKEN_NONE,    /* a gap */
    TOKEN_NORMAL,  /* made from text by merges */
    TOKEN_ADDED,   /* added beside the model's own tokens; visible when generated */
    TOKEN_BYTE,    /* <0x00> .. <0xFF> of SentencePiece vocabularies */
    TOKEN_UNUSED,  /* padding of the table */
    TOKEN_SPECIAL, /* control tokens: never made from text, never shown */
} token_kind;

typedef struct vocabulary_entry {
    size_t content, piece; /* offsets into text */
    uint32_t content_len, piece_len;
    token_kind kind;
} vocabulary_entry;

typedef struct vocabulary_slot {
    uint32_t hash; /* upper bits, to skip most comparisons */
    int id;        /* -1 = free */
} vocabulary_slot;

/* {0} is valid and empty. Fields are private to vocabulary.c but for `count`. */
typedef struct vocabulary {
    int count; /* ids: the largest + 1 */
    vocabulary_entry *entry;
    vocabulary_slot *slot;
    size_t slots; /* power of two, at most two thirds full */
    char *text;   /* all contents and pieces, one behind the other */
    size_t text_len, text_cap;
    size_t longest; /* bytes of the longest content */
    uint64_t seed;
} vocabulary;

/* Room for ids 0..count-1, at most VOCABULARY_MAX. */
int vocabulary_open(vocabulary *v, size_t count, error *err);
void vocabulary_release(vocabulary *v);

/* Gives id its content. id in [0, count) and not yet taken (the caller checks and names the file's
 * field). When another id has the same content already, the earlier one keeps the name: 0 either
 * way; -1 only when out of memory. */
int vocabulary_add(vocabulary *v, int id, const char *content, size_t len, token_kind kind,
                   error *err);
int vocabulary_set_piece(vocabulary *v, int id, const char *piece, size_t len, error *err);

/* The id with exactly this content, or -1. */
int vocabulary_find(const vocabulary *v, const char *content, size_t len);
/* Borrowed until the next vocabulary_add or _set_piece; id in [0, count). */
const char *vocabulary_content(const vocabulary *v, int id, size_t *len);
const char *vocabulary_piece(const vocabulary *v, int id, size_t *len);

/* A seed that a file's author cannot know, for every hash over a file's contents. */
uint64_t vocabulary_seed(void);

#endif
