/* line_history.h - what was typed in earlier runs: $XDG_STATE_HOME/consilium/history.
 *
 * One entry a line, newlines written as \n and backslashes as \\, so a prompt of several lines comes
 * back as one entry. Mode 0600. Appended under a lock, so that two conversations at once mix no
 * entries. Nothing is kept of a line that begins with a space, that repeats the one before, that is
 * larger than LINE_HISTORY_ENTRY, or when CONSILIUM_NOHISTORY is set. What stands at the file's place
 * and is no regular file (a pipe that nobody writes to would be waited for) is left alone.
 */
#ifndef REPL_LINE_HISTORY_H
#define REPL_LINE_HISTORY_H

#include <stdbool.h>

#include "../../engine/base/buf.h"

enum { LINE_HISTORY_ENTRY = 1 << 16, LINE_HISTORY_BYTES = 1 << 20 };

/* *path = the file; NULL when none is to be kept. make: its folder is made (0700). Caller frees. */
int line_history_path(bool make, char **path, error *err);

/* Calls entry() for the entries in the last LINE_HISTORY_BYTES, oldest first. No file is no error;
 * ERROR_RUN, in words for the user, for one that cannot be read or is none. */
int line_history_load(const char *path, void (*entry)(const char *text), error *err);

bool line_history_wants(const char *text, const char *before);
int line_history_append(const char *path, const char *text, error *err);

#endif
