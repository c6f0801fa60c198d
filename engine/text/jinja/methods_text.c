/* methods_text.c - str methods that make texts and lists of texts.
 *
 * What text_ops.c and filters have as well (case, strip, replace, pad) is only given Python's
 * arguments here. Splitting is done here: at white space or at a separator, from either end, at
 * most so many times; the parts are parts of the text itself and share its buffer. A method of
 * Markup gives Markup, and then refuses an argument that would have to be escaped.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "natives.h"
#include "unicode.h"

/* A new text that stays Markup when self is; arguments with & < > ' " are not escaped but refused,
 * because Markup would escape them. */
static bool plain_argument(machine *m, value self, value v, const char *what, text *out)
{
    if (!argument_text(m, v, what, out))
        return false;
    static const char special[] = "&<>'\"";
    for (size_t i = 0; self.flag && !v.flag && i < out->len; i++)
        if (memchr(special, text_bytes(*out)[i], sizeof special - 1))
            return fail(m, "%s: special characters with Markup are not supported", what);
    return true;
}

static value as_self(value self, text t)
{
    self.u.t = t;
    return self;
}

#define CASE_METHOD(name, way)                                                                     \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)a, (void)all;                                                                        \
        *out = self;                                                                               \
        return change_case(m, self.u.t, way, &out->u.t);                                           \
    }
CASE_METHOD(method_upper, CASE_UPPER)
CASE_METHOD(method_lower, CASE_LOWER)
CASE_METHOD(method_title, CASE_TITLE)
CASE_METHOD(method_capitalize, CASE_CAPITAL)
CASE_METHOD(method_swapcase, CASE_SWAP)
CASE_METHOD(method_casefold, CASE_FOLD)

static bool strip(machine *m, value self, value chars, bool left, bool right, value *out)
{
    text which;
    *out = self;
    if (chars.kind == V_MISSING || chars.kind == V_NONE)
        return strip_text(m, self.u.t, NULL, left, right, &out->u.t);
    return argument_text(m, chars, "strip: chars", &which) &&
           strip_text(m, self.u.t, &which, left, right, &out->u.t);
}

#define STRIP_METHOD(name, left, right)                                                            \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)all;                                                                                 \
        return strip(m, self, a[0], left, right, out);                                             \
    }
STRIP_METHOD(method_strip, true, true)
STRIP_METHOD(method_lstrip, true, false)
STRIP_METHOD(method_rstrip, false, true)

static bool method_replace(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text old, new;
    int64_t count = -1;
    (void)all;
    *out = self;
    return plain_argument(m, self, a[0], "replace: old", &old) &&
           plain_argument(m, self, a[1], "replace: new", &new) &&
           (a[2].kind == V_MISSING || argument_int(m, a[2], "replace: count", &count)) &&
           replace_text(m, self.u.t, old, new, count < 0 ? -1 : count, &out->u.t);
}

/* ---- split -------------------------------------------------------------------------------------- */

static bool push_part(machine *m, list *l, value self, size_t from, size_t to)
{
    return spend(m, 1) && push(m, l, as_self(self, text_part(self.u.t, from, to - from)));
}

/* At white space, from the left. */
static bool split_space(machine *m, value self, int64_t max, list *l)
{
    const text t = self.u.t;
    const char *v = text_bytes(t);
    size_t at = 0;
    for (;;) {
        size_t from, next = at;
        while (at < t.len && is_space(utf8_next(v, &next)))
            at = next;
        if (at >= t.len)
            return true;
        from = at;
        if ((int64_t)l->n == max)
            return push_part(m, l, self, from, t.len);
        for (next = at; at < t.len && !is_space(utf8_next(v, &next));)
            at = next;
        if (!push_part(m, l, self, from, at))
            return false;
    }
}

static size_t char_before(const char *v, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)v[at] & 0xc0) == 0x80);
    return at;
}

static bool space_before(const char *v, size_t at)
{
    size_t start = char_before(v, at);
    return is_space(utf8_next(v, &start));
}

/* From the right; the parts come out last first. */
static bool rsplit_space(machine *m, value self, int64_t max, list *l)
{
    const char *v = text_bytes(self.u.t);
    size_t at = self.u.t.len;
    for (;;) {
        while (at > 0 && space_before(v, at))
            at = char_before(v, at);
        if (at == 0)
            return true;
        if ((int64_t)l->n == max)
            return push_part(m, l, self, 0, at);
        size_t end = at;
        while (at > 0 && !space_before(v, at))
            at = char_before(v, at);
        if (!push_part(m, l, self, at, end))
            return false;
    }
}

