/* onig.h - split patterns as tokenizer.json writes them, translated for PCRE2.
 *
 * The reference runs these patterns with Oniguruma in Ruby syntax. PCRE2 reads nearly the same
 * language, and the differences are silent: \h is a hex digit there and a blank here, \s differs in
 * U+180E, {2,3}+ repeats there and is possessive here, \p{Han} is Script there and
 * Script_Extensions here. So nothing passes unread: a small scanner copies the constructs whose
 * meaning is known to be equal, rewrites those it can, and refuses all others by name and offset.
 *
 * Passed: literals, escaped ASCII punctuation, \r \n \t \f \xHH \x{H} \uHHHH, . | ^ $ (ends of a
 * line, as in Ruby), classes with ranges, \d \D, \p{..} \P{..} \p{^..} of general categories and
 * scripts, groups ( ) (?: ) (?i: ) (?= ) (?! ), quantifiers * + ? {n} {n,} {n,m} with lazy or
 * possessive forms. Rewritten: \s \S to Unicode White_Space, {n,m}+ to a repeated group, scripts to
 * sc:. Refused: \w \b \h \R \X \C \K \G, backreferences, recursion, callouts, (*VERBS),
 * lookbehind, conditionals, named groups, inline options, POSIX classes and class intersections.
 *
 * Refused because PCRE2's JIT counts no steps in them, so that no limit would hold: atomic groups,
 * and unbounded repeats inside a lookahead (which real patterns use for one character).
 */
#ifndef ENGINE_ONIG_H
#define ENGINE_ONIG_H

#include <stddef.h>

#include "../../kernels/error.h"
#include "../base/buf.h"

enum { ONIG_MAX_PATTERN = 8192, ONIG_MAX_DEPTH = 32 };

/* Appends the PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, newline LF) to *out.
 * pattern is valid UTF-8. ERROR_LOAD: "split pattern: offset 7: ...". */
int onig_translate(const char *pattern, size_t len, buf *out, error *err);

/* The pattern that matches exactly this text. */
int onig_escape(const char *text, size_t len, buf *out, error *err);

#endif
