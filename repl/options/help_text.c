/* help_text.c - see help_text.h. */
#include "help_text.h"

#include <stdbool.h>
#include <string.h>

int help_wrap(buf *out, size_t column, const char *text, error *err)
{
    size_t at = column;
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " ");
        bool fits = at + !first + n <= HELP_WIDTH;
        if (!first && !fits) {
            if (buf_format(out, err, "\n%*s", (int)column, ""))
                return -1;
            at = column;
            first = true;
        }
        if (buf_format(out, err, "%s%.*s", first ? "" : " ", (int)n, text))
            return -1;
        at += n + !first;
        first = false;
        text += n;
        text += strspn(text, " ");
    }
    return buf_text(out, "\n", err);
}

int help_entry(buf *out, const char *name, size_t column, const char *text, error *err)
{
    size_t used = strlen(name);
    bool fits = used + 2 <= column;
    int pad = (int)(fits ? column - used : column);
    if (buf_format(out, err, "%s%s%*s", name, fits ? "" : "\n", pad, ""))
        return -1;
    return help_wrap(out, column, text, err);
}
