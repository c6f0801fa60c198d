/* manual_zsh.c - completion for zsh. See manual.h, manual_values.h.
 *
 * `_values` and the lists of `_arguments` read a name's colons and brackets as a description and an
 * action: names of files go to compadd alone.
 */
#include <stdio.h>
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
    "_consilium_personas() { # words that may stand instead\n"
    "    local -a names used\n"
    "    _consilium_all\n"
    "    used=(${(s:,:)PREFIX%,*})\n"
    "    [[ $PREFIX == *,* ]] || used=()\n"
    "    [[ $PREFIX == *,* ]] || compadd -- $@\n"
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
static void action(text_writer *w, const value_info *v, const char *message)
{
    static const char *const functions[] = {
        [VALUE_TEXT] = " ",
        [VALUE_FILE] = "_files",
        [VALUE_PERSONAS] = " _consilium_personas",
        [VALUE_SESSION] = "_consilium_sessions",
        [VALUE_MODEL] = "_consilium_models",
    };
    if (v->kind == VALUE_NONE)
        return;
    text_put(w, v->maybe ? "::" : ":");
    manual_quoted(w, message, ":[]\\");
    text_put(w, ":");
    if (v->kind == VALUE_WORDS)
        text_format(w, "(%s)", v->words);
    else if (v->kind == VALUE_PERSONA)
        text_put(w, v->words[0] ? "_consilium_only" : "_consilium_persona");
    else
        text_format(w, "%s%s%s", functions[v->kind], v->words[0] ? " " : "", v->words);
}

/* One name of an option; takes: what stands between it and its value. */
static void spelling(text_writer *w, const option_info *row, const value_info *v, const char *name,
                     const char *takes)
{
    text_format(w, "            '%s-%s%s[", row->kind == OPTION_TEXTS ? "*" : "", name, takes);
    manual_quoted(w, row->help, "[]\\");
    text_put(w, "]");
    action(w, v, row->argument ? row->argument : "");
    text_put(w, "' \\\n");
}

static void option(text_writer *w, const option_info *row)
{
    value_info v = manual_option_value(row);
    bool none = v.kind == VALUE_NONE;
    char name[80];
    (void)snprintf(name, sizeof name, "-%s", row->name);
    if (row->letter && !v.maybe)
        spelling(w, row, &v, (char[]){row->letter, '\0'}, none ? "" : "+");
    spelling(w, row, &v, name, none ? "" : v.maybe ? "=-" : "=");
}

static void command(text_writer *w, int i)
{
    const command_info *c = &options_commands()[i];
    char group[32];
    bool two, leads = manual_first_of_group(i, &two);
    size_t at = 0;
    value_info v = manual_word_value(c);
    text_format(w, "    '%s'", c->name);
    if (two && leads)
        text_format(w, "|'%s'", manual_group(c, group));
    text_put(w, ")\n        _arguments -s \\\n");
    for (const option_info *row; (row = manual_next((command_id)i, &at));)
        option(w, row);
    if (*c->arguments && v.kind != VALUE_TEXT) {
        text_put(w, "            '1");
        action(w, &v, c->arguments);
        text_put(w, "' \\\n");
    }
    text_put(w, i == COMMAND_PERSONAS_DERIVE ? "            '*:file:_files' ;;\n"
                                             : "            '*: : ' ;;\n");
}

static void describe(text_writer *w, const char *group)
{
    const command_info *all = options_commands();
    size_t n = group ? strlen(group) : 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two, leads = manual_first_of_group(i, &two);
        char name[32];
        bool wanted = group ? strncmp(all[i].name, group, n) == 0 && all[i].name[n] == ' ' : leads;
        if (!wanted)
            continue;
        text_format(w, " '%s:", group ? all[i].name + n + 1 : manual_group(&all[i], name));
        manual_quoted(w, all[i].about, ":\\");
        text_put(w, "'");
    }
}

/* The command's words are taken away, so that _arguments counts what follows them. */
static void words(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, "_consilium() {\n    local -a first second\n    local command=talk\n    first=(");
    describe(w, NULL);
    text_put(w, ")\n    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
                "        _describe command first\n        return\n    fi\n"
                "    case $words[2] in\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two;
        if (!manual_first_of_group(i, &two) || !two)
            continue;
        text_format(w, "    %s) second=(", manual_group(&all[i], group));
        describe(w, group);
        text_put(w, ") ;;\n");
    }
    text_put(w, "    esac\n    if (( $#second && CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n"
                "        _describe command second\n        return\n    fi\n"
                "    if [[ $words[2] != -* ]]; then\n"
                "        command=$words[2]\n        shift words\n        (( CURRENT-- ))\n"
                "        if (( $#second )) && [[ $words[2] != -* ]]; then\n"
                "            command=\"$command $words[2]\"\n"
                "            shift words\n            (( CURRENT-- ))\n        fi\n    fi\n"
                "    case $command in\n");
}

void manual_zsh(text_writer *w)
{
    text_put(w, HEAD);
    words(w);
    for (int i = 0; i < COMMAND_COUNT; i++)
        command(w, i);
    text_put(w, "    esac\n}\n_consilium \"$@\"\n");
}
