/* manual_zsh.c - completion for zsh. See manual.h, manual_values.h.
 *
 * `_values` and the lists of `_arguments` read a name's colons and brackets as a description and an
 * action: names of files go to compadd alone.
 */
#include <string.h>

#include "manual_values.h"

static const char HEAD[] =
    "#compdef consilium\n# made by `consilium manual zsh`\n"
    "# Names of files are data here: nothing that they hold is ever expanded.\n"
    "_consilium_names() { # FOLDER ENDING: names that the program takes, into names\n"
    "    emulate -L zsh\n"
    "    local LC_ALL=C name\n"
    "    for name in \"$1\"/*\"$2\"(N); do\n"
    "        name=${name:t}\n"
    "        name=${name%$2}\n"
    "        [[ $name =~ '^[A-Za-z0-9_-]{1,64}$' ]] && names+=(\"$name\")\n"
    "    done\n}\n"
    "_consilium_all() {\n"
    "    names=(" MANUAL_PERSONAS ")\n"
    "    _consilium_names \"${XDG_CONFIG_HOME:-$HOME/.config}/consilium/personas\" .json\n"
    "    names=(${(u)names})\n}\n"
    "_consilium_persona() {\n"
    "    local -a names\n"
    "    _consilium_all\n"
    "    compadd -- $names\n}\n"
    "_consilium_only() {\n"
    "    _consilium_persona\n"
    "    compadd -- merge\n}\n"
    "_consilium_personas() {\n"
    "    local -a names used\n"
    "    _consilium_all\n"
    "    used=(${(s:,:)PREFIX%,*})\n"
    "    [[ $PREFIX == *,* ]] || used=()\n"
    "    compset -P '*,'\n"
    "    compadd -S '' -- ${names:|used}\n}\n"
    "_consilium_sessions() {\n"
    "    local -a names\n"
    "    _consilium_names \"${XDG_DATA_HOME:-$HOME/.local/share}/consilium/transcripts\" .jsonl\n"
    "    compadd -- $names\n}\n"
    "_consilium_models() {\n"
    "    local -a names\n"
    "    local name rest\n"
    "    command consilium model list 2>/dev/null </dev/null | while read -r name rest; do\n"
    "        [[ $name =~ '^(ollama|hf|lmstudio):[A-Za-z0-9._/:@+-]+$' ]] && names+=(\"$name\")\n"
    "    done\n"
    "    compadd -- $names\n"
    "    _files\n}\n";

/* ":message:action", or nothing. */
static int action(buf *out, const value_info *v, const char *message, error *err)
{
    static const char *const functions[] = {
        [VALUE_TEXT] = " ",
        [VALUE_FILE] = "_files",
        [VALUE_PERSONAS] = "_consilium_personas",
        [VALUE_SESSION] = "_consilium_sessions",
        [VALUE_MODEL] = "_consilium_models",
    };
    if (v->kind == VALUE_NONE)
        return 0;
    if (buf_text(out, v->maybe ? "::" : ":", err) || manual_quoted(out, message, ":[]\\", err) ||
        buf_text(out, ":", err))
        return -1;
    if (v->kind == VALUE_WORDS)
        return buf_format(out, err, "(%s)", v->words);
    if (v->kind == VALUE_PERSONA)
        return buf_text(out, v->words[0] ? "_consilium_only" : "_consilium_persona", err);
    return buf_text(out, functions[v->kind], err);
}

static int option(buf *out, const option_info *row, error *err)
{
    value_info v = manual_option_value(row);
    const char *more = row->kind == OPTION_TEXTS ? "*" : "", *takes = v.kind == VALUE_NONE ? ""
                                                                      : v.maybe            ? "=-"
                                                                                           : "=";
    if (row->letter && !v.maybe &&
        (buf_format(out, err, "            '%s-%c%s[", more, row->letter,
                    v.kind == VALUE_NONE ? "" : "+") ||
         manual_quoted(out, row->help, "[]\\", err) || buf_text(out, "]", err) ||
         action(out, &v, row->argument ? row->argument : "", err) || buf_text(out, "' \\\n", err)))
        return -1;
    if (buf_format(out, err, "            '%s--%s%s[", more, row->name, takes) ||
        manual_quoted(out, row->help, "[]\\", err) || buf_text(out, "]", err) ||
        action(out, &v, row->argument ? row->argument : "", err))
        return -1;
    return buf_text(out, "' \\\n", err);
}

static int command(buf *out, int i, error *err)
{
    const command_info *c = &options_commands()[i];
    char group[32];
    bool two, leads = manual_first_of_group(i, &two);
    size_t at = 0;
    value_info v = manual_word_value(c);
    if (buf_format(out, err, "    '%s'", c->name) ||
        (two && leads && buf_format(out, err, "|'%s'", manual_group(c, group))) ||
        buf_text(out, ")\n        _arguments -s \\\n", err))
        return -1;
    for (const option_info *row; (row = manual_next((command_id)i, &at));)
        if (option(out, row, err))
            return -1;
    if (*c->arguments && v.kind != VALUE_TEXT &&
        (buf_text(out, "            '1", err) || action(out, &v, c->arguments, err) ||
         buf_text(out, "' \\\n", err)))
        return -1;
    return buf_text(out,
                    i == COMMAND_PERSONAS_DERIVE ? "            '*:file:_files' ;;\n"
                                                 : "            '*: : ' ;;\n",
                    err);
}

static int describe(buf *out, const char *group, error *err)
{
    const command_info *all = options_commands();
    size_t n = group ? strlen(group) : 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two, leads = manual_first_of_group(i, &two);
        char name[32];
        bool wanted = group ? strncmp(all[i].name, group, n) == 0 && all[i].name[n] == ' ' : leads;
        if (!wanted)
            continue;
        const char *word = group ? all[i].name + n + 1 : manual_group(&all[i], name);
        if (buf_format(out, err, " '%s:", word) || manual_quoted(out, all[i].about, ":\\", err) ||
            buf_text(out, "'", err))
            return -1;
    }
    return 0;
}

/* The command's words are taken away, so that _arguments counts what follows them. */
static int words(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out,
                 "_consilium() {\n    local -a first second\n    local command=talk\n    first=(",
                 err) ||
        describe(out, NULL, err) ||
        buf_text(out,
                 ")\n    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
                 "        _describe command first\n        return\n    fi\n    case $words[2] in\n",
                 err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two;
        if (!manual_first_of_group(i, &two) || !two)
            continue;
        if (buf_format(out, err, "    %s) second=(", manual_group(&all[i], group)) ||
            describe(out, group, err) || buf_text(out, ") ;;\n", err))
            return -1;
    }
    return buf_text(
        out,
        "    esac\n    if (( $#second && CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n"
        "        _describe command second\n        return\n    fi\n"
        "    if [[ $words[2] != -* ]]; then\n"
        "        command=$words[2]\n        shift words\n        (( CURRENT-- ))\n"
        "        if (( $#second )) && [[ $words[2] != -* ]]; then\n"
        "            command=\"$command $words[2]\"\n"
        "            shift words\n            (( CURRENT-- ))\n        fi\n    fi\n"
        "    case $command in\n",
        err);
}

int manual_zsh(buf *out, error *err)
{
    if (buf_text(out, HEAD, err) || words(out, err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (command(out, i, err))
            return -1;
    return buf_text(out, "    esac\n}\n_consilium \"$@\"\n", err);
}
