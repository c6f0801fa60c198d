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

typedef struct whole_file whole_file;

/* Caller owns. ERROR_RUN when the part cannot be made, or when another process writes it now. */
whole_file *whole_file_open(const char *path, error *err);
const char *whole_file_path(const whole_file *f); /* as given, for sentences */
int whole_file_write(whole_file *f, const void *bytes, size_t n, error *err);
/* After 0 the file is at its path and on the disk; only close may follow. */
int whole_file_commit(whole_file *f, error *err);
/* Without a commit before, the part is removed. NULL ok. */
void whole_file_close(whole_file *f);

/* The whole of a small file at once. */
int whole_file_put(const char *path, const void *bytes, size_t n, error *err);

#endif
