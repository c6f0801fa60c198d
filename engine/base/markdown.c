/* markdown.c - see markdown.h.
 *
 * A line is read as CommonMark's appendix has it: first the containers that are open are matched
 * one by one against what the line begins with; then, unless it is code, new containers and at
 * last a leaf are sought. A cursor walks over the line in bytes and columns, as a tab reaches to
 * the next multiple of four and a container may take half of one.
 *
 * All looks go through peek(). One behind the end of an unfinished line makes the scan hungry,
 * and what a hungry scan found is thrown away; so what is said early was said without looking
 * there. Behind MARKDOWN_AHEAD there is nothing but letters.
 */
#include "markdown.h"

#include <string.h>

enum { TAB = 4, CODE_INDENT = 4, FENCE_LEAST = 3, LEVELS = 6, DIGITS = 9, SPANS = 64 };

typedef struct cursor {
    size_t at, column;
} cursor;

typedef struct scan {
    const char *text;
    size_t n;
    bool whole, hungry;
    markdown m;
    cursor now;
} scan;

static char peek(scan *s, size_t at)
{
    if (at >= MARKDOWN_AHEAD)
        return 'x';
    if (at < s->n)
        return s->text[at];
    s->hungry = s->hungry || !s->whole;
    return '\n';
}

bool markdown_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool markdown_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c & 0x80;
}

size_t markdown_run(const char *text, size_t n)
{
    size_t end = 0;
    while (end < n && text[end] == *text)
        end++;
    return end;
}

/* ---- moving ------------------------------------------------------------------------------------ */

static size_t tab_width(size_t column)
{
    return TAB - column % TAB;
}

static cursor skip_blanks(scan *s, cursor c)
{
    for (char now; (now = peek(s, c.at)) == ' ' || now == '\t'; c.at++)
        c.column += now == '\t' ? tab_width(c.column) : 1;
    return c;
}

/* So many columns of blanks, or as many as there are; may stop within a tab. */
static void skip_columns(scan *s, size_t count)
{
    while (count && markdown_blank(peek(s, s->now.at))) {
        size_t width = peek(s, s->now.at) == '\t' ? tab_width(s->now.column) : 1;
        size_t taken = width < count ? width : count;
        s->now.column += taken;
        s->now.at += taken == width;
        count -= taken;
    }
}

/* Columns of the tab at the cursor that are still to come, when a container took the others. */
static size_t rest_of_tab(const scan *s)
{
    size_t at = 0, column = 0;
    for (; at < s->now.at; at++)
        column += s->text[at] == '\t' ? tab_width(column) : 1;
    return column < s->now.column ? tab_width(s->now.column) : 0;
}

static size_t run_of(scan *s, size_t at)
{
    size_t end = at;
    for (char c = peek(s, at); end < MARKDOWN_AHEAD && peek(s, end) == c;)
        end++;
    return end - at;
}

static bool only_blanks(scan *s, size_t at)
{
    return peek(s, skip_blanks(s, (cursor){at, 0}).at) == '\n';
}

/* ---- what may begin at a place that is no blank ------------------------------------------------ */

/* The level of a heading, 0 when there is none. */
static int heading_level(scan *s, size_t at)
{
    if (peek(s, at) != '#')
        return 0;
    size_t n = run_of(s, at);
    char behind = peek(s, at + n);
    return n <= LEVELS && (behind == '\n' || markdown_blank(behind)) ? (int)n : 0;
}

/* Three or more of one of `marks` with blanks between. */
static bool is_rule(scan *s, size_t at, const char *marks)
{
    char c = peek(s, at);
    size_t n = 0;
    if (!c || !strchr(marks, c))
        return false;
    for (char now; (now = peek(s, at)) != '\n'; at++) {
        if (now != c && !markdown_blank(now))
            return false;
        n += now == c;
    }
    return n >= 3;
}

/* A line that makes the paragraph above it a heading. */
static bool is_underline(scan *s, size_t at)
{
    char c = peek(s, at);
    return (c == '-' || c == '=') && only_blanks(s, at + run_of(s, at));
}

/* The length of an item's mark without the blank behind it, 0 when there is none. */
static size_t item_mark(scan *s, size_t at, long *number)
{
    size_t n = 0;
    char c = peek(s, at);
    *number = -1;
    if (c == '-' || c == '*' || c == '+') {
        n = 1;
    } else {
        long value = 0;
        for (; n < DIGITS && (c = peek(s, at + n)) >= '0' && c <= '9'; n++)
            value = 10 * value + (c - '0');
        if (!n || ((c = peek(s, at + n)) != '.' && c != ')'))
            return 0;
        *number = value;
        n++;
    }
    c = peek(s, at + n);
    return c == '\n' || markdown_blank(c) ? n : 0;
}

