/* clipboard.h - text into the clipboard, by whatever way there is.
 *
 * Programs that say whether it worked come first: wl-copy (Wayland), xclip (X11), and under tmux its
 * own paste buffer. Else OSC 52 asks the terminal itself, also over ssh; only terminals known to obey it
 * get the sequence, others would show it. Nobody answers it, so it is told as sent and no more. Under
 * tmux that cannot be reached, and under screen, the sequence is wrapped so that it is passed on.
 *
 * What is copied is what the screen shows: no control byte but tab and newline gets into a clipboard,
 * from where it would be pasted into a shell.
 */
#ifndef REPL_CLIPBOARD_H
#define REPL_CLIPBOARD_H

#include "../screen/terminal.h"
#include "broker.h"

/* b runs the programs. Appends to *message, as a sentence about `name`, what is known to have happened. ERROR_USAGE for a text
 * that is empty, ERROR_RUN when there is no way. */
int clipboard_copy(terminal *t, broker *b, const char *name, const char *text, size_t n,
                   buf *message, error *err);

#endif
