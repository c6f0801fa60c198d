/* light_markdown.c - see light_markdown.h.
 *
 * Each step looks at the text at one offset and consumes something, or nothing when it cannot tell
 * yet. Two kinds of step: the beginning of a line, which decides what the line is, and a piece of its
 * inside.
 */
#include "light_markdown.h"

#include <string.h>

#include "cells.h"

enum {
    FAR = 300,     /* a counterpart is sought so many bytes ahead */
    INFO_MAX = 80, /* longest line that opens a fence */
    CODE_INDENT = 2,
    DEEPEST = 200, /* indent in bytes */
};

typedef struct reader {
    light_markdown *m;
    light_style style;
    const char *text;
    size_t n, at;
    light_ending ending;
    wrap *out;
    error *err;
    bool failed;
} reader;

uint64_t light_markdown_pack(const light_markdown *m)
{
    uint64_t packed;
    _Static_assert(sizeof packed == sizeof *m, "the state fits a place");
    memcpy(&packed, m, sizeof packed);
    return packed;
}

light_markdown light_markdown_unpack(uint64_t packed)
{
    light_markdown m;
    memcpy(&m, &packed, sizeof m);
    return m;
}

/* ---- looking and putting ----------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\n';
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (unsigned char)c >= 0x80;
}

static size_t run_of(const reader *r, size_t from, char c)
{
    size_t end = from;
    while (end < r->n && r->text[end] == c)
        end++;
    return end - from;
}

static size_t line_end(const reader *r, size_t from)
{
    const char *end = memchr(r->text + from, '\n', r->n - from);
    return end ? (size_t)(end - r->text) : r->n;
}

static bool must_wait(const reader *r, size_t seen_to)
{
    return r->ending == LIGHT_MORE && seen_to >= r->n;
}

static wrap_place place(const reader *r)
{
    return (wrap_place){r->at, light_markdown_pack(r->m)};
}

static void put(reader *r, const char *bytes, size_t n, size_t cells, unsigned look)
{
    look = r->style.color ? look : 0;
    r->failed = r->failed || wrap_put(r->out, bytes, n, cells, look, place(r), r->err);
}

static void put_text(reader *r, const char *text, size_t n, unsigned look)
{
    for (size_t at = 0; at < n;) {
        int cells;
        size_t used = cells_next(text + at, n - at, &cells);
        if (text[at] == ' ')
            r->failed = r->failed || wrap_blank(r->out, place(r), r->err);
        else
            put(r, text + at, used, (size_t)cells, look);
        at += used;
    }
}

static void put_blanks(reader *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        r->failed = r->failed || wrap_blank(r->out, place(r), r->err);
}

static void end_row(reader *r)
{
    r->failed = r->failed || wrap_line(r->out, place(r), r->err);
}

static size_t hang_within(const wrap *out, size_t hang)
{
    size_t most = out->width / 2;
    return hang > most ? most : hang;
}

static void tell_hang(const light_markdown *m, light_style style, wrap *out)
{
    out->hang = hang_within(out, m->hang);
    out->mark = m->fence ? (style.utf8 ? "›" : ">") : NULL;
    out->mark_look = style.color ? LOOK_DIM : 0;
}

/* The further rows of this line begin so far to the right. */
static void set_hang(reader *r, size_t hang)
{
    r->m->hang = (uint8_t)(hang > 255 ? 255 : hang);
    tell_hang(r->m, r->style, r->out);
}

int light_markdown_resume(const light_markdown *m, light_style style, size_t offset, wrap *out,
                          error *err)
{
    if (!m->in_line)
        return 0;
    tell_hang(m, style, out);
    return wrap_resume(out, (wrap_place){offset, light_markdown_pack(m)}, err);
}

static unsigned look_now(const reader *r)
{
    const light_markdown *m = r->m;
    return (m->bold || m->heading ? LOOK_BOLD : 0u) | (m->italic ? LOOK_ITALIC : 0u) |
           (m->code || m->fence ? LOOK_CODE : 0u);
}

/* ---- fenced blocks ----------------------------------------------------------------------------- */

