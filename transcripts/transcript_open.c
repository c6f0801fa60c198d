/* transcript_open.c - opening a transcript that is there: the lock, and what a crash left.
 *
 * Behind the last '\n' stands nothing, or a record without its '\n' (whole, it gets one), or what
 * a crash tore or filled with NUL. Only the last is cut off, after a copy of it is on the disk
 * beside the file. Lines inside the file are counted and stay.
 */
#include "transcript_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/base/folder.h"
#include "jsonl.h"
#include "records.h"

enum { TORN_MOST = 1000, COPY = 1 << 16 };

/* ---- the lock ---------------------------------------------------------------------------------- */

/* The process that holds a lock on this file, from the kernel's list; 0 = not known. */
static int lock_holder(int fd)
{
    struct stat own;
    FILE *list = fopen("/proc/locks", "re");
    char text[256];
    int pid = 0;
    if (list && fstat(fd, &own) == 0) {
        while (pid == 0 && fgets(text, sizeof text, list)) {
            int holder;
            unsigned long long inode;
            if (sscanf(text, "%*d: FLOCK %*s WRITE %d %*x:%*x:%llu", &holder, &inode) == 2 &&
                inode == own.st_ino && holder > 0)
                pid = holder;
        }
    }
    if (list)
        (void)fclose(list);
    return pid;
}

