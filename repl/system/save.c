/* save.c - see save.h. */
#include "save.h"

#include <string.h>
#include <strings.h>

#include "../screen/safe_text.h"
#include "output_file.h"

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
    int result = export_as(format, h, &raw, err) ||
                 safe_text_copy(out, SAFE_JSON, false, raw.v, raw.len, err);
    buf_release(&raw);
    return result ? -1 : 0;
}

int save_put(broker *b, console *con, const char *path, bool over, const char *text, size_t n,
             error *err)
{
    return b ? broker_write(b, path, over, text, n, err)
             : output_file_put(con, path, over, text, n, err);
}

int save_export(const history *h, export_format format, const char *path, bool force, broker *b,
                console *con, error *err)
{
    bool out = !path || strcmp(path, "-") == 0;
    if (!out && output_file_check(path, force, err)) /* before the work */
        return -1;
    buf text = {0};
    int result = make(h, format, &text, err);
    if (!result)
        result = out ? console_document(con, &text, err)
                     : save_put(b, con, path, force, text.v, text.len, err);
    buf_release(&text);
    return result;
}
