/* live_window.c - see live_window.h.
 *
 * A frame is painted top down with a pen that knows the cursor's row in the window: a row
 * equal to the one that stands there is skipped, the others are written over and cleared to
 * their end, rows too many are erased below, and the cursor goes to the first live row,
 * where it rests. Moving below the last row of the window is done by newlines, since only
 * they scroll; so that is how final rows get into the scrollback. Then the live rows are
 * kept for the next comparison. A frame in which nothing differs writes nothing at all.
 */
#include "live_window.h"

#include <stdlib.h>
#include <string.h>

/* Without autowrap for as long: in a terminal that was made narrower a moment ago and has not said so
 * yet, a row that became too long must still be one row. */
#define FRAME_BEGIN "\033[?2026h\033[?7l"
#define FRAME_END   "\033[?7h\033[?2026l"

/* ---- frames ------------------------------------------------------------------------------------ */

static int reserve_rows(buf **rows, size_t *cap, size_t count, error *err)
{
    if (count <= *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 32;
    more = more < count ? count : more;
    buf *v = realloc(*rows, more * sizeof *v);
    if (!v)
        return error_memory(err, "rows of the screen");
    memset(v + *cap, 0, (more - *cap) * sizeof *v);
    *rows = v;
    *cap = more;
    return 0;
}

static void release_rows(buf *rows, size_t cap)
{
    for (size_t i = 0; i < cap; i++)
        buf_release(&rows[i]);
    free(rows);
}

buf *live_frame_row(live_frame *f, error *err)
{
    if (reserve_rows(&f->rows, &f->cap, f->count + 1, err))
        return NULL;
    buf *row = &f->rows[f->count++];
    buf_clear(row);
    return row;
}

void live_frame_clear(live_frame *f)
{
    f->count = f->final = 0;
    buf_clear(&f->above);
}

void live_frame_release(live_frame *f)
{
    release_rows(f->rows, f->cap);
    buf_release(&f->above);
    *f = (live_frame){0};
}

/* ---- the window -------------------------------------------------------------------------------- */

void live_window_open(live_window *w, terminal *t)
{
    *w = (live_window){.t = t, .resized = console_seconds() - 60};
}

void live_window_release(live_window *w)
{
    release_rows(w->shown, w->cap);
    buf_release(&w->out);
}

static size_t screen_rows(const live_window *w)
{
    return (size_t)terminal_rows(w->t);
}

bool live_window_reaches(const live_window *w, size_t at, size_t rows)
{
    return at >= w->floor && at < w->passed && w->passed - at + rows <= screen_rows(w);
}

void live_window_resized(live_window *w)
{
    w->count = 0;
    w->erase = true;
    w->floor = w->passed;
    w->resized = console_seconds();
}

int live_window_hide(live_window *w, error *err)
{
    bool drawn = w->count || w->erase;
    live_window_resized(w);
    if (!drawn)
        return 0;
    w->erase = false;
    return buf_text(&w->out, "\033[J", err) || terminal_write(w->t, &w->out, err) ? -1 : 0;
}

/* Where the cursor is while a frame is written. */
typedef struct pen {
    live_window *w;
    buf *out;
    error *err;
    size_t row, rows; /* from the window's first; how many there are on the screen */
} pen;

static int go(pen *p, size_t row)
{
    if (row < p->row && buf_format(p->out, p->err, "\r\033[%zuA", p->row - row))
        return -1;
    size_t down = row < p->rows ? row : p->rows - 1;
    if (down > p->row && buf_format(p->out, p->err, "\r\033[%zuB", down - p->row))
        return -1;
    for (; p->rows <= row; p->rows++) /* a row that is not there yet: the screen may scroll */
        if (buf_text(p->out, "\r\n", p->err))
            return -1;
    p->row = row;
    return 0;
}

static bool same(const buf *a, const buf *b)
{
    return a->len == b->len && (!a->len || memcmp(a->v, b->v, a->len) == 0);
}

static int write_row(pen *p, size_t row, const buf *text)
{
    if (go(p, row) || buf_text(p->out, "\r", p->err) || buf_add(p->out, text->v, text->len, p->err))
        return -1;
    return buf_text(p->out, "\033[K", p->err);
}

static int write_above(pen *p, const live_frame *f)
{
    if (!f->above.len || !live_window_reaches(p->w, f->above_at, p->rows))
        return 0;
    size_t up = p->w->passed - f->above_at;
    if (buf_format(p->out, p->err, "\033[%zuA", up) ||
        buf_add(p->out, f->above.v, f->above.len, p->err))
        return -1;
    return buf_format(p->out, p->err, "\033[K\r\033[%zuB", up);
}

/* Live rows that do not fit on the screen are left out, the upper ones first. While somebody changes
 * its size the window keeps to half of it: a terminal that folds long rows when it becomes narrower
 * then still has the cursor's row on the screen, and not in its scrollback. */
static size_t hidden_rows(const live_window *w, const live_frame *f)
{
    bool restless = console_seconds() - w->resized < 10;
    size_t live = f->count - f->final, screen = screen_rows(w);
    size_t most = restless ? screen / 2 : screen - 1;
    most = most ? most : 1;
    return live > most ? live - most : 0;
}

static int keep_shown(live_window *w, const live_frame *f, size_t hidden, error *err)
{
    size_t live = f->count - f->final - hidden;
    if (reserve_rows(&w->shown, &w->cap, live, err))
        return -1;
    for (size_t i = 0; i < live; i++) {
        const buf *row = &f->rows[f->final + hidden + i];
        buf_clear(&w->shown[i]);
        if (buf_add(&w->shown[i], row->v, row->len, err))
            return -1;
    }
    w->count = live;
    w->passed += f->final;
    return 0;
}

static int write_frame(pen *p, const live_frame *f, size_t hidden)
{
    live_window *w = p->w;
    size_t total = f->count - hidden;
    for (size_t i = 0; i < total; i++) {
        const buf *row = &f->rows[i < f->final ? i : i + hidden];
        if (!(i < w->count && same(row, &w->shown[i])) && write_row(p, i, row))
            return -1;
    }
    if (total < w->count && (go(p, total) || buf_text(p->out, "\r\033[J", p->err)))
        return -1;
    return 0;
}

int live_window_paint(live_window *w, const live_frame *f, error *err)
{
    size_t hidden = hidden_rows(w, f);
    buf *out = &w->out;
    pen p = {w, out, err, 0, w->count ? w->count : 1};
    buf_clear(out);
    if (buf_text(out, FRAME_BEGIN, err) || (w->erase && buf_text(out, "\r\033[J", err)))
        return -1;
    w->erase = false;
    size_t begun = out->len;
    if (write_above(&p, f) || write_frame(&p, f, hidden))
        return -1;
    if (p.row != f->final || f->final >= p.rows || out->len != begun)
        if (go(&p, f->final) || buf_text(out, "\r", err))
            return -1;
    if (keep_shown(w, f, hidden, err))
        return -1;
    if (out->len == begun) {
        buf_clear(out);
        return 0;
    }
    return buf_text(out, FRAME_END, err) || terminal_write(w->t, out, err) ? -1 : 0;
}
