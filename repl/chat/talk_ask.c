/* talk_ask.c - one exchange: asked, shown as it grows, saved, merged, summed up. See talk.h.
 *
 * The answers are on the disk before the merge begins, and the merge before the prompt returns. A
 * Ctrl-C ends the phase that runs: what was said is kept and marked. In focus the first one ends the
 * column in focus alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "../options/open_model.h"
#include "talk_exchange.h"

/* ---- columns ----------------------------------------------------------------------------------- */

/* A shuffle by the seed alone (Fisher-Yates on a 64-bit LCG, Knuth's constants): who stands where
 * must be the same again when the session is told its seed. */
static void shuffle(int *order, int n, uint64_t seed)
{
    uint64_t state = seed;
    for (int i = n - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int j = (int)((state >> 33) % (uint64_t)(i + 1));
        int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* A blind exchange again: everybody stands where they stood. */
static void order_as_before(exchange *x)
{
    const talk *t = x->talk;
    x->count = 0;
    for (int i = 0; i < t->blind_count; i++) {
        int at = dialogue_find(t->dialogue, t->blind_names[i]);
        if (at >= 0)
            x->seat_of[x->count++] = at;
    }
}

/* Which seats have a column, in order: all, the one asked, or all in a blind order. */
static int choose_columns(exchange *x, const char *only, error *err)
{
    talk *t = x->talk;
    int seats = roster_seats(dialogue_roster(t->dialogue));
    x->seat_of = calloc((size_t)seats + 1, sizeof *x->seat_of);
    x->column_of = calloc((size_t)seats + 1, sizeof *x->column_of);
    x->complete = calloc((size_t)seats + 1, sizeof *x->complete);
    if (!x->seat_of || !x->column_of || !x->complete)
        return error_memory(err, "the columns");
    const roster *r = dialogue_roster(t->dialogue);
    for (int i = 0; i < seats; i++) {
        x->column_of[i] = -1;
        if (turn_asked(only, roster_seat(r, i)->name))
            x->seat_of[x->count++] = i;
    }
    if (x->blind && !t->blind_names)
        shuffle(x->seat_of, x->count, t->how.seed + (uint64_t)dialogue_turns(t->dialogue));
    else if (x->blind && !only)
        order_as_before(x);
    for (int i = 0; i < x->count; i++)
        x->column_of[x->seat_of[i]] = i;
    return 0;
}

static int fill_columns(exchange *x, view_column *columns, error *err)
{
    const roster *r = dialogue_roster(x->talk->dialogue);
    const model_config *m = engine_config(x->talk->engine);
    if (x->blind && x->count > LETTERS)
        return error_set(err, ERROR_USAGE, "/blind has letters for %d columns", LETTERS);
    for (int i = 0; i < x->count; i++) {
        const seat *s = roster_seat(r, x->seat_of[i]);
        if (report_acts_by(s, &x->acts[i], err))
            return -1;
        columns[i] = (view_column){.name = s->name, .acts_by = x->acts[i].v, .color = s->color};
        if (x->blind) {
            x->letters[i][0] = (char)('A' + i);
            const char *letter = talk_display_name(x->talk, s->name, x->letters[i]);
            columns[i] = (view_column){.name = letter == s->name ? x->letters[i] : letter,
                                       .acts_by = "blind"};
        } else if (report_tells_experts(s->acts_by, s->asked_experts)) {
            if (report_experts(s->asked_experts, seat_least_allowed(s, m), &x->experts[i], err))
                return -1;
            columns[i].experts = x->experts[i].v;
        }
    }
    return 0;
}

/* Blind columns show nothing of who they are. */
static int watch_routes(exchange *x, error *err)
{
    talk *t = x->talk;
    if (!t->live_routing || x->blind || !engine_config(t->engine)->experts)
        return 0;
    x->routes = live_routes_open(t->dialogue, x->column_of, x->count, err);
    return x->routes ? 0 : -1;
}

/* Columns for all seats, or for one. exchange_close() in any case. */
static int open_exchange(exchange *x, talk *t, const char *only, bool blind, error *err)
{
    *x = (exchange){.talk = t, .blind = blind};
    if (choose_columns(x, only, err))
        return -1;
    x->columns = calloc((size_t)x->count + 1, sizeof *x->columns);
    x->experts = calloc((size_t)x->count + 1, sizeof *x->experts);
    x->acts = calloc((size_t)x->count + 1, sizeof *x->acts);
    if (!x->columns || !x->experts || !x->acts)
        return error_memory(err, "the columns");
    return fill_columns(x, x->columns, err) || watch_routes(x, err) ? -1 : 0;
}

/* Opened by the first thing there is to show: a question that is refused leaves no columns. */
view *exchange_view(exchange *x)
{
    talk *t = x->talk;
    if (!x->view && !x->failed)
        x->view = view_open(t->term, t->layout, t->focus[0] ? t->focus : NULL, x->columns, x->count,
                            &x->fault);
    x->failed = !x->view;
    if (x->view && x->routes)
        view_pictures(x->view, live_routes_pictures(x->routes));
    /* From the first frame to the last: in the keyboard's own mode Ctrl-C throws away what was
     * written and not shown yet, and its echo moves the cursor. */
    if (x->view && !x->echo_off)
        terminal_echo_off(t->term);
    x->echo_off = x->echo_off || x->view;
    return x->view;
}

void exchange_close(exchange *x)
{
    atomic_store(&terminal_signal_flags(x->talk->term)->interrupted, false);
    view_close(x->view);
    live_routes_close(x->routes);
    if (x->echo_off)
        terminal_echo_on(x->talk->term);
    exchange_end_rounds(x);
    for (int i = 0; x->experts && i < x->count; i++)
        buf_release(&x->experts[i]);
    for (int i = 0; x->acts && i < x->count; i++)
        buf_release(&x->acts[i]);
    free(x->experts);
    free(x->acts);
    free(x->columns);
    free(x->seat_of);
    free(x->column_of);
    free(x->complete);
}

/* ---- signals ----------------------------------------------------------------------------------- */

void exchange_begin(exchange *x, bool gently)
{
    terminal_signals *s = terminal_signal_flags(x->talk->term);
    atomic_store(&s->interrupted, false);
    atomic_store(&s->cancel, false);
    atomic_store(&s->gentle, gently);
    terminal_echo_off(x->talk->term);
}

/* `interrupted` stays: what would follow by itself looks at it. */
void exchange_end(exchange *x)
{
    terminal_signals *s = terminal_signal_flags(x->talk->term);
    live_routes_stop(x->routes);
    terminal_echo_on(x->talk->term);
    atomic_store(&s->gentle, false);
    atomic_store(&s->cancel, false);
}

/* The engine ends all by itself; gently, the column in focus is ended alone, and what is left by the
 * next Ctrl-C. */
static void poll_signals(exchange *x)
{
    talk *t = x->talk;
    terminal_signals *s = terminal_signal_flags(t->term);
    view_tick(x->view);
    if (!atomic_load(&s->gentle) || !atomic_exchange(&s->interrupted, false))
        return;
    int column = view_focused(x->view);
    if (column >= 0 && column < x->count && !x->complete[column])
        dialogue_stop(t->dialogue, x->seat_of[column]);
    else
        dialogue_stop(t->dialogue, -1);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void on_prefill(void *user, int done, int total)
{
    exchange *x = user;
    if (!exchange_view(x))
        return;
    view_prefill(x->view, done, total);
    view_tick(x->view);
    terminal_signals *s = terminal_signal_flags(x->talk->term);
    if (atomic_load(&s->gentle) && atomic_load(&s->interrupted)) /* nobody speaks yet */
        atomic_store(&s->cancel, true);
}

static void on_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    exchange *x = user;
    if (!exchange_view(x))
        return;
    if (x->column_of[pass] >= 0)
        view_token(x->view, x->column_of[pass], bytes, n, thinking);
    poll_signals(x);
}

static void show_complete(exchange *x, int column, const turn_answer *a)
{
    if (x->complete[column] || !exchange_view(x))
        return;
    x->complete[column] = true;
    if (x->routes)
        live_routes_settle(x->routes, column);
    view_answer(x->view, column, pass_stop_name(a->stop), a->failure, (int)a->ids.len,
                a->tokens_per_second, a->seconds);
}

static void on_answer(void *user, int pass, const turn_answer *a)
{
    exchange *x = user;
    if (a->joined) {
        error err = {0};
        if (!x->blind && exchange_view(x) && exchange_joined(x, a, &err))
            x->fault = err;
        return;
    }
    if (x->column_of[pass] >= 0)
        show_complete(x, x->column_of[pass], a);
    if (x->view)
        poll_signals(x);
}

static void on_join(void *user, int group, merge_method method)
{
    exchange *x = user;
    if (x->blind || !exchange_view(x))
        return;
    exchange_begin_merge(x, roster_seat(dialogue_roster(x->talk->dialogue), group), method);
    view_merge_progress(x->view, x->joining, 0);
}

static void on_forgot(void *user, int from, int to)
{
    exchange *x = user;
    x->forgot_from = from;
    x->forgot_to = to;
}

static void on_merge_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    exchange *x = user;
    if (x->blind || !exchange_view(x)) /* who said what is not told */
        return;
    x->merge_tokens++;
    if (pass >= 0) {
        exchange_revise(x, pass, bytes, n, thinking);
        poll_signals(x);
        return;
    }
    view_merge_progress(x->view, x->joining, x->merge_tokens);
    if (!thinking) {
        view_merge_token(x->view, bytes, n);
        x->merge_streamed = true;
    }
    poll_signals(x);
}

static void on_merge_answer(void *user, int pass, const turn_answer *a)
{
    exchange_revised(user, pass, a);
}

static void on_merge_judge(void *user, int done, int total)
{
    exchange *x = user;
    if (x->blind || !exchange_view(x))
        return;
    view_merge_judge(x->view, x->joining, done, total);
    poll_signals(x);
}

void exchange_events(exchange *x, dialogue_events *events)
{
    *events = (dialogue_events){.user = x,
                                .prefill = on_prefill,
                                .token = on_token,
                                .answer = on_answer,
                                .join = on_join,
                                .forgot = on_forgot,
                                .merge_token = on_merge_token,
                                .merge_answer = on_merge_answer,
                                .merge_judge = on_merge_judge};
}

/* ---- after the answers ------------------------------------------------------------------------- */

/* A pass that failed or was interrupted before it could speak had no event. */
static void show_silent_ones(exchange *x, const struct turn *turn)
{
    const roster *r = dialogue_roster(x->talk->dialogue);
    for (int i = 0; i < x->count; i++) {
        const turn_answer *k = turn_answer_of(turn, roster_seat(r, x->seat_of[i])->name);
        if (k)
            show_complete(x, i, k);
    }
}

static int report_forgotten(exchange *x, error *err)
{
    talk *t = x->talk;
    char range[32];
    if (!x->forgot_to)
        return 0;
    int n = x->forgot_to - x->forgot_from + 1;
    (void)snprintf(range, sizeof range, "%d-%d", x->forgot_from, x->forgot_to);
    buf text = {0};
    int result = buf_format(&text, err,
                            "the context is full: the oldest turn%s, %s, %s no longer remembered "
                            "(/set overflow stop makes this an error)\n",
                            n == 1 ? "" : "s", range, n == 1 ? "is" : "are") ||
                         terminal_write_folded(t->term, &text, err)
                     ? -1
                     : 0;
    buf_release(&text);
    return result;
}

static bool interrupted(const struct turn *turn)
{
    for (int i = 0; i < turn->answer_count; i++)
        if (turn_answer_of(turn, turn->answers[i].name) == &turn->answers[i] &&
            turn->answers[i].stop == STOP_INTERRUPTED)
            return true;
    return false;
}

/* What follows an answer by itself; nothing after Ctrl-C: /merge is there when it is wanted. One that
 * came when all had spoken meant the merge, and is told as if that had begun. */
static int follow(exchange *x, const struct turn *turn, error *err)
{
    talk *t = x->talk;
    merge_request request = {.method = t->how.merge, .rounds = t->how.rounds, .seed = t->how.seed};
    const terminal_signals *s = terminal_signal_flags(t->term);
    if (x->blind || t->blind_names || request.method == MERGE_NONE ||
        dialogue_joined(t->dialogue, turn) < 2 || interrupted(turn) || atomic_load(&s->ended))
        return 0;
    if (atomic_load(&s->interrupted))
        return exchange_merge_stopped(x, request.method, err);
    return exchange_merge(x, &request, err);
}

/* The blind order lasts until the pick. */
static int remember_order(exchange *x, error *err)
{
    talk *t = x->talk;
    const roster *r = dialogue_roster(t->dialogue);
    if (!x->blind || t->blind_names)
        return 0;
    t->blind_names = calloc((size_t)x->count + 1, sizeof *t->blind_names);
    for (int i = 0; t->blind_names && i < x->count; i++) {
        if (!(t->blind_names[i] = strdup(roster_seat(r, x->seat_of[i])->name)))
            break;
        t->blind_count++;
    }
    return t->blind_count == x->count ? 0 : error_memory(err, "the names");
}

/* Answers are complete, and recorded: the rows go to the scrollback. */
static int conclude(exchange *x, error *err)
{
    struct turn *turn = dialogue_last(x->talk->dialogue);
    show_silent_ones(x, turn);
    int result = view_settle(x->view, err);
    talk_saved(x->talk);
    if (!result)
        result = remember_order(x, err) || report_forgotten(x, err) || follow(x, turn, err) ||
                         exchange_footer(x, turn, err)
                     ? -1
                     : 0;
    return result;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static int join_files(talk *t, const char *prompt, size_t len, buf *out, error *err)
{
    if (buf_add(out, prompt, len, err))
        return -1;
    if (!t->pending.len)
        return 0;
    if (len && buf_text(out, "\n\n", err))
        return -1;
    return buf_add(out, t->pending.v, t->pending.len, err);
}

static int run(exchange *x, const buf *prompt, const char *only, bool instead, error *err)
{
    talk *t = x->talk;
    dialogue_events events;
    exchange_events(x, &events);
    exchange_begin(x, t->layout == VIEW_FOCUS && !only);
    int result = conversation_ask(t->conversation, prompt->v ? prompt->v : "", prompt->len, only,
                                  instead, &events, err);
    exchange_end(x);
    if (result && x->view && !x->failed)
        view_discard(x->view);
    t->unread = result && err->code == ERROR_CANCELLED;
    if (result)
        return -1;
    if (!exchange_view(x)) {
        *err = x->fault;
        return -1;
    }
    buf_clear(&t->pending);
    t->pending_files = 0;
    return conclude(x, err);
}

int talk_ask(talk *t, const char *prompt, size_t len, const char *only, error *err)
{
    exchange x;
    buf whole = {0};
    size_t bad;
    bool replacing = t->replacing;
    t->replacing = false;
    int result = only ? 0
                 : talk_choose_mode(t, &prompt, &len, err)
                     ? -1
                     : talk_choose_persona(t, &prompt, &len, err);
    if (!result)
        result = join_files(t, prompt, len, &whole, err);
    if (!result && !utf8_check(whole.v ? whole.v : "", whole.len, &bad))
        result = error_set(err, ERROR_USAGE, "the prompt is no UTF-8 at byte %zu", bad);
    if (!result && open_model_is_built_in(&t->set) && !t->foreign &&
        ask_options_foreign(whole.v, whole.len)) {
        console_note(t->con,
                     "the built-in model knows English only; /model NAME takes another one");
        t->foreign = true;
    }
    if (!result && t->blind_names)
        result = talk_reveal(t, err);
    if (!result) {
        result = open_exchange(&x, t, only, t->blind && !only, err);
        if (!result)
            result = run(&x, &whole, only, replacing, err);
        exchange_close(&x);
    }
    buf_release(&whole);
    return result;
}

static int all_speak(const talk *t, const char *only, error *err)
{
    while (only && *only) {
        char name[COLUMN_BYTES] = "";
        size_t n = strcspn(only, ",");
        if (n < sizeof name)
            memcpy(name, only, n);
        if (dialogue_find(t->dialogue, name) < 0)
            return error_set(err, ERROR_USAGE,
                             "%s does not speak now; /personas +%s brings it back", name, name);
        only += n + (only[n] == ',');
    }
    return 0;
}

/* more: tokens by which the answer of `name` goes on; 0 = a new answer, drawn with `seed`. */
static int again(talk *t, const char *name, uint64_t seed, int more, error *err)
{
    exchange x;
    dialogue_events events;
    struct turn *turn;
    if (talk_turn(t, &turn, err))
        return -1;
    const char *only = name ? name : turn->only;
    if (all_speak(t, only, err))
        return -1;
    int result = open_exchange(&x, t, only, t->blind_names != NULL, err);
    if (!result) {
        exchange_events(&x, &events);
        exchange_begin(&x, t->layout == VIEW_FOCUS && !only);
        result = more ? conversation_continue(t->conversation, only, more, &events, err)
                      : conversation_retry(t->conversation, only, seed, &events, err);
        exchange_end(&x);
    }
    if (!result && !exchange_view(&x)) {
        *err = x.fault;
        result = -1;
    }
    if (!result)
        result = conclude(&x, err);
    exchange_close(&x);
    return result;
}

int talk_retry(talk *t, const char *name, uint64_t seed, error *err)
{
    return again(t, name, seed, 0, err);
}

int talk_continue(talk *t, const char *name, int more, error *err)
{
    return again(t, name, 0, more, err);
}
