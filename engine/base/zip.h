/* zip.h - reads zip archives, and makes them.
 *
 * Python wheels are zip archives; the built-in model comes in one. A persona that is given away is
 * one too. The central directory at the end of the file is walked first, and each member of it
 * checked to lie inside the file; a member's bytes are copied or inflated, and their CRC-32 and
 * length compared with what the directory says: never more comes out than it says. Zip64, encryption
 * and methods other than "stored" and "deflated" are refused. What names mean is the caller's affair:
 * here they are bytes.
 *
 * Archives are written with stored members and without dates, so that the same members are the same
 * bytes, whoever writes them.
 *
 * Source: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (end),
 * 4.4.2 and 4.4.15 (what kind of file a member is).
 */
#ifndef ENGINE_ZIP_H
#define ENGINE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "buf.h"

/* True when the file begins as a zip archive does. False also when it cannot be read. */
bool zip_is_archive(const char *path);

/* Writes the first member whose name ends with `suffix` to the file `out` (whole or not at all).
 * ERROR_LOAD naming the archive and the offset of what is wrong; ERROR_RUN when out cannot be
 * written. */
int zip_extract(const char *archive, const char *suffix, const char *out, error *err);

/* ---- all members --------------------------------------------------------------------------------- */

typedef struct zip_member {
    const char *name; /* [name_len] in the archive's bytes, no NUL behind it */
    size_t name_len;
    uint64_t size; /* unpacked, as the directory says */
    uint64_t at;   /* offset of its entry, for sentences */
    bool special;  /* a folder, a link or another thing than a file, by its attributes */
    unsigned method;
    uint32_t crc, packed;
    uint64_t header; /* offset of its local header */
} zip_member;

/* A view of an archive in memory; owns only the list. */
typedef struct zip_archive {
    const char *where; /* for sentences; borrowed, as are the bytes */
    const uint8_t *data;
    size_t size;
    zip_member *v; /* [len] in the order of the directory */
    size_t len;
} zip_archive;

/* ERROR_LOAD "WHERE: offset N: ..." for a directory that is not whole. zip_close() in any case. */
int zip_open(zip_archive *z, const char *where, const uint8_t *data, size_t size, error *err);
void zip_close(zip_archive *z); /* {0} ok */
/* Unpacks all `size` bytes of a member into out. ERROR_LOAD; what is in out is then undefined. */
int zip_read(const zip_archive *z, const zip_member *m, void *out, error *err);

/* ---- writing ------------------------------------------------------------------------------------- */

/* {0} is an archive without members; out grows with each. */
typedef struct zip_writer {
    buf out, directory;
    unsigned count;
} zip_writer;

/* name: plain ASCII or UTF-8. ERROR_RUN for more than a zip archive without extensions can hold. */
int zip_put(zip_writer *w, const char *name, const void *bytes, size_t n, error *err);
/* Nothing can be added after it; w->out is the archive. */
int zip_finish(zip_writer *w, error *err);
void zip_writer_release(zip_writer *w);

#endif