/* A dim line across the column, with a word in it. */
static void put_rule(reader *r, const char *word, size_t n)
{
    const char *dash = r->style.utf8 ? "─" : "-";
    size_t room = r->out->width > 24 ? 24 : r->out->width, used = 0;
    n = cells_cut(word, n, room > 6 ? room - 6 : 0);
    for (; used < (n ? 2 : room); used++)
        put(r, dash, strlen(dash), 1, LOOK_DIM);
    if (n) {
        put(r, " ", 1, 1, LOOK_DIM);
        put_text(r, word, n, LOOK_DIM);
        put(r, " ", 1, 1, LOOK_DIM);
        used += 2 + cells_width(word, n);
    }
    for (; used < room; used++)
        put(r, dash, strlen(dash), 1, LOOK_DIM);
}

/* The line that opens or closes a block; end = its newline or the end of the text. */
static size_t fence_line(reader *r, size_t mark, size_t length, size_t end)
{
    size_t info = mark + length, info_end = end;
    while (info < end && is_blank(r->text[info]))
        info++;
    while (info_end > info && is_blank(r->text[info_end - 1]))
        info_end--;
    if (r->style.color)
        put_rule(r, r->text + info, info_end - info);
    else
        put_text(r, r->text + r->at, end - r->at, 0);
    bool opens = !r->m->fence;
    r->m->fence = opens ? (uint8_t)r->text[mark] : 0;
    r->m->fence_length = (uint8_t)(length > 255 ? 255 : length);
    if (end < r->n)
        end_row(r);
    else
        r->m->in_line = 1;
    return end + (end < r->n) - r->at;
}

/* Three or more backticks or tildes: *end is the line's end. False when it is no fence; *wait when
 * that cannot be told yet. */
static bool is_fence(const reader *r, size_t mark, size_t *length, size_t *end, bool *wait)
{
    const light_markdown *m = r->m;
    char c = mark < r->n ? r->text[mark] : 0;
    if (m->fence ? (uint8_t)c != m->fence : c != '`' && c != '~')
        return false;
    *length = run_of(r, mark, c);
    size_t least = m->fence ? m->fence_length : 3;
    if (must_wait(r, mark + *length)) {
        *wait = true;
        return false;
    }
    *end = line_end(r, mark);
    if (*length < least || *end - mark > INFO_MAX)
        return false;
    for (size_t i = mark + *length; i < *end; i++)
        if (m->fence ? !is_blank(r->text[i]) : r->text[i] == c)
            return false;
    *wait = must_wait(r, *end);
    return !*wait;
}

static size_t code_line_begins(reader *r)
{
    set_hang(r, CODE_INDENT);
    put_blanks(r, CODE_INDENT);
    r->m->in_line = 1;
    return 0;
}

/* ---- the beginning of a line ------------------------------------------------------------------- */

static size_t own_line(reader *r, bool *wait)
{
    size_t end = line_end(r, r->at);
    if (must_wait(r, end))
        return *wait = true, 0;
    put_text(r, r->text + r->at + 1, end - r->at - 1,
             r->text[r->at] == LIGHT_FOLD ? LOOK_DIM : LOOK_FAULT);
    end_row(r);
    return end - r->at + (end < r->n);
}

/* "- ", "* ", "+ ", "1. ", "12) ", "> " at `from`: their length, 0 = none. */
static size_t item_length(const reader *r, size_t from, bool *wait)
{
    size_t at = from;
    while (at < r->n && at - from < 9 && r->text[at] >= '0' && r->text[at] <= '9')
        at++;
    bool number = at > from;
    if (must_wait(r, at))
        return *wait = true, 0;
    if (at == r->n || !strchr(number ? ".)" : "-*+>", r->text[at]))
        return 0;
    if (must_wait(r, at + 1))
        return *wait = true, 0;
    return at + 1 < r->n && r->text[at + 1] == ' ' ? at + 2 - from : 0;
}

