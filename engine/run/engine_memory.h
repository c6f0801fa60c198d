/* engine_memory.h - an engine's place in a GPU's memory: what it plans (memory_plan.h), what it refuses.
 *
 * Refused is before anything is loaded; and when a session or a program comes that has no room, in the
 * same words. On the CPU nothing is ever refused here.
 */
#ifndef ENGINE_ENGINE_MEMORY_H
#define ENGINE_ENGINE_MEMORY_H

#include "engine.h"
#include "memory_plan.h"

/* What an engine on this model asks for: weights, rows and slots; 0 programs. */
memory_ask engine_memory_ask(const engine *e, int passes, int context, dtype kv);

/* With a backend and a checkpoint alone: ERROR_LOAD when a GPU cannot hold what every token reads, a short
 * pass and the experts of one token; of the `whole` model, all experts. */
int engine_memory_check(engine *e, bool whole, error *err);

/* When a GPU had no memory for a session of such a size: says in *err what all that are open take with it
 * and what would fit, where the plan shows it; else *err stays. of: the session, which is open already and
 * was to have the program, NULL = the plain model; or NULL = one more, which has none yet. */
void engine_memory_explain(const engine *e, const session *of, int context, dtype kv,
                           const router_program *program, error *err);

/* The GPU that is here, if its plug-in finds one: its name into [size], what is free of its memory. */
bool engine_memory_present(char *name, size_t size, uint64_t *room);

#endif
