/* copy_program.h - the programs that put a text into a clipboard. The broker (broker.h) runs them; the
 * conversation may not. */
#ifndef REPL_COPY_PROGRAM_H
#define REPL_COPY_PROGRAM_H

#include <stddef.h>

typedef enum copy_program {
    COPY_BY_TMUX,     /* tmux's buffer, and the terminal's (-w, tmux 3.2) */
    COPY_BY_TMUX_OWN, /* tmux's buffer alone */
    COPY_BY_WAYLAND,
    COPY_BY_X11,
    COPY_PROGRAMS,
} copy_program;

/* Runs it with the text as its input; -1 when it says that it failed. */
int copy_program_run(copy_program program, const char *text, size_t n);

#endif
