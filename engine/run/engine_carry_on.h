/* engine_carry_on.h - the CPU goes on where a device failed.
 *
 * A GPU can be lost in the middle of an answer: a call of it fails, another program takes its memory. What
 * was said until then is text on the host, and so are the weights, in the mapped file; only the keys and
 * values are gone. So the engine moves to the CPU under the same pointers (backend_move()), and every
 * session computes its own past again the first time it is used: each position remembers its token and
 * the program it was read under (kvcache.h). The answer goes on with the next token; the user is told in
 * one line.
 *
 * A computation's numbers do not depend on where the past came from, so what follows is what a session of
 * the CPU alone would have had from there on.
 */
#ifndef ENGINE_ENGINE_CARRY_ON_H
#define ENGINE_ENGINE_CARRY_ON_H

#include "engine_state.h"

/* err: the failure of a batch, kept when there is nothing to be done about it: -1. When the device is lost
 * the engine is the CPU's now, 0: the batch may be tried again. */
int engine_carry_on(engine *e, error *err);

/* Computes what the session lost with its device, if anything. ERROR_RUN when a part of it was read under
 * a program that is gone; ERROR_CANCELLED, and the rest may be asked for later. */
int engine_reread(session *s, error *err);

#endif
