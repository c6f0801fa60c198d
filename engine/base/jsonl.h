/* jsonl.h - files that people write, one JSON object a line, read so that all faults are told at once.
 *
 * Somebody who wrote a hundred lines by hand wants to hear of every bad one, so reading goes on behind
 * a fault: each is told as "FILE:LINE: what is wrong", the first JSONL_FAULTS of them, the others are
 * counted. Empty lines are allowed, and lines that begin with # are comments. Who reads such a file
 * gets its lines, checks each, and tells what is wrong (jsonl_tell); a file with one fault is refused
 * as a whole (jsonl_finish).
 */
#ifndef ENGINE_JSONL_H
#define ENGINE_JSONL_H

#include <stddef.h>

#include "buf.h"

enum { JSONL_FAULTS = 20 }; /* that are told */

/* {.where, .faults, .err} is ready to use. */
typedef struct jsonl {
    const char *where; /* stands for the file in sentences */
    buf *faults;       /* all that is told, one a line; the caller's */
    error *err;        /* of what is no fault of the file; not NULL */
    size_t line;       /* from 1: the one at hand */
    size_t example;    /* the first line that is a comment with an object in it, or 0 */
    size_t fault_count;
    error first_fault;
} jsonl;

/* The line at hand, without its end. -1 only for what is no fault of the file. */
typedef int jsonl_line(void *user, jsonl *r, const char *line, size_t len);

/* The whole of a regular file of at most `most` bytes, appended. ERROR_LOAD, without the path. */
int jsonl_load(const char *path, size_t most, buf *text, error *err);
/* Calls fn for each line that is neither empty nor a comment. -1 when fn fails, with the line in
 * front of its error. */
int jsonl_each(jsonl *r, const char *text, size_t len, jsonl_line *fn, void *user);
/* One more fault of the line at hand, when *why holds one. -1, with *r->err, for an error that is no
 * ERROR_LOAD. */
int jsonl_tell(jsonl *r, const error *why);
/* 0 without faults, else ERROR_LOAD: "FILE:3: answer: missing (the first of 5)". */
int jsonl_finish(jsonl *r);

#endif
