/* safe_text.h - text from strangers, made harmless for a terminal.
 *
 * Model names, metadata, chat templates, error sentences that quote a file, and later a model's own
 * words may hold escape sequences, carriage returns or invisible characters that reorder or hide
 * text. The rule is byte-wise: a control byte is replaced by what it looks like in C ("\x1b"), so
 * no sequence can begin, and it does not matter how the text was cut into pieces: the output is the
 * same for every chunking. Nothing is parsed and nothing is dropped; what begins a character and does
 * not end it becomes U+FFFD.
 *
 * Replaced: C0 (but tab and newline in prose), DEL, C1 as bytes or as U+0080..9F, bytes that are no
 * UTF-8, and what shows nothing by its Unicode properties, unless it belongs to the character before
 * it, as a joiner in an emoji does (engine/base/visible.h). Kept: everything else, letters of right-to-left
 * scripts included.
 */
#ifndef REPL_SAFE_TEXT_H
#define REPL_SAFE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/visible.h"

typedef enum safe_style {
    SAFE_PROSE, /* tab and newline stay */
    SAFE_LINE,  /* they too are replaced: one line stays one line */
    SAFE_JSON,  /* a JSON document: newlines stay, the rest becomes \uXXXX, so values are kept */
} safe_style;

/* A stream in the middle of a text. {.style = ...} is valid and empty. */
typedef struct safe_text {
    safe_style style;
    bool ascii;            /* the terminal reads no UTF-8: everything above 7F is replaced */
    unsigned char held[4]; /* the beginning of a character */
    size_t count;
    visible place;
} safe_text;

/* Appends the harmless form of the next n bytes. 0, or -1 when memory is out. */
int safe_text_add(safe_text *s, const char *bytes, size_t n, buf *out, error *err);
/* The text is over: what is held is an unfinished character. */
int safe_text_end(safe_text *s, buf *out, error *err);

/* A whole text at once. */
int safe_text_copy(buf *out, safe_style style, bool ascii, const char *text, size_t n, error *err);

/* A text for a place in a line of ours: harmless, blanks and newlines as one space each, and cut behind
 * a whole character with "..." (one cell unless ascii) when it takes more than `cells`. */
int safe_text_excerpt(buf *out, const char *text, size_t n, size_t cells, bool ascii, error *err);

/* Terminal columns that harmless UTF-8 text takes. */
size_t safe_text_width(const char *text, size_t n);

#endif
