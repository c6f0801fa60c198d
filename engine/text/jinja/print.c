/* print.c - str() and repr() as Python prints values; numbers in every locale the same.
 *
 * A float is the shortest digits that read back as it, laid out by Python's rule (an exponent
 * below 1e-4 and from 1e16). A container prints its elements' repr, depth first. A text inside
 * one gets the quotes that Python would choose, ' unless it holds one and no ", and its own
 * characters keep their origin; brackets and digits belong to the value that they are of.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/utf8.h"
#include "machine.h"
#include "natives.h"
#include "unicode.h"

/* ---- numbers ------------------------------------------------------------------------------------ */

/* The fewest digits that read back as f; returns the exponent of d.ddd form. */
static int shortest_digits(double f, char digits[20])
{
    memset(digits, '0', 20);
    char written[48];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(written, sizeof written, "%.*e", precision, f);
        if (strtod(written, NULL) == f)
            break;
    }
    size_t n = 0;
    const char *c = written;
    for (; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9' && n < 19)
            digits[n++] = *c;
    digits[n] = '\0';
    return (int)strtol(c + 1, NULL, 10);
}

/* Source: Python's float.__repr__, format code 'r'. */
size_t format_double(double f, char out[32])
{
    if (isnan(f) || isinf(f))
        return (size_t)snprintf(out, 32, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    char digits[20];
    int exponent = shortest_digits(fabs(f), digits), n = (int)strlen(digits), len = 0;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (signbit(f))
        out[len++] = '-';
    if (exponent < -4 || exponent >= 16) {
        out[len++] = digits[0];
        if (n > 1)
            out[len++] = '.';
        for (int i = 1; i < n; i++)
            out[len++] = digits[i];
        len += snprintf(out + len, 32 - (size_t)len, "e%c%02d", exponent < 0 ? '-' : '+',
                        abs(exponent));
        return (size_t)len;
    }
    int i = exponent < 0 ? exponent : 0; /* of a digit; those before the first are zeros */
    for (; i <= exponent; i++)
        out[len++] = i < 0 || i >= n ? '0' : digits[i];
    out[len++] = '.';
    if (i >= n)
        out[len++] = '0';
    for (; i < n; i++)
        out[len++] = i < 0 ? '0' : digits[i];
    out[len] = '\0';
    return (size_t)len;
}

static bool add_number(machine *m, text *t, value v)
{
    char out[32];
    size_t n = v.kind == V_FLOAT ? format_double(v.u.f, out)
                                 : (size_t)snprintf(out, sizeof out, "%lld", (long long)v.u.i);
    return add_bytes(m, t, out, n, v.origin);
}

/* ---- repr --------------------------------------------------------------------------------------- */

static bool add_escaped(machine *m, text *t, uint32_t c, char quote, uint32_t origin)
{
    static const char letters[] = "\n\r\t";
    char out[12];
    const char *known = strchr(letters, (int)c);
    if (c == (uint32_t)quote || c == '\\')
        snprintf(out, sizeof out, "\\%c", (char)c);
    else if (c != 0 && c < 0x80 && known)
        snprintf(out, sizeof out, "\\%c", "nrt"[known - letters]);
    else
        snprintf(out, sizeof out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    return add_word(m, t, out, origin);
}

static bool add_quoted(machine *m, text *t, text s)
{
    const char *v = text_bytes(s);
    char quote = memchr(v, '\'', s.len) && !memchr(v, '"', s.len) ? '"' : '\'';
    char quotes[2] = {quote, '\0'};
    uint32_t whole = text_origin(s);
    size_t kept = 0, covers;
    if (!add_word(m, t, quotes, whole))
        return false;
    for (size_t at = 0; at < s.len;) {
        size_t start = at;
        uint32_t c = utf8_next(v, &at);
        if (c != '\\' && c != (uint32_t)quote && is_printable(c))
            continue;
        text_run r = text_run_at(s, start, &covers);
        if (!add_text(m, t, text_part(s, kept, start - kept)) ||
            !add_escaped(m, t, c, quote, r.origin))
            return false;
        kept = at;
    }
    return spend_bytes(m, s.len) && add_text(m, t, text_part(s, kept, s.len - kept)) &&
           add_word(m, t, quotes, whole);
}

static bool add_elements(machine *m, text *t, const list *l, const char *open, const char *close,
                         uint32_t origin)
{
    if (!add_word(m, t, open, origin))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i > 0 && !add_word(m, t, ", ", origin)) || !add_repr(m, t, l->v[i]))
            return false;
    return add_word(m, t, close, origin);
}

