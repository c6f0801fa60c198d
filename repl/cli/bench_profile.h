/* bench_profile.h - the time of reading and of a step, op by op, for `bench --profile`.
 *
 * After a run was timed, the same tokens are run once more with the ops under the clock
 * (kernels/backend_profile.h). What lies between the ops is the difference to the whole. A part whose
 * rate comes near that of memory is bound by it; one that passes it found its weights in the cache. For many
 * rows the operations a second say more.
 */
#ifndef REPL_BENCH_PROFILE_H
#define REPL_BENCH_PROFILE_H

#include "../../engine/run/engine.h"
#include "../../kernels/backend_profile.h"
#include "../screen/console.h"

typedef struct bench_phase {
    int steps;      /* batches that the phase was; figures are told of one */
    double seconds; /* of all */
    int count;
    profile_part parts[PROFILE_PARTS]; /* [count] the slowest first */
} bench_phase;

/* Ops of the engine are timed until backend_profile_close(). */
backend_profile *bench_profile_open(engine *e, error *err);
/* What was timed since the last one, of `steps` batches that took `seconds`. */
void bench_profile_take(backend_profile *p, int steps, double seconds, bench_phase *out);

/* title: "reading 128 tokens". dram: bytes a second. */
int bench_profile_print(const bench_phase *phase, const char *title, double dram, console *con,
                        error *err);
void bench_profile_json(const bench_phase *phase, const char *key, double dram, json_writer *e);

#endif
