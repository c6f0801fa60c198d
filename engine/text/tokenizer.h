/* tokenizer.h - text to token ids and back; owns the vocabulary.
 *
 * The reference is the model's own tokenizer.json, id for id. Two families: byte-level BPE (gpt2,
 * qwen2, llama3, smollm, olmo...: a PCRE2 split pattern, then merges inside each piece) and
 * SentencePiece-style BPE with byte fallback (llama2, mistral).
 *
 * Text is plain text: no special token is ever parsed out of it. The one exception are bytes that
 * the caller marks as trusted, because a chat template wrote them (chat.h): there added tokens are
 * found as the reference finds them, but only where all of their bytes are trusted.
 *
 * Encoding is linear in the text: 1 MiB of any one character stays under 2 s.
 */
#ifndef ENGINE_TOKENIZER_H
#define ENGINE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"
#include "../formats/checkpoint.h"

/* A growable list of token ids. {0} is valid and empty. */
typedef struct tokens {
    int *v;
    size_t len, cap;
} tokens;
int tokens_push(tokens *t, int id, error *err);
int tokens_append(tokens *t, const int *ids, size_t n, error *err);
void tokens_release(tokens *t); /* frees the storage and empties the list */

typedef struct tokenizer tokenizer;

/* *out = NULL and 0 when the model brings no tokenizer at all; -1 (ERROR_LOAD) when it brings a
 * broken or unsupported one. Caller owns *out. Immutable after open: threads may share it. */
int tokenizer_open(const checkpoint *c, tokenizer **out, error *err);
void tokenizer_close(tokenizer *t); /* NULL ok */

/* Appends the ids of text[0..len) to *out. Text must be UTF-8 (NUL is text); invalid UTF-8 is
 * ERROR_USAGE with the byte offset. *dropped (may be NULL) counts bytes for which the vocabulary
 * has no token and which the reference drops too. */
int tokenizer_encode(const tokenizer *t, const char *text, size_t len, tokens *out, size_t *dropped,
                     error *err);

/* The same for text of which some bytes, trusted[i] = 1 of [len], may be parts of special and other
 * added tokens; NULL = none. White space and letters that touch one are whoever's they are. */
int tokenizer_encode_trusted(const tokenizer *t, const char *text, size_t len,
                             const unsigned char *trusted, tokens *out, size_t *dropped,
                             error *err);

/* The bytes that token id adds to the text, borrowed until tokenizer_close; may be part of a UTF-8
 * character; length 0 for special tokens and ids without text. id in [0, vocabulary). */
const char *tokenizer_piece(const tokenizer *t, int id, size_t *len);

/* As tokenizer_piece, for the first token of a text: SentencePiece drops the leading space there. */
const char *tokenizer_first_piece(const tokenizer *t, int id, size_t *len);

/* Number of ids (the largest id + 1). */
int tokenizer_count(const tokenizer *t);
/* Id of a token, special or not, by its exact content ("<|im_end|>"), or -1. */
int tokenizer_find(const tokenizer *t, const char *content, size_t len);
/* Special (control) tokens never appear as text and are never sampled inside content. */
bool tokenizer_is_special(const tokenizer *t, int id);
/* The content of a token as the vocabulary writes it (for listings); borrowed. */
const char *tokenizer_content(const tokenizer *t, int id, size_t *len);
/* bos/eos named by tokenizer_config.json or GGUF metadata, or -1. */
int tokenizer_bos(const tokenizer *t);
int tokenizer_eos(const tokenizer *t);
/* The tokens that tokenizer_config.json or GGUF metadata give a name ("bos_token", "unk_token"), by
 * i from 0: *name, NULL behind the last, and the content, NULL when the model has none; borrowed. */
const char *tokenizer_named(const tokenizer *t, size_t i, const char **name);
/* True when the reference puts bos in front of a text (add_bos_token, TemplateProcessing). */
bool tokenizer_adds_bos(const tokenizer *t);

#endif
