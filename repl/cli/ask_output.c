/* ask_output.c - the answers of `ask` on standard output. See ask.h.
 *
 * On a terminal text stands in columns (ask_live.c). Elsewhere it streams in the order of the
 * seats; ndjson writes an event as it happens; json and md write once, at the end (../chat/report.h
 * has their form). --only prints the bare text of one answer or of the merge (json and ndjson hold
 * everything that was computed). Figures and the seed go to standard error.
 */
#include <stdlib.h>
#include <string.h>

#include "ask.h"

typedef enum style { STYLE_TEXT, STYLE_MD, STYLE_JSON, STYLE_NDJSON, STYLE_LIVE } style;

static style style_of(const ask *a)
{
    const char *f = a->opt->format ? a->opt->format : "text";
    if (a->term)
        return STYLE_LIVE;
    if (strcmp(f, "md") == 0)
        return a->opt->only ? STYLE_TEXT : STYLE_MD;
    return strcmp(f, "json") == 0     ? STYLE_JSON
           : strcmp(f, "ndjson") == 0 ? STYLE_NDJSON
                                      : STYLE_TEXT;
}

static void fail(ask *a, int result)
{
    a->failed = a->failed || result != 0;
}

/* True when this seat's text is wanted at all. */
static bool shown(const ask *a, int seat_index)
{
    return !a->opt->only || strcmp(a->opt->only, roster_seat(a->roster, seat_index)->name) == 0;
}

/* ---- ndjson ------------------------------------------------------------------------------------ */

/* An event is one object on one line: {"event": "...", ...}. */
typedef struct event {
    buf line;
    json_writer e;
} event;

static void event_open(const ask *a, event *v, const char *name)
{
    *v = (event){.e = {.err = a->err}};
    v->e.out = &v->line;
    json_begin_object(&v->e, NULL);
    json_put_text(&v->e, "event", name);
}

static int event_write(ask *a, event *v)
{
    json_end(&v->e);
    return console_json(a->con, &v->e, a->err);
}

static int event_start(ask *a)
{
    event v;
    event_open(a, &v, "start");
    json_put_int(&v.e, "consilium", 1);
    report_json_model(&a->report, "model", &v.e);
    json_put_bytes(&v.e, "prompt", a->prompt.v, a->prompt.len);
    report_json_chosen(&a->report, &v.e);
    return event_write(a, &v);
}

static int event_token(ask *a, int i, const char *bytes, size_t n, bool thinking)
{
    event v;
    event_open(a, &v, "token");
    json_put_text(&v.e, "persona", roster_seat(a->roster, i)->name);
    json_put_bytes(&v.e, "text", bytes, n);
    if (thinking)
        json_put_bool(&v.e, "thinking", true);
    return event_write(a, &v);
}

static int event_answer(ask *a, int i)
{
    event v;
    event_open(a, &v, "answer");
    report_json_answer(&a->report, i, "answer", &v.e);
    return event_write(a, &v);
}

static int event_end(ask *a)
{
    event v;
    event_open(a, &v, "merge");
    report_json_merge(&a->report, "merge", &v.e);
    if (event_write(a, &v))
        return -1;
    event_open(a, &v, "end");
    report_json_merge_error(&a->report, &v.e);
    report_json_timings(&a->report, "timings", &v.e);
    json_put_text(&v.e, "session", a->report.session);
    return event_write(a, &v);
}

/* ---- text, in the order of the seats ----------------------------------------------------------- */

static int heading(ask *a, int i)
{
    buf b = {0};
    const seat *s = roster_seat(a->roster, i);
    a->heading_shown = true;
    if (a->opt->only)
        return 0;
    int result = buf_format(&b, a->err, "%s%s%s%s %s(", i ? "\n" : "", console_bold(a->con),
                            s->name, console_reset(a->con), console_dim(a->con)) ||
                 report_acts_by(s, &b, a->err);
    if (!result && report_tells_experts(s->acts_by, s->asked_experts))
        result = buf_text(&b, ", ", a->err) ||
                 report_experts(s->asked_experts,
                                seat_least_allowed(s, engine_config(a->report.engine)), &b, a->err);
    result = result || buf_format(&b, a->err, ")%s\n", console_reset(a->con)) ||
                     console_text(a->con, &b, a->err)
                 ? -1
                 : 0;
    buf_release(&b);
    return result;
}

