/* format_percent.c - "..." % values, as Python's printf-style formatting.
 *
 * The pattern is walked once. What stands between conversions is copied as part of the pattern;
 * a conversion (%, a name in brackets, flags, width, precision, letter) takes its value from
 * the tuple in order, from the dict by name, or is given the one value there is, and is laid
 * out by format.h. Too few values and too many are errors, as in Python.
 */
#include <math.h>
#include <string.h>

#include "../../base/utf8.h"
#include "format.h"
#include "natives.h"

typedef struct percent {
    text pattern;
    size_t at;
    value given;  /* a tuple, a dict, or one value */
    size_t taken; /* of the tuple, or of the one value */
    bool by_name; /* a %(name)s was seen */
} percent;

static bool next_value(machine *m, percent *p, value *out)
{
    const bool many = p->given.kind == V_TUPLE;
    if (p->taken >= (many ? p->given.u.list->n : 1))
        return fail(m, "not enough values for the format");
    *out = many ? p->given.u.list->v[p->taken] : p->given;
    p->taken++;
    return true;
}

/* %(name) */
static bool read_name(machine *m, percent *p, value *out, bool *found)
{
    const char *v = text_bytes(p->pattern);
    *found = p->at < p->pattern.len && v[p->at] == '(';
    if (!*found)
        return true;
    size_t start = ++p->at;
    for (int depth = 1; depth > 0; p->at++) {
        if (p->at >= p->pattern.len)
            return fail(m, "a name in the format has no end");
        depth += v[p->at] == '(' ? 1 : v[p->at] == ')' ? -1 : 0;
    }
    if (p->given.kind != V_DICT)
        return fail(m, "a format with names needs a dict");
    p->by_name = true;
    int there = lookup(m, p->given.u.dict,
                       value_text(text_part(p->pattern, start, p->at - 1 - start)), out);
    return there == 0 ? fail(m, "a name in the format has no value") : there > 0;
}

/* A number or "*". */
static bool read_count(machine *m, percent *p, int64_t *out)
{
    const char *v = text_bytes(p->pattern);
    value given = {.kind = V_MISSING};
    if (p->at < p->pattern.len && v[p->at] == '*') {
        p->at++;
        return next_value(m, p, &given) && argument_int(m, given, "a width", out);
    }
    for (; p->at < p->pattern.len && v[p->at] >= '0' && v[p->at] <= '9'; p->at++) {
        *out = 10 * (*out < 0 ? 0 : *out) + (v[p->at] - '0');
        if (*out > FIELD_MAX)
            return fail(m, "a field is wider than %d", FIELD_MAX);
    }
    return true;
}

static bool read_field(machine *m, percent *p, field *f, bool *zero)
{
    const char *v = text_bytes(p->pattern);
    *f = (field){.width = 0, .precision = -1};
    *zero = false;
    for (; p->at < p->pattern.len && v[p->at] != '\0' && strchr("-+ #0", v[p->at]); p->at++) {
        char c = v[p->at];
        if (c == '-')
            f->align = '<';
        else if (c == '#')
            f->alternate = true;
        else if (c == '0')
            *zero = true;
        else if (f->sign != '+')
            f->sign = c;
    }
    if (!read_count(m, p, &f->width))
        return false;
    if (f->width < -FIELD_MAX)
        return fail(m, "a field is wider than %d", FIELD_MAX);
    if (f->width < 0) {
        f->align = '<';
        f->width = -f->width;
    }
    if (p->at < p->pattern.len && v[p->at] == '.') {
        p->at++;
        f->precision = 0;
        if (!read_count(m, p, &f->precision))
            return false;
        f->precision = f->precision < 0 ? 0 : f->precision;
    }
    while (p->at < p->pattern.len && v[p->at] != '\0' && strchr("hlL", v[p->at]))
        p->at++;
    return true;
}

static bool format_whole(machine *m, value v, field *f, text *out)
{
    if (v.kind == V_FLOAT && f->type == 'd') {
        if (!(fabs(v.u.f) < 9223372036854775808.0))
            return fail(m, "integers beyond 64 bits are not supported");
        v = value_int((int64_t)v.u.f, v.origin);
    }
    if (v.kind != V_INT && v.kind != V_BOOL)
        return fail(m, "%%%c needs an integer, not a %s", f->type, type_name(v));
    return format_int(m, v.kind == V_INT ? v.u.i : v.u.b, f, v.origin, out);
}

