/* command_model_convert.c - `model convert`: a model's weights in another type or format. */
#include <string.h>
#include <strings.h>

#include "../../engine/surgery/convert.h"
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
    return model_written_check(opt->output, opt->force, err);
}

/* --to, or what PATH says: "x.gguf" is a GGUF file, anything else is as the model is. */
static bool wants_gguf(const options *opt, const checkpoint *c)
{
    size_t n = strlen(opt->output);
    if (opt->to)
        return strcmp(opt->to, "gguf") == 0;
    return checkpoint_gguf(c) || (n > 5 && strcmp(opt->output + n - 5, ".gguf") == 0);
}

/* What the history says: the options that change something. */
static int describe(const options *opt, bool other, bool to_gguf, buf *out, error *err)
{
    return buf_text(out, "convert", err) ||
                   (other && buf_format(out, err, " --to %s", to_gguf ? "gguf" : "safetensors")) ||
                   (opt->type && buf_format(out, err, " --type %s", opt->type))
               ? -1
               : 0;
}

/* The same format: the file as it is, but for the type. */
static int write_same(const options *opt, const checkpoint *c, const image_options *o, error *err)
{
    bank_plan plan = {0};
    int result =
        bank_plan_open(&plan, c, err) || edit_write(&plan, 0, o, opt->output, err) ? -1 : 0;
    bank_plan_release(&plan);
    return result;
}

static int write_other(const options *opt, const checkpoint *c, const image_options *o, int *spaces,
                       error *err)
{
    const convert_options other = {.image = *o, .no_words = opt->no_tokenizer, .spaces = spaces};
    return convert_write(c, &other, opt->output, err);
}

/* What did not become as it was asked, or could not be said. */
static void tell(console *con, dtype type, int left, int spaces)
{
    if (left)
        console_note(con, "%d matri%s: rows that do not divide into blocks of %d keep their type",
                     left, left == 1 ? "x" : "ces", dtype_describe(type)->block);
    if (spaces)
        console_note(con,
                     "%d added token%s lstrip, rstrip or single_word, which GGUF cannot say: ids "
                     "may differ where a chat template has white space beside one",
                     spaces, spaces == 1 ? " has" : "s have");
}

static int convert(const options *opt, const checkpoint *c, console *con, error *err)
{
    int left = 0, spaces = 0;
    buf done = {0};
    bool to_gguf = wants_gguf(opt, c), other = to_gguf != (checkpoint_gguf(c) != NULL);
    if (!other && !opt->type)
        return error_set(
            err, ERROR_USAGE,
            "model convert needs --type, what weights become, or --to, another format");
    int result = opt->no_history ? 0 : describe(opt, other, to_gguf, &done, err);
    const image_options o = {.retype = opt->type != NULL,
                             .type = opt->type ? type_of(opt->type) : DTYPE_F32,
                             .left = &left,
                             .done = done.v,
                             .over = opt->force,
                             .watch = model_written_watch(con)};
    if (!result)
        result = other ? write_other(opt, c, &o, &spaces, err) : write_same(opt, c, &o, err);
    console_progress_end(con);
    if (!result)
        tell(con, o.type, left, spaces);
    buf_release(&done);
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