/* "# " to "###### ": the length of the mark, 0 = no heading. */
static size_t heading_length(const reader *r, size_t from, bool *wait)
{
    size_t marks = run_of(r, from, '#');
    if (!marks || marks > 6)
        return 0;
    if (must_wait(r, from + marks))
        return *wait = true, 0;
    return from + marks < r->n && r->text[from + marks] == ' ' ? marks + 1 : 0;
}

static void put_item(reader *r, size_t from, size_t length)
{
    bool bullet = strchr("-*+", r->text[from]) != NULL;
    if (bullet && r->style.color && r->style.utf8)
        put(r, "•", strlen("•"), 1, 0);
    else
        put_text(r, r->text + from, length - 1, 0);
    put_blanks(r, 1);
}

/* Text behind `from`, where the indent ends. Returns what was consumed. */
static size_t text_line_begins(reader *r, size_t from, bool *wait)
{
    size_t heading = heading_length(r, from, wait), item = 0;
    if (!heading && !*wait)
        item = item_length(r, from, wait);
    if (*wait)
        return 0;
    size_t indent = from - r->at;
    set_hang(r, indent + item);
    put_blanks(r, hang_within(r->out, indent));
    if (item)
        put_item(r, from, item);
    r->m->in_line = 1; /* only now: a row that begins with the indent begins with the line */
    if (!r->style.color)
        heading = 0;
    r->m->heading = heading != 0;
    return indent + item + heading;
}

/* Returns what was consumed; the line has begun when in_line is set. *wait: nothing can be told. */
static size_t line_begins(reader *r, bool *wait)
{
    if (r->text[r->at] == LIGHT_FOLD || r->text[r->at] == LIGHT_FAULT)
        return own_line(r, wait);
    size_t from = r->at, length, end;
    while (from < r->n && r->text[from] == ' ' && from - r->at < DEEPEST)
        from++;
    if (must_wait(r, from)) {
        *wait = true;
        return 0;
    }
    if (is_fence(r, from, &length, &end, wait))
        return fence_line(r, from, length, end);
    if (*wait)
        return 0;
    return r->m->fence ? code_line_begins(r) : text_line_begins(r, from, wait);
}

/* ---- inside a line ----------------------------------------------------------------------------- */

static size_t literal(reader *r, size_t n)
{
    put_text(r, r->text + r->at, n, look_now(r));
    return n;
}

/* Looks for the counterpart of a mark of `length` characters; ahead: where its inside begins. 1 =
 * there, 0 = not there, -1 = cannot be told yet. */
static int find_counterpart(const reader *r, size_t ahead, char c, size_t length)
{
    size_t at = ahead, stop = r->n - ahead > FAR ? ahead + FAR : r->n;
    while (at < stop && r->text[at] != '\n') {
        if (r->text[at] != c) {
            at++;
            continue;
        }
        size_t run = run_of(r, at, c);
        bool inside = at > ahead && (c == '`' || !is_space(r->text[at - 1]));
        bool ends = c != '_' || at + run == r->n || !is_word(r->text[at + run]);
        bool fits = c == '`' ? run == length : run >= length && (length != 1 || run != 2);
        if (inside && ends && fits && !must_wait(r, at + run))
            return 1;
        at += run;
    }
    return at >= r->n && r->ending != LIGHT_OVER ? -1 : 0;
}

static size_t backticks(reader *r, bool *wait)
{
    size_t length = run_of(r, r->at, '`');
    if (must_wait(r, r->at + length))
        return *wait = true, 0;
    if (r->m->code) {
        if (length != r->m->code)
            return literal(r, length);
        r->m->code = 0;
        return length;
    }
    int found = length > 9 ? 0 : find_counterpart(r, r->at + length, '`', length);
    if (found < 0 && r->ending == LIGHT_MORE)
        return *wait = true, 0;
    if (!found)
        return literal(r, length);
    r->m->code = (uint8_t)length;
    return length;
}

