/* command_model.c - what a model is and what it needs.
 *
 * `model info` gathers every figure into one struct and then prints it, for people or as JSON: the
 * two can never disagree. (`model list` is command_model_list.c.)
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/formats/gguf.h"
#include "../../personas/built_in/builtin.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "commands.h"
#include "gpu_plan.h"
#include "model_needs.h"

enum { MOST_TYPES = 32 };

/* The tensors of one weight type. */
typedef struct type_total {
    const char *name;
    uint64_t tensors, bytes;
} type_total;

typedef struct info {
    engine *engine;
    const model_config *config;
    type_total types[MOST_TYPES];
    int type_count;
    uint64_t parameters;
    int context; /* that --context asks for */
    dtype kv;
    const char *fingerprint;
    gpu_plan gpu; /* when it is asked for */
    bool planned;
    bool council; /* --personas: they need */
    model_needs needs;
} info;

/* ---- gathering -------------------------------------------------------------------------------- */

static void add_tensor(info *in, const checkpoint_tensor *t)
{
    int i = 0;
    while (i < in->type_count && strcmp(in->types[i].name, t->type_name) != 0)
        i++;
    if (i == MOST_TYPES)
        return;
    if (i == in->type_count)
        in->types[in->type_count++] = (type_total){.name = t->type_name};
    in->types[i].tensors++;
    in->types[i].bytes += t->bytes;
    uint64_t elements = 1;
    for (int d = 0; d < t->dims; d++)
        elements *= t->shape[d];
    in->parameters += elements;
}

static int by_bytes(const void *a, const void *b)
{
    const type_total *left = a, *right = b;
    return (left->bytes < right->bytes) - (left->bytes > right->bytes);
}

static void count_types(info *in)
{
    const checkpoint *c = engine_checkpoint(in->engine);
    for (int i = 0; i < checkpoint_count(c); i++) {
        checkpoint_tensor t;
        checkpoint_at(c, i, &t);
        add_tensor(in, &t);
    }
    qsort(in->types, (size_t)in->type_count, sizeof *in->types, by_bytes);
}

static int gather(info *in, engine *e, const options *opt, console *con, error *err)
{
    *in = (info){.engine = e, .config = engine_config(e), .kv = open_model_kv(opt, DTYPE_F16)};
    if (open_model_context(opt, in->engine, &in->context, err))
        return -1;
    count_types(in);
    in->fingerprint = engine_fingerprint(e, err);
    in->planned = gpu_plan_wanted(opt);
    if (in->planned && in->fingerprint)
        return gpu_plan_make(&in->gpu, e, opt, in->context, in->kv, con, err);
    return in->fingerprint ? 0 : -1;
}

/* What the council of --personas needs; one that config.json names is not asked about. */
static int gather_council(info *in, const options *opt, console *con, error *err)
{
    ask_options who = {0};
    roster_options seats;
    roster *r = NULL;
    if (options_source(opt, "personas") != SOURCE_COMMAND)
        return 0;
    int result = ask_options_read(&who, opt, err);
    if (!result)
        result = ask_options_roster(&who, opt, in->engine, &seats, err);
    if (!result) {
        seats.prompt = "";
        r = roster_open(in->engine, &seats, console_sentence, con, err);
        result = r ? model_needs_of(in->engine, r, in->context, in->kv, &in->needs, err) : -1;
    }
    in->council = !result;
    roster_close(r);
    ask_options_release(&who);
    return result;
}

static bool kv_possible(const model_config *c, dtype kv)
{
    return kv != DTYPE_Q8_0 || c->head_dim % 32 == 0;
}

static int moe_layers(const model_config *c)
{
    int n = 0;
    for (int i = 0; i < c->layers; i++)
        n += c->moe_layer[i] != 0;
    return n;
}

static const char *qk_norm_name(qk_norm norm)
{
    return norm == QK_NORM_HEAD ? "head" : norm == QK_NORM_FULL ? "full" : "none";
}

static const char *rope_name(rope_kind kind)
{
    static const char *const names[] = {[ROPE_PLAIN] = "plain",
                                        [ROPE_LINEAR] = "linear",
                                        [ROPE_LLAMA3] = "llama3",
                                        [ROPE_YARN] = "yarn"};
    return names[kind];
}

/* ---- as JSON ---------------------------------------------------------------------------------- */

