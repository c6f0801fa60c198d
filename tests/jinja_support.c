/* jinja_support.c - see jinja_support.h. */
#include "jinja_support.h"

#include <time.h>

int jinja_support_render(const char *source, size_t len, const jinja_data *d,
                         const jinja_limits *limits, jinja_output *out, error *err)
{
    static const struct tm day = {.tm_year = 126, .tm_mon = 6, .tm_mday = 26, .tm_yday = 206};
    jinja_template *t = NULL;
    *out = (jinja_output){0};
    *err = (error){0};
    int failed = jinja_parse(source, len, &t, err) || jinja_render(t, d, &day, limits, out, err);
    jinja_close(t);
    return failed ? -1 : 0;
}
