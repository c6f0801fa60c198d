/* words.h - a text's words, one after the other: the one rule of where a word begins and ends.
 *
 * A word is a run of letters, digits and apostrophes, told in small letters (ё as е), of which the first
 * WORD_MOST are kept. In a number a comma with a digit behind it is left out and a point is a part. Of Han,
 * kana and Hangul each two neighbours are a word. What a word is worth is the caller's business:
 * agreement.h looks at stems, a vote's features at whole words.
 */
#ifndef PERSONAS_WORDS_H
#define PERSONAS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

enum { WORD_MOST = 32 }; /* letters */

typedef struct text_word {
    const char *v;   /* [len], a NUL behind it; NULL of dense characters */
    size_t len;      /* bytes */
    int letters;     /* characters */
    bool number;     /* begins with a digit */
    uint32_t dense;  /* a character of Han, kana or Hangul, */
    uint32_t before; /* and its neighbour; 0 = none, so it is no word yet */
} text_word;

/* -1 ends it. */
typedef int word_fn(void *user, const text_word *w, error *err);

/* All words of well-formed UTF-8, in order. What fn returned last, or 0. */
int words_read(const char *text, size_t len, word_fn *fn, void *user, error *err);
/* Characters of a text. */
int words_letters(const char *v, size_t len);
/* Hash of a word as it stands, or of two dense neighbours. */
uint64_t words_hash(const text_word *w);

#endif
