/* pretoken.h - cuts text into the words inside which byte pairs merge.
 *
 * A pretoken is a list of steps; each cuts every piece that the step before it left. Patterns are
 * written in tokenizer.json's own language (onig.h) and run by PCRE2; this is the only file of the
 * engine that includes pcre2.h for them.
 *
 * Two promises. *Never a different split*: a pattern that PCRE2 would read differently is refused
 * at load, and a limit that is hit is an error. *Linear time*, whatever the pattern, which comes
 * from a stranger's file: see the essay in pretoken.c.
 *
 * Reference: pre_tokenizers/ and tokenizer/{pattern,normalizer}.rs of the `tokenizers` library,
 * and onig's FindMatches for empty matches: one that follows a match at once is skipped by moving
 * on one character.
 */
#ifndef ENGINE_PRETOKEN_H
#define ENGINE_PRETOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

enum { PRETOKEN_MAX_STEPS = 16 };

/* What becomes of the matches of a Split; the reference's names. */
typedef enum pretoken_behavior {
    PRETOKEN_REMOVED,
    PRETOKEN_ISOLATED,
    PRETOKEN_MERGED_WITH_PREVIOUS,
    PRETOKEN_MERGED_WITH_NEXT,
    PRETOKEN_CONTIGUOUS,
} pretoken_behavior;

/* Where Metaspace puts its prefix: nowhere, on the piece that begins the text, on every piece. A
 * piece that begins with the replacement gets none. */
typedef enum pretoken_prefix {
    PRETOKEN_PREFIX_NEVER,
    PRETOKEN_PREFIX_FIRST,
    PRETOKEN_PREFIX_ALWAYS,
} pretoken_prefix;

typedef struct pretoken pretoken;

pretoken *pretoken_open(error *err);
void pretoken_close(pretoken *p); /* NULL ok */

/* Split on a pattern (literal: on exactly this text). invert swaps matches and the rest.
 * ERROR_LOAD names the offset in the pattern. */
int pretoken_add_split(pretoken *p, const char *pattern, size_t len, bool literal,
                       pretoken_behavior behavior, bool invert, error *err);
/* Replaces every space by `space` (at most 8 bytes) and puts it in front as `prefix` says. */
int pretoken_add_spaces(pretoken *p, const char *space, size_t len, pretoken_prefix prefix,
                        error *err);

/* For who writes a tokenizer down: the steps, and of step i the pattern, NULL when it does anything but
 * isolate what a pattern matches. Borrowed. */
size_t pretoken_steps(const pretoken *p);
const char *pretoken_pattern(const pretoken *p, size_t i);

/* Called for each non-empty piece in order; piece is borrowed for the call. Nonzero stops. */
typedef int pretoken_emit(void *user, const char *piece, size_t len, error *err);

/* Cuts text[0..len), valid UTF-8; first says that it begins the text that was asked for. Thread
 * safe: all scratch belongs to the call. */
int pretoken_run(const pretoken *p, const char *text, size_t len, bool first, pretoken_emit *emit,
                 void *user, error *err);

#endif
