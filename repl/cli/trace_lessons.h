/* trace_lessons.h - `trace --lessons`: what the personas' lessons say, for the routers to read.
 *
 * Of each persona the answers of its lessons, those held out from training where there are some, one
 * behind the other as one text: what it says, without what it was asked. So every persona's voice is read
 * under every program, and by the plain model where there is a control: whose experts a voice calls.
 */
#ifndef REPL_TRACE_LESSONS_H
#define REPL_TRACE_LESSONS_H

#include "../options/options.h"
#include "../screen/console.h"

enum { TRACE_LESSONS_TOKENS = 256, TRACE_LESSONS_MOST = 8192 };

typedef struct trace_lesson_text {
    char *name; /* "coder.lessons" */
    buf text;
} trace_lesson_text;

typedef struct trace_lessons {
    trace_lesson_text *v;
    size_t len;
    size_t tokens; /* that are read of each */
} trace_lessons;

/* Of the personas [n] by name, as --lessons[=N] says; nothing without it. One without lessons is told and left
 * out. trace_lessons_release in any case. ERROR_USAGE, ERROR_LOAD. */
int trace_lessons_load(const options *opt, const char *const *personas, int n, console *con,
                       trace_lessons *out, error *err);
void trace_lessons_release(trace_lessons *l); /* {0} ok */

#endif
