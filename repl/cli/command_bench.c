/* command_bench.c - how fast this machine runs a model, alone and with several passes in lockstep.
 *
 * Decoding reads weights: its ceiling is bytes per step over the speed of memory. So the bench
 * measures three things: the memory, by plain reads of a large buffer; the time of each phase; and
 * the bytes of a step: what all passes share, once, plus the distinct experts that they called
 * together, plus their keys and values. The experts are counted from a traced repetition of the
 * same steps (numbers do not depend on the batch or on time, so the routes are the same), which keeps
 * the trace out of the timing. What a batch saves is measured step by step: all passes at once,
 * then the same tokens again, one pass after the other.
 *
 * Tokens are random but the same in every run, and differ from pass to pass, so that passes route
 * differently.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/run/sampler.h"
#include "../../engine/run/weights.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "bench_dry.h"
#include "bench_profile.h"
#include "commands.h"

enum { PROMPT = 128, GENERATE = 32, COMPARED_STEPS = 16, WARM_UP = 128 };
enum { SWEEPS_AT_FIRST = 8, SWEEPS_AGAIN = 3 };

typedef struct bench_run {
    int passes;
    double prefill_tps, decode_tps; /* of all passes together */
    double experts_per_step;        /* distinct (layer, expert) pairs */
    double union_per_layer;         /* of them in one layer, the mean; 0 for a dense model */
    double share_of_apart;          /* time of a step over that of the same passes in turn */
    double bytes_per_step;
    double steps_per_second;
    bench_phase reading, writing; /* with --profile */
} bench_run;

typedef struct bench {
    engine *engine;
    console *con;
    const options *opt;
    dtype kv;
    int depth, prompt, generate, max_passes;
    session **sessions; /* [max_passes] */
    step *steps;        /* [max_passes] */
    int *ids;           /* [max_passes, length_of()] */
    float *logits;      /* [max_passes, vocabulary] */
    uint8_t *called;    /* [layers, experts] 1 = called in this step */
    uint64_t calls;     /* distinct ones, over all traced steps */
    void *swept;        /* [swept_bytes] what is read to measure the memory */
    size_t swept_bytes;
    double dram; /* bytes a second: the most of any sweep so far */
} bench;

/* ---- memory --------------------------------------------------------------------------------- */

/* Bytes that may be taken without pushing others out, or 0 when nobody says. */
static size_t available_memory(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && !kib && fgets(line, sizeof line, f))
        (void)sscanf(line, "MemAvailable: %llu kB", &kib);
    if (f)
        (void)fclose(f);
    return (size_t)kib * 1024;
}

/* A buffer far larger than any cache, in large pages where the system gives them: mapped files are read
 * in long runs too, and through small pages alone the figure varies twofold. */
static int open_memory(bench *b, error *err)
{
    size_t size = (size_t)512 << 20, available = available_memory();
    if (available && size > available / 4)
        size = available / 4;
    void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return error_memory(err, "the memory test");
    b->swept = buffer;
    b->swept_bytes = size;
    (void)madvise(buffer, size, MADV_HUGEPAGE);
    memset(buffer, 1, size); /* untouched pages would all be the one page of zeros */
    return 0;
}

/* Read at a time: too much for a cache to have kept it since the last sweep, too little to be
 * interrupted each time on a busy machine. Another device's memory is read whole. */
static size_t swept_at_once(const bench *b)
{
    const size_t piece = (size_t)32 << 20;
    bool host = tensor_host(engine_weights(b->engine)->output) != NULL;
    return host && piece < b->swept_bytes ? piece : b->swept_bytes;
}

/* The fastest piece counts, whenever it was: other programs can only slow one down, and a run is
 * compared with what the memory can do. So it is read again after each run. */
static int measure_memory(bench *b, int sweeps, error *err)
{
    size_t piece = swept_at_once(b), pieces = b->swept_bytes / piece;
    console_progress(b->con, "bench: measuring memory");
    for (size_t i = 0; i < pieces * (size_t)sweeps && !console_cancelled(b->con); i++) {
        const uint8_t *from = (const uint8_t *)b->swept + i % pieces * piece;
        double seconds = backend_read_seconds(engine_backend(b->engine), from, piece);
        b->dram = fmax(b->dram, (double)piece / seconds);
    }
    return console_cancelled(b->con) ? console_interrupted(err) : 0;
}

