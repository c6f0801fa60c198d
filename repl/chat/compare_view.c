/* compare_view.c - see compare_view.h. */
#include "compare_view.h"

#include <stdlib.h>
#include <string.h>

#include "compare_report.h"

int compare_view_open(compare_view *v)
{
    int count = compare_columns(v->compare);
    if (!v->term)
        return 0;
    v->columns = calloc((size_t)count, sizeof *v->columns);
    if (!v->columns)
        return error_memory(v->err, "the columns");
    for (int i = 0; i < count; i++) {
        const compare_column *k = compare_column_at(v->compare, i);
        v->columns[i] = (view_column){
            .name = k->setup->name, .acts_by = compare_acts(k), .color = k->seat->color};
    }
    terminal_echo_off(v->term);
    return 0;
}

/* Opened by the first thing there is to show. */
static view *view_of(compare_view *v)
{
    if (!v->view && !v->failed)
        v->view = view_open(v->term, v->layout, v->layout == VIEW_FOCUS ? v->columns[0].name : NULL,
                            v->columns, compare_columns(v->compare), v->err);
    v->failed = v->failed || !v->view;
    return v->view;
}

static int percent(int done, int total)
{
    return (int)(100.0 * done / (total ? total : 1));
}

static void on_prefill(void *user, int done, int total)
{
    compare_view *v = user;
    if (!v->term)
        console_progress(v->con, "reading the prompt: %d %% of %d tokens", percent(done, total),
                         total);
    else if (view_of(v))
        view_prefill(v->view, done, total);
}

static void on_token(void *user, int column, const char *bytes, size_t len, bool thinking)
{
    compare_view *v = user;
    if (!v->term) {
        console_progress(v->con, "%s answers", compare_column_at(v->compare, column)->setup->name);
    } else if (view_of(v)) {
        view_token(v->view, column, bytes, len, thinking);
        view_tick(v->view);
    }
}

static void on_answer(void *user, int column, const turn_answer *a)
{
    compare_view *v = user;
    if (!v->term || !view_of(v))
        return;
    view_answer(v->view, column, pass_stop_name(a->stop), a->failure, (int)a->ids.len,
                a->tokens_per_second, a->seconds);
    view_tick(v->view);
}

/* The rows of the answers stay as they are. */
static void on_measure(void *user, int done, int total)
{
    compare_view *v = user;
    if (v->term && v->view) {
        if (view_settle(v->view, v->err))
            v->failed = true;
        view_close(v->view);
        v->view = NULL;
        terminal_echo_on(v->term);
        v->term = NULL;
    }
    console_progress(v->con, "reading the answers again: %d %%", percent(done, total));
}

compare_events compare_view_events(compare_view *v)
{
    return (compare_events){v, on_prefill, on_token, on_answer, on_measure};
}

int compare_view_close(compare_view *v)
{
    int result = v->view && view_settle(v->view, v->err) ? -1 : 0;
    view_close(v->view);
    if (v->term)
        terminal_echo_on(v->term);
    console_progress_end(v->con);
    free(v->columns);
    v->view = NULL;
    v->term = NULL;
    v->columns = NULL;
    return result || v->failed ? -1 : 0;
}
