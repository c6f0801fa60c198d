/* view_linear.c - answers one after another, whole, where nothing may move. See view_state.h.
 *
 * No sequence is ever written here. A pipe gets the text as it is; on a terminal its lines end between
 * words.
 */
#include <stdint.h>
#include <string.h>

#include "view_state.h"

/* The column's text; lines of our own lose the byte that marks them. */
static int add_column_text(const column_text *f, buf *out, error *err)
{
    size_t before = out->len;
    for (size_t i = 0; i < f->text.len; i++)
        if (f->text.v[i] != LIGHT_DIM && f->text.v[i] != LIGHT_FAULT &&
            buf_add(out, f->text.v + i, 1, err))
            return -1;
    return out->len > before ? buf_text(out, "\n", err) : 0;
}

static int add_heading(const view *v, const column *c, buf *out, error *err)
{
    if (buf_add(out, c->name.v, c->name.len, err) || buf_text(out, " (", err))
        return -1;
    if (c->acts_by.len &&
        (buf_add(out, c->acts_by.v, c->acts_by.len, err) || buf_text(out, ", ", err)))
        return -1;
    if (c->experts.len &&
        (buf_add(out, c->experts.v, c->experts.len, err) || buf_text(out, ", ", err)))
        return -1;
    return view_figures(v, c, SIZE_MAX, out, err) || buf_text(out, ")\n", err) ? -1 : 0;
}

static int write_answer(view *v, const column *c, error *err)
{
    buf out = {0};
    int result = (v->written && buf_text(&out, "\n", err)) || add_heading(v, c, &out, err) ||
                 add_column_text(&c->body, &out, err) || terminal_write_folded(v->t, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}

int view_linear_answers(view *v, bool all, error *err)
{
    while (v->written < v->count && (all || v->columns[v->written].complete)) {
        if (write_answer(v, &v->columns[v->written], err))
            return -1;
        v->written++;
    }
    return 0;
}

int view_linear_merge(view *v, const char *line, error *err)
{
    buf out = {0};
    int result = buf_text(&out, "\n", err) || buf_text(&out, line, err) ||
                 buf_text(&out, "\n", err) || add_column_text(&v->merge.body, &out, err) ||
                 terminal_write_folded(v->t, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}