/* ---- one number of passes --------------------------------------------------------------------- */

/* Tokens of a pass: there before, read, written. */
static int length_of(const bench *b)
{
    return b->depth + b->prompt + b->generate;
}

/* Where writing begins. */
static int written_from(const bench *b)
{
    return b->depth + b->prompt;
}

static const int *ids_of(const bench *b, int pass)
{
    return b->ids + (size_t)pass * (size_t)length_of(b);
}

/* One batch: token `from` and the n - 1 after it, in passes [first, first + count). */
static int advance_some(bench *b, int first, int count, int from, int n, error *err)
{
    size_t vocabulary = (size_t)engine_config(b->engine)->vocabulary;
    for (int i = 0, p = first; i < count; i++, p++)
        b->steps[i] = (step){b->sessions[p], ids_of(b, p) + from, n, LOGITS_LAST,
                             b->logits + (size_t)p * vocabulary};
    return engine_advance(b->engine, b->steps, count, err);
}

static int advance(bench *b, int passes, int from, int n, error *err)
{
    return advance_some(b, 0, passes, from, n, err);
}

static void rewind_all(bench *b, int length)
{
    for (int p = 0; p < b->max_passes; p++)
        if (session_length(b->sessions[p]) > length)
            session_rewind(b->sessions[p], length);
}

static void count_call(void *user, const session *s, const route_trace *t)
{
    bench *b = user;
    (void)s;
    uint8_t *layer = b->called + (size_t)t->layer * (size_t)engine_config(b->engine)->experts;
    for (int i = 0; i < t->slots; i++) {
        if (t->ids[i] < 0)
            continue;
        b->calls += !layer[t->ids[i]];
        layer[t->ids[i]] = 1;
    }
}

static int compared_steps(const bench *b)
{
    return b->generate < COMPARED_STEPS ? b->generate : COMPARED_STEPS;
}

static int expert_layers(const model_config *c)
{
    int layers = 0;
    for (int i = 0; i < c->layers; i++)
        layers += c->moe_layer[i];
    return layers;
}

/* Repeats the first steps with the trace on: the mean number of distinct experts a step. */
static int count_experts(bench *b, bench_run *r, error *err)
{
    const model_config *c = engine_config(b->engine);
    int steps = compared_steps(b);
    if (!c->experts)
        return 0;
    rewind_all(b, written_from(b));
    b->calls = 0;
    engine_trace(b->engine, count_call, b);
    int result = 0;
    for (int i = 0; result == 0 && i < steps; i++) {
        memset(b->called, 0, (size_t)c->layers * (size_t)c->experts);
        result = advance(b, r->passes, written_from(b) + i, 1, err);
    }
    engine_trace(b->engine, NULL, NULL);
    r->experts_per_step = (double)b->calls / steps;
    r->union_per_layer = r->experts_per_step / expert_layers(c);
    return result;
}

/* Repeats the first steps twice, as a batch and in turn, so that a machine that slows down slows
 * both. */
static int compare_apart(bench *b, bench_run *r, error *err)
{
    double together = 0, apart = 0;
    for (int at = written_from(b); at < written_from(b) + compared_steps(b); at++) {
        rewind_all(b, at);
        double t0 = console_seconds();
        if (advance(b, r->passes, at, 1, err))
            return -1;
        double t1 = console_seconds();
        rewind_all(b, at);
        double t2 = console_seconds();
        for (int p = 0; p < r->passes; p++)
            if (advance_some(b, p, 1, at, 1, err))
                return -1;
        together += t1 - t0;
        apart += console_seconds() - t2;
    }
    r->share_of_apart = together / apart;
    return 0;
}

/* What one pass calls in a step. */
static double calls_of_one(const model_config *c)
{
    return (double)expert_layers(c) * c->experts_per_token;
}

/* Positions that a step reads, over the tokens written. */
static double mean_length(const bench *b)
{
    return written_from(b) + 0.5 * (b->generate + 1);
}

