/* command_train_verifier.c - `consilium train --what verifier|blend`: sets of questions to a verifier, or to
 * a blend's gate (personas/verify), and its figures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/paths.h"
#include "../../personas/verify/gate_learn.h"
#include "../../personas/verify/learn.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/output_file.h"
#include "commands.h"

enum { DEFAULT_TOKENS = 128 };

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    options greedy; /* as asked, but greedy and with a seed */
    ask_options how;
    eval_set *sets; /* [count] */
    int count;
    gather_options gather;
    roster *roster;
    verify_examples examples;
    bool blend; /* a gate is learned, from these */
    gate_examples gated;
    char *record, *path;
    double start;
    size_t had, before; /* examples that were there; SIZE_MAX = not known yet */
} task;

/* ---- what the options say ----------------------------------------------------------------------- */

static int read_options(task *t)
{
    ask_options_greedy(&t->greedy, t->opt, DEFAULT_TOKENS);
    if (t->opt->word_count)
        return error_set(t->err, ERROR_USAGE,
                         "\"%.40s\": what is learned is a model's, not a persona's",
                         t->opt->words[0]);
    if (!t->opt->sets.len)
        return error_set(t->err, ERROR_USAGE,
                         "--set FILE: which questions are asked? One JSON object a line, as `eval` "
                         "reads them");
    if (ask_options_read(&t->how, &t->greedy, t->err) || ask_options_prepare(&t->how, t->err))
        return -1;
    t->how.control = CONTROL_OFF;
    if (t->how.persona_count < 2)
        return error_set(t->err, ERROR_USAGE, "--personas: a merge needs two personas");
    return t->opt->output ? output_file_check(t->opt->output, t->opt->force, t->err) : 0;
}

static int read_sets(task *t)
{
    size_t n = t->opt->sets.len;
    t->sets = calloc(n, sizeof *t->sets);
    if (!t->sets)
        return error_memory(t->err, "the sets");
    for (; t->count < (int)n; t->count++)
        if (eval_set_load(t->opt->sets.v[t->count], &t->sets[t->count], t->err)) {
            t->count++;
            return -1;
        }
    return 0;
}

static uint64_t hash_of_sets(const task *t)
{
    uint64_t hash = HASH_START;
    for (int i = 0; i < t->count; i++)
        hash = hash_bytes(hash, &t->sets[i].hash, sizeof t->sets[i].hash);
    return hash;
}

/* ---- asking ------------------------------------------------------------------------------------- */

static void on_progress(void *user, size_t done, size_t of)
{
    task *t = user;
    char left[HUMAN_TEXT];
    if (t->before == SIZE_MAX) {
        t->before = done;
        if (done)
            console_note(t->con, "%zu of %zu questions were asked before, it goes on: %s", done, of,
                         t->record);
    }
    double spent = console_seconds() - t->start;
    if (done > t->before)
        console_progress(
            t->con, "%zu of %zu questions, %s left", done, of,
            human_seconds(left, spent / (double)(done - t->before) * (double)(of - done)));
    else
        console_progress(t->con, "%zu of %zu questions", done, of);
}

static int seat_all(task *t)
{
    roster_options seats;
    engine *e = t->gather.engine;
    if (ask_options_council(&t->how, &t->greedy, e, &t->gather.council, t->err) ||
        ask_options_roster(&t->how, &t->greedy, e, &seats, t->err))
        return -1;
    seats.prompt = "";
    t->roster = roster_open(e, &seats, console_sentence, t->con, t->err);
    t->gather.roster = t->roster;
    t->gather.seed = t->how.seed;
    t->gather.progress = on_progress;
    t->gather.user = t;
    return t->roster ? 0 : -1;
}

static int ask_all(task *t)
{
    buf header = {0};
    t->start = console_seconds();
    t->before = SIZE_MAX;
    int result =
        gather_header(&t->gather, hash_of_sets(t), &header, t->err) ||
        eval_record_path("train", "verifier", &header, &t->record, t->err) ||
        gather_run(&t->gather, t->sets, t->count, t->record, &header, &t->examples, t->err);
    console_progress_end(t->con);
    buf_release(&header);
    if (result && t->err->code == ERROR_CANCELLED)
        return error_set(t->err, ERROR_CANCELLED, "interrupted; the same command goes on (%s)",
                         t->record);
    return result ? -1 : 0;
}

/* ---- the result --------------------------------------------------------------------------------- */

