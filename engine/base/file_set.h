/* file_set.h - files of one folder that change together: all of them, or none.
 *
 * A rename makes one file appear whole; there is nothing of the kind for two. So every new file is
 * written beside its place first (NAME.new), and a journal (.changing) then says which names are to
 * change. While it stands, what was there keeps a second name (NAME.before), and the new ones take
 * their places. The moment at which all has happened is one rename: .changing becomes .changed.
 *
 * A process that is killed meanwhile leaves the journal, and whoever comes next settles it: .changing is
 * undone, of .changed only the second names go. So a folder that is settled before it is read never
 * shows a part of a set. The folder is locked as long as a set of it is open.
 *
 * Of what is not in a folder of one's own nothing is taken on trust: a journal names plain files,
 * which can be none of another folder.
 */
#ifndef ENGINE_FILE_SET_H
#define ENGINE_FILE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

typedef struct file_set file_set;

/* Settles the folder. Caller owns. ERROR_RUN when another process has a set of it open. */
file_set *file_set_open(const char *place, error *err);
/* A file of that name with these bytes. ERROR_RUN for one that cannot be written, or is a folder or
 * the like now. */
int file_set_put(file_set *s, const char *name, const void *bytes, size_t n, error *err);
/* Where the caller writes the new file himself; NULL with an error. The set's own. */
const char *file_set_place(file_set *s, const char *name, error *err);
/* No file of that name. */
int file_set_remove(file_set *s, const char *name, error *err);
/* After 0 all is so and on the disk; after -1 all is as it was. Only close may follow. */
int file_set_commit(file_set *s, error *err);
/* Without a commit before, the new files go. NULL ok. */
void file_set_close(file_set *s);

/* Undoes or finishes what a killed process left. A folder that cannot be written stays as it is. */
void file_set_settle(const char *place);

#endif