int transcript_lock(const transcript *t, error *err)
{
    if (flock(t->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return error_set(err, ERROR_RUN, "cannot lock %s: %s", t->path, strerror(errno));
    int pid = lock_holder(t->fd);
    if (pid)
        return error_set(err, ERROR_RUN, "session %s is being written by process %d", t->id, pid);
    return error_set(err, ERROR_RUN, "session %s is being written by another process", t->id);
}

/* ---- the end of the file ----------------------------------------------------------------------- */

/* Copies [from, to) of the file to a new one beside it, flushed; its path is *kept. */
static int copy_tail(transcript *t, int out, uint64_t from, uint64_t to)
{
    char bytes[COPY];
    for (uint64_t at = from; at < to;) {
        size_t n = to - at < COPY ? (size_t)(to - at) : COPY;
        ssize_t got = pread(t->fd, bytes, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || transcript_write_at(out, bytes, (size_t)got, at - from))
            return -1;
        at += (uint64_t)got;
    }
    return transcript_flush(out);
}

static int keep_tail(transcript *t, uint64_t from, uint64_t to, char **kept, error *err)
{
    int out = -1;
    char name[128] = "";
    for (int i = 1; i <= TORN_MOST && out < 0; i++) {
        (void)snprintf(name, sizeof name, "%s.jsonl.torn-%d", t->id, i);
        out =
            openat(t->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (out < 0 && errno != EEXIST)
            break;
    }
    *kept = string_format(err, "%s/%s", t->folder, name);
    int result = out < 0 || copy_tail(t, out, from, to) || transcript_flush(t->directory);
#ifdef PLANT_NO_TORN_COPY
    (void)unlinkat(t->directory, name, 0);
    result = 0;
#endif
    if (result)
        (void)error_set(err, ERROR_RUN,
                        "%s ends in a torn record of %" PRIu64
                        " bytes, and they cannot be kept in %s: %s",
                        t->path, to - from, name, strerror(errno));
    if (out >= 0) {
        (void)close(out);
        if (result)
            (void)unlinkat(t->directory, name, 0);
    }
    return result || !*kept ? -1 : 0;
}

/* The last line has no '\n': a whole record gets one, anything else goes. */
static int mend(transcript *t, const jsonl_line *last, bool record, transcript_repair *r,
                error *err)
{
    uint64_t end = t->base;
    if (record) {
        t->base = end;
        return transcript_write_at(t->fd, "\n", 1, t->base++) || transcript_flush(t->fd)
                   ? error_set(err, ERROR_RUN, "cannot write to %s: %s", t->path, strerror(errno))
                   : 0;
    }
    if (keep_tail(t, last->offset, end, &r->kept, err))
        return -1;
    if (ftruncate(t->fd, (off_t)last->offset) || transcript_flush(t->fd))
        return error_set(err, ERROR_RUN, "cannot cut %s: %s", t->path, strerror(errno));
    r->torn = (size_t)(end - last->offset);
    t->base = last->offset;
    return 0;
}

/* ---- reading it through ------------------------------------------------------------------------ */

static void note_number(transcript *t, const json_document *d)
{
    int64_t n;
    error unread;
    if (json_get_int(json_root(d), "n", 1, RECORDS_MOST, &n, &unread) == 1 && n > t->n)
        t->n = (int)n;
}

/* One line behind the header. *record: it holds one. */
static int look_at(transcript *t, const jsonl_line *l, transcript_repair *r, bool *record,
                   error *err)
{
    json_document *d = NULL;
    bool damaged = !l->v;
    if (l->v && records_parse(l->v, l->len, &d, &damaged, err))
        return -1;
    if (d)
        note_number(t, d);
    *record = d && !damaged;
    json_close(d);
    if (damaged && l->whole && r->damaged++ == 0)
        r->first_damaged = l->number;
    if (damaged && t->n < RECORDS_MOST && !*record)
        t->n++; /* its number may have been taken */
    return 0;
}

static int read_header(const transcript *t, jsonl_reader *l, error *err)
{
    jsonl_line first;
    int got = jsonl_next(l, &first, err);
    if (got < 0)
        return -1;
    json_document *d = got && first.v && first.whole
                           ? records_header(t->path, first.v, first.len, err)
                           : records_header(t->path, "", 0, err);
    json_close(d);
    return d ? 0 : -1;
}

/* There are numbers left to count on with. */
static int check_numbers(const transcript *t, error *err)
{
    if (t->n <= RECORDS_MOST - RECORDS_SPARE)
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: a record has the number %d; there is none left to go on with", t->path,
                     t->n);
}

static int read_through(transcript *t, jsonl_reader *l, transcript_repair *r, error *err)
{
    jsonl_line at;
    bool record = false;
    int got;
    if (read_header(t, l, err))
        return -1;
    while ((got = jsonl_next(l, &at, err)) == 1) {
        if (look_at(t, &at, r, &record, err))
            return -1;
        if (!at.whole) {
            t->base = l->offset;
            return check_numbers(t, err) || mend(t, &at, record, r, err) ? -1 : 0;
        }
    }
    t->base = l->offset;
    return got || check_numbers(t, err) ? -1 : 0;
}

/* ---- forking ----------------------------------------------------------------------------------- */

/* A transcript to be, with the other's header but for id and time. */
static transcript *like(const transcript *from, jsonl_reader *l, const char *id, error *err)
{
    jsonl_line first;
    int got = jsonl_next(l, &first, err);
    if (got < 0)
        return NULL;
    json_document *d = records_header(from->path, got && first.v ? first.v : "",
                                      got && first.v ? first.len : 0, err);
    if (!d)
        return NULL;
    const json *root = json_root(d);
    transcript_model model = records_read_model(root, "model");
    transcript *t = transcript_prepare(from->folder, id, &model, records_word(root, "version"),
                                       records_word(root, "isa"), err);
    json_close(d);
    return t;
}

static int copy_lines(transcript *t, jsonl_reader *l, error *err)
{
    jsonl_line at;
    int got;
    while ((got = jsonl_next(l, &at, err)) == 1)
        if (at.v && at.whole &&
            (buf_add(&t->pending, at.v, at.len, err) || buf_text(&t->pending, "\n", err)))
            return -1;
    return got;
}

transcript *transcript_fork(transcript *from, const char *id, error *err)
{
    if (transcript_sync(from, err))
        return NULL;
    jsonl_reader l = {.fd = from->fd};
    transcript *t = like(from, &l, id, err);
    if (t && (copy_lines(t, &l, err) || transcript_sync(t, err))) {
        buf_clear(&t->pending); /* all or nothing: closing shall not try again */
        transcript_close(t);
        t = NULL;
    }
    if (t)
        t->n = from->n;
    jsonl_release(&l);
    return t;
}

/* ---- public ------------------------------------------------------------------------------------ */

void transcript_repair_release(transcript_repair *r)
{
    free(r->kept);
    *r = (transcript_repair){0};
}

static int open_file(transcript *t, const char *id, error *err)
{
    char name[128];
    struct stat s;
    if (!transcript_name_ok(id))
        return error_set(err, ERROR_USAGE,
                         "\"%.80s\" cannot name a session: 1 to 64 of A-Z a-z 0-9 _ -", id);
    if (transcript_set_name(t, id, err) || transcript_open_folder(t, false, err))
        return -1;
    (void)snprintf(name, sizeof name, "%s.jsonl", id);
    t->fd = openat(t->directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0)
        return error_set(err, ERROR_RUN, "cannot open %s: %s", t->path,
                         errno == ELOOP ? "it is a link" : strerror(errno));
    if (fstat(t->fd, &s) || !S_ISREG(s.st_mode))
        return error_set(err, ERROR_RUN, "cannot open %s: it is no regular file", t->path);
    return transcript_lock(t, err);
}

transcript *transcript_open(const char *place, const char *id, transcript_repair *repair,
                            error *err)
{
    transcript_repair own = {0};
    transcript *t = transcript_new(place, err);
    if (!t)
        return NULL;
    int result = open_file(t, id, err);
    if (!result) {
        jsonl_reader l = {.fd = t->fd};
        result = read_through(t, &l, &own, err);
        jsonl_release(&l);
    }
    if (repair)
        *repair = own;
    else
        transcript_repair_release(&own);
    if (!result)
        return t;
    if (repair)
        transcript_repair_release(repair);
    transcript_close(t);
    return NULL;
}
