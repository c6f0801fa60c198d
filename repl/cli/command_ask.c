/* command_ask.c - one prompt to all personas, in batch form.
 *
 * The prompt is put together first, then the model is opened, the personas are seated, and the
 * council speaks; each phase is saved before its result is printed as a whole. Text output goes out
 * in the order of the seats: the first answer that is not complete streams, the others wait behind
 * it; on a terminal they grow side by side. An answer that failed or was interrupted is marked and
 * kept; the exit status says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../options/open_model.h"
#include "../options/template_notes.h"
#include "../screen/human.h"
#include "ask.h"
#include "commands.h"

/* ---- events ------------------------------------------------------------------------------------ */

static void on_prefill(void *user, int done, int total)
{
    ask *a = user;
    ask_start(a);
    if (a->term)
        ask_live_prefill(a, done, total);
    else
        console_progress(a->con, "reading the prompt: %d %% of %d tokens",
                         (int)(100.0 * done / (total ? total : 1)), total);
}

static void on_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    ask *a = user;
    ask_stream_token(a, pass, bytes, n, thinking);
}

static void on_answer(void *user, int pass, const turn_answer *done)
{
    ask *a = user;
    a->report.answers[pass] = done;
    if (done->joined)
        a->report.turn = dialogue_last(a->dialogue);
    if (!a->failed)
        ask_stream_answer(a, pass);
    a->joining[0] = '\0';
}

static void on_join(void *user, int group, merge_method method)
{
    ask *a = user;
    const char *name = roster_seat(a->roster, group)->name;
    (void)snprintf(a->joining, sizeof a->joining, "%s: %s", name, merge_name(method));
    a->merge_tokens = 0;
    if (a->term)
        ask_live_merge(a, -1, NULL, 0, false);
    else
        console_progress(a->con, "joining the answers of %s", name);
}

static void on_merge_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    ask *a = user;
    a->merge_tokens++;
    if (a->term)
        ask_live_merge(a, pass, bytes, n, thinking);
    else
        console_progress(a->con, "merging: %d token%s", a->merge_tokens,
                         a->merge_tokens == 1 ? "" : "s");
}

static void on_merge_judge(void *user, int done, int total)
{
    ask *a = user;
    char time[HUMAN_TEXT];
    double now = console_seconds(), gone = now - a->judge_begun;
    if (a->term) {
        ask_live_judge(a, done, total);
        return;
    }
    if (!done) {
        a->judge_begun = now;
        console_progress(a->con, "judging the answers; Ctrl-C skips it");
    } else {
        console_progress(a->con, "judging the answers: %d %%, %s left; Ctrl-C skips it",
                         (int)(100.0 * done / total),
                         human_seconds(time, gone * (total - done) / done));
    }
}

static void on_forgot(void *user, int from, int to)
{
    ask *a = user;
    char range[64];
    (void)snprintf(range, sizeof range, from == to ? "%d" : "%d-%d", from, to);
    console_note(a->con, "turn%s %s left the context, which is full", from == to ? "" : "s", range);
}

/* ---- the council ------------------------------------------------------------------------------- */

/* Ctrl-C while the prompt is read leaves answers too: empty ones, marked. */
static int answer_prompt(ask *a)
{
    dialogue_events events = {.user = a,
                              .prefill = on_prefill,
                              .token = on_token,
                              .answer = on_answer,
                              .join = on_join,
                              .forgot = on_forgot,
                              .merge_token = on_merge_token,
                              .merge_judge = on_merge_judge};
    int result =
        conversation_ask(a->conversation, a->prompt.v, a->prompt.len, NULL, false, &events, a->err);
    console_progress_end(a->con);
    if (result)
        return -1;
    a->report.turn = dialogue_last(a->dialogue);
    ask_session_saved(a);
    return a->failed ? -1 : 0;
}

static bool any_interrupted(const report *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->answers[i]->stop == STOP_INTERRUPTED)
            return true;
    return false;
}

/* auto joins nothing, and says why; where the merge alone was wanted, that is a failure. */
static void refuse_merge(ask *a)
{
    a->report.unmerged = a->unmerged;
    if (a->opt->only && strcmp(a->opt->only, "merge") == 0)
        (void)error_set(&a->report.merge_failure, ERROR_RUN,
                        "%s; --merge METHOD joins all the same", a->unmerged);
}

/* A merge needs two answers; one that fails takes nothing away from them. */
static void merge_answers(ask *a)
{
    report *r = &a->report;
    const struct turn *t = dialogue_last(a->dialogue);
    if (a->how.merge == MERGE_NONE || dialogue_joined(a->dialogue, t) < 2 || any_interrupted(r))
        return;
    a->merging = dialogue_merge_method(a->dialogue, a->how.merge, NULL, 0, a->unmerged);
    if (a->merging == MERGE_NONE) {
        refuse_merge(a);
        return;
    }
    merge_options o = {.method = a->how.merge,
                       .rounds = a->how.rounds,
                       .seed = dialogue_seed(a->dialogue, t->number),
                       .chair = a->how.chair
                                    ? persona_instruction(a->how.chair, a->prompt.v, a->prompt.len)
                                    : NULL};
    dialogue_events events = {
        .user = a, .merge_token = on_merge_token, .merge_judge = on_merge_judge};
    if (a->term)
        ask_live_merge(a, -1, NULL, 0, false);
    else
        console_progress(a->con, "merging");
    if (conversation_merge(a->conversation, &o, NULL, 0, NULL, &events, &r->merge_failure) == 0)
        r->merge = &t->merges[t->merge_count - 1];
    console_progress_end(a->con);
    ask_session_saved(a);
}

