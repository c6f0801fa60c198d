/* console.h - the two streams of the process and what stands behind them.
 *
 * Answers go to standard output, all else to standard error; nothing is kept in a buffer of stdio,
 * so a failed write is seen where it happens. What was written by strangers passes safe_text.h:
 * notes and JSON do so here, text made by a command has done so where it was put together.
 *
 * Colour and moving lines depend on each stream for itself: a terminal, TERM not "dumb", NO_COLOR
 * unset or empty, no --no-color; no moving lines with -q.
 */
#ifndef REPL_CONSOLE_H
#define REPL_CONSOLE_H

#include <stdbool.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/text_writer.h"
#include "../../kernels/error.h"
#include "fold.h"
#include "signal_flags.h"

typedef struct console {
    const atomic_bool *cancel;  /* set by Ctrl-C */
    terminal_signals *signals;  /* main.c's flags, for a conversation; may be NULL */
    const char *private_folder; /* of a conversation: its sandbox leaves it open; else NULL */
    bool out_color, err_color;
    bool moving; /* standard error may show a line that is written over */
    bool ascii;  /* the locale names a character set that is not UTF-8: main.c, by charset.h */
    bool quiet, verbose;
    bool may_sandbox; /* the process may still enter its sandbox, see sandbox_policy.h */
    int input_mib;    /* the most of one text, see input.h; 0 = the usual */
    bool out_closed;  /* nobody reads standard output any more: end without a word */
    bool line_shown;  /* a moving line is on the screen */
    double line_time; /* seconds, when it was last written */
    int frame_lines;  /* of the frame that is on the screen; 0 = none */
    bool line_open;   /* standard output stands within a line */
    int windows;      /* that move on standard output: console_hold() */
    buf held;         /* lines that wait for their end */
    fold stream;      /* of console_stream() */
} console;

/* quiet, verbose, no_color: the options. */
void console_open(console *c, const atomic_bool *cancel, bool quiet, bool verbose, bool no_color);

/* Writes lines of *text to standard output and empties it; on a terminal they are folded to its width
 * (fold.h). ERROR_RUN when it cannot be written whole. */
int console_text(console *c, buf *text, error *err);
/* The same for what *w has written, unless that failed. Releases its buffer in any case. */
int console_written(console *c, text_writer *w);
/* The same for foreign text, made harmless, as a line of its own. */
int console_line(console *c, const char *text, error *err);
/* The same for a text that comes in pieces. The next console_text() ends it. */
int console_stream(console *c, buf *text, error *err);
/* The same for a document that programs read: as it is. */
int console_document(console *c, buf *text, error *err);
/* The same for the JSON document that *e has put together, with a newline: characters that a
 * terminal would obey become \u escapes. Releases its buffer in any case. */
int console_json(console *c, json_writer *e, error *err);
/* Writes n bytes to fd, which `name` names in errors; Ctrl-C ends a write that waits. */
int console_write(console *c, int fd, const char *name, const void *bytes, size_t n, error *err);

/* Appends foreign text in its harmless form, on one line. */
int console_quote(const console *c, buf *out, const char *text, error *err);
void console_put_quoted(const console *c, text_writer *w, const char *text);

/* A line on standard error; not with -q. */
void console_note(console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a sentence, as a roster wants to tell it. user: the console. */
void console_sentence(void *user, const char *sentence);
/* What a file of the user's lost: a line on standard error, also with -q. */
void console_loss(console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A note that comes whenever it likes, while answers stream: it waits until nothing moves any more, and on a
 * terminal that both streams share it begins a line of its own. */
void console_warn(console *c, const char *sentence);
/* While a live window is on standard output. Pairs nest. */
void console_hold(console *c);
void console_let_go(console *c);
/* Text of our own on standard error, as it is. */
void console_say(console *c, const buf *text);
/* The error sentence: "consilium: ..."; also with -q. */
void console_error(console *c, const char *sentence);

/* A moving line on standard error, at most ten times a second; does nothing where it may not. */
void console_progress(console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void console_progress_end(console *c);

/* Lines on standard error, harmless already, that are written over those of the frame before; nothing where
 * no line may move. No line may be wider than console_columns() - 1. */
void console_frame(console *c, const buf *text);
/* What is on the screen stays there. */
void console_frame_end(console *c);
/* Of the terminal that standard error is; 80 when it is none. */
int console_columns(void);

/* Escape sequences for standard output, "" where there is no colour. */
const char *console_bold(const console *c);
const char *console_dim(const console *c);
const char *console_reset(const console *c);

bool console_cancelled(const console *c);
/* ERROR_CANCELLED, "interrupted". Returns -1. */
int console_interrupted(error *err);

/* Seconds of a clock that only moves forward. */
double console_seconds(void);

#endif
