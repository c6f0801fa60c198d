/* output_file.c - see output_file.h. */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../transcripts/transcript.h"

int output_file_check(const char *path, bool over, error *err)
{
    struct stat st;
    if (!over && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return error_set(err, ERROR_RUN, "%s is there already and was left alone (--force)", path);
    return transcript_check_overwrite(path, err);
}

/* A pipe or a device. */
static int write_in_place(console *con, const char *path, const char *text, size_t n, error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    int result = console_write(con, fd, path, text, n, err);
    if (close(fd) && !result)
        result = error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    return result;
}

static int write_whole(const char *path, bool there, const char *text, size_t n, error *err)
{
    char *target = there ? realpath(path, NULL) : NULL; /* behind a link */
    int result = atomic_file_put(target ? target : path, text, n, err);
    free(target);
    return result;
}

int output_file_put(console *con, const char *path, bool over, const char *text, size_t n,
                    error *err)
{
    struct stat st;
    if (output_file_check(path, over, err))
        return -1;
    bool there = stat(path, &st) == 0;
    return there && !S_ISREG(st.st_mode) ? write_in_place(con, path, text, n, err)
                                         : write_whole(path, there, text, n, err);
}
