/* prompt_input.h - the prompt of a command that asks: its word, what comes by a pipe, files. */
#ifndef REPL_PROMPT_INPUT_H
#define REPL_PROMPT_INPUT_H

#include "../options/options.h"
#include "../screen/console.h"

/* PROMPT; behind a blank line each, what comes by a pipe (`-` asks for it; --no-input forbids it
 * else) and the files. Appended to *prompt, which stays empty when there is nothing. ERROR_RUN,
 * ERROR_USAGE for text that is no UTF-8. */
int prompt_input(const options *opt, const texts *files, console *con, buf *prompt, error *err);

#endif
