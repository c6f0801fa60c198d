/* trace_page.h - a route_log as one HTML page that needs nothing else.
 *
 * What it shows: the tracks that read the same thing side by side, with a grid of layers and experts
 * each; token by token what was called, what was denied and what stood in; the denied mass along the
 * text; where two answers part and how far the routes are apart there, layer by layer; and an atlas of
 * all experts, coloured by who calls them most, with the tokens that each was called for.
 *
 * The figures, the places where answers part and the atlas stand in the page itself; the replay is done
 * by its script, the only one that its policy lets run (html_page.h). No connection is ever made.
 */
#ifndef PERSONAS_TRACE_PAGE_H
#define PERSONAS_TRACE_PAGE_H

#include "trace_files.h"

/* Appends the page. ERROR_USAGE when so many routes make no page that a browser would open. */
int trace_put_page(const route_log *log, const trace_heading *h, buf *out, error *err);

#endif
