/* transcript_manage.c - giving a transcript a title, and taking one away. See transcript.h.
 *
 * A title is one more record: the file's name, by which scripts and people resume it, never changes.
 * Taking away is one unlink() of the transcript itself, so there is no moment in which half of it is
 * gone; what torn writes left beside it follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/base/utf8.h"
#include "../engine/base/visible.h"
#include "transcript_state.h"

enum { TORN_MOST = 1000 };

/* ---- titles ------------------------------------------------------------------------------------ */

int transcript_title(const char *text, buf *out, error *err)
{
    size_t n = strlen(text), bad = 0, characters = 0;
    visible place = {0};
    if (!utf8_check(text, n, &bad))
        return error_set(err, ERROR_USAGE, "the title is no UTF-8 at byte %zu", bad);
    for (size_t at = 0; at < n;) {
        size_t from = at;
        uint32_t c = utf8_next(text, &at);
        bool gap = c <= ' ' || c == 0x7F;
        if (!visible_next(&place, gap ? ' ' : c))
            return error_set(err, ERROR_USAGE, "the title holds U+%04X, which cannot be seen",
                             (unsigned)c);
        bool doubled = gap && (!out->len || out->v[out->len - 1] == ' ');
        if (doubled)
            continue;
        if (gap ? buf_text(out, " ", err) : buf_add(out, text + from, at - from, err))
            return -1;
        characters++;
    }
    while (out->len && out->v[out->len - 1] == ' ')
        out->v[--out->len] = '\0';
    if (characters > TRANSCRIPT_TITLE)
        return error_set(err, ERROR_USAGE, "a title has at most %d characters, and this one %zu",
                         TRANSCRIPT_TITLE, characters);
    return 0;
}

int transcript_rename(transcript *t, int turn, const char *title, error *err)
{
    json_put_text(transcript_begin(t, "title", turn, 0), "title", title);
    (void)transcript_end(t, NULL);
    return transcript_sync(t, err);
}

/* ---- taking away ------------------------------------------------------------------------------- */

static void remove_torn(const transcript *t)
{
    for (int i = 1; i <= TORN_MOST; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s.jsonl.torn-%d", t->id, i);
        if (unlinkat(t->directory, name, 0))
            return;
    }
}

static int remove_file(transcript *t, error *err)
{
    struct stat here, there;
    t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (t->fd < 0 || fstat(t->fd, &here))
        return error_set(err, ERROR_RUN, "cannot open %s: %s", t->path, strerror(errno));
    if (!S_ISREG(here.st_mode))
        return error_set(err, ERROR_RUN, "%s is no regular file", t->path);
    if (transcript_lock(t, err))
        return -1;
    if (lstat(t->path, &there) || there.st_ino != here.st_ino || there.st_dev != here.st_dev)
        return error_set(err, ERROR_RUN, "%s was replaced while it was being deleted", t->path);
    if (unlink(t->path))
        return error_set(err, ERROR_RUN, "cannot delete %s: %s", t->path, strerror(errno));
    remove_torn(t);
    if (transcript_flush(t->directory))
        return error_set(err, ERROR_RUN, "%s is deleted, but %s could not be flushed: %s", t->path,
                         t->folder, strerror(errno));
    return 0;
}

int transcript_delete(const char *place, const char *id, error *err)
{
    transcript *t = transcript_new(place, err);
    int result = t ? 0 : -1;
    if (!result && !transcript_name_ok(id))
        result = error_set(err, ERROR_USAGE, "\"%.80s\" is no session's name", id);
    if (!result)
        result = transcript_set_name(t, id, err);
    if (!result)
        result = transcript_open_folder(t, false, err);
    if (!result)
        result = remove_file(t, err);
    if (t && t->fd >= 0) { /* nothing is to be written to it any more */
        (void)close(t->fd);
        t->fd = -1;
    }
    transcript_close(t);
    return result;
}
