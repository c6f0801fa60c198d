/* html_page.h - what all pages that the program writes have in common: their head, and how text gets in.
 *
 * A page needs nothing else: no picture, no font, no connection, and nearly all run no script. Its
 * policy (CSP level 3) forbids all of them and allows one style sheet, and at most one script, by their
 * hashes; so even text that broke out of its place could do nothing. Foreign text becomes part of a page by html_put_text() alone,
 * and never part of a tag.
 */
#ifndef ENGINE_HTML_PAGE_H
#define ENGINE_HTML_PAGE_H

#include "text_writer.h"

/* Clean text (well-formed, without control bytes) with & < > " ' as entities. */
void html_put_text(text_writer *w, const char *clean, size_t n);

/* A style sheet, or a script, in parts, one behind the other. Borrowed. */
typedef struct html_sheet {
    const char *const *v;
    size_t len;
} html_sheet;

/* From the doctype to what stands before the title; html_begin_body() is to get the same sheet. */
void html_begin_head(text_writer *w, html_sheet sheet);
/* The same for a page with a script, which html_put_script() puts where it is to run. */
void html_begin_head_with(text_writer *w, html_sheet sheet, html_sheet script);
void html_put_script(text_writer *w, html_sheet script);
/* From the style sheet to <body>. */
void html_begin_body(text_writer *w, html_sheet sheet);

#endif
