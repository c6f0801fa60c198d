/* trace_run.h - passes speak or read, and a route_log keeps what their routers chose.
 *
 * A question is asked as `ask` asks it, with the same seeds and so with the same bytes: the log is one
 * more subscriber of the council. A text is read under each seat's program, without an instruction or a
 * chat format, all seats in common batches; nothing is written then.
 */
#ifndef PERSONAS_TRACE_RUN_H
#define PERSONAS_TRACE_RUN_H

#include "../roster/roster.h"
#include "route_log.h"

typedef struct trace_question {
    const char *prompt;
    size_t len;
    uint64_t seed;
    const council_events *events; /* who else hears of it; may be NULL */
} trace_question;

/* A track for each seat. The council holds the answers afterwards: *out, which the caller closes; NULL
 * on failure. Prompts are read by each program itself. Answers that were interrupted have the routes of
 * what was said. Errors as council_ask. */
int trace_ask(engine *e, const roster *r, const council_options *options,
              const trace_question *question, route_log *log, council **out, error *err);

/* A track for each seat. `name` says what text it is. ERROR_USAGE for an empty text. */
int trace_text(engine *e, const roster *r, const char *name, const int *ids, int n, dtype kv,
               progress_fn *progress, void *user, route_log *log, error *err);

#endif
