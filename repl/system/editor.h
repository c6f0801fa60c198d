/* editor.h - the user's own editor: $VISUAL, else $EDITOR, else vi. */
#ifndef REPL_EDITOR_H
#define REPL_EDITOR_H

#include <signal.h>
#include <stdbool.h>

#include "../../engine/base/buf.h"

/* Opens the file and waits. The terminal must be as the shell left it. ERROR_RUN when the editor
 * cannot be started or says that it failed. */
int editor_file(const char *path, error *err);

/* The text in a file of its own (0600, in a private folder: see there for in_memory); *text is what the
 * user left there, without the newline at its end. */
int editor_text(buf *text, bool in_memory, error *err);

/* Ctrl-C and Ctrl-\ are the editor's while it runs, and Ctrl-Z stops whoever waits for it, as the shell
 * expects: every process that waits yields. */
typedef struct editor_signals {
    struct sigaction interrupt, quit, stop;
} editor_signals;
void editor_signals_ignore(editor_signals *ours);
void editor_signals_restore(const editor_signals *ours);

#endif
