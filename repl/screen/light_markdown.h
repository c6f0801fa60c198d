/* light_markdown.h - the little of Markdown that helps reading in a terminal.
 *
 * What each line is, engine/base/markdown.h says, to the exports as well. **Bold**, *italic* and `code` are
 * shown as such and lose their marks; headings are bold; items of lists, quotes and indented lines hang;
 * fenced code stands between two dim lines, indented, each line kept exactly, cut (not wrapped) where
 * the column ends and marked there. Everything else is text. A mark is one only when its counterpart
 * follows on the same line not too far away, so "2 * 3", "snake_case", "__init__" and "**kwargs" stay
 * what they are. Without colour, marks are left in place: nothing else would show them.
 *
 * The reader takes text as it comes and stops before anything that text still to come may decide: an
 * open mark, the beginning of a line, a cluster that may grow. Its whole state is a few bytes, so each
 * row can remember it (wrap_place). What it stops before is bounded, so reading it again and again to
 * show it meanwhile costs a constant.
 *
 * Two bytes that no harmless text holds carry lines of our own through the same stream:
 * LIGHT_DIM text '\n' is shown dim, LIGHT_FAULT text '\n' as a fault.
 */
#ifndef REPL_LIGHT_MARKDOWN_H
#define REPL_LIGHT_MARKDOWN_H

#include "../../engine/base/markdown.h"
#include "wrap.h"

#define LIGHT_DIM   '\002'
#define LIGHT_FAULT '\003'

/* {0} is valid: at the beginning of a text. */
typedef struct light_markdown {
    markdown lines;  /* in a line: behind it */
    uint8_t in_line; /* not at the beginning of a line */
    uint8_t heading;
    uint8_t bold, italic; /* the mark that will end it, or 0 */
    uint8_t code;         /* so many backticks will end it */
    uint8_t trim;         /* and the blank before them is not shown */
    uint8_t rest;         /* marks of this kind that come next belong to a run that is text */
    uint8_t hang;
} light_markdown;

typedef enum light_ending {
    LIGHT_MORE,    /* more is to come: stop before what it decides */
    LIGHT_PREVIEW, /* more is to come: show the likely reading */
    LIGHT_OVER,    /* this is all */
} light_ending;

typedef struct light_style {
    bool color;
    bool utf8;  /* our own marks and lines may be more than ASCII */
    bool ascii; /* so may no text: the terminal reads another character set */
} light_style;

/* Reads text[*used..n) and moves *used behind what was decided. Rows' places count offsets in text. */
int light_markdown_read(light_markdown *m, light_style style, const char *text, size_t n,
                        light_ending ending, size_t *used, wrap *out, error *err);

/* Goes on at `offset` with new rows: inside a line they begin with its hang. */
int light_markdown_resume(const light_markdown *m, light_style style, size_t offset, wrap *out,
                          error *err);

/* The state in a place of the text, and back. */
wrap_place light_markdown_place(const light_markdown *m, size_t offset);
light_markdown light_markdown_at(const wrap_place *place);

#endif