static int status_of(const ask *a)
{
    const report *r = &a->report;
    if (any_interrupted(r) || r->merge_failure.code == ERROR_CANCELLED ||
        (r->merge && r->merge->stop == STOP_INTERRUPTED))
        return console_interrupted(a->err);
    for (int i = 0; i < r->count; i++)
        if (r->answers[i]->stop == STOP_ERROR)
            return error_set(a->err, ERROR_PARTIAL, "%s failed: %s", r->answers[i]->name,
                             r->answers[i]->failure);
    if (r->merge_failure.code != ERROR_NONE)
        return error_set(a->err, ERROR_PARTIAL, "the merge failed: %s", r->merge_failure.text);
    return 0;
}

static int speak(ask *a)
{
    if (ask_begin(a) || answer_prompt(a))
        return -1;
    merge_answers(a);
    if (ask_finish(a))
        return -1;
    return status_of(a);
}

/* Those of groups one by one; what is wrong with a file is told when they sit down. */
static int passes_of(const ask *a)
{
    persona_tree t;
    int n = persona_tree_open(&t, a->how.personas, a->how.persona_count, NULL) ? 0 : t.leaf_count;
    persona_tree_close(&t);
    return n;
}

/* What the passes will need is told before a large model is touched. */
static void note_memory(const ask *a, const council_options *o)
{
    static const uint64_t LARGE = (uint64_t)1 << 30;
    char weights[HUMAN_TEXT], kv[HUMAN_TEXT];
    engine *e = a->report.engine;
    int passes = passes_of(a) + a->opt->everyone;
    if (a->how.control == CONTROL_NONE)
        passes++;
    else if (a->how.control != CONTROL_OFF)
        passes *= 2;
    if (engine_weight_bytes(e) < LARGE)
        return;
    console_note(a->con, "%s of weights and %s for %d passes of %d tokens",
                 human_bytes(weights, engine_weight_bytes(e)),
                 human_bytes(kv, (uint64_t)passes * engine_kv_bytes(e, o->context, o->kv)), passes,
                 o->context);
}

/* A member of a group is known by name only now. */
static int check_only(const ask *a)
{
    const char *only = a->opt->only;
    if (!only || strcmp(only, "merge") == 0 || dialogue_find(a->dialogue, only) >= 0)
        return 0;
    return error_set(a->err, ERROR_USAGE, "--only: %.80s is not among those who answer", only);
}

static int with_dialogue(ask *a)
{
    report *r = &a->report;
    const struct turn *last = dialogue_last(a->dialogue);
    if (last)
        dialogue_settings(a->dialogue)->context = last->context;
    a->roster = dialogue_roster(a->dialogue);
    template_notes(r->engine, a->roster, &dialogue_settings(a->dialogue)->council, a->con);
    r->count = roster_seats(a->roster) + roster_groups(a->roster);
    if (check_only(a))
        return -1;
    r->answers = calloc((size_t)r->count, sizeof(const turn_answer *));
    if (!r->answers)
        return error_memory(a->err, "the answers");
    int result = speak(a);
    ask_end(a);
    return result;
}

static void tell_mode(const ask *a)
{
    buf line = {0};
    if (mode_options_line(&a->mode, &line, NULL) == 0 && line.len)
        console_sentence(a->con, line.v);
    buf_release(&line);
}

static int with_engine(ask *a)
{
    engine *e = a->report.engine;
    ask_options_adopt(&a->how, a->opt, e);
    dialogue_options o = {.seed = a->how.seed, .memory = a->opt->recall};
    if (a->mode.on)
        o.mode = a->opt->mode;
    ask_warn_of_script(a);
    tell_mode(a);
    if (ask_choose(a) || ask_options_council(&a->how, a->opt, e, &o.council, a->err) ||
        ask_options_roster(&a->how, a->opt, e, &a->seats, a->err))
        return -1;
    a->seats.groups = true;
    a->seats.system = a->system;
    a->seats.prompt = a->prompt.v;
    a->seats.prompt_len = a->prompt.len;
    note_memory(a, &o.council);
    int result =
        conversation_load(a->conversation, e, &o, &a->seats, console_sentence, a->con, a->err);
    a->dialogue = conversation_dialogue(a->conversation);
    if (!result)
        result = with_dialogue(a);
    result = ask_session_report(a, result);
    report_release(&a->report);
    return result;
}

int command_ask(const options *opt, console *con, error *err)
{
    ask a = {.own = *opt, .con = con, .err = err};
    a.opt = &a.own;
    engine *e = NULL;
    int result = ask_session_open(&a) || ask_read(&a) ? -1 : 0;
    if (!result) {
        double start = console_seconds();
        e = open_model(a.opt, con, err);
        a.report = (report){.engine = e,
                            .prompt = a.prompt.v,
                            .prompt_len = a.prompt.len,
                            .star = con->ascii ? "* " : "★ "};
        a.report.load = console_seconds() - start;
        result = e ? with_engine(&a) : -1;
    }
    ask_session_close(&a);
    ask_release(&a);
    engine_close(e);
    return result;
}
