/* normalize.h - what happens to text before it is split: NFC, a prefix, literal replacements.
 *
 * A normalizer is a short list of steps, run in order. NFC is Unicode's canonical composition by
 * utf8proc, except for the ordering of combining marks: the library sorts each run by insertion,
 * which takes quadratic time on a long run, so the marks are counted into place here. And the
 * reference's tables are those of Unicode 9: what came later passes unchanged, as there.
 */
#ifndef ENGINE_NORMALIZE_H
#define ENGINE_NORMALIZE_H

#include <stddef.h>

#include "../../kernels/error.h"
#include "../base/buf.h"

enum { NORMALIZE_MAX_STEPS = 16, NORMALIZE_MAX_TEXT = 64 };

typedef struct normalize_step {
    enum { NORMALIZE_NFC, NORMALIZE_PREPEND, NORMALIZE_REPLACE } kind;
    char from[NORMALIZE_MAX_TEXT], to[NORMALIZE_MAX_TEXT];
    size_t from_len, to_len;
} normalize_step;

/* {0} is valid and changes nothing. */
typedef struct normalizer {
    normalize_step step[NORMALIZE_MAX_STEPS];
    size_t steps;
} normalizer;

/* ERROR_LOAD when there are too many steps or a text is empty or too long. */
int normalizer_add_nfc(normalizer *n, error *err);
int normalizer_add_prepend(normalizer *n, const char *text, size_t len, error *err);
int normalizer_add_replace(normalizer *n, const char *from, size_t from_len, const char *to,
                           size_t to_len, error *err);

/* Replaces *text (valid UTF-8) by its normal form. An empty text stays empty: a prefix is put in
 * front of text only. */
int normalizer_run(const normalizer *n, buf *text, error *err);

/* The same, and *trusted with it: one byte for each byte of *text, 1 = written by a chat template.
 * What is made of several bytes is trusted when all of them are; a prefix when what follows it is. */
int normalizer_run_trusted(const normalizer *n, buf *text, buf *trusted, error *err);

#endif
