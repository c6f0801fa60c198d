/* open_checkpoint.h - models whose files are read, and not run. */
#ifndef REPL_OPEN_CHECKPOINT_H
#define REPL_OPEN_CHECKPOINT_H

#include "../../engine/formats/checkpoint.h"
#include "../screen/console.h"
#include "options.h"

/* The model of that name (as -m takes it; NULL = the built-in one), checked as for running: every tensor
 * is there, of the right shape, and none would be left out (weights_check()). Caller closes. */
checkpoint *open_checkpoint(const options *opt, const char *name, console *con, error *err);

#endif
