/* session.c - sequences, and the one verb that computes: engine.h has the contract.
 *
 * engine_advance() checks everything that can be refused before anything is touched: ids, room,
 * one step per session. Then it fills batches of at most max_rows rows, step after step, and only
 * when all of them have run are the tokens committed to their sequences. A failure in between
 * leaves keys and values beyond the sequences' ends, where nobody looks.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_attach.h"
#include "engine_carry_on.h"
#include "engine_memory.h"
#include "engine_pool.h"

/* ---- sessions -------------------------------------------------------------------------------- */

static int kind_of(dtype kv)
{
    switch (kv) {
    case DTYPE_F32:
        return 0;
    case DTYPE_F16:
        return 1;
    case DTYPE_Q8_0:
        return 2;
    default:
        return -1;
    }
}

static kv_layout layout_of(const engine *e, int kind)
{
    static const dtype types[KV_KINDS] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};
    const model_config *c = engine_config(e);
    return (kv_layout){c->layers, c->kv_heads, c->head_dim, types[kind]};
}

static forward *open_loop(engine *e, int kind, int slots, error *err)
{
    kv_layout layout = layout_of(e, kind);
    return forward_open(e->backend, engine_config(e), &e->weights, &layout, e->max_rows,
                        slots > 0 ? slots : 1, err);
}

/* The pool and the layer loop for one KV type, opened when its first session asks. */
static int open_kind(engine *e, int kind, dtype kv, error *err)
{
    const model_config *c = engine_config(e);
    kv_layout layout = layout_of(e, kind);
    if (kv == DTYPE_Q8_0 && c->head_dim % 32 != 0)
        return error_set(err, ERROR_USAGE,
                         "a q8_0 KV cache needs heads of a multiple of 32; this model's are %d",
                         c->head_dim);
    if (!e->pools[kind])
        e->pools[kind] = kv_pool_open(e->backend, &layout, err);
    if (e->pools[kind] && !e->loops[kind])
        e->loops[kind] = open_loop(e, kind, e->max_slots, err);
    return e->loops[kind] ? 0 : -1;
}

static session *session_new(engine *e, int kind, error *err)
{
    session *s = calloc(1, sizeof *s);
    if (!s) {
        error_memory(err, "a session");
        return NULL;
    }
    s->engine = e;
    s->kind = kind;
    s->next = e->sessions;
    s->place = &e->sessions;
    if (s->next)
        s->next->place = &s->next;
    e->sessions = s;
    return s;
}

static void session_free(session *s)
{
    *s->place = s->next;
    if (s->next)
        s->next->place = s->place;
    free(s);
}

session *session_open(engine *e, int context, dtype kv, error *err)
{
    int kind = kind_of(kv);
    if (kind < 0) {
        error_set(err, ERROR_USAGE, "the KV cache holds f32, f16 or q8_0");
        return NULL;
    }
    if (context < 1) {
        error_set(err, ERROR_USAGE, "a context of %d tokens", context);
        return NULL;
    }
    if (open_kind(e, kind, kv, err)) {
        engine_memory_explain(e, NULL, context, kv, NULL, err);
        return NULL;
    }
    if (engine_admit(e, 1, context, kv, err))
        return NULL;
    session *s = session_new(e, kind, err);
    if (!s)
        return NULL;
    s->sequence = kv_open(e->pools[kind], context, err);
    if (!s->sequence) {
        session_free(s);
        engine_memory_explain(e, NULL, context, kv, NULL, err);
        return NULL;
    }
    if (engine_pool_fit(e, err)) {
        session_close(s);
        return NULL;
    }
    return s;
}

session *session_fork(session *from, error *err)
{
    session *s = session_new(from->engine, from->kind, err);
    if (!s)
        return NULL;
    s->sequence = kv_fork(from->sequence, err);
    if (s->sequence && attach_program(s, from->program, err) == 0)
        return s;
    session_close(s);
    return NULL;
}

session *session_branch(session *from, int length, int room, const router_program *program,
                        error *err)
{
    if (length > session_length(from) || room < 0 || room > session_context(from) - length) {
        (void)error_set(err, ERROR_CONTEXT, "a branch of %d tokens with room for %d more", length,
                        room);
        return NULL;
    }
    session *s = session_new(from->engine, from->kind, err);
    if (!s)
        return NULL;
    s->sequence = kv_branch(from->sequence, length, room, err);
    if (s->sequence && session_set_program(s, program, err) == 0)
        return s;
    session_close(s);
    return NULL;
}

