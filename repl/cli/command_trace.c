/* command_trace.c - `consilium trace`: what the routers do with a question, with texts, with lessons.
 *
 * A question is asked as `ask` would ask it, texts are read; the log of both (personas/trace) is then
 * written to every --output, in the format that its ending names, and told in short on standard output.
 * All that can be refused from the words alone is refused before a model is opened.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../engine/base/utf8.h"
#include "../../personas/trace/trace_output.h"
#include "../../personas/trace/trace_run.h"
#include "../chat/route_report.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../system/input.h"
#include "../system/output_file.h"
#include "commands.h"
#include "trace_dump_files.h"
#include "trace_lessons.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    buf prompt;
    bool asks;
    ask_options how;
    council_options council;
    engine *engine;
    roster *roster;
    route_log log;
    struct council *answered;   /* who answered; NULL = nobody was asked */
    trace_lessons lessons;      /* of --lessons */
    const char *reads;          /* the text that is being read */
    activation_set activations; /* of --dump */
} task;

/* ---- what is wanted ---------------------------------------------------------------------------- */

static int check_outputs(const task *t)
{
    trace_format format;
    for (size_t i = 0; i < t->opt->outputs.len; i++) {
        if (trace_format_of(t->opt->outputs.v[i], &format, t->err))
            return error_prefix(t->err, "--output: ");
        if (output_file_check(t->opt->outputs.v[i], t->opt->force, t->err))
            return -1;
    }
    return 0;
}

static int check_dump(const task *t)
{
    if (t->opt->dump_to && !t->opt->dumps.len)
        return error_set(t->err, ERROR_USAGE, "--dump-to needs --dump, which says what to write");
    return 0;
}

static int read_prompt(task *t)
{
    const options *opt = t->opt;
    const char *word = opt->word_count ? opt->words[0] : NULL;
    size_t bad;
    if (word && strcmp(word, "-") == 0) {
        if (input_read("-", &t->prompt, t->con, t->err))
            return -1;
        while (t->prompt.len && t->prompt.v[t->prompt.len - 1] == '\n')
            t->prompt.v[--t->prompt.len] = '\0';
    } else if (word && buf_text(&t->prompt, word, t->err)) {
        return -1;
    }
    t->asks = word != NULL;
    if (word && !t->prompt.len)
        return error_set(t->err, ERROR_USAGE, "the prompt is empty");
    if (!word && !opt->lesson_texts.len && !opt->trace_lessons)
        return error_set(t->err, ERROR_USAGE, "trace needs a PROMPT, --text FILE or --lessons");
    if (t->prompt.len && !utf8_check(t->prompt.v, t->prompt.len, &bad))
        return error_set(t->err, ERROR_USAGE, "the prompt is no UTF-8 at byte %zu", bad);
    return 0;
}

/* ---- the run ----------------------------------------------------------------------------------- */

static int seat_all(task *t)
{
    roster_options seats;
    ask_options_adopt(&t->how, t->opt, t->engine);
    if (ask_options_council(&t->how, t->opt, t->engine, &t->council, t->err) ||
        ask_options_roster(&t->how, t->opt, t->engine, &seats, t->err))
        return -1;
    t->council.keep_logprobs = false;
    seats.prompt = t->prompt.v ? t->prompt.v : "";
    seats.prompt_len = t->prompt.len;
    t->roster = roster_open(t->engine, &seats, console_sentence, t->con, t->err);
    return t->roster ? 0 : -1;
}

static void on_prefill(void *user, int done, int total)
{
    task *t = user;
    console_progress(t->con, "reading the prompt: %d %% of %d tokens",
                     (int)(100.0 * done / (total ? total : 1)), total);
}

static void on_token(void *user, int pass, const char *bytes, size_t len, bool thinking)
{
    task *t = user;
    (void)pass, (void)bytes, (void)len, (void)thinking;
    console_progress(t->con, "answering");
}

static int ask(task *t)
{
    council_events events = {.user = t, .prefill = on_prefill, .token = on_token};
    trace_question q = {t->prompt.v, t->prompt.len, t->how.seed, &events};
    int result = trace_ask(t->engine, t->roster, &t->council, &q, &t->log, &t->answered, t->err);
    console_progress_end(t->con);
    if (!result && t->opt->seed < 0)
        console_note(t->con, "seed %llu", (unsigned long long)t->how.seed);
    return result;
}

static void on_reading(void *user, int done, int total)
{
    task *t = user;
    console_progress(t->con, "reading %s: %d %% of %d tokens", paths_name(t->reads),
                     (int)(100.0 * done / (total ? total : 1)), total);
}

/* most: tokens that are read, 0 = all, which must fit. */
static int read_text(task *t, const char *name, const buf *text, size_t most)
{
    tokens ids = {0};
    t->reads = name;
    int result = input_encode(engine_tokenizer(t->engine), name, text, t->con, &ids, t->err);
    if (most && ids.len > most)
        ids.len = most;
    if (!result && ids.len > (size_t)t->council.context)
        result =
            error_set(t->err, ERROR_CONTEXT, "%s: %zu tokens do not fit the context of %d tokens",
                      name, ids.len, t->council.context);
    if (!result)
        result = trace_text(t->engine, t->roster, name, ids.v, (int)ids.len, t->council.kv,
                            on_reading, t, &t->log, t->err);
    console_progress_end(t->con);
    tokens_release(&ids);
    return result;
}

