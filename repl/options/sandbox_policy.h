/* sandbox_policy.h - which files a command still needs once its model is about to be opened.
 *
 * Commands that answer and end (ask, tokenize, logits, perplexity, bench, model info, personas check,
 * derive and add) know all of them: the model, the personas' folders, what the command line names; they
 * write to the transcripts, to --output and, to derive or add, to the user's folders of personas and
 * masks, and nowhere else. A replay
 * opens the models and masks that its transcript names, one after the other: it may read everything and
 * write nothing. A conversation reads what the user names while it runs, so it may read everything too; it
 * writes to the folders of transcripts, of their index (the cache) and of the history of lines, and to
 * a private one. For /save, the editor and the clipboard's programs it asks its broker (broker.h), which
 * must be there by then.
 */
#ifndef REPL_SANDBOX_POLICY_H
#define REPL_SANDBOX_POLICY_H

#include "../screen/console.h"
#include "options.h"

/* Enters the sandbox that opt's command allows, the first time it is called; model: its path. Does nothing
 * with --no-sandbox, or where con->may_sandbox is false (see main.c). With -v what was given up is told. */
int sandbox_policy_enter(const options *opt, const char *model, console *con, error *err);

#endif
