/* bench_dry.c - see bench_dry.h. The launches are those of kernels/cuda/, op by op. */
#include "bench_dry.h"

#include <math.h>
#include <stdlib.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/run/engine_memory.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "gpu_cards.h"

/* What one kernel adds to a step when the next one waits for it: an assumption. */
static const double LAUNCH_SECONDS = 2e-6;

typedef enum part {
    PART_OF_ATTENTION,
    PART_OF_KV,
    PART_OF_ROUTER,
    PART_OF_EXPERTS,
    PART_OF_SHARED,
    PART_OF_FFN,
    PART_OF_HEAD,
    PARTS,
} part;

static const char *const NAMES[PARTS] = {"attention",     "keys and values", "router", "experts",
                                         "shared expert", "dense ffn",       "head"};

typedef struct account {
    int passes;
    uint64_t memory; /* that the passes take of a GPU */
    double bytes[PARTS];
    int launches[PARTS];
} account;

static double bytes_of(const tensor *t)
{
    return t ? (double)tensor_rows(t) * (double)dtype_row_bytes(tensor_type(t), tensor_cols(t)) : 0;
}

/* Int8 copies that products of these weights take: one for each form, none for plain floats. */
static int copies_for(const tensor *const *all, int n)
{
    bool small = false, large = false;
    for (int i = 0; i < n; i++) {
        int block = dtype_describe(tensor_type(all[i]))->block;
        small = small || block == 32;
        large = large || block == QUANT_K;
    }
    return small + large;
}

static int copy_for(const tensor *weight)
{
    return copies_for(&weight, 1);
}

/* Norm, q k v, their norms, RoPE twice, store, attention, o, sum. */
static void count_attention(account *a, const layer_weights *w)
{
    const tensor *qkv[3] = {w->q, w->k, w->v};
    const tensor *small[] = {w->attention_norm, w->q_bias, w->k_bias, w->v_bias,
                             w->o_bias,         w->q_norm, w->k_norm, w->ffn_norm};
    a->bytes[PART_OF_ATTENTION] += bytes_of(w->o);
    for (int i = 0; i < 3; i++)
        a->bytes[PART_OF_ATTENTION] += bytes_of(qkv[i]);
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        a->bytes[PART_OF_ATTENTION] += bytes_of(small[i]);
    a->launches[PART_OF_ATTENTION] +=
        1 + copies_for(qkv, 3) + 3 + (w->q_norm ? 2 : 0) + 2 + copy_for(w->o) + 2;
    a->launches[PART_OF_KV] += 2;
}

/* Norm, gate and up in one, down, sum. */
static void count_dense(account *a, const layer_weights *w)
{
    const tensor *both[2] = {w->gate, w->up};
    a->bytes[PART_OF_FFN] += bytes_of(w->gate) + bytes_of(w->up) + bytes_of(w->down);
    a->launches[PART_OF_FFN] += 1 + copies_for(both, 2) + 1 + copy_for(w->down) + 1 + 1;
}

static void count_shared(account *a, const layer_weights *w)
{
    const tensor *both[2] = {w->shared_gate, w->shared_up};
    if (!w->shared_gate)
        return;
    a->bytes[PART_OF_SHARED] += bytes_of(w->shared_gate) + bytes_of(w->shared_up) +
                                bytes_of(w->shared_down) + bytes_of(w->shared_router);
    a->launches[PART_OF_SHARED] +=
        copies_for(both, 2) + 1 + copy_for(w->shared_down) + 1 + (w->shared_router ? 1 : 0) + 1;
}

/* Distinct experts of m that n passes call, when each draws k of its own. */
static double distinct(int m, int k, int n)
{
    return m * (1 - pow(1 - (double)k / m, n));
}

/* Norm, logits, choice; pairs sorted, gate and up, down, slots summed; sum. */
static void count_experts(account *a, const layer_weights *w, const model_config *c)
{
    double all = 0;
    const tensor *both[2] = {w->expert_gate[0], w->expert_up[0]};
    for (int e = 0; e < c->experts; e++)
        all +=
            bytes_of(w->expert_gate[e]) + bytes_of(w->expert_up[e]) + bytes_of(w->expert_down[e]);
    a->bytes[PART_OF_ROUTER] += bytes_of(w->router);
    a->launches[PART_OF_ROUTER] += 3;
    a->bytes[PART_OF_EXPERTS] +=
        all / c->experts * distinct(c->experts, c->experts_per_token, a->passes);
    a->launches[PART_OF_EXPERTS] +=
        1 + copies_for(both, 2) + 1 + copy_for(w->expert_down[0]) + 1 + 1 + 1;
    count_shared(a, w);
}

static account count_step(const engine *e, int passes, dtype kv, double length)
{
    const model_config *c = engine_config(e);
    const weights *w = engine_weights(e);
    memory_ask ask = engine_memory_ask(e, passes, (int)ceil(length), kv);
    memory_plan plan = memory_plan_of(&ask);
    account a = {.passes = passes, .memory = memory_plan_total(&plan)};
    for (int i = 0; i < c->layers; i++) {
        count_attention(&a, &w->layers[i]);
        if (c->moe_layer[i])
            count_experts(&a, &w->layers[i], c);
        else
            count_dense(&a, &w->layers[i]);
    }
    a.bytes[PART_OF_KV] += (double)engine_kv_bytes(e, KV_PAGE, kv) / KV_PAGE * length * passes;
    a.bytes[PART_OF_HEAD] = bytes_of(w->output) + bytes_of(w->output_norm);
    /* Rows of the embedding, those that want logits, their norm, the product, a scale; the best logit, the
     * weights, the draw. */
    a.launches[PART_OF_HEAD] = 3 + copy_for(w->output) + 1 + (c->logit_scale != 1.0f ? 1 : 0) + 3;
    return a;
}

