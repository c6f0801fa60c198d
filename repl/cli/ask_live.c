/* ask_live.c - `ask` on a terminal: the columns of the conversation. See ask.h.
 *
 * Only text for a person moves: a pipe, --plain, TERM=dumb, --only and every other format get what they
 * always get. The terminal belongs to the view from the first thing that is shown to the end of the
 * merge; notes come before and after.
 */
#include <stdlib.h>
#include <string.h>

#include "../screen/human.h"
#include "ask.h"

static int fill_columns(ask *a)
{
    const model_config *m = engine_config(a->report.engine);
    for (int i = 0; i < roster_seats(a->roster); i++) {
        const seat *s = roster_seat(a->roster, i);
        live_column *c = &a->live[i];
        if (report_acts_by(s, &c->acts, a->err) ||
            (report_tells_experts(s->acts_by, s->asked_experts) &&
             report_experts(s->asked_experts, seat_least_allowed(s, m), &c->experts, a->err)))
            return -1;
        a->columns[i] = (view_column){
            .name = s->name, .acts_by = c->acts.v, .color = s->color, .experts = c->experts.v};
    }
    return 0;
}

int ask_live_open(ask *a)
{
    a->term = terminal_open(a->con, a->con->signals, a->opt->plain, a->err);
    if (!a->term)
        return -1;
    if (terminal_linear(a->term)) {
        terminal_close(a->term);
        a->term = NULL;
        return 0;
    }
    a->live = calloc((size_t)a->report.count + 1, sizeof *a->live);
    a->columns = calloc((size_t)a->report.count + 1, sizeof *a->columns);
    if (!a->live || !a->columns)
        return error_memory(a->err, "the columns");
    if (fill_columns(a))
        return -1;
    terminal_echo_off(a->term);
    return 0;
}

/* Opened by the first thing there is to show: what is refused leaves no columns. */
static view *view_of(ask *a)
{
    view_layout layout;
    (void)view_layout_parse(a->opt->view, &layout); /* one of its choices */
    const char *first = a->report.count ? a->columns[0].name : NULL;
    if (!a->view && !a->failed)
        a->view = view_open(a->term, layout, layout == VIEW_FOCUS ? first : NULL, a->columns,
                            roster_seats(a->roster), a->err);
    a->failed = a->failed || !a->view;
    return a->view;
}

void ask_live_prefill(ask *a, int done, int total)
{
    if (view_of(a))
        view_prefill(a->view, done, total);
}

void ask_live_token(ask *a, int pass, const char *bytes, size_t n, bool thinking)
{
    if (!view_of(a))
        return;
    view_token(a->view, pass, bytes, n, thinking);
    view_tick(a->view);
}

void ask_live_answer(ask *a, int pass)
{
    const turn_answer *k = a->report.answers[pass];
    if (!view_of(a))
        return;
    view_answer(a->view, pass, pass_stop_name(k->stop), k->failure, (int)k->ids.len,
                k->tokens_per_second, k->seconds);
    view_tick(a->view);
}

static const char *merging_name(const ask *a)
{
    return *a->joining ? a->joining : merge_name(a->merging);
}

void ask_live_joined(ask *a, int column)
{
    const turn_answer *k = a->report.answers[column];
    buf line = {0};
    char time[HUMAN_TEXT];
    if (!view_of(a))
        return;
    int winner = report_taken_from(k) ? dialogue_find(a->dialogue, report_taken_from(k)) : -1;
    view_merge_winner(a->view, winner < roster_seats(a->roster) ? winner : -1);
    bool there = a->merge_streamed || report_taken_from(k);
    if (buf_format(&line, a->err, "%s: ", k->name) ||
        report_joined_line(&a->report, k, &line, a->err) ||
        buf_format(&line, a->err, ", %s", human_seconds(time, k->seconds)) ||
        (k->failure && buf_format(&line, a->err, ": %s", k->failure)) ||
        view_merge(a->view, line.v, there ? NULL : k->text.v, k->text.len, a->err))
        a->failed = true;
    view_merge_next(a->view);
    a->merge_streamed = false;
    a->merge_tokens = 0;
    buf_release(&line);
}

void ask_live_merge(ask *a, int pass, const char *bytes, size_t n, bool thinking)
{
    if (!view_of(a))
        return;
    view_merge_progress(a->view, merging_name(a), a->merge_tokens);
    if (pass < 0 && !thinking && n) {
        view_merge_token(a->view, bytes, n);
        a->merge_streamed = true;
    }
    view_tick(a->view);
}

void ask_live_judge(ask *a, int done, int total)
{
    if (!view_of(a))
        return;
    view_merge_judge(a->view, merging_name(a), done, total);
    view_tick(a->view);
}

/* The seat that a vote chose; -1 = none. */
static int chosen_seat(const ask *a)
{
    const report *r = &a->report;
    for (int i = 0; report_stands_there(r) && i < roster_seats(a->roster); i++)
        if (strcmp(r->answers[i]->name, r->merge->by) == 0)
            return i;
    return -1;
}

int ask_live_finish(ask *a)
{
    const turn_merge *m = a->report.merge;
    buf line = {0};
    int result = view_of(a) ? view_settle(a->view, a->err) : -1;
    if (!result && m) {
        bool there = a->merge_streamed || report_stands_there(&a->report);
        view_merge_winner(a->view, chosen_seat(a));
        result = report_merge_line(&a->report, &line, a->err) ||
                         report_merge_seconds(&a->report, &line, a->err) ||
                         view_merge(a->view, line.v, there ? NULL : m->text.v, m->text.len, a->err)
                     ? -1
                     : 0;
    }
    if (!result && !m && a->report.unmerged)
        result = report_unmerged_line(&a->report, &line, a->err) ||
                         view_merge(a->view, line.v, NULL, 0, a->err)
                     ? -1
                     : 0;
    buf_release(&line);
    ask_live_close(a);
    return result;
}

void ask_live_close(ask *a)
{
    view_close(a->view);
    a->view = NULL;
    if (a->term)
        terminal_echo_on(a->term);
    terminal_close(a->term);
    a->term = NULL;
    for (int i = 0; a->live && i < a->report.count; i++) { /* as many as there is room for */
        buf_release(&a->live[i].acts);
        buf_release(&a->live[i].experts);
    }
    free(a->live);
    free(a->columns);
    a->live = NULL;
    a->columns = NULL;
}
