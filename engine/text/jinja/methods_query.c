/* methods_query.c - str methods that answer a question: where, how often, does it begin with, is it.
 *
 * Python counts characters, a text here counts bytes. So find() and its kind first cut the part
 * that start and stop name, search its bytes, and turn the place found into characters again;
 * for a text that is ASCII the two are the same. Searching is linear (text_find), so a template
 * cannot buy quadratic time with one step.
 *
 * The answer belongs to the text that was asked, as its length does.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "natives.h"
#include "unicode.h"

/* ---- where -------------------------------------------------------------------------------------- */

/* A slice's bound as Python takes it for find and its kind: clipped, never an error. */
static bool bound(machine *m, value v, int64_t n, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (v.kind == V_MISSING || v.kind == V_NONE)
        return true;
    if (!argument_int(m, v, "a bound", out))
        return false;
    *out += *out < 0 ? n : 0;
    *out = *out < 0 ? 0 : *out;
    return true;
}

/* The part of self between the bounds in a[1] and a[2]; *start is in characters, `inside` false
 * when the part lies beyond the end. */
static bool part_between(machine *m, value self, const value *a, text *out, int64_t *start,
                         bool *inside)
{
    int64_t stop;
    size_t chars = text_chars(m, self.u.t);
    int64_t n = (int64_t)chars;
    if (chars == SIZE_MAX || !bound(m, a[1], n, 0, start) || !bound(m, a[2], n, n, &stop))
        return false;
    stop = stop > n ? n : stop;
    *inside = *start <= stop;
    *out = TEXT_EMPTY;
    return !*inside || text_slice(m, self.u.t, (size_t)*start, (size_t)stop, out);
}

static bool find(machine *m, value self, const value *a, bool last, int64_t *out)
{
    text part, needle;
    int64_t start;
    bool inside;
    *out = -1;
    if (!argument_text(m, a[0], "what is looked for", &needle) ||
        !part_between(m, self, a, &part, &start, &inside) || !spend_bytes(m, 4 * (size_t)part.len))
        return false;
    size_t at = inside && !last ? text_find(part, needle, 0) : SIZE_MAX;
    if (inside && last && !text_rfind(m, part, needle, &at))
        return false;
    if (at == SIZE_MAX)
        return true;
    size_t chars = text_chars(m, text_part(part, 0, at));
    *out = start + (int64_t)chars;
    return chars != SIZE_MAX;
}

#define FIND_METHOD(name, last, must)                                                              \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        int64_t at;                                                                                \
        (void)all;                                                                                 \
        if (!find(m, self, a, last, &at))                                                          \
            return false;                                                                          \
        if ((must) && at < 0)                                                                      \
            return fail(m, "index: the substring is not there");                                   \
        *out = value_int(at, text_origin(self.u.t));                                               \
        return true;                                                                               \
    }
FIND_METHOD(method_lfind, false, false)
FIND_METHOD(method_rfind, true, false)
FIND_METHOD(method_index, false, true)
FIND_METHOD(method_rindex, true, true)

static bool method_count(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text part, needle;
    int64_t start, n = 0;
    bool inside;
    (void)all;
    if (!argument_text(m, a[0], "what is counted", &needle) ||
        !part_between(m, self, a, &part, &start, &inside) || !spend_bytes(m, part.len))
        return false;
    if (needle.len == 0) {
        size_t chars = text_chars(m, part);
        n = inside ? (int64_t)chars + 1 : 0;
        if (chars == SIZE_MAX)
            return false;
    }
    for (size_t at = 0; needle.len > 0 && (at = text_find(part, needle, at)) != SIZE_MAX;
         at += needle.len)
        n++;
    *out = value_int(n, text_origin(self.u.t));
    return true;
}

/* ---- begins and ends ---------------------------------------------------------------------------- */

static bool has_end(text t, text end, bool front)
{
    return end.len <= t.len && text_equal(text_part(t, front ? 0 : t.len - end.len, end.len), end);
}

static bool with_end(machine *m, value self, const value *a, bool front, value *out)
{
    text part, one;
    int64_t start;
    bool inside, found = false;
    if (!part_between(m, self, a, &part, &start, &inside))
        return false;
    const list single = {(value *)(uintptr_t)a, 1, 1, false};
    const list *l = a[0].kind == V_TUPLE ? a[0].u.list : &single;
    for (size_t i = 0; i < l->n && !found; i++) {
        if (!argument_text(m, l->v[i], "a prefix or suffix", &one) || !spend_bytes(m, one.len))
            return false;
        found = inside && has_end(part, one, front);
    }
    *out = value_bool(found);
    return true;
}