static bool split_at(machine *m, value self, text by, int64_t max, list *l)
{
    size_t from = 0, found;
    while ((int64_t)l->n != max && (found = text_find(self.u.t, by, from)) != SIZE_MAX) {
        if (!push_part(m, l, self, from, found))
            return false;
        from = found + by.len;
    }
    return push_part(m, l, self, from, self.u.t.len);
}

static bool rsplit_at(machine *m, value self, text by, int64_t max, list *l)
{
    size_t end = self.u.t.len, found;
    while ((int64_t)l->n != max) {
        if (!text_rfind(m, text_part(self.u.t, 0, end), by, &found))
            return false;
        if (found == SIZE_MAX)
            break;
        if (!spend_bytes(m, end - found) || !push_part(m, l, self, found + by.len, end))
            return false;
        end = found;
    }
    return push_part(m, l, self, 0, end);
}

static bool split(machine *m, value self, const value *a, bool right, value *out)
{
    text by;
    int64_t max = -1;
    list *l = make_list(m, 0);
    bool space = a[0].kind == V_MISSING || a[0].kind == V_NONE;
    if (l == NULL || (!space && !argument_text(m, a[0], "split: the separator", &by)) ||
        (a[1].kind != V_MISSING && !argument_int(m, a[1], "split: maxsplit", &max)) ||
        !spend_bytes(m, 2 * (size_t)self.u.t.len))
        return false;
    max = max < 0 ? -1 : max;
    if (!space && by.len == 0)
        return fail(m, "split: the separator is empty");
    if (!(space   ? (right ? rsplit_space : split_space)(m, self, max, l)
          : right ? rsplit_at(m, self, by, max, l)
                  : split_at(m, self, by, max, l)))
        return false;
    for (size_t i = 0; right && i < l->n / 2; i++) {
        value swap = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = swap;
    }
    *out = value_list(l, text_origin(self.u.t));
    return true;
}

static bool method_split(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    return split(m, self, a, false, out);
}

static bool method_rsplit(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    return split(m, self, a, true, out);
}

static bool method_splitlines(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    bool keep;
    list *l = make_list(m, 0);
    (void)all;
    if (l == NULL || !argument_true(m, a[0], &keep) || !split_lines(m, self.u.t, keep, l))
        return false;
    for (size_t i = 0; i < l->n; i++)
        l->v[i].flag = self.flag;
    *out = value_list(l, text_origin(self.u.t));
    return true;
}

/* (before, separator, behind) */
static bool partition(machine *m, value self, value separator, bool right, value *out)
{
    text by;
    list *l = make_list(m, 3);
    const text t = self.u.t;
    if (l == NULL || !plain_argument(m, self, separator, "partition: the separator", &by) ||
        !spend_bytes(m, t.len))
        return false;
    if (by.len == 0)
        return fail(m, "partition: the separator is empty");
    size_t found = right ? SIZE_MAX : text_find(t, by, 0);
    if (right && !text_rfind(m, t, by, &found))
        return false;
    l->n = 3;
    l->v[0] = l->v[1] = l->v[2] = as_self(self, TEXT_EMPTY);
    if (found == SIZE_MAX) {
        l->v[right ? 2 : 0] = self;
    } else {
        l->v[0].u.t = text_part(t, 0, found);
        l->v[1].u.t = text_part(t, found, by.len); /* the text's own characters */
        l->v[2].u.t = text_part(t, found + by.len, t.len - found - by.len);
    }
    *out = value_tuple(l, text_origin(t));
    return true;
}

static bool method_partition(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    (void)all;
    return partition(m, self, a[0], false, out);
}

static bool method_rpartition(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    (void)all;
    return partition(m, self, a[0], true, out);
}

/* ---- joining and filling ------------------------------------------------------------------------ */

static bool method_join(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text made = TEXT_EMPTY, one;
    list items;
    (void)all;
    if (!elements(m, a[0], &items))
        return false;
    for (size_t i = 0; i < items.n; i++)
        if (!spend(m, 1) || !plain_argument(m, self, items.v[i], "join: an element", &one) ||
            (i > 0 && !add_text(m, &made, self.u.t)) || !add_text(m, &made, one))
            return false;
    *out = as_self(self, made);
    return true;
}

static bool pad(machine *m, value self, const value *a, char align, value *out)
{
    text fill = TEXT_EMPTY;
    int64_t width;
    if (!argument_int(m, a[0], "the width", &width) ||
        !(a[1].kind == V_MISSING ? add_word(m, &fill, " ", JINJA_TEMPLATE)
                                 : plain_argument(m, self, a[1], "the fill character", &fill)))
        return false;
    if (text_chars(m, fill) != 1)
        return fail(m, "the fill character must be one character");
    *out = self;
    return pad_text(m, self.u.t, width, fill, align, &out->u.t);
}

