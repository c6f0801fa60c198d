/* markdown_blocks.h - the blocks of a whole Markdown text: paragraphs, headings, items, quotes, code.
 *
 * Lines (markdown.h) that belong together become one block; there is no error, and a text of n
 * bytes costs n steps. Blocks borrow the caller's text. What a block of code holds is told apart
 * from the text that it lies in, as the marks of the quotes and items around it stand in its
 * lines.
 */
#ifndef ENGINE_MARKDOWN_BLOCKS_H
#define ENGINE_MARKDOWN_BLOCKS_H

#include "buf.h"
#include "markdown.h"

typedef struct markdown_block {
    markdown_kind
        kind; /* MARKDOWN_OPEN for code, else TEXT, HEADING, ITEM, QUOTE (one line) or RULE */
    const char
        *text; /* of several lines with their newlines; of code: all lines behind its fence */
    size_t len;
    size_t indent;    /* columns before the mark of an item or quote, of code before its fence */
    bool quoted;      /* code in a quote that no item holds */
    int level;        /* of a heading, 1 to 6 */
    long number;      /* of an item in an ordered list, else -1 */
    const char *info; /* of code: behind its fence */
    size_t info_len;
    markdown within; /* of code: what is open where its lines begin */
} markdown_block;

/* {.at = text, .end = text + n} is ready to use. */
typedef struct markdown_reader {
    const char *at, *end;
    markdown state;
    bool behind_item; /* the line at `at` is a fence whose item was told already */
} markdown_reader;

/* The next block, or false at the end. */
bool markdown_next(markdown_reader *r, markdown_block *out);

/* The number-th block of code (from 1), or false when there are not so many. */
bool markdown_code_block(const char *text, size_t n, int number, markdown_block *out);

/* Appends what a block of code holds: its lines without what containers and an indented fence
 * take off them, each with a newline. */
int markdown_code(const markdown_block *b, buf *out, error *err);

#endif