void session_close(session *s)
{
    if (!s)
        return;
    kv_close(s->sequence);
    attach_release(s);
    session_free(s);
}

int session_share_prefix(session *s, const session *from, int length, error *err)
{
    if (s->engine != from->engine || s->kind != from->kind)
        return error_set(err, ERROR_USAGE, "sessions of different kinds cannot share a past");
    if (length > session_length(from) || length > session_context(s))
        return error_set(err, ERROR_CONTEXT, "a past of %d tokens: there are %d, and room for %d",
                         length, session_length(from), session_context(s));
    s->rules = (rule_state){0};
    kv_share_prefix(s->sequence, from->sequence, length);
    return 0;
}

int session_length(const session *s)
{
    return kv_length(s->sequence);
}

int session_context(const session *s)
{
    return kv_context(s->sequence);
}

void session_rewind(session *s, int length)
{
    if (length < session_length(s))
        s->rules = (rule_state){0}; /* walked again when a program with rules needs it */
    kv_rewind(s->sequence, length);
}

/* Between two batches a layer loop holds nothing but room: one with more takes its place. */
int engine_make_slots(engine *e, int slots, error *err)
{
    forward *wider[KV_KINDS] = {NULL};
    int result = 0;
    for (int i = 0; i < KV_KINDS && !result; i++)
        if (e->loops[i])
            result = (wider[i] = open_loop(e, i, slots, err)) ? 0 : -1;
    for (int i = 0; i < KV_KINDS; i++) {
        forward *old = result ? wider[i] : e->loops[i];
        if (!wider[i])
            continue;
        if (!result)
            e->loops[i] = wider[i];
        forward_close(old);
    }
    if (!result)
        e->max_slots = slots;
    return result;
}

/* A session that is open had no memory for its program: -1. */
static int no_room(const session *s, const router_program *program, error *err)
{
    engine_memory_explain(s->engine, s, session_context(s), layout_of(s->engine, s->kind).type,
                          program, err);
    return -1;
}

int session_set_program(session *s, const router_program *program, error *err)
{
    int slots = program ? router_program_slots(program) : 0;
    if (slots > s->engine->max_slots && engine_make_slots(s->engine, slots, err))
        return -1;
    if (attach_program(s, program, err))
        return no_room(s, program, err);
    s->rules = (rule_state){0};
    return 0;
}

/* Hash of the program that `s` reads under now; 0 = plain. */
static uint64_t program_hash(const session *s)
{
    return s->program ? router_program_hash(s->program) : 0;
}

/* ---- advancing ------------------------------------------------------------------------------- */

int engine_check_tokens(const engine *e, const int *ids, int n, error *err)
{
    for (int i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= engine_config(e)->vocabulary)
            return error_set(err, ERROR_USAGE, "token %d: the vocabulary has ids 0 to %d", ids[i],
                             engine_config(e)->vocabulary - 1);
    return 0;
}

static int check_step(const engine *e, const step *st, error *err)
{
    const session *s = st->session;
    int room = session_context(s) - session_length(s);
    if (st->n > room)
        return error_set(err, ERROR_CONTEXT, "the context is full: %d tokens, %d more would be %d",
                         session_context(s), st->n, session_length(s) + st->n);
    return engine_check_tokens(e, st->tokens, st->n, err);
}

static int check_steps(const engine *e, const step *steps, int count, error *err)
{
    for (int i = 0; i < count; i++) {
        if (check_step(e, &steps[i], err))
            return -1;
        for (int j = 0; j < i; j++)
            if (steps[j].session == steps[i].session)
                return error_set(err, ERROR_USAGE, "a session stands twice in one batch");
        if (steps[i].session->kind != steps[0].session->kind)
            return error_set(err, ERROR_USAGE, "sessions of one batch must share a KV type");
    }
    return checkpoint_intact(e->checkpoint, err);
}

static float *logits_of(const engine *e, const step *st, int i)
{
    if (st->want == LOGITS_ALL)
        return st->logits + (size_t)i * (size_t)engine_config(e)->vocabulary;
    return st->want == LOGITS_LAST && i == st->n - 1 ? st->logits : NULL;
}

/* A program with rules must know the sequence up to its end: after a rewind, a share or a part read
 * without it, the tokens are walked again. */