#define PAD_METHOD(name, align)                                                                    \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)all;                                                                                 \
        return pad(m, self, a, align, out);                                                        \
    }
PAD_METHOD(method_center, '^')
PAD_METHOD(method_ljust, '<')
PAD_METHOD(method_rjust, '>')

static bool method_zfill(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text zero = TEXT_EMPTY, rest = self.u.t, sign = TEXT_EMPTY;
    int64_t width;
    (void)all;
    if (!argument_int(m, a[0], "zfill: width", &width) ||
        !add_word(m, &zero, "0", text_origin(self.u.t)))
        return false;
    const char first = text_bytes(rest)[0];
    if (first == '+' || first == '-') {
        sign = text_part(rest, 0, 1);
        rest = text_part(rest, 1, rest.len - 1);
    }
    *out = as_self(self, sign);
    width = width < 0 ? 0 : width;
    return pad_text(m, rest, width - sign.len, zero, '>', &rest) && add_text(m, &out->u.t, rest);
}

static bool method_expandtabs(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    text made = TEXT_EMPTY, t = self.u.t;
    int64_t size = 8, column = 0;
    size_t covers;
    (void)all;
    if ((a[0].kind != V_MISSING && !argument_int(m, a[0], "expandtabs: tabsize", &size)) ||
        !spend_bytes(m, t.len))
        return false;
    for (size_t at = 0; at < t.len;) {
        size_t start = at;
        uint32_t c = utf8_next(text_bytes(t), &at);
        int64_t fill = c == '\t' && size > 0 ? size - column % size : 0;
        column = c == '\n' || c == '\r' ? 0 : column + (c == '\t' ? fill : 1);
        text space = TEXT_EMPTY; /* the tab's owner's */
        if (c == '\t' && !add_word(m, &space, " ", text_run_at(t, start, &covers).origin))
            return false;
        if (!spend(m, 1) || !(c == '\t' ? add_repeated(m, &made, space, (size_t)fill)
                                        : add_text(m, &made, text_part(t, start, at - start))))
            return false;
    }
    *out = as_self(self, made);
    return true;
}

static bool method_removeprefix(machine *m, value self, const value *a, const arguments *all,
                                value *out)
{
    text prefix, t = self.u.t;
    (void)all;
    *out = self;
    if (!argument_text(m, a[0], "removeprefix: the prefix", &prefix))
        return false;
    if (prefix.len <= t.len && text_equal(text_part(t, 0, prefix.len), prefix))
        out->u.t = text_part(t, prefix.len, t.len - prefix.len);
    return true;
}

static bool method_removesuffix(machine *m, value self, const value *a, const arguments *all,
                                value *out)
{
    text suffix, t = self.u.t;
    (void)all;
    *out = self;
    if (!argument_text(m, a[0], "removesuffix: the suffix", &suffix))
        return false;
    if (suffix.len <= t.len && text_equal(text_part(t, t.len - suffix.len, suffix.len), suffix))
        out->u.t = text_part(t, 0, t.len - suffix.len);
    return true;
}

static bool method_format(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a;
    if (self.flag)
        return fail(m, "format of Markup is not supported");
    return format_fields(m, self.u.t, all, out);
}

const native_row methods_text[] = {
    {"upper", method_upper, ""},
    {"lower", method_lower, ""},
    {"title", method_title, ""},
    {"capitalize", method_capitalize, ""},
    {"swapcase", method_swapcase, ""},
    {"casefold", method_casefold, ""},
    {"strip", method_strip, "_?"},
    {"lstrip", method_lstrip, "_?"},
    {"rstrip", method_rstrip, "_?"},
    {"replace", method_replace, "_,_,_?"},
    {"split", method_split, "sep?,maxsplit?"},
    {"rsplit", method_rsplit, "sep?,maxsplit?"},
    {"splitlines", method_splitlines, "keepends?"},
    {"partition", method_partition, "_"},
    {"rpartition", method_rpartition, "_"},
    {"join", method_join, "_"},
    {"center", method_center, "_,_?"},
    {"ljust", method_ljust, "_,_?"},
    {"rjust", method_rjust, "_,_?"},
    {"zfill", method_zfill, "_"},
    {"expandtabs", method_expandtabs, "tabsize?"},
    {"removeprefix", method_removeprefix, "_"},
    {"removesuffix", method_removesuffix, "_"},
    {"format", method_format, "*"},
    {"format_map", NULL, ""},
    {"encode", NULL, ""},
    {"translate", NULL, ""},
    {"maketrans", NULL, ""},
    {0},
};