/* True when the mark of `length` characters at r->at ends what is open. */
static bool closes(reader *r, char c, size_t length)
{
    light_markdown *m = r->m;
    bool bold = m->bold == (uint8_t)c, italic = m->italic == (uint8_t)c;
    if (r->at == 0 || is_space(r->text[r->at - 1]))
        return false;
    if (length == 3 && bold && italic)
        m->bold = m->italic = 0;
    else if (length == 2 && bold)
        m->bold = 0;
    else if (length == 1 && italic)
        m->italic = 0;
    else
        return false;
    return true;
}

static size_t stars(reader *r, bool *wait)
{
    char c = r->text[r->at];
    light_markdown *m = r->m;
    size_t length = run_of(r, r->at, c), behind = r->at + length;
    if (must_wait(r, behind))
        return *wait = true, 0;
    bool half_closed = behind == r->n && r->ending == LIGHT_PREVIEW &&
                       (m->bold == (uint8_t)c || m->italic == (uint8_t)c);
    if (closes(r, c, length) || half_closed)
        return length;
    size_t longest = c == '_' ? 1 : 3; /* "__init__" is a name */
    bool opens = length <= longest && (behind == r->n || !is_space(r->text[behind])) &&
                 (r->at == 0 || !is_word(r->text[r->at - 1])) && !((length & 2) && m->bold) &&
                 !((length & 1) && m->italic);
    int found = opens ? find_counterpart(r, behind, c, length) : 0;
    if (found < 0 && r->ending == LIGHT_MORE)
        return *wait = true, 0;
    if (!found)
        return literal(r, length);
    if (length & 2)
        m->bold = (uint8_t)c;
    if (length & 1)
        m->italic = (uint8_t)c;
    return length;
}

/* A backslash before a mark makes it text. */
static size_t backslash(reader *r, bool *wait)
{
    if (must_wait(r, r->at + 1))
        return *wait = true, 0;
    if (r->at + 1 == r->n || !strchr("*_`#", r->text[r->at + 1]))
        return literal(r, 1);
    put(r, r->text + r->at + 1, 1, 1, look_now(r));
    return 2;
}

static size_t blank(reader *r)
{
    if (r->m->fence) {
        size_t column = r->out->row_cells + r->out->word_cells + r->out->blanks;
        size_t count = r->text[r->at] == '\t' ? 4 - (column + 4 - CODE_INDENT) % 4 : 1;
        for (size_t i = 0; i < count; i++)
            put(r, " ", 1, 1, 0);
        r->failed = r->failed || wrap_break(r->out, r->err);
    } else {
        put_blanks(r, 1);
    }
    return 1;
}

static size_t newline(reader *r)
{
    light_markdown *m = r->m;
    end_row(r);
    *m = (light_markdown){.fence = m->fence, .fence_length = m->fence_length};
    return 1;
}

static size_t cluster(reader *r, bool *wait)
{
    int cells;
    size_t n = cells_next(r->text + r->at, r->n - r->at, &cells);
    if (must_wait(r, r->at + n) && n < CELLS_CLUSTER - 4)
        return *wait = true, 0;
    put(r, r->text + r->at, n, (size_t)cells, look_now(r));
    if (r->m->fence)
        r->failed = r->failed || wrap_break(r->out, r->err);
    return n;
}

static size_t inside_line(reader *r, bool *wait)
{
    char c = r->text[r->at];
    bool marks = r->style.color && !r->m->fence;
    if (c == '\n')
        return newline(r);
    if (is_blank(c))
        return blank(r);
    if (marks && c == '`')
        return backticks(r, wait);
    if (marks && !r->m->code && (c == '*' || c == '_'))
        return stars(r, wait);
    if (marks && !r->m->code && c == '\\')
        return backslash(r, wait);
    return cluster(r, wait);
}

int light_markdown_read(light_markdown *m, light_style style, const char *text, size_t n,
                        light_ending ending, size_t *used, wrap *out, error *err)
{
    reader r = {m, style, text, n, *used, ending, out, err, false};
    bool wait = false;
    while (r.at < n && !wait && !r.failed)
        r.at += m->in_line ? inside_line(&r, &wait) : line_begins(&r, &wait);
    *used = r.at;
    return r.failed ? -1 : 0;
}