/* A fence that opens, with its info string told in *out. Returns its length or 0. */
static size_t fence_opens(scan *s, size_t at, markdown_line *out)
{
    char mark = peek(s, at);
    size_t length = mark == '`' || mark == '~' ? run_of(s, at) : 0;
    if (length < FENCE_LEAST)
        return 0;
    size_t end = at + length;
    for (char c; (c = peek(s, end)) != '\n'; end++)
        if (end == MARKDOWN_AHEAD || (mark == '`' && c == '`'))
            return 0;
    out->text = at + length;
    while (out->text < end && markdown_blank(s->text[out->text]))
        out->text++;
    while (end > out->text && markdown_blank(s->text[end - 1]))
        end--;
    out->info = end - out->text;
    return length;
}

/* ---- containers -------------------------------------------------------------------------------- */

static void enter_quote(scan *s, cursor mark)
{
    s->now = (cursor){mark.at + 1, mark.column + 1};
    skip_columns(s, 1);
}

/* How many of the open containers go on in this line; the cursor moves behind what they take. */
static uint8_t match(scan *s)
{
    uint8_t i = 0;
    for (; i < s->m.depth; i++) {
        cursor text = skip_blanks(s, s->now);
        size_t indent = text.column - s->now.column;
        bool blank = peek(s, text.at) == '\n';
        /* an item begins with one blank line at most */
        bool over = blank ? s->m.empty && i + 1 == s->m.depth : indent < s->m.inside[i];
        if (s->m.inside[i] == 0) {
            if (indent >= CODE_INDENT || peek(s, text.at) != '>')
                break;
            enter_quote(s, text);
        } else if (over) {
            break;
        } else if (indent >= s->m.inside[i]) {
            skip_columns(s, s->m.inside[i]);
        } else {
            s->now = text;
        }
    }
    return i;
}

/* Enters a list's item at `mark` and returns its inside; 0 when there is none. One that would break a
 * paragraph must hold something and begin its list with 1. */
static uint8_t enter_item(scan *s, cursor mark, bool breaks)
{
    long number;
    size_t n = item_mark(s, mark.at, &number), indent = mark.column - s->now.column;
    if (!n)
        return 0;
    cursor behind = {mark.at + n, mark.column + n}, text = skip_blanks(s, behind);
    bool blank = peek(s, text.at) == '\n';
    if (breaks && (blank || (number >= 0 && number != 1)))
        return 0;
    size_t gap = text.column - behind.column;
    if (blank || gap > CODE_INDENT)
        gap = 1;
    s->now = behind;
    skip_columns(s, gap);
    return (uint8_t)(indent + n + gap);
}

/* The leaf that begins at `text`, as far as what follows depends on it: MARKDOWN_RULE stands
 * for every block of one line, and for indented code. MARKDOWN_TEXT when there may be a
 * container yet. breaks: the line above is a paragraph that this one would go on with. */
static markdown_kind find_leaf(scan *s, cursor text, bool breaks, markdown_line *out)
{
    markdown *m = &s->m;
    size_t indent = text.column - s->now.column, length;
    if (peek(s, text.at) == '\n')
        return MARKDOWN_BLANK;
    if (indent >= CODE_INDENT)
        return MARKDOWN_RULE;
    if ((length = fence_opens(s, text.at, out)) != 0) {
        m->fence = peek(s, text.at);
        m->fence_indent = (uint8_t)indent;
        m->fence_column = (uint8_t)(text.column < 255 ? text.column : 255);
        m->fence_length = (uint16_t)length;
        return MARKDOWN_OPEN;
    }
    bool alone = heading_level(s, text.at) || (breaks && is_underline(s, text.at)) ||
                 is_rule(s, text.at, "-*_");
    return alone ? MARKDOWN_RULE : MARKDOWN_TEXT;
}

