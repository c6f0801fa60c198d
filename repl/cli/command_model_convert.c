/* command_model_convert.c - `model convert`: a model's weights in another type or format. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../engine/base/region.h"
#include "../../engine/surgery/convert.h"
#include "../../engine/surgery/edit.h"
#include "../../kernels/quantize.h"
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

/* --tensor-type PATTERN=TYPE, repeatable; caller frees *out and *texts, the copies that it borrows. */
static int read_types(const options *opt, image_type **out, region *words, error *err)
{
    const texts *given = &opt->tensor_types;
    *out = calloc(given->len + 1, sizeof **out);
    if (!*out)
        return error_memory(err, "the types");
    for (size_t i = 0; i < given->len; i++) {
        const char *text = given->v[i], *equals = strrchr(text, '=');
        char *pattern = equals ? region_keep(words, text, (size_t)(equals - text), err) : NULL;
        dtype type = equals ? type_of(equals + 1) : DTYPE_COUNT;
        if (equals && !pattern)
            return -1;
        if (!equals || equals == text || type == DTYPE_COUNT || !quantize_writes(type))
            return error_set(err, ERROR_USAGE,
                             "--tensor-type: \"%.80s\" is no PATTERN=TYPE, as in "
                             "'*_exps.weight=q3_k'; types are those of --type",
                             text);
        (*out)[i] = (image_type){pattern, type};
    }
    return 0;
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

static int describe_types(const texts *types, buf *out, error *err)
{
    for (size_t i = 0; i < types->len; i++)
        if (buf_format(out, err, " --tensor-type %s", types->v[i]))
            return -1;
    return 0;
}

/* What the history says: the options that change something. */
static int describe(const options *opt, bool other, bool to_gguf, buf *out, error *err)
{
    return buf_text(out, "convert", err) ||
                   (other && buf_format(out, err, " --to %s", to_gguf ? "gguf" : "safetensors")) ||
                   (opt->type && buf_format(out, err, " --type %s", opt->type)) ||
                   describe_types(&opt->tensor_types, out, err)
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
static void tell(console *con, const image_types *types, int spaces)
{
    int left = types->left;
    if (left)
        console_note(con, "%d matri%s: rows that do not divide into blocks of %s keep their type",
                     left, left == 1 ? "x" : "ces", types->len ? "the other" : "it");
    if (spaces)
        console_note(con,
                     "%d added token%s lstrip, rstrip or single_word, which GGUF cannot say: ids "
                     "may differ where a chat template has white space beside one",
                     spaces, spaces == 1 ? " has" : "s have");
}

static int write_new(const options *opt, const checkpoint *c, image_types *types, console *con,
                     error *err)
{
    int spaces = 0;
    buf done = {0};
    bool to_gguf = wants_gguf(opt, c), other = to_gguf != (checkpoint_gguf(c) != NULL);
    bool changes = opt->type || types->len;
    if (!other && !changes)
        return error_set(
            err, ERROR_USAGE,
            "model convert needs --type, what weights become, or --to, another format");
    int result = opt->no_history ? 0 : describe(opt, other, to_gguf, &done, err);
    const image_options o = {.types = changes ? types : NULL,
                             .done = done.v,
                             .over = opt->force,
                             .watch = model_written_watch(con)};
    if (!result)
        result = other ? write_other(opt, c, &o, &spaces, err) : write_same(opt, c, &o, err);
    console_progress_end(con);
    if (!result)
        tell(con, types, spaces);
    buf_release(&done);
    return result ? -1 : model_written(con, opt->output, err);
}

static int convert(const options *opt, const checkpoint *c, console *con, error *err)
{
    region words = {0};
    image_type *some = NULL;
    int result = read_types(opt, &some, &words, err);
    image_types types = {.rest = opt->type ? type_of(opt->type) : DTYPE_COUNT,
                         .v = some,
                         .len = opt->tensor_types.len};
    if (!result)
        result = write_new(opt, c, &types, con, err);
    free(some);
    region_release(&words);
    return result;
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
