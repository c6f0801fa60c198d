/* tokenizer_parts.h - the inside of a tokenizer, for the three files that make one.
 *
 * tokenizer.c encodes and answers; tokenizer_json.c and tokenizer_gguf.c fill the parts from a
 * file. Filling has a fixed order, kept by both loaders: the words, then the merges over them, then
 * tokenizer_finish(), which works out the pieces, the byte table and the white-space tokens.
 *
 * Which tokens text can become. Special tokens never: a merge that would make one is left out,
 * and ignore_merges does not see them. Added tokens that are not special ("<think>",
 * "<tool_call>") look like special ones, so they are found where special ones are and nowhere
 * else: in bytes that a chat template wrote (added_tokens.h; the reference finds them
 * everywhere). The exception are added tokens of white space alone, which are part of the
 * ordinary vocabulary of GPT-NeoX and OLMo and cannot be taken for anything else. A byte-level
 * token of one character stays text even if a file calls it special: without it that byte could
 * not be written.
 */
#ifndef ENGINE_TOKENIZER_PARTS_H
#define ENGINE_TOKENIZER_PARTS_H

#include "../formats/gguf.h"
#include "added_tokens.h"
#include "bpe.h"
#include "normalize.h"
#include "pretoken.h"
#include "tokenizer.h"
#include "vocabulary.h"

/* How the decoder turns a token's content into bytes. */
typedef enum tokenizer_decoder {
    TOKENIZER_DECODE_PLAIN,     /* content as it is */
    TOKENIZER_DECODE_BYTELEVEL, /* bytelevel.h */
    TOKENIZER_DECODE_SPM,       /* U+2581 is a space, <0x0A> a byte */
} tokenizer_decoder;

enum { TOKENIZER_NAMES = 7 }; /* tokenizer_named() */

struct tokenizer {
    vocabulary vocabulary;
    bpe merges;
    normalizer normal;
    pretoken *split;
    added_tokens raw;        /* added tokens found before normalization */
    added_tokens normalized; /* and after it */
    tokenizer_decoder decoder;
    bool byte_level; /* words start as bytes, not characters */
    bool byte_fallback, ignore_merges, fuse_unknown;
    bool drop_first_space; /* the text's first piece lost a space that encoding had added */
    bool adds_bos;
    int unknown, bos, eos; /* -1 = none */
    char *named[TOKENIZER_NAMES];
    int byte_id[256]; /* byte-level: the token of each byte; byte fallback: <0x00>.. ; -1 */
};

/* An empty tokenizer; NULL when out of memory. */
tokenizer *tokenizer_new(error *err);

/* The number of merges a vocabulary of `words` can sensibly have: bounds the memory for them. */
size_t tokenizer_most_merges(size_t words);
/* The merge of two contents; -1 (ERROR_LOAD) when a part or the result is no token. */
int tokenizer_add_merge(tokenizer *t, const char *left, size_t left_len, const char *right,
                        size_t right_len, uint32_t rank, error *err);
/* "a b" cut at its only space. */
int tokenizer_add_merge_line(tokenizer *t, const char *line, size_t len, uint32_t rank, error *err);
/* Registers token id as one that is found in text: if it is white space alone and not special, in
 * anybody's, else in a chat template's. options.untrusted is set here. */
int tokenizer_add_added(tokenizer *t, int id, bool after_normalizing, added_token_options options,
                        error *err);
/* True when that was done for this id. */
bool tokenizer_is_added(const tokenizer *t, int id);
bool tokenizer_is_white_space(const char *s, size_t len);
/* Gives the i-th name its token's content. */
int tokenizer_set_named(tokenizer *t, size_t i, const char *content, size_t len, error *err);

/* What surrounds an added token in text: bytes of white space at its end and its beginning, and
 * whether neither the character before `from` nor the one at `to` belongs to a word. */
size_t tokenizer_space_before(const char *text, size_t len);
size_t tokenizer_space_behind(const char *text, size_t len);
bool tokenizer_stands_alone(const char *text, size_t len, size_t from, size_t to);

/* Byte-level: a one-character token stays text whatever the file calls it. Call before merges. */
void tokenizer_keep_alphabet(tokenizer *t);
/* Works out pieces and the byte table from the words; call last. */
int tokenizer_finish(tokenizer *t, error *err);

int tokenizer_from_json(const char *directory, tokenizer **out, error *err);
int tokenizer_from_gguf(const gguf *g, tokenizer **out, error *err);

/* The loaders' inner half over text in memory, for fuzzing; config may be NULL. Caller owns. */
tokenizer *tokenizer_parse(const char *where, const char *text, size_t len, error *err);

#endif
