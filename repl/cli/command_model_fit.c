/* command_model_fit.c - `consilium model fit [MODEL]`: what to run a model with on this machine, and how
 * fast that would be.
 *
 * The model is tried as it is and in smaller types, for a council and for one pass; of what fits, the
 * largest type is proposed, with as many personas, experts and tokens of context as keep a pass at
 * reading speed where that can be had. --check runs the model as it is for a few tokens and sets the
 * measured speed beside the predicted.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/run/sampler.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "commands.h"
#include "model_fit.h"
#include "model_needs.h"

enum { LEAST_CONTEXT = 1024, CHECK_STEPS = 12 };
static const double READING = 5; /* tokens a second that a person reads */

typedef struct fit {
    const options *opt;
    console *con;
    error *err;
    engine *engine;
    ask_options who;
    roster *roster;
    double may; /* share of the experts that the council may call */
    uint64_t memory;
    fit_variant variants[FIT_VARIANTS];
    int count;
    fit_rates rates;
    dtype kv;
    int passes, context; /* asked for, or the most that is proposed */
    /* the proposal */
    const fit_variant *chosen;
    int k, seats, tokens;
    fit_answer answer;
    double predicted, measured; /* --check: tokens a second of the passes together */
} fit;

static fit_question question(const fit *f, const fit_variant *v, int passes, int k, int context)
{
    return (fit_question){v, passes, k, context, f->memory, f->kv, passes > 1 ? f->may : 1};
}

static fit_answer ask(const fit *f, const fit_variant *v, int passes, int k, int context)
{
    fit_question q = question(f, v, passes, k, context);
    return fit_predict(f->engine, &f->rates, &q);
}

/* ---- choosing ------------------------------------------------------------------------------------- */

/* The first type with which a council fits, from the largest down, with at least LEAST_CONTEXT tokens;
 * else the one that is fastest. Sets the context. */
static void choose_type(fit *f)
{
    f->chosen = NULL;
    for (int i = 0; i < f->count && !f->chosen; i++)
        for (f->tokens = f->context; f->tokens >= LEAST_CONTEXT || f->tokens == f->context;
             f->tokens /= 2)
            if (ask(f, &f->variants[i], f->passes, f->k, f->tokens).fits) {
                f->chosen = &f->variants[i];
                break;
            }
    if (f->chosen)
        return;
    f->tokens = f->context < LEAST_CONTEXT ? f->context : LEAST_CONTEXT;
    f->chosen = &f->variants[0];
    for (int i = 1; i < f->count; i++) {
        double best = ask(f, f->chosen, f->passes, f->k, f->tokens).step;
        double other = ask(f, &f->variants[i], f->passes, f->k, f->tokens).step;
        f->chosen = other > 0 && (other < best || best <= 0) ? &f->variants[i] : f->chosen;
    }
}

static bool slow(const fit *f)
{
    return f->answer.step <= 0 || 1 / f->answer.step < READING;
}

/* Fewer passes, then half of the experts, while a pass would be slower than a reader. */
static void choose(fit *f)
{
    int k = engine_config(f->engine)->experts_per_token;
    f->k = k;
    f->seats = f->passes;
    choose_type(f);
    f->answer = ask(f, f->chosen, f->seats, f->k, f->tokens);
    while (slow(f) && f->seats > 1)
        f->answer = ask(f, f->chosen, --f->seats, f->k, f->tokens);
    if (slow(f) && k > 1) {
        fit_answer half = ask(f, f->chosen, f->seats, (k + 1) / 2, f->tokens);
        if (half.step > 0) {
            f->k = (k + 1) / 2;
            f->answer = half;
        }
    }
}

/* ---- checking ------------------------------------------------------------------------------------- */

/* The same tokens twice: the first time reads what the page cache has not. logits: [passes, vocabulary] */
static int run_steps(fit *f, session **s, float *logits, double *seconds)
{
    int vocabulary = engine_config(f->engine)->vocabulary, token[FIT_PASSES];
    step steps[FIT_PASSES];
    for (int i = 0; i < 2 * CHECK_STEPS; i++) {
        for (int p = 0; p < f->passes; p++) {
            session_rewind(s[p], i % CHECK_STEPS);
            token[p] = (int)(keyed_uniform((uint64_t)p, "fit", (uint64_t)(i % CHECK_STEPS), 0) *
                             vocabulary);
            steps[p] =
                (step){s[p], &token[p], 1, LOGITS_LAST, logits + (size_t)p * (size_t)vocabulary};
        }
        double from = console_seconds();
        if (engine_advance(f->engine, steps, f->passes, f->err))
            return -1;
        *seconds += i < CHECK_STEPS ? 0 : console_seconds() - from;
    }
    return 0;
}

