/* dialogue_trace.c - see dialogue_trace.h. */
#include "dialogue_trace.h"

#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "dialogue_state.h"

typedef struct reader {
    route_log *log;
    int track;
} reader;

static void on_trace(void *user, const session *s, const route_trace *t)
{
    const reader *r = user;
    (void)s;
    route_log_add(r->log, r->track, t);
}

/* Reads ids[n] as the pass did. */
static int read_again(const pass *p, const int *ids, int n, reader *r, error *err)
{
    session *s = session_branch(p->session, 0, n, p->program, err);
    if (!s)
        return -1;
    engine_trace_wanted(r->log->engine, on_trace, r);
    int result = session_sync(s, ids, n, p->program_start, NULL, NULL, NULL, err);
    engine_trace(r->log->engine, NULL, NULL);
    session_close(s);
    return result;
}

static int trace_pass(const pass *p, const seat *of, const turn_answer *a, route_log *log,
                      error *err)
{
    tokens all = {0};
    reader r = {log, route_log_begin(log, of->name, "", of->color, of->program, err)};
    size_t read = a->ids.len ? a->ids.len - 1 : 0;
    int result = r.track < 0 || tokens_append(&all, p->prompt.v, p->prompt.len, err) ||
                         tokens_append(&all, a->ids.v, read, err)
                     ? -1
                     : 0;
    if (!result)
        result = read_again(p, all.v, (int)all.len, &r, err);
    if (!result)
        result = route_log_end(log, r.track, p->prompt.v, p->prompt.len, a->ids.v, a->ids.len, err);
    tokens_release(&all);
    return result;
}

static int trace_stage(dialogue *d, const struct turn *t, stage *s, route_log *log, error *err)
{
    council_round round = dialogue_stage_turn(d, s, t, t->from, dialogue_seed(d, t->number));
    int result = council_load_round(s->part, &round, err);
    for (int i = 0; i < s->n && !result; i++) {
        const seat *of = roster_seat(d->roster, s->who[i]);
        result = trace_pass(s->part->passes[i], of, turn_answer_of(t, of->name), log, err);
    }
    return result;
}

/* The seats that have answered, controls too. */
static int *who_answered(const dialogue *d, const struct turn *t, int *n, error *err)
{
    int seats = roster_seats(d->roster), *who = calloc((size_t)seats + 1, sizeof *who);
    *n = 0;
    for (int i = 0; who && i < seats; i++)
        if (turn_answer_of(t, roster_seat(d->roster, i)->name))
            who[(*n)++] = i;
    if (who && *n)
        return who;
    free(who);
    (void)(who ? error_set(err, ERROR_USAGE, "nobody who answered turn %d speaks now", t->number)
               : error_memory(err, "a trace"));
    return NULL;
}

int dialogue_trace(dialogue *d, route_log *log, error *err)
{
    const struct turn *t = dialogue_last(d);
    stage s;
    int n = 0;
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    int *who = who_answered(d, t, &n, err);
    if (!who)
        return -1;
    int result = dialogue_stage(d, who, n, &s, err) || trace_stage(d, t, &s, log, err);
    dialogue_stage_close(&s);
    return result ? -1 : 0;
}