/* What the current seat has written so far goes out. */
static int flush_current(ask *a)
{
    if (!shown(a, a->current) || !a->waiting[a->current].len)
        return 0;
    console_progress_end(a->con);
    if (!a->heading_shown && heading(a, a->current))
        return -1;
    return console_stream(a->con, &a->waiting[a->current], a->err);
}

/* A group has said nothing by itself so far: its text, or where it stands, goes out at once. */
static int add_joined(ask *a, int i)
{
    const turn_answer *k = a->report.answers[i];
    const char *there = a->opt->only ? NULL : report_taken_from(k);
    if (!k->joined)
        return 0;
    if (there)
        return buf_format(&a->waiting[i], a->err, "the answer of %s, above", there);
    return safe_text_add(&a->filters[i], k->text.v, k->text.len, &a->waiting[i], a->err);
}

static int footer(ask *a, int i)
{
    buf b = {0};
    const turn_answer *k = a->report.answers[i];
    int result = buf_text(&b, "\n", a->err);
    if (!result && k->stop == STOP_ERROR && !a->opt->only) {
        result = buf_text(&b, "[failed: ", a->err) ||
                 safe_text_copy(&b, SAFE_LINE, false, k->failure, strlen(k->failure), a->err) ||
                 buf_text(&b, "]\n", a->err);
    } else if (!result && k->stop != STOP_END && !a->opt->only) {
        result = buf_format(&b, a->err, "[%s]\n", pass_stop_name(k->stop));
    }
    if (!result)
        result = console_text(a->con, &b, a->err);
    buf_release(&b);
    return result;
}

/* Moves on over all seats that are complete. */
static int advance_seats(ask *a)
{
    while (a->current < a->report.count && a->report.answers[a->current]) {
        if (shown(a, a->current)) {
            if (add_joined(a, a->current) ||
                safe_text_end(&a->filters[a->current], &a->waiting[a->current], a->err) ||
                flush_current(a) || (!a->heading_shown && heading(a, a->current)) ||
                footer(a, a->current))
                return -1;
        }
        a->current++;
        a->heading_shown = false;
    }
    return a->current < a->report.count ? flush_current(a) : 0;
}

static int merged_text(ask *a)
{
    buf b = {0};
    const turn_merge *m = a->report.merge;
    int result = 0;
    bool only = a->opt->only != NULL;
    if (!only)
        result = buf_format(&b, a->err, "\n%smerged%s %s(", console_bold(a->con),
                            console_reset(a->con), console_dim(a->con)) ||
                 report_merge_line(&a->report, &b, a->err) ||
                 buf_format(&b, a->err, ")%s\n", console_reset(a->con));
    if (!result && !only && report_stands_there(&a->report))
        result = buf_format(&b, a->err, "the answer of %s, above; --only merge prints it alone\n",
                            m->by);
    else if (!result)
        result = safe_text_copy(&b, SAFE_PROSE, false, m->text.v, m->text.len, a->err) ||
                 buf_text(&b, "\n", a->err);
    result = result || console_text(a->con, &b, a->err);
    buf_release(&b);
    return result ? -1 : 0;
}

/* ---- the whole at once ------------------------------------------------------------------------- */

static int write_json(ask *a)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = a->err};
    report_json(&a->report, &e);
    return console_json(a->con, &e, a->err);
}

static int write_markdown(ask *a)
{
    buf b = {0};
    int result = report_markdown(&a->report, &b, a->err) || console_document(a->con, &b, a->err);
    buf_release(&b);
    return result ? -1 : 0;
}

/* ---- figures, on standard error ----------------------------------------------------------------- */

