/* lessons_append.c - one more lesson in a file of them; see lessons.h.
 *
 * The file is somebody's handwriting, so nothing of it is written anew: the line goes behind the
 * last byte (and a newline before it where that is none), under a lock, and is flushed. What was
 * written in part is cut off again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/json_writer.h"
#include "lessons.h"

static int check_text(const char *field, const char *text, size_t len, error *err)
{
    if (len && memchr(text, '\0', len))
        return error_set(err, ERROR_USAGE, "%s: holds U+0000, which no lesson can", field);
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]))
            return 0;
    return error_set(err, ERROR_USAGE, "%s: says nothing", field);
}

int lessons_write(const char *question, size_t question_len, const char *answer, size_t answer_len,
                  buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    if (check_text("question", question, question_len, err) ||
        check_text("answer", answer, answer_len, err))
        return -1;
    json_begin_object(&e, NULL);
    json_put_bytes(&e, "question", question, question_len);
    json_put_bytes(&e, "answer", answer, answer_len);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}

/* Whether something has to end the last line first; -1 with errno. */
static int needs_newline(int fd, off_t size)
{
    char last = '\n';
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return -1;
    return last != '\n';
}

static int append(int fd, const char *line, size_t len)
{
    struct stat st;
    if (flock(fd, LOCK_EX) || fstat(fd, &st))
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    int newline = needs_newline(fd, st.st_size);
    if (newline < 0)
        return -1;
    if ((newline && file_write_all(fd, "\n", 1)) || file_write_all(fd, line, len) || fsync(fd)) {
        int why = errno;
        if (ftruncate(fd, st.st_size) == 0)
            errno = why; /* else that is what is told */
        return -1;
    }
    return 0;
}

int lessons_append(const char *path, const char *line, size_t len, error *err)
{
    bool there = access(path, F_OK) == 0;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    int result = fd < 0 ? -1 : append(fd, line, len);
    if (result)
        (void)error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    if (!result && !there)
        file_flush_name(path);
    return result;
}
