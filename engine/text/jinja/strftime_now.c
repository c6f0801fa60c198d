/* strftime_now.c - strftime_now: the day the machine was given, as the C locale's strftime
 * writes it. What a directive becomes belongs to whom the directive belongs. */
#include <stdio.h>
#include <string.h>

#include "natives.h"

static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

/* A number of `width` digits, filled as the flag says: '-' not at all, '_' with blanks. */
static bool add_field(machine *m, text *t, uint32_t origin, int number, int width, char flag,
                      char fill)
{
    char out[32];
    fill = flag == '-' ? '\0' : flag == '_' ? ' ' : flag == '0' ? '0' : fill;
    if (fill == '0')
        snprintf(out, sizeof out, "%0*d", width, number);
    else
        snprintf(out, sizeof out, "%*d", fill ? width : 0, number);
    return add_word(m, t, out, origin);
}

static bool add_name(machine *m, text *t, uint32_t origin, const char *name, size_t n)
{
    return add_bytes(m, t, name, n < strlen(name) ? n : strlen(name), origin);
}

static bool add_directive(machine *m, text *t, uint32_t origin, char c, char flag,
                          const struct tm *now);

/* Directives that stand for several others. */
static bool add_several(machine *m, text *t, uint32_t origin, const char *directives,
                        const struct tm *now)
{
    for (const char *c = directives; *c != '\0'; c++)
        if (*c == '%' ? (c++, !add_directive(m, t, origin, *c, '\0', now))
                      : !add_bytes(m, t, c, 1, origin))
            return false;
    return true;
}

/* Directives that are one number. */
static const char NUMBERS[] = "YCymdejHIMSuw";

static bool add_number_directive(machine *m, text *t, uint32_t origin, char c, char flag,
                                 const struct tm *now)
{
    const int year = now->tm_year + 1900, half = now->tm_hour % 12;
    const struct {
        int number, width;
    } is[] = {
        {year, 1},
        {year / 100, 2},
        {now->tm_year % 100, 2},
        {now->tm_mon + 1, 2},
        {now->tm_mday, 2},
        {now->tm_mday, 2},
        {now->tm_yday + 1, 3},
        {now->tm_hour, 2},
        {half == 0 ? 12 : half, 2},
        {now->tm_min, 2},
        {now->tm_sec, 2},
        {now->tm_wday == 0 ? 7 : now->tm_wday, 1},
        {now->tm_wday, 1},
    };
    size_t i = (size_t)(strchr(NUMBERS, c) - NUMBERS);
    return add_field(m, t, origin, is[i].number, is[i].width, flag, c == 'e' ? ' ' : '0');
}

static bool add_directive(machine *m, text *t, uint32_t origin, char c, char flag,
                          const struct tm *now)
{
    const char *month = MONTHS[(unsigned)now->tm_mon % 12], *day = DAYS[(unsigned)now->tm_wday % 7];
    if (c != '\0' && strchr(NUMBERS, c))
        return add_number_directive(m, t, origin, c, flag, now);
    switch (c) {
    case 'p':
        return add_word(m, t, now->tm_hour < 12 ? "AM" : "PM", origin);
    case 'a':
        return add_name(m, t, origin, day, 3);
    case 'A':
        return add_name(m, t, origin, day, 99);
    case 'b':
    case 'h':
        return add_name(m, t, origin, month, 3);
    case 'B':
        return add_name(m, t, origin, month, 99);
    case 'D':
    case 'x':
        return add_several(m, t, origin, "%m/%d/%y", now);
    case 'F':
        return add_several(m, t, origin, "%Y-%m-%d", now);
    case 'T':
    case 'X':
        return add_several(m, t, origin, "%H:%M:%S", now);
    case 'R':
        return add_several(m, t, origin, "%H:%M", now);
    case 'c':
        return add_several(m, t, origin, "%a %b %e %H:%M:%S %Y", now);
    case 'n':
        return add_word(m, t, "\n", origin);
    case 't':
        return add_word(m, t, "\t", origin);
    case '%':
        return add_word(m, t, "%", origin);
    default:
        return fail(m, "strftime_now: '%%%c' is not supported", c > ' ' && c < 0x7f ? c : '?');
    }
}

bool strftime_now(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text format, made = TEXT_EMPTY;
    (void)self, (void)all;
    if (!argument_text(m, a[0], "strftime_now: the format", &format))
        return false;
    if (m->now == NULL)
        return fail(m, "strftime_now: no day was given");
    if (!spend_bytes(m, 4 * (size_t)format.len))
        return false;
    const char *v = text_bytes(format);
    size_t kept = 0, covers;
    for (size_t at = 0; at < format.len; at++) {
        if (v[at] != '%')
            continue;
        if (!spend(m, 1) || !add_text(m, &made, text_part(format, kept, at - kept)))
            return false;
        const uint32_t origin = text_run_at(format, at, &covers).origin;
        char flag =
            at + 1 < format.len && v[at + 1] != '\0' && strchr("-_0", v[at + 1]) ? v[++at] : '\0';
        if (++at >= format.len)
            return fail(m, "strftime_now: the format ends in '%%'");
        if (!add_directive(m, &made, origin, v[at], flag, m->now))
            return false;
        kept = at + 1;
    }
    *out = value_text(made);
    return add_text(m, &out->u.t, text_part(format, kept, format.len - kept));
}
