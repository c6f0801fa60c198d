/* command_ask.c - one prompt to all personas, in batch form.
 *
 * The prompt is put together first, then the model is opened, the personas are seated, and the
 * council speaks. Text output goes out in the order of the seats: the first answer that is not
 * complete streams, the others wait behind it. An answer that failed or was interrupted is marked
 * and kept; the exit status says so.
 */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "human.h"
#include "open_model.h"

static void print_note(void *user, const char *sentence)
{
    console_note(user, "%s", sentence);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void on_prefill(void *user, int done, int total)
{
    ask *a = user;
    ask_start(a);
    console_progress(a->con, "reading the prompt: %d %% of %d tokens",
                     (int)(100.0 * done / (total ? total : 1)), total);
}

static void on_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    ask *a = user;
    ask_stream_token(a, pass, bytes, n, thinking);
}

static void on_answer(void *user, int pass, const answer *done)
{
    ask *a = user;
    if (!a->failed)
        a->failed = kept_answer_copy(&a->report.answers[pass], done, roster_seat(a->roster, pass),
                                     engine_config(a->report.engine), a->err) != 0;
    if (!a->failed)
        ask_stream_answer(a, pass);
}

static void on_merge_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    ask *a = user;
    (void)pass, (void)bytes, (void)n, (void)thinking;
    a->merge_tokens++;
    console_progress(a->con, "merging: %d token%s", a->merge_tokens,
                     a->merge_tokens == 1 ? "" : "s");
}

/* ---- the council ------------------------------------------------------------------------------- */

/* A pass that failed or was interrupted before it could speak has had no event. */
static int keep_silent_ones(ask *a, const council *c, bool interrupted)
{
    for (int i = 0; i < a->report.count && !a->failed; i++) {
        if (a->report.answers[i].name)
            continue;
        answer silent = *council_answer(c, i);
        silent.text = silent.text ? silent.text : "";
        if (interrupted)
            silent.stop = STOP_INTERRUPTED;
        on_answer(a, i, &silent);
    }
    return a->failed ? -1 : 0;
}

/* Ctrl-C while the prompt is read leaves answers too: empty ones, marked. */
static int answer_prompt(ask *a, council *c)
{
    council_events events = {a, on_prefill, on_token, on_answer};
    error why = {0};
    int result = council_ask(c, a->prompt.v, a->prompt.len, &events, &why);
    console_progress_end(a->con);
    a->report.timings = *council_times(c);
    if (result && why.code != ERROR_CANCELLED) {
        *a->err = why;
        return -1;
    }
    return keep_silent_ones(a, c, result != 0);
}

static bool any_interrupted(const report *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->answers[i].stop == STOP_INTERRUPTED)
            return true;
    return false;
}

/* A merge needs two answers; one that fails takes nothing away from them. */
static void merge_answers(ask *a, council *c)
{
    report *r = &a->report;
    if (a->how.merge == MERGE_NONE || r->count < 2 || any_interrupted(r))
        return;
    merge_options o = {.method = a->how.merge,
                       .rounds = a->how.rounds,
                       .seed = a->how.seed,
                       .chair = a->how.chair
                                    ? persona_instruction(a->how.chair, a->prompt.v, a->prompt.len)
                                    : NULL,
                       .max_tokens = council_settings(c)->max_tokens};
    council_events events = {.user = a, .token = on_merge_token};
    console_progress(a->con, "merging");
    r->merged = merge_run(c, &o, &r->merge, &events, &r->merge_failure) == 0;
    console_progress_end(a->con);
}

static int status_of(const ask *a)
{
    const report *r = &a->report;
    if (any_interrupted(r) || r->merge_failure.code == ERROR_CANCELLED)
        return console_interrupted(a->err);
    for (int i = 0; i < r->count; i++)
        if (r->answers[i].stop == STOP_ERROR)
            return error_set(a->err, ERROR_PARTIAL, "%s failed: %s", r->answers[i].name,
                             r->answers[i].failure.text);
    if (r->merge_failure.code != ERROR_NONE)
        return error_set(a->err, ERROR_PARTIAL, "the merge failed: %s", r->merge_failure.text);
    return 0;
}

static int speak(ask *a, council *c)
{
    if (roster_join(a->roster, c, a->err) || ask_begin(a) || answer_prompt(a, c))
        return -1;
    merge_answers(a, c);
    if (ask_finish(a))
        return -1;
    return status_of(a);
}

/* What the passes will need is told before a large model is touched. */
static void tell_memory(const ask *a, const council_options *o)
{
    static const uint64_t LARGE = (uint64_t)1 << 30;
    char weights[HUMAN_TEXT], kv[HUMAN_TEXT];
    engine *e = a->report.engine;
    if (engine_weight_bytes(e) < LARGE)
        return;
    console_note(
        a->con, "%s of weights and %s for %d passes of %d tokens",
        human_bytes(weights, engine_weight_bytes(e)),
        human_bytes(kv, (uint64_t)roster_seats(a->roster) * engine_kv_bytes(e, o->context, o->kv)),
        roster_seats(a->roster), o->context);
}

static int with_roster(ask *a, const council_options *o)
{
    report *r = &a->report;
    tell_memory(a, o);
    r->count = roster_seats(a->roster);
    r->answers = calloc((size_t)r->count, sizeof *r->answers);
    if (!r->answers)
        return error_memory(a->err, "the answers");
    council *c = council_open(r->engine, o, a->err);
    int result = c ? speak(a, c) : -1;
    ask_end(a);
    council_close(c);
    return result;
}

static int with_engine(ask *a)
{
    council_options o;
    roster_options ro;
    ask_warn_of_script(a);
    int result = asking_council(&a->how, a->opt, a->report.engine, &o, a->err) ||
                         asking_roster(&a->how, a->opt, a->report.engine, &ro, a->err)
                     ? -1
                     : 0;
    if (!result) {
        ro.prompt = a->prompt.v;
        ro.prompt_len = a->prompt.len;
        a->roster = roster_open(a->report.engine, &ro, print_note, a->con, a->err);
        result = a->roster ? with_roster(a, &o) : -1;
    }
    report_release(&a->report);
    roster_close(a->roster);
    return result;
}

int command_ask(const options *opt, console *con, error *err)
{
    ask a = {.opt = opt, .con = con, .err = err};
    int result = ask_read(&a);
    if (!result) {
        double start = console_seconds();
        engine *e = open_model(opt, con, err);
        a.report = (report){.engine = e, .prompt = a.prompt.v, .prompt_len = a.prompt.len};
        a.report.load = console_seconds() - start;
        result = e ? with_engine(&a) : -1;
        engine_close(e);
    }
    ask_release(&a);
    return result;
}
