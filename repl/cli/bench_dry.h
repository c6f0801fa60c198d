/* bench_dry.h - what a decoding step costs on an NVIDIA GPU, on paper.
 *
 * Decoding reads every weight that a step needs once, whatever the number of passes, and starts a fixed
 * list of kernels. So bytes over bandwidth is the least time that a step can take, and the launches add
 * theirs: both follow from the model's shapes alone, and no GPU is asked. Experts are counted as if each
 * pass chose its own at random, which is nearly what unlike personas do.
 */
#ifndef REPL_BENCH_DRY_H
#define REPL_BENCH_DRY_H

#include "../../engine/run/engine.h"
#include "../options/options.h"
#include "../screen/console.h"

/* Prints it for each number of passes, with `length` positions in every pass's context. */
int bench_dry_run(const engine *e, const options *opt, const tokens *passes, dtype kv,
                  double length, console *con, error *err);

#endif