/* The model as it is, with as many passes as were asked about. */
static int check_speed(fit *f)
{
    size_t vocabulary = (size_t)engine_config(f->engine)->vocabulary;
    float *logits = malloc((size_t)f->passes * vocabulary * sizeof *logits);
    session *s[FIT_PASSES] = {NULL};
    double seconds = 0;
    int result = logits ? 0 : error_memory(f->err, "the check");
    if (!result)
        result = engine_admit(f->engine, f->passes, FIT_DEPTH, f->kv, f->err);
    for (int p = 0; p < f->passes && !result; p++) {
        s[p] = session_open(f->engine, FIT_DEPTH, f->kv, f->err);
        bool seated = f->roster && p < roster_seats(f->roster);
        const router_program *program = seated ? roster_seat(f->roster, p)->program : NULL;
        result = s[p] ? session_set_program(s[p], program, f->err) : -1;
    }
    if (!result)
        result = run_steps(f, s, logits, &seconds);
    for (int p = 0; p < f->passes; p++)
        session_close(s[p]);
    free(logits);
    fit_answer a =
        ask(f, &f->variants[0], f->passes, engine_config(f->engine)->experts_per_token, FIT_DEPTH);
    f->predicted = a.step > 0 ? f->passes / a.step : 0;
    f->measured = seconds > 0 ? f->passes * CHECK_STEPS / seconds : 0;
    return result;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static const char *type_name(const fit_variant *v)
{
    return dtype_describe(v->type)->name;
}

static double rate_of(const fit_answer *a, int passes)
{
    return a->step > 0 ? passes / a->step : 0;
}

static void put_variant(const fit *f, const fit_variant *v, text_writer *w)
{
    char file[HUMAN_TEXT], needed[HUMAN_TEXT];
    int k = engine_config(f->engine)->experts_per_token;
    fit_answer one = ask(f, v, 1, k, f->tokens), all = ask(f, v, f->passes, k, f->tokens);
    text_format(w, "  %-7s%-8s %10s  %10s  %9.1f  %9.1f  %s%s\n", type_name(v),
                v->own ? "as it is" : "", human_bytes(file, v->file),
                human_bytes(needed, all.needed), rate_of(&one, 1), rate_of(&all, f->passes),
                all.fits       ? "fits"
                : all.step > 0 ? "experts from the disk"
                               : "too large",
                v == f->chosen ? "  <" : "");
}

static void put_head(const fit *f, text_writer *w)
{
    char memory[HUMAN_TEXT];
    const backend *b = engine_backend(f->engine);
    console_put_quoted(f->con, w, open_model_title(f->opt, f->engine));
    text_format(w, " on %d thread%s, %s; ", backend_threads(b), backend_threads(b) == 1 ? "" : "s",
                backend_isa(b));
    if (f->memory)
        text_format(w, "%s of memory, which", human_bytes(memory, f->memory));
    else
        text_put(w, "memory, which");
    text_format(w, " reads %.1f GB/s", f->rates.memory * 1e-9);
    if (f->rates.disk > 0)
        text_format(w, "; its file %.2f GB/s", f->rates.disk * 1e-9);
    text_format(
        w,
        "\ntokens a second, predicted, %d tokens deep: of one pass, and of %d together, which "
        "need that memory\n\n%s  %-15s %10s  %10s  %9s  %9s%s\n",
        FIT_DEPTH, f->passes, console_dim(f->con), "weights", "file", "memory", "one", "together",
        console_reset(f->con));
}

static void put_proposal(const fit *f, text_writer *w)
{
    const model_config *c = engine_config(f->engine);
    text_put(w, "\nproposed: ");
    if (f->chosen->own)
        text_put(w, "the model as it is");
    else
        text_format(w, "the model in %s", type_name(f->chosen));
    if (f->answer.step <= 0) {
        text_put(w, " does not run here either; more --memory, or a smaller model\n");
        return;
    }
    text_format(w, ", --threads %d --context %d", backend_threads(engine_backend(f->engine)),
                f->tokens);
    if (c->experts)
        text_format(w, " --experts %d", f->k);
    text_put(w, " --personas ");
    for (int i = 0; i < f->seats; i++)
        text_format(w, "%s%s", i ? "," : "", f->who.personas[i]);
    text_format(w, ": each %.1f tokens a second\n", 1 / f->answer.step);
    if (!f->answer.fits)
        text_format(w, "%.0f %% of a step would be reading experts from the disk\n",
                    100 * f->answer.reading / f->answer.step);
}

static int print_text(const fit *f)
{
    buf out = {0};
    text_writer w = {.out = &out, .err = f->err};
    put_head(f, &w);
    for (int i = 0; i < f->count; i++)
        put_variant(f, &f->variants[i], &w);
    put_proposal(f, &w);
    if (f->opt->check)
        text_format(&w, "checked as it is, %d together: %.1f tokens a second, predicted %.1f\n",
                    f->passes, f->measured, f->predicted);
    return console_written(f->con, &w);
}

static void put_json_variant(const fit *f, const fit_variant *v, json_writer *e)
{
    int k = engine_config(f->engine)->experts_per_token;
    fit_answer one = ask(f, v, 1, k, f->tokens), all = ask(f, v, f->passes, k, f->tokens);
    json_begin_object(e, NULL);
    json_put_text(e, "type", type_name(v));
    json_put_bool(e, "own", v->own);
    json_put_count(e, "file_bytes", v->file);
    json_put_count(e, "bytes", all.needed);
    json_put_bool(e, "fits", all.fits);
    json_put_number(e, "one_tps", rate_of(&one, 1));
    json_put_number(e, "together_tps", rate_of(&all, f->passes));
    json_put_number(e, "reading", all.step > 0 ? all.reading / all.step : 0);
    json_end(e);
}

static void put_json_proposal(const fit *f, json_writer *e)
{
    json_begin_object(e, "proposed");
    json_put_text(e, "type", type_name(f->chosen));
    json_put_bool(e, "own", f->chosen->own);
    json_put_int(e, "threads", backend_threads(engine_backend(f->engine)));
    json_put_int(e, "context", f->tokens);
    json_put_int(e, "experts", f->k);
    json_begin_array(e, "personas");
    for (int i = 0; i < f->seats; i++)
        json_put_text(e, NULL, f->who.personas[i]);
    json_end(e);
    json_put_bool(e, "fits", f->answer.fits);
    json_put_number(e, "each_tps", rate_of(&f->answer, 1));
    json_end(e);
}

static int print_json(const fit *f)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = f->err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "model", checkpoint_path(engine_checkpoint(f->engine)));
    json_put_count(&e, "memory", f->memory);
    json_put_int(&e, "passes", f->passes);
    json_put_number(&e, "dram_gbps", f->rates.memory * 1e-9);
    json_put_number(&e, "disk_gbps", f->rates.disk * 1e-9);
    json_begin_array(&e, "variants");
    for (int i = 0; i < f->count; i++)
        put_json_variant(f, &f->variants[i], &e);
    json_end(&e);
    put_json_proposal(f, &e);
    if (f->opt->check) {
        json_begin_object(&e, "checked");
        json_put_number(&e, "predicted_tps", f->predicted);
        json_put_number(&e, "measured_tps", f->measured);
        json_end(&e);
    }
    json_end(&e);
    return console_json(f->con, &e, f->err);
}

