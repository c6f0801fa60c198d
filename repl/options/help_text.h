/* help_text.h - how help is laid out, by --help, /help and the examples: 80 columns, names on the left. */
#ifndef REPL_HELP_TEXT_H
#define REPL_HELP_TEXT_H

#include "../../engine/base/buf.h"

enum { HELP_WIDTH = 80 };

/* Appends the words of text in lines of at most HELP_WIDTH, and a newline. The first line goes on at `column`, the
 * others begin there. */
int help_wrap(buf *out, size_t column, const char *text, error *err);

/* Appends "NAME     TEXT", the text from `column` on; a name too long for that has a line of its own. */
int help_entry(buf *out, const char *name, size_t column, const char *text, error *err);

#endif
