/* line_state.h - a prompt from within: line.c reads and edits, line_paste.c keeps what was pasted. */
#ifndef REPL_LINE_STATE_H
#define REPL_LINE_STATE_H

#include "line.h"

typedef struct paste {
    char *note; /* "[pasted text 1: 10.0 MiB, 152000 lines]" */
    buf text;
} paste;

struct line_editor {
    terminal *term;
    char *history; /* file, or NULL */
    broker *broker;
    bool traceless;
    const char *hint;
    line_complete_fn *complete;
    line_news_fn *news;
    void *user;
    const char *prompt;
    buf fresh; /* the prompt that news brought */

    char bytes[1 << 16]; /* read from the terminal, not yet taken: [at, end) */
    size_t at, end;
    bool lone;    /* the last read brought a single byte */
    bool gone;    /* nothing more will come */
    int more;     /* bytes that the character being typed still lacks */
    bool foreign; /* something was typed that is no UTF-8 */

    paste *pastes; /* of the line that is being edited */
    size_t paste_count, paste_cap;

    buf prefill;    /* what the next line begins with */
    bool prefilled; /* this one began so */

    char *typed; /* the finished line, readline's malloc */
    bool done;
    error problem; /* of a key's function, told when the line is asked for again */
};

/* Reads more into bytes when there is none; false when nothing will come. Waits at most `wait_ms`, -1
 * = for ever; a signal ends the wait too. */
bool line_fill(line_editor *l, int wait_ms);

/* Takes what stands between the marks of a bracketed paste: into *out, with newlines as we write
 * them and without NULs. */
int line_paste_take(line_editor *l, buf *out, error *err);
/* What is to stand in the line for a text: itself when it is short, else a note. Takes *text over
 * when it keeps it. Borrowed, until the line is finished. */
const char *line_paste_note(line_editor *l, buf *text, error *err);
/* Appends `typed` with the notes replaced by the texts that they stand for. */
int line_paste_expand(const line_editor *l, const char *typed, buf *out, error *err);
void line_paste_forget(line_editor *l);

#endif
