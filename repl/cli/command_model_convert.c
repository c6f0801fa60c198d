/* command_model_convert.c - `model convert`: a model's weights in another type. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../engine/surgery/edit.h"
#include "../options/open_checkpoint.h"
#include "../options/sandbox_policy.h"
#include "commands.h"
#include "model_written.h"

/* --type as the table has it: "q8_0". */
static dtype type_of(const char *name)
{
    int type = 0;
    while (type < DTYPE_COUNT && strcasecmp(name, dtype_describe((dtype)type)->name) != 0)
        type++;
    return (dtype)type;
}

static int check_words(const options *opt, error *err)
{
    if (!opt->output)
        return error_set(err, ERROR_USAGE, "model convert needs -o PATH, where the new model goes");
    if (!opt->type)
        return error_set(err, ERROR_USAGE, "model convert needs --type, what weights become");
    return model_written_check(opt->output, opt->force, err);
}

static int convert(const options *opt, const checkpoint *c, console *con, error *err)
{
    int left = 0;
    char done[64];
    bank_plan plan = {0};
    edit_options o = {.over = opt->force,
                      .retype = true,
                      .type = type_of(opt->type),
                      .left = &left,
                      .watch = model_written_watch(con)};
    (void)snprintf(done, sizeof done, "convert --type %s", opt->type);
    o.done = opt->no_history ? NULL : done;
    int result = bank_plan_open(&plan, c, err) || edit_write(&plan, &o, opt->output, err) ? -1 : 0;
    bank_plan_release(&plan);
    console_progress_end(con);
    if (!result && left)
        console_note(con, "%d matri%s: rows that do not divide into blocks of %d keep their type",
                     left, left == 1 ? "x" : "ces", dtype_describe(o.type)->block);
    return result ? -1 : model_written(con, opt->output, err);
}

int command_model_convert(const options *opt, console *con, error *err)
{
    if (check_words(opt, err) || sandbox_policy_enter(opt, "", con, err))
        return -1;
    checkpoint *c = open_checkpoint(opt, opt->words[0], con, err);
    int result = c ? convert(opt, c, con, err) : -1;
    checkpoint_close(c);
    return result;
}
