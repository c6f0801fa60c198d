/* line.h - the prompt: one line, or several, from a person at a terminal.
 *
 * GNU readline does the editing: emacs or vi keys, the user's inputrc, Ctrl-R. What is our own is what
 * a prompt for a model needs and a shell does not: Alt-Enter, Ctrl-J or a backslash at the end begin
 * a new line; what is pasted is never submitted, and a large paste stands in the line as a short
 * note until Enter puts its text in its place; Ctrl-X Ctrl-E opens the editor; Ctrl-C clears the
 * line and never leaves.
 *
 * What happens meanwhile (line_news_fn) is told above the line, which is drawn anew below it with all
 * that was typed.
 *
 * Bytes are read here and not by readline, in large pieces, so that ten megabytes of paste take no
 * longer than their reading. What was typed before the prompt stood is the beginning of the next
 * line. Readline knows no user data: there is one prompt in a process.
 */
#ifndef REPL_LINE_H
#define REPL_LINE_H

#include "../../screen/terminal.h"
#include "../../system/broker.h"

typedef struct line_editor line_editor;

/* What may stand where Tab was pressed. */
typedef struct line_completions {
    char **v; /* owned */
    size_t len, cap;
    bool files; /* also the names of files */
} line_completions;
int line_completion_add(line_completions *o, const char *word);

/* text: the whole line; text[start..end) is the word to complete. */
typedef void line_complete_fn(void *user, const char *text, size_t start, size_t end,
                              line_completions *out);

/* Asked several times a second while nobody types. True: *say is to be told at once, above the line, and
 * *prompt stands before it from now on; both are empty when it is called. */
typedef bool line_news_fn(void *user, buf *say, buf *prompt);

typedef struct line_options {
    const char *history; /* file, NULL = none; copied */
    bool traceless;      /* the history is read and nothing is written, also no editor's file */
    broker *broker;      /* opens the editor */
    const char *hint;    /* shown for Ctrl-C on an empty line; borrowed */
    line_complete_fn *complete; /* may be NULL */
    line_news_fn *news;         /* may be NULL */
    void *user;
} line_options;

typedef enum line_result {
    LINE_TEXT,
    LINE_EOF,       /* Ctrl-D on an empty line, or the terminal has gone */
    LINE_SIGNALLED, /* SIGTERM, SIGHUP or SIGQUIT */
    LINE_FAILED,    /* *err */
} line_result;

/* t is borrowed. Caller owns; one at a time. */
line_editor *line_open(terminal *t, const line_options *options, error *err);
void line_close(line_editor *l); /* NULL ok */

/* The next line begins with this text, to be changed. */
int line_prefill(line_editor *l, const char *text, size_t len, error *err);
/* Whether the line that was read last began so, and was not given up with Ctrl-C. */
bool line_prefilled(const line_editor *l);

/* Asks for a line; *out gets its text (newlines included, no newline at its end). */
line_result line_read(line_editor *l, const char *prompt, buf *out, error *err);

#endif
