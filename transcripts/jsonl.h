/* jsonl.h - a file of JSON lines, read one line at a time with bounded memory.
 *
 * Lines end in '\n' and nothing else, so U+2028 in a text or a '\r' before the end are content. What
 * stands behind the last '\n' is a line that is not whole: a writer is busy, or died. A line above
 * JSONL_MOST bytes is skipped, not held. Reads by position: the descriptor's own offset is left.
 */
#ifndef TRANSCRIPTS_JSONL_H
#define TRANSCRIPTS_JSONL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../kernels/error.h"

enum { JSONL_MOST = 256 << 20 };

/* {.fd = fd} is ready to use; jsonl_release frees what it grew. */
typedef struct jsonl_reader {
    int fd;
    char *v;
    size_t start, len, cap; /* v[start..len) is read and not given out yet */
    uint64_t offset;        /* in the file, of v[start] */
    size_t number;          /* of the line given out last */
    bool end;               /* the file's end was met */
} jsonl_reader;

typedef struct jsonl_line {
    const char *v; /* without its '\n'; borrowed until the next call; NULL when too long */
    size_t len;
    size_t number;   /* from 1 */
    uint64_t offset; /* of its first byte */
    bool whole;      /* a '\n' follows */
} jsonl_line;

/* 1 and *out, 0 at the end, -1 (ERROR_RUN) when reading fails. */
int jsonl_next(jsonl_reader *l, jsonl_line *out, error *err);
void jsonl_release(jsonl_reader *l);

#endif
