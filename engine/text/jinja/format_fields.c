/* format_fields.c - str.format: "{} {0} {name.attribute[key]!r:>10}".
 *
 * The pattern is walked once; "{{" and "}}" are braces. A field is cut into the path to its
 * value, a conversion (!r, !s) and a format; a format that holds a field itself is refused.
 * Paths are followed by the sandbox's rules for attributes, so format() reaches nothing that a
 * template could not reach anyway. The value is then laid out by format.h.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "format.h"
#include "natives.h"

typedef struct fields {
    text pattern;
    size_t at;
    const arguments *args;
    int64_t next; /* the next automatic number; -1 once numbers were given */
} fields;

static bool digits_only(text t, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < t.len; i++) {
        char c = text_bytes(t)[i];
        if (c < '0' || c > '9' || *out > 100000)
            return false;
        *out = 10 * *out + (c - '0');
    }
    return t.len > 0;
}

/* What a field begins with: nothing, a number or a name. */
static bool first_value(machine *m, fields *f, text name, value *out)
{
    int64_t i = f->next;
    if (name.len == 0) {
        if (f->next < 0)
            return fail(m, "format: numbered and automatic fields are mixed");
        f->next++;
    } else if (digits_only(name, &i)) {
        if (f->next > 0)
            return fail(m, "format: numbered and automatic fields are mixed");
        f->next = -1;
    } else {
        for (size_t k = 0; k < f->args->n_named; k++)
            if (text_equal(f->args->named[k].name, name)) {
                *out = f->args->named[k].v;
                return true;
            }
        return fail(m, "format: a name in the format has no value");
    }
    if ((size_t)i >= f->args->n)
        return fail(m, "format: not enough values for the format");
    *out = f->args->v[i];
    return true;
}

/* name, then .attribute and [key] as often as they stand there. */
static bool field_value(machine *m, fields *f, text path, value *out)
{
    const char *v = text_bytes(path);
    size_t n = 0;
    while (n < path.len && v[n] != '.' && v[n] != '[')
        n++;
    if (!first_value(m, f, text_part(path, 0, n), out))
        return false;
    while (n < path.len) {
        const bool item = v[n] == '[';
        size_t start = ++n;
        int64_t number;
        value from = *out;
        while (n < path.len && (item ? v[n] != ']' : v[n] != '.' && v[n] != '['))
            n++;
        text part = text_part(path, start, n - start);
        if (part.len == 0 || (item && n >= path.len))
            return fail(m, "format: an attribute has no name");
        n += item;
        if (item && n < path.len && v[n] != '.' && v[n] != '[')
            return fail(m, "format: only . or [ may follow ]");
        value key = value_text(part);
        if (item && digits_only(part, &number))
            key = value_int(number, JINJA_TEMPLATE);
        if (!spend(m, 1) ||
            !(item ? get_item(m, from, key, out) : get_attribute(m, from, part, out)))
            return false;
    }
    return true;
}

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '^' || c == '=';
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static bool read_spec(machine *m, text spec, field *f)
{
    const char *v = text_bytes(spec);
    size_t at = 0, one = 0;
    *f = (field){.precision = -1};
    if (spec.len > 0)
        utf8_next(v, &one);
    if (one < spec.len && one > 0 && is_align(v[one])) {
        f->fill = text_part(spec, 0, one);
        f->align = v[one];
        at = one + 1;
    } else if (spec.len > 0 && is_align(v[0])) {
        f->align = v[at++];
    }
    if (at < spec.len && (v[at] == '+' || v[at] == '-' || v[at] == ' '))
        f->sign = v[at++];
    if (at < spec.len && v[at] == '#') {
        f->alternate = true;
        at++;
    }
    if (at < spec.len && v[at] == '0') {
        if (f->fill.len == 0)
            f->fill = text_part(spec, at, 1);
        f->align = f->align ? f->align : '=';
        at++;
    }
    for (; at < spec.len && v[at] >= '0' && v[at] <= '9'; at++)
        if ((f->width = 10 * f->width + (v[at] - '0')) > FIELD_MAX)
            return fail(m, "a field is wider than %d", FIELD_MAX);
    if (at < spec.len && (v[at] == ',' || v[at] == '_'))
        f->group = v[at++];
    if (at < spec.len && v[at] == '.') {
        f->precision = 0;
        if (++at >= spec.len || v[at] < '0' || v[at] > '9')
            return fail(m, "format: a precision is missing");
        for (; at < spec.len && v[at] >= '0' && v[at] <= '9'; at++)
            if ((f->precision = 10 * f->precision + (v[at] - '0')) > FIELD_MAX)
                return fail(m, "a field is wider than %d", FIELD_MAX);
    }
    if (at < spec.len)
        f->type = v[at++];
    return at == spec.len || fail(m, "format: a field's format is not valid");
}

