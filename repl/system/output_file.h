/* output_file.h - a text into a file, a pipe or a device that the user named.
 *
 * A file that is there is left alone unless the caller was told to write over it; a new one appears whole or
 * not at all. A transcript is never written over. Pipes and devices are written in place.
 */
#ifndef REPL_OUTPUT_FILE_H
#define REPL_OUTPUT_FILE_H

#include "../screen/console.h"

/* 0 when path may be written: ERROR_RUN for a transcript, and for a file that is there unless over. */
int output_file_check(const char *path, bool over, error *err);

/* Checks, and writes. ERROR_RUN, ERROR_CANCELLED. */
int output_file_put(console *con, const char *path, bool over, const char *text, size_t n,
                    error *err);

#endif
