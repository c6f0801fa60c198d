/* input.h - reading a whole text from a file, a pipe, a device or standard input. */
#ifndef REPL_INPUT_H
#define REPL_INPUT_H

#include "../../engine/text/tokenizer.h"
#include "../screen/console.h"

/* True when standard input is something to be read: a pipe, a file, a socket; not a terminal. */
bool input_is_given(void);

/* MiB of one text, unless --max-input says otherwise: what never ends must end somewhere. */
enum { INPUT_MIB = 64 };

/* Appends everything in the file `name` ("-" = standard input) to *text; NUL bytes are text.
 * ERROR_RUN naming the file; ERROR_USAGE when it holds more than con->input_mib (0 = INPUT_MIB); Ctrl-C ends a read
 * that waits. A second without a byte from standard input is told, once, and how to go without. */
int input_read(const char *name, buf *text, console *con, error *err);

/* Appends the ids of *text to *ids; a note counts the bytes that were dropped. `name` stands in
 * front of what is wrong with the text; NULL when it has none. */
int input_encode(const tokenizer *t, const char *name, const buf *text, console *con, tokens *ids,
                 error *err);

#endif
