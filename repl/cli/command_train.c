/* command_train.c - a persona learns its voice: options to the trainer (personas/train), and its result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/search_path.h"
#include "../../personas/train/train.h"
#include "../options/open_lessons.h"
#include "../system/input.h"
#include "commands.h"
#include "personas_model.h"
#include "train_view.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    persona *persona;
    engine *engine;
    lessons lessons;
    train_source *sources; /* [source_count] */
    int source_count;
    trainer *trainer;
    train_view *view;
} task;

/* ---- what the options say ----------------------------------------------------------------------- */

/* "", ":A-B" or ":A" in [at, end): experts of the model's own. */
static int read_own(const char *at, const char *end, int *from, int *to)
{
    char *behind;
    if (at == end)
        return 0;
    if (*at != ':' || at[1] < '0' || at[1] > '9')
        return -1;
    long first = strtol(at + 1, &behind, 10), last = first;
    if (*behind == '-' && behind[1] >= '0' && behind[1] <= '9')
        last = strtol(behind + 1, &behind, 10);
    if (behind != end || last < first || last > 100000)
        return -1;
    *from = (int)first;
    *to = (int)last;
    return 0;
}

/* "experts,lora" to bits; "lora:3-5" are those of the model's own. */
static int read_what(const char *text, train_options *o, error *err)
{
    const struct {
        const char *name;
        unsigned bit;
        int *first, *last;
    } words[] = {{"experts", TRAIN_EXPERTS, &o->own_first, &o->own_last},
                 {"lora", TRAIN_LORA, &o->lora_first, &o->lora_last},
                 {"router", TRAIN_ROUTER, &o->rows_first, &o->rows_last}};
    o->what = 0;
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, ","), word = strcspn(at, ",:");
        unsigned bit = 0;
        for (size_t i = 0; i < 3; i++)
            if (strlen(words[i].name) == word && strncmp(words[i].name, at, word) == 0 &&
                read_own(at + word, at + n, words[i].first, words[i].last) == 0)
                bit = words[i].bit;
        if (!bit)
            return error_set(
                err, ERROR_USAGE,
                "--what \"%.*s\": must be experts, lora or router, joined by commas, or "
                "each with :A-B, of the model's own",
                (int)n, at);
        o->what |= bit;
        at += n + (at[n] == ',');
    }
    if (o->own_first >= 0 && o->what != TRAIN_EXPERTS)
        return error_set(err, ERROR_USAGE, "--what: experts of the model's own learn alone");
    return o->what ? 0 : error_set(err, ERROR_USAGE, "--what: nothing would learn");
}

/* "20-29" or "20". */
static int read_layers(const char *text, train_options *o, error *err)
{
    char *end;
    long first = strtol(text, &end, 10), last = first;
    bool good = end != text && *text >= '0' && *text <= '9';
    if (good && *end == '-') {
        const char *second = end + 1;
        last = strtol(second, &end, 10);
        good = end != second && *second >= '0' && *second <= '9';
    }
    if (!good || *end || first > last || last > 100000)
        return error_set(err, ERROR_USAGE, "--layers \"%.40s\": must be two layers, as 20-29",
                         text);
    o->first = (int)first;
    o->last = (int)last;
    return 0;
}

static int read_options(task *t, train_options *o)
{
    const options *opt = t->opt;
    *o = train_defaults();
    o->cancel = t->con->cancel;
    o->experts = opt->train_experts;
    o->steps = opt->steps;
    if (opt->rank)
        o->rank = opt->rank;
    if (opt->batch)
        o->batch = opt->batch;
    if (opt->seed >= 0)
        o->seed = (uint64_t)opt->seed;
    if (opt->minutes.given)
        o->seconds = opt->minutes.v * 60;
    if (opt->rate.given)
        o->rate = opt->rate.v;
    if (opt->repeat.given)
        o->repeat = opt->repeat.v;
    if (opt->near.given)
        o->near = opt->near.v;
    if (opt->minutes.given && !(o->seconds > 0))
        return error_set(t->err, ERROR_USAGE, "--minutes 0: no time to learn anything");
    if (o->seconds > 0 && o->steps)
        return error_set(t->err, ERROR_USAGE, "--steps or --minutes, not both");
    return (opt->what && read_what(opt->what, o, t->err)) ||
                   (opt->layers && read_layers(opt->layers, o, t->err))
               ? -1
               : 0;
}

