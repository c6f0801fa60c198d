/* personas_group.h - `personas check` of a group: its members, taken apart and seated. */
#ifndef REPL_PERSONAS_GROUP_H
#define REPL_PERSONAS_GROUP_H

#include "../../personas/roster/persona.h"
#include "../options/options.h"
#include "../screen/console.h"

/* Checks and prints; takes over p. ERROR_LOAD and ERROR_USAGE as for `ask`. */
int personas_check_group(persona *p, const options *opt, console *con, error *err);

#endif
