/* markdown.h - what each line of a Markdown text is, told as the text comes.
 *
 * One line at a time goes in, or the beginning of one, with a small state from the lines before; out
 * comes what the line is and where its text begins. All that shows or takes apart an answer stands on
 * this: the screen, which knows no more than has been said so far, the exports, /copy and /save. So
 * they cannot disagree about where code begins and ends.
 *
 * Where that is follows CommonMark 0.31 to the letter: fences (section 4.5), and what they depend
 * on, block quotes (5.1), list items (5.2), paragraphs that go on lazily, thematic breaks and
 * headings. Two blocks of it are left out, because no reader of answers has ever shown them: HTML
 * and link definitions are text. Indented code is told from a paragraph, as what follows depends
 * on it, but is text, too: models indent lists as they like, and hardly ever mean code by it. For
 * the same reason all lines but those of code are named by their looks alone: a list's mark makes
 * an item at any indent, behind a paragraph and whatever its number, and "#" a heading.
 *
 * The invariant: what is said of the beginning of a line stays true of the whole line, so any cut
 * of a text into pieces gives the same lines. What a line is, its first MARKDOWN_AHEAD bytes
 * decide; this bounds what has to be held back.
 */
#ifndef ENGINE_MARKDOWN_H
#define ENGINE_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MARKDOWN_AHEAD = 1000, /* a fence with a longer line is text */
    MARKDOWN_DEEPEST = 16, /* quotes and items within one another; the marks of more are text */
};

/* What is open behind the last line. {0} is valid: at the beginning of a text. */
typedef struct markdown {
    uint8_t depth; /* quotes and list items that are open */
    /* [depth] outermost first. 0: a quote; else an item, and so far right its content is */
    uint8_t inside[MARKDOWN_DEEPEST];
    uint8_t empty;        /* the innermost is an item that holds nothing yet */
    uint8_t paragraph;    /* the last line belongs to one */
    char fence;           /* '`' or '~' within fenced code, else 0 */
    uint8_t fence_indent; /* of it, within the innermost container: 0 to 3 */
    uint8_t fence_column; /* of it in its line; 255 = further right */
    uint16_t fence_length;
} markdown;

typedef enum markdown_kind {
    MARKDOWN_BLANK,
    MARKDOWN_TEXT,
    MARKDOWN_HEADING,
    MARKDOWN_ITEM, /* of a list */
    MARKDOWN_QUOTE,
    MARKDOWN_RULE,  /* a thematic break, or a line that underlines a heading */
    MARKDOWN_OPEN,  /* a fence that begins code; it may stand behind marks of items and quotes */
    MARKDOWN_CODE,  /* a line of fenced code */
    MARKDOWN_CLOSE, /* a fence that ends it */
} markdown_kind;

/* Offsets are bytes, from the line's beginning. */
typedef struct markdown_line {
    markdown_kind kind;
    size_t indent; /* columns of blanks in front; of code: column of the fence */
    size_t begin;  /* the first byte that is no blank */
    size_t mark;   /* bytes of the first mark of an item or quote with the blank behind it, or 0 */
    long number;   /* of an item in an ordered list, else -1 */
    int level;     /* of a heading, 1 to 6 */
    size_t text;   /* behind marks and blanks; of a fence: the info string; of code: the content */
    size_t info;   /* bytes of the info string */
    size_t pad;    /* of code: blanks before the content, left of a tab that a container ends in */
} markdown_line;

/* Reads one line, or the beginning of one: text[n] without its newline; whole: there is no
 * more of it. False, with *m as it was, when what comes decides what the line is. */
bool markdown_read(markdown *m, const char *text, size_t n, bool whole, markdown_line *out);

/* ---- within a line or a paragraph -------------------------------------------------------------- */

/* Blanks of a line: space and tab. */
bool markdown_blank(char c);
/* What a word is made of: letters and digits of ASCII, and all that is not ASCII. */
bool markdown_word(char c);
/* Bytes at text[0..n) that are the same as the first, n > 0. */
size_t markdown_run(const char *text, size_t n);

typedef struct markdown_span {
    /* Its content; where both ends are blanks, one is taken off each (6.1). */
    size_t begin, end;
    size_t close, length; /* where the run that ends it begins, and ends */
} markdown_span;

/* The code span that text[n] begins with, which is a run of backticks: an equal run ends it.
 * False when none does. *dead (0 at first) remembers the lengths of runs that have no
 * counterpart further on, so a text full of them costs its length once for each; behind a
 * place, keep it for later ones only. */
bool markdown_code_span(const char *text, size_t n, uint64_t *dead, markdown_span *out);

#endif