/* ---- what is learned ---------------------------------------------------------------------------- */

typedef int add_text(trainer *t, const char *where, const char *text, size_t len, error *err);

static int add_file(task *t, const char *name, add_text *add)
{
    buf text = {0};
    int result = input_read(name, &text, t->con, t->err) ||
                 add(t->trainer, name, text.v ? text.v : "", text.len, t->err);
    buf_release(&text);
    return result ? -1 : 0;
}

/* The neutral text that came with the program; without one nothing is kept near. */
static int add_neutral(task *t)
{
    char *path;
    int result = shipped_file("neutral.txt", &path, t->err);
    if (!result && path)
        result = add_file(t, path, trainer_keep_near);
    free(path);
    return result;
}

static int add_lessons(task *t, const char *path)
{
    size_t before = t->lessons.len;
    if (open_lessons(path, &t->lessons, t->con, t->err) ||
        trainer_add_lessons(t->trainer, &t->lessons, t->err))
        return strncmp(t->err->text, path, strlen(path)) == 0 ? -1
                                                              : error_prefix(t->err, "%s: ", path);
    t->sources[t->source_count++] = (train_source){path, t->lessons.len - before};
    return 0;
}

/* Whether a language stands in a list as "en,ru". */
static bool is_in(const char *list, const char *language)
{
    for (const char *at = list; at && *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strcspn(at, ",") == strlen(language) && strncmp(at, language, strlen(language)) == 0)
            return true;
    return false;
}

/* Every language of --lang must be there. */
static int check_languages(const task *t)
{
    const persona *p = t->persona;
    for (const char *at = t->opt->lang; at && *at;) {
        size_t n = strcspn(at, ",");
        bool there = false;
        for (int i = 0; i < p->lesson_count; i++)
            there |=
                strlen(p->lessons[i].language) == n && strncmp(p->lessons[i].language, at, n) == 0;
        if (!there || n == 0)
            return error_set(t->err, ERROR_USAGE, "--lang %.*s: %s has no lessons in it", (int)n,
                             at, p->name);
        at += n + (at[n] == ',');
    }
    return 0;
}

/* --lessons FILE, else the persona's in every language: what learns is one for all of them. */
static int add_all_lessons(task *t)
{
    const persona *p = t->persona;
    t->sources = calloc((size_t)p->lesson_count + 1, sizeof *t->sources);
    if (!t->sources)
        return error_memory(t->err, "the lessons");
    if (t->opt->lessons)
        return add_lessons(t, t->opt->lessons);
    if (check_languages(t))
        return -1;
    for (int i = 0; i < p->lesson_count; i++)
        if ((!t->opt->lang || is_in(t->opt->lang, p->lessons[i].language)) &&
            add_lessons(t, p->lessons[i].text))
            return -1;
    return 0;
}

static bool is_lessons(const char *path)
{
    size_t n = strlen(path);
    return n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
}

/* Another persona's lessons, else any text. */
static int add_near(task *t, const char *path)
{
    if (!is_lessons(path))
        return add_file(t, path, trainer_keep_near);
    lessons others = {0};
    int result = open_lessons(path, &others, t->con, t->err) ||
                         trainer_keep_near_lessons(t->trainer, &others, t->err)
                     ? -1
                     : 0;
    lessons_release(&others);
    return result;
}

static int add_samples(task *t)
{
    const options *opt = t->opt;
    if (!opt->lessons && !t->persona->lesson_count && !opt->lesson_texts.len)
        return error_set(t->err, ERROR_LOAD,
                         "%s: lessons: none; give --lessons FILE or --text FILE, or write some "
                         "(`consilium personas new %s --lessons` begins a file)",
                         t->persona->path, t->persona->name);
    if (add_all_lessons(t))
        return -1;
    for (size_t i = 0; i < opt->lesson_texts.len; i++)
        if (add_file(t, opt->lesson_texts.v[i], trainer_add_text))
            return -1;
    if (opt->near.given && !(opt->near.v > 0))
        return 0;
    return opt->keep_near ? add_near(t, opt->keep_near) : add_neutral(t);
}

