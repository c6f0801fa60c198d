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

static int too_little(const engine *e, uint64_t needed, uint64_t fixed, error *err)
{
    return error_set(err, ERROR_USAGE,
                     "%.3g GiB of memory are too little for this model: without its routed experts "
                     "it takes %.3g, with the fewest that it can run with %.3g",
                     gib(e->memory), gib(fixed), gib(needed));
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

int engine_pool_fit(engine *e, bool admit, error *err)
{
    if (!e->memory || !e->weights.moe_layers || strcmp(backend_name(e->backend), "cpu") != 0)
        return 0;
    uint64_t seen = e->weights.bytes;
    for (int i = 0; i < KV_KINDS; i++)
        seen += kv_pool_bytes(e->pools[i]);
    if (seen == e->memory_seen)
        return 0;
    engine_memory_needs need;
    engine_needs(e, &need);
    e->memory_seen = seen;
    uint64_t fixed = need.dense + need.kv + need.batch;
    if (!e->store && fixed + need.experts <= e->memory)
        return 0;
    if (admit && e->memory_asked && fixed + need.least > e->memory)
        return too_little(e, fixed + need.least, fixed, err);
    uint64_t left = e->memory > fixed ? e->memory - fixed : 0;
    left = left > need.least ? left : need.least;
    if (e->store) {
        expert_store_resize(e->store, left);
        return 0;
    }
    e->store = expert_store_open(&e->weights, e->checkpoint, e->backend, left, err);
    if (!e->store)
        return -1;
    tell(e, need.experts);
    return 0;
}
