/* wrap.c - see wrap.h.
 *
 * A word gathers clusters with their attributes until a blank or a break places it: behind
 * the blanks of the open row, or, when it does not fit, on a new row that begins with the
 * line's hang. A word longer than any row is cut where the row ends, and a wide cluster is
 * a word by itself. `row` and `word` each know the attributes that are set at their end, so
 * SGR sequences are written only where they change, and a row that is closed sets them
 * back.
 */
#include "wrap.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "display_width.h"

/* ---- rows -------------------------------------------------------------------------------------- */

static int rows_add(wrap_rows *r, wrap_place place, buf *text, size_t cells, error *err)
{
    wrap_row *v = array_room(r->v, r->count, &r->cap, sizeof *v, "rows of text", err);
    if (!v)
        return -1;
    r->v = v;
    char *copy = malloc(text->len + 1);
    if (!copy)
        return error_memory(err, "a row of text");
    if (text->len)
        memcpy(copy, text->v, text->len);
    copy[text->len] = '\0';
    r->v[r->count++] = (wrap_row){place, copy, text->len, cells};
    return 0;
}

void wrap_rows_drop(wrap_rows *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(r->v[i].text);
    r->count -= count;
    if (count && r->count)
        memmove(r->v, r->v + count, r->count * sizeof *r->v);
}

void wrap_rows_release(wrap_rows *r)
{
    wrap_rows_drop(r, r->count);
    free(r->v);
    *r = (wrap_rows){0};
}

/* ---- attributes ------------------------------------------------------------------------------------- */

static int add_attributes(buf *out, unsigned attributes, error *err)
{
    static const struct {
        unsigned bit;
        const char *code;
    } codes[] = {{ATTRIBUTE_BOLD, ";1"},
                 {ATTRIBUTE_DIM, ";2"},
                 {ATTRIBUTE_ITALIC, ";3"},
                 {ATTRIBUTE_CODE, ";36"},
                 {ATTRIBUTE_FAULT, ";31"}};
    if (!attributes)
        return 0;
    if (buf_text(out, "\033[0", err))
        return -1;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (attributes & codes[i].bit && buf_text(out, codes[i].code, err))
            return -1;
    return buf_text(out, "m", err);
}

static int change_attributes(buf *out, unsigned *now, unsigned wanted, error *err)
{
    if (*now == wanted)
        return 0;
    *now = wanted;
    return wanted ? add_attributes(out, wanted, err) : buf_text(out, "\033[0m", err);
}

/* ---- one row ----------------------------------------------------------------------------------- */

void wrap_begin(wrap *w, size_t width, wrap_rows *out)
{
    buf row = w->row, word = w->word;
    buf_clear(&row);
    buf_clear(&word);
    *w = (wrap){.width = width, .row = row, .word = word, .out = out};
}

void wrap_release(wrap *w)
{
    buf_release(&w->row);
    buf_release(&w->word);
}

int wrap_copy(wrap *to, const wrap *from, wrap_rows *out, error *err)
{
    buf row = to->row, word = to->word;
    *to = *from;
    to->row = row;
    to->word = word;
    to->out = out;
    buf_clear(&to->row);
    buf_clear(&to->word);
    if (buf_add(&to->row, from->row.v, from->row.len, err))
        return -1;
    return buf_add(&to->word, from->word.v, from->word.len, err);
}

static void open_row(wrap *w, wrap_place at)
{
    if (!w->row_open)
        w->row_place = at;
    w->row_open = true;
}

static int close_row(wrap *w, error *err)
{
    if (change_attributes(&w->row, &w->row_attributes, 0, err) ||
        rows_add(w->out, w->row_place, &w->row, w->row_cells, err))
        return -1;
    buf_clear(&w->row);
    w->row_cells = w->blanks = 0;
    w->row_open = w->filled = false;
    return 0;
}