static void print_figures(const verifier_content *c, text_writer *w)
{
    const verifier_figures *g = &c->figures;
    text_format(w, "%d questions, %d with right and wrong answers\n", g->questions, g->told);
    text_format(w, "right, each picked by weights that had not seen it:\n");
    text_format(w, "  by chance    %5.1f %%\n  best persona %5.1f %%\n", 100 * g->blind,
                100 * g->best);
    text_format(w, "  the verifier %5.1f %%   %+.1f over chance, 95 %% interval %+.1f to %+.1f\n",
                100 * g->right, 100 * (g->right - g->blind), 100 * g->low, 100 * g->high);
    text_format(w, "  any persona  %5.1f %%\n", 100 * g->any);
    text_format(w, "weights in standard deviations, penalty %g:\n", c->penalty);
    for (int f = 0; f < VOTE_FEATURES; f++)
        if (c->scale[f] > 0)
            text_format(w, "  %-9s %+.3f\n", vote_feature_name(f), c->weight[f]);
}

/* To --output, else to the user's own place for files of this kind. */
static int put_file(task *t, const char *kind, const buf *text)
{
    if (t->opt->output)
        t->path = strdup(t->opt->output);
    else if (model_file_own_path(t->gather.engine, kind, &t->path, t->err))
        return -1;
    if (!t->path)
        return error_memory(t->err, "the path");
    if (atomic_file_put(t->path, text->v, text->len, t->err))
        return -1;
    console_note(t->con, "wrote %s", t->path);
    return 0;
}

/* Only what is better than chance is of use to a vote. */
static int save(task *t, const verifier_content *c)
{
    buf text = {0};
    if (!(c->figures.low > 0) && !t->opt->force) {
        console_loss(t->con, "no better than chance on questions that it had not seen: not written "
                             "(--force writes it)");
        return 0;
    }
    int result = verifier_write(c, &text, t->err) || put_file(t, "verifier", &text);
    buf_release(&text);
    return result ? -1 : 0;
}

static int learn(task *t)
{
    verifier_content c = {.learned_from = hash_of_sets(t)};
    buf b = {0};
    text_writer w = {.out = &b, .err = t->err};
    if (model_identity_of(t->gather.engine, &c.model, t->err) ||
        learn_verifier(&t->examples, &c, t->err))
        return -1;
    print_figures(&c, &w);
    return console_written(t->con, &w) || save(t, &c) ? -1 : 0;
}

/* ---- a gate ------------------------------------------------------------------------------------- */

static int print_gate(task *t, const gate_figures *f)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = t->err};
    double gain = (f->low + f->high) / 2;
    text_format(&w, "%d questions, %d tokens of right answers\n", f->questions, f->tokens);
    text_format(&w, "their mean ln p under the blend, by gates that had not seen the question:\n");
    text_format(&w, "  without a gate %7.3f\n  with it        %7.3f\n", f->plain, f->gated);
    text_format(&w, "  gain           %+7.3f a question, 95 %% interval %+.3f to %+.3f\n", gain,
                f->low, f->high);
    return console_written(t->con, &w);
}

/* Only what beats the blend without one, on questions that it had not seen. */
static int learn_blend(task *t)
{
    gate *g = calloc(1, sizeof *g);
    buf text = {0};
    int result = g ? 0 : error_memory(t->err, "the gate");
    if (!result) {
        g->learned_from = hash_of_sets(t);
        t->start = console_seconds();
        t->before = 0;
        result = gather_gate(&t->gather, t->sets, t->count, &t->gated, t->err);
        console_progress_end(t->con);
    }
    if (!result)
        result = model_identity_of(t->gather.engine, &g->model, t->err) ||
                 learn_gate(&t->gated, g, t->err) || print_gate(t, &g->figures);
    if (!result && !(g->figures.low > 0) && !t->opt->force)
        console_loss(t->con, "no better than the blend without a gate on questions that it had not "
                             "seen: not written (--force writes it)");
    else if (!result)
        result = gate_write(g, &text, t->err) || put_file(t, "gate", &text);
    buf_release(&text);
    free(g);
    return result ? -1 : 0;
}

int command_train_verifier(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err, .blend = strcmp(opt->what, "blend") == 0};
    int result = read_options(&t) || read_sets(&t);
    if (!result) {
        t.gather.engine = open_model(opt, con, err);
        result = !t.gather.engine || seat_all(&t) ||
                 (t.blend ? learn_blend(&t) : ask_all(&t) || learn(&t));
    }
    gate_examples_release(&t.gated);
    verify_examples_release(&t.examples);
    roster_close(t.roster);
    engine_close(t.gather.engine);
    for (int i = 0; i < t.count; i++)
        eval_set_release(&t.sets[i]);
    free(t.sets);
    ask_options_release(&t.how);
    free(t.record);
    free(t.path);
    return result ? -1 : 0;
}
