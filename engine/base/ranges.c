/* ranges.c - see ranges.h. */
#include "ranges.h"

#include <stdio.h>
#include <string.h>

static const char *skip_blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* A decimal number below limit; NULL when there is none. Never overflows: stops past the limit. */
static const char *read_number(const char *p, int limit, int *value)
{
    if (*p < '0' || *p > '9')
        return NULL;
    int v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        v = v < limit ? v * 10 + (*p - '0') : limit;
    *value = v < limit ? v : limit;
    return p;
}

static int bad_list(const char *text, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "\"%.60s\" is no list of %ss (write 1,5,80-100)", text, what);
}

int ranges_read(const char *text, const char *what, int limit, uint8_t *set, error *err)
{
    const char *p = skip_blanks(text);
    for (;;) {
        int first, last;
        if (!(p = read_number(p, limit, &first)))
            return bad_list(text, what, err);
        last = first;
        p = skip_blanks(p);
        if (*p == '-' && !(p = read_number(skip_blanks(p + 1), limit, &last)))
            return bad_list(text, what, err);
        if (first >= limit || last >= limit)
            return error_set(err, ERROR_LOAD, "\"%.60s\": the model has %ss 0 to %d", text, what,
                             limit - 1);
        if (last < first)
            return bad_list(text, what, err);
        memset(set + first, 1, (size_t)(last - first) + 1);
        p = skip_blanks(p);
        if (*p == '\0')
            return 0;
        if (*p != ',')
            return bad_list(text, what, err);
        p = skip_blanks(p + 1);
    }
}

int ranges_write(const uint8_t *set, int n, char *out, int size)
{
    int length = 0;
    if (size > 0)
        out[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (!set[i])
            continue;
        int last = i;
        while (last + 1 < n && set[last + 1])
            last++;
        char item[32];
        int m = last > i ? snprintf(item, sizeof item, "%s%d-%d", length ? "," : "", i, last)
                         : snprintf(item, sizeof item, "%s%d", length ? "," : "", i);
        if (length + m < size)
            memcpy(out + length, item, (size_t)m + 1);
        length += m;
        i = last;
    }
    return length;
}
