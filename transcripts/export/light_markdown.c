/* light_markdown.c - see light_markdown.h.
 *
 * A line is looked at once to say what it begins (`shape`); a paragraph or an item goes on while
 * lines are plain, code goes on until its fence is closed.
 */
#include "light_markdown.h"

#include <string.h>

enum { NUMBER_DIGITS = 9, FENCE_LEAST = 3 };

typedef struct span {
    const char *at, *end; /* one line, without its newline */
} span;

typedef struct fence {
    char mark; /* '`' or '~' */
    size_t length;
    const char *info;
    size_t info_len;
} fence;

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && blank(*at))
        at++;
    return at;
}

static span line_at(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return (span){at, newline ? newline : end};
}

static const char *behind(span line, const char *end)
{
    return line.end < end ? line.end + 1 : end;
}

static size_t run_of(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && *p == *at)
        p++;
    return (size_t)(p - at);
}

/* at: the first character of a line that is no blank. */
static bool is_fence(const char *at, const char *end, fence *out)
{
    if (at == end || (*at != '`' && *at != '~'))
        return false;
    out->mark = *at;
    out->length = run_of(at, end);
    if (out->length < FENCE_LEAST)
        return false;
    out->info = skip_blanks(at + out->length, end);
    out->info_len = (size_t)(end - out->info);
    while (out->info_len && blank(out->info[out->info_len - 1]))
        out->info_len--;
    /* ```a``` on one line is code within text */
    return out->mark != '`' || !out->info_len || !memchr(out->info, '`', out->info_len);
}

static bool closes(span line, const fence *open)
{
    const char *at = skip_blanks(line.at, line.end);
    if (at == line.end || *at != open->mark || run_of(at, line.end) < open->length)
        return false;
    return skip_blanks(at + run_of(at, line.end), line.end) == line.end;
}

/* The length of a list's mark with the blank behind it, 0 when there is none. */
static size_t item_mark(const char *at, const char *end, long *number)
{
    const char *p = at;
    *number = -1;
    if (p < end && (*p == '-' || *p == '*' || *p == '+')) {
        p++;
    } else {
        long n = 0;
        while (p < end && *p >= '0' && *p <= '9' && p - at < NUMBER_DIGITS)
            n = 10 * n + (*p++ - '0');
        if (p == at || p == end || (*p != '.' && *p != ')'))
            return 0;
        p++;
        *number = n;
    }
    return p < end && blank(*p) ? (size_t)(p + 1 - at) : 0;
}

/* The level of a heading, 0 when there is none. */
static int heading_level(const char *at, const char *end)
{
    size_t n = at < end && *at == '#' ? run_of(at, end) : 0;
    return n && n <= 6 && (at + n == end || blank(at[n])) ? (int)n : 0;
}

/* Three or more of - _ * with blanks between them, or a line of =, which would make the line above
 * a heading. */
static bool is_rule(const char *at, const char *end)
{
    size_t n = 0;
    if (at == end || !strchr("-_*=", *at) || !*at)
        return false;
    for (const char *p = at; p < end; p++) {
        if (!blank(*p) && *p != *at)
            return false;
        n += *p == *at;
    }
    return n >= 3;
}

/* Whether a paragraph or an item ends before this line. */
static bool begins_block(span line)
{
    const char *at = skip_blanks(line.at, line.end);
    fence f;
    long number;
    return at == line.end || *at == '>' || is_fence(at, line.end, &f) ||
           heading_level(at, line.end) || is_rule(at, line.end) || item_mark(at, line.end, &number);
}

static void read_code(light_reader *r, span line, const fence *open, size_t indent,
                      light_block *out)
{
    const char *from = behind(line, r->end);
    *out = (light_block){.kind = LIGHT_CODE,
                         .text = from,
                         .indent = indent,
                         .info = open->info,
                         .info_len = open->info_len};
    r->at = from;
    while (r->at < r->end) {
        span next = line_at(r->at, r->end);
        if (closes(next, open)) {
            out->len = (size_t)(next.at - from);
            r->at = behind(next, r->end);
            return;
        }
        r->at = behind(next, r->end);
    }
    out->len = (size_t)(r->end - from);
}

/* out->text begins in `line`; plain lines below belong to it. */
static void read_on(light_reader *r, span line, light_block *out)
{
    const char *end = line.end;
    r->at = behind(line, r->end);
    while (r->at < r->end) {
        span next = line_at(r->at, r->end);
        if (begins_block(next))
            break;
        end = next.end;
        r->at = behind(next, r->end);
    }
    out->len = (size_t)(end - out->text);
}

static void read_item(light_reader *r, span line, size_t indent, const char *at, size_t mark,
                      long number, light_block *out)
{
    const char *text = skip_blanks(at + mark, line.end);
    fence f;
    *out = (light_block){.kind = LIGHT_ITEM, .text = text, .indent = indent, .number = number};
    if (is_fence(text, line.end, &f)) { /* code comes next, from the middle of this line */
        r->column = indent + (size_t)(text - at);
        r->at = text;
        return;
    }
    read_on(r, line, out);
}

static void read_single(light_reader *r, span line, light_kind kind, int level, const char *text,
                        light_block *out)
{
    *out = (light_block){.kind = kind, .text = text, .level = level};
    out->len = (size_t)(line.end - text);
    r->at = behind(line, r->end);
}

static const char *heading_text(span line, const char *at, int level)
{
    return skip_blanks(at + level, line.end);
}

bool light_next(light_reader *r, light_block *out)
{
    while (r->at < r->end) {
        span line = line_at(r->at, r->end);
        const char *at = skip_blanks(line.at, line.end);
        size_t indent = r->column + (size_t)(at - line.at), mark;
        r->column = 0;
        fence f;
        long number;
        int level;
        if (at == line.end) {
            r->at = behind(line, r->end);
            continue;
        }
        if (is_fence(at, line.end, &f))
            read_code(r, line, &f, indent, out);
        else if (*at == '>')
            read_single(r, line, LIGHT_QUOTE, 0, skip_blanks(at + run_of(at, line.end), line.end),
                        out);
        else if ((level = heading_level(at, line.end)) != 0)
            read_single(r, line, LIGHT_HEADING, level, heading_text(line, at, level), out);
        else if (is_rule(at, line.end))
            read_single(r, line, LIGHT_RULE, 0, line.end, out);
        else if ((mark = item_mark(at, line.end, &number)) != 0)
            read_item(r, line, indent, at, mark, number, out);
        else {
            *out = (light_block){.kind = LIGHT_PARAGRAPH, .text = at, .indent = indent};
            read_on(r, line, out);
        }
        return true;
    }
    return false;
}

bool light_code_line(const light_block *b, size_t *at, const char **line, size_t *len)
{
    if (*at >= b->len)
        return false;
    const char *end = b->text + b->len;
    span found = line_at(b->text + *at, end);
    const char *from = found.at;
    while (from < found.end && blank(*from) && (size_t)(from - found.at) < b->indent)
        from++;
    *line = from;
    *len = (size_t)(found.end - from);
    *at = (size_t)(behind(found, end) - b->text);
    return true;
}
