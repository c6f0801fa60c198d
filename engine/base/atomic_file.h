/* atomic_file.h - files that appear whole or not at all.
 *
 * Bytes go to PATH.part beside the target; committing flushes them to the disk and renames the part
 * over PATH, so that a reader, a crash or kill -9 at any moment sees the old file or the new one.
 * What a killed writer leaves is one .part file, which the next writer of the same path takes over:
 * it is locked while somebody writes, so two writers never mix their bytes.
 *
 * Files are made with mode 0644. Every failed write is an error with the path and the system's
 * words (a full disk is met at the write, or at the latest when committing).
 */
#ifndef ENGINE_ATOMIC_FILE_H
#define ENGINE_ATOMIC_FILE_H

#include <stddef.h>

#include "../../kernels/error.h"

typedef struct atomic_file atomic_file;

/* Caller owns. ERROR_RUN when the part cannot be made, or when another process writes it now. */
atomic_file *atomic_file_open(const char *path, error *err);
const char *atomic_file_path(const atomic_file *f); /* as given, for sentences */
/* Nobody but its owner may read it: mode 0600. */
int atomic_file_private(atomic_file *f, error *err);
int atomic_file_write(atomic_file *f, const void *bytes, size_t n, error *err);
/* After 0 the file is at its path and on the disk; only close may follow. */
int atomic_file_commit(atomic_file *f, error *err);
/* Without a commit before, the part is removed. NULL ok. */
void atomic_file_close(atomic_file *f);

/* The whole of a small file at once. */
int atomic_file_put(const char *path, const void *bytes, size_t n, error *err);

/* Writes all of n bytes where fd stands, going on after signals. 0, or -1 with errno. */
int file_write_all(int fd, const void *bytes, size_t n);
/* Flushes the folder that `path` lies in: only then is a new name there after a power cut. A file
 * system that cannot flush folders is forgiven. */
void file_flush_name(const char *path);

#endif
