/* command_eval.c - `consilium eval SET`: options to an evaluation (personas/eval), and its report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/paths.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/code_runner.h"
#include "../system/output_file.h"
#include "commands.h"
#include "eval_report.h"
#include "shipped_set.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    options greedy; /* as asked, but greedy and with a seed */
    ask_options how;
    char *path; /* of the set */
    eval_set set;
    eval_arms arms;
    eval_options o;
    engine *engine;
    roster *roster;
    eval_run *run;
    code_runner *runner;
    char *record; /* path */
    double start;
    size_t start_items;
    double start_share;
} task;

/* ---- what the options say ----------------------------------------------------------------------- */

static int read_options(task *t)
{
    const options *opt = t->opt;
    ask_options_greedy(&t->greedy, opt, EVAL_MAX_TOKENS);
    if (opt->split && eval_split_parse(opt->split, &t->o.split, t->err))
        return -1;
    if (ask_options_read(&t->how, &t->greedy, t->err) ||
        eval_arms_read(opt->arms, t->how.personas, t->how.persona_count, opt->raw, &t->arms,
                       t->err) ||
        ask_options_prepare(&t->how, t->err))
        return -1;
    t->how.control = CONTROL_NONE;
    return opt->html ? output_file_check(opt->html, opt->force, t->err) : 0;
}

/* All faults of a set, not the first alone. */
static int read_set(task *t)
{
    if (shipped_set(t->opt->words[0], "sets/", &t->path, t->err))
        return -1;
    eval_set set = {0};
    int result = eval_set_load(t->path, &set, t->err);
    t->set = set;
    if (t->set.fault_count > 1)
        for (char *at = t->set.faults.v, *end; at && *at && (end = strchr(at, '\n')); at = end + 1)
            console_loss(t->con, "%.*s", (int)(end - at), at);
    return result;
}

/* Who runs programs must be there before the rights to it are given up. */
static int open_runner(task *t)
{
    if (!t->opt->run_code)
        return 0;
    t->runner = code_runner_open(t->err);
    t->o.code = code_runner_run;
    t->o.code_user = t->runner;
    return t->runner ? 0 : -1;
}

/* ---- the model ---------------------------------------------------------------------------------- */

static int seat_all(task *t)
{
    roster_options seats, drawn;
    if (ask_options_council(&t->how, &t->greedy, t->engine, &t->o.council, t->err) ||
        ask_options_roster(&t->how, &t->greedy, t->engine, &seats, t->err) ||
        ask_options_roster(&t->how, t->opt, t->engine, &drawn, t->err))
        return -1;
    seats.prompt = "";
    t->roster = roster_open(t->engine, &seats, console_sentence, t->con, t->err);
    t->o.drawn = drawn.sampling;
    return t->roster ? 0 : -1;
}

static void on_progress(void *user, size_t items, size_t planned, double share)
{
    task *t = user;
    char left[HUMAN_TEXT];
    double spent = console_seconds() - t->start, gained = share - t->start_share;
    if (gained > 0)
        console_progress(t->con, "%zu of %zu items, %s left", items, planned,
                         human_seconds(left, spent / gained * (1 - share)));
    else
        console_progress(t->con, "%zu of %zu items", items, planned);
}

static int open_run(task *t)
{
    t->o.engine = t->engine;
    t->o.roster = t->roster;
    t->o.seed = t->how.seed;
    t->o.chair = t->how.chair;
    t->o.progress = on_progress;
    t->o.user = t;
    t->run = eval_run_open(&t->o, &t->set, &t->arms, t->err);
    return t->run ? 0 : -1;
}

/* ---- the record --------------------------------------------------------------------------------- */

/* --output FILE, else one of the user's, named as the set. */
static int choose_record(task *t, const char *set, const buf *header)
{
    const char *dot = strrchr(set, '.');
    char *stem = t->opt->output ? strdup(t->opt->output)
                                : string_format(t->err, "%.*s", dot ? (int)(dot - set) : 80, set);
    if (t->opt->output || !stem) {
        t->record = stem;
        return stem ? 0 : error_memory(t->err, "the record");
    }
    int result = eval_record_path("eval", stem, header, &t->record, t->err);
    free(stem);
    return result;
}

static int open_record(task *t)
{
    buf header = {0};
    const char *set = paths_name(t->path);
    int result = eval_run_header(t->run, set, &header, t->err) || choose_record(t, set, &header) ||
                 eval_run_resume(t->run, t->record, &header, t->err);
    buf_release(&header);
    if (result)
        return -1;
    const eval_results *r = eval_run_results(t->run);
    t->start_items = r->done;
    t->start_share = (double)r->done / (double)r->planned;
    if (r->done == r->planned)
        console_note(t->con, "all of it was asked before: %s", t->record);
    else if (r->done)
        console_note(t->con, "%zu of %zu items are there already, it goes on: %s", r->done,
                     r->planned, t->record);
    if (eval_run_skipped(t->run))
        console_loss(t->con, "%zu programs are left out: --run-code lets them run on this machine",
                     eval_run_skipped(t->run));
    return 0;
}

static int ask_all(task *t)
{
    t->start = console_seconds();
    int result = eval_run_all(t->run, t->err);
    console_progress_end(t->con);
    if (result && t->err->code == ERROR_CANCELLED)
        return error_set(t->err, ERROR_CANCELLED,
                         "interrupted after %zu of %zu items; the same command goes on (%s)",
                         eval_run_results(t->run)->done, eval_run_results(t->run)->planned,
                         t->record);
    return result;
}

/* ---- the report --------------------------------------------------------------------------------- */

static int print_report(task *t, const eval_report *r)
{
    buf b = {0};
    if (options_want_json(t->opt)) {
        json_writer e = {.out = &b, .err = t->err};
        eval_report_json(r, &e);
        return console_json(t->con, &e, t->err);
    }
    text_writer w = {.out = &b, .err = t->err};
    if (t->opt->format && strcmp(t->opt->format, "md") == 0)
        eval_report_markdown(r, t->con, &w);
    else
        eval_report_text(r, t->con, &w);
    return console_written(t->con, &w);
}

static int write_page(task *t, const eval_report *r)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = t->err};
    eval_report_html(r, &w);
    int result =
        w.failed ? -1 : output_file_put(t->con, t->opt->html, t->opt->force, b.v, b.len, t->err);
    buf_release(&b);
    return result;
}

static int report(task *t)
{
    eval_report r = {.run = t->run,
                     .set = paths_name(t->path),
                     .model = open_model_title(t->opt, t->engine),
                     .record = t->record,
                     .split = t->o.split,
                     .seed = t->how.seed};
    int result = eval_report_count(&r, t->opt->against, t->err) || print_report(t, &r);
    if (!result && t->opt->html)
        result = write_page(t, &r);
    if (!result)
        console_note(t->con, "kept in %s", t->record);
    if (!result && t->opt->learn)
        result = eval_report_learn(&r, t->engine, t->con, t->err);
    eval_report_release(&r);
    return result ? -1 : 0;
}

int command_eval(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    if (opt->convert)
        return command_eval_convert(opt, con, err);
    int result = read_options(&t) || read_set(&t) || open_runner(&t);
    if (!result) {
        t.engine = open_model(opt, con, err);
        result = !t.engine || seat_all(&t) || open_run(&t) || open_record(&t) || ask_all(&t) ||
                 report(&t);
    }
    eval_run_close(t.run);
    roster_close(t.roster);
    engine_close(t.engine);
    code_runner_close(t.runner);
    eval_set_release(&t.set);
    ask_options_release(&t.how);
    free(t.record);
    free(t.path);
    return result ? -1 : 0;
}
