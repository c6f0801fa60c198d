/* dialogue_trace.h - what the routers did with the last turn, found out afterwards.
 *
 * Nothing is recorded while passes speak. A pass's routes follow from its tokens and its program, bit for
 * bit, in whatever batch they are read: so its prompt and its answer are read again, in a sequence of
 * their own that leaves the pass's alone, and what the engine tells of it is what it did then. The last
 * token of an answer was never read, and is not now.
 */
#ifndef PERSONAS_DIALOGUE_TRACE_H
#define PERSONAS_DIALOGUE_TRACE_H

#include "../trace/route_log.h"
#include "dialogue.h"

/* A track for each seat that answered, controls too; log is opened by the caller, and released in any
 * case. ERROR_USAGE when nothing was asked, ERROR_CANCELLED. */
int dialogue_trace(dialogue *d, route_log *log, error *err);

#endif
