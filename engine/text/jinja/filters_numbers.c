/* filters_numbers.c - int, float, round, abs; numbers that are written in texts.
 *
 * int() and float() of a text accept what Python's accept: white space around, a sign,
 * underscores between digits, a base's prefix; anything else gives the filter's default, as in
 * jinja2. Reading goes through lex_literal.h, which knows no locale. filter_find() stands here
 * because this is the last of the four tables that it looks through.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lex_literal.h"
#include "natives.h"

/* Digits, each underscore between two of them. */
static bool well_formed(const char *s, size_t n, bool after_prefix)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '_' && ((i == 0 && !after_prefix) || i + 1 == n || s[i + 1] == '_'))
            return false;
    return n > 0;
}

static bool digits_of_base(const char *s, size_t n, int64_t base)
{
    for (size_t i = 0; i < n; i++) {
        int d = s[i] >= '0' && s[i] <= '9'                 ? s[i] - '0'
                : (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z' ? (s[i] | 32) - 'a' + 10
                                                           : 99;
        if (s[i] != '_' && d >= base)
            return false;
    }
    return true;
}

/* A number written in a text: 1 = *out, 0 = none, -1 after fail(). Source: Python's int(text, base). */
static int text_to_int(machine *m, text t, int64_t base, value *out)
{
    text stripped;
    if (!spend_bytes(m, 4 * (size_t)t.len) || !strip_text(m, t, NULL, true, true, &stripped))
        return -1;
    const char *s = text_bytes(stripped);
    size_t n = stripped.len;
    bool minus = n > 0 && s[0] == '-', prefix = false;
    if (n > 0 && (s[0] == '-' || s[0] == '+')) {
        s++;
        n--;
    }
    int64_t named = n > 2 && s[0] == '0' ? ((s[1] | 32) == 'x'   ? 16
                                            : (s[1] | 32) == 'o' ? 8
                                            : (s[1] | 32) == 'b' ? 2
                                                                 : 0)
                                         : 0;
    if (named > 0 && (base == 0 || base == named)) {
        base = named;
        prefix = true;
        s += 2;
        n -= 2;
    }
    if (base < 0 || base == 1 || base > 36)
        return 0;
    bool zero_led = base == 0 && n > 1 && s[0] == '0' && strspn(s, "0_") < n;
    base = base == 0 ? 10 : base;
    if (zero_led || !well_formed(s, n, prefix) || !digits_of_base(s, n, base))
        return 0;
    int64_t i;
    if (base > 16)
        return fail(m, "int: bases above 16 are not supported") - 1;
    if (!parse_digits(s, n, (int)base, &i))
        return fail(m, "integers beyond 64 bits are not supported") - 1;
    *out = value_int(minus ? -i : i, text_origin(t));
    return 1;
}

/* Source: Python's float(text). */
static bool text_to_float(text t, double *out)
{
    const char *s = text_bytes(t);
    size_t n = t.len;
    while (n > 0 && strchr(" \t\n\r\f\v", s[0]) && s[0] != '\0') {
        s++;
        n--;
    }
    while (n > 0 && strchr(" \t\n\r\f\v", s[n - 1]) && s[n - 1] != '\0')
        n--;
    if (n == 0 || n >= 390 || memchr(s, '\0', n) || memchr(s, 'x', n) || memchr(s, 'X', n) ||
        memchr(s, '(', n) || memchr(s, ' ', n))
        return false;
    for (size_t i = 0; i < n; i++) /* an underscore stands between digits */
        if (s[i] == '_' && (i == 0 || i + 1 == n || s[i - 1] < '0' || s[i - 1] > '9' ||
                            s[i + 1] < '0' || s[i + 1] > '9'))
            return false;
    return parse_double(s, n, out);
}

static bool truncate_float(machine *m, double f, value fallback, uint32_t origin, value *out)
{
    *out = fallback;
    if (isnan(f) || isinf(f))
        return true;
    if (fabs(f) >= 9223372036854775808.0)
        return fail(m, "integers beyond 64 bits are not supported");
    *out = value_int((int64_t)f, origin);
    return true;
}

static bool filter_int(machine *m, value self, const value *a, const arguments *all, value *out)
{
    value fallback = a[0].kind == V_MISSING ? value_int(0, JINJA_TEMPLATE) : a[0];
    int64_t base = 10;
    double f;
    (void)all;
    *out = fallback;
    if (a[1].kind != V_MISSING && !argument_int(m, a[1], "int: base", &base))
        return false;
    if (self.kind == V_UNDEFINED)
        return fail_undefined(m, self);
    if (self.kind == V_INT || self.kind == V_BOOL) {
        *out = value_int(self.kind == V_INT ? self.u.i : self.u.b, self.origin);
        return true;
    }
    if (self.kind == V_FLOAT)
        return truncate_float(m, self.u.f, fallback, self.origin, out);
    if (self.kind != V_TEXT)
        return true;
    int found = text_to_int(m, self.u.t, base, out);
    if (found != 0)
        return found > 0;
    *out = fallback;
    return !text_to_float(self.u.t, &f) ||
           truncate_float(m, f, fallback, text_origin(self.u.t), out);
}

static bool filter_float(machine *m, value self, const value *a, const arguments *all, value *out)
{
    double f;
    (void)all;
    *out = a[0].kind == V_MISSING ? value_float(0, JINJA_TEMPLATE) : a[0];
    if (self.kind == V_UNDEFINED)
        return fail_undefined(m, self);
    if (value_is_number(self))
        *out = value_float(value_double(self), self.origin);
    else if (self.kind == V_TEXT && text_to_float(self.u.t, &f))
        *out = value_float(f, text_origin(self.u.t));
    return self.kind != V_TEXT || spend_bytes(m, 4 * (size_t)self.u.t.len);
}

static bool filter_abs(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    if (self.kind == V_UNDEFINED)
        return fail_undefined(m, self);
    if (!value_is_number(self))
        return fail(m, "abs: a %s is no number", type_name(self));
    *out = self;
    if (self.kind == V_FLOAT)
        out->u.f = fabs(self.u.f);
    else if (value_double(self) < 0)
        return unary(m, OP_SUB, self, out);
    else
        *out = value_int(self.kind == V_INT ? self.u.i : self.u.b, self.origin);
    return true;
}

/* To the nearest multiple of 10^-digits, halves to even. */
static bool round_int(machine *m, int64_t i, int64_t digits, uint32_t origin, value *out)
{
    int64_t unit = 1;
    for (int64_t d = digits; d < 0; d++)
        if (__builtin_mul_overflow(unit, 10, &unit)) {
            *out = value_int(0, origin);
            return true;
        }
    int64_t rest = i % unit, low = i - rest - (rest < 0 ? unit : 0);
    rest = i - low;
    if (rest > unit / 2 || (rest == unit / 2 && unit > 1 && (low / unit) % 2 != 0))
        if (__builtin_add_overflow(low, unit, &low))
            return fail(m, "integers beyond 64 bits are not supported");
    *out = value_int(low, origin);
    return true;
}

static double round_float(double f, int64_t digits)
{
    char written[400];
    if (isnan(f) || isinf(f) || digits > 323)
        return f;
    if (digits < -308)
        return copysign(0, f);
    if (digits >= 0) { /* printf rounds the exact value, halves to even */
        snprintf(written, sizeof written, "%.*f", (int)(digits > 60 ? 60 : digits), f);
        return digits > 60 ? f : strtod(written, NULL);
    }
    double unit = pow(10, (double)-digits);
    return nearbyint(f / unit) * unit;
}

static bool filter_round(machine *m, value self, const value *a, const arguments *all, value *out)
{
    int64_t digits = 0;
    (void)all;
    bool up = a[1].kind == V_TEXT && text_is(a[1].u.t, "ceil");
    bool down = a[1].kind == V_TEXT && text_is(a[1].u.t, "floor");
    if (a[1].kind != V_MISSING && !up && !down &&
        (a[1].kind != V_TEXT || !text_is(a[1].u.t, "common")))
        return fail(m, "round: the method is common, ceil or floor");
    if (a[0].kind != V_MISSING && !argument_int(m, a[0], "round: precision", &digits))
        return false;
    if (self.kind == V_UNDEFINED)
        return fail_undefined(m, self);
    if (!value_is_number(self))
        return fail(m, "round: a %s is no number", type_name(self));
    if (up || down) {
        double unit = pow(10, (double)digits), f = value_double(self) * unit;
        *out = value_float((up ? ceil(f) : floor(f)) / unit, self.origin);
        return true;
    }
    if (self.kind != V_FLOAT)
        return round_int(m, self.kind == V_INT ? self.u.i : self.u.b, digits, self.origin, out);
    *out = value_float(round_float(self.u.f, digits), self.origin);
    return true;
}

static const native_row filters_numbers[] = {
    {"int", filter_int, "default?,base?"},
    {"float", filter_float, "default?"},
    {"abs", filter_abs, ""},
    {"round", filter_round, "precision?,method?"},
    {0},
};

const native_row *filter_find(text name)
{
    const native_row *const tables[] = {filters_text, filters_lists, filters_select,
                                        filters_numbers};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const native_row *row = row_find(tables[i], name);
        if (row != NULL)
            return row;
    }
    return NULL;
}
