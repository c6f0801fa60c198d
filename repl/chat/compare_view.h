/* compare_view.h - columns of a comparison while they answer, on a terminal or as a line of progress.
 *
 * The columns are those of a conversation (view.h). Where nothing moves, standard error tells how far it
 * is, if it may.
 */
#ifndef REPL_COMPARE_VIEW_H
#define REPL_COMPARE_VIEW_H

#include "../../personas/compare/compare.h"
#include "../screen/view.h"

typedef struct compare_view {
    const compare *compare;
    console *con;
    terminal *term; /* NULL: nothing moves */
    view_layout layout;
    error *err;
    view *view;
    view_column *columns; /* [columns of the comparison] */
    bool failed;          /* *err is filled */
} compare_view;

/* v->compare, con, term, layout and err are set. compare_view_close in any case. */
int compare_view_open(compare_view *v);
/* What a comparison is to tell it; v must outlive the asking. */
compare_events compare_view_events(compare_view *v);
/* What is on the screen goes to the scrollback. -1 with *v->err when anything could not be shown. */
int compare_view_close(compare_view *v);

#endif