static int catch_up(session *s, error *err)
{
    rule_state *state = &s->rules;
    int length = session_length(s);
    if (!s->program || !router_program_has_rules(s->program))
        return 0;
    if (state->length != length)
        *state = (rule_state){0};
    while (state->length < length) {
        if (!router_program_step(s->program, state, kv_token(s->sequence, state->length), err)) {
            *state = (rule_state){0}; /* so that trying again meets the same failure */
            return -1;
        }
    }
    s->rules_pending = *state;
    return 0;
}

/* The routing of the session's next token; NULL when a rule fails. */
static const layer_routing *next_routing(const engine *e, session *s, int token, error *err)
{
    if (!s->program)
        return router_program_routing(e->plain);
    if (!router_program_has_rules(s->program))
        return router_program_routing(s->program);
    return router_program_step(s->program, &s->rules_pending, token, err);
}

/* The token before the next pending one; -1 at the beginning. */
static int previous_token(const session *s, const int *next)
{
    int length = session_length(s);
    if (s->pending)
        return next[s->pending - 1];
    return length ? kv_token(s->sequence, length - 1) : -1;
}

/* What is asked of all steps of a call, beside what they say themselves; either or both NULL. */
typedef struct asked {
    const step_score *scores;
    sample_row *const *draws;
} asked;

/* Adds rows of step i to the batch until either is used up. Returns the rows now in the batch, or -1. */
static int add_rows(engine *e, const step *steps, int i, const asked *a, int used, error *err)
{
    const step *st = &steps[i];
    session *s = st->session;
    while (used < e->max_rows && s->pending < st->n) {
        const layer_routing *of = next_routing(e, s, st->tokens[s->pending], err);
        const routing_tables *routing = of ? attach_routing(s, of, err) : NULL;
        if (!routing)
            return of ? no_room(s, s->program, err) : -1;
        e->rows[used] = (forward_row){.token = st->tokens[s->pending],
                                      .position = session_length(s) + s->pending,
                                      .pages = kv_pages(s->sequence),
                                      .routing = routing,
                                      .hook = s->program ? router_program_hook(s->program) : NULL,
                                      .previous = previous_token(s, st->tokens),
                                      .logits = logits_of(e, st, s->pending)};
        if (a->scores) {
            e->rows[used].next = a->scores[i].next[s->pending];
            e->rows[used].logprob = &a->scores[i].logprob[s->pending];
        }
        if (a->draws && s->pending == st->n - 1)
            e->rows[used].draw = a->draws[i];
        e->row_sessions[used++] = s;
        s->pending++;
    }
    return used;
}

/* forward's trace is per layer for a whole batch; the public one is per row. */
static void pass_trace(void *user, int layer, int n, const routes_host *host)
{
    engine *e = user;
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)host->slots;
        route_trace t = {.layer = layer,
                         .position = e->rows[i].position,
                         .slots = host->slots,
                         .ids = host->ids + at,
                         .seen = host->seen + at,
                         .gates = host->gates + at,
                         .banned = host->banned[i],
                         .margin = host->margin[i],
                         .entropy = host->entropy[i]};
        if (e->trace_part == TRACE_OUTPUTS) {
            t.norms = host->norms + at;
            t.peaks = host->peaks + at;
        }
        if (e->trace_part == TRACE_WANTED) {
            t.wanted = host->wanted + at;
            t.shares = host->shares + at;
        }
        e->trace(e->trace_user, e->row_sessions[i], &t);
    }
}

static void pass_activation(void *user, size_t which, int n, const float *x)
{
    engine *e = user;
    size_t cols = (size_t)e->activations->v[which].cols;
    for (int i = 0; i < n; i++)
        e->activation(e->activation_user, e->row_sessions[i], e->rows[i].position, which,
                      x + (size_t)i * cols);
}

static int run_batch(engine *e, int kind, int used, error *err)
{
    int batch = e->batches++;
    bool again = batch < e->told; /* computed once more, and not told once more */
    if (forward_watch_states(e->loops[kind], again ? NULL : e->states, e->states_user, err) ||
        forward_watch_activations(e->loops[kind], again ? NULL : e->activations, pass_activation, e,
                                  err))
        return -1;
    forward_trace trace = {again ? TRACE_NOTHING : e->trace_part, pass_trace, e};
    if (forward_run(e->loops[kind], e->rows, used, e->cancel, &trace, err))
        return -1;
    e->told = again ? e->told : e->batches;
    return 0;
}

