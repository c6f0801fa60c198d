/* talk_debate.c - the rounds of a debate on the screen. See talk_exchange.h.
 *
 * A round is shown as answers are: in columns that grow. It begins with the first token behind the
 * last round's end; its view takes the place of the one before, which is final by then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk_exchange.h"

static bool takes_part(const exchange *x, const seat *s)
{
    const merge_request *w = x->group ? NULL : x->request;
    const dialogue *d = x->talk->dialogue;
    const struct turn *turn = dialogue_last(d);
    int group = x->group ? dialogue_find(d, x->group->name) - roster_seats(dialogue_roster(d)) : -1;
    for (int i = 0; w && w->of && i < w->count; i++)
        if (strcmp(w->of[i], s->name) == 0)
            return true;
    return (!w || !w->of) && s->group == group && !seat_is_control(s) &&
           turn_answer_of(turn, s->name);
}

static view *open_round(exchange *x, view_column *columns, error *err)
{
    talk *t = x->talk;
    const roster *r = dialogue_roster(t->dialogue);
    int count = 0;
    (void)snprintf(x->round_name, sizeof x->round_name, "round %d", x->round);
    for (int i = 0; i < roster_seats(r); i++) {
        const seat *s = roster_seat(r, i);
        x->revised[i] = false;
        x->round_column[i] = takes_part(x, s) ? count : -1;
        if (x->round_column[i] >= 0)
            columns[count++] =
                (view_column){.name = s->name, .acts_by = x->round_name, .color = s->color};
    }
    return view_open(t->term, t->layout, t->focus[0] ? t->focus : NULL, columns, count, err);
}

static int begin_round(exchange *x, error *err)
{
    size_t seats = (size_t)roster_seats(dialogue_roster(x->talk->dialogue)) + 1;
    if (!x->round_column) {
        x->round_column = calloc(seats, sizeof *x->round_column);
        x->revised = calloc(seats, sizeof *x->revised);
    }
    view_column *columns = calloc(seats, sizeof *columns);
    view *v = NULL;
    x->round++;
    if (x->round_column && x->revised && columns)
        v = open_round(x, columns, err);
    else
        (void)error_memory(err, "the columns");
    free(columns);
    if (!v)
        return -1;
    if (x->view && x->round == 1)
        view_discard(x->view); /* all but "at work" is final */
    view_close(x->view);
    x->view = v;
    x->replaced = true;
    return 0;
}

void exchange_revise(exchange *x, int pass, const char *bytes, size_t n, bool thinking)
{
    error err = {0};
    if (!exchange_view(x))
        return;
    if ((!x->round || x->revised[pass]) && begin_round(x, &err)) {
        x->fault = err;
        return;
    }
    if (x->round_column[pass] >= 0)
        view_token(x->view, x->round_column[pass], bytes, n, thinking);
}

void exchange_revised(exchange *x, int pass, const turn_answer *a)
{
    if (!x->round || x->round_column[pass] < 0)
        return;
    x->revised[pass] = true;
    view_answer(x->view, x->round_column[pass], pass_stop_name(a->stop), a->failure,
                (int)a->ids.len, a->tokens_per_second, a->seconds);
}

void exchange_end_rounds(exchange *x)
{
    free(x->round_column);
    free(x->revised);
    x->round_column = NULL;
    x->revised = NULL;
    x->round = 0;
}
