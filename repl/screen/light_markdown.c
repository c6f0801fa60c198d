/* light_markdown.c - see light_markdown.h.
 *
 * Each step looks at the text at one offset and consumes something, or nothing when it cannot tell
 * yet. Two kinds of step: the beginning of a line, which decides what the line is, and a piece of its
 * inside.
 */
#include "light_markdown.h"

#include <string.h>

#include "display_width.h"

enum {
    FAR = 300, /* a counterpart is sought so many bytes ahead */
    CODE_INDENT = 2,
    SPAN_MOST = 9, /* backticks around code within a line */
    STARS_MOST = 3,
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

wrap_place light_markdown_place(const light_markdown *m, size_t offset)
{
    wrap_place place = {.offset = offset};
    _Static_assert(sizeof place.reader >= sizeof *m, "the state fits a place");
    memcpy(place.reader, m, sizeof *m);
    return place;
}

light_markdown light_markdown_at(const wrap_place *place)
{
    light_markdown m;
    memcpy(&m, place->reader, sizeof m);
    return m;
}

/* ---- looking and putting ----------------------------------------------------------------------- */

static bool is_space(char c)
{
    return markdown_blank(c) || c == '\n';
}

static size_t run_of(const reader *r, size_t from, char c)
{
    return from < r->n && r->text[from] == c ? markdown_run(r->text + from, r->n - from) : 0;
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
    return light_markdown_place(r->m, r->at);
}

static void put(reader *r, const char *bytes, size_t n, size_t cells, unsigned attributes)
{
    attributes = r->style.color ? attributes : 0;
    r->failed = r->failed || wrap_put(r->out, bytes, n, cells, attributes, place(r), r->err);
}

static void put_text(reader *r, const char *text, size_t n, unsigned attributes)
{
    for (size_t at = 0; at < n;) {
        int cells;
        size_t used = display_next_cluster(text + at, n - at, &cells);
        if (text[at] == ' ')
            r->failed = r->failed || wrap_blank(r->out, place(r), r->err);
        else
            put(r, text + at, used, (size_t)cells, attributes);
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

static void give_hang(const light_markdown *m, light_style style, wrap *out)
{
    out->hang = hang_within(out, m->hang);
    out->mark = m->lines.fence ? (style.utf8 ? "›" : ">") : NULL;
    out->mark_attributes = style.color ? ATTRIBUTE_DIM : 0;
}

/* The further rows of this line begin so far to the right. */
static void set_hang(reader *r, size_t hang)
{
    r->m->hang = (uint8_t)(hang > 255 ? 255 : hang);
    give_hang(r->m, r->style, r->out);
}

int light_markdown_resume(const light_markdown *m, light_style style, size_t offset, wrap *out,
                          error *err)
{
    if (!m->in_line)
        return 0;
    give_hang(m, style, out);
    return wrap_resume(out, light_markdown_place(m, offset), err);
}

static unsigned look_now(const reader *r)
{
    const light_markdown *m = r->m;
    return (m->bold || m->heading ? ATTRIBUTE_BOLD : 0u) | (m->italic ? ATTRIBUTE_ITALIC : 0u) |
           (m->code || m->lines.fence ? ATTRIBUTE_CODE : 0u);
}

/* ---- the beginning of a line ------------------------------------------------------------------- */

static size_t own_line(reader *r, bool *wait)
{
    size_t end = line_end(r, r->at);
    if (must_wait(r, end))
        return *wait = true, 0;
    put_text(r, r->text + r->at + 1, end - r->at - 1,
             r->text[r->at] == LIGHT_DIM ? ATTRIBUTE_DIM : ATTRIBUTE_FAULT);
    end_row(r);
    return end - r->at + (end < r->n);
}

/* The indent of a line and the mark of an item or a quote. Returns the cells they take. */
static size_t put_mark(reader *r, const markdown_line *line)
{
    const char *mark = r->text + r->at + line->begin;
    size_t indent = hang_within(r->out, line->indent);
    put_blanks(r, indent);
    if (!line->mark)
        return indent;
    bool bullet = strchr("-*+", *mark) != NULL;
    if (bullet && r->style.color && r->style.utf8)
        put(r, "•", strlen("•"), 1, 0);
    else
        put_text(r, mark, line->mark - 1, 0);
    put_blanks(r, 1);
    return indent + line->mark;
}

/* A dim line across the column behind `used` cells, with a word in it. */
static void put_rule(reader *r, size_t used, const char *word, size_t n)
{
    const char *dash = r->style.utf8 ? "─" : "-";
    size_t room = r->out->width > 24 ? 24 : r->out->width;
    n = display_cut(word, n, room > used + 6 ? room - used - 6 : 0);
    for (size_t lead = n ? used + 2 : room; used < lead; used++)
        put(r, dash, strlen(dash), 1, ATTRIBUTE_DIM);
    if (n) {
        put(r, " ", 1, 1, ATTRIBUTE_DIM);
        put_text(r, word, n, ATTRIBUTE_DIM);
        put(r, " ", 1, 1, ATTRIBUTE_DIM);
        used += 2 + display_width(word, n);
    }
    for (; used < room; used++)
        put(r, dash, strlen(dash), 1, ATTRIBUTE_DIM);
}

/* The line that opens or closes fenced code, n bytes. */
static size_t fence_line(reader *r, const markdown_line *line, size_t n)
{
    const char *text = r->text + r->at;
    if (r->style.color)
        put_rule(r, line->mark ? put_mark(r, line) : 0, text + line->text, line->info);
    else
        put_text(r, text, n, 0);
    bool ended = r->at + n < r->n;
    if (ended)
        end_row(r);
    r->m->in_line = !ended;
    return n + ended;
}

static size_t code_line(reader *r, const markdown_line *line)
{
    set_hang(r, CODE_INDENT);
    put_blanks(r, CODE_INDENT + hang_within(r->out, line->indent) + line->pad);
    r->m->in_line = 1;
    return line->text;
}

static size_t text_line(reader *r, const markdown_line *line)
{
    size_t heading = line->kind == MARKDOWN_HEADING ? (size_t)line->level + 1 : 0;
    if (!r->style.color || line->begin + heading > line->text)
        heading = 0;
    set_hang(r, line->indent + line->mark);
    (void)put_mark(r, line);
    r->m->in_line = 1; /* only now: a row that begins with the indent begins with the line */
    r->m->heading = heading != 0;
    return line->begin + line->mark + heading;
}

/* Returns what was consumed; the line has begun when in_line is set. *wait: nothing can be told. */
static size_t line_begins(reader *r, bool *wait)
{
    if (r->text[r->at] == LIGHT_DIM || r->text[r->at] == LIGHT_FAULT)
        return own_line(r, wait);
    size_t end = line_end(r, r->at), n = end - r->at, used;
    markdown lines = r->m->lines;
    markdown_line line;
    *wait = !markdown_read(&lines, r->text + r->at, n, !must_wait(r, end), &line);
    if (*wait)
        return 0;
    if (line.kind == MARKDOWN_OPEN || line.kind == MARKDOWN_CLOSE)
        used = fence_line(r, &line, n);
    else
        used = line.kind == MARKDOWN_CODE ? code_line(r, &line) : text_line(r, &line);
    r->m->lines = lines;
    return used;
}

/* ---- inside a line ----------------------------------------------------------------------------- */

static size_t literal(reader *r, size_t n)
{
    put_text(r, r->text + r->at, n, look_now(r));
    return n;
}

/* The code span that may begin with the run of `length` backticks at `at`: 1 = there, 0 = not there,
 * -1 = cannot be told yet. */
static int find_span(const reader *r, size_t at, size_t length, markdown_span *out)
{
    uint64_t dead = 0;
    size_t far = at + length + FAR, seen = far + length < r->n ? far + length : r->n;
    const char *newline = memchr(r->text + at, '\n', seen - at);
    size_t n = newline ? (size_t)(newline - r->text) - at : seen - at;
    if (length > SPAN_MOST)
        return 0;
    if (markdown_code_span(r->text + at, n, &dead, out) && at + out->close < far)
        return must_wait(r, at + out->length) ? -1 : 1;
    return !newline && seen < far + length && r->ending != LIGHT_OVER ? -1 : 0;
}

/* Looks for the counterpart of `length` stars or underscores; ahead: where their inside begins. A
 * mark within code is none. 1, 0 or -1 as above. */
static int find_counterpart(const reader *r, size_t ahead, char c, size_t length)
{
    size_t at = ahead, stop = r->n - ahead > FAR ? ahead + FAR : r->n;
    while (at < stop && r->text[at] != '\n') {
        if (r->text[at] != c && r->text[at] != '`') {
            at++;
            continue;
        }
        size_t run = run_of(r, at, r->text[at]);
        if (r->text[at] == '`') {
            markdown_span span;
            int found = find_span(r, at, run, &span);
            if (found < 0)
                return -1;
            at += found ? span.length : run;
            continue;
        }
        bool inside = at > ahead && !is_space(r->text[at - 1]);
        bool ends = c != '_' || at + run == r->n || !markdown_word(r->text[at + run]);
        bool fits = run >= length && (length != 1 || run != 2);
        if (inside && ends && fits && !must_wait(r, at + run))
            return 1;
        at += run;
    }
    return at >= r->n && r->ending != LIGHT_OVER ? -1 : 0;
}

/* A run too long to be a mark. It may go on for ever, so it is not waited for. */
static size_t long_run(reader *r, size_t length)
{
    r->m->rest = (uint8_t)r->text[r->at];
    return literal(r, length);
}

static size_t backticks(reader *r, bool *wait)
{
    size_t length = run_of(r, r->at, '`');
    if (length > SPAN_MOST)
        return long_run(r, length);
    if (must_wait(r, r->at + length))
        return *wait = true, 0;
    if (r->m->code) {
        if (length != r->m->code)
            return literal(r, length);
        r->m->code = r->m->trim = 0;
        return length;
    }
    markdown_span span = {.begin = length};
    int found = find_span(r, r->at, length, &span);
    if (found < 0 && r->ending == LIGHT_MORE)
        return *wait = true, 0;
    if (!found)
        return literal(r, length);
    r->m->code = (uint8_t)length;
    r->m->trim = found > 0 && span.begin > length;
    return found > 0 ? span.begin : length;
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
    if (length > STARS_MOST)
        return long_run(r, length);
    if (must_wait(r, behind))
        return *wait = true, 0;
    bool half_closed = behind == r->n && r->ending == LIGHT_PREVIEW &&
                       (m->bold == (uint8_t)c || m->italic == (uint8_t)c);
    if (closes(r, c, length) || half_closed)
        return length;
    size_t longest = c == '_' ? 1 : STARS_MOST; /* "__init__" is a name */
    bool opens = length <= longest && (behind == r->n || !is_space(r->text[behind])) &&
                 (r->at == 0 || !markdown_word(r->text[r->at - 1])) && !((length & 2) && m->bold) &&
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
    if (r->m->lines.fence) {
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
    *m = (light_markdown){.lines = m->lines};
    return 1;
}

static size_t cluster(reader *r, bool *wait)
{
    int cells;
    size_t n = display_next_cluster(r->text + r->at, r->n - r->at, &cells);
    if (must_wait(r, r->at + n) && n < DISPLAY_CLUSTER - 4)
        return *wait = true, 0;
    put(r, r->text + r->at, n, (size_t)cells, look_now(r));
    if (r->m->lines.fence)
        r->failed = r->failed || wrap_break(r->out, r->err);
    return n;
}

static size_t inside_line(reader *r, bool *wait)
{
    char c = r->text[r->at];
    bool marks = r->style.color && !r->m->lines.fence;
    if (c == '\n')
        return newline(r);
    if (r->m->rest == (uint8_t)c)
        return literal(r, run_of(r, r->at, c));
    r->m->rest = 0;
    if (r->m->trim && c == ' ' && run_of(r, r->at + 1, '`') == r->m->code)
        return 1;
    if (markdown_blank(c))
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