static int read_texts(task *t)
{
    for (size_t i = 0; i < t->opt->lesson_texts.len; i++) {
        buf text = {0};
        int result = input_read(t->opt->lesson_texts.v[i], &text, t->con, t->err) ||
                     read_text(t, t->opt->lesson_texts.v[i], &text, 0);
        buf_release(&text);
        if (result)
            return -1;
    }
    for (size_t i = 0; i < t->lessons.len; i++) {
        const trace_lesson_text *l = &t->lessons.v[i];
        if (read_text(t, l->name, &l->text, t->lessons.tokens))
            return -1;
    }
    return 0;
}

/* ---- what comes of it -------------------------------------------------------------------------- */

static int put(const task *t, trace_format format, buf *out)
{
    trace_heading h = {.engine = t->engine,
                       .model = open_model_title(t->opt, t->engine),
                       .prompt = t->asks ? t->prompt.v : NULL,
                       .prompt_len = t->prompt.len};
    return trace_put(&t->log, &h, format, out, t->err);
}

static int write_outputs(task *t)
{
    for (size_t i = 0; i < t->opt->outputs.len; i++) {
        const char *path = t->opt->outputs.v[i];
        trace_format format;
        buf file = {0};
        int result = trace_format_of(path, &format, t->err) || put(t, format, &file) ||
                     output_file_put(t->con, path, t->opt->force, file.v, file.len, t->err);
        if (!result)
            console_note(t->con, "wrote %s", path);
        buf_release(&file);
        if (result)
            return -1;
    }
    return 0;
}

/* A folder for each track, as TensorBoard wants its runs. */
static int write_events(task *t)
{
    const char *place = t->opt->tensorboard;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; place && i < t->log.len; i++) {
        buf file = {0};
        char *name = trace_track_name(&t->log, i, t->err);
        char *path = name ? string_format(t->err, "%s/%s/events.out.tfevents.%lld.consilium", place,
                                          name, (long long)now.tv_sec)
                          : NULL;
        int result = !path || paths_make(path, (size_t)(strrchr(path, '/') - path), t->err) ||
                     trace_put_events(&t->log, i, (double)now.tv_sec, &file, t->err) ||
                     output_file_put(t->con, path, t->opt->force, file.v, file.len, t->err);
        free(name);
        free(path);
        buf_release(&file);
        if (result)
            return -1;
    }
    if (place)
        console_note(t->con, "wrote %s; look at it with: tensorboard --logdir %s", place, place);
    return 0;
}

static int dump(task *t)
{
    return trace_dump_files(t->opt, t->con, t->engine, t->roster, &t->log, t->council.kv,
                            &t->activations, t->err);
}

static int print(task *t)
{
    buf b = {0};
    if (t->opt->format && strcmp(t->opt->format, "ndjson") == 0) {
        json_writer lines = {.out = &b, .err = t->err};
        int result = put(t, TRACE_JSONL, &b);
        if (!result && b.len)
            b.len--; /* the last newline: one is added */
        if (!result)
            result = console_json(t->con, &lines, t->err);
        buf_release(&b);
        return result ? -1 : 0;
    }
    text_writer w = {.out = &b, .err = t->err};
    heat_style style = heatmap_style(t->con->out_color, !t->con->ascii);
    if (route_report_pictures(&t->log, -1, console_columns(), style, &w, t->err) ||
        route_report_figures(&t->log, &w, t->err) ||
        route_report_parts(t->con, &t->log, t->engine, &w, t->err)) {
        buf_release(&b);
        return -1;
    }
    return console_written(t->con, &w);
}

static int status_of(const task *t)
{
    for (int i = 0; t->answered && i < roster_seats(t->roster); i++) {
        const turn_answer *a = council_answer(t->answered, i);
        if (a->stop == STOP_INTERRUPTED)
            return console_interrupted(t->err);
        if (a->stop == STOP_ERROR)
            return error_set(t->err, ERROR_PARTIAL, "%s failed: %s", a->name, a->failure);
    }
    return 0;
}

static int run(task *t)
{
    if (!engine_config(t->engine)->experts)
        return error_set(t->err, ERROR_LOAD, "%s: a dense model routes nothing",
                         checkpoint_path(engine_checkpoint(t->engine)));
    route_log_open(&t->log, t->engine);
    if (trace_dump_wanted(t->opt, t->engine, &t->activations, t->err) || seat_all(t) ||
        (t->asks && ask(t)) || read_texts(t))
        return -1;
    return write_outputs(t) || write_events(t) || dump(t) || print(t) ? -1 : status_of(t);
}

int command_trace(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    int result = check_dump(&t) || check_outputs(&t) || ask_options_read(&t.how, opt, err) ||
                 read_prompt(&t) || ask_options_prepare(&t.how, err) ||
                 trace_lessons_load(opt, t.how.personas, t.how.persona_count, con, &t.lessons, err);
    if (!result) {
        t.engine = open_model(opt, con, err);
        result = t.engine ? run(&t) : -1;
    }
    council_close(t.answered);
    roster_close(t.roster);
    trace_lessons_release(&t.lessons);
    route_log_release(&t.log);
    activation_set_release(&t.activations);
    engine_close(t.engine);
    ask_options_release(&t.how);
    buf_release(&t.prompt);
    return result ? -1 : 0;
}