static double bytes_per_step(const bench *b, const bench_run *r)
{
    const engine *e = b->engine;
    double shared = (double)engine_bytes_per_token(e);
    double expert = (double)engine_expert_bytes(e);
    if (expert > 0)
        shared += (r->experts_per_step - calls_of_one(engine_config(e))) * expert;
    double position = (double)engine_kv_bytes(e, KV_PAGE, b->kv) / KV_PAGE;
    return shared + position * mean_length(b) * r->passes;
}

/* What stands before the prompts, untimed; once for each pass. */
static int reach_depth(bench *b, int passes, error *err)
{
    rewind_all(b, b->depth);
    for (int p = 0; p < passes; p++)
        if (b->depth && session_length(b->sessions[p]) < b->depth) {
            console_progress(b->con, "bench: %d tokens before pass %d", b->depth, p + 1);
            rewind_all(b, 0);
            return advance(b, passes, 0, b->depth, err);
        }
    return 0;
}

static int read_prompts(bench *b, int passes, double *seconds, error *err)
{
    if (reach_depth(b, passes, err))
        return -1;
    double t0 = console_seconds();
    if (advance(b, passes, b->depth, b->prompt, err))
        return -1;
    *seconds = console_seconds() - t0;
    return 0;
}

static int write_tokens(bench *b, int passes, double *seconds, error *err)
{
    double t0 = console_seconds();
    for (int i = 0; i < b->generate; i++) {
        console_progress(b->con, "bench: %d at once, writing token %d of %d", passes, i + 1,
                         b->generate);
        if (advance(b, passes, written_from(b) + i, 1, err))
            return -1;
    }
    *seconds = console_seconds() - t0;
    return 0;
}

/* The same once more, with a clock at every op. */
static int profile(bench *b, bench_run *r, error *err)
{
    double reading, writing;
    backend_profile *p = bench_profile_open(b->engine, err);
    int result = p ? read_prompts(b, r->passes, &reading, err) : -1;
    if (result == 0) {
        bench_profile_take(p, 1, reading, &r->reading);
        result = write_tokens(b, r->passes, &writing, err);
    }
    if (result == 0)
        bench_profile_take(p, b->generate, writing, &r->writing);
    backend_profile_close(p);
    return result;
}

static int measure(bench *b, bench_run *r, error *err)
{
    double reading, writing;
    console_progress(b->con, "bench: %d at once, reading", r->passes);
    if (read_prompts(b, r->passes, &reading, err) || write_tokens(b, r->passes, &writing, err) ||
        count_experts(b, r, err) || compare_apart(b, r, err) ||
        (b->opt->profile && profile(b, r, err)) || measure_memory(b, SWEEPS_AGAIN, err))
        return -1;
    r->steps_per_second = b->generate / writing;
    r->prefill_tps = r->passes * b->prompt / reading;
    r->decode_tps = r->passes * r->steps_per_second;
    r->bytes_per_step = bytes_per_step(b, r);
    return 0;
}

