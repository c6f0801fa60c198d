/* mapped_file.h - a regular file, opened once and mapped read-only.
 *
 * What a path names can change between two looks at it, so there is one open(); size, kind and
 * mapping all come from that descriptor. Links are followed (the Hugging Face cache is made of
 * them), but what they lead to must be a regular file: a FIFO would block, /dev/zero never ends.
 *
 * A mapping of a file that somebody truncates faults on access. mapped_file_intact() lets a
 * caller ask, at moments of its choosing, whether all bytes are still there.
 */
#ifndef ENGINE_MAPPED_FILE_H
#define ENGINE_MAPPED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* {0} is valid and closed: path is NULL. */
typedef struct mapped_file {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
    char *path; /* as given, for sentences; owned */
    int fd;
} mapped_file;

/* Opens `name` below the directory descriptor `dir` (AT_FDCWD: a plain path); `path` is what
 * sentences call it. ERROR_LOAD when it cannot be opened or is no regular file. */
int mapped_file_open_at(mapped_file *m, int dir, const char *name, const char *path, error *err);
int mapped_file_open(mapped_file *m, const char *path, error *err);
void mapped_file_close(mapped_file *m); /* {0} ok */

/* Whether this address is one of its bytes. */
bool mapped_file_holds(const mapped_file *m, const void *data);

/* ERROR_RUN when the file is shorter now than it was. */
int mapped_file_intact(const mapped_file *m, error *err);

/* Reads a whole regular file of at most max_bytes into *text (caller frees; NUL appended, not
 * counted). For small files that are parsed once: their bytes cannot change under the parser. */
int file_read_all(const char *path, size_t max_bytes, char **text, size_t *len, error *err);

#endif