static double all_bytes(const account *a)
{
    double sum = 0;
    for (int i = 0; i < PARTS; i++)
        sum += a->bytes[i];
    return sum;
}

static int all_launches(const account *a)
{
    int sum = 0;
    for (int i = 0; i < PARTS; i++)
        sum += a->launches[i];
    return sum;
}

/* Seconds of a step on a GPU: by bytes alone, and with the launches. */
static double read_seconds(const account *a, int gpu)
{
    return all_bytes(a) / (gpu_cards[gpu].gbps * 1e9);
}

static double step_seconds(const account *a, int gpu)
{
    return read_seconds(a, gpu) + all_launches(a) * LAUNCH_SECONDS;
}

static bool fits(const account *a, int gpu)
{
    return (double)a->memory <= gpu_cards[gpu].gib * 0x1p30 * MEMORY_USABLE;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static int add_parts(const account *a, console *con, buf *out, error *err)
{
    char size[HUMAN_TEXT];
    if (buf_format(out, err, "%s%d pass%s\n%16s  %10s  %7s  %8s%s\n", console_dim(con), a->passes,
                   a->passes == 1 ? "" : "es", "a step", "reads", "share", "launches",
                   console_reset(con)))
        return -1;
    for (int i = 0; i < PARTS; i++)
        if (a->launches[i] && buf_format(out, err, "%16s  %10s  %5.1f %%  %8d\n", NAMES[i],
                                         human_bytes(size, (uint64_t)a->bytes[i]),
                                         100 * a->bytes[i] / all_bytes(a), a->launches[i]))
            return -1;
    return buf_format(out, err, "%16s  %10s  %7s  %8d\n\n", "all",
                      human_bytes(size, (uint64_t)all_bytes(a)), "", all_launches(a));
}

static int add_gpus(const account *a, console *con, buf *out, error *err)
{
    if (buf_format(out, err, "%s%16s  %10s  %10s  %10s  %12s%s\n", console_dim(con), "GPU",
                   "by bytes", "launched", "tokens/s", "of bandwidth", console_reset(con)))
        return -1;
    for (int i = 0; i < GPU_CARDS; i++) {
        double least = read_seconds(a, i), whole = step_seconds(a, i);
        if (!fits(a, i) ? buf_format(out, err, "%16s  the model does not fit %.0f GiB\n",
                                     gpu_cards[i].name, gpu_cards[i].gib)
                        : buf_format(out, err, "%16s  %7.2f ms  %7.2f ms  %10.0f  %10.0f %%\n",
                                     gpu_cards[i].name, least * 1e3, whole * 1e3, a->passes / whole,
                                     100 * least / whole))
            return -1;
    }
    return buf_text(out, "\n", err);
}

static int print_text(const account *all, size_t n, console *con, error *err)
{
    buf out = {0};
    int result =
        buf_format(&out, err,
                   "On paper, no GPU was asked: bytes over bandwidth, and %.0f us for each "
                   "kernel that is launched.\n\n",
                   LAUNCH_SECONDS * 1e6);
    for (size_t i = 0; i < n && !result; i++)
        result = add_parts(&all[i], con, &out, err) || add_gpus(&all[i], con, &out, err);
    result = result ? -1 : console_text(con, &out, err);
    buf_release(&out);
    return result;
}

static void put_account(json_writer *w, const account *a)
{
    json_begin_object(w, NULL);
    json_put_int(w, "passes", a->passes);
    json_put_count(w, "bytes", (uint64_t)all_bytes(a));
    json_put_int(w, "launches", all_launches(a));
    json_begin_array(w, "parts");
    for (int i = 0; i < PARTS; i++) {
        json_begin_object(w, NULL);
        json_put_text(w, "name", NAMES[i]);
        json_put_count(w, "bytes", (uint64_t)a->bytes[i]);
        json_put_int(w, "launches", a->launches[i]);
        json_end(w);
    }
    json_end(w);
    json_begin_array(w, "gpus");
    for (int i = 0; i < GPU_CARDS; i++) {
        json_begin_object(w, NULL);
        json_put_text(w, "name", gpu_cards[i].name);
        json_put_number(w, "gbps", gpu_cards[i].gbps);
        json_put_bool(w, "fits", fits(a, i));
        json_put_number(w, "bytes_ms", read_seconds(a, i) * 1e3);
        json_put_number(w, "step_ms", step_seconds(a, i) * 1e3);
        json_put_number(w, "tokens_per_second", a->passes / step_seconds(a, i));
        json_put_number(w, "share_of_bandwidth", read_seconds(a, i) / step_seconds(a, i));
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

static int print_json(const engine *e, const account *all, size_t n, console *con, error *err)
{
    buf out = {0};
    json_writer w = {.out = &out, .err = err};
    json_begin_object(&w, NULL);
    json_put_text(&w, "model", checkpoint_path(engine_checkpoint(e)));
    json_put_number(&w, "launch_us", LAUNCH_SECONDS * 1e6);
    json_begin_array(&w, "steps");
    for (size_t i = 0; i < n; i++)
        put_account(&w, &all[i]);
    json_end(&w);
    json_end(&w);
    return console_json(con, &w, err);
}

int bench_dry_run(const engine *e, const options *opt, const tokens *passes, dtype kv,
                  double length, console *con, error *err)
{
    account *all = calloc(passes->len, sizeof *all);
    if (!all)
        return error_memory(err, "the bench");
    for (size_t i = 0; i < passes->len; i++)
        all[i] = count_step(e, passes->v[i], kv, length);
    int result = options_want_json(opt) ? print_json(e, all, passes->len, con, err)
                                        : print_text(all, passes->len, con, err);
    free(all);
    return result;
}
