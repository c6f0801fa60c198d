/* confine.h - which files a command still needs once its model is about to be opened.
 *
 * Commands that answer and end (ask, tokenize, logits, perplexity, bench, model info, personas check and
 * derive) know all of them: the model, the personas' folders, what the command line names; they write
 * to the transcripts, to --output and, to derive, to the folders of masks, and nowhere else. A replay
 * opens the models and masks that its transcript names, one after the other: it may read everything and
 * write nothing. A conversation reads and writes what the user names while it runs, and starts the
 * user's editor, which would inherit all of this: of it only new privileges are taken.
 */
#ifndef REPL_CONFINE_H
#define REPL_CONFINE_H

#include "console.h"
#include "options.h"

/* Enters the sandbox that opt's command allows, the first time it is called; model: its path. Does nothing
 * with --no-sandbox, or where con->guard is false (see main.c). With -v what is in force is told. */
int confine(const options *opt, const char *model, console *con, error *err);

#endif
