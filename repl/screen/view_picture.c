/* view_picture.c - the pictures below growing answers: see view_pictures() in view.h.
 *
 * They are rows of the open section, between its texts and its foot, so they move with the window and
 * become final with the section's last row. Their height follows the terminal's: a third of it at most,
 * and none where that leaves no line. A picture is as wide as its column's text.
 */
#include "display_width.h"
#include "view_state.h"

enum { LINES_MOST = 12, LINES_LEAST = 2 };

/* Cells of the i-th member, and the first of them. */
static size_t cells_of(const view *v, int i, size_t *start)
{
    size_t width;
    view_span(v, v->section.count, i, start, &width);
    return width > 3 ? width - 2 : 1;
}

/* That of the i-th member, in the room that it has now. */
static heatmap map_of(const view *v, int i, int high)
{
    size_t start;
    const view_picture *p = &v->pictures[v->section.members[i] - v->columns];
    heatmap h = p->map;
    h.wide = (int)cells_of(v, i, &start);
    h.high = high;
    h.style = heatmap_style(v->style.color, v->style.utf8);
    return h;
}

static int most_lines(const view *v, int high)
{
    int most = 0;
    for (int i = 0; i < v->section.count; i++) {
        heatmap h = map_of(v, i, high);
        int lines = heatmap_lines(&h);
        most = lines > most ? lines : most;
    }
    return most;
}

static int room_of(const view *v)
{
    int high = terminal_rows(v->t) / 3 - 1;
    high = high > LINES_MOST ? LINES_MOST : high;
    return high < LINES_LEAST ? 0 : high;
}

size_t view_picture_rows(const view *v)
{
    int high = room_of(v);
    if (!v->pictures || !high || v->section.kind == SECTION_MERGE || !v->section.count)
        return 0;
    return (size_t)most_lines(v, high) + 1;
}

static int caption(const view *v, int i, size_t cells, buf *row, error *err)
{
    size_t used;
    const buf *text = &v->pictures[v->section.members[i] - v->columns].caption;
    return buf_text(row, view_sgr(v, "\033[2m"), err) ||
                   display_fit(row, text->v, text->len, cells, v->style.utf8, &used, err) ||
                   buf_text(row, view_sgr(v, "\033[0m"), err)
               ? -1
               : 0;
}

int view_picture_row(const view *v, size_t r, buf *row, error *err)
{
    text_writer w = {.out = row, .err = err};
    for (int i = 0; i < v->section.count; i++) {
        size_t start, cells = cells_of(v, i, &start);
        heatmap h = map_of(v, i, room_of(v));
        if ((i && view_separate(v, start, row, err)) || buf_text(row, " ", err))
            return -1;
        if (!r && caption(v, i, cells, row, err))
            return -1;
        if (r && (int)r <= heatmap_lines(&h))
            heatmap_line(&h, (int)r - 1, &w);
    }
    return w.failed ? -1 : 0;
}