static bool method_startswith(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    (void)all;
    return with_end(m, self, a, true, out);
}

static bool method_endswith(machine *m, value self, const value *a, const arguments *all,
                            value *out)
{
    (void)all;
    return with_end(m, self, a, false, out);
}

/* ---- what kind of characters ---------------------------------------------------------------------- */

static bool is_alnum(uint32_t c)
{
    return is_alpha(c) || is_numeric(c);
}

static bool is_ascii_char(uint32_t c)
{
    return c < 0x80;
}

/* All characters are; `empty` is the answer for no characters. */
static bool all_are(machine *m, value self, bool (*is)(uint32_t), bool empty, value *out)
{
    const text t = self.u.t;
    bool all = t.len > 0 || empty;
    if (!spend_bytes(m, 4 * (size_t)t.len))
        return false;
    for (size_t at = 0; at < t.len && all;)
        all = is(utf8_next(text_bytes(t), &at));
    *out = value_bool(all);
    return true;
}

#define ALL_METHOD(name, is, empty)                                                                \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)a, (void)all;                                                                        \
        return all_are(m, self, is, empty, out);                                                   \
    }
ALL_METHOD(method_isalnum, is_alnum, false)
ALL_METHOD(method_isalpha, is_alpha, false)
ALL_METHOD(method_isascii, is_ascii_char, true)
ALL_METHOD(method_isdecimal, is_decimal, false)
ALL_METHOD(method_isdigit, is_digit, false)
ALL_METHOD(method_isnumeric, is_numeric, false)
ALL_METHOD(method_isprintable, is_printable, true)
ALL_METHOD(method_isspace, is_space, false)

static bool method_islower(machine *m, value self, const value *a, const arguments *all, value *out)
{
    arguments none = {0};
    (void)a, (void)all;
    return call_native(m, test_find_word("lower"), self, &none, out);
}

static bool method_isupper(machine *m, value self, const value *a, const arguments *all, value *out)
{
    arguments none = {0};
    (void)a, (void)all;
    return call_native(m, test_find_word("upper"), self, &none, out);
}

static bool method_istitle(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool begins = true, any = false, right = true;
    const text t = self.u.t;
    (void)a, (void)all;
    if (!spend_bytes(m, 4 * (size_t)t.len))
        return false;
    for (size_t at = 0; at < t.len && right;) {
        uint32_t c = utf8_next(text_bytes(t), &at);
        bool big = is_upper(c) || is_title(c), small = is_lower(c);
        right = begins ? !small : !big;
        any |= big || small;
        begins = !big && !small;
    }
    *out = value_bool(any && right);
    return true;
}

static bool method_isidentifier(machine *m, value self, const value *a, const arguments *all,
                                value *out)
{
    const text t = self.u.t;
    size_t at = 0;
    (void)a, (void)all;
    bool is = t.len > 0 && !is_word_digit(utf8_next(text_bytes(t), &at));
    while (is && at < t.len)
        is = is_word(utf8_next(text_bytes(t), &at));
    *out = value_bool(is);
    return spend_bytes(m, 4 * (size_t)t.len);
}

const native_row methods_text_query[] = {
    {"find", method_lfind, "_,_?,_?"},         {"rfind", method_rfind, "_,_?,_?"},
    {"index", method_index, "_,_?,_?"},        {"rindex", method_rindex, "_,_?,_?"},
    {"count", method_count, "_,_?,_?"},        {"startswith", method_startswith, "_,_?,_?"},
    {"endswith", method_endswith, "_,_?,_?"},  {"isalnum", method_isalnum, ""},
    {"isalpha", method_isalpha, ""},           {"isascii", method_isascii, ""},
    {"isdecimal", method_isdecimal, ""},       {"isdigit", method_isdigit, ""},
    {"isnumeric", method_isnumeric, ""},       {"isprintable", method_isprintable, ""},
    {"isspace", method_isspace, ""},           {"islower", method_islower, ""},
    {"isupper", method_isupper, ""},           {"istitle", method_istitle, ""},
    {"isidentifier", method_isidentifier, ""}, {0},
};
