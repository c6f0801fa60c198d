/* code_runner.h - programs that a model wrote, run to see whether they pass their checks.
 *
 * What a model writes is a stranger's program. The process that loads the model gives up the right to
 * run anything (sandbox.h), so a helper is forked before that, which does one thing: it takes a text,
 * and runs it by python3 in a child with an empty environment, in a private folder that is removed
 * afterwards, without input or output, for at most CODE_SECONDS, with bounds on processor time, memory,
 * files and their size. The child sees the system's libraries and its folder (Landlock), and can make
 * neither sockets nor processes nor send signals (seccomp).
 *
 * A program passes when it has run to its end without a fault: one that leaves early, also with
 * status 0, has not.
 */
#ifndef REPL_CODE_RUNNER_H
#define REPL_CODE_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

enum { CODE_SECONDS = 10, CODE_BYTES = 1 << 20 };

typedef struct code_runner code_runner;

/* Before there are threads, and before the sandbox is entered. ERROR_RUN without a python3. */
code_runner *code_runner_open(error *err);
void code_runner_close(code_runner *r); /* NULL ok */

/* user: a code_runner. *passed; ERROR_RUN when the helper is gone. A text of more than CODE_BYTES, or
 * with U+0000, does not pass. */
int code_runner_run(void *user, const char *program, size_t len, bool *passed, error *err);

#endif
