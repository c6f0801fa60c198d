/* command_model_voices.c - `model build-voices`: the built-in's experts, made anew from the lessons.
 *
 * Three stages in one folder: the base, one training a persona, the joining (voices.h). Each training
 * writes its adapter and its state where any training does; its adapter is copied into the folder, so
 * that with --resume a persona that is done is not trained again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/mapped_file.h"
#include "../../engine/base/paths.h"
#include "../../personas/built_in/voices.h"
#include "../screen/human.h"
#include "commands.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    engine *base;
    const char *name; /* who is trained now */
    char *adapters[VOICES];
} task;

/* ---- training ---------------------------------------------------------------------------------- */

static void on_event(void *user, const train_event *e)
{
    task *t = user;
    char left[HUMAN_TEXT] = "";
    if (e->left > 0)
        (void)human_seconds(left, e->left);
    if (e->kind == TRAIN_READING)
        console_progress(t->con, "%s: reading %d of %d tokens", t->name, e->done, e->total);
    else if (e->kind == TRAIN_STEP)
        console_progress(t->con, "%s: step %d of %d, loss %.3f, %s left", t->name, e->step,
                         e->steps, e->loss, left);
    else if (e->kind == TRAIN_VALIDATION)
        console_note(t->con, "%s: step %d of %d: held out %.3f, plain %.3f%s%s", t->name, e->step,
                     e->steps, e->loss, e->control, *left ? ", left: " : "", left);
}

static int keep_copy(const char *from, const char *to, error *err)
{
    mapped_file m = {0};
    if (mapped_file_open(&m, from, err))
        return -1;
    int result = atomic_file_put(to, m.data, m.size, err);
    mapped_file_close(&m);
    return result;
}

static int train_one(task *t, int i)
{
    train_options o = voices_options(i);
    if (t->opt->steps)
        o.steps = t->opt->steps;
    o.cancel = t->con->cancel;
    char *made;
    t->name = voices_name(i);
    int result = voices_train(t->base, i, &o, t->opt->go_on, on_event, t, &made, t->err);
    console_progress_end(t->con);
    if (!result)
        result = keep_copy(made, t->adapters[i], t->err);
    free(made);
    return result;
}

static int train_all(task *t)
{
    for (int i = 0; i < VOICES; i++) {
        t->adapters[i] =
            string_format(t->err, "%s/%s.adapter.safetensors", t->opt->output, voices_name(i));
        if (!t->adapters[i])
            return -1;
        bool there = t->opt->go_on && access(t->adapters[i], R_OK) == 0;
        if (!there && train_one(t, i))
            return error_prefix(t->err, "%s: ", voices_name(i));
    }
    return 0;
}

/* ---- base and joining ----------------------------------------------------------------------------------- */

static void on_cutting(void *user, int done, int total)
{
    const task *t = user;
    console_progress(t->con, "cutting: reading %d of %d tokens", done, total);
}

static void on_reading(void *user, int done, int total)
{
    const task *t = user;
    console_progress(t->con, "joining: reading %d of %d tokens", done, total);
}

static int join_all(task *t, const char *bank)
{
    voices_sources s = {
        .bank = bank, .neutral = t->opt->keep_near, .listener = on_reading, .user = t};
    voices_result r;
    for (int i = 0; i < VOICES; i++)
        s.adapters[i] = t->adapters[i];
    int result = voices_join(t->base, &s, t->opt->output, &r, t->err);
    console_progress_end(t->con);
    if (result)
        return -1;
    float least = r.lead[0].least;
    for (int l = 1; l < VOICES_LAYERS; l++)
        least = r.lead[l].least < least ? r.lead[l].least : least;
    console_note(t->con,
                 "fitted on %d tokens of answers and %d plain ones; the general experts' direction "
                 "is %.2f at least (1 = even)",
                 r.spoken, r.plain, (double)least);
    return console_line(t->con, r.fingerprint, t->err);
}

static int make_all(task *t)
{
    voices_base_files f;
    int result = voices_base(t->opt->from, t->opt->keep_near, t->opt->output, t->opt->threads,
                             on_cutting, t, &f, t->err);
    console_progress_end(t->con);
    engine_options o = {
        .path = f.model, .backend = {.threads = t->opt->threads}, .cancel = t->con->cancel};
    t->base = result ? NULL : engine_open(&o, t->err);
    result = t->base ? train_all(t) || join_all(t, f.bank) : -1;
    engine_close(t->base);
    voices_base_release(&f);
    return result ? -1 : 0;
}

int command_model_voices(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    if (!opt->from || !opt->output || !opt->keep_near)
        return error_set(err, ERROR_USAGE, "--from, --output and --keep-near are needed");
    if (paths_make(opt->output, strlen(opt->output), err))
        return -1;
    int result = make_all(&t);
    for (int i = 0; i < VOICES; i++)
        free(t.adapters[i]);
    return result;
}
