/* expert_reader.h - the threads that read parts of files into memory, in the order of asking.
 *
 * A part is a run of bytes of one file. It is read into memory that begins READER_PAGE - 1 bytes or less
 * before the place where the part itself shall be, because reads past the page cache (O_DIRECT)
 * begin and end at multiples of a page, in the file and in memory. What the page cache holds is taken
 * from there; where a file system knows no such reads, ordinary ones are made.
 */
#ifndef ENGINE_EXPERT_READER_H
#define ENGINE_EXPERT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

struct mapped_file; /* mapped_file.h */

enum { READER_PAGE = 4096 };

typedef struct expert_reader expert_reader;

/* Bytes [offset, offset + bytes) of a file. */
typedef struct reader_part {
    const struct mapped_file *file;
    uint64_t offset, bytes;
} reader_part;

/* Room that a part takes wherever it begins: a multiple of READER_PAGE. */
size_t reader_room(uint64_t bytes);
/* How far behind the beginning of its room, a multiple of READER_PAGE, a part is. */
size_t reader_skip(const reader_part *part);

/* From any of the reading threads: the part of that ticket is there, or not: *why. */
typedef void reader_done(void *user, int ticket, const error *why);

/* most: parts that can wait at once. Caller owns. */
expert_reader *reader_open(int most, reader_done *done, void *user, error *err);
void reader_close(expert_reader *r); /* NULL ok; what was asked for is read first */

/* Asks for a part; to: its room. `part` is copied. One thread asks at a time. */
void reader_ask(expert_reader *r, const reader_part *part, void *to, int ticket);

#endif
