/* loop.h - when an answer goes round in circles, judged by how much text the circle covers.
 *
 * A cycle is a stretch of tokens that stands there again and again, token for token, up to the last
 * one. It is a loop when it stands there LOOP_TIMES times and all of its turns together cover at
 * least N tokens: N is --loop, LOOP_TOKENS unless told. So a sentence of 24 tokens or more is a loop
 * when it is said the third time, "the the the" after N tokens, and eight `False` in a row are none.
 * Figures and code repeat for good reasons: a cycle without a letter (zeros of a table, a ruler, a
 * row of emoji) and any cycle inside a fenced code block must cover LOOP_FIGURES times as much.
 *
 * For each period p the watch counts how many of the last tokens equal the one p before them; a
 * token changes each count once, so an answer of n tokens costs n * LOOP_LONGEST comparisons,
 * whatever it says.
 */
#ifndef PERSONAS_LOOP_H
#define PERSONAS_LOOP_H

#include "../../engine/text/tokenizer.h"

enum {
    LOOP_TOKENS = 64,    /* tokens that a cycle must cover, unless told */
    LOOP_TIMES = 3,      /* times that a cycle must stand there at the least */
    LOOP_FIGURES = 4,    /* so many times the tokens, where no words repeat */
    LOOP_LONGEST = 1024, /* tokens of the longest cycle that is looked for */
};

typedef struct loop_detector {
    int run[LOOP_LONGEST]; /* [p - 1] of the last tokens, those that equal the one p before */
} loop_detector;

void loop_begin(loop_detector *w);
/* Takes notice of the last of ids[0..n); every token of an answer in turn, from the first on. */
void loop_token(loop_detector *w, const int *ids, size_t n);
/* Whether the ids taken so far end in a loop. text[0..len) is what they say; need: N, 0 = off. */
bool loop_found(const loop_detector *w, const tokenizer *t, const int *ids, size_t n,
                const char *text, size_t len, int need);
/* The same of a text from elsewhere. 1 yes, 0 no, -1 for lack of memory. */
int loop_ends(const tokenizer *t, const char *text, size_t len, int need, error *err);

#endif
