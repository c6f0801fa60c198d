/* statistics_print.h - the figures of all conversations, for `transcripts stats` and /stats. */
#ifndef REPL_STATISTICS_PRINT_H
#define REPL_STATISTICS_PRINT_H

#include "../screen/console.h"

/* Reads every transcript and writes who was picked and what models wrote to standard output: a text, or one
 * JSON object. A transcript that cannot be read is told on standard error. ERROR_CANCELLED. */
int statistics_print(bool as_json, console *con, error *err);

#endif
