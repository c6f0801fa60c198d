/* clipboard.h - text into the clipboard, by whatever way there is.
 *
 * OSC 52 lets the terminal itself take the text, also over ssh; only terminals known to obey it get
 * the sequence, others would show it or drop it in silence. Else wl-copy (Wayland) or xclip (X11).
 */
#ifndef REPL_CLIPBOARD_H
#define REPL_CLIPBOARD_H

#include "terminal.h"

/* *way = how it went, a static text: "OSC 52", "wl-copy", "xclip". ERROR_RUN when there is no way. */
int clipboard_copy(terminal *t, const char *text, size_t n, const char **way, error *err);

#endif