static double share_of_dram(const bench *b, const bench_run *r)
{
    return r->bytes_per_step * r->steps_per_second / b->dram;
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* "MODEL" in bold, and a line of what it is and what computes. */
static int add_model(const bench *b, buf *out, error *err)
{
    const model_config *c = engine_config(b->engine);
    const backend *device = engine_backend(b->engine);
    int threads = backend_threads(device);
    if (buf_text(out, console_bold(b->con), err) ||
        console_quote(b->con, out, open_model_title(b->opt, b->engine), err) ||
        buf_format(out, err, "%s\n%s, %d layers", console_reset(b->con), architecture_name(c->arch),
                   c->layers))
        return -1;
    if (c->experts && buf_format(out, err, ", %d of %d experts", c->experts_per_token, c->experts))
        return -1;
    return buf_format(out, err, "; %s, %d thread%s, %s\n", backend_name(device), threads,
                      threads == 1 ? "" : "s", backend_isa(device));
}

static int add_legend(const bench *b, buf *out, error *err)
{
    if (b->depth && buf_format(out, err, "behind %d tokens: ", b->depth))
        return -1;
    return buf_format(out, err,
                      "%d tokens read, %d written in each pass; memory reads %.1f GB/s\n"
                      "prefill, decode, each pass: tokens a second; experts: distinct ones in a "
                      "layer;\nof apart: time of a step over that of its passes one after "
                      "another\n\n",
                      b->prompt, b->generate, b->dram * 1e-9);
}

static int add_columns(const bench *b, buf *out, error *err)
{
    return buf_format(out, err, "%s%6s  %8s  %8s  %9s  %7s  %11s  %9s  %8s%s\n",
                      console_dim(b->con), "passes", "prefill", "decode", "each pass", "experts",
                      "read a step", "of memory", "of apart", console_reset(b->con));
}

static int print_head(bench *b, error *err)
{
    buf out = {0};
    bool made = add_model(b, &out, err) == 0 && add_legend(b, &out, err) == 0 &&
                add_columns(b, &out, err) == 0;
    int result = made ? console_text(b->con, &out, err) : -1;
    buf_release(&out);
    return result;
}

static int print_run(bench *b, const bench_run *r, error *err)
{
    char bytes[HUMAN_TEXT];
    buf out = {0};
    int result =
        buf_format(&out, err, "%6d  %8.1f  %8.1f  %9.1f  %7.1f  %11s  %7.0f %%  %6.0f %%\n",
                   r->passes, r->prefill_tps, r->decode_tps, r->decode_tps / r->passes,
                   r->union_per_layer, human_bytes(bytes, (uint64_t)r->bytes_per_step),
                   100 * share_of_dram(b, r), 100 * r->share_of_apart) ||
        console_text(b->con, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}

static int print_profile(bench *b, const bench_run *r, error *err)
{
    char title[64];
    const char *plural = r->passes == 1 ? "" : "es";
    snprintf(title, sizeof title, "%d pass%s, reading %d tokens each", r->passes, plural,
             b->prompt);
    if (bench_profile_print(&r->reading, title, b->dram, b->con, err))
        return -1;
    snprintf(title, sizeof title, "%d pass%s, a step of writing", r->passes, plural);
    return bench_profile_print(&r->writing, title, b->dram, b->con, err);
}

static void put_profile(const bench *b, const bench_run *r, json_writer *e)
{
    json_begin_object(e, "profile");
    bench_profile_json(&r->reading, "prefill", b->dram, e);
    bench_profile_json(&r->writing, "decode", b->dram, e);
    json_end(e);
}

static int print_json(bench *b, const bench_run *runs, size_t n, error *err)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = err};
    backend *device = engine_backend(b->engine);
    json_begin_object(&e, NULL);
    json_put_text(&e, "model", checkpoint_path(engine_checkpoint(b->engine)));
    json_put_text(&e, "backend", backend_name(device));
    json_put_text(&e, "isa", backend_isa(device));
    json_put_int(&e, "threads", backend_threads(device));
    json_put_int(&e, "depth", b->depth);
    json_put_int(&e, "prompt", b->prompt);
    json_put_int(&e, "generate", b->generate);
    json_put_number(&e, "dram_gbps", b->dram * 1e-9);
    json_begin_array(&e, "runs");
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&e, NULL);
        json_put_int(&e, "passes", runs[i].passes);
        json_put_number(&e, "prefill_tps", runs[i].prefill_tps);
        json_put_number(&e, "decode_tps", runs[i].decode_tps);
        json_put_count(&e, "bytes_per_step", (uint64_t)runs[i].bytes_per_step);
        json_put_number(&e, "experts_per_step", runs[i].experts_per_step);
        json_put_number(&e, "union_experts_per_step", runs[i].union_per_layer);
        json_put_number(&e, "share_of_apart", runs[i].share_of_apart);
        json_put_number(&e, "share_of_dram", share_of_dram(b, &runs[i]));
        if (b->opt->profile)
            put_profile(b, &runs[i], &e);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    return console_json(b->con, &e, err);
}

/* ---- setting up ------------------------------------------------------------------------------- */

static void close_bench(bench *b)
{
    for (int p = 0; b->sessions && p < b->max_passes; p++)
        session_close(b->sessions[p]);
    free(b->sessions);
    free(b->steps);
    free(b->ids);
    free(b->logits);
    free(b->called);
    if (b->swept)
        (void)munmap(b->swept, b->swept_bytes);
}

