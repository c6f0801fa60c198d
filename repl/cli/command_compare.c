/* command_compare.c - `consilium compare`: options to a comparison (personas/compare), and its report.
 *
 * Text for a person on a terminal stands in columns that grow, as answers of `ask` do; a pipe gets them
 * one below the other, and the table follows in either case. --file asks a whole set
 * (compare_sets.h).
 */
#include <stdlib.h>
#include <string.h>

#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../screen/view.h"
#include "commands.h"
#include "compare_report.h"
#include "prompt_input.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    ask_options how;
    compare_setup *setups; /* [count] */
    int count;
    buf prompt;
    engine *engine;
    compare *compare;
    terminal *term; /* NULL: nothing moves */
    view *view;
    view_column *columns; /* [count] */
    bool failed;          /* *err is filled */
} task;

/* ---- what the options say ----------------------------------------------------------------------- */

static int add_setup(task *t, const char *word)
{
    compare_setup *grown = realloc(t->setups, ((size_t)t->count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(t->err, "the columns");
    t->setups = grown;
    if (compare_setup_read(word, &grown[t->count++], t->err) == 0)
        return 0;
    return error_prefix(t->err, "--set: ");
}

/* Personas that were asked for are columns too, before the others. */
static int add_personas(task *t)
{
    buf word = {0};
    int result = 0;
    if (options_source(t->opt, "personas") != SOURCE_COMMAND)
        return 0;
    for (int i = 0; i < t->how.persona_count && !result; i++) {
        buf_clear(&word);
        result =
            buf_format(&word, t->err, "%s:persona=%s", t->how.personas[i], t->how.personas[i]) ||
            add_setup(t, word.v);
    }
    buf_release(&word);
    return result;
}

static int read_options(task *t)
{
    static const texts none = {0};
    const options *opt = t->opt;
    if (ask_options_read(&t->how, opt, t->err) || add_personas(t))
        return -1;
    for (size_t i = 0; i < opt->sets.len; i++)
        if (add_setup(t, opt->sets.v[i]))
            return -1;
    if (!t->count && (add_setup(t, "base") || add_setup(t, "smart") || add_setup(t, "maximal")))
        return -1;
    if (t->count > COMPARE_COLUMNS)
        return error_set(t->err, ERROR_USAGE, "%d columns; there are at most %d", t->count,
                         COMPARE_COLUMNS);
    if (prompt_input(opt, &none, t->con, &t->prompt, t->err))
        return -1;
    if (!t->prompt.len)
        return error_set(t->err, ERROR_USAGE, "compare needs a PROMPT or a pipe");
    return 0;
}

/* ---- the model ---------------------------------------------------------------------------------- */

static engine *open_other(void *user, const char *model, const model_tweaks *tweaks, error *err)
{
    const task *t = user;
    return open_model_tweaked(t->opt, model, tweaks, t->con, err);
}

static int defaults(void *user, const engine *e, council_options *o, roster_options *seats,
                    error *err)
{
    const task *t = user;
    ask_options how = t->how;
    ask_options_adopt(&how, t->opt, e);
    how.personas = NULL;
    how.persona_count = 0;
    how.control = CONTROL_OFF;
    if (ask_options_council(&how, t->opt, e, o, err) ||
        ask_options_roster(&how, t->opt, e, seats, err))
        return -1;
    seats->prompt = t->prompt.v;
    seats->prompt_len = t->prompt.len;
    return 0;
}

static void note(void *user, const char *sentence)
{
    const task *t = user;
    console_sentence(t->con, sentence);
}

/* ---- while it answers --------------------------------------------------------------------------- */

static int open_live(task *t)
{
    const options *opt = t->opt;
    if (opt->format && strcmp(opt->format, "text") != 0)
        return 0;
    t->term = terminal_open(t->con, t->con->signals, opt->plain, t->err);
    if (!t->term)
        return -1;
    if (terminal_linear(t->term)) {
        terminal_close(t->term);
        t->term = NULL;
        return 0;
    }
    t->columns = calloc((size_t)t->count, sizeof *t->columns);
    if (!t->columns)
        return error_memory(t->err, "the columns");
    for (int i = 0; i < t->count; i++) {
        const compare_column *k = compare_column_at(t->compare, i);
        t->columns[i] = (view_column){
            .name = k->setup->name, .acts_by = compare_acts(k), .color = k->seat->color};
    }
    terminal_echo_off(t->term);
    return 0;
}

static view *view_of(task *t)
{
    view_layout layout;
    (void)view_layout_parse(t->opt->view, &layout);
    if (!t->view && !t->failed)
        t->view = view_open(t->term, layout, layout == VIEW_FOCUS ? t->columns[0].name : NULL,
                            t->columns, t->count, t->err);
    t->failed = t->failed || !t->view;
    return t->view;
}

static void on_prefill(void *user, int done, int total)
{
    task *t = user;
    if (!t->term)
        console_progress(t->con, "reading the prompt: %d %% of %d tokens",
                         (int)(100.0 * done / (total ? total : 1)), total);
    else if (view_of(t))
        view_prefill(t->view, done, total);
}

static void on_token(void *user, int column, const char *bytes, size_t len, bool thinking)
{
    task *t = user;
    if (!t->term) {
        console_progress(t->con, "%s answers", t->setups[column].name);
    } else if (view_of(t)) {
        view_token(t->view, column, bytes, len, thinking);
        view_tick(t->view);
    }
}

static void on_answer(void *user, int column, const turn_answer *a)
{
    task *t = user;
    if (!t->term || !view_of(t))
        return;
    view_answer(t->view, column, pass_stop_name(a->stop), a->failure, (int)a->ids.len,
                a->tokens_per_second, a->seconds);
    view_tick(t->view);
}

static void on_measure(void *user, int done, int total)
{
    task *t = user;
    if (t->term && t->view)
        view_merge_progress(t->view, "measuring", done);
    else
        console_progress(t->con, "reading the answers again: %d %%",
                         (int)(100.0 * done / (total ? total : 1)));
}

static int close_live(task *t)
{
    int result = t->view ? view_settle(t->view, t->err) : 0;
    view_close(t->view);
    if (t->term)
        terminal_echo_on(t->term);
    terminal_close(t->term);
    t->view = NULL;
    t->term = NULL;
    console_progress_end(t->con);
    return result;
}

/* ---- the report --------------------------------------------------------------------------------- */

static int print_report(task *t, const compare_report *r, bool shown)
{
    buf b = {0};
    if (options_want_json(t->opt)) {
        json_writer e = {.out = &b, .err = t->err};
        return compare_report_json(r, t->engine, &e, t->err) ? -1
                                                             : console_json(t->con, &e, t->err);
    }
    text_writer w = {.out = &b, .err = t->err};
    if (t->opt->format && strcmp(t->opt->format, "md") == 0) {
        compare_report_markdown(r, t->con, &w);
        return console_written(t->con, &w);
    }
    if (!shown)
        compare_report_answers(r, t->con, &w);
    text_put(&w, "\n");
    compare_report_table(r, t->con, &w);
    return console_written(t->con, &w);
}

static int status_of(const compare_result *r, error *err)
{
    for (int i = 0; i < r->count; i++)
        if (r->answers[i].stop == STOP_ERROR)
            return error_set(err, ERROR_PARTIAL, "%s failed: %s", r->answers[i].name,
                             r->answers[i].failure);
    return 0;
}

static int ask_all(task *t)
{
    chat_message question = {CHAT_USER, t->prompt.v, t->prompt.len};
    compare_question q = {&question, 1};
    compare_events events = {t, on_prefill, on_token, on_answer, on_measure};
    compare_result x = {0};
    error why = {0};
    if (open_live(t))
        return -1;
    bool shown = t->term != NULL;
    int asked = compare_ask(t->compare, &q, true, &events, &x, &why);
    int result = close_live(t) || t->failed ? -1 : 0;
    compare_report r = {.compare = t->compare,
                        .result = &x,
                        .model = open_model_title(t->opt, t->engine),
                        .prompt = t->prompt.v,
                        .prompt_len = t->prompt.len};
    if (!result && (!asked || why.code == ERROR_CANCELLED))
        result = print_report(t, &r, shown);
    if (!result && asked) {
        *t->err = why;
        result = -1;
    }
    if (!result) {
        console_note(t->con, "seed %llu", (unsigned long long)t->how.seed);
        result = status_of(&x, t->err);
    }
    compare_result_release(&x);
    return result;
}

int command_compare(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    compare_source source = {.user = &t, .open = open_other, .defaults = defaults, .note = note};
    int result = read_options(&t);
    if (!result) {
        t.engine = open_model(opt, con, err);
        result = t.engine ? 0 : -1;
    }
    if (!result) {
        ask_options_adopt(&t.how, opt, t.engine);
        t.compare = compare_open(t.engine, t.setups, t.count, opt->apart, &source, err);
        console_progress_end(con);
        result = t.compare ? ask_all(&t) : -1;
    }
    compare_close(t.compare);
    engine_close(t.engine);
    for (int i = 0; i < t.count; i++)
        compare_setup_release(&t.setups[i]);
    free(t.setups);
    free(t.columns);
    buf_release(&t.prompt);
    ask_options_release(&t.how);
    return result;
}
