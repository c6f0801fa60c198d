/* command_tokenize.c - text, or a conversation, to a JSON array of token ids.
 *
 * Needs the vocabulary only, so the weights are mapped but never looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/text/chat.h"
#include "../../engine/text/tokenizer_file.h"
#include "../options/ask_options.h"
#include "../options/open_model.h"
#include "../options/template_notes.h"
#include "../system/input.h"
#include "commands.h"

/* Stands on the command line; the configuration may hold what other commands need. */
static bool typed(const options *opt, const char *name)
{
    const option_info *row = options_find(name, strlen(name), COMMAND_TOKENIZE);
    size_t count;
    return row && opt->source[row - options_table(&count)] == SOURCE_COMMAND;
}

static int read_text(const options *opt, console *con, buf *text, error *err)
{
    if (opt->messages && (opt->file || opt->word_count))
        return error_set(err, ERROR_USAGE, "tokenize takes TEXT, --file or --messages, only one");
    const char *lone = typed(opt, "think")      ? "--think"
                       : typed(opt, "no-reply") ? "--no-reply"
                                                : NULL;
    if (!opt->messages && lone)
        return error_set(err, ERROR_USAGE, "%s belongs to --messages FILE", lone);
    if (opt->messages)
        return input_read(opt->messages, text, con, err);
    if (opt->file && opt->word_count)
        return error_set(err, ERROR_USAGE, "tokenize takes TEXT or --file, not both");
    if (opt->file)
        return input_read(opt->file, text, con, err);
    if (!opt->word_count)
        return error_set(err, ERROR_USAGE,
                         "tokenize needs TEXT, --file FILE, --messages FILE, or - for standard "
                         "input");
    if (strcmp(opt->words[0], "-") == 0)
        return input_read("-", text, con, err);
    return buf_text(text, opt->words[0], err);
}

static int print_ids(const tokens *ids, console *con, error *err)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = err};
    json_begin_array(&e, NULL);
    for (size_t i = 0; i < ids->len; i++)
        json_put_int(&e, NULL, ids->v[i]);
    json_end(&e);
    return console_json(con, &e, err);
}

static int encode(const tokenizer *t, const options *opt, const buf *text, console *con, error *err)
{
    tokens ids = {0};
    int result = input_encode(t, opt->file, text, con, &ids, err) || print_ids(&ids, con, err);
    tokens_release(&ids);
    return result ? -1 : 0;
}

/* The chat template over the conversation. */
static int encode_chat(const checkpoint *c, const tokenizer *t, const options *opt, buf *text,
                       console *con, error *err)
{
    const char *where = strcmp(opt->messages, "-") == 0 ? "standard input" : opt->messages;
    chat_options chat = {.name = opt->chat_format,
                         .variables = opt->variables.v,
                         .variable_count = (int)opt->variables.len};
    int think = 0;
    chat_format *f = NULL;
    tokens ids = {0};
    if (ask_options_think(opt, &think, err) || chat_open(c, t, &chat, &f, err))
        return -1;
    int result = f ? 0
                   : error_set(err, ERROR_LOAD,
                               "%s: no chat template; name a format with --chat-format (%s)",
                               checkpoint_path(c), chat_names());
    if (!result)
        template_notes_variables(f, con);
    if (!result && think && !chat_can_think(f))
        console_note(con, "--think has no effect: the model's chat template knows no thinking");
    if (!result)
        result = chat_render_json(f, text->v ? text->v : "", text->len, where, !opt->no_reply,
                                  think, &ids, err) ||
                 print_ids(&ids, con, err);
    chat_close(f);
    tokens_release(&ids);
    return result ? -1 : 0;
}

/* *out is never NULL on success: a model without a tokenizer is an error here. */
static int open_tokenizer(const options *opt, const checkpoint *c, console *con, tokenizer **out,
                          error *err)
{
    tokenizer *own = NULL;
    if (tokenizer_open(c, &own, err))
        return -1;
    *out = own;
    if (opt->tokenizer) {
        int result = tokenizer_open_other(opt->tokenizer, own, checkpoint_config(c)->vocabulary,
                                          open_model_warn, con, out, err);
        tokenizer_close(own);
        if (result)
            return -1;
    }
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
        c = checkpoint_open(path, open_model_warn, con, err);
    if (c && open_tokenizer(opt, c, con, &t, err) == 0)
        result = opt->messages ? encode_chat(c, t, opt, &text, con, err)
                               : encode(t, opt, &text, con, err);
    tokenizer_close(t);
    checkpoint_close(c);
    free(path);
    buf_release(&text);
    return result;
}