int wrap_resume(wrap *w, wrap_place at, error *err)
{
    open_row(w, at);
    size_t marked = w->mark && w->hang ? 1 : 0;
    if (marked &&
        (change_attributes(&w->row, &w->row_attributes, w->mark_attributes, err) ||
         buf_text(&w->row, w->mark, err) || change_attributes(&w->row, &w->row_attributes, 0, err)))
        return -1;
    w->row_cells = w->hang;
    return display_repeat(&w->row, " ", w->hang - marked, err);
}

static int put_blanks(wrap *w, error *err)
{
    if (display_repeat(&w->row, " ", w->blanks, err))
        return -1;
    w->row_cells += w->blanks;
    w->blanks = 0;
    return 0;
}

/* The word moves to the row, or to a new one when it does not fit behind the blanks. */
static int place_word(wrap *w, error *err)
{
    if (w->filled && w->row_cells + w->blanks + w->word_cells > w->width &&
        (close_row(w, err) || wrap_resume(w, w->word_place, err)))
        return -1;
    if (put_blanks(w, err) || change_attributes(&w->row, &w->row_attributes, w->word_first, err) ||
        buf_add(&w->row, w->word.v, w->word.len, err))
        return -1;
    w->row_attributes = w->word_attributes;
    w->row_cells += w->word_cells;
    w->filled = w->filled || w->word_cells;
    buf_clear(&w->word);
    w->word_cells = 0;
    return 0;
}

int wrap_break(wrap *w, error *err)
{
    return w->word.len ? place_word(w, err) : 0;
}

/* A word that would not fit into any row is cut where the row ends. */
static bool fills_row(const wrap *w, size_t cells)
{
    size_t start = w->filled ? w->hang : w->row_cells + w->blanks;
    return w->word_cells && start + w->word_cells + cells > w->width;
}

static int anchor(wrap *w, error *err)
{
    char mark[3] = {WRAP_ANCHOR, (char)(' ' + w->row_cells / 90), (char)(' ' + w->row_cells % 90)};
    return w->row_cells < 90 * 90 ? buf_add(&w->row, mark, sizeof mark, err) : 0;
}

size_t wrap_anchor_cells(const char *two)
{
    return (size_t)(two[0] - ' ') * 90 + (size_t)(two[1] - ' ');
}

int wrap_put(wrap *w, const char *cluster, size_t n, size_t cells, unsigned attributes,
             wrap_place at, error *err)
{
    bool disputed = cells == 2 && display_disputed(cluster, n);
    if ((cells == 2 || fills_row(w, cells)) && wrap_break(w, err))
        return -1;
    if (!w->word.len) {
        w->word_place = at;
        w->word_first = w->word_attributes = attributes;
        open_row(w, at);
    }
    if (change_attributes(&w->word, &w->word_attributes, attributes, err) ||
        buf_add(&w->word, cluster, n, err))
        return -1;
    w->word_cells += cells;
    if (cells == 2 && wrap_break(w, err))
        return -1;
    return disputed ? anchor(w, err) : 0;
}

int wrap_blank(wrap *w, wrap_place at, error *err)
{
    if (wrap_break(w, err))
        return -1;
    open_row(w, at);
    if (!w->filled && w->row_cells + w->blanks + 1 >= w->width)
        return 0; /* an indent as wide as the row leaves no room for words */
    w->blanks++;
    return 0;
}

int wrap_line(wrap *w, wrap_place at, error *err)
{
    if (wrap_break(w, err))
        return -1;
    open_row(w, at);
    w->hang = 0;
    w->mark = NULL;
    return close_row(w, err);
}

int wrap_end(wrap *w, error *err)
{
    if (wrap_break(w, err))
        return -1;
    return w->row_open ? close_row(w, err) : 0;
}

wrap_place wrap_unfinished(const wrap *w, wrap_place next)
{
    return w->row_open ? w->row_place : w->word.len ? w->word_place : next;
}
