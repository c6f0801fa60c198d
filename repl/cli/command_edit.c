/* command_edit.c - `edit`: a model's experts copied, moved, scaled, joined, into a new file.
 *
 * Verbs are applied to a plan first, which opens the files that they name; only when all of it is known to
 * be possible is the new file begun. It takes its place whole or not at all.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/surgery/edit.h"
#include "../../engine/surgery/edit_words.h"
#include "../../engine/surgery/history.h"
#include "../options/open_checkpoint.h"
#include "../options/open_model.h"
#include "../options/sandbox_policy.h"
#include "../screen/human.h"
#include "../system/output_file.h"
#include "commands.h"
#include "model_written.h"

/* Files that verbs name, each opened once. */
typedef struct donors {
    const options *opt;
    console *con;
    const checkpoint *c; /* the model that is edited */
    adapter **adapters;
    size_t adapter_count;
    struct {
        char *name;
        checkpoint *c;
    } * v;
    size_t len;
} donors;

static const checkpoint *open_donor(void *user, const char *name, error *err)
{
    donors *d = user;
    for (size_t i = 0; i < d->len; i++)
        if (strcmp(d->v[i].name, name) == 0)
            return d->v[i].c;
    void *v = realloc(d->v, (d->len + 1) * sizeof *d->v);
    char *copy = v ? strdup(name) : NULL;
    d->v = v ? v : d->v;
    if (!copy) {
        (void)error_memory(err, "the models");
        return NULL;
    }
    checkpoint *c = open_checkpoint(d->opt, name, d->con, err);
    d->v[d->len].name = copy;
    d->v[d->len++].c = c;
    return c;
}

static adapter *open_adapter(void *user, const char *path, error *err)
{
    donors *d = user;
    char hex[FINGERPRINT_TEXT];
    adapter **v = realloc(d->adapters, (d->adapter_count + 1) * sizeof *v);
    if (!v) {
        (void)error_memory(err, "the adapters");
        return NULL;
    }
    d->adapters = v;
    adapter *a = d->adapters[d->adapter_count] =
        adapter_open_within(path, open_model_adapter_bytes(d->opt), err);
    d->adapter_count += a != NULL;
    return a && history_name_model(d->c, hex, err) == 0 &&
                   adapter_fit(a, checkpoint_config(d->c), hex, err) == 0
               ? a
               : NULL;
}

static void donors_release(donors *d)
{
    for (size_t i = 0; i < d->adapter_count; i++)
        adapter_close(d->adapters[i]);
    free(d->adapters);
    for (size_t i = 0; i < d->len; i++) {
        free(d->v[i].name);
        checkpoint_close(d->v[i].c);
    }
    free(d->v);
}

/* The words as they were typed, with a blank between them. */
static int join_words(const options *opt, buf *out, error *err)
{
    for (size_t i = 1; i < opt->word_count; i++)
        if (buf_format(out, err, "%s%s", i > 1 ? " " : "", opt->words[i]))
            return -1;
    return 0;
}

static int write_plan(const options *opt, const bank_plan *plan, console *con, error *err)
{
    buf done = {0};
    int result = join_words(opt, &done, err);
    const image_options o = {.done = opt->no_history ? NULL : done.v,
                             .over = opt->force,
                             .watch = model_written_watch(con)};
    if (!result)
        result = edit_write(plan, 0, &o, opt->output, err);
    console_progress_end(con);
    buf_release(&done);
    return result ? -1 : model_written(con, opt->output, err);
}

static int check_words(const options *opt, error *err)
{
    if (!opt->output)
        return error_set(err, ERROR_USAGE, "edit needs -o FILE, where the new model goes");
    return model_written_check(opt->output, opt->force, err);
}

int command_edit(const options *opt, console *con, error *err)
{
    donors d = {.opt = opt, .con = con};
    bank_plan plan = {0};
    checkpoint *c = NULL;
    int result = check_words(opt, err) || sandbox_policy_enter(opt, "", con, err) ? -1 : 0;
    if (!result)
        c = open_checkpoint(opt, opt->words[0], con, err);
    d.c = c;
    if (c && !checkpoint_config(c)->experts)
        result = error_set(err, ERROR_LOAD, "%s: is a dense model: it has no experts to edit",
                           checkpoint_path(c));
    else if (!c || bank_plan_open(&plan, c, err))
        result = -1;
    if (!result)
        result = edit_words_apply(&plan, opt->words + 1, opt->word_count - 1, open_donor,
                                  open_adapter, &d, err);
    if (!result)
        result = write_plan(opt, &plan, con, err);
    bank_plan_release(&plan);
    donors_release(&d);
    checkpoint_close(c);
    return result;
}
