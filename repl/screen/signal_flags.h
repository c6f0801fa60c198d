/* signal_flags.h - what signals have asked for.
 *
 * A signal handler can be told nothing but static storage, so main.c owns the flags and hands their
 * address to the console. Handlers set them, and whoever acts on one takes it back.
 */
#ifndef REPL_SIGNAL_FLAGS_H
#define REPL_SIGNAL_FLAGS_H

#include <stdatomic.h>

typedef struct terminal_signals {
    atomic_bool attended; /* a terminal is open: no signal ends the process, they only set flags */
    atomic_bool
        keeps; /* what runs has something to save: SIGTERM and SIGHUP end it like one SIGINT */
    atomic_bool interrupted; /* SIGINT */
    atomic_bool cancel;      /* what runs shall end: SIGINT or as `ended`; the engine looks at it */
    atomic_bool gentle;  /* a first SIGINT does not set it: the conversation decides what ends */
    atomic_bool resized; /* SIGWINCH */
    atomic_bool suspend; /* SIGTSTP: suspend at the next moment that is safe */
    atomic_bool ended;   /* SIGTERM, SIGHUP, SIGQUIT (Ctrl-\): save, restore, leave */
} terminal_signals;

#endif
