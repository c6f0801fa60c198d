/* model_written.c - see model_written.h. */
#include "model_written.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/folder.h"
#include "../screen/human.h"
#include "../system/output_file.h"

static bool show_share(void *user, double share)
{
    console *con = user;
    console_progress(con, "writing %.0f %%", 100 * share);
    return !console_cancelled(con);
}

image_watch model_written_watch(console *con)
{
    return (image_watch){con, show_share};
}

int model_written_check(const char *path, bool over, error *err)
{
    struct stat st;
    if (!over && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return error_set(err, ERROR_RUN, "%s is there already and was left alone (--force)", path);
    return output_file_check(path, over, err);
}

/* Bytes of a file, or of the files in a folder. */
static int size_of(const char *path, uint64_t *bytes, error *err)
{
    struct stat st;
    folder names = {0};
    if (stat(path, &st))
        return error_set(err, ERROR_RUN, "%s: %s", path, strerror(errno));
    *bytes = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size;
    if (S_ISDIR(st.st_mode) && folder_read(path, &names, err))
        return -1;
    for (size_t i = 0; i < names.len; i++) {
        char *file = string_format(NULL, "%s/%s", path, names.v[i]);
        if (file && stat(file, &st) == 0)
            *bytes += (uint64_t)st.st_size;
        free(file);
    }
    folder_release(&names);
    return 0;
}

int model_written(console *con, const char *path, error *err)
{
    uint64_t size = 0;
    char bytes[HUMAN_TEXT];
    buf out = {0};
    if (size_of(path, &size, err))
        return -1;
    int result = console_quote(con, &out, path, err);
    if (!result)
        result = buf_format(&out, err, " (%s)\n", human_bytes(bytes, size));
    if (!result)
        result = console_text(con, &out, err);
    buf_release(&out);
    return result;
}
