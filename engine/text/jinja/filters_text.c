/* filters_text.c - filters that make text of a value.
 *
 * soft() first makes a text of whatever the filter is applied to; Markup stays Markup. Then as
 * in text_ops.c: kept parts are copied with their origins, new characters get the origin of
 * what they were made from. Words, lines and lengths are jinja2's, which are not always
 * Python's (title() begins a word behind "-" and "(", truncate() counts the dots). A row
 * without a function is refused by name.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "natives.h"
#include "unicode.h"

/* Whatever the filter is applied to, as text; Markup stays Markup. */
static bool soft(machine *m, value v, text *out, value *result)
{
    *result = value_text(TEXT_EMPTY);
    result->flag = v.kind == V_TEXT ? v.flag : 0;
    return str_of(m, v, out);
}

#define CASE_FILTER(name, way)                                                                     \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        text t;                                                                                    \
        (void)a, (void)all;                                                                        \
        return soft(m, self, &t, out) && change_case(m, t, way, &out->u.t);                        \
    }
CASE_FILTER(filter_upper, CASE_UPPER)
CASE_FILTER(filter_lower, CASE_LOWER)
CASE_FILTER(filter_capitalize, CASE_CAPITAL)

/* Words are what stands between white space and - ( { [ <. */
static bool filter_title(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t, made = TEXT_EMPTY;
    (void)a, (void)all;
    if (!soft(m, self, &t, out))
        return false;
    const char *v = text_bytes(t);
    for (size_t at = 0, from = 0; at <= t.len;) {
        size_t next = at;
        uint32_t c = at < t.len ? utf8_next(v, &next) : ' ';
        if (is_space(c) || (c < 0x80 && c != 0 && strchr("-({[<", (int)c))) {
            text word = text_part(t, from, at - from), first, rest;
            size_t one = 0;
            if (word.len > 0)
                utf8_next(text_bytes(word), &one);
            if (!spend(m, 1) || !change_case(m, text_part(word, 0, one), CASE_UPPER, &first) ||
                !change_case(m, text_part(word, one, word.len - one), CASE_LOWER, &rest) ||
                !add_text(m, &made, first) || !add_text(m, &made, rest) ||
                !add_text(m, &made, text_part(t, at, next - at)))
                return false;
            from = next;
        }
        at = at < t.len ? next : at + 1;
    }
    out->u.t = made;
    return true;
}

static bool filter_trim(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t, chars;
    (void)all;
    if (!soft(m, self, &t, out))
        return false;
    if (a[0].kind == V_MISSING || a[0].kind == V_NONE)
        return strip_text(m, t, NULL, true, true, &out->u.t);
    return argument_text(m, a[0], "trim: chars", &chars) &&
           strip_text(m, t, &chars, true, true, &out->u.t);
}

static bool filter_replace(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t, old, new;
    int64_t count = -1;
    (void)all;
    if (!str_of(m, self, &t) || !str_of(m, a[0], &old) || !str_of(m, a[1], &new) ||
        (a[2].kind != V_MISSING && a[2].kind != V_NONE &&
         !argument_int(m, a[2], "replace: count", &count)))
        return false;
    *out = value_text(TEXT_EMPTY);
    return replace_text(m, t, old, new, count < 0 ? -1 : count, &out->u.t);
}

static bool filter_string(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    text t;
    if (!soft(m, self, &t, out))
        return false;
    out->u.t = t;
    return true;
}

static bool filter_safe(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    *out = value_text(TEXT_EMPTY);
    out->flag = 1;
    return str_of(m, self, &out->u.t);
}

static bool filter_escape(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t;
    (void)a, (void)all;
    *out = value_text(TEXT_EMPTY);
    out->flag = 1;
    if (!str_of(m, self, &t))
        return false;
    if (self.kind == V_TEXT && self.flag) {
        out->u.t = t;
        return true;
    }
    return escape_text(m, t, &out->u.t);
}

static bool filter_forceescape(machine *m, value self, const value *a, const arguments *all,
                               value *out)
{
    if (self.kind == V_TEXT)
        self.flag = 0;
    return filter_escape(m, self, a, all, out);
}

static bool filter_join(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text between = TEXT_EMPTY, made = TEXT_EMPTY;
    list items;
    (void)all;
    if (a[0].kind != V_MISSING && !str_of(m, a[0], &between))
        return false;
    if (!elements(m, self, &items))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        value one = items.v[i];
        if (!spend(m, 1) || (i > 0 && !add_text(m, &made, between)) ||
            (a[1].kind != V_MISSING && !get_path(m, items.v[i], a[1], &one)) ||
            !add_str(m, &made, one))
            return false;
    }
    *out = value_text(made);
    return true;
}

