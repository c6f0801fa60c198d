/* spm.h - what SentencePiece-style vocabularies do differently from byte-level ones.
 *
 * Words start as characters, not bytes. A space is written U+2581. A character without a token of
 * its own falls back to its bytes, tokens written <0x00> to <0xFF>; if one of these is missing, to
 * the unknown token; without one it is dropped. GGUF files bring scores instead of merges: any two
 * neighbours whose joined text is a token may merge, higher scores first.
 */
#ifndef ENGINE_SPM_H
#define ENGINE_SPM_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"
#include "../base/buf.h"
#include "bpe.h"
#include "vocabulary.h"

#define SPM_SPACE "\xE2\x96\x81" /* U+2581 */

/* The byte that "<0x0A>" (two hexadecimal capitals, as the reference writes it) names, or -1. */
int spm_byte(const char *content, size_t len);

typedef struct spm_options {
    const vocabulary *vocabulary;
    const int *byte_id; /* [256] the byte tokens, -1 = absent; NULL = no byte fallback */
    int unknown;        /* -1 = none */
    bool fuse_unknown;  /* unknown characters in a row make one token */
} spm_options;

/* Appends the symbols that piece[0..len) starts with to *word; adds the bytes of characters that
 * got none to *dropped. */
int spm_symbols(const spm_options *r, const char *piece, size_t len, bpe_word *word,
                size_t *dropped, error *err);

/* Longer tokens are refused where scores make merges: every cut of a token is looked up. */
enum { SPM_MAX_TOKEN = 256 };

/* Fills *merges from scores[0..words->count): for each normal token every way to cut it into two
 * tokens. Equal scores have equal rank. */
int spm_merges_from_scores(const vocabulary *words, const float *scores, bpe *merges, error *err);

/* Appends the text that content adds: U+2581 as a space. */
int spm_decode(const char *content, size_t len, buf *out, error *err);

#endif
