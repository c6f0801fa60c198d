/* human.c - see human.h. */
#include "human.h"

#include <stdio.h>
#include <string.h>

static char *scaled(char *out, uint64_t value, double base, const char *const *units, int count)
{
    double v = (double)value;
    int unit = 0;
    while (v >= base * 0.9995 && unit + 1 < count) {
        v /= base;
        unit++;
    }
    int digits = unit == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    const char *space = *units[unit] ? " " : "";
    (void)snprintf(out, HUMAN_TEXT, "%.*f%s%s", digits, v, space, units[unit]);
    return out;
}

char *human_bytes(char *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return scaled(out, bytes, 1024, units, 6);
}

char *human_count(char *out, uint64_t count)
{
    static const char *const units[] = {"", "thousand", "million", "billion", "trillion"};
    return scaled(out, count, 1000, units, 5);
}

char *human_seconds(char *out, double seconds)
{
    if (seconds < 0)
        seconds = 0;
    unsigned long whole = (unsigned long)(seconds + 0.5);
    if (seconds < 9.95)
        (void)snprintf(out, HUMAN_TEXT, "%.1f s", seconds);
    else if (whole < 60)
        (void)snprintf(out, HUMAN_TEXT, "%lu s", whole);
    else if (whole < 3600)
        (void)snprintf(out, HUMAN_TEXT, "%lu min %02lu s", whole / 60, whole % 60);
    else
        (void)snprintf(out, HUMAN_TEXT, "%lu h %02lu min", whole / 3600, whole / 60 % 60);
    return out;
}
