/* export_html.h - how the HTML export is written. Private to its files.
 *
 * The invariant that makes it safe: foreign text reaches the page by html_put_text() alone, and it
 * never becomes the name of a tag, an attribute, a class or an id. The only attribute with foreign
 * bytes is href, behind links_address(). Everything else is put by text_put() and text_format(),
 * which take our own words and numbers.
 */
#ifndef TRANSCRIPTS_EXPORT_HTML_H
#define TRANSCRIPTS_EXPORT_HTML_H

#include "../../engine/base/html_page.h"
#include "../history.h"

enum { HTML_PERSONAS = 64, HTML_COLORS = 8 };

typedef struct html_persona {
    const char *name;
    int color; /* 0 to HTML_COLORS - 1 */
} html_persona;

typedef struct html {
    text_writer w;
    const history *history;
    html_persona personas[HTML_PERSONAS]; /* personas in order of appearance */
    int persona_count;
} html;

/* Foreign text on one line, isolated from the direction of what stands around it; NULL = nothing. */
void html_name(html *p, const char *text);

/* A foreign text as its author meant it: blocks, emphasis, code, links. */
void html_answer(html *p, turn_text text);
/* One paragraph's worth of clean text: emphasis, code, links. */
void html_inline(html *p, const char *clean, size_t n);

/* Experts allowed and used, a bar for each layer; nothing when they were not recorded. */
void html_routing(html *p, const turn_answer *a);
/* Who gave what to whom, and the shares; nothing without a vote. */
void html_vote(html *p, const turn_merge *m);

/* "p0" to "p7", or "pc" for the control: the class that carries a persona's colour. */
const char *html_color(const html *p, const char *persona);

html_sheet html_style(void);

#endif
