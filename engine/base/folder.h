/* folder.h - directories of strangers, read with bounds.
 *
 * What lies in a model folder is as little to be trusted as what lies in a model: names may hold
 * control bytes, there may be a million of them. So a listing holds at most FOLDER_MAX names, only
 * such that can be shown and typed, sorted, so that nothing depends on the order on disk.
 */
#ifndef ENGINE_FOLDER_H
#define ENGINE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

enum { FOLDER_MAX = 4096 };

/* A sorted list of file names. {0} is valid and empty. */
typedef struct folder {
    char **v;
    size_t len, cap;
} folder;

/* True for a plain file name that can be shown: not empty, ".", "..", at most 255 bytes, without
 * '/', '\' and control bytes. */
bool folder_name_ok(const char *name, size_t len);

/* The names in `path`; empty when it cannot be read. -1 only when out of memory. */
int folder_read(const char *path, folder *out, error *err);
void folder_release(folder *f);

/* printf into a new string, caller frees; NULL when out of memory. */
char *string_format(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
