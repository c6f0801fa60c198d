/* view_widths.c - how wide columns are: which stand side by side, and where each begins. */
#include "view_state.h"

enum {
    COLUMN_CELLS = 32, /* a column that is chosen for the user has so many: three in 98 */
    COLUMN_LEAST = 16, /* one that the user asked for may have so few */
};

size_t view_width(const view *v)
{
    return (size_t)terminal_columns(v->t) - 1; /* a full last cell means "wrap soon" to terminals */
}

/* All columns count, also those that were shown: a stack stays a stack to its last answer. */
bool view_columns_fit(const view *v)
{
    size_t n = (size_t)v->count, room = view_width(v) + 1;
    size_t least = v->layout == VIEW_COLS ? COLUMN_LEAST : COLUMN_CELLS;
    return room >= n * least + n - 1;
}

/* A line stands between two; what is left over makes the first ones a cell wider. */
void view_span(const view *v, int count, int i, size_t *start, size_t *width)
{
    size_t n = (size_t)count, room = view_width(v) - (n - 1);
    size_t each = room / n, wider = room % n, at = (size_t)i;
    *start = at * (each + 1) + (at < wider ? at : wider);
    *width = each + (at < wider);
}