static bool format_number(machine *m, value v, field *f, text *out)
{
    const bool whole = v.kind != V_FLOAT;
    const int64_t i = v.kind == V_INT ? v.u.i : v.kind == V_BOOL && v.u.b;
    text zero = TEXT_EMPTY; /* digits that fill are the number's */
    if (f->align == '=' && text_is(f->fill, "0")) {
        if (!add_word(m, &zero, "0", v.origin))
            return false;
        f->fill = zero;
    }
    if (whole && (f->type == 0 || strchr("dboxX", f->type))) {
        if (f->precision >= 0)
            return fail(m, "format: an integer has no precision");
        return format_int(m, i, f, v.origin, out);
    }
    if (f->type != 0 && !strchr("eEfFgG%", f->type))
        return fail(m, "format: the type '%c' is not supported for a %s",
                    f->type > ' ' && f->type < 0x7f ? f->type : '?', type_name(v));
    if (f->type == 0 && f->precision >= 0)
        return fail(m, "format: a precision without a type is not supported");
    return format_float(m, value_double(v), f, v.origin, out);
}

static bool format_one(machine *m, value v, char conversion, text spec, text *out)
{
    field f;
    text t = TEXT_EMPTY;
    if (conversion != 0) {
        if (!(conversion == 's' ? add_str(m, &t, v) : add_repr(m, &t, v)))
            return false;
        v = value_text(t);
    }
    if (spec.len == 0) {
        *out = TEXT_EMPTY;
        return add_str(m, out, v);
    }
    if (!read_spec(m, spec, &f))
        return false;
    if (v.kind == V_INT || v.kind == V_FLOAT || v.kind == V_BOOL)
        return format_number(m, v, &f, out);
    if (v.kind != V_TEXT)
        return fail(m, "format: a %s takes no format", type_name(v));
    if ((f.type != 0 && f.type != 's') || f.sign || f.alternate || f.group || f.align == '=')
        return fail(m, "format: a field's format is not valid for a string");
    return format_text(m, v.u.t, &f, out);
}

/* One field behind its "{". */
static bool replace_field(machine *m, fields *f, text *out)
{
    const char *v = text_bytes(f->pattern);
    size_t start = f->at, end = start, name_end, spec;
    char conversion = 0;
    value found = {.kind = V_MISSING};
    text made = TEXT_EMPTY;
    while (end < f->pattern.len && v[end] != '}' && v[end] != '{')
        end++;
    if (end >= f->pattern.len)
        return fail(m, "format: a field has no end");
    if (v[end] == '{')
        return fail(m, "format: fields within fields are not supported");
    for (name_end = start; name_end < end && v[name_end] != '!' && v[name_end] != ':';)
        name_end++;
    spec = name_end;
    if (spec < end && v[spec] == '!') {
        conversion = spec + 1 < end ? v[spec + 1] : '?';
        if (conversion != 'r' && conversion != 's')
            return fail(m, "format: conversions are !r and !s");
        spec += 2;
        if (spec < end && v[spec] != ':')
            return fail(m, "format: ':' is expected behind a conversion");
    }
    spec += spec < end;
    f->at = end + 1;
    return field_value(m, f, text_part(f->pattern, start, name_end - start), &found) &&
           format_one(m, found, conversion, text_part(f->pattern, spec, end - spec), &made) &&
           add_text(m, out, made);
}

bool format_fields(machine *m, text pattern, const arguments *args, value *out)
{
    fields f = {.pattern = pattern, .args = args};
    const char *v = text_bytes(pattern);
    text made = TEXT_EMPTY;
    if (!spend_bytes(m, 4 * (size_t)pattern.len))
        return false;
    while (f.at < pattern.len) {
        size_t start = f.at;
        while (f.at < pattern.len && v[f.at] != '{' && v[f.at] != '}')
            f.at++;
        const bool found = f.at < pattern.len;
        const bool twice = found && f.at + 1 < pattern.len && v[f.at + 1] == v[f.at];
        if (!spend(m, 1) || !add_text(m, &made, text_part(pattern, start, f.at - start + twice)))
            return false;
        if (!found)
            break;
        if (!twice && v[f.at] == '}')
            return fail(m, "format: a single '}'");
        f.at += twice ? 2 : 1;
        if (!twice && !replace_field(m, &f, &made))
            return false;
    }
    *out = value_text(made);
    return true;
}
