/* transcript.c - making a transcript and writing to it. See transcript.h.
 *
 * A new file is written beside its place under a name of its own and linked there when its header is
 * on the disk: a transcript without a header is never seen. All later writes go to a known offset, so
 * that trying again after a failure overwrites what the failure left.
 */
#include "transcript_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../engine/base/folder.h"

enum { NAME_TRIES = 16, NAME_BYTES = 64 + 32 };

/* ---- the file ---------------------------------------------------------------------------------- */

int transcript_write_at(int fd, const char *bytes, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put == 0 ? ENOSPC : errno;
            return -1;
        }
        bytes += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

int transcript_flush(int fd)
{
    int result;
#ifdef PLANT_NO_FLUSH /* a negative control for the tests, as all PLANT_ ones: see the Makefile */
    return fd < 0;
#endif
    do
        result = fsync(fd);
    while (result && errno == EINTR);
    return result && (errno == EINVAL || errno == ENOTSUP) ? 0 : result;
}

static int failed(const transcript *t, const char *what, error *err)
{
    int why = errno;
    return error_set(err, ERROR_RUN, "cannot %s %s: %s", what, t->path ? t->path : t->folder,
                     strerror(why));
}

/* Cuts the file back to what is known to be whole. */
static void cut(transcript *t)
{
    t->needs_truncation = ftruncate(t->fd, (off_t)(t->base + t->written)) != 0;
}

/* Nobody else has touched the file. */
static int check_untouched(transcript *t, error *err)
{
    struct stat now;
    if (t->needs_truncation)
        cut(t);
    if (t->needs_truncation || fstat(t->fd, &now))
        return failed(t, "write to", err);
    if (now.st_nlink == 0)
        return error_set(err, ERROR_RUN, "%s was removed while it was open", t->path);
    if ((uint64_t)now.st_size != t->base + t->written)
        return error_set(err, ERROR_RUN, "%s was changed by another program while it was open",
                         t->path);
    return 0;
}

/* ---- making it --------------------------------------------------------------------------------- */

static int random_digits(char out[9], error *err)
{
    uint32_t r;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        return error_set(err, ERROR_RUN, "no random numbers: %s", strerror(errno));
    (void)snprintf(out, 9, "%08x", (unsigned)r);
    return 0;
}

static int header_line(const transcript *t, const char *id, buf *out, error *err)
{
    return buf_format(out, err, "{\"transcript\":1,\"id\":\"%s\",%s", id, t->header.v);
}

/* Never over a file that is there. Where a file system has no hard links, by renaming. */
static int give_name(int directory, const char *part, const char *name)
{
    if (linkat(directory, part, directory, name, 0) == 0)
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK)
        return -1;
    return renameat2(directory, part, directory, name, RENAME_NOREPLACE);
}

