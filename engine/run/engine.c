/* engine.c - opening and describing a model; engine.h has the contract.
 *
 * A model is opened from its file upwards: checkpoint, backend, weights, the plain program,
 * tokenizer, chat format, the arrays of a batch. Each step needs the ones before it, and
 * engine_close() takes an engine that stopped anywhere in between. Pools of pages and layer
 * loops come later, with the first session of their KV type (session.c).
 *
 * Adapters join the weights in bank.c, once for each distinct content.
 */
#include "engine_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/devices/backend_open.h"
#include "../text/stop_tokens.h"
#include "bank.h"
#include "engine_attach.h"
#include "engine_memory.h"
#include "engine_pool.h"

enum { DEFAULT_ROWS = 512 };

/* A tokenizer and a chat format are optional: a model without them still computes. A template that
 * cannot be run is no reason to refuse the model either: what needs it asks engine_chat_problem().
 * What the caller asked for must work. */
int engine_open_text(engine *e, const chat_options *chat, error *err)
{
    if (stop_tokens_collect(engine_config(e), e->tokenizer, &e->stops, err))
        return -1;
    if (!e->tokenizer)
        return 0;
    if (chat_open(e->checkpoint, e->tokenizer, chat, &e->chat, &e->chat_problem) == 0)
        return 0;
    if (!chat->name && e->chat_problem.code == ERROR_LOAD)
        return 0;
    *err = e->chat_problem;
    return -1;
}

/* Room for more experts than there are would be waste; what asks for them is told elsewhere. */
static int slots_for(const model_config *c, int asked)
{
    if (asked > c->experts)
        asked = c->experts;
    return asked > c->experts_per_token ? asked : c->experts_per_token;
}

/* The backend that is asked for; where it may be any, one that has room for the model. */
static int open_backend(engine *e, const engine_options *opt, error *err)
{
    error why = {0};
    backend_options device = opt->backend;
    bool any = !device.name || strcmp(device.name, "auto") == 0;
    device.fallback = &why;
    e->backend = backend_open(&device, err);
    if (!e->backend)
        return -1;
    if (engine_memory_check(e, any, any ? &why : err)) {
        if (!any)
            return -1;
        (void)error_prefix(&why, "the CPU computes; ");
        backend_close(e->backend);
        device.name = "cpu";
        e->backend = backend_open(&device, err);
    }
    if (e->backend && why.text[0] && opt->warn)
        opt->warn(opt->warn_user, CHECKPOINT_WARNING, why.text);
    return e->backend ? 0 : -1;
}

static int open_model(engine *e, const engine_options *opt, error *err)
{
    e->checkpoint = checkpoint_open(opt->path, opt->warn, opt->warn_user, err);
    if (!e->checkpoint || checkpoint_tweak(e->checkpoint, &opt->tweaks, err))
        return -1;
    const model_config *c = checkpoint_config(e->checkpoint);
    e->max_slots = slots_for(c, opt->max_slots);
    e->max_rows = opt->max_rows > 0 ? opt->max_rows : DEFAULT_ROWS;
    e->cancel = opt->cancel;
    e->adapter_bytes = opt->adapter_bytes ? opt->adapter_bytes : ADAPTER_BYTES;
    e->memory = opt->memory;
    e->memory_asked = opt->memory_asked;
    if (opt->beside)
        engine_pool_join(e, opt->beside);
    e->warn = opt->warn;
    e->warn_user = opt->warn_user;
    e->threads = opt->backend.threads;
    (void)snprintf(e->isa, sizeof e->isa, "%s", opt->backend.isa ? opt->backend.isa : "auto");
    if (open_backend(e, opt, err) ||
        weights_load(&e->weights, e->checkpoint, e->backend, opt->warn, opt->warn_user, err))
        return -1;
    e->plain = router_program_plain(c, 0, err);
    if (!e->plain || tokenizer_open(e->checkpoint, &e->tokenizer, err) ||
        engine_open_text(e, &opt->chat, err))
        return -1;
    e->rows = calloc((size_t)e->max_rows, sizeof *e->rows);
    e->row_sessions = calloc((size_t)e->max_rows, sizeof *e->row_sessions);
    if (!e->rows || !e->row_sessions)
        return error_memory(err, "a batch");
    return backend_sync(e->backend, err);
}