static void put_dimensions(json_writer *e, const model_config *c)
{
    json_put_int(e, "layers", c->layers);
    json_put_int(e, "width", c->width);
    json_put_int(e, "heads", c->heads);
    json_put_int(e, "kv_heads", c->kv_heads);
    json_put_int(e, "head_dim", c->head_dim);
    json_put_int(e, "ffn_width", c->ffn_width);
    json_put_int(e, "vocabulary", c->vocabulary);
    json_put_int(e, "context", c->context);
    json_put_int(e, "experts", c->experts);
    json_put_int(e, "experts_per_token", c->experts_per_token);
    json_put_int(e, "expert_width", c->expert_width);
    json_put_int(e, "shared_width", c->shared_width);
    json_put_bool(e, "shared_gate", c->shared_gate);
    json_put_bool(e, "renormalise", c->renormalise);
    json_put_int(e, "moe_layers", moe_layers(c));
    json_put_float(e, "norm_eps", c->norm_eps);
    json_put_bool(e, "tied", c->tied);
    json_put_bool(e, "qkv_bias", c->qkv_bias);
    json_put_bool(e, "output_bias", c->output_bias);
    json_put_bool(e, "ffn_bias", c->ffn_bias);
    json_put_text(e, "qk_norm", qk_norm_name(c->norm_qk));
    json_put_float(e, "embedding_scale", c->embedding_scale);
    json_put_float(e, "residual_scale", c->residual_scale);
    json_put_float(e, "logit_scale", c->logit_scale);
    json_put_float(e, "attention_scale", c->attention_scale);
}

static void put_rope(json_writer *e, const rope_config *r)
{
    json_begin_object(e, "rope");
    json_put_text(e, "kind", rope_name(r->kind));
    json_put_number(e, "theta", r->theta);
    json_put_int(e, "dim", r->dim);
    json_put_text(e, "pairs", r->pairs ? "adjacent" : "halves");
    if (r->kind != ROPE_PLAIN)
        json_put_number(e, "factor", r->factor);
    if (r->kind == ROPE_LLAMA3 || r->kind == ROPE_YARN)
        json_put_number(e, "original_context", r->original_context);
    if (r->kind == ROPE_LLAMA3) {
        json_put_number(e, "low_freq", r->low_freq);
        json_put_number(e, "high_freq", r->high_freq);
    }
    if (r->kind == ROPE_YARN) {
        json_put_number(e, "beta_fast", r->beta_fast);
        json_put_number(e, "beta_slow", r->beta_slow);
        json_put_number(e, "attention_factor", r->attention_factor);
    }
    json_put_bool(e, "factors", r->factors != NULL);
    json_end(e);
}

static void put_weights(json_writer *e, const info *in)
{
    json_begin_object(e, "types");
    for (int i = 0; i < in->type_count; i++) {
        json_begin_object(e, in->types[i].name);
        json_put_count(e, "tensors", in->types[i].tensors);
        json_put_count(e, "bytes", in->types[i].bytes);
        json_end(e);
    }
    json_end(e);
    json_put_count(e, "parameters", in->parameters);
    json_put_count(e, "weight_bytes", engine_weight_bytes(in->engine));
    json_put_count(e, "bytes_per_token", engine_bytes_per_token(in->engine));
}

static void put_memory(json_writer *e, const info *in)
{
    static const dtype kinds[] = {DTYPE_F16, DTYPE_F32, DTYPE_Q8_0};
    static const char *const names[] = {"f16", "f32", "q8_0"};
    const char *chosen = "";
    json_put_int(e, "kv_context", in->context);
    json_begin_object(e, "kv_bytes");
    for (int i = 0; i < 3; i++) {
        if (kinds[i] == in->kv)
            chosen = names[i];
        if (kv_possible(in->config, kinds[i]))
            json_put_count(e, names[i], engine_kv_bytes(in->engine, in->context, kinds[i]));
        else
            json_put_null(e, names[i]);
    }
    json_end(e);
    json_put_text(e, "kv", chosen);
    if (in->planned)
        gpu_plan_json(&in->gpu, e);
}

static void put_council(json_writer *e, const model_needs *n)
{
    json_begin_object(e, "council");
    json_put_int(e, "passes", n->passes);
    json_put_count(e, "experts", n->may);
    json_put_count(e, "experts_of", n->all);
    json_put_count(e, "dense_bytes", n->dense);
    json_put_count(e, "expert_bytes", n->experts);
    json_put_count(e, "kv_bytes", n->kv);
    json_put_count(e, "batch_bytes", n->batch);
    json_put_count(e, "bytes", model_needs_total(n));
    json_put_count(e, "least_bytes", n->least);
    json_end(e);
}

