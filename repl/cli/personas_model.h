/* personas_model.h - the model behind the `personas` commands, if there is one at hand. */
#ifndef REPL_PERSONAS_MODEL_H
#define REPL_PERSONAS_MODEL_H

#include "../../personas/roster/roster.h"
#include "../options/open_model.h"

/* The model that -m names, or the built-in one when it has been built; *out = NULL and 0 when
 * neither is there. Caller closes. */
int personas_model(const options *opt, console *con, engine **out, error *err);

/* One persona seated on the model as `ask` would seat it (its first seat). Caller closes. */
roster *personas_seat(engine *e, const persona *p, roster_note *note, void *user, error *err);

#endif
