/* engine_pool.c - see engine_pool.h. */
#include "engine_pool.h"

#include <stdio.h>
#include <string.h>

/* What forward.c and the op of experts allocate for a full batch, within a few per cent. */
static uint64_t batch_bytes(const engine *e)
{
    enum { OUTPUT_ROWS = 32, COLUMNS = 32 };
    const model_config *c = engine_config(e);
    uint64_t rows = (uint64_t)e->max_rows, d = (uint64_t)c->width;
    int heads = 2 * c->heads + 2 * c->kv_heads, wide = c->ffn_width + c->shared_width + c->experts;
    uint64_t pairs = rows * (uint64_t)e->max_slots;
    uint64_t row = 8 * d + (uint64_t)heads * (uint64_t)c->head_dim + (uint64_t)wide;
    uint64_t pair =
        2 * (uint64_t)c->expert_width + d + COLUMNS * (uint64_t)backend_threads(e->backend);
    uint64_t logits = 2 * (uint64_t)OUTPUT_ROWS * ((uint64_t)c->vocabulary + d);
    return (rows * row + pairs * pair + logits) * sizeof(float);
}

void engine_needs(const engine *e, engine_memory_needs *out)
{
    const weights *w = &e->weights;
    *out = (engine_memory_needs){.experts = e->weights.all_expert_bytes, .batch = batch_bytes(e)};
    for (int i = 0; i < KV_KINDS; i++)
        out->kv += kv_pool_bytes(e->pools[i]);
    out->dense = w->dense_bytes;
    for (int i = 0; i < w->adapter_count; i++)
        out->dense += w->adapters[i]->bytes;
    out->least = w->moe_layers ? expert_store_least(w) : 0;
}

/* ---- those that share a bound ------------------------------------------------------------------- */

void engine_pool_join(engine *e, engine *with)
{
    e->beside = with->beside;
    with->beside = e;
    e->memory = with->memory;
    e->memory_asked = with->memory_asked;
}

void engine_pool_leave(engine *e)
{
    engine *before = e;
    while (before->beside != e)
        before = before->beside;
    before->beside = e->beside;
    e->beside = e;
}

/* A GPU's memory is planned elsewhere: engine_memory.h. */
static bool counted(const engine *e)
{
    return strcmp(backend_name(e->backend), "cpu") == 0;
}

/* Weights, keys and values of all: what changes between two batches. */
static uint64_t seen_of(const engine *e)
{
    uint64_t sum = 0;
    const engine *at = e;
    do {
        sum += at->weights.bytes;
        for (int i = 0; i < KV_KINDS; i++)
            sum += kv_pool_bytes(at->pools[i]);
        at = at->beside;
    } while (at != e);
    return sum;
}

static engine_memory_needs needs_of_all(const engine *e)
{
    engine_memory_needs sum = {0}, one;
    const engine *at = e;
    do {
        engine_needs(at, &one);
        if (counted(at))
            sum = (engine_memory_needs){sum.dense + one.dense, sum.experts + one.experts,
                                        sum.kv + one.kv, sum.batch + one.batch,
                                        sum.least + one.least};
        at = at->beside;
    } while (at != e);
    return sum;
}

/* ---- the bound ----------------------------------------------------------------------------------- */

uint64_t engine_memory(const engine *e)
{
    return e->memory;
}

bool engine_pool(const engine *e, expert_store_figures *out)
{
    if (e->store)
        expert_store_figures_of(e->store, out);
    return e->store != NULL;
}

static double gib(uint64_t bytes)
{
    return (double)bytes / (1 << 30);
}

/* Not below the figure when it is told with three digits, so that it may be taken at its word. */
static double gib_up(uint64_t bytes)
{
    return gib(bytes) * 1.005;
}

static int too_little(const engine *e, uint64_t needed, uint64_t fixed, error *err)
{
    bool several = e->beside != e;
    return error_set(
        err, ERROR_USAGE,
        "%.3g GiB of memory are too little for %s: without routed experts %s %.3g, with "
        "the fewest that %s can run with %.3g",
        gib(e->memory), several ? "these models" : "this model", several ? "they take" : "it takes",
        gib(fixed), several ? "they" : "it", gib_up(needed));
}

static void tell(const engine *e, uint64_t all)
{
    char text[192];
    expert_store_figures f;
    expert_store_figures_of(e->store, &f);
    (void)snprintf(text, sizeof text,
                   "the model does not fit in memory: of %.3g GiB of experts %.3g are kept, the "
                   "others are read from its file as they are called",
                   gib(all), gib(f.bytes));
    if (e->warn)
        e->warn(e->warn_user, e->memory_asked ? CHECKPOINT_DETAIL : CHECKPOINT_WARNING, text);
}

/* The pool gets the share of what is left that its experts are of all. */
static int give(engine *e, uint64_t left, uint64_t all, error *err)
{
    engine_memory_needs own;
    engine_needs(e, &own);
    uint64_t share = (uint64_t)((double)left * (double)own.experts / (double)all);
    share = own.experts == all ? left : share;
    share = share > own.least ? share : own.least;
    if (e->store) {
        expert_store_resize(e->store, share);
        return 0;
    }
    e->store = expert_store_open(&e->weights, e->checkpoint, e->backend, share, err);
    if (!e->store)
        return -1;
    tell(e, own.experts);
    return 0;
}

int engine_admit(const engine *e, int sessions, int context, dtype kv, error *err)
{
    const model_config *c = engine_config(e);
    kv_layout layout = {c->layers, c->kv_heads, c->head_dim, kv};
    if (!e->memory || !e->memory_asked || !e->weights.moe_layers || !counted(e))
        return 0;
    engine_memory_needs all = needs_of_all(e);
    uint64_t fixed =
        all.dense + all.kv + (uint64_t)sessions * kv_bytes(&layout, context) + all.batch;
    bool whole = fixed + all.experts <= e->memory; /* a pool takes more than few small experts */
    return whole || fixed + all.least <= e->memory ? 0
                                                   : too_little(e, fixed + all.least, fixed, err);
}

int engine_pool_fit(engine *e, error *err)
{
    if (!e->memory || !e->weights.moe_layers || !counted(e))
        return 0;
    uint64_t seen = seen_of(e);
    if (seen == e->memory_seen)
        return 0;
    engine_memory_needs all = needs_of_all(e);
    uint64_t fixed = all.dense + all.kv + all.batch;
    if ((e->store || fixed + all.experts > e->memory) &&
        give(e, e->memory > fixed ? e->memory - fixed : 0, all.experts, err))
        return -1;
    e->memory_seen = seen;
    return 0;
}