/* Opens what begins at the cursor, where `held` of the containers go on, and returns the leaf. */
static markdown_kind open_blocks(scan *s, uint8_t held, markdown_line *out)
{
    markdown *m = &s->m;
    bool fresh = false, code = false;
    uint8_t depth = held, inside;
    markdown_kind leaf;
    for (;; fresh = true) {
        cursor text = skip_blanks(s, s->now);
        bool breaks = m->paragraph && !fresh && held == m->depth;
        leaf = find_leaf(s, text, breaks, out);
        code = leaf == MARKDOWN_RULE && text.column - s->now.column >= CODE_INDENT;
        if (leaf != MARKDOWN_TEXT || depth == MARKDOWN_DEEPEST)
            break;
        if (peek(s, text.at) == '>')
            inside = 0, enter_quote(s, text);
        else if ((inside = enter_item(s, text, breaks)) == 0)
            break;
        m->inside[depth++] = inside;
    }
    if (m->paragraph && !fresh && (code || leaf == MARKDOWN_TEXT))
        return leaf; /* the paragraph goes on, and all that holds it */
    m->depth = depth;
    m->paragraph = leaf == MARKDOWN_TEXT;
    m->empty = leaf == MARKDOWN_BLANK && fresh && m->inside[depth - 1];
    return leaf;
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* A line within fenced code, whose containers go on. */
static void read_code(scan *s, markdown_line *out)
{
    markdown *m = &s->m;
    cursor text = skip_blanks(s, s->now);
    size_t length = 0;
    out->kind = MARKDOWN_CODE;
    out->indent = m->fence_column;
    if (text.column - s->now.column < CODE_INDENT && peek(s, text.at) == m->fence)
        length = run_of(s, text.at);
    if (length >= m->fence_length && only_blanks(s, text.at + length)) {
        out->kind = MARKDOWN_CLOSE;
        out->begin = text.at;
        m->fence = 0;
        return;
    }
    skip_columns(s, m->fence_indent);
    out->pad = rest_of_tab(s);
    out->text = s->now.at + (out->pad != 0);
}

/* What the line looks like, whatever stands above it. */
static void name_line(scan *s, markdown_line *out)
{
    cursor text = skip_blanks(s, (cursor){0, 0});
    size_t n = 0;
    out->begin = text.at;
    out->indent = text.column;
    out->number = -1;
    if (peek(s, text.at) == '\n') {
        out->kind = MARKDOWN_BLANK;
    } else if (peek(s, text.at) == '>') {
        out->kind = MARKDOWN_QUOTE;
        out->mark = markdown_blank(peek(s, text.at + 1)) ? 2 : 0;
        n = run_of(s, text.at);
    } else if ((out->level = heading_level(s, text.at)) != 0) {
        out->kind = MARKDOWN_HEADING;
        n = (size_t)out->level;
    } else if (is_rule(s, text.at, "-*_=")) {
        out->kind = MARKDOWN_RULE;
        n = s->n - text.at;
    } else if ((n = item_mark(s, text.at, &out->number)) != 0 && peek(s, text.at + n) != '\n') {
        out->kind = MARKDOWN_ITEM;
        out->mark = n + 1;
    } else {
        out->kind = MARKDOWN_TEXT;
        n = 0;
    }
    out->text = skip_blanks(s, (cursor){text.at + n, 0}).at;
}

bool markdown_read(markdown *m, const char *text, size_t n, bool whole, markdown_line *out)
{
    scan s = {.text = text, .n = n, .whole = whole, .m = *m};
    markdown_line fence;
    *out = fence = (markdown_line){.number = -1};
    uint8_t held = match(&s);
    if (s.m.fence && held == s.m.depth) {
        read_code(&s, out);
    } else {
        s.m.fence = 0;
        markdown_kind leaf = open_blocks(&s, held, &fence);
        name_line(&s, out);
        if (leaf == MARKDOWN_OPEN) {
            out->kind = MARKDOWN_OPEN;
            out->text = fence.text;
            out->info = fence.info;
        }
    }
    if (s.hungry)
        return false;
    *m = s.m;
    return true;
}

/* ---- code spans -------------------------------------------------------------------------------- */

/* Blanks at both sides are one each less, unless there is nothing else (6.1). */
static void trim_span(const char *text, markdown_span *out)
{
    size_t a = out->begin, b = out->end;
    bool blanks =
        (text[a] == ' ' || text[a] == '\n') && (text[b - 1] == ' ' || text[b - 1] == '\n');
    for (size_t i = a; blanks && i < b; i++)
        if (text[i] != ' ' && text[i] != '\n') {
            out->begin++;
            out->end--;
            return;
        }
}

bool markdown_code_span(const char *text, size_t n, uint64_t *dead, markdown_span *out)
{
    size_t marks = markdown_run(text, n);
    if (marks >= SPANS || *dead >> marks & 1)
        return false;
    for (size_t at = marks; at < n;) {
        const char *found = memchr(text + at, '`', n - at);
        if (!found)
            break;
        at = (size_t)(found - text);
        size_t run = markdown_run(found, n - at);
        if (run == marks) {
            *out = (markdown_span){.begin = marks, .end = at, .close = at, .length = at + run};
            trim_span(text, out);
            return true;
        }
        at += run;
    }
    *dead |= (uint64_t)1 << marks;
    return false;
}
