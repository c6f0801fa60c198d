/* view_rows.c - the rows of a section, as text for the screen. See view_state.h.
 *
 * A column is reached by its number (CSI n G), not by counting blanks, and what is to its right is
 * erased first: however wide the terminal thinks that a character is, the next column begins where it
 * should.
 */
#include <string.h>

#include "display_width.h"
#include "view_state.h"

static int go_to(buf *row, size_t cell, error *err)
{
    return buf_format(row, err, "\033[%zuG", cell + 1);
}

static int dim(const view *v, buf *row, const char *text, size_t count, error *err)
{
    if (!count)
        return 0;
    if (buf_text(row, view_sgr(v, "\033[2m"), err) || display_repeat(row, text, count, err))
        return -1;
    return buf_text(row, view_sgr(v, "\033[0m"), err);
}

int view_separate(const view *v, size_t start, buf *row, error *err)
{
    if (buf_text(row, "\033[K", err) || go_to(row, start - 1, err))
        return -1;
    return dim(v, row, v->style.utf8 ? "│" : "|", 1, err);
}

int view_names_row(const view *v, buf *row, error *err)
{
    for (int i = 0; i < v->section.count; i++) {
        size_t start, width, used;
        view_span(v, v->section.count, i, &start, &width);
        if ((i && view_separate(v, start, row, err)) || buf_text(row, " ", err) ||
            view_title(v, v->section.members[i], width - 2, row, &used, err))
            return -1;
    }
    return 0;
}

int view_winner_row(const view *v, buf *row, error *err)
{
    size_t start, width, used;
    const column *c = &v->columns[v->winner];
    view_span(v, v->count, v->winner, &start, &width);
    if (buf_text(row, "\033[K", err) || go_to(row, start + 1, err) ||
        buf_text(row, view_sgr(v, "\033[1m"), err) || buf_text(row, view_sgr(v, c->color), err) ||
        buf_text(row, terminal_star(v->t), err) ||
        display_fit(row, c->name.v, c->name.len, width > 5 ? width - 4 : 1, v->style.utf8, &used,
                    err))
        return -1;
    return buf_text(row, view_sgr(v, "\033[0m"), err);
}

static const char *joint_of(const view *v, int joint)
{
    if (!v->style.utf8)
        return "+";
    return joint > 0 ? "┼" : "┴";
}

int view_rule_row(const view *v, bool figures, int joint, buf *row, error *err)
{
    for (int i = 0; i < v->section.count; i++) {
        size_t start, width, used = 0;
        view_span(v, v->section.count, i, &start, &width);
        if (i && dim(v, row, joint ? joint_of(v, joint) : view_dash(v), 1, err))
            return -1;
        if (figures) {
            if (buf_text(row, " ", err) ||
                view_figures_fit(v, v->section.members[i], width - 3, row, &used, err) ||
                buf_text(row, " ", err))
                return -1;
            used += 2;
        }
        if (dim(v, row, view_dash(v), width - used, err))
            return -1;
    }
    return 0;
}

/* "─ coder  mask ─ 48 tok · 39 t/s · 1.2 s ──────" */
static int titled_rule(const view *v, bool figures, buf *row, error *err)
{
    size_t room = view_width(v), used, more = 0;
    const column *c = v->section.members[0];
    size_t title = room > 60 ? room - 46 : room / 2;
    if (buf_text(row, " ", err) || view_title(v, c, title, row, &used, err) ||
        buf_text(row, " ", err))
        return -1;
    used += 2;
    if (figures) {
        if (dim(v, row, view_dash(v), 1, err) || buf_text(row, " ", err) ||
            view_figures_fit(v, c, room - used - 4, row, &more, err) || buf_text(row, " ", err))
            return -1;
        used += more + 3;
    }
    return dim(v, row, view_dash(v), room - used, err);
}

/* What a merge is, or is about to be. */
static int merge_row(const view *v, bool figures, buf *row, error *err)
{
    const column *c = &v->merge;
    size_t used;
    if (c->complete)
        return buf_text(row, " ", err) || display_fit(row, v->merge_line.v, v->merge_line.len,
                                                      view_width(v) - 1, v->style.utf8, &used, err)
                   ? -1
                   : 0;
    if (buf_text(row, " ", err) || view_title(v, c, view_width(v) / 2, row, &used, err))
        return -1;
    if (!figures)
        return 0;
    if (buf_text(row, "  ", err))
        return -1;
    return view_figures_fit(v, c, view_width(v) - used - 3, row, &used, err);
}

int view_head_row(const view *v, bool figures, buf *row, error *err)
{
    switch (v->section.kind) {
    case SECTION_COLUMNS:
        return view_rule_row(v, figures, 1, row, err);
    case SECTION_MERGE:
        return merge_row(v, figures, row, err);
    default:
        return titled_rule(v, figures, row, err);
    }
}

int view_status_row(const view *v, const column *c, buf *row, error *err)
{
    size_t used, room = view_width(v) - 1;
    if (buf_text(row, " ", err) || view_title(v, c, room / 2, row, &used, err) ||
        buf_text(row, "  ", err))
        return -1;
    return view_figures_fit(v, c, room - used - 2, row, &used, err);
}

/* The text of one row, with what its disputed clusters need: `from` is its first cell. */
static int put_text(const wrap_row *text, size_t from, buf *row, error *err)
{
    const char *at = text->text, *end = at + text->len;
    while (at < end) {
        const char *mark = memchr(at, WRAP_ANCHOR, (size_t)(end - at));
        if (buf_add(row, at, (size_t)((mark ? mark : end) - at), err))
            return -1;
        if (!mark)
            return 0;
        if (go_to(row, from + wrap_anchor_cells(mark + 1), err))
            return -1;
        at = mark + 3;
    }
    return 0;
}

/* A block where the next word will appear. */
static int put_cursor(const view *v, const column *c, size_t r, size_t cells, size_t width,
                      buf *row, error *err)
{
    const column_text *f = &c->body;
    bool here =
        !f->over && c->tokens && !c->thinking && r + 1 == column_text_rows(f) && cells < width;
    if (!here || !v->style.color || !v->style.utf8)
        return 0;
    return buf_text(row, c->color, err) || buf_text(row, "▌\033[0m", err) ? -1 : 0;
}

int view_body_row(const view *v, size_t r, buf *row, error *err)
{
    for (int i = 0; i < v->section.count; i++) {
        size_t start, width;
        const column *c = v->section.members[i];
        const wrap_row *text = column_text_row(&c->body, r);
        view_span(v, v->section.count, i, &start, &width);
        if (i && view_separate(v, start, row, err))
            return -1;
        if (!text)
            continue;
        if (buf_text(row, " ", err) || put_text(text, start + 1, row, err) ||
            put_cursor(v, c, r, text->cells, width - 2, row, err))
            return -1;
    }
    return 0;
}
