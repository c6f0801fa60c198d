/* line_history.c - see line_history.h.
 *
 * The end of the file is read, without the half of a line that it may begin with. An entry is
 * written escaped, with one write() under flock(); one that was cut short, as on a full disk, is
 * taken back, so that it spoils no later one. The file is opened without waiting and must be
 * regular: a pipe in its place would hold the prompt up for ever.
 */
#include "line_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/paths.h"

int line_history_path(bool make, char **path, error *err)
{
    const char *none = getenv("CONSILIUM_NOHISTORY");
    *path = NULL;
    if (none && *none)
        return 0;
    if (paths_own(PATHS_STATE, "history", path, err))
        return -1;
    if (*path && make)
        (void)paths_make(*path, (size_t)(strrchr(*path, '/') - *path), NULL);
    return 0;
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int ignored(const char *path, error *err)
{
    return error_set(err, ERROR_RUN, "the history %s is ignored: it is no regular file", path);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* In place; returns text. */
static char *unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            *to++ = *at == 'n' ? '\n' : *at;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
    return text;
}

static int read_tail(int fd, buf *text, error *err)
{
    struct stat st;
    char chunk[1 << 14];
    ssize_t n;
    bool cut = fstat(fd, &st) == 0 && st.st_size > LINE_HISTORY_BYTES &&
               lseek(fd, -(off_t)LINE_HISTORY_BYTES, SEEK_END) > 0;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(text, chunk, (size_t)n, err))
            return -1;
    if (cut && text->len) { /* the first line is half of one */
        char *end = memchr(text->v, '\n', text->len);
        size_t skip = end ? (size_t)(end - text->v) + 1 : text->len;
        memmove(text->v, text->v + skip, text->len - skip + 1);
        text->len -= skip;
    }
    return 0;
}

int line_history_load(const char *path, void (*entry)(const char *text), error *err)
{
    buf text = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT && lstat(path, &st) != 0)
        return 0;
    if (fd < 0)
        return error_set(err, ERROR_RUN, "the history %s is ignored: %s", path,
                         errno == ENOENT ? "it is a link to nothing" : strerror(errno));
    int result = is_regular(fd) ? read_tail(fd, &text, err) : ignored(path, err);
    (void)close(fd);
    char *at = text.v;
    for (char *end; !result && at && (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        if (*at)
            entry(unescape(at));
    }
    buf_release(&text);
    return result;
}

/* ---- writing ----------------------------------------------------------------------------------- */

bool line_history_wants(const char *text, const char *before)
{
    size_t n = strlen(text);
    return n && n <= LINE_HISTORY_ENTRY && text[0] != ' ' && (!before || strcmp(text, before) != 0);
}

static int escape(const char *text, buf *out, error *err)
{
    for (; *text; text++) {
        size_t n = strcspn(text, "\\\n");
        if (buf_add(out, text, n, err))
            return -1;
        text += n;
        if (!*text)
            break;
        if (buf_text(out, *text == '\n' ? "\\n" : "\\\\", err))
            return -1;
    }
    return buf_text(out, "\n", err);
}

static int write_locked(int fd, const buf *line)
{
    struct stat st;
    if (flock(fd, LOCK_EX) || fstat(fd, &st))
        return -1;
    ssize_t n = write(fd, line->v, line->len);
    if (n == (ssize_t)line->len)
        return 0;
    int why = n < 0 ? errno : ENOSPC;
    if (n > 0 && ftruncate(fd, st.st_size)) /* half an entry would spoil the next one */
        why = errno;
    errno = why;
    return -1;
}

int line_history_append(const char *path, const char *text, error *err)
{
    buf entry = {0};
    if (escape(text, &entry, err)) {
        buf_release(&entry);
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    int result =
        fd >= 0 && !is_regular(fd) ? ignored(path, err)
        : fd < 0 || write_locked(fd, &entry)
            ? error_set(err, ERROR_RUN, "the history %s was not written: %s", path, strerror(errno))
            : 0;
    if (fd >= 0)
        (void)close(fd);
    buf_release(&entry);
    return result;
}