/* Writes the header to a file of its own, flushed, and links it to its name. 1 = the name is taken. */
static int make_named(transcript *t, const char *id, error *err)
{
    char salt[9], part[NAME_BYTES], name[NAME_BYTES];
    buf line = {0};
    if (transcript_set_name(t, id, err) || random_digits(salt, err) ||
        header_line(t, id, &line, err)) {
        buf_release(&line);
        return -1;
    }
    (void)snprintf(part, sizeof part, "%s.jsonl.new-%s", id, salt);
    (void)snprintf(name, sizeof name, "%s.jsonl", id);
    t->fd = openat(t->directory, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result =
        t->fd < 0 || transcript_write_at(t->fd, line.v, line.len, 0) || transcript_flush(t->fd)
            ? failed(t, "make", err)
            : transcript_lock(t, err);
    if (!result && give_name(t->directory, part, name)) {
        result = errno == EEXIST ? 1 : -1;
        (void)failed(t, "make", err);
    }
    if (t->fd >= 0)
        (void)unlinkat(t->directory, part, 0);
    if (result && t->fd >= 0) {
        (void)close(t->fd);
        t->fd = -1;
    }
    t->base = result ? 0 : line.len;
    buf_release(&line);
    return result;
}

static int make(transcript *t, error *err)
{
    if (t->directory < 0 && transcript_open_folder(t, true, err))
        return -1;
    int result = 1;
    for (int i = 0; i < NAME_TRIES && result == 1; i++) {
        char id[9];
        if (t->random && random_digits(id, err))
            return -1;
        char *own = t->random ? NULL : strdup(t->id);
        if (!t->random && !own)
            return error_memory(err, "a transcript");
        result = make_named(t, own ? own : id, err);
        free(own);
        if (result == 1 && !t->random)
            return error_set(err, ERROR_RUN, "there is a transcript called %s already", t->id);
    }
    t->directory_unsynced = result == 0;
    return result ? -1 : 0;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

transcript *transcript_new(const char *place, error *err)
{
    transcript *t = calloc(1, sizeof *t);
    if (t) {
        t->directory = t->fd = -1;
        t->folder = strdup(place);
    }
    if (t && t->folder)
        return t;
    transcript_close(t);
    (void)error_memory(err, "a transcript");
    return NULL;
}

int transcript_set_name(transcript *t, const char *id, error *err)
{
    char *name = strdup(id), *path = string_format(err, "%s/%s.jsonl", t->folder, id);
    if (!name || !path) {
        free(name);
        free(path);
        return error_memory(err, "a transcript");
    }
    free(t->id);
    free(t->path);
    t->id = name;
    t->path = path;
    return 0;
}

/* The header's members behind "id", and the end of the line. */
static int put_header(transcript *t, const transcript_model *m, const char *version,
                      const char *isa, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_begin_object(&e, NULL);
    json_put_text(&e, "created", created);
    json_put_text(&e, "version", version);
    records_put_model(&e, "model", m);
    json_put_text(&e, "isa", isa);
    json_end(&e);
    bool failed = json_writer_finish(&e) || buf_text(&t->header, b.v + 1, err) ||
                  buf_text(&t->header, "\n", err);
    buf_release(&b);
    return failed ? -1 : 0;
}

transcript *transcript_prepare(const char *place, const char *id, const transcript_model *model,
                               const char *version, const char *isa, error *err)
{
    if (id && !transcript_name_ok(id)) {
        (void)error_set(err, ERROR_USAGE,
                        "\"%.80s\" cannot name a session: 1 to 64 of A-Z a-z 0-9 _ -", id);
        return NULL;
    }
    transcript *t = transcript_new(place, err);
    if (!t)
        return NULL;
    t->random = id == NULL;
    if ((id && transcript_set_name(t, id, err)) || put_header(t, model, version, isa, err)) {
        transcript_close(t);
        return NULL;
    }
    return t;
}

transcript *transcript_create(const char *place, const char *id, const transcript_model *model,
                              const char *version, const char *isa, error *err)
{
    transcript *t = transcript_prepare(place, id, model, version, isa, err);
    if (t && (make(t, err) || transcript_sync(t, err))) {
        transcript_close(t);
        return NULL;
    }
    return t;
}

void transcript_close(transcript *t)
{
    if (!t)
        return;
    if (t->fd >= 0 || t->pending.len > 0)
        (void)transcript_sync(t, NULL);
    if (t->fd >= 0)
        (void)close(t->fd);
    if (t->directory >= 0)
        (void)close(t->directory);
    buf_release(&t->header);
    buf_release(&t->pending);
    buf_release(&t->line);
    free(t->folder);
    free(t->id);
    free(t->path);
    free(t);
}

const char *transcript_id(const transcript *t)
{
    return t->random && t->fd < 0 ? NULL : t->id;
}

const char *transcript_path(const transcript *t)
{
    return t->random && t->fd < 0 ? NULL : t->path;
}

/* ---- records ----------------------------------------------------------------------------------- */

size_t transcript_pending(const transcript *t)
{
    size_t lines = 0;
    for (size_t i = t->written; i < t->pending.len; i++)
        lines += t->pending.v[i] == '\n';
    return lines;
}

json_writer *transcript_begin(transcript *t, const char *type, int turn, int parent)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    long milliseconds = now.tv_nsec / 1000000;
    buf_clear(&t->line);
    t->building = (error){0};
    t->e = (json_writer){.out = &t->line, .err = &t->building};
    t->n++;
    json_begin_object(&t->e, NULL);
    json_put_text(&t->e, "type", type);
    json_put_int(&t->e, "n", t->n);
    json_put_int(&t->e, "turn", turn);
    json_put_int(&t->e, "parent", parent);
    json_put_number(&t->e, "time", (double)now.tv_sec + (double)milliseconds / 1000);
    return &t->e;
}

/* Everything that waits, record by record: on a disk that fills up the first ones get in. */
static int write_pending(transcript *t, error *err)
{
    if (t->fd < 0 && make(t, err))
        return -1;
    if (t->written < t->pending.len && check_untouched(t, err))
        return -1;
    while (t->written < t->pending.len) {
        const char *from = t->pending.v + t->written;
        const char *end = memchr(from, '\n', t->pending.len - t->written);
        size_t n = (size_t)(end - from) + 1;
        if (transcript_write_at(t->fd, from, n, t->base + t->written)) {
            (void)failed(t, "write to", err);
            cut(t);
            return -1;
        }
        t->written += n;
    }
    return 0;
}

int transcript_end(transcript *t, error *err)
{
    json_end(&t->e);
    if (json_writer_finish(&t->e) || buf_text(&t->line, "\n", &t->building) ||
        buf_add(&t->pending, t->line.v, t->line.len, &t->building)) {
        t->lost = t->building;
        if (err)
            *err = t->building;
        return -1;
    }
    return write_pending(t, err) ? -1 : t->n;
}

int transcript_last(const transcript *t)
{
    return t->n;
}

int transcript_sync(transcript *t, error *err)
{
    if (write_pending(t, err))
        return -1;
    if (t->lost.code) { /* told once: it will not come again */
        if (err)
            *err = t->lost;
        t->lost = (error){0};
        return -1;
    }
    if (t->written > 0) {
        if (check_untouched(t, err))
            return -1;
        if (transcript_flush(t->fd)) { /* what the disk took is unknown: all of it again */
            (void)failed(t, "flush", err);
            t->written = 0;
            cut(t);
            return -1;
        }
        t->base += t->written;
        t->written = 0;
        buf_clear(&t->pending);
    }
#ifdef PLANT_NO_FOLDER_FLUSH
    t->directory_unsynced = false;
#endif
    if (t->directory_unsynced && transcript_flush(t->directory))
        return failed(t, "flush the folder of", err);
    t->directory_unsynced = false;
    return 0;
}
