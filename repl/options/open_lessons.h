/* open_lessons.h - a file of lessons as commands take it: whole, or with all its faults told. */
#ifndef REPL_OPEN_LESSONS_H
#define REPL_OPEN_LESSONS_H

#include "../../personas/lessons/lessons.h"
#include "../screen/console.h"

/* lessons_load(). Where there are several faults each is a line on standard error, also with -q, and the
 * error says how many. lessons_release in any case. */
int open_lessons(const char *path, lessons *out, console *con, error *err);

#endif
