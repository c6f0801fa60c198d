/* talk_merge.c - joining answers on the screen and in the record. See talk.h.
 *
 * The dialogue computes the merge and calls back with its words and with its progress, which the
 * view shows (exchange_events()); then comes the line of figures, then the record. A vote's
 * winner and a debate's revisions stand in columns already and are marked there, not printed
 * again. A merge that failed or was stopped takes nothing away from the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../personas/merge/evidence.h"
#include "../screen/human.h"
#include "talk_exchange.h"

static int add_shares(const talk *t, const turn_merge *m, buf *out, error *err)
{
    const char *between = "  ";
    char letter[2];
    for (int i = -1; (i = turn_next_share(m, i)) >= 0; between = terminal_dot(t->term))
        if (buf_format(out, err, "%s%s%s %.2f", between,
                       i == m->winner ? terminal_star(t->term) : "",
                       talk_display_name(t, m->of[i], letter), m->shares[i]))
            return -1;
    return 0;
}

/* By whose vote, and how close it was; where the answers disagree, that instead. */
static int add_words(const talk *t, const turn_merge *m, const char *const *called, buf *out,
                     error *err)
{
    if (evidence_dissent(dialogue_last(t->dialogue), m, called, out, err))
        return -1;
    bool tally = !out->len && m->scores && m->winner >= 0;
    return tally ? merge_tally(m, called, terminal_dot(t->term), out, err) : 0;
}

/* On a row of its own, where there is something to say. */
static int add_tally(const talk *t, const turn_merge *m, buf *out, error *err)
{
    buf words = {0};
    size_t n = (size_t)m->passes;
    const char **called = calloc(n + 1, sizeof *called);
    char(*letters)[2] = calloc(n + 1, sizeof *letters);
    int result = called && letters ? 0 : error_memory(err, "the merge");
    for (size_t i = 0; i < n && !result; i++)
        called[i] = talk_display_name(t, m->of[i], letters[i]);
    if (!result)
        result = add_words(t, m, called, &words, err);
    if (!result && words.len)
        result = buf_text(out, "\n", err) || buf_add(out, words.v, words.len, err) ? -1 : 0;
    buf_release(&words);
    free(called);
    free(letters);
    return result;
}

/* The figures of a merge: "vote  ★ critic 0.41 · coder 0.33  0.2 s", what it stands on, the tally, what
 * is to be noted. */
static int merge_line(const talk *t, const turn_merge *m, buf *out, error *err)
{
    char time[HUMAN_TEXT], letter[2];
    int result = buf_text(out, m->method, err);
    if (!result && m->shares)
        result = add_shares(t, m, out, err);
    if (!result && !m->shares && m->by)
        result = buf_format(out, err, "  %s%s", m->winner >= 0 ? terminal_star(t->term) : "by ",
                            talk_display_name(t, m->by, letter));
    result = result || buf_format(out, err, "  %s", human_seconds(time, m->seconds)) ? -1 : 0;
    if (!result && turn_merge_cut(m))
        result = buf_format(out, err, "%s%s", terminal_dot(t->term), turn_merge_cut(m));
    if (!result)
        result = evidence_kind(m, terminal_dot(t->term), out, err);
    if (!result)
        result = add_tally(t, m, out, err);
    if (!result && m->note && !t->blind_names)
        result = buf_format(out, err, " (%s)", m->note);
    else if (!result && m->tie)
        result = buf_text(out, " (nearly a tie)", err);
    return result;
}

/* A vote's winner stands there already, in its column, and so do the revisions of a debate: it is
 * marked, not printed again. */
static bool stands_there(const exchange *x, const turn_merge *m)
{
    return merge_took_one(m->method) || x->round;
}

/* Of a debate that was stopped: what each has revised so far. */
static int add_revisions(const turn_merge *m, buf *out, error *err)
{
    for (int i = 0; i < m->passes; i++) {
        const turn_text *text = &m->revised[i];
        if (buf_format(out, err, "%s**%s**\n\n", i ? "\n\n" : "", m->of[i]) ||
            buf_add(out, text->v, text->len, err))
            return -1;
    }
    return 0;
}

/* A group has none. */
static int column_of(const exchange *x, const turn_merge *m)
{
    const dialogue *d = x->talk->dialogue;
    int at = m->winner >= 0 ? dialogue_find(d, m->of[m->winner]) : -1;
    if (at < 0 || at >= roster_seats(dialogue_roster(d)))
        return -1;
    if (x->round)
        return x->round_column[at];
    return x->count && !x->replaced ? x->column_of[at] : -1;
}

void exchange_begin_merge(exchange *x, const seat *group, merge_method method)
{
    exchange_end_rounds(x);
    x->group = group;
    x->merging = method;
    x->merge_tokens = 0;
    x->merge_streamed = false;
    (void)snprintf(x->joining, sizeof x->joining, "%s%s%s", group ? group->name : "",
                   group ? terminal_dot(x->talk->term) : "", merge_name(method));
}

