/* model_written.c - see model_written.h. */
#include "model_written.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../screen/human.h"

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

int model_written(console *con, const char *path, error *err)
{
    struct stat st;
    char bytes[HUMAN_TEXT];
    buf out = {0};
    if (stat(path, &st))
        return error_set(err, ERROR_RUN, "%s: %s", path, strerror(errno));
    int result = console_quote(con, &out, path, err);
    if (!result)
        result = buf_format(&out, err, " (%s)\n", human_bytes(bytes, (uint64_t)st.st_size));
    if (!result)
        result = console_text(con, &out, err);
    buf_release(&out);
    return result;
}