static int run_steps(engine *e, step *steps, const asked *a, int count, error *err)
{
    int used = 0;
    for (int i = 0; i < count; i++) {
        while (steps[i].session->pending < steps[i].n) {
            used = add_rows(e, steps, i, a, used, err);
            if (used < 0)
                return -1;
            if (used < e->max_rows)
                continue;
            if (run_batch(e, steps[0].session->kind, used, err))
                return -1;
            used = 0;
        }
    }
    return used ? run_batch(e, steps[0].session->kind, used, err) : 0;
}

/* Everything of a call that a failure may repeat. */
static int try_steps(engine *e, step *steps, const asked *a, int count, error *err)
{
    e->batches = 0;
    for (int i = 0; i < count; i++)
        if (engine_reread(steps[i].session, err))
            return -1;
    for (int i = 0; i < count; i++) {
        steps[i].session->pending = 0;
        if (catch_up(steps[i].session, err))
            return -1;
        kv_prepare(steps[i].session->sequence, steps[i].n);
    }
    return run_steps(e, steps, a, count, err);
}

static int advance(engine *e, step *steps, const asked *a, int count, error *err)
{
    if (check_steps(e, steps, count, err) || engine_pool_fit(e, err))
        return -1;
    for (int i = 0; a->scores && i < count; i++)
        if (engine_check_tokens(e, a->scores[i].next, steps[i].n, err))
            return -1;
    e->told = 0;
    while (try_steps(e, steps, a, count, err))
        if (engine_carry_on(e, err))
            return -1;
    for (int i = 0; i < count; i++) {
        session *s = steps[i].session;
        kv_commit(s->sequence, steps[i].tokens, steps[i].n, program_hash(s));
        if (s->program && router_program_has_rules(s->program))
            s->rules = s->rules_pending;
    }
    return 0;
}

int engine_advance(engine *e, step *steps, int count, error *err)
{
    return advance(e, steps, &(asked){NULL, NULL}, count, err);
}

int engine_score(engine *e, step *steps, const step_score *scores, int count, error *err)
{
    return advance(e, steps, &(asked){scores, NULL}, count, err);
}

int engine_draw(engine *e, step *steps, sample_row *const *draws, int count, error *err)
{
    return advance(e, steps, &(asked){NULL, draws}, count, err);
}

/* ---- making a sequence equal to a token list --------------------------------------------------- */

int session_common_prefix(const session *s, const int *ids, int n, int program_start)
{
    int length = session_length(s), i = 0;
    uint64_t acting = program_hash(s);
    while (i < n && i < length && kv_token(s->sequence, i) == ids[i] &&
           kv_program(s->sequence, i) == (i < program_start ? 0 : acting))
        i++;
    return i;
}

int session_reuse(session *s, const int *ids, int n, int program_start)
{
    int keep = session_common_prefix(s, ids, n, program_start);
    if (keep == n)
        keep = n - 1; /* its logits must be computed again */
    session_rewind(s, keep);
    return keep;
}

/* Reads ids[from, to) in chunks, so that progress can be told and a cancel loses one chunk. */
static int read_chunks(session *s, const int *ids, int from, int to, int n, float *logits,
                       progress_fn *progress, void *user, error *err)
{
    engine *e = s->engine;
    while (from < to) {
        int m = to - from < e->max_rows ? to - from : e->max_rows;
        bool last = logits && from + m == n;
        step st = {s, ids + from, m, last ? LOGITS_LAST : LOGITS_NONE, last ? logits : NULL};
        if (engine_advance(e, &st, 1, err))
            return -1;
        from += m;
        if (progress)
            progress(user, from, n);
    }
    return 0;
}

int session_sync(session *s, const int *ids, int n, int program_start, float *logits,
                 progress_fn *progress, void *user, error *err)
{
    if (n < 1)
        return error_set(err, ERROR_USAGE, "an empty text cannot be read");
    if (n > session_context(s))
        return error_set(err, ERROR_CONTEXT, "the text has %d tokens, the context holds %d", n,
                         session_context(s));
    int keep = session_reuse(s, ids, n, program_start);
    int border = program_start < keep ? keep : program_start < n ? program_start : n;
    const router_program *program = s->program;
    s->program = NULL;
    int result = read_chunks(s, ids, keep, border, n, logits, progress, user, err);
    s->program = program;
    if (result)
        return -1;
    return read_chunks(s, ids, border, n, n, logits, progress, user, err);
}
