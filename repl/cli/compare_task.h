/* compare_task.h - one run of `consilium compare`: what its files share.
 *
 * command_compare.c reads the options and opens everything; command_compare_set.c asks a whole set.
 */
#ifndef REPL_COMPARE_TASK_H
#define REPL_COMPARE_TASK_H

#include "../../personas/compare/compare_set.h"
#include "../options/ask_options.h"
#include "../screen/console.h"

typedef struct compare_task {
    const options *opt;
    console *con;
    error *err;
    ask_options how;
    compare_setup *setups; /* [count] */
    int count;
    buf prompt;
    char *set_path; /* of --file; NULL = one prompt */
    compare_set set;
    engine *engine;
    compare *compare;

    /* of a set */
    int item;     /* that is asked */
    double start; /* seconds */
} compare_task;

/* The set of --file: a file, or one that came with the program, by its name. */
int compare_task_read_set(compare_task *t);
int compare_task_ask_set(compare_task *t);

#endif