static int print_figures(ask *a, bool each)
{
    buf b = {0};
    report *r = &a->report;
    int result = 0;
    if (a->con->moving && buf_text(&b, "\n", a->err) == 0)
        console_say(a->con, &b); /* on a terminal, apart from the answers */
    for (int i = 0; i < r->count && !result && each; i++) {
        buf_clear(&b);
        result = report_figures(r, i, &b, a->err);
        if (!result)
            console_note(a->con, "%s: %s", r->answers[i]->name, b.v);
    }
    if (!result && each && r->unmerged)
        console_note(a->con, "merge: none: %s", r->unmerged);
    if (!result && each && r->merge) {
        buf_clear(&b);
        result = report_merge_seconds(r, &b, a->err);
        if (!result)
            console_note(a->con, "merge: %s%s", r->merge->method, b.v);
    }
    buf_release(&b);
    if (!result)
        console_note(a->con, "prefill: %s; seed %llu",
                     r->turn->shared ? "shared, the prompt was read once for all"
                                     : "own, each pass read the prompt itself",
                     (unsigned long long)a->how.seed);
    return result;
}

/* ---- public ------------------------------------------------------------------------------------ */

int ask_begin(ask *a)
{
    size_t n = (size_t)a->report.count;
    a->waiting = calloc(n, sizeof *a->waiting);
    a->filters = calloc(n, sizeof *a->filters);
    if (!a->waiting || !a->filters)
        return error_memory(a->err, "the answers");
    for (size_t i = 0; i < n; i++)
        a->filters[i] = (safe_text){.style = SAFE_PROSE, .ascii = a->con->ascii};
    return style_of(a) == STYLE_TEXT && !a->opt->only ? ask_live_open(a) : 0;
}

/* Not before something was read: what is refused prints nothing. */
void ask_start(ask *a)
{
    if (a->started || a->failed || style_of(a) != STYLE_NDJSON)
        return;
    a->started = true;
    fail(a, event_start(a));
}

void ask_stream_token(ask *a, int pass, const char *bytes, size_t n, bool thinking)
{
    ask_start(a);
    if (a->failed)
        return;
    if (style_of(a) == STYLE_NDJSON) {
        fail(a, event_token(a, pass, bytes, n, thinking));
        return;
    }
    if (style_of(a) == STYLE_LIVE)
        ask_live_token(a, pass, bytes, n, thinking);
    if (style_of(a) != STYLE_TEXT || thinking)
        return;
    fail(a, safe_text_add(&a->filters[pass], bytes, n, &a->waiting[pass], a->err));
    if (!a->failed && pass == a->current)
        fail(a, flush_current(a));
}

void ask_stream_answer(ask *a, int pass)
{
    ask_start(a);
    if (a->failed)
        return;
    if (style_of(a) == STYLE_NDJSON)
        fail(a, event_answer(a, pass));
    else if (style_of(a) == STYLE_LIVE)
        a->report.answers[pass]->joined ? ask_live_joined(a, pass) : ask_live_answer(a, pass);
    else if (style_of(a) == STYLE_TEXT)
        fail(a, advance_seats(a));
}

int ask_finish(ask *a)
{
    style s = style_of(a);
    bool merge_wanted = !a->opt->only || strcmp(a->opt->only, "merge") == 0;
    if (a->failed)
        return -1;
    if (s == STYLE_NDJSON)
        return event_end(a);
    if (s == STYLE_JSON)
        return write_json(a);
    if (s == STYLE_LIVE)
        return ask_live_finish(a) || print_figures(a, false) ? -1 : 0;
    if (s == STYLE_MD ? write_markdown(a) : merge_wanted && a->report.merge && merged_text(a))
        return -1;
    return print_figures(a, s == STYLE_TEXT && !a->opt->only);
}

void ask_end(ask *a)
{
    ask_live_close(a);
    for (int i = 0; a->waiting && i < a->report.count; i++)
        buf_release(&a->waiting[i]);
    free(a->waiting);
    free(a->filters);
    a->waiting = NULL;
    a->filters = NULL;
}
