/* hidden.c - engine_hidden(): the residual stream inside the model, for those who learn from it.
 *
 * A text is read in chunks of max_rows tokens by a session of its own, which is gone afterwards.
 */
#include "engine_attach.h"
#include "engine_carry_on.h"

/* The program's routing of the next token; NULL when a rule fails. */
static const layer_routing *routing_of(const engine *e, const router_program *program,
                                       rule_state *state, int token, error *err)
{
    if (!program)
        return router_program_routing(e->plain);
    if (!router_program_has_rules(program))
        return router_program_routing(program);
    return router_program_step(program, state, token, err);
}

/* Reads the m tokens that follow what s has read. */
static int read_chunk(session *s, rule_state *state, const int *ids, int m,
                      const hidden_layers *want, error *err)
{
    engine *e = s->engine;
    int length = session_length(s);
    kv_prepare(s->sequence, m);
    for (int i = 0; i < m; i++) {
        const layer_routing *of = routing_of(e, s->program, state, ids[i], err);
        const routing_tables *routing = of ? attach_routing(s, of, err) : NULL;
        if (!routing)
            return -1;
        e->rows[i] = (forward_row){.token = ids[i],
                                   .position = length + i,
                                   .pages = kv_pages(s->sequence),
                                   .routing = routing,
                                   .hook = s->program ? router_program_hook(s->program) : NULL,
                                   .previous = i            ? ids[i - 1]
                                               : length > 0 ? kv_token(s->sequence, length - 1)
                                                            : -1};
    }
    if (forward_hidden(e->loops[s->kind], e->rows, m, want, e->cancel, err))
        return -1;
    kv_commit(s->sequence, ids, m, 0);
    return 0;
}

static int read_all(session *s, const int *ids, int n, hidden_layers want, error *err)
{
    const engine *e = s->engine;
    size_t width = (size_t)engine_config(e)->width;
    rule_state state = {0};
    want.stride = (size_t)n * width;
    for (int at = 0, m; at < n; at += m) {
        m = n - at < e->max_rows ? n - at : e->max_rows;
        if (read_chunk(s, &state, ids + at, m, &want, err))
            return -1;
        want.out += (size_t)m * width;
    }
    return 0;
}

static int read_text(engine *e, const router_program *program, const int *ids, int n,
                     hidden_layers want, error *err)
{
    session *s = session_open(e, n, DTYPE_F32, err);
    if (!s)
        return -1;
    int result = session_set_program(s, program, err) || read_all(s, ids, n, want, err) ? -1 : 0;
    session_close(s);
    return result;
}

int engine_hidden(engine *e, const router_program *program, const int *ids, int n, int first,
                  int last, float *out, error *err)
{
    int layers = engine_config(e)->layers;
    if (n < 1)
        return error_set(err, ERROR_USAGE, "an empty text has no hidden states");
    if (first < 0 || first > last || last > layers)
        return error_set(err, ERROR_USAGE,
                         "hidden states of layers %d to %d: the model has 0 to %d", first, last,
                         layers);
    if (engine_check_tokens(e, ids, n, err) || checkpoint_intact(e->checkpoint, err))
        return -1;
    hidden_layers want = {.first = first, .last = last, .out = out};
    while (read_text(e, program, ids, n, want, err))
        if (engine_carry_on(e, err))
            return -1;
    return 0;
}
