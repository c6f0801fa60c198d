/* command_model_export.c - `model export`: the experts that a persona's router program keeps, as a model of
 * its own that any program runs. */
#include <string.h>

#include "../../engine/surgery/edit.h"
#include "../../engine/surgery/program_plan.h"
#include "../options/open_model.h"
#include "../options/routing_options.h"
#include "commands.h"
#include "model_written.h"

/* What the history says: the options that make the program. */
static int describe(const options *opt, buf *out, error *err)
{
    const struct {
        const char *name, *value;
    } one[] = {{"persona", opt->persona},
               {"experts", opt->named_experts},
               {"strength", opt->named_strengths}};
    int result = buf_text(out, "export", err);
    for (size_t i = 0; i < sizeof one / sizeof *one && !result; i++)
        if (one[i].value)
            result = buf_format(out, err, " --%s %s", one[i].name, one[i].value);
    for (size_t i = 0; i < opt->masks.len && !result; i++)
        result = buf_format(out, err, " --mask %s", opt->masks.v[i]);
    for (size_t i = 0; i < opt->adapters.len && !result; i++)
        result = buf_format(out, err, " --adapter %s", opt->adapters.v[i]);
    if (opt->bake && !result)
        result = buf_text(out, " --bake", err);
    return result;
}

static int check_seat(const options *opt, const seat *s, error *err)
{
    if (s->program && router_program_changes(s->program))
        return 0;
    return error_set(err, ERROR_USAGE,
                     "%s acts by no router program on this model, so there is nothing to export: "
                     "`consilium personas derive` makes masks, or name one with --mask",
                     opt->persona ? opt->persona : "nobody");
}

static int write_model(engine *e, const seat *s, const options *opt, console *con, error *err)
{
    const char *who = opt->persona ? opt->persona : "the program";
    image_options o = {.over = opt->force, .watch = model_written_watch(con)};
    bank_plan plan = {0};
    buf done = {0};
    int used = 0;
    int result = bank_plan_open(&plan, engine_checkpoint(e), err);
    if (!result && opt->bake)
        result = program_plan_bake(&plan, s->program, err);
    if (!result)
        result = program_plan(&plan, s->program, who, &used, err) ||
                         (!opt->no_history && describe(opt, &done, err))
                     ? -1
                     : 0;
    o.done = done.v;
    if (!result)
        result = edit_write(&plan, used, &o, opt->output, err);
    console_progress_end(con);
    if (!result) {
        int n = bank_plan_count(&plan, err);
        console_note(con, "%d of %d experts in each layer, %d a token", n,
                     engine_config(e)->experts, used);
    }
    bank_plan_release(&plan);
    buf_release(&done);
    return result ? -1 : model_written(con, opt->output, err);
}

int command_model_export(const options *opt, console *con, error *err)
{
    options named = *opt; /* the lists stay opt's */
    named.personas = opt->persona;
    if (!opt->output)
        return error_set(err, ERROR_USAGE, "model export needs -o PATH, where the new model goes");
    if (routing_options_check(&named, err) || model_written_check(opt->output, opt->force, err))
        return -1;
    engine *e = open_model(opt, con, err);
    roster *one = NULL;
    if (e && !engine_config(e)->experts)
        (void)error_set(err, ERROR_LOAD, "%s: is a dense model: it has no experts",
                        checkpoint_path(engine_checkpoint(e)));
    else if (e)
        one = routing_options_seat(&named, e, con, err);
    int result = one && check_seat(opt, roster_seat(one, 0), err) == 0
                     ? write_model(e, roster_seat(one, 0), opt, con, err)
                     : -1;
    roster_close(one);
    engine_close(e);
    return result;
}
