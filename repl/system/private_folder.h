/* private_folder.h - a place for a file that exists only while something is done with it: the text in
 * the user's editor, the record of a conversation that keeps none.
 *
 * Everything that was left in it goes with it, also what others put there (an editor's backup). Where
 * nothing may be left at all, it lies in memory: on a disk a removed file can be found again.
 */
#ifndef REPL_PRIVATE_FOLDER_H
#define REPL_PRIVATE_FOLDER_H

#include <stdbool.h>

#include "../../kernels/error.h"

/* A new folder, mode 0700: in $TMPDIR or /tmp; with in_memory in $XDG_RUNTIME_DIR or /dev/shm, when there is one
 * of them. NULL (ERROR_RUN) when none can be made. private_folder_remove() frees the path. */
char *private_folder_make(bool in_memory, error *err);
void private_folder_remove(char *path);      /* NULL ok */
void private_folder_clear(const char *path); /* it stays, empty */

#endif
