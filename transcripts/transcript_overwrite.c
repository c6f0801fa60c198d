/* transcript_overwrite.c - keeping what others write away from the record. See transcript.h.
 *
 * A name says little: links, hard links and "../" lead to a transcript as well. So the folder is
 * compared as the kernel resolves it, and a file that is there is looked into.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/base/folder.h"
#include "records.h"
#include "transcript.h"

enum { HEADER_MOST = 1 << 16 };

/* Whether it is a file whose first line is a transcript's header. */
static int holds_record(const char *path, bool *is, error *err)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *head = fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) ? malloc(HEADER_MOST) : NULL;
    ssize_t n = head ? pread(fd, head, HEADER_MOST, 0) : 0;
    const char *end = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;
    error why = {0};
    *is = false;
    if (end) {
        json_document *d = records_header(path, head, (size_t)(end - head), &why);
        *is = d && !json_member(json_root(d), "turns");
        json_close(d);
    }
    free(head);
    if (fd >= 0)
        (void)close(fd);
    if (why.code != ERROR_RUN)
        return 0;
    if (err)
        *err = why;
    return -1;
}

/* The folder that a file of that name lies in, or would; NULL when there is none. Caller frees. */
static char *folder_of(const char *path)
{
    char *there = realpath(path, NULL);
    if (!there && errno != ENOENT)
        return NULL;
    const char *name = there ? there : path, *slash = strrchr(name, '/');
    char *parent = slash == name ? strdup("/")
                   : slash       ? strndup(name, (size_t)(slash - name))
                                 : strdup(".");
    char *real = parent ? realpath(parent, NULL) : NULL;
    free(parent);
    free(there);
    return real;
}

static bool inside(const char *where, const char *place)
{
    size_t n = strlen(place);
    return strncmp(where, place, n) == 0 && (where[n] == '\0' || where[n] == '/');
}

int transcript_check_overwrite(const char *path, error *err)
{
    char *place = NULL, *real = NULL, *where = folder_of(path);
    bool record = false;
    if (transcript_folder(&place, NULL) == 0)
        real = realpath(place, NULL);
    int result = holds_record(path, &record, err);
    if (!result && record)
        result = error_set(err, ERROR_RUN,
                           "%s is a transcript and was left alone: choose another file", path);
    else if (!result && where && real && inside(where, real))
        result = error_set(err, ERROR_RUN,
                           "%s would lie among the transcripts, where nothing else is written: "
                           "choose another folder",
                           path);
    free(place);
    free(real);
    free(where);
    return result;
}
