/* json_text.c - the tojson filter: json.dumps with the options transformers passes on.
 *
 * A value is walked depth first with a writer that knows the text, the style and the depth.
 * Texts are copied in the longest stretches that need no escape, so their characters keep
 * origin and offset; an escape belongs to the origin of the character that it stands for, and
 * brackets, commas and indents to that of their container.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/utf8.h"
#include "machine.h"
#include "natives.h"

static bool add_escape(machine *m, text *t, uint32_t c, uint32_t origin)
{
    static const char letters[] = "\"\\\n\r\t\f\b";
    char out[16];
    const char *known = c > 0 && c < 0x80 ? strchr(letters, (int)c) : NULL;
    if (known)
        snprintf(out, sizeof out, "\\%c", "\"\\nrtfb"[known - letters]);
    else if (c < 0x10000)
        snprintf(out, sizeof out, "\\u%04x", c);
    else
        snprintf(out, sizeof out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                 0xdc00 + ((c - 0x10000) & 0x3ff));
    return add_word(m, t, out, origin);
}

static bool add_json_text(machine *m, text *t, text s, bool ascii)
{
    const char *v = text_bytes(s);
    uint32_t whole = text_origin(s);
    size_t kept = 0, covers;
    if (!add_word(m, t, "\"", whole))
        return false;
    for (size_t at = 0; at < s.len;) {
        size_t start = at;
        uint32_t c = utf8_next(v, &at);
        if (c >= 0x20 && c != '"' && c != '\\' && (!ascii || c < 0x7f))
            continue;
        text_run r = text_run_at(s, start, &covers);
        if (!add_text(m, t, text_part(s, kept, start - kept)) || !add_escape(m, t, c, r.origin))
            return false;
        kept = at;
    }
    return spend_bytes(m, s.len) && add_text(m, t, text_part(s, kept, s.len - kept)) &&
           add_word(m, t, "\"", whole);
}

static bool add_json_scalar(machine *m, text *t, value v)
{
    switch (v.kind) {
    case V_NONE:
        return add_word(m, t, "null", v.origin);
    case V_BOOL:
        return add_word(m, t, v.u.b ? "true" : "false", v.origin);
    case V_FLOAT:
        if (isnan(v.u.f) || isinf(v.u.f))
            return add_word(m, t,
                            isnan(v.u.f) ? "NaN"
                            : v.u.f > 0  ? "Infinity"
                                         : "-Infinity",
                            v.origin);
        return add_repr(m, t, v);
    case V_INT:
        return add_repr(m, t, v);
    default:
        return fail(m, "a %s cannot be written as JSON", type_name(v));
    }
}

typedef struct writer {
    text *t;
    const json_style *style;
    size_t level;
} writer;

static bool add_break(machine *m, writer *w, uint32_t origin)
{
    return !w->style->broken ||
           (add_word(m, w->t, "\n", origin) && add_repeated(m, w->t, w->style->indent, w->level));
}

/* What stands between elements and behind keys: the container's, unless the template gave it. */
static bool add_between(machine *m, writer *w, uint32_t origin)
{
    if (w->style->given)
        return add_text(m, w->t, w->style->between);
    return add_word(m, w->t, w->style->broken ? "," : ", ", origin);
}

static bool add_colon(machine *m, writer *w, uint32_t origin)
{
    return w->style->given ? add_text(m, w->t, w->style->colon) : add_word(m, w->t, ": ", origin);
}

static bool add_value(machine *m, writer *w, value v);

static bool add_json_list(machine *m, writer *w, value v)
{
    const list *l = v.u.list;
    if (l->n == 0)
        return add_word(m, w->t, "[]", v.origin);
    w->level++;
    if (!add_word(m, w->t, "[", v.origin))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i > 0 && !add_between(m, w, v.origin)) || !add_break(m, w, v.origin) ||
            !add_value(m, w, l->v[i]))
            return false;
    w->level--;
    return add_break(m, w, v.origin) && add_word(m, w->t, "]", v.origin);
}