static bool format_char(machine *m, value v, const field *f, text *out)
{
    text t = TEXT_EMPTY;
    field plain = *f;
    plain.precision = -1;
    plain.align = f->align ? f->align : '>';
    if (v.kind == V_TEXT) {
        if (text_chars(m, v.u.t) != 1)
            return fail(m, "%%c needs one character");
        t = v.u.t;
    } else {
        int64_t c;
        if (!argument_int(m, v, "%c's value", &c))
            return false;
        if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return fail(m, "%%c: no such character");
        if (!add_char(m, &t, (uint32_t)c, v.origin))
            return false;
    }
    return format_text(m, t, &plain, out);
}

static bool format_value(machine *m, value v, field *f, bool zero, text *out)
{
    text t = TEXT_EMPTY, digit = TEXT_EMPTY;
    if (zero && f->align == 0 && strchr("dxXoeEfFgG", f->type)) {
        if (!add_word(m, &digit, "0", v.origin))
            return false;
        f->fill = digit;
        f->align = '=';
    }
    switch (f->type) {
    case 's':
    case 'r':
        f->align = f->align ? f->align : '>';
        return (f->type == 's' ? add_str(m, &t, v) : add_repr(m, &t, v)) &&
               format_text(m, t, f, out);
    case 'c':
        return format_char(m, v, f, out);
    case 'd':
    case 'x':
    case 'X':
    case 'o':
        return format_whole(m, v, f, out);
    default:
        if (!value_is_number(v))
            return v.kind == V_UNDEFINED
                       ? fail_undefined(m, v)
                       : fail(m, "%%%c needs a number, not a %s", f->type, type_name(v));
        return format_float(m, value_double(v), f, v.origin, out);
    }
}

/* One conversion behind its "%". */
static bool convert(machine *m, percent *p, text *out)
{
    value v = {.kind = V_MISSING};
    field f;
    bool named, zero;
    text t = TEXT_EMPTY;
    if (!read_name(m, p, &v, &named) || !read_field(m, p, &f, &zero))
        return false;
    if (p->at >= p->pattern.len)
        return fail(m, "the format ends within a conversion");
    f.type = text_bytes(p->pattern)[p->at++];
    if (f.type == '%' && p->at >= 2 && text_bytes(p->pattern)[p->at - 2] == '%')
        return add_text(m, out, text_part(p->pattern, p->at - 1, 1));
    f.type = f.type == 'i' || f.type == 'u' ? 'd' : f.type;
    if (f.type == '\0' || !strchr("srcdxXoeEfFgG", f.type))
        return fail(m, "the conversion '%%%c' is not supported",
                    f.type > ' ' && f.type < 0x7f ? f.type : '?');
    return (named || next_value(m, p, &v)) && format_value(m, v, &f, zero, &t) &&
           add_text(m, out, t);
}

bool format_percent(machine *m, value a, value b, value *out)
{
    percent p = {.pattern = a.u.t, .given = b};
    text made = TEXT_EMPTY;
    size_t kept = 0;
    if (a.flag)
        return fail(m, "formatting Markup is not supported");
    if (!spend_bytes(m, 4 * (size_t)p.pattern.len))
        return false;
    while (p.at < p.pattern.len) {
        if (text_bytes(p.pattern)[p.at] != '%') {
            p.at++;
            continue;
        }
        if (!spend(m, 1) || !add_text(m, &made, text_part(p.pattern, kept, p.at - kept)))
            return false;
        p.at++;
        if (!convert(m, &p, &made))
            return false;
        kept = p.at;
    }
    const bool mapping = b.kind == V_DICT || b.kind == V_LIST || b.kind == V_UNDEFINED;
    if (!p.by_name && !mapping && p.taken < (b.kind == V_TUPLE ? b.u.list->n : 1))
        return fail(m, "more values than the format has conversions");
    *out = value_text(made);
    return add_text(m, &out->u.t, text_part(p.pattern, kept, p.pattern.len - kept));
}
