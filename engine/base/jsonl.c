/* jsonl.c - see jsonl.h. */
#include "jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, size_t most, buf *text, error *err)
{
    char chunk[1 << 14];
    for (ssize_t n = 1; n > 0;) {
        n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            n = 1; /* again */
        else if (n < 0)
            return error_set(err, ERROR_LOAD, "cannot read: %s", strerror(errno));
        else if (text->len + (size_t)n > most)
            return error_set(err, ERROR_LOAD, "grew while it was read");
        else if (n > 0 && buf_add(text, chunk, (size_t)n, err))
            return -1;
    }
    return 0;
}

int jsonl_load(const char *path, size_t most, buf *text, error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int why = errno;
        if (fd >= 0)
            (void)close(fd);
        return error_set(err, ERROR_LOAD, "cannot open: %s", strerror(why));
    }
    int result = 0;
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > most)
        result =
            error_set(err, ERROR_LOAD, "must be a regular file of at most %zu MiB", most >> 20);
    else
        result = read_all(fd, text->len + most, text, err);
    (void)close(fd);
    return result;
}

static size_t leading_blanks(const char *line, size_t len)
{
    size_t n = 0;
    while (n < len && (line[n] == ' ' || line[n] == '\t' || line[n] == '\r'))
        n++;
    return n;
}

int jsonl_each(jsonl *r, const char *text, size_t len, jsonl_line *fn, void *user)
{
    for (size_t at = 0, end; at < len; at = end + 1) {
        const char *newline = memchr(text + at, '\n', len - at);
        end = newline ? (size_t)(newline - text) : len;
        r->line++;
        size_t from = at + leading_blanks(text + at, end - at);
        bool empty = from == end, comment = !empty && text[from] == '#';
        if (comment && !r->example && memchr(text + at, '{', end - at))
            r->example = r->line;
        if (!empty && !comment && fn(user, r, text + at, end - at))
            return error_prefix(r->err, "%s:%zu: ", r->where, r->line);
    }
    return 0;
}

int jsonl_tell(jsonl *r, const error *why)
{
    if (why->code == ERROR_NONE)
        return 0;
    if (why->code != ERROR_LOAD) {
        *r->err = *why;
        return -1;
    }
    if (r->fault_count++ == 0) {
        r->first_fault = *why;
        (void)error_prefix(&r->first_fault, "%s:%zu: ", r->where, r->line);
    }
    if (r->fault_count > JSONL_FAULTS)
        return 0;
    return buf_format(r->faults, r->err, "%s:%zu: %s\n", r->where, r->line, why->text);
}

int jsonl_finish(jsonl *r)
{
    size_t more = r->fault_count - JSONL_FAULTS;
    if (!r->fault_count)
        return 0;
    if (r->fault_count > JSONL_FAULTS && buf_format(r->faults, r->err, "and %zu more\n", more))
        return -1;
    if (r->fault_count == 1)
        return error_set(r->err, ERROR_LOAD, "%s", r->first_fault.text);
    return error_set(r->err, ERROR_LOAD, "%s (the first of %zu)", r->first_fault.text,
                     r->fault_count);
}
