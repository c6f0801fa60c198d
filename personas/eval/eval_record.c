/* eval_record.c - see eval_record.h. */
#include "eval_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/paths.h"

struct eval_record {
    int fd;
    char *path;
};

void eval_record_close(eval_record *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        (void)close(r->fd);
    free(r->path);
    free(r);
}

static int fail(const eval_record *r, const char *what, error *err)
{
    return error_set(err, ERROR_RUN, "%s: cannot %s: %s", r->path, what, strerror(errno));
}

/* ---- what is there ----------------------------------------------------------------------------- */

static int read_all(const eval_record *r, buf *text, error *err)
{
    char chunk[1 << 16];
    struct stat st;
    if (fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > EVAL_RECORD_BYTES)
        return error_set(err, ERROR_RUN, "%s: must be a regular file of at most %d MiB", r->path,
                         EVAL_RECORD_BYTES >> 20);
    for (ssize_t n; (n = read(r->fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(r, "read", err);
        if (buf_add(text, chunk, (size_t)n, err))
            return -1;
    }
    return 0;
}

static bool same_value(const json *a, const json *b)
{
    buf x = {0}, y = {0};
    json_writer ex = {.out = &x}, ey = {.out = &y};
    json_put_value(&ex, NULL, a);
    json_put_value(&ey, NULL, b);
    bool same = json_writer_finish(&ex) == 0 && json_writer_finish(&ey) == 0 && x.len == y.len &&
                memcmp(x.v, y.v, x.len) == 0;
    buf_release(&x);
    buf_release(&y);
    return same;
}

/* The first lines differ: in what? */
static int refuse_other(const eval_record *r, const json *found, const json *wanted, error *err)
{
    const char *field = "evaluation";
    for (const json *m = json_first(wanted); m; m = json_next(m)) {
        if (!same_value(json_member(found, json_key(m)), m)) {
            field = json_key(m);
            break;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "%s: holds another evaluation (its \"%s\" differs); name another --output",
                     r->path, field);
}

static int check_header(const eval_record *r, const char *line, size_t len, const buf *header,
                        error *err)
{
    error why = {0};
    if (len == header->len && memcmp(line, header->v, len) == 0)
        return 0;
    json_document *found = json_parse(r->path, line, len, &why);
    json_document *wanted = json_parse("the evaluation", header->v, header->len, err);
    int result = -1;
    if (!found || json_type(json_root(found)) != JSON_OBJECT ||
        !json_member(json_root(found), "evaluation"))
        result = error_set(err, ERROR_RUN, "%s: is no record of an evaluation", r->path);
    else if (wanted)
        result = refuse_other(r, json_root(found), json_root(wanted), err);
    json_close(found);
    json_close(wanted);
    return result;
}

/* Whole lines only; *good = where the last of them ends. */
static int read_lines(const eval_record *r, const buf *text, const buf *header,
                      eval_record_line *fn, void *user, size_t *good, error *err)
{
    *good = 0;
    for (size_t number = 1; *good < text->len; number++) {
        const char *line = text->v + *good, *end = memchr(line, '\n', text->len - *good);
        if (!end)
            return 0;
        size_t len = (size_t)(end - line);
        int result = 0;
        if (number == 1) {
            result = check_header(r, line, len, header, err);
        } else {
            json_document *d = json_parse("JSON", line, len, err);
            result = d ? fn(user, json_root(d), err) : -1;
            json_close(d);
            if (result)
                return error_prefix(err, "%s:%zu: ", r->path, number);
        }
        if (result)
            return -1;
        *good += len + 1;
    }
    return 0;
}

/* A file without a whole first line that is not the beginning of ours is somebody else's. */
static int begin(eval_record *r, const buf *text, const buf *header, error *err)
{
    if (text->len > header->len || (text->len && memcmp(text->v, header->v, text->len) != 0))
        return error_set(err, ERROR_RUN, "%s: is no record of an evaluation", r->path);
    buf line = {0};
    int result = buf_add(&line, header->v, header->len, err) || buf_text(&line, "\n", err);
    if (!result && (ftruncate(r->fd, 0) != 0 || lseek(r->fd, 0, SEEK_SET) != 0))
        result = fail(r, "write", err);
    if (!result)
        result = eval_record_add(r, &line, err);
    if (!result)
        file_flush_name(r->path);
    buf_release(&line);
    return result ? -1 : 0;
}

static int open_file(eval_record *r, error *err)
{
    r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (r->fd < 0)
        return fail(r, "open", err);
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? error_set(err, ERROR_RUN, "%s: another run writes it now", r->path)
                   : fail(r, "lock", err);
    return 0;
}

static int take_up(eval_record *r, const buf *header, eval_record_line *fn, void *user, error *err)
{
    buf text = {0};
    size_t good = 0;
    int result = read_all(r, &text, err);
    if (!result)
        result = read_lines(r, &text, header, fn, user, &good, err);
    if (!result && !good)
        result = begin(r, &text, header, err);
    else if (!result &&
             (ftruncate(r->fd, (off_t)good) != 0 || lseek(r->fd, (off_t)good, SEEK_SET) < 0))
        result = fail(r, "write", err);
    buf_release(&text);
    return result;
}

/* ---- public ------------------------------------------------------------------------------------ */

eval_record *eval_record_open(const char *path, const buf *header, eval_record_line *fn, void *user,
                              error *err)
{
    eval_record *r = calloc(1, sizeof *r);
    if (r) {
        r->fd = -1;
        r->path = strdup(path);
    }
    if (!r || !r->path) {
        (void)error_memory(err, "the record");
        eval_record_close(r);
        return NULL;
    }
    if (open_file(r, err) || take_up(r, header, fn, user, err)) {
        eval_record_close(r);
        return NULL;
    }
    return r;
}

int eval_record_add(eval_record *r, const buf *lines, error *err)
{
    if (file_write_all(r->fd, lines->v, lines->len) != 0 || fdatasync(r->fd) != 0)
        return fail(r, "write", err);
    return 0;
}

int eval_record_path(const char *below, const char *stem, const buf *header, char **path,
                     error *err)
{
    char *place = NULL;
    *path = NULL;
    if (paths_own(PATHS_STATE, below, &place, err))
        return -1;
    if (!place)
        return paths_missing(PATHS_STATE, "no place for the record: ", err);
    unsigned long long hash = hash_bytes(HASH_START, header->v, header->len);
    if (paths_make(place, strlen(place), err) == 0)
        *path = string_format(err, "%s/%.80s.%016llx.jsonl", place, stem, hash);
    free(place);
    return *path ? 0 : -1;
}
