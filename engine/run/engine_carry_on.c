/* engine_carry_on.c - see engine_carry_on.h. */
#include "engine_carry_on.h"

#include "../../kernels/devices/backend_open.h"
#include "engine_attach.h"

/* ---- moving ---------------------------------------------------------------------------------- */

static int move_sessions(engine *e, error *err)
{
    for (int i = 0; i < KV_KINDS; i++)
        if (e->pools[i] && kv_pool_move(e->pools[i], e->backend, err))
            return -1;
    for (session *s = e->sessions; s; s = s->next)
        if (kv_move(s->sequence, err))
            return -1;
    return 0;
}

/* Layer loops and sessions, as far as they are not there yet. */
static int finish_move(engine *e, error *err)
{
    if (engine_make_slots(e, e->max_slots, err) || move_sessions(e, err))
        return -1;
    e->half_moved = false;
    return 0;
}

static int move(engine *e, error *err)
{
    backend_options options = {.name = "cpu", .isa = e->isa, .threads = e->threads};
    backend *cpu = backend_open(&options, err);
    if (!cpu)
        return -1;
    if (backend_move(e->backend, cpu, err)) {
        backend_close(cpu);
        return -1;
    }
    e->lost = e->backend;
    e->backend = cpu;
    e->half_moved = true;
    return finish_move(e, err);
}

int engine_carry_on(engine *e, error *err)
{
    error half;
    if (!backend_lost(e->backend))
        return -1;
    error why = err ? *err : (error){0};
    if (move(e, &half)) {
        error_set(err, ERROR_RUN, "%s; and the CPU cannot carry on: %s", why.text, half.text);
        return -1;
    }
    (void)error_prefix(&why, "the CPU carries on, the GPU failed: ");
    if (e->warn)
        e->warn(e->warn_user, CHECKPOINT_WARNING, why.text);
    return 0;
}

/* ---- reading again --------------------------------------------------------------------------- */

/* Whoever of the open sessions has the program with that hash; NULL = nobody. */
static session *reader_of(session *s, uint64_t hash)
{
    if (s->program && router_program_hash(s->program) == hash)
        return s;
    for (session *other = s->engine->sessions; other; other = other->next)
        if (other->program && router_program_hash(other->program) == hash)
            return other;
    return NULL;
}

/* A walk over a session's past. */
typedef struct walk {
    session *session;
    session *reader;  /* whose program rules were last followed */
    rule_state rules; /* behind position rules.length - 1 */
} walk;

/* The routing of the token at `position`; NULL on failure. */
static const layer_routing *routing_at(walk *w, int position, error *err)
{
    session *s = w->session;
    uint64_t hash = kv_program(s->sequence, position);
    session *reader = hash ? reader_of(s, hash) : NULL;
    if (!hash)
        return router_program_routing(s->engine->plain);
    if (!reader) {
        error_set(err, ERROR_RUN,
                  "a part of the conversation was read under a program that is gone");
        return NULL;
    }
    if (!router_program_has_rules(reader->program))
        return router_program_routing(reader->program);
    const layer_routing *of = NULL;
    if (w->reader != reader || w->rules.length > position)
        w->rules = (rule_state){0};
    w->reader = reader;
    while (w->rules.length <= position) {
        of = router_program_step(reader->program, &w->rules, kv_token(s->sequence, w->rules.length),
                                 err);
        if (!of)
            return NULL;
    }
    return of;
}

static int fill_row(walk *w, int position, forward_row *row, error *err)
{
    session *s = w->session;
    const layer_routing *of = routing_at(w, position, err);
    uint64_t hash = kv_program(s->sequence, position);
    session *reader = hash && of ? reader_of(s, hash) : s;
    const routing_tables *routing = of ? attach_routing(reader, of, err) : NULL;
    if (!routing)
        return -1;
    *row = (forward_row){.token = kv_token(s->sequence, position),
                         .position = position,
                         .pages = kv_pages(s->sequence),
                         .routing = routing,
                         .previous = position ? kv_token(s->sequence, position - 1) : -1};
    return 0;
}

int engine_reread(session *s, error *err)
{
    engine *e = s->engine;
    if (e->half_moved && finish_move(e, err))
        return -1;
    walk w = {.session = s};
    for (int from; (from = kv_stale(s->sequence)) < session_length(s);) {
        int rest = session_length(s) - from, n = rest < e->max_rows ? rest : e->max_rows;
        for (int i = 0; i < n; i++)
            if (fill_row(&w, from + i, &e->rows[i], err))
                return -1;
        if (forward_watch_states(e->loops[s->kind], NULL, NULL, err) ||
            forward_watch_activations(e->loops[s->kind], NULL, NULL, NULL, err) ||
            forward_run(e->loops[s->kind], e->rows, n, e->cancel, NULL, err))
            return -1;
        kv_refreshed(s->sequence, from + n);
    }
    return 0;
}
