/* engine_pool.h - what an engine takes of the memory that it may use: on the CPU.
 *
 * engine_options.memory bounds weights, keys and values, and what a batch needs while it runs. While all
 * fits, nothing changes: weights are read where the file is mapped. As soon as it does not (a session
 * that is opened reserves its keys and values), the routed experts get what is left, as a pool
 * (expert_store.h); the pool shrinks and grows as sessions come and go. Engines that share a bound (engine_options.beside)
 * count as one: what is left goes to their pools by the weight of their experts.
 */
#ifndef ENGINE_ENGINE_POOL_H
#define ENGINE_ENGINE_POOL_H

#include "engine_state.h"

/* Brings the pool to the size that is left, the least at least. Between batches only. */
int engine_pool_fit(engine *e, error *err);

/* e shares the bound of `with` from now on, until it leaves. An engine alone is its own neighbour. */
void engine_pool_join(engine *e, engine *with);
void engine_pool_leave(engine *e);

#endif
