/* light_markdown.h - the blocks of an answer: paragraphs, headings, lists, quotes, code.
 *
 * Models write Markdown of their own kind, cut off anywhere and never checked, so this reads the
 * handful of blocks that answers are made of and nothing else: there is no error, no lookahead
 * beyond a line, and a text of n bytes costs n steps. What is not recognised is a paragraph.
 *
 * One difference to CommonMark is wanted: a fence may be indented by any amount and stand behind a
 * list mark, and one that is never closed ends with the text. The texts that a block points at lie
 * in the caller's text, which is clean already (see export_text.h).
 */
#ifndef TRANSCRIPTS_LIGHT_MARKDOWN_H
#define TRANSCRIPTS_LIGHT_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum light_kind {
    LIGHT_PARAGRAPH,
    LIGHT_HEADING,
    LIGHT_ITEM,  /* of a list */
    LIGHT_QUOTE, /* one line of it, without its mark */
    LIGHT_CODE,
    LIGHT_RULE, /* a line across */
} light_kind;

typedef struct light_block {
    light_kind kind;
    const char *text; /* borrowed; several lines have their newlines, of code the last one too */
    size_t len;
    size_t indent;    /* columns before an item's mark; of code: columns to strip from each line */
    int level;        /* of a heading, 1..6 */
    long number;      /* of an item in an ordered list, else -1 */
    const char *info; /* code: what stands behind its fence, borrowed */
    size_t info_len;
} light_block;

/* {.at = text, .end = text + n} is ready to use. */
typedef struct light_reader {
    const char *at, *end;
    size_t column; /* of `at` in its line */
} light_reader;

/* The next block, or false at the end. */
bool light_next(light_reader *r, light_block *out);

/* One line of a code block, without its newline and without `indent` columns of blanks; moves
 * *at (an offset into the block's text) behind it. False at the end. */
bool light_code_line(const light_block *b, size_t *at, const char **line, size_t *len);

#endif
