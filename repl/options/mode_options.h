/* mode_options.h - a mode as options: what a file of personas/modes says, in the words of the command line.
 *
 * A mode changes nothing that somebody said in so many words: what the command line or /set gave wins
 * over it, and it wins over personas, configuration and model. So it is laid over a copy of the
 * options just before they are taken apart, and where they came from it leaves no trace: another
 * mode, or none, is laid over the same options.
 */
#ifndef REPL_MODE_OPTIONS_H
#define REPL_MODE_OPTIONS_H

#include "../../personas/modes/mode_guess.h"
#include "options.h"

typedef struct mode_options {
    mode_list all;
    int fixed;     /* in all; -1 = auto */
    bool on;       /* a mode was asked for */
    guessed guess; /* .choice = -1: nothing is laid over */
    char **texts;  /* [text_count] what the options borrow */
    int text_count;
} mode_options;

/* word: a mode's name, "auto", or NULL or "off" for none. ERROR_LOAD, ERROR_USAGE. mode_options_release
 * in any case. */
int mode_options_open(mode_options *m, const char *word, error *err);
void mode_options_release(mode_options *m); /* {0} ok; after the options that it was laid over */

/* Which it is for a prompt (m->guess); the prompt without tags is prompt[guess.from, guess.to). */
int mode_options_decide(mode_options *m, const char *prompt, size_t len, const guess_calls *calls,
                        error *err);
/* Lays it over. opt: a copy, whose lists are its own. */
int mode_options_apply(mode_options *m, options *opt, error *err);
/* "mode code, deep: "python", code in the prompt"; nothing when there is none. Appended. */
int mode_options_line(const mode_options *m, buf *out, error *err);

#endif
