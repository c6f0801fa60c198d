/* trace_dump_files.h - `trace --dump`: which activations, and a folder of .npy files for each track.
 *
 * FOLDER/TRACK/blk.12.attn_out.npy; the tracks are named as in the other files of a trace
 * (personas/trace/trace_files.h).
 */
#ifndef REPL_TRACE_DUMP_FILES_H
#define REPL_TRACE_DUMP_FILES_H

#include "../../personas/roster/roster.h"
#include "../../personas/trace/trace_dump.h"
#include "../options/options.h"
#include "../screen/console.h"

/* What --dump names, of the model that e holds. ERROR_USAGE. activation_set_release in any case. */
int trace_dump_wanted(const options *opt, const engine *e, activation_set *out, error *err);

/* Writes them for every track; the i-th seat of the roster read the tracks i, i + seats, ... */
int trace_dump_files(const options *opt, console *con, engine *e, const roster *r,
                     const route_log *log, dtype kv, const activation_set *wanted, error *err);

#endif
