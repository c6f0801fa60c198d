/* save.c - see save.h. */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/whole_file.h"
#include "../../transcripts/transcript.h"
#include "../screen/safe_text.h"
#include "broker.h"

bool save_format(const char *path, export_format *out)
{
    static const struct {
        const char *end;
        export_format format;
    } ends[] = {{".md", EXPORT_MARKDOWN},
                {".markdown", EXPORT_MARKDOWN},
                {".html", EXPORT_HTML},
                {".htm", EXPORT_HTML},
                {".json", EXPORT_JSON}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i].end) == 0) {
            *out = ends[i].format;
            return true;
        }
    return false;
}

/* JSON keeps every character, so what a terminal would obey is escaped; the others are clean. */
static int make(const history *h, export_format format, buf *out, error *err)
{
    if (format != EXPORT_JSON)
        return export_as(format, h, out, err);
    buf raw = {0};
    int result =
        export_as(format, h, &raw, err) || safe_text_copy(out, SAFE_JSON, raw.v, raw.len, err) ? -1
                                                                                               : 0;
    buf_release(&raw);
    return result;
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

static int write_file(const char *path, bool there, const char *text, size_t n, error *err)
{
    char *target = there ? realpath(path, NULL) : NULL; /* behind a link */
    int result = whole_file_put(target ? target : path, text, n, err);
    free(target);
    return result;
}

static int is_there(const char *path, error *err)
{
    return error_set(err, ERROR_RUN, "%s is there already and was left alone (--force)", path);
}

int save_put(console *con, const char *path, bool over, const char *text, size_t n, error *err)
{
    struct stat st;
    if (con->broker)
        return broker_write(con->broker, path, over, text, n, err);
    bool there = stat(path, &st) == 0, file = there && S_ISREG(st.st_mode);
    if (file && !over)
        return is_there(path, err);
    if (transcript_spare(path, err))
        return -1;
    return there && !file ? write_in_place(con, path, text, n, err)
                          : write_file(path, there, text, n, err);
}

int save_export(const history *h, export_format format, const char *path, bool force, console *con,
                error *err)
{
    struct stat st;
    bool out = !path || strcmp(path, "-") == 0, there = !out && stat(path, &st) == 0;
    if (there && S_ISREG(st.st_mode) && !force)
        return is_there(path, err);
    if (!out && transcript_spare(path, err))
        return -1;
    buf text = {0};
    int result = make(h, format, &text, err);
    if (!result)
        result = out ? console_document(con, &text, err)
                     : save_put(con, path, force, text.v, text.len, err);
    buf_release(&text);
    return result;
}
