/* manual.h - consilium(1) and the shells' completions, made from the tables of options and commands.
 *
 * Nothing here knows a name: what --help and /help show is what the page says and what Tab offers.
 */
#ifndef REPL_MANUAL_H
#define REPL_MANUAL_H

#include "../../engine/base/text_writer.h"
#include "../options/options.h"

void manual_page(text_writer *w); /* man(7) */
void manual_bash(text_writer *w);
void manual_zsh(text_writer *w);
void manual_fish(text_writer *w);

/* The rows that `command` takes, one after another from *at on; NULL at the end. */
const option_info *manual_next(command_id command, size_t *at);
/* The first word of a command's name: out [32]. Returns it. */
char *manual_group(const command_info *c, char *out);
/* True for the first command of its group; *two: its name has a second word. */
bool manual_first_of_group(int command, bool *two);

#endif