static void draw_ids(bench *b)
{
    int vocabulary = engine_config(b->engine)->vocabulary;
    int n = length_of(b);
    for (int p = 0; p < b->max_passes; p++)
        for (int i = 0; i < n; i++)
            b->ids[(size_t)p * (size_t)n + (size_t)i] =
                (int)(keyed_uniform((uint64_t)p, "bench", (uint64_t)i, 0) * vocabulary);
}

static int open_bench(bench *b, error *err)
{
    const model_config *c = engine_config(b->engine);
    size_t passes = (size_t)b->max_passes;
    int length = length_of(b);
    b->sessions = calloc(passes, sizeof(session *));
    b->steps = calloc(passes, sizeof *b->steps);
    b->ids = calloc(passes * (size_t)length, sizeof *b->ids);
    b->logits = calloc(passes * (size_t)c->vocabulary, sizeof *b->logits);
    b->called = calloc((size_t)c->layers, (size_t)c->experts + 1);
    if (!b->sessions || !b->steps || !b->ids || !b->logits || !b->called)
        return error_memory(err, "the bench");
    draw_ids(b);
    if (engine_admit(b->engine, b->max_passes, length, b->kv, err))
        return -1;
    for (int p = 0; p < b->max_passes; p++) {
        b->sessions[p] = session_open(b->engine, length, b->kv, err);
        if (!b->sessions[p])
            return -1;
    }
    return 0;
}

static int check_context(const bench *b, error *err)
{
    int context;
    if (open_model_context(b->opt, b->engine, &context, err))
        return -1;
    if (length_of(b) <= context)
        return 0;
    return error_set(
        err, ERROR_CONTEXT, "--prompt %d and --generate %d%s are %d tokens; the context holds %d",
        b->prompt, b->generate, b->depth ? " behind --depth" : "", length_of(b), context);
}

/* The first batch pays for pages that were never touched: it is not measured. */
static int warm_up(bench *b, error *err)
{
    console_progress(b->con, "bench: warming up");
    return advance(b, 1, 0, b->prompt < WARM_UP ? b->prompt : WARM_UP, err);
}

static int run_all(bench *b, const tokens *passes, error *err)
{
    bool json = options_want_json(b->opt);
    if (check_context(b, err) || open_bench(b, err) || open_memory(b, err) ||
        measure_memory(b, SWEEPS_AT_FIRST, err) || warm_up(b, err) || (!json && print_head(b, err)))
        return -1;
    bench_run *runs = calloc(passes->len, sizeof *runs);
    if (!runs)
        return error_memory(err, "the bench");
    int result = 0;
    for (size_t i = 0; result == 0 && i < passes->len; i++) {
        runs[i].passes = passes->v[i];
        result = measure(b, &runs[i], err) || (!json && print_run(b, &runs[i], err)) ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && !json && b->opt->profile && i < passes->len; i++)
        result = print_profile(b, &runs[i], err);
    if (result == 0 && json)
        result = print_json(b, runs, passes->len, err);
    free(runs);
    return result;
}

static int run(engine *e, const options *opt, const tokens *passes, console *con, error *err)
{
    bench b = {.engine = e,
               .con = con,
               .opt = opt,
               .max_passes = 1,
               .kv = open_model_kv(opt, DTYPE_F16),
               .depth = opt->depth,
               .prompt = opt->prompt ? opt->prompt : PROMPT,
               .generate = opt->generate ? opt->generate : GENERATE};
    for (size_t i = 0; i < passes->len; i++)
        if (passes->v[i] > b.max_passes)
            b.max_passes = passes->v[i];
    if (opt->dry_run)
        return bench_dry_run(e, opt, passes, b.kv, mean_length(&b), con, err);
    int result = run_all(&b, passes, err);
    close_bench(&b);
    return result;
}

int command_bench(const options *opt, console *con, error *err)
{
    int standard[] = {1, 2, 3, 4};
    tokens few = {standard, 4, 4};
    options shapes = *opt; /* whose device is not opened, only talked of */
    shapes.backend = opt->dry_run ? "cpu" : opt->backend;
    engine *e = open_model(&shapes, con, err);
    int result = e ? run(e, opt, opt->passes.len ? &opt->passes : &few, con, err) : -1;
    engine_close(e);
    return result;
}
