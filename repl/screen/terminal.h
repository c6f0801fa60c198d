/* terminal.h - the screen and keyboard: what it can do, its size, and leaving it as it was found.
 *
 * One value that says what the terminal understands (colour, UTF-8, moving the cursor, synchronized
 * updates), how many cells it has, and whether a signal came since the last look. Output is gathered
 * and written whole. While answers stream, typed keys are kept unechoed and handed to the next
 * prompt; Ctrl-Z, a crash of ours or a fatal signal leave the terminal sane: nothing is ever set that
 * a line of plain text would not follow well, and what is set is undone in one place.
 */
#ifndef REPL_TERMINAL_H
#define REPL_TERMINAL_H

#include "console.h"

typedef struct terminal terminal;

/* plain: --plain, TERM=dumb or no terminal on stdout: linear output. While it is open signals only
 * set flags (terminal_signals.attended). Caller owns. */
terminal *terminal_open(console *con, terminal_signals *signals, bool plain, error *err);

/* What terminal_open() finds out by looking. */
typedef struct terminal_capabilities {
    int fd; /* where frames are written */
    int columns, rows;
    bool linear, color, utf8;
    double frame; /* seconds between two repaints, at least */
} terminal_capabilities;
/* A terminal of these qualities, without a keyboard. */
terminal *terminal_open_as(console *con, terminal_signals *signals,
                           const terminal_capabilities *traits, error *err);
void terminal_close(terminal *t); /* NULL ok; restores everything */

int terminal_columns(const terminal *t); /* at least 20; 80 when unknown */
int terminal_rows(const terminal *t);
bool terminal_linear(const terminal *t); /* no moving cursor */
bool terminal_color(const terminal *t);
bool terminal_utf8(const terminal *t);
double terminal_frame(const terminal *t); /* seconds between two repaints, at least */
/* What stands between figures, and before who has won: ", " and "* " where no UTF-8 is read. */
const char *terminal_dot(const terminal *t);
const char *terminal_star(const terminal *t);
console *terminal_console(const terminal *t);
terminal_signals *terminal_signal_flags(const terminal *t);

/* While answers stream: no echo, keys wait for the next prompt; Ctrl-C and Ctrl-Z stay signals. Pairs
 * nest. */
void terminal_echo_off(terminal *t);
void terminal_echo_on(terminal *t);
/* Asks the kernel for the size; true when it changed. (SIGWINCH only ends a wait.) */
bool terminal_resized(terminal *t);
/* Suspends when Ctrl-Z was typed: restores, stops, and comes back. True when it did. */
bool terminal_suspended(terminal *t);

/* Writes and empties *text, whole, as is. Ctrl-C does not cut it short: half a sequence would be left
 * behind; a terminal that hung up does. */
int terminal_write(terminal *t, buf *text, error *err);
/* The same for lines that people read: folded to the width (fold.h), if there is one. */
int terminal_write_folded(terminal *t, buf *text, error *err);

#endif
