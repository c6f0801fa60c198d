/* engine_pool.h - what an engine takes of the memory that it may use: on the CPU.
 *
 * engine_options.memory bounds weights, keys and values, and what a batch needs while it runs. While all
 * fits, nothing changes: weights are read where the file is mapped. As soon as it does not (a session
 * that is opened reserves its keys and values), the routed experts get what is left, as a pool
 * (expert_store.h); the pool shrinks and grows as sessions come and go.
 */
#ifndef ENGINE_ENGINE_POOL_H
#define ENGINE_ENGINE_POOL_H

#include "engine_state.h"

/* Brings the pool to the size that is left. admit: a session was opened, and too little for it is a
 * failure (ERROR_USAGE, naming what would be enough) where the bound was asked for; else the least is
 * taken. Between batches only. */
int engine_pool_fit(engine *e, bool admit, error *err);

#endif
