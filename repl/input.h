/* input.h - reading a whole text from a file, a pipe, a device or standard input. */
#ifndef REPL_INPUT_H
#define REPL_INPUT_H

#include "console.h"

/* Appends everything in the file `name` ("-" = standard input) to *text; NUL bytes are text.
 * ERROR_RUN naming the file; Ctrl-C ends a read that waits. */
int input_read(const char *name, buf *text, const console *con, error *err);

#endif
