/* export.h - a whole conversation as a document that others can open.
 *
 * Markdown is for reading and sending on: every persona's answer under its own heading, the prompt
 * quoted. JSON is one document with everything that the record says. HTML is one file that needs
 * nothing else: answers in columns, the merge, who voted how, which experts ran; no script, nothing
 * fetched, and a policy inside that forbids both.
 *
 * All texts are foreign: what a model, a user or a file wrote can neither end the place it is put
 * into nor reach outside of it. Control characters and those that reorder or hide text are shown as
 * what they are (\x1b, \u{202e}). Exports are made from the record and never written back.
 *
 * Undone turns are left out of Markdown and HTML, with a line that says so; JSON has them.
 */
#ifndef TRANSCRIPTS_EXPORT_H
#define TRANSCRIPTS_EXPORT_H

#include "../../engine/base/buf.h"
#include "../history.h"

typedef enum export_format { EXPORT_MARKDOWN, EXPORT_JSON, EXPORT_HTML } export_format;
/* The format of "md", "json" or "html"; false for other words. */
bool export_format_named(const char *name, export_format *out);

/* Each appends the document to *out; -1 only when memory runs out. */
int export_markdown(const history *h, buf *out, error *err);
int export_json(const history *h, buf *out, error *err);
int export_html(const history *h, buf *out, error *err);
int export_as(export_format format, const history *h, buf *out, error *err);

#endif
