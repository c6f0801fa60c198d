/* open_lessons.c - see open_lessons.h. */
#include "open_lessons.h"

#include <string.h>

int open_lessons(const char *path, lessons *out, console *con, error *err)
{
    int result = lessons_load(path, out, err);
    if (!result || out->fault_count < 2)
        return result;
    for (const char *at = out->faults.v; *at;) {
        size_t n = strcspn(at, "\n");
        console_loss(con, "%.*s", (int)n, at);
        at += n + (at[n] == '\n');
    }
    return error_set(err, ERROR_LOAD, "%s: the %zu faults above; nothing was done", path,
                     out->fault_count);
}
