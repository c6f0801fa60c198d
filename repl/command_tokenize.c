/* command_tokenize.c - text to a JSON array of token ids.
 *
 * Needs the vocabulary only, so the weights are mapped but never looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/tokenizer.h"
#include "commands.h"
#include "input.h"
#include "open_model.h"

static int read_text(const options *opt, console *con, buf *text, error *err)
{
    if (opt->file && opt->word_count)
        return error_set(err, ERROR_USAGE, "tokenize takes TEXT or --file, not both");
    if (opt->file)
        return input_read(opt->file, text, con, err);
    if (!opt->word_count)
        return error_set(err, ERROR_USAGE,
                         "tokenize needs TEXT, --file FILE, or - for standard input");
    if (strcmp(opt->words[0], "-") == 0)
        return input_read("-", text, con, err);
    return buf_text(text, opt->words[0], err);
}

static int print_ids(const tokens *ids, console *con, error *err)
{
    buf out = {0};
    emitter e = {.out = &out, .err = err};
    emit_array(&e, NULL);
    for (size_t i = 0; i < ids->len; i++)
        emit_int(&e, NULL, ids->v[i]);
    emit_end(&e);
    int result = console_json(con, &e, err);
    buf_release(&out);
    return result;
}

static int encode(const tokenizer *t, const options *opt, const buf *text, console *con, error *err)
{
    tokens ids = {0};
    int result = input_encode(t, opt->file, text, con, &ids, err) || print_ids(&ids, con, err);
    tokens_release(&ids);
    return result ? -1 : 0;
}

/* *out is never NULL on success: a model without a tokenizer is an error here. */
static int open_tokenizer(const checkpoint *c, tokenizer **out, error *err)
{
    if (tokenizer_open(c, out, err))
        return -1;
    if (*out)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer", checkpoint_path(c));
}

int command_tokenize(const options *opt, console *con, error *err)
{
    buf text = {0};
    char *path = NULL;
    checkpoint *c = NULL;
    tokenizer *t = NULL;
    int result = -1;
    if (read_text(opt, con, &text, err) == 0 && open_model_path(opt, &path, err) == 0)
        c = checkpoint_open(path, console_warn, con, err);
    if (c && open_tokenizer(c, &t, err) == 0)
        result = encode(t, opt, &text, con, err);
    tokenizer_close(t);
    checkpoint_close(c);
    free(path);
    buf_release(&text);
    return result;
}
