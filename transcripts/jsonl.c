/* jsonl.c - see jsonl.h. */
#include "jsonl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

/* Reads behind v[len), which has room. 0, or -1. */
static int fill(jsonl_reader *l, error *err)
{
    ssize_t got;
    off_t at = (off_t)(l->offset + (l->len - l->start));
    do
        got = pread(l->fd, l->v + l->len, l->cap - l->len, at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(err, ERROR_RUN, "cannot read: %s", strerror(errno));
    l->end = got == 0;
    l->len += (size_t)got;
    return 0;
}

/* Makes room for more of the line at `start`. */
static int make_room(jsonl_reader *l, error *err)
{
    if (l->v && l->start > 0) {
        memmove(l->v, l->v + l->start, l->len - l->start);
        l->len -= l->start;
        l->start = 0;
    }
    if (l->v && l->cap - l->len >= CHUNK / 2)
        return 0;
    size_t cap = l->cap ? 2 * l->cap : CHUNK;
    char *v = realloc(l->v, cap);
    if (!v)
        return error_memory(err, "a line");
    l->v = v;
    l->cap = cap;
    return 0;
}

static void advance(jsonl_reader *l, size_t n)
{
    l->start += n;
    l->offset += n;
}

/* A line too long to hold: reads on to its end, remembers nothing of it. */
static int skip_long(jsonl_reader *l, jsonl_line *out, error *err)
{
    for (;;) {
        const char *newline = memchr(l->v + l->start, '\n', l->len - l->start);
        if (newline) {
            advance(l, (size_t)(newline - (l->v + l->start)) + 1);
            out->whole = true;
            return 1;
        }
        advance(l, l->len - l->start);
        if (l->end)
            return 1;
        if (make_room(l, err) || fill(l, err))
            return -1;
    }
}

int jsonl_next(jsonl_reader *l, jsonl_line *out, error *err)
{
    size_t searched = 0;
    *out = (jsonl_line){.number = l->number + 1, .offset = l->offset};
    if (!l->v && make_room(l, err))
        return -1;
    for (;;) {
        size_t have = l->len - l->start;
        const char *at = l->v + l->start;
        const char *newline = have > searched ? memchr(at + searched, '\n', have - searched) : NULL;
        if (newline || (l->end && have > 0)) {
            out->v = at;
            out->len = newline ? (size_t)(newline - at) : have;
            out->whole = newline != NULL;
            advance(l, out->len + (newline ? 1 : 0));
            l->number++;
            return 1;
        }
        if (l->end)
            return 0;
        if (have >= JSONL_MOST) {
            l->number++;
            return skip_long(l, out, err);
        }
        searched = have;
        if (make_room(l, err) || fill(l, err))
            return -1;
    }
}

void jsonl_release(jsonl_reader *l)
{
    free(l->v);
    *l = (jsonl_reader){.fd = -1};
}
