/* format.c - numbers and texts in fields, for "%" and for str.format. */
#include "format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "natives.h"

/* Fills up to the width; `sign_len` bytes in front stay there with "=". */
static bool format_fill(machine *m, text t, size_t sign_len, char align, const field *f, text *out)
{
    text fill = f->fill;
    if (f->width > FIELD_MAX)
        return fail(m, "a field is wider than %d", FIELD_MAX);
    if (fill.len == 0 && !add_word(m, &fill, " ", JINJA_TEMPLATE))
        return false;
    if (align == '=') {
        text rest = text_part(t, sign_len, t.len - sign_len);
        size_t n = text_chars(m, rest);
        if (n == SIZE_MAX || !pad_text(m, rest, f->width - (int64_t)sign_len, fill, '>', &rest))
            return false;
        *out = text_part(t, 0, sign_len);
        return add_text(m, out, rest);
    }
    return pad_text(m, t, f->width, fill, align == '^' ? '=' : align, out);
}

bool format_text(machine *m, text t, const field *f, text *out)
{
    size_t n = text_chars(m, t);
    if (n == SIZE_MAX)
        return false;
    if (f->precision >= 0 && (int64_t)n > f->precision &&
        !text_slice(m, t, 0, (size_t)f->precision, &t))
        return false;
    return format_fill(m, t, 0, f->align ? f->align : '<', f, out);
}

/* The sign, "0x", digits and what follows them as one text, thousands grouped, filled. */
static bool lay_out(machine *m, const char *sign, const char *prefix, const char *digits,
                    const char *rest, const field *f, uint32_t origin, text *out)
{
    text t = TEXT_EMPTY;
    size_t n = strlen(digits), group = strchr("boxX", f->type) && f->type ? 4 : 3;
    char mark[2] = {f->group, '\0'};
    if (!add_word(m, &t, sign, origin) || !add_word(m, &t, prefix, origin))
        return false;
    size_t front = t.len;
    bool zeros = f->group && f->align == '=' && f->fill.len == 1 && text_bytes(f->fill)[0] == '0';
    if (zeros) /* zeros would be grouped as well */
        return fail(m, "grouped digits filled with zeros are not supported");
    for (size_t i = 0; i < n; i++)
        if ((f->group && i > 0 && (n - i) % group == 0 && !add_word(m, &t, mark, origin)) ||
            !add_bytes(m, &t, digits + i, 1, origin))
            return false;
    return add_word(m, &t, rest, origin) &&
           format_fill(m, t, front, f->align ? f->align : '>', f, out);
}

static const char *sign_of(bool minus, const field *f)
{
    return minus ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
}

bool format_int(machine *m, int64_t i, const field *f, uint32_t origin, text *out)
{
    char digits[200], *end = digits + 100;
    const char type = f->type ? f->type : 'd';
    const unsigned base = type == 'b' ? 2 : type == 'o' ? 8 : (type | 32) == 'x' ? 16 : 10;
    const char *prefix = !f->alternate ? ""
                         : type == 'b' ? "0b"
                         : type == 'o' ? "0o"
                         : type == 'x' ? "0x"
                         : type == 'X' ? "0X"
                                       : "";
    uint64_t left = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    if (f->precision > PRECISION_MAX - 36)
        return fail(m, "a precision above %d is not supported", PRECISION_MAX - 36);
    char *at = end;
    *end = '\0';
    do {
        *--at = (type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[left % base];
        left /= base;
    } while (left > 0);
    while (end - at < f->precision)
        *--at = '0';
    return lay_out(m, sign_of(i < 0, f), prefix, at, "", f, origin, out);
}

/* The digits as the C locale prints them, whatever the locale is. */
static void print_double(char *out, size_t size, const char *pattern, int precision, double d)
{
    snprintf(out, size, pattern, precision, d);
    for (char *c = out; *c != '\0'; c++)
        if (!strchr("0123456789eE+-naifNAIF", *c))
            *c = '.';
}

bool format_float(machine *m, double d, const field *f, uint32_t origin, text *out)
{
    char written[500], digits[400], pattern[8];
    const bool percent = f->type == '%';
    char type = percent ? 'f' : f->type ? f->type : 'g';
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    if (f->precision > PRECISION_MAX)
        return fail(m, "a precision above %d is not supported", PRECISION_MAX);
    if (f->type == 0 && f->precision < 0) { /* as repr() */
        format_double(fabs(d), written);
    } else {
        snprintf(pattern, sizeof pattern, "%%%s.*%c", f->alternate ? "#" : "", type);
        print_double(written, sizeof written, pattern, precision, fabs(percent ? d * 100 : d));
    }
    size_t whole = strspn(written, "0123456789");
    if (whole == 0) { /* inf, nan */
        field plain = *f;
        plain.group = 0;
        return lay_out(m, sign_of(signbit(d) && !isnan(d), f), "", written, percent ? "%" : "",
                       &plain, origin, out);
    }
    memcpy(digits, written, whole);
    digits[whole] = '\0';
    if (percent)
        strcat(written, "%");
    return lay_out(m, sign_of(signbit(d) != 0, f), "", digits, written + whole, f, origin, out);
}
