/* talk.h - the interactive conversation: what the loop and its commands share.
 *
 * A talk holds the loaded model, the dialogue, the transcript it is saved in, the terminal and what
 * the user has set. The loop (talk.c) reads a line, decides what it is (slash.h), and either runs a
 * command or asks; talk_ask.c shows an exchange and saves it. Nothing here ends the process.
 */
#ifndef REPL_TALK_H
#define REPL_TALK_H

#include "../personas/dialogue.h"
#include "keeper.h"
#include "options.h"
#include "view.h"

typedef struct talk talk;
struct talk {
    const options *opt;
    console *con;
    terminal *term;
    engine *engine;
    dialogue *dialogue;
    keeper *keeper; /* writes the transcript; NULL with --no-save */
    view_layout layout;
    char focus[65];
    merge_method merge;
    int rounds;
    bool blind;       /* columns are A, B, C until a pick */
    int *blind_order; /* [seats] while a blind exchange waits for its pick */
    buf pending;      /* files put into the next prompt by /file */
    bool leave;       /* /quit, Ctrl-D */
};

/* The command without words: `consilium`. ERROR_* as main.c expects. */
int command_talk(const options *opt, console *con, error *err);

#endif
