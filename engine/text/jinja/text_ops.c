/* text_ops.c - the work behind filters and methods of texts: case, stripping, replacing, padding.
 *
 * All of them build their result the same way: parts that stay are copied as parts of the old
 * text, so that every character keeps whose it is, and new characters (upper case, padding) are
 * added with the origin of what they were made from. Case is by Unicode's full mappings
 * (unicode.h): one character may become three, and a Greek sigma at a word's end is another
 * than inside.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "natives.h"
#include "unicode.h"

/* ---- case --------------------------------------------------------------------------------------- */

/* A sigma is final when a cased letter stands before it and none behind it. */
static bool is_final_sigma(const char *v, size_t len, size_t at, size_t next)
{
    bool before = false;
    for (size_t i = at; i > 0 && !before;) {
        do
            i--;
        while (i > 0 && ((unsigned char)v[i] & 0xc0) == 0x80);
        size_t end = i;
        uint32_t c = utf8_next(v, &end);
        if (is_case_ignorable(c))
            continue;
        if (!is_cased(c))
            return false;
        before = true;
    }
    while (before && next < len) {
        uint32_t c = utf8_next(v, &next);
        if (!is_case_ignorable(c))
            return !is_cased(c);
    }
    return before;
}

typedef struct case_place {
    const char *v;
    size_t len, at, next;
    bool begins; /* no cased letter stands right before it */
    bool first;  /* of the text */
} case_place;

static size_t map_lower(const case_place *p, uint32_t c, uint32_t to[3])
{
    if (c != 0x3a3)
        return to_lower(c, to);
    to[0] = is_final_sigma(p->v, p->len, p->at, p->next) ? 0x3c2 : 0x3c3;
    return 1;
}

static size_t map_case(const case_place *p, uint32_t c, letter_case way, uint32_t to[3])
{
    switch (way) {
    case CASE_UPPER:
        return to_upper(c, to);
    case CASE_FOLD:
        return to_folded(c, to);
    case CASE_TITLE:
        return p->begins ? to_title(c, to) : map_lower(p, c, to);
    case CASE_CAPITAL:
        return p->first ? to_title(c, to) : map_lower(p, c, to);
    case CASE_SWAP:
        if (is_upper(c))
            return map_lower(p, c, to);
        if (is_lower(c))
            return to_upper(c, to);
        to[0] = c;
        return 1;
    default:
        return map_lower(p, c, to);
    }
}

bool change_case(machine *m, text t, letter_case way, text *out)
{
    case_place p = {.v = text_bytes(t), .len = t.len, .begins = true, .first = true};
    size_t kept = 0, covers;
    text made = TEXT_EMPTY;
    if (!spend_bytes(m, 8 * (size_t)t.len))
        return false;
    for (; p.at < t.len; p.at = p.next) {
        uint32_t to[3];
        p.next = p.at;
        uint32_t c = utf8_next(p.v, &p.next);
        size_t n = map_case(&p, c, way, to);
        if (way == CASE_TITLE)
            p.begins = !is_cased(c);
        p.first = false;
        if (n == 1 && to[0] == c)
            continue;
        if (!add_text(m, &made, text_part(t, kept, p.at - kept)))
            return false;
        uint32_t origin = text_run_at(t, p.at, &covers).origin;
        for (size_t i = 0; i < n; i++)
            if (!add_char(m, &made, to[i], origin))
                return false;
        kept = p.next;
    }
    *out = made;
    return add_text(m, out, text_part(t, kept, t.len - kept));
}

/* ---- parts -------------------------------------------------------------------------------------- */

static bool in_text(uint32_t c, const text *chars)
{
    if (chars == NULL)
        return is_space(c);
    for (size_t at = 0; at < chars->len;)
        if (utf8_next(text_bytes(*chars), &at) == c)
            return true;
    return false;
}

bool strip_text(machine *m, text t, const text *chars, bool left, bool right, text *out)
{
    const char *v = text_bytes(t);
    size_t from = 0, to = t.len, cost = chars ? 1 + chars->len / 8 : 1;
    while (left && from < to) {
        size_t next = from;
        if (!in_text(utf8_next(v, &next), chars))
            break;
        from = next;
        if (!spend(m, cost))
            return false;
    }
    while (right && to > from) {
        size_t start = to - 1;
        while (start > from && ((unsigned char)v[start] & 0xc0) == 0x80)
            start--;
        size_t next = start;
        if (!in_text(utf8_next(v, &next), chars))
            break;
        to = start;
        if (!spend(m, cost))
            return false;
    }
    *out = text_part(t, from, to - from);
    return true;
}