/* ---- the command ---------------------------------------------------------------------------------- */

/* Who would speak; a model on which they cannot be seated is measured without them. */
static int seat_council(fit *f)
{
    roster_options seats;
    error why = {0};
    f->may = 1;
    f->passes = f->who.persona_count < FIT_PASSES ? f->who.persona_count : FIT_PASSES;
    if (ask_options_roster(&f->who, f->opt, f->engine, &seats, f->err))
        return -1;
    seats.prompt = "";
    f->roster = roster_open(f->engine, &seats, NULL, NULL, &why);
    if (!f->roster) {
        console_note(f->con, "the personas cannot be seated on this model: %s", why.text);
        return 0;
    }
    model_needs n;
    if (model_needs_of(f->engine, f->roster, f->context, f->kv, &n, f->err))
        return -1;
    f->may = n.all ? (double)n.may / (double)n.all : 1;
    return 0;
}

static int measure(fit *f)
{
    fit_answer a;
    bool disk = false;
    f->count = fit_variants(f->engine, f->variants);
    f->memory = engine_memory(f->engine);
    console_progress(f->con, "measuring products and memory");
    for (int i = 0; i < f->count; i++) {
        a = ask(f, &f->variants[i], f->passes, 1, f->context);
        disk = disk || !a.fits;
    }
    int result = fit_measure(f->engine, f->variants, f->count, f->passes, disk, &f->rates, f->err);
    console_progress_end(f->con);
    return result;
}

static int run(fit *f)
{
    if (open_model_context(f->opt, f->engine, &f->context, f->err) || seat_council(f) || measure(f))
        return -1;
    choose(f);
    if (f->opt->check && check_speed(f))
        return -1;
    return options_want_json(f->opt) ? print_json(f) : print_text(f);
}

int command_model_fit(const options *opt, console *con, error *err)
{
    options one = *opt;
    if (opt->word_count && opt->model)
        return error_set(err, ERROR_USAGE, "model fit: name the model by -m or as an argument");
    if (opt->word_count)
        one.model = opt->words[0];
    fit f = {.opt = &one, .con = con, .err = err, .kv = open_model_kv(&one, DTYPE_F16)};
    int result = ask_options_read(&f.who, &one, err);
    f.engine = result ? NULL : open_model(&one, con, err);
    result = f.engine ? run(&f) : -1;
    roster_close(f.roster);
    ask_options_release(&f.who);
    engine_close(f.engine);
    return result;
}
