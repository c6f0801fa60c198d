/* error.c - see error.h. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Macros only while the static analysis looks on (tests/analyser.h). */
#undef error_set
#undef error_memory
#undef error_prefix

/* vsnprintf may cut in the middle of a UTF-8 character: step back to its lead byte. */
static void cut_at_character(char *text, size_t size, int wanted)
{
    if (wanted < 0 || (size_t)wanted < size)
        return;
    size_t end = size - 1;
    size_t lead = end;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead > 0 && (unsigned char)text[lead - 1] >= 0xC0)
        text[lead - 1] = '\0';
}

int error_set(error *err, error_code code, const char *format, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    cut_at_character(err->text, sizeof err->text, wanted);
    err->code = code;
    return -1;
}

int error_prefix(error *err, const char *format, ...)
{
    if (!err)
        return -1;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    if (vsnprintf(err->text, sizeof err->text, format, args) < 0)
        err->text[0] = '\0';
    va_end(args);
    size_t used = strlen(err->text);
    int wanted = snprintf(err->text + used, sizeof err->text - used, "%s", old);
    cut_at_character(err->text + used, sizeof err->text - used, wanted);
    return -1;
}

int error_memory(error *err, const char *what)
{
    return error_set(err, ERROR_RUN, "out of memory for %s", what);
}
