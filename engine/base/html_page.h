/* html_page.h - what all pages that the program writes have in common: their head, and how text gets in.
 *
 * A page needs nothing else and runs nothing: no script, no picture, no font, no connection. Its policy
 * (CSP level 3) forbids all of them and allows one style sheet, by its hash; so even text that broke
 * out of its place could do nothing. Foreign text becomes part of a page by html_put_text() alone,
 * and never part of a tag.
 */
#ifndef ENGINE_HTML_PAGE_H
#define ENGINE_HTML_PAGE_H

#include "text_writer.h"

/* Clean text (well-formed, without control bytes) with & < > " ' as entities. */
void html_put_text(text_writer *w, const char *clean, size_t n);

/* A style sheet in parts, one behind the other. Borrowed. */
typedef struct html_sheet {
    const char *const *v;
    size_t len;
} html_sheet;

/* From the doctype to what stands before the title; html_begin_body() is to get the same sheet. */
void html_begin_head(text_writer *w, html_sheet sheet);
/* From the style sheet to <body>. */
void html_begin_body(text_writer *w, html_sheet sheet);

#endif
