/* engine_attach.h - a session's router program, where the backend can name it.
 *
 * A batch row names the routing of its token by a handle (routing_tables, kernels/backend.h). The plain
 * model's belongs to the engine. A session makes the others: one when a program is set, and for a
 * program with rules one more for each set of rules that its text meets. They go with the program.
 */
#ifndef ENGINE_ENGINE_ATTACH_H
#define ENGINE_ENGINE_ATTACH_H

#include "engine_state.h"

/* Makes `program` (NULL = the plain model) the session's; what it had is given up only when that is
 * done. -1 without memory. */
int attach_program(session *s, const router_program *program, error *err);
void attach_release(session *s); /* gives up all handles */

/* The handle of a routing that the session's program, or the plain one, told. NULL without memory. */
const routing_tables *attach_routing(session *s, const layer_routing *of, error *err);

#endif