engine *engine_open(const engine_options *opt, error *err)
{
    error scratch;
    if (!err)
        err = &scratch;
    engine *e = calloc(1, sizeof *e);
    if (!e) {
        model_defaults_close(opt->defaults);
        error_memory(err, "the engine");
        return NULL;
    }
    e->defaults = opt->defaults;
    e->beside = e;
    if (open_model(e, opt, err)) {
        engine_close(e);
        return NULL;
    }
    return e;
}

void engine_close(engine *e)
{
    if (!e)
        return;
    for (int i = 0; i < KV_KINDS; i++) {
        forward_close(e->loops[i]);
        kv_pool_close(e->pools[i]);
    }
    free(e->rows);
    free(e->row_sessions);
    routing_tables_free(e->plain_tables);
    router_program_close(e->plain);
    chat_close(e->chat);
    tokens_release(&e->stops);
    model_defaults_close(e->defaults);
    tokenizer_close(e->tokenizer);
    free(e->tokenizer_path);
    bank_release(&e->weights);
    engine_pool_leave(e);
    expert_store_close(e->store);
    weights_release(&e->weights);
    backend_close(e->backend);
    backend_close(e->lost);
    checkpoint_close(e->checkpoint);
    free(e);
}

const model_config *engine_config(const engine *e)
{
    return checkpoint_config(e->checkpoint);
}

const checkpoint *engine_checkpoint(const engine *e)
{
    return e->checkpoint;
}

const tokenizer *engine_tokenizer(const engine *e)
{
    return e->tokenizer;
}

const chat_format *engine_chat(const engine *e)
{
    return e->chat;
}

const char *engine_chat_problem(const engine *e)
{
    return e->chat_problem.text;
}

const tokens *engine_stops(const engine *e)
{
    return &e->stops;
}

const struct model_defaults *engine_defaults(const engine *e)
{
    return e->defaults;
}

backend *engine_backend(const engine *e)
{
    return e->backend;
}

const struct weights *engine_weights(const engine *e)
{
    return &e->weights;
}

int engine_max_rows(const engine *e)
{
    return e->max_rows;
}

uint64_t engine_adapter_bytes(const engine *e)
{
    return e->adapter_bytes;
}

void engine_trace(engine *e, trace_fn *fn, void *user)
{
    e->trace = fn;
    e->trace_user = user;
    e->trace_part = fn ? TRACE_CHOICE : TRACE_NOTHING;
}

void engine_trace_outputs(engine *e, trace_fn *fn, void *user)
{
    engine_trace(e, fn, user);
    e->trace_part = fn ? TRACE_OUTPUTS : TRACE_NOTHING;
}

void engine_trace_wanted(engine *e, trace_fn *fn, void *user)
{
    engine_trace(e, fn, user);
    e->trace_part = fn ? TRACE_WANTED : TRACE_NOTHING;
}

void engine_watch_states(engine *e, states_fn *fn, void *user)
{
    e->states = fn;
    e->states_user = user;
}

void engine_watch_activations(engine *e, const activation_set *wanted, activation_fn *fn,
                              void *user)
{
    e->activations = wanted;
    e->activation = fn;
    e->activation_user = user;
}

/* ---- adapters ------------------------------------------------------------------------------------ */

int engine_add_adapter(engine *e, adapter *file, const placed_adapter **out, error *err)
{
    *out = NULL;
    const char *mine = file->fingerprint[0] ? engine_fingerprint(e, err) : NULL;
    if ((file->fingerprint[0] && !mine) || adapter_fit(file, engine_config(e), mine, err)) {
        adapter_close(file);
        return -1;
    }
    *out = bank_add(&e->weights, e->backend, file, err);
    return *out ? 0 : -1;
}

void engine_remove_adapter(engine *e, const placed_adapter *placed)
{
    if (placed)
        bank_remove(&e->weights, placed);
}