/* kept: the same lines with their ends, whose owners keep them. */
static bool indent_lines(machine *m, const list *lines, const list *kept, text indention,
                         bool blank, text *out)
{
    size_t covers;
    for (size_t i = 0; i < lines->n; i++) {
        text line = lines->v[i].u.t;
        if (i > 0) {
            const text whole = kept->v[i - 1].u.t;
            const size_t at = lines->v[i - 1].u.t.len;
            if (!(text_bytes(whole)[at] == '\n'
                      ? add_text(m, out, text_part(whole, at, 1))
                      : add_word(m, out, "\n", text_run_at(whole, at, &covers).origin)))
                return false;
        }
        if ((i > 0 && (blank || line.len > 0) && !add_text(m, out, indention)) ||
            !add_text(m, out, line))
            return false;
    }
    return true;
}

static bool filter_indent(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t, space = TEXT_EMPTY, indention = TEXT_EMPTY, made = TEXT_EMPTY;
    int64_t width = 4;
    list lines, kept;
    bool first, blank;
    (void)all;
    if (!argument_text(m, self, "indent: the value", &t) || !argument_true(m, a[1], &first) ||
        !argument_true(m, a[2], &blank) || !add_word(m, &space, " ", JINJA_TEMPLATE))
        return false;
    if (a[0].kind == V_TEXT)
        indention = a[0].u.t;
    else if ((a[0].kind != V_MISSING && !argument_int(m, a[0], "indent: width", &width)) ||
             !add_repeated(m, &indention, space, width > 0 ? (size_t)width : 0))
        return false;
    if (!add_word(m, &t, "\n", JINJA_TEMPLATE) || !split_lines(m, t, false, &lines) ||
        !split_lines(m, t, true, &kept) || (first && !add_text(m, &made, indention)) ||
        !indent_lines(m, &lines, &kept, indention, blank, &made))
        return false;
    *out = value_text(made);
    out->flag = self.flag;
    return true;
}

static bool filter_center(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t, space = TEXT_EMPTY;
    int64_t width = 80;
    (void)all;
    return soft(m, self, &t, out) &&
           (a[0].kind == V_MISSING || argument_int(m, a[0], "center: width", &width)) &&
           add_word(m, &space, " ", JINJA_TEMPLATE) && pad_text(m, t, width, space, '^', &out->u.t);
}

/* Takes what length `end` leaves of t; unless words are cut, without the last one. */
static bool cut_text(machine *m, text t, size_t length, bool cut_words, text *out)
{
    if (!text_slice(m, t, 0, length, out))
        return false;
    size_t at = out->len;
    while (at > 0 && text_bytes(*out)[at - 1] != ' ')
        at--;
    if (!cut_words && at > 0)
        *out = text_part(*out, 0, at - 1);
    return spend_bytes(m, out->len);
}

static bool filter_truncate(machine *m, value self, const value *a, const arguments *all,
                            value *out)
{
    text t, end = TEXT_EMPTY;
    int64_t length = 255, leeway = 5, n;
    uint32_t origin;
    bool cut_words;
    (void)all;
    *out = self;
    if (!argument_true(m, a[1], &cut_words) ||
        (a[0].kind != V_MISSING && !argument_int(m, a[0], "truncate: length", &length)) ||
        (a[3].kind != V_MISSING && a[3].kind != V_NONE &&
         !argument_int(m, a[3], "truncate: leeway", &leeway)) ||
        !(a[2].kind == V_MISSING ? add_word(m, &end, "...", JINJA_TEMPLATE)
                                 : argument_text(m, a[2], "truncate: end", &end)))
        return false;
    size_t n_end = text_chars(m, end);
    int counted = length_of(m, self, &n, &origin);
    if (n_end == SIZE_MAX || counted < 0)
        return false;
    if (length < (int64_t)n_end || leeway < 0)
        return fail(m, "truncate: the length is less than the end's");
    if (counted > 0 && (n <= length || n - length <= leeway))
        return true;
    if (!argument_text(m, self, "truncate: the value", &t) ||
        !cut_text(m, t, (size_t)length - n_end, cut_words, &out->u.t))
        return false;
    return add_text(m, &out->u.t, end);
}

