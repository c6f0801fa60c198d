/* code_block.c - see code_block.h. */
#include "code_block.h"

#include <string.h>

/* Length of the fence that the line [at, end) begins with, 0 = none; *mark is its character. */
static size_t fence(const char *at, const char *end, char *mark)
{
    for (int spaces = 0; spaces < 3 && at < end && *at == ' '; spaces++)
        at++;
    size_t n = 0;
    if (at == end || (*at != '`' && *at != '~'))
        return 0;
    *mark = *at;
    while (at + n < end && at[n] == *mark)
        n++;
    return n >= 3 ? n : 0;
}

static bool only_spaces_behind(const char *at, const char *end, char mark)
{
    while (at < end && (*at == mark || *at == ' ' || *at == '\r'))
        at++;
    return at == end;
}

bool code_block_find(const char *text, size_t n, int number, const char **code, size_t *len)
{
    const char *end = text + n, *begin = NULL;
    size_t open = 0;
    char mark = 0, now = 0;
    int count = 0;
    for (const char *at = text; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        size_t ticks = fence(at, stop ? stop : end, &now);
        bool closes =
            open && ticks >= open && now == mark && only_spaces_behind(at, stop ? stop : end, mark);
        if (closes && count == number)
            end = at;
        else if (closes)
            open = 0;
        else if (!open && ticks) {
            open = ticks;
            mark = now;
            if (++count == number)
                begin = next;
        }
        at = next;
    }
    if (!begin)
        return false;
    *code = begin;
    *len = (size_t)(end - begin);
    return true;
}