static void put_tokenizer(json_writer *e, const info *in)
{
    const tokenizer *t = engine_tokenizer(in->engine);
    const char *problem = engine_chat_problem(in->engine);
    if (t) {
        json_begin_object(e, "tokenizer");
        json_put_int(e, "tokens", tokenizer_count(t));
        json_put_int(e, "bos", tokenizer_bos(t));
        json_put_int(e, "eos", tokenizer_eos(t));
        json_put_bool(e, "adds_bos", tokenizer_adds_bos(t));
        json_begin_array(e, "stops");
        const tokens *stops = engine_stops(in->engine);
        for (size_t i = 0; i < stops->len; i++)
            json_put_int(e, NULL, stops->v[i]);
        json_end(e);
        json_end(e);
    } else {
        json_put_null(e, "tokenizer");
    }
    const chat_format *chat = engine_chat(in->engine);
    json_put_text(e, "chat_format", chat ? chat_name(chat) : NULL);
    json_put_text(e, "chat_problem", *problem ? problem : NULL);
}

static int print_json(const info *in, console *con, error *err)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "path", checkpoint_path(engine_checkpoint(in->engine)));
    json_put_text(&e, "architecture", architecture_name(in->config->arch));
    put_dimensions(&e, in->config);
    put_rope(&e, &in->config->rope);
    put_weights(&e, in);
    put_memory(&e, in);
    if (in->council)
        put_council(&e, &in->needs);
    json_put_text(&e, "fingerprint", in->fingerprint);
    put_tokenizer(&e, in);
    json_end(&e);
    return console_json(con, &e, err);
}

/* ---- for people ------------------------------------------------------------------------------- */

/* A line "label   value"; values are made harmless here, wherever they come from. */
typedef struct sheet {
    text_writer w;
    const console *con;
} sheet;