/* An empty `old` stands before every character and at the end. */
static bool replace_empty(machine *m, text t, text new, int64_t count, text *out)
{
    text made = TEXT_EMPTY;
    size_t at = 0, next;
    for (; at < t.len && count != 0; at = next, count--) {
        next = at;
        utf8_next(text_bytes(t), &next);
        if (!spend(m, 1) || !add_text(m, &made, new) ||
            !add_text(m, &made, text_part(t, at, next - at)))
            return false;
    }
    if (!add_text(m, &made, text_part(t, at, t.len - at)) ||
        (count != 0 && !add_text(m, &made, new)))
        return false;
    *out = made;
    return true;
}

bool replace_text(machine *m, text t, text old, text new, int64_t count, text *out)
{
    if (old.len == 0)
        return replace_empty(m, t, new, count, out);
    text made = TEXT_EMPTY;
    size_t kept = 0;
    if (!spend_bytes(m, t.len))
        return false;
    for (; count != 0; count--) {
        size_t found = text_find(t, old, kept);
        if (found == SIZE_MAX)
            break;
        if (!spend(m, 1) || !add_text(m, &made, text_part(t, kept, found - kept)) ||
            !add_text(m, &made, new))
            return false;
        kept = found + old.len;
    }
    if (!add_text(m, &made, text_part(t, kept, t.len - kept)))
        return false;
    *out = made;
    return true;
}

bool pad_text(machine *m, text t, int64_t width, text fill, char align, text *out)
{
    size_t n = text_chars(m, t);
    if (n == SIZE_MAX)
        return false;
    text made = TEXT_EMPTY;
    *out = t;
    if (width <= (int64_t)n)
        return true;
    const int64_t pad = width - (int64_t)n;
    int64_t left = align == '<' ? 0 : align == '>' ? pad : pad / 2 + (pad & width & 1);
    if (align == '=') /* format()'s centring puts the odd one behind */
        left = pad / 2;
    if (!add_repeated(m, &made, fill, (size_t)left) || !add_text(m, &made, t) ||
        !add_repeated(m, &made, fill, (size_t)(pad - left)))
        return false;
    *out = made;
    return true;
}

bool split_lines(machine *m, text t, bool keep_ends, list *out)
{
    list *l = make_list(m, 0);
    const char *v = text_bytes(t);
    size_t from = 0;
    if (l == NULL || !spend_bytes(m, t.len))
        return false;
    for (size_t at = 0; at < t.len;) {
        size_t end = at;
        uint32_t c = utf8_next(v, &at);
        if (!is_line_end(c))
            continue;
        if (c == '\r' && at < t.len && v[at] == '\n')
            at++;
        if (!spend(m, 1) ||
            !push(m, l, value_text(text_part(t, from, (keep_ends ? at : end) - from))))
            return false;
        from = at;
    }
    if (from < t.len && !push(m, l, value_text(text_part(t, from, t.len - from))))
        return false;
    *out = *l;
    return true;
}

bool make_iterator(machine *m, const list *items, uint32_t origin, value *out)
{
    iterator *i = take(m, sizeof *i);
    if (i == NULL)
        return false;
    *i = (iterator){*items, 0};
    *out = (value){.kind = V_ITERATOR, .origin = origin, .u.iterator = i};
    return true;
}

/* ---- Markup ------------------------------------------------------------------------------------- */

bool escape_text(machine *m, text t, text *out)
{
    static const char chars[] = "&<>'\"";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    text made = TEXT_EMPTY;
    size_t kept = 0, covers;
    for (size_t at = 0; at < t.len; at++) {
        const char *found = memchr(chars, text_bytes(t)[at], sizeof chars - 1);
        if (found == NULL)
            continue;
        if (!add_text(m, &made, text_part(t, kept, at - kept)) ||
            !add_word(m, &made, names[found - chars], text_run_at(t, at, &covers).origin))
            return false;
        kept = at + 1;
    }
    *out = made;
    return spend_bytes(m, t.len) && add_text(m, out, text_part(t, kept, t.len - kept));
}

bool concat_texts(machine *m, value a, value b, value *out)
{
    bool markup = a.flag || b.flag;
    if (markup && !a.flag && !escape_text(m, a.u.t, &a.u.t))
        return false;
    if (markup && !b.flag && !escape_text(m, b.u.t, &b.u.t))
        return false;
    *out = a;
    out->flag = markup;
    return add_text(m, &out->u.t, b.u.t);
}