/* ---- running ----------------------------------------------------------------------------------- */

static bool plain_word(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_-./:,=+") == strlen(text);
}

/* The command that goes on: this one, with --resume. */
static int resume_command(const task *t, buf *out, error *err)
{
    size_t count;
    const option_info *rows = options_table(&count);
    int result = buf_format(out, err, "consilium train %s", t->opt->words[0]);
    for (size_t i = 0; i < count && !result; i++) {
        buf value = {0};
        if (t->opt->source[i] != SOURCE_COMMAND || strcmp(rows[i].name, "resume") == 0)
            continue;
        result = buf_format(out, err, " --%s", rows[i].name);
        if (!result && rows[i].kind != OPTION_FLAG &&
            options_value(t->opt, &rows[i], &value, err) == 0)
            result = buf_format(out, err, plain_word(value.v) ? " %s" : " '%s'", value.v);
        buf_release(&value);
    }
    return result ? result : buf_text(out, " --resume", err);
}

/* Interrupted or failed: what there is is kept, and the sentence says how it goes on. */
static int end_early(task *t, train_result *r)
{
    error why = *t->err, second = {0};
    buf command = {0};
    bool kept = trainer_has_best(t->trainer);
    if (kept && (trainer_save(t->trainer, r, &second) ||
                 train_view_result(t->view, r, why.code == ERROR_CANCELLED, &second)))
        console_error(t->con, second.text);
    if (!trainer_can_go_on(t->trainer))
        (void)error_set(t->err, why.code, "%s; %s", why.text,
                        kept ? "the best so far is kept" : "there is nothing to keep yet");
    else if (resume_command(t, &command, &second) == 0)
        (void)error_set(t->err, why.code, "%s; %s; `%s` goes on", why.text,
                        kept ? "the best so far is kept" : "there is nothing to keep yet",
                        command.v);
    buf_release(&command);
    return -1;
}

static int run(task *t)
{
    train_plan plan;
    train_result r;
    if (trainer_plan(t->trainer, t->opt->go_on, train_view_event, t->view, &plan, t->err) ||
        train_view_plan(t->view, t->persona->name, open_model_title(t->opt, t->engine), t->sources,
                        t->source_count, &plan, t->err))
        return -1;
    atomic_store(&t->con->signals->keeps, true);
    bool went = trainer_run(t->trainer, train_view_event, t->view, t->err) == 0;
    console_progress_end(t->con);
    if (!went)
        return end_early(t, &r);
    return trainer_save(t->trainer, &r, t->err) || train_view_result(t->view, &r, false, t->err)
               ? -1
               : 0;
}

int command_train(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    if (opt->what && (strcmp(opt->what, "verifier") == 0 || strcmp(opt->what, "blend") == 0))
        return command_train_verifier(opt, con, err);
    if (!opt->word_count)
        return error_set(err, ERROR_USAGE, "train: which persona? `consilium personas` lists them");
    train_options o;
    bool ndjson = opt->format && strcmp(opt->format, "ndjson") == 0;
    int result = read_options(&t, &o);
    if (!result) {
        t.persona = persona_find(opt->words[0], err);
        t.engine = t.persona ? open_model(opt, con, err) : NULL;
        t.trainer = t.engine ? trainer_open(t.engine, t.persona, &o, err) : NULL;
        t.view = t.trainer ? train_view_open(con, ndjson, err) : NULL;
        result = t.view && !add_samples(&t) ? run(&t) : -1;
    }
    train_view_close(t.view);
    trainer_close(t.trainer);
    lessons_release(&t.lessons);
    free(t.sources);
    engine_close(t.engine);
    persona_close(t.persona);
    return result;
}