int engine_max_experts(const engine *e)
{
    return e->weights.max_experts;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Adds the f32 rows of t to the fingerprint, one row at a time. */
static int hash_tensor(engine *e, fingerprint *f, const tensor *t, error *err)
{
    size_t cols = tensor_cols(t);
    float *row = malloc(cols * sizeof *row);
    if (!row)
        return error_memory(err, "the fingerprint");
    int result = 0;
    for (size_t r = 0; result == 0 && r < tensor_rows(t); r++) {
        tensor_read(e->backend, t, r, 1, row);
        result = backend_sync(e->backend, err) || fingerprint_add_f32(f, row, cols, err) ? -1 : 0;
    }
    free(row);
    return result;
}

/* A dense model has no routers: its embedding names it in their place. */
static int hash_embedding(engine *e, fingerprint *f, error *err)
{
    const tensor *t = e->weights.embedding;
    size_t cols = tensor_cols(t);
    char *row = malloc(dtype_row_bytes(tensor_type(t), cols));
    float *values = malloc(cols * sizeof *values);
    int result = row && values ? 0 : error_memory(err, "the fingerprint");
    for (size_t id = 0; result == 0 && id < tensor_rows(t); id++) {
        tensor_read(e->backend, t, id, 1, row);
        result = backend_sync(e->backend, err);
        if (result)
            break;
        dequantize_row(tensor_type(t), row, values, cols);
        result = fingerprint_add_f32(f, values, cols, err);
    }
    free(values);
    free(row);
    return result;
}

static int hash_model(engine *e, fingerprint *f, error *err)
{
    const model_config *c = engine_config(e);
    if (!c->experts)
        return hash_embedding(e, f, err);
    for (int i = 0; i < c->layers; i++)
        if (c->moe_layer[i] && hash_tensor(e, f, e->weights.layers[i].router, err))
            return -1;
    return 0;
}

const char *engine_fingerprint(engine *e, error *err)
{
    if (e->fingerprint[0])
        return e->fingerprint;
    fingerprint *f = fingerprint_open(err);
    if (!f)
        return NULL;
    int failed = hash_model(e, f, err) || fingerprint_finish(f, e->fingerprint, err);
    fingerprint_close(f);
    if (failed)
        e->fingerprint[0] = '\0';
    return failed ? NULL : e->fingerprint;
}

/* Rows of *t in f32 until one is not all zero. row: [its bytes], values: [its cols] */
static int find_value(const engine *e, const tensor *t, char *row, float *values, bool *found,
                      error *err)
{
    size_t cols = tensor_cols(t);
    *found = false;
    for (size_t r = 0; r < tensor_rows(t) && !*found; r++) {
        tensor_read(e->backend, t, r, 1, row);
        if (backend_sync(e->backend, err))
            return -1;
        dequantize_row(tensor_type(t), row, values, cols);
        for (size_t i = 0; i < cols && !*found; i++)
            *found = values[i] != 0;
    }
    return 0;
}

int engine_expert_is_nil(const engine *e, int layer, int expert, bool *nil, error *err)
{
    const tensor *down = e->weights.layers[layer].expert_down[expert];
    size_t cols = tensor_cols(down);
    char *row = malloc(dtype_row_bytes(tensor_type(down), cols));
    float *values = malloc(cols * sizeof *values);
    bool found = false;
    int result = row && values ? find_value(e, down, row, values, &found, err)
                               : error_memory(err, "an expert");
    *nil = !found;
    free(row);
    free(values);
    return result;
}

uint64_t engine_bytes_per_token(const engine *e)
{
    const model_config *c = engine_config(e);
    return e->weights.dense_bytes + e->weights.expert_bytes * (uint64_t)e->weights.moe_layers *
                                        (uint64_t)c->experts_per_token;
}

uint64_t engine_expert_bytes(const engine *e)
{
    return e->weights.expert_bytes;
}

uint64_t engine_weight_bytes(const engine *e)
{
    return e->weights.bytes;
}

uint64_t engine_kv_bytes(const engine *e, int context, dtype type)
{
    const model_config *c = engine_config(e);
    kv_layout layout = {c->layers, c->kv_heads, c->head_dim, type};
    uint64_t pages = ((uint64_t)context + KV_PAGE - 1) / KV_PAGE;
    return pages * kv_page_bytes(&layout);
}
