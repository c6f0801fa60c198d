/* text_writer.c - see text_writer.h. */
#include "text_writer.h"

#include <stdarg.h>
#include <string.h>

void text_put(text_writer *w, const char *text)
{
    text_put_bytes(w, text, strlen(text));
}

void text_put_bytes(text_writer *w, const char *bytes, size_t n)
{
    w->failed = w->failed || buf_add(w->out, bytes, n, w->err);
}

void text_format(text_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->failed = w->failed || buf_format_list(w->out, w->err, format, args);
    va_end(args);
}