static bool filter_wordcount(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    text t;
    int64_t n = 0;
    bool inside = false;
    (void)a, (void)all;
    if (!str_of(m, self, &t) || !spend_bytes(m, t.len))
        return false;
    for (size_t at = 0; at < t.len;) {
        bool word = is_word(utf8_next(text_bytes(t), &at));
        n += word && !inside;
        inside = word;
    }
    *out = value_int(n, text_origin(t));
    return true;
}

static bool filter_format(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t;
    (void)a;
    if (all->n > 0 && all->n_named > 0)
        return fail(m, "format takes positional or named arguments, not both");
    if (!soft(m, self, &t, out))
        return false;
    value pattern = value_text(t), with;
    if (all->n_named == 0) {
        list *l = make_list(m, all->n);
        for (size_t i = 0; l != NULL && i < all->n; i++)
            l->v[l->n++] = all->v[i];
        with = value_tuple(l, JINJA_TEMPLATE);
        return l != NULL && format_percent(m, pattern, with, out);
    }
    dict *d = dict_new(&m->mem);
    for (size_t i = 0; d != NULL && i < all->n_named; i++)
        if (!put(m, d, value_text(all->named[i].name), all->named[i].v))
            return false;
    return d ? format_percent(m, pattern, value_dict(d, JINJA_TEMPLATE), out) : fail_memory(m);
}

static bool url_quote(machine *m, text *out, value v, bool slash)
{
    static const char kept[] = "_.-~/";
    text t;
    size_t covers;
    if (!str_of(m, v, &t) || !spend_bytes(m, 4 * (size_t)t.len))
        return false;
    for (size_t at = 0; at < t.len; at++) {
        unsigned char c = (unsigned char)text_bytes(t)[at];
        bool plain = (c < 0x80 && (is_alpha(c) || is_decimal(c))) ||
                     (c != 0 && strchr(kept, c) && (c != '/' || slash));
        uint32_t origin = text_run_at(t, at, &covers).origin;
        const char hex[] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15], '\0'};
        if (!(plain                ? add_text(m, out, text_part(t, at, 1))
              : c == ' ' && !slash ? add_word(m, out, "+", origin)
                                   : add_word(m, out, hex, origin)))
            return false;
    }
    return true;
}

static bool filter_urlencode(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    text made = TEXT_EMPTY;
    list items;
    (void)a, (void)all;
    *out = value_text(TEXT_EMPTY);
    if (self.kind == V_TEXT || !is_iterable(self))
        return url_quote(m, &out->u.t, self, true);
    if (self.kind == V_DICT)
        self = (value){.kind = V_VIEW, .flag = VIEW_ITEMS, .u.dict = self.u.dict};
    if (!elements(m, self, &items))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        const value pair = items.v[i];
        if ((pair.kind != V_TUPLE && pair.kind != V_LIST) || pair.u.list->n != 2)
            return fail(m, "urlencode takes a text, a dict or a list of pairs");
        if ((i > 0 && !add_word(m, &made, "&", JINJA_TEMPLATE)) ||
            !url_quote(m, &made, pair.u.list->v[0], false) ||
            !add_word(m, &made, "=", JINJA_TEMPLATE) ||
            !url_quote(m, &made, pair.u.list->v[1], false))
            return false;
    }
    out->u.t = made;
    return true;
}

const native_row filters_text[] = {
    {"upper", filter_upper, ""},
    {"lower", filter_lower, ""},
    {"capitalize", filter_capitalize, ""},
    {"title", filter_title, ""},
    {"trim", filter_trim, "chars?"},
    {"replace", filter_replace, "old,new,count?"},
    {"string", filter_string, ""},
    {"safe", filter_safe, ""},
    {"escape", filter_escape, ""},
    {"e", filter_escape, ""},
    {"forceescape", filter_forceescape, ""},
    {"join", filter_join, "d?,attribute?"},
    {"indent", filter_indent, "width?,first?,blank?"},
    {"center", filter_center, "width?"},
    {"truncate", filter_truncate, "length?,killwords?,end?,leeway?"},
    {"wordcount", filter_wordcount, ""},
    {"format", filter_format, "*"},
    {"urlencode", filter_urlencode, ""},
    {"tojson", tojson, "ensure_ascii?,indent?,separators?,sort_keys?"},
    {"filesizeformat", NULL, ""},
    {"pprint", NULL, ""},
    {"striptags", NULL, ""},
    {"urlize", NULL, ""},
    {"wordwrap", NULL, ""},
    {"xmlattr", NULL, ""},
    {0},
};