/* "team · vote  ★ team/coder 0.73 · team/critic 0.27  0.2 s" */
static int joined_line(const talk *t, const turn_answer *a, buf *out, error *err)
{
    if (buf_format(out, err, "%s%s", a->name, terminal_dot(t->term)))
        return -1;
    if (a->failure)
        return buf_format(out, err, "%s failed: %s", a->joined->method, a->failure);
    if (!a->text.len)
        return buf_format(out, err, "%s, %s", a->joined->method, pass_stop_name(a->stop));
    return merge_line(t, a->joined, out, err);
}

int exchange_joined(exchange *x, const turn_answer *a, error *err)
{
    buf line = {0};
    bool there = x->merge_streamed || stands_there(x, a->joined);
    if (a->text.len && stands_there(x, a->joined))
        view_merge_winner(x->view, column_of(x, a->joined));
    int result = joined_line(x->talk, a, &line, err) ||
                         view_merge(x->view, line.v, there ? NULL : a->text.v, a->text.len, err)
                     ? -1
                     : 0;
    view_merge_next(x->view);
    exchange_begin_merge(x, NULL, MERGE_NONE);
    buf_release(&line);
    return result;
}

/* The merge that was added last. */
static int show(exchange *x, const turn_merge *m, error *err)
{
    buf text = {0}, revisions = {0};
    bool there = x->merge_streamed || stands_there(x, m), stopped = m->revised && m->winner < 0;
    if (stopped && add_revisions(m, &revisions, err)) {
        buf_release(&revisions);
        return -1;
    }
    if (stands_there(x, m))
        view_merge_winner(x->view, column_of(x, m));
    int result = merge_line(x->talk, m, &text, err) ||
                 view_merge(x->view, text.v,
                            there     ? NULL
                            : stopped ? revisions.v
                                      : m->text.v,
                            stopped ? revisions.len : m->text.len, err);
    buf_release(&text);
    buf_release(&revisions);
    return result ? -1 : 0;
}

static int report_failure(talk *t, merge_method method, const error *why, error *err)
{
    const char *stopped = method == MERGE_DEBATE ? "the merge was stopped; /debate tries again"
                                                 : "the merge was stopped; /merge tries again";
    buf text = {0};
    int result =
        buf_text(&text, why->code == ERROR_CANCELLED ? stopped : "the merge failed: ", err);
    if (!result && why->code != ERROR_CANCELLED)
        result = console_quote(t->con, &text, why->text, err);
    result =
        result || buf_text(&text, "\n", err) || terminal_write_folded(t->term, &text, err) ? -1 : 0;
    buf_release(&text);
    return result;
}

/* auto joins nothing, by the evidence. */
static int tell_unmerged(exchange *x, const char *why, error *err)
{
    buf line = {0};
    int result = buf_format(&line, err, "none%s%s", terminal_dot(x->talk->term), why) ||
                         view_merge(x->view, line.v, NULL, 0, err)
                     ? -1
                     : 0;
    buf_release(&line);
    return result;
}

int exchange_merge_stopped(exchange *x, merge_method method, error *err)
{
    const error why = {.code = ERROR_CANCELLED};
    return report_failure(x->talk, method, &why, err);
}

int exchange_merge(exchange *x, const merge_request *request, error *err)
{
    talk *t = x->talk;
    struct turn *turn = dialogue_last(t->dialogue);
    int before = turn->merge_count;
    error why = {0};
    char unmerged[EVIDENCE_WORDS_MOST];
    merge_options o = {.method = request->method,
                       .rounds = request->rounds,
                       .seed = request->seed,
                       .weights = request->weights,
                       .max_tokens = dialogue_settings(t->dialogue)->council.max_tokens};
    dialogue_events events;
    exchange_events(x, &events);
    exchange_begin_merge(
        x, NULL,
        dialogue_merge_method(t->dialogue, request->method, request->of, request->count, unmerged));
    x->request = request;
    if (!exchange_view(x)) {
        *err = x->fault;
        return -1;
    }
    if (x->merging == MERGE_NONE)
        return tell_unmerged(x, unmerged, err);
    exchange_begin(x, false);
    view_merge_progress(x->view, x->joining, 0);
    int failed = conversation_merge(t->conversation, &o, request->of, request->count, request->by,
                                    &events, &why);
    exchange_end(x);
    if (failed && why.code == ERROR_USAGE && turn->merge_count == before) {
        if (err)
            *err = why;
        return -1;
    }
    int result = 0;
    if (!failed)
        result = show(x, &turn->merges[turn->merge_count - 1], err);
    talk_saved(t);
    return failed && !result ? report_failure(t, x->merging, &why, err) : result;
}

int talk_merge(talk *t, const merge_request *request, error *err)
{
    exchange x = {.talk = t};
    int result = exchange_merge(&x, request, err);
    exchange_close(&x);
    return result;
}
