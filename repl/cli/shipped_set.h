/* shipped_set.h - sets of questions by a path, or by the name of one that came with the program. */
#ifndef REPL_SHIPPED_SET_H
#define REPL_SHIPPED_SET_H

#include "../../kernels/error.h"

/* A file; or, where a plain name is none, PREFIX NAME.jsonl ("sets/") of what came with the program. Caller
 * frees *path. */
int shipped_set(const char *word, const char *prefix, char **path, error *err);

#endif