static void row(sheet *s, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void row(sheet *s, const char *label, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_format(&s->w, "  %s%-16s%s", console_dim(s->con), label, console_reset(s->con));
    console_put_quoted(s->con, &s->w, text);
    text_put(&s->w, "\n");
}

/* The built-in model says whose its experts are. */
static void show_whose(sheet *s, const checkpoint *c)
{
    const char *text;
    size_t len;
    if (checkpoint_gguf(c) &&
        gguf_get_string(checkpoint_gguf(c), BUILTIN_WHOSE, &text, &len, NULL) == 1)
        row(s, "  of", "%.*s", len > 512 ? 512 : (int)len, text);
}

static void show_shape(sheet *s, const info *in)
{
    const model_config *c = in->config;
    row(s, "architecture", "%s (%s)", architecture_name(c->arch),
        c->experts ? "mixture of experts" : "dense");
    row(s, "layers", "%d, width %d", c->layers, c->width);
    row(s, "attention", "%d heads of %d; %d for keys and values%s%s", c->heads, c->head_dim,
        c->kv_heads, c->qkv_bias || c->output_bias ? "; biased" : "",
        c->norm_qk == QK_NORM_HEAD   ? "; queries and keys normed per head"
        : c->norm_qk == QK_NORM_FULL ? "; queries and keys normed in full"
                                     : "");
    if (c->experts) {
        row(s, "experts", "%d in each of %d layers, %d wide; %d a token%s", c->experts,
            moe_layers(c), c->expert_width, c->experts_per_token,
            c->renormalise ? ", gates renormalised" : "");
        show_whose(s, engine_checkpoint(in->engine));
        if (c->shared_width)
            row(s, "shared expert", "%d wide%s", c->shared_width,
                c->shared_gate ? ", with a sigmoid gate" : "");
    }
    if (c->ffn_width && moe_layers(c) < c->layers)
        row(s, "feed-forward", "%d wide%s%s", c->ffn_width, c->ffn_bias ? ", biased" : "",
            c->experts ? ", in the layers without experts" : "");
    row(s, "vocabulary", "%d rows%s", c->vocabulary,
        c->tied ? "; the output matrix is the embedding" : "");
}

static void show_rope(sheet *s, const model_config *c)
{
    const rope_config *r = &c->rope;
    char scaling[96] = "";
    if (r->kind == ROPE_LINEAR)
        (void)snprintf(scaling, sizeof scaling, ", stretched %gx", r->factor);
    else if (r->kind != ROPE_PLAIN)
        (void)snprintf(scaling, sizeof scaling, ", stretched %gx from %.0f (%s)", r->factor,
                       r->original_context, rope_name(r->kind));
    row(s, "context", "%d tokens", c->context);
    row(s, "rope", "base %.10g, %d of %d elements of a head%s%s", r->theta, r->dim, c->head_dim,
        scaling, r->factors ? ", with factors of its own" : "");
}

static void show_weights(sheet *s, const info *in)
{
    char bytes[HUMAN_TEXT], count[HUMAN_TEXT], token[HUMAN_TEXT];
    row(s, "weights", "%s; %s parameters", human_bytes(bytes, engine_weight_bytes(in->engine)),
        human_count(count, in->parameters));
    for (int i = 0; i < in->type_count; i++)
        row(s, "", "%-7s %10s  %5llu tensor%s", in->types[i].name,
            human_bytes(bytes, in->types[i].bytes), (unsigned long long)in->types[i].tensors,
            in->types[i].tensors == 1 ? "" : "s");
    row(s, "a token reads", "%s of weights",
        human_bytes(token, engine_bytes_per_token(in->engine)));
}

static void show_memory(sheet *s, const info *in)
{
    char bytes[HUMAN_TEXT], total[HUMAN_TEXT];
    uint64_t kv = engine_kv_bytes(in->engine, in->context, in->kv);
    const char *name = in->kv == DTYPE_F32 ? "f32" : in->kv == DTYPE_Q8_0 ? "q8_0" : "f16";
    row(s, "memory", "%s for one pass: weights, and %s of keys and values (%s, %d tokens)",
        human_bytes(total, kv + engine_weight_bytes(in->engine)), human_bytes(bytes, kv), name,
        in->context);
    const char *label;
    char line[512];
    for (int i = 0; in->planned && gpu_plan_line(&in->gpu, i, &label, line, sizeof line); i++)
        row(s, label, "%s", line);
}

static void show_council(sheet *s, const model_needs *n)
{
    char total[HUMAN_TEXT], dense[HUMAN_TEXT], experts[HUMAN_TEXT], kv[HUMAN_TEXT],
        batch[HUMAN_TEXT];
    row(s, "council",
        "%s for %d pass%s: %s that every token reads, %s of experts, %s of keys and "
        "values, %s at work",
        human_bytes(total, model_needs_total(n)), n->passes, n->passes == 1 ? "" : "es",
        human_bytes(dense, n->dense), human_bytes(experts, n->experts), human_bytes(kv, n->kv),
        human_bytes(batch, n->batch));
    if (n->all)
        row(s, "", "%llu of %llu experts may be called; it runs with --memory %.3g or more",
            (unsigned long long)n->may, (unsigned long long)n->all,
            1.005 * (double)n->least / (1 << 30)); /* three digits, not below the figure */
}

static void show_text(sheet *s, const info *in)
{
    const tokenizer *t = engine_tokenizer(in->engine);
    const char *problem = engine_chat_problem(in->engine);
    if (t)
        row(s, "tokenizer", "%d tokens", tokenizer_count(t));
    else
        row(s, "tokenizer", "none: commands that need text cannot run");
    if (engine_chat(in->engine))
        row(s, "chat format", "%s", chat_name(engine_chat(in->engine)));
    else
        row(s, "chat format", "none%s%s", *problem ? ": " : "", problem);
}

static int print_text(const info *in, const char *title, console *con, error *err)
{
    const char *path = checkpoint_path(engine_checkpoint(in->engine));
    buf out = {0};
    sheet s = {{.out = &out, .err = err}, con};
    text_put(&s.w, console_bold(con));
    console_put_quoted(con, &s.w, title);
    text_format(&s.w, "%s\n", console_reset(con));
    row(&s, "path", "%s", path);
    show_shape(&s, in);
    show_rope(&s, in->config);
    show_weights(&s, in);
    show_memory(&s, in);
    if (in->council)
        show_council(&s, &in->needs);
    show_text(&s, in);
    row(&s, "fingerprint", "%s", in->fingerprint);
    return console_written(con, &s.w);
}

int command_model_info(const options *opt, console *con, error *err)
{
    info in = {0};
    options shapes = *opt; /* a GPU's memory is planned, none of it is taken */
    shapes.asks_gpu = gpu_plan_wanted(opt);
    shapes.backend = shapes.asks_gpu ? "cpu" : opt->backend;
    engine *e = open_model(&shapes, con, err);
    int result = -1;
    if (e && gather(&in, e, opt, con, err) == 0 && gather_council(&in, opt, con, err) == 0)
        result = options_want_json(opt) ? print_json(&in, con, err)
                                        : print_text(&in, open_model_title(opt, e), con, err);
    gpu_plan_release(&in.gpu);
    engine_close(e);
    return result;
}
