/* training.h - `consilium train` as a process beside a conversation; the broker's side.
 *
 * It computes only when nothing else wants to (SCHED_IDLE, nice 19), stands in a process group of
 * its own, so that no Ctrl-C at the terminal reaches it, and reads nothing. What it writes, events on
 * standard output and a sentence on standard error, goes to one file in memory, which the
 * conversation reads at its leisure: nobody waits for anybody.
 */
#ifndef REPL_TRAINING_H
#define REPL_TRAINING_H

#include <stdbool.h>
#include <sys/types.h>

#include "../../kernels/error.h"

/* {0}: nothing was started. */
typedef struct training {
    pid_t pid;    /* of what runs; 0 = nothing does */
    bool started; /* something was */
    int status;   /* that the last one ended with, as of a shell: 128 + N for a signal */
} training;

/* `consilium train WORDS`, words parted by newlines: a persona's name, then options. A new file in memory
 * that gets what it writes; the caller's. -1 and ERROR_USAGE or ERROR_RUN. */
int training_start(training *t, const char *words, error *err);
/* Whether it runs still; else t->status tells. */
bool training_runs(training *t);
/* As Ctrl-C would: it saves what it has, and ends. */
void training_interrupt(training *t);
/* The same, and waits until it has; when that takes too long it is killed: its state file is whole at
 * every moment. */
void training_end(training *t);

#endif
