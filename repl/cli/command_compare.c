/* command_compare.c - `consilium compare`: options to a comparison (personas/compare), and its report.
 *
 * Text for a person on a terminal stands in columns that grow, as answers of `ask` do; a pipe gets them
 * one below the other, and the table follows in either case. --file asks a whole set
 * (command_compare_set.c).
 */
#include <stdlib.h>
#include <string.h>

#include "../chat/compare_report.h"
#include "../chat/compare_view.h"
#include "../options/open_model.h"
#include "commands.h"
#include "compare_task.h"
#include "prompt_input.h"

/* ---- what the options say ----------------------------------------------------------------------- */

static int add_setup(compare_task *t, const char *word)
{
    compare_setup *grown = realloc(t->setups, ((size_t)t->count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(t->err, "the columns");
    t->setups = grown;
    if (compare_setup_read(word, &grown[t->count++], t->err) == 0)
        return 0;
    return error_prefix(t->err, "--set: ");
}

static int add_everyone(compare_task *t)
{
    buf word = {0};
    int result = buf_text(&word, "everyone:everyone=", t->err);
    for (int i = 0; i < t->how.persona_count && !result; i++)
        result = buf_format(&word, t->err, "%s%s", i ? "+" : "", t->how.personas[i]);
    result = result || add_setup(t, word.v) ? -1 : 0;
    buf_release(&word);
    return result;
}

/* Personas that were asked for are columns too, before the others. */
static int add_personas(compare_task *t)
{
    buf word = {0};
    int result = 0;
    if (options_source(t->opt, "personas") != SOURCE_COMMAND)
        return t->opt->everyone ? add_everyone(t) : 0;
    for (int i = 0; i < t->how.persona_count && !result; i++) {
        buf_clear(&word);
        result =
            buf_format(&word, t->err, "%s:persona=%s", t->how.personas[i], t->how.personas[i]) ||
            add_setup(t, word.v);
    }
    if (!result && t->opt->everyone)
        result = add_everyone(t);
    buf_release(&word);
    return result;
}

static int read_prompt(compare_task *t)
{
    static const texts none = {0};
    if (prompt_input(t->opt, &none, t->con, &t->prompt, t->err))
        return -1;
    if (t->prompt.len)
        return 0;
    return error_set(t->err, ERROR_USAGE, "compare needs a PROMPT, a pipe or --file SET");
}

static int read_options(compare_task *t)
{
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
    return opt->file ? compare_task_read_set(t) : read_prompt(t);
}

/* ---- the model ---------------------------------------------------------------------------------- */

static engine *open_other(void *user, const char *model, const char *words,
                          const model_tweaks *tweaks, error *err)
{
    const compare_task *t = user;
    return open_model_tweaked(t->opt, model, words, tweaks, t->engine, t->con, err);
}

static int defaults(void *user, const engine *e, council_options *o, roster_options *seats,
                    error *err)
{
    const compare_task *t = user;
    ask_options how = t->how;
    ask_options_adopt(&how, t->opt, e);
    how.personas = NULL;
    how.persona_count = 0;
    how.control = CONTROL_OFF;
    if (ask_options_council(&how, t->opt, e, o, err) ||
        ask_options_roster(&how, t->opt, e, seats, err))
        return -1;
    seats->prompt = t->prompt.v ? t->prompt.v : "";
    seats->prompt_len = t->prompt.len;
    return 0;
}

static void note(void *user, const char *sentence)
{
    const compare_task *t = user;
    console_sentence(t->con, sentence);
}

/* Positions that a question and its template can take: a token has a byte at least, a guide's about
 * four. */
static int room_of(const compare_task *t)
{
    enum { TEMPLATE = 8192, MOST = 1 << 24 };
    size_t longest = t->prompt.len;
    for (int i = 0; i < t->set.len; i++) {
        const compare_item *item = &t->set.v[i];
        size_t n = strlen(item->question) + (size_t)item->guide + (size_t)item->guide / 4;
        for (int k = 0; k < item->before_count; k++)
            n += item->before[k].len;
        longest = n > longest ? n : longest;
    }
    return longest > MOST ? 0 : (int)longest + TEMPLATE;
}

/* ---- the report --------------------------------------------------------------------------------- */

static int print_report(compare_task *t, const compare_report *r, bool shown)
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
    compare_report_table(r, &w);
    return console_written(t->con, &w);
}

/* *out = the terminal that answers grow on, or NULL. */
static int open_terminal(compare_task *t, terminal **out)
{
    const options *opt = t->opt;
    if (opt->format && strcmp(opt->format, "text") != 0)
        return 0;
    *out = terminal_open(t->con, t->con->signals, opt->plain, t->err);
    if (!*out)
        return -1;
    if (terminal_linear(*out)) {
        terminal_close(*out);
        *out = NULL;
    }
    return 0;
}

static int status_of(const compare_result *r, error *err)
{
    for (int i = 0; i < r->count; i++)
        if (r->answers[i].stop == STOP_ERROR)
            return error_set(err, ERROR_PARTIAL, "%s failed: %s", r->answers[i].name,
                             r->answers[i].failure);
    return 0;
}

static int ask_prompt(compare_task *t)
{
    chat_message question = {CHAT_USER, t->prompt.v, t->prompt.len};
    compare_question q = {&question, 1};
    compare_result x = {0};
    error why = {0};
    compare_view v = {.compare = t->compare, .con = t->con, .err = t->err};
    (void)view_layout_parse(t->opt->view, &v.layout);
    terminal *term = NULL;
    int result = open_terminal(t, &term);
    v.term = term;
    result = result || compare_view_open(&v);
    compare_events events = compare_view_events(&v);
    int asked = result ? -1 : compare_ask(t->compare, &q, true, &events, &x, &why);
    result = compare_view_close(&v) || result ? -1 : 0;
    bool shown = term != NULL;
    terminal_close(term);
    compare_report r = {
        .compare = t->compare, .result = &x, .prompt = t->prompt.v, .prompt_len = t->prompt.len};
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
    compare_task t = {.opt = opt, .con = con, .err = err};
    compare_source source = {.user = &t, .open = open_other, .defaults = defaults, .note = note};
    int result = read_options(&t);
    source.room = result ? 0 : room_of(&t);
    if (!result) {
        t.engine = open_model(opt, con, err);
        result = t.engine ? 0 : -1;
    }
    if (!result) {
        ask_options_adopt(&t.how, opt, t.engine);
        t.compare = compare_open(t.engine, t.setups, t.count, opt->apart, &source, err);
        console_progress_end(con);
        result = !t.compare ? -1 : opt->file ? compare_task_ask_set(&t) : ask_prompt(&t);
    }
    compare_close(t.compare);
    engine_close(t.engine);
    for (int i = 0; i < t.count; i++)
        compare_setup_release(&t.setups[i]);
    free(t.setups);
    free(t.set_path);
    compare_set_release(&t.set);
    buf_release(&t.prompt);
    ask_options_release(&t.how);
    return result;
}
