/* engine_memory.c - see engine_memory.h. */
#include "engine_memory.h"

#include <stdio.h>

#include "../../kernels/devices/backend_open.h"
#include "engine_state.h"

memory_ask engine_memory_ask(const engine *e, int passes, int context, dtype kv)
{
    return (memory_ask){.config = engine_config(e),
                        .weights = engine_weights(e),
                        .passes = passes,
                        .context = context,
                        .kv = kv,
                        .max_rows = e->max_rows,
                        .slots = e->max_slots > 0 ? e->max_slots : 1};
}

int engine_memory_check(engine *e, bool whole, error *err)
{
    uint64_t room, total;
    weights figures;
    enum { SHORT = 512 };
    backend_memory(e->backend, &room, &total);
    if (!total)
        return 0;
    int result = weights_measure(&figures, e->checkpoint, err);
    int context = engine_config(e)->context;
    memory_ask ask = engine_memory_ask(e, 1, context < SHORT ? context : SHORT, DTYPE_F16);
    ask.weights = &figures;
    if (!result) {
        const model_config *c = engine_config(e);
        memory_plan p = memory_plan_of(&ask);
        uint64_t idle = (uint64_t)(c->experts - c->experts_per_token) *
                        (uint64_t)figures.moe_layers * figures.expert_bytes;
        if (whole || memory_plan_total(&p) - idle > room)
            result = memory_check(&ask, room, "are free", err);
    }
    weights_release(&figures);
    return result;
}

void engine_memory_explain(const engine *e, const session *of, int context, dtype kv,
                           const router_program *program, error *err)
{
    enum { MOST = 64 };
    const router_program *programs[MOST];
    uint64_t room, total;
    bool everything = e->plain_tables || (of && !program);
    memory_ask ask = engine_memory_ask(e, 1, context, kv);
    backend_memory(e->backend, &room, &total);
    if (!total || backend_lost(e->backend) || (err && err->code != ERROR_RUN))
        return;
    if (program)
        programs[ask.program_count++] = program;
    for (const session *s = e->sessions; s; s = s->next) {
        if (s == of)
            continue;
        ask.context = session_context(s) > ask.context ? session_context(s) : ask.context;
        ask.passes++;
        everything = everything || (s->program && ask.program_count == MOST);
        if (s->program && !everything)
            programs[ask.program_count++] = s->program;
    }
    ask.programs = programs;
    ask.program_count = everything ? 0 : ask.program_count;
    (void)memory_check(&ask, total, "are all that it has", err);
}

bool engine_memory_present(char *name, size_t size, uint64_t *room)
{
    uint64_t total;
    backend *b = backend_open(&(backend_options){.name = "cuda"}, NULL);
    if (!b)
        return false;
    backend_memory(b, room, &total);
    (void)snprintf(name, size, "%s", backend_isa(b));
    backend_close(b);
    return true;
}