static bool add_dict(machine *m, text *t, const dict *d, uint32_t origin)
{
    if (!add_word(m, t, "{", origin))
        return false;
    for (size_t i = 0; i < d->n; i++)
        if ((i > 0 && !add_word(m, t, ", ", origin)) || !add_repr(m, t, d->v[i].key) ||
            !add_word(m, t, ": ", origin) || !add_repr(m, t, d->v[i].value))
            return false;
    return add_word(m, t, "}", origin);
}

static bool add_range(machine *m, text *t, value v)
{
    char out[80];
    const range *r = v.u.range;
    if (r->step == 1)
        snprintf(out, sizeof out, "range(%lld, %lld)", (long long)r->start, (long long)r->stop);
    else
        snprintf(out, sizeof out, "range(%lld, %lld, %lld)", (long long)r->start,
                 (long long)r->stop, (long long)r->step);
    return add_word(m, t, out, v.origin);
}

static bool add_view(machine *m, text *t, value v)
{
    static const char *const open[] = {"dict_keys([", "dict_values([", "dict_items(["};
    list all;
    return elements(m, v, &all) && add_elements(m, t, &all, open[v.flag], "])", v.origin);
}

static bool add_container(machine *m, text *t, value v)
{
    switch (v.kind) {
    case V_LIST:
        return add_elements(m, t, v.u.list, "[", "]", v.origin);
    case V_TUPLE:
        return add_elements(m, t, v.u.list, "(", v.u.list->n == 1 ? ",)" : ")", v.origin);
    case V_DICT:
        return add_dict(m, t, v.u.dict, v.origin);
    case V_VIEW:
        return add_view(m, t, v);
    case V_NAMESPACE:
        return add_word(m, t, "<Namespace ", v.origin) && add_dict(m, t, v.u.dict, v.origin) &&
               add_word(m, t, ">", v.origin);
    default:
        return fail(m, "printing a %s is not supported", type_name(v));
    }
}

static bool add_macro(machine *m, text *t, const node *n)
{
    if (n->v.kind != V_TEXT)
        return add_word(m, t, "<Macro anonymous>", JINJA_TEMPLATE);
    return add_word(m, t, "<Macro ", JINJA_TEMPLATE) && add_quoted(m, t, n->v.u.t) &&
           add_word(m, t, ">", JINJA_TEMPLATE);
}

bool add_repr(machine *m, text *t, value v)
{
    switch (v.kind) {
    case V_UNDEFINED:
        return add_word(m, t, "Undefined", JINJA_TEMPLATE);
    case V_NONE:
        return add_word(m, t, "None", v.origin);
    case V_BOOL:
        return add_word(m, t, v.u.b ? "True" : "False", v.origin);
    case V_INT:
    case V_FLOAT:
        return add_number(m, t, v);
    case V_TEXT:
        if (v.flag)
            return add_word(m, t, "Markup(", text_origin(v.u.t)) && add_quoted(m, t, v.u.t) &&
                   add_word(m, t, ")", text_origin(v.u.t));
        return add_quoted(m, t, v.u.t);
    case V_RANGE:
        return add_range(m, t, v);
    case V_MACRO:
        return add_macro(m, t, v.u.macro->node);
    default:
        break;
    }
    if (!enter(m) || !add_container(m, t, v))
        return false;
    leave(m);
    return true;
}

bool add_str(machine *m, text *t, value v)
{
    if (v.kind == V_TEXT)
        return add_text(m, t, v.u.t);
    return v.kind == V_UNDEFINED || add_repr(m, t, v);
}

bool str_of(machine *m, value v, text *out)
{
    *out = TEXT_EMPTY;
    return add_str(m, out, v);
}
