/* column_text.c - see column_text.h.
 *
 * Bytes pass safe_text and are appended to `text`. An update reads from `read` on: first
 * for good, into `rows`, as far as light_markdown can decide; then the rest with copies of
 * the reader's and the wrap's state, into `tail`, which the next update throws away. The
 * tail is short, so this costs the same however long the answer is. A count of thoughts is
 * put behind the text for the tail and taken off again; it stays when the thought is over.
 *
 * Another width drops the final rows that were not shown yet, goes back to the place in
 * `text` where the first of them began, and reads from there.
 */
#include "column_text.h"

#include <string.h>

void column_text_open(column_text *f, light_style style)
{
    *f = (column_text){
        .style = style, .safe = {.style = SAFE_PROSE, .ascii = style.ascii}, .width = 80};
    wrap_begin(&f->wrap, f->width, &f->rows);
}

void column_text_release(column_text *f)
{
    buf_release(&f->text);
    wrap_release(&f->wrap);
    wrap_release(&f->wrap_tail);
    wrap_rows_release(&f->rows);
    wrap_rows_release(&f->tail);
}

/* ---- text -------------------------------------------------------------------------------------- */

static int begin_line(column_text *f, error *err)
{
    return f->text.len && f->text.v[f->text.len - 1] != '\n' ? buf_text(&f->text, "\n", err) : 0;
}

static int thought_row(buf *out, int tokens, error *err)
{
    return buf_format(out, err, "%cthinking, %d token%s\n", LIGHT_DIM, tokens,
                      tokens == 1 ? "" : "s");
}

static int end_thought(column_text *f, error *err)
{
    int tokens = f->thoughts;
    f->thoughts = 0;
    return tokens && (begin_line(f, err) || thought_row(&f->text, tokens, err)) ? -1 : 0;
}

/* CR LF and CR end a line, as they do in the exports. */
static int add_lines(column_text *f, const char *bytes, size_t n, error *err)
{
    while (n) {
        bool second = f->behind_cr && *bytes == '\n';
        const char *cr = second ? NULL : memchr(bytes, '\r', n);
        size_t run = second ? 0 : cr ? (size_t)(cr - bytes) : n;
        if (safe_text_add(&f->safe, bytes, run, &f->text, err) ||
            (cr && safe_text_add(&f->safe, "\n", 1, &f->text, err)))
            return -1;
        f->behind_cr = cr != NULL;
        run += second || cr;
        bytes += run;
        n -= run;
    }
    return 0;
}

int column_text_add(column_text *f, const char *bytes, size_t n, error *err)
{
    if (end_thought(f, err))
        return -1;
    for (; !f->begun && n && (*bytes == '\n' || *bytes == '\r'); bytes++)
        n--; /* blank lines before the first say nothing */
    f->begun = f->begun || n;
    return add_lines(f, bytes, n, err);
}

int column_text_think(column_text *f, error *err)
{
    f->thoughts++;
    f->begun = false;
    return safe_text_end(&f->safe, &f->text, err);
}

static void strip_trailing(buf *text, size_t least)
{
    while (text->len > least && strchr(" \t\n", text->v[text->len - 1]))
        text->v[--text->len] = '\0';
}

int column_text_end(column_text *f, const char *fault, error *err)
{
    if (f->over)
        return 0;
    if (safe_text_end(&f->safe, &f->text, err) || end_thought(f, err))
        return -1;
    strip_trailing(&f->text, f->read);
    if (fault && *fault) {
        char lead[2] = {LIGHT_FAULT, '\0'};
        if (begin_line(f, err) || buf_text(&f->text, lead, err) ||
            safe_text_copy(&f->text, SAFE_LINE, false, fault, strlen(fault), err))
            return -1;
    }
    f->over = true;
    return 0;
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* Newlines at the end wait for what follows: at the end of an answer they are no rows. */
static size_t readable(const column_text *f)
{
    size_t n = f->text.len;
    while (!f->over && n > f->read && f->text.v[n - 1] == '\n')
        n--;
    return n;
}

static int settle(column_text *f, error *err)
{
    light_ending ending = f->over ? LIGHT_OVER : LIGHT_MORE;
    size_t n = readable(f);
    if (n > f->read &&
        light_markdown_read(&f->md, f->style, f->text.v, n, ending, &f->read, &f->wrap, err))
        return -1;
    return f->over ? wrap_end(&f->wrap, err) : 0;
}

static int make_tail(column_text *f, error *err)
{
    light_markdown md = f->md;
    size_t used = f->read, length = f->text.len;
    wrap_rows_drop(&f->tail, f->tail.count);
    if (f->over)
        return 0;
    if (f->thoughts && (begin_line(f, err) || thought_row(&f->text, f->thoughts, err)))
        return -1;
    size_t n = readable(f);
    int result = wrap_copy(&f->wrap_tail, &f->wrap, &f->tail, err) ||
                         (n > used && light_markdown_read(&md, f->style, f->text.v, n,
                                                          LIGHT_PREVIEW, &used, &f->wrap_tail, err))
                     ? -1
                     : wrap_end(&f->wrap_tail, err);
    if (f->thoughts) {
        f->text.len = length; /* the next token will have another number */
        f->text.v[length] = '\0';
    }
    return result;
}

int column_text_update(column_text *f, error *err)
{
    return settle(f, err) || make_tail(f, err) ? -1 : 0;
}

int column_text_set_width(column_text *f, size_t width, error *err)
{
    if (width == f->width)
        return 0;
    wrap_place next = light_markdown_place(&f->md, f->read);
    wrap_place from = f->rows.count ? f->rows.v[0].place : wrap_unfinished(&f->wrap, next);
    wrap_rows_drop(&f->rows, f->rows.count);
    f->width = width;
    f->md = light_markdown_at(&from);
    f->read = from.offset;
    wrap_begin(&f->wrap, width, &f->rows);
    if (f->over && f->read == f->text.len)
        return 0;
    return light_markdown_resume(&f->md, f->style, f->read, &f->wrap, err);
}

size_t column_text_rows(const column_text *f)
{
    return f->rows.count + f->tail.count;
}

const wrap_row *column_text_row(const column_text *f, size_t i)
{
    if (i < f->rows.count)
        return &f->rows.v[i];
    return i - f->rows.count < f->tail.count ? &f->tail.v[i - f->rows.count] : NULL;
}

void column_text_shown(column_text *f, size_t rows)
{
    wrap_rows_drop(&f->rows, rows < f->rows.count ? rows : f->rows.count);
}
