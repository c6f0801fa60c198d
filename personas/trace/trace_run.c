/* trace_run.c - see trace_run.h. */
#include "trace_run.h"

#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"

/* ---- a question -------------------------------------------------------------------------------- */

typedef struct recorder {
    route_log *log;
    int first; /* the track of seat 0 */
} recorder;

static void on_route(void *user, int who, const route_trace *t)
{
    const recorder *r = user;
    route_log_add(r->log, r->first + who, t);
}

static int begin_tracks(const roster *r, const char *text, route_log *log, error *err)
{
    int first = (int)log->len;
    for (int i = 0; i < roster_seats(r); i++) {
        const seat *s = roster_seat(r, i);
        if (route_log_begin(log, s->name, text, s->color, s->program, err) < 0)
            return -1;
    }
    return first;
}

static int seat_all(council *c, const roster *r, error *err)
{
    for (int i = 0; i < roster_seats(r); i++) {
        pass_options p = roster_pass(r, i);
        if (council_add(c, &p, err) < 0)
            return -1;
    }
    return 0;
}

static int ask(council *c, const roster *r, const trace_question *q, error *err)
{
    chat_message question = {CHAT_USER, q->prompt, q->len};
    int n = roster_seats(r);
    council_request *requests = calloc((size_t)n + 1, sizeof *requests);
    if (!requests)
        return error_memory(err, "the question");
    for (int i = 0; i < n; i++)
        requests[i] = (council_request){.instruction = roster_instruction(r, i, q->prompt, q->len),
                                        .messages = &question,
                                        .count = 1,
                                        .seed = q->seed};
    int result = council_ask(c, requests, err);
    free(requests);
    return result;
}

static int end_tracks(const council *c, recorder *r, error *err)
{
    for (int i = 0; i < c->count; i++) {
        const tokens *prompt = &c->passes[i]->prompt;
        const turn_answer *a = council_answer(c, i);
        if (route_log_end(r->log, r->first + i, prompt->v, prompt->len, a->ids.v, a->ids.len, err))
            return -1;
    }
    return 0;
}

int trace_ask(engine *e, const roster *r, const council_options *options,
              const trace_question *question, route_log *log, council **out, error *err)
{
    council_options o = *options;
    o.prefill = PREFILL_OWN;
    recorder keeper = {log, begin_tracks(r, "", log, err)};
    council_events events = {
        .user = &keeper, .routing = on_route, .reading = on_route, .wanted = true};
    council *c = keeper.first < 0 ? NULL : council_open(e, &o, err);
    int result = c ? 0 : -1;
    if (!result)
        result = seat_all(c, r, err) || council_subscribe(c, &events, err) ||
                 (question->events && council_subscribe(c, question->events, err)) ||
                 ask(c, r, question, err) || end_tracks(c, &keeper, err);
    if (c) {
        council_unsubscribe(c, &events);
        if (question->events)
            council_unsubscribe(c, question->events);
    }
    if (result) {
        council_close(c);
        c = NULL;
    }
    *out = c;
    return result ? -1 : 0;
}

/* ---- a text ------------------------------------------------------------------------------------ */

typedef struct reading {
    engine *engine;
    const roster *roster;
    session **sessions; /* [seats] */
    step *steps;        /* [seats] */
    int seats;
    recorder keeper;
} reading;

static void on_trace(void *user, const session *s, const route_trace *t)
{
    const reading *r = user;
    for (int i = 0; i < r->seats; i++)
        if (r->sessions[i] == s)
            on_route((void *)(uintptr_t)&r->keeper, i, t);
}

static int open_sessions(reading *r, int n, dtype kv, error *err)
{
    r->sessions = calloc((size_t)r->seats + 1, sizeof(session *));
    r->steps = calloc((size_t)r->seats + 1, sizeof *r->steps);
    if (!r->sessions || !r->steps)
        return error_memory(err, "a text");
    for (int i = 0; i < r->seats; i++) {
        r->sessions[i] = session_open(r->engine, n, kv, err);
        if (!r->sessions[i] ||
            session_set_program(r->sessions[i], roster_seat(r->roster, i)->program, err))
            return -1;
    }
    return 0;
}

static int read_all(reading *r, const int *ids, int n, progress_fn *progress, void *user,
                    error *err)
{
    int part = engine_max_rows(r->engine) / (r->seats ? r->seats : 1);
    if (part < 1)
        part = 1;
    for (int at = 0; at < n; at += part) {
        int m = n - at < part ? n - at : part;
        for (int i = 0; i < r->seats; i++)
            r->steps[i] = (step){r->sessions[i], ids + at, m, LOGITS_NONE, NULL};
        if (progress)
            progress(user, at, n);
        if (engine_advance(r->engine, r->steps, r->seats, err))
            return -1;
    }
    return 0;
}

int trace_text(engine *e, const roster *r, const char *name, const int *ids, int n, dtype kv,
               progress_fn *progress, void *user, route_log *log, error *err)
{
    if (n < 1)
        return error_set(err, ERROR_USAGE, "%s: the text is empty", name);
    reading work = {.engine = e, .roster = r, .seats = roster_seats(r)};
    work.keeper = (recorder){log, begin_tracks(r, name, log, err)};
    int result = work.keeper.first < 0 || open_sessions(&work, n, kv, err) ? -1 : 0;
    if (!result) {
        engine_trace_wanted(e, on_trace, &work);
        result = read_all(&work, ids, n, progress, user, err);
        engine_trace(e, NULL, NULL);
    }
    for (int i = 0; i < work.seats && !result; i++)
        result = route_log_end(log, work.keeper.first + i, ids, (size_t)n, NULL, 0, err);
    for (int i = 0; work.sessions && i < work.seats; i++)
        session_close(work.sessions[i]);
    free(work.sessions);
    free(work.steps);
    return result;
}
