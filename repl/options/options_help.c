/* options_help.c - the tables of options.h as text for `--help`: 80 columns, examples first. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "examples.h"
#include "help_text.h"

enum { OPTION_COLUMN = 27, COMMAND_COLUMN = 23 };

static int option_entry(buf *out, const option_info *row, error *err)
{
    char name[80], letter[8] = "    ";
    if (row->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(name, sizeof name, "  %s--%s%s%s", letter, row->name, row->argument ? " " : "",
                   row->argument ? row->argument : "");
    return help_entry(out, name, OPTION_COLUMN, row->help, err);
}

static int option_section(buf *out, const char *title, option_group group, uint64_t commands,
                          error *err)
{
    size_t count;
    const option_info *rows = options_table(&count);
    bool begun = false;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].group != group || !(rows[i].commands & commands))
            continue;
        if (!begun && buf_format(out, err, "\n%s\n", title))
            return -1;
        begun = true;
        if (option_entry(out, &rows[i], err))
            return -1;
    }
    return 0;
}

static int command_help(const command_info *c, buf *out, error *err)
{
    uint64_t bit = COMMAND_BIT(c - options_commands());
    if (buf_format(out, err, "Usage: consilium %s%s%s [OPTION...]\n\n", c->name,
                   *c->arguments ? " " : "", c->arguments) ||
        help_wrap(out, 0, c->details, err) || buf_text(out, "\nExamples:\n", err))
        return -1;
    for (size_t i = 0; i < sizeof c->example / sizeof *c->example && c->example[i]; i++)
        if (buf_format(out, err, "  %s\n", c->example[i]))
            return -1;
    bool personas = bit & (COMMAND_BIT(COMMAND_PERSONAS_LIST) | COMMAND_BIT(COMMAND_PERSONAS_NEW));
    if (personas && examples_help(out, err))
        return -1;
    if (option_section(out, "Options:", GROUP_COMMAND, bit, err) ||
        option_section(out, "Model:", GROUP_MODEL, bit, err))
        return -1;
    return option_section(out, "Everywhere:", GROUP_EVERY, bit, err);
}

static int command_list(buf *out, error *err)
{
    const command_info *commands = options_commands();
    if (buf_text(out, "Commands:\n", err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "  %s", commands[i].name);
        if (help_entry(out, name, COMMAND_COLUMN, commands[i].about, err))
            return -1;
    }
    return 0;
}

static int overview(buf *out, error *err)
{
    const command_info *commands = options_commands();
    if (buf_text(out,
                 "consilium - one mixture-of-experts model, a council of personas\n"
                 "The built-in model is a small demonstration; `consilium -m FILE` runs your own\n"
                 "(a GGUF file, a Hugging Face folder, or a name that `model list` shows).\n\n"
                 "Usage: consilium [COMMAND] [OPTION...]\n\nExamples:\n",
                 err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (buf_format(out, err, "  %s\n", commands[i].example[0]))
            return -1;
    if (buf_text(out, "\n", err) || command_list(out, err) ||
        option_section(out, "Everywhere:", GROUP_EVERY, ~0u, err))
        return -1;
    return buf_text(out,
                    "\n`consilium help COMMAND` shows a command's own options; "
                    "`consilium < FILE` is\n`consilium ask -`. Defaults for options may stand in "
                    "$XDG_CONFIG_HOME/consilium/\nconfig.json: {\"temperature\": 0.5}.\n"
                    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 a model, mask or persona "
                    "cannot\nbe loaded, 4 answered but a pass, the merge or the saving failed,\n"
                    "130 interrupted.\nNothing is ever downloaded unasked.\n",
                    err);
}

int options_usage(buf *out, error *err)
{
    if (buf_text(out, "Usage: consilium COMMAND [OPTION...]\n\n", err) || command_list(out, err))
        return -1;
    return buf_text(out, "\n`consilium --help` says more.\n", err);
}

int options_help(const command_info *command, buf *out, error *err)
{
    return command ? command_help(command, out, err) : overview(out, err);
}
