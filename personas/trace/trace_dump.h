/* trace_dump.h - activations of a track as arrays for numpy.
 *
 * A track (route_log.h) says which tokens were read, and its program under what: reading them again
 * gives what was computed then, to the bit, since a row depends on no other. So nothing is kept while
 * answers come, and what is wanted is computed once more, with somebody watching.
 *
 * Of each activation (engine/run/activations.h) there is one array [tokens, cols] of float32, with
 * the tokens that have routes: all but an answer's last, which is never read.
 */
#ifndef PERSONAS_TRACE_DUMP_H
#define PERSONAS_TRACE_DUMP_H

#include "../../engine/base/buf.h"
#include "route_log.h"

typedef struct trace_dump {
    const activation_set *wanted; /* borrowed */
    size_t rows;
    float **v; /* [wanted->len][rows, cols] */
} trace_dump;

/* Reads t's tokens under `program`, keys and values in `kv`. trace_dump_release in any case.
 * ERROR_USAGE when they take more memory than TRACE_DUMP_MOST. ERROR_CANCELLED. */
int trace_dump_read(engine *e, const route_track *t, const router_program *program, dtype kv,
                    const activation_set *wanted, trace_dump *out, error *err);
void trace_dump_release(trace_dump *d);

/* Appends the whole file of wanted->v[which], in NumPy's format (npy.h). */
int trace_dump_put(const trace_dump *d, size_t which, buf *out, error *err);

#define TRACE_DUMP_MOST ((uint64_t)4 << 30)

#endif