static bool add_key(machine *m, writer *w, value key)
{
    text written = TEXT_EMPTY;
    if (key.kind == V_TEXT)
        return add_json_text(m, w->t, key.u.t, w->style->ascii);
    if (key.kind == V_TUPLE || key.kind == V_UNDEFINED)
        return fail(m, "a %s cannot be a key in JSON", type_name(key));
    return add_json_scalar(m, &written, key) && add_json_text(m, w->t, written, w->style->ascii);
}

/* The entries' order: as they were put, or by key. */
static bool entry_order(machine *m, const dict *d, bool sort, uint32_t *order_of)
{
    for (size_t i = 0; i < d->n; i++) {
        size_t at = i;
        for (int less = -1; sort && at > 0; at--) { /* few keys: insertion */
            if (!spend(m, 1) || !order(m, d->v[i].key, d->v[order_of[at - 1]].key, &less))
                return false;
            if (less >= 0)
                break;
            order_of[at] = order_of[at - 1];
        }
        order_of[at] = (uint32_t)i;
    }
    return true;
}

static bool add_json_dict(machine *m, writer *w, value v)
{
    const dict *d = v.u.dict;
    if (d->n == 0)
        return add_word(m, w->t, "{}", v.origin);
    uint32_t *ordered = take(m, d->n * sizeof *ordered);
    if (ordered == NULL || !entry_order(m, d, w->style->sort, ordered) ||
        !add_word(m, w->t, "{", v.origin))
        return false;
    w->level++;
    for (size_t i = 0; i < d->n; i++) {
        const dict_entry *e = &d->v[ordered[i]];
        if ((i > 0 && !add_between(m, w, v.origin)) || !add_break(m, w, v.origin) ||
            !add_key(m, w, e->key) || !add_colon(m, w, v.origin) || !add_value(m, w, e->value))
            return false;
    }
    w->level--;
    return add_break(m, w, v.origin) && add_word(m, w->t, "}", v.origin);
}

static bool add_value(machine *m, writer *w, value v)
{
    if (v.kind == V_TEXT)
        return add_json_text(m, w->t, v.u.t, w->style->ascii);
    if (v.kind != V_LIST && v.kind != V_TUPLE && v.kind != V_DICT)
        return add_json_scalar(m, w->t, v);
    if (!enter(m) || !(v.kind == V_DICT ? add_json_dict(m, w, v) : add_json_list(m, w, v)))
        return false;
    leave(m);
    return true;
}

static bool add_json(machine *m, text *t, value v, const json_style *style)
{
    writer w = {t, style, 0};
    return add_value(m, &w, v);
}

/* ---- the filter --------------------------------------------------------------------------------- */

static bool json_indent(machine *m, value v, json_style *style)
{
    int64_t n = 0;
    text space = TEXT_EMPTY;
    style->broken = v.kind != V_MISSING && v.kind != V_NONE;
    if (!style->broken || v.kind == V_TEXT) {
        style->indent = v.kind == V_TEXT ? v.u.t : TEXT_EMPTY;
        return true;
    }
    return argument_int(m, v, "tojson: indent", &n) && add_word(m, &space, " ", JINJA_TEMPLATE) &&
           add_repeated(m, &style->indent, space, n > 0 ? (size_t)n : 0);
}

static bool json_separators(machine *m, value v, json_style *style)
{
    list pair;
    if (v.kind == V_MISSING || v.kind == V_NONE)
        return true;
    if (!elements(m, v, &pair))
        return false;
    if (pair.n != 2 || pair.v[0].kind != V_TEXT || pair.v[1].kind != V_TEXT)
        return fail(m, "tojson: separators are two strings");
    style->given = true;
    style->between = pair.v[0].u.t;
    style->colon = pair.v[1].u.t;
    return true;
}

bool tojson(machine *m, value self, const value *a, const arguments *all, value *out)
{
    json_style style = {0};
    (void)all;
    *out = value_text(TEXT_EMPTY);
    return argument_true(m, a[0], &style.ascii) && json_indent(m, a[1], &style) &&
           json_separators(m, a[2], &style) && argument_true(m, a[3], &style.sort) &&
           add_json(m, &out->u.t, self, &style);
}
