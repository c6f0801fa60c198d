/* manual_shell.c - completions for bash, zsh and fish. See manual.h.
 *
 * Options whose values are choices offer them; FILE and its kin offer files, --personas and --resume
 * what lies in their folders.
 */
#include <stdio.h>
#include <string.h>

#include "manual.h"

typedef enum value_kind {
    VALUE_NONE,
    VALUE_CHOICE,
    VALUE_FILE,
    VALUE_PERSONA,
    VALUE_SESSION,
    VALUE_WORD
} value_kind;

static value_kind kind_of(const option_info *row)
{
    const char *a = row->argument ? row->argument : "";
    if (row->kind == OPTION_FLAG || row->kind == OPTION_MAYBE)
        return VALUE_NONE;
    if (row->kind == OPTION_CHOICE)
        return VALUE_CHOICE;
    if (strcmp(row->name, "personas") == 0)
        return VALUE_PERSONA;
    if (strcmp(row->name, "resume") == 0 || strcmp(row->name, "session") == 0)
        return VALUE_SESSION;
    if (strstr(a, "FILE") || strstr(a, "DIR") || strcmp(a, "MODEL") == 0)
        return VALUE_FILE;
    return VALUE_WORD;
}

/* "auto|own|shared" with the bars as `between`. */
static int choices(buf *out, const char *bars, const char *between, error *err)
{
    while (*bars) {
        size_t n = strcspn(bars, "|");
        if (buf_add(out, bars, n, err) || (bars[n] && buf_text(out, between, err)))
            return -1;
        bars += n + (bars[n] != '\0');
    }
    return 0;
}

/* Inside single quotes of a POSIX shell, and without what `also` holds, which the shell's own
 * description would obey. */
static int quoted(buf *out, const char *text, const char *also, error *err)
{
    for (; *text; text++) {
        if (*text == '\'') {
            if (buf_text(out, "'\\''", err))
                return -1;
        } else if ((strchr(also, *text) && buf_text(out, "\\", err)) ||
                   buf_add(out, text, 1, err)) {
            return -1;
        }
    }
    return 0;
}

/* The first words, or the second words of one group (NULL: the first). */
static int command_words(buf *out, const char *group, error *err)
{
    const command_info *all = options_commands();
    size_t n = group ? strlen(group) : 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two;
        char name[32];
        if (!group && manual_leads(i, &two) &&
            buf_format(out, err, " %s", manual_group(&all[i], name)))
            return -1;
        if (group && strncmp(all[i].name, group, n) == 0 && all[i].name[n] == ' ' &&
            buf_format(out, err, " %s", all[i].name + n + 1))
            return -1;
    }
    return 0;
}

/* ---- bash -------------------------------------------------------------------------------------- */

static const char BASH_HEAD[] =
    "# bash completion for consilium, made by `consilium manual bash`\n"
    "_consilium_names() # folder ending\n{\n"
    "    local file\n"
    "    for file in \"$1\"/*\"$2\"; do\n"
    "        [[ -e $file ]] && file=${file##*/} && printf '%s\\n' \"${file%%.*}\"\n"
    "    done\n}\n"
    "_consilium()\n{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word i\n"
    "    local config=${XDG_CONFIG_HOME:-$HOME/.config} data=${XDG_DATA_HOME:-$HOME/.local/share}\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        [[ $word == -* ]] && continue\n"
    "        [[ -n $command ]] && { command=\"$command $word\"; break; }\n"
    "        command=$word\n"
    "    done\n";

static int bash_value(buf *out, const option_info *row, error *err)
{
    switch (kind_of(row)) {
    case VALUE_CHOICE:
        return buf_text(out, "mapfile -t COMPREPLY < <(compgen -W '", err) ||
                       choices(out, row->argument, " ", err) ||
                       buf_text(out, "' -- \"$cur\"); return", err)
                   ? -1
                   : 0;
    case VALUE_FILE:
        return buf_text(out, "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return", err);
    case VALUE_PERSONA:
        return buf_text(out,
                        "mapfile -t COMPREPLY < <(compgen -W \"philosopher coder critic "
                        "$(_consilium_names \"$config/consilium/personas\" .json)\" -- \"$cur\"); "
                        "return",
                        err);
    case VALUE_SESSION:
        return buf_text(out,
                        "mapfile -t COMPREPLY < <(compgen -W \"$(_consilium_names "
                        "\"$data/consilium/transcripts\" .jsonl)\" -- \"$cur\"); return",
                        err);
    default:
        return buf_text(out, "return", err);
    }
}

/* The first row of a name stands for all: they take an argument, or none does. */
static bool first_of_name(const option_info *row)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (const option_info *r = rows; r < row; r++)
        if (strcmp(r->name, row->name) == 0)
            return false;
    return true;
}

static int bash_values(buf *out, error *err)
{
    size_t count;
    const option_info *rows = options_table(&count);
    if (buf_text(out, "    case $prev in\n", err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (kind_of(&rows[i]) == VALUE_NONE || !first_of_name(&rows[i]))
            continue;
        char letter[8] = {'|', '-', rows[i].letter, '\0'};
        if (buf_format(out, err, "    --%s%s) ", rows[i].name, rows[i].letter ? letter : "") ||
            bash_value(out, &rows[i], err) || buf_text(out, " ;;\n", err))
            return -1;
    }
    return buf_text(out, "    esac\n", err);
}

static int bash_options(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out, "    local options=\n    case $command in\n", err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two, leads = manual_leads(i, &two);
        size_t at = 0;
        const char *bare = i == COMMAND_TALK ? "|''" : "";
        if (two && leads
                ? buf_format(out, err, "    %s|'%s'*)", manual_group(&all[i], group), all[i].name)
                : buf_format(out, err, "    '%s'*%s)", all[i].name, bare))
            return -1;
        if (buf_text(out, " options='", err))
            return -1;
        for (const option_info *row; (row = manual_next((command_id)i, &at));)
            if (buf_format(out, err, "--%s ", row->name))
                return -1;
        if (buf_text(out, "' ;;\n", err))
            return -1;
    }
    return buf_text(out, "    esac\n", err);
}

static int bash_words(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out,
                 "    if [[ $cur == -* ]]; then\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
                 "        return\n    fi\n    case $command in\n    '') word='",
                 err) ||
        command_words(out, NULL, err) || buf_text(out, "' ;;\n", err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two;
        char group[32];
        if (!manual_leads(i, &two) || !two)
            continue;
        if (buf_format(out, err, "    %s) word='", manual_group(&all[i], group)) ||
            command_words(out, group, err) || buf_text(out, "' ;;\n", err))
            return -1;
    }
    return buf_text(out,
                    "    *) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
                    "    esac\n"
                    "    mapfile -t COMPREPLY < <(compgen -W \"$word\" -- \"$cur\")\n}\n"
                    "complete -o filenames -F _consilium consilium\n",
                    err);
}

int manual_bash(buf *out, error *err)
{
    return buf_text(out, BASH_HEAD, err) || bash_values(out, err) || bash_options(out, err) ||
                   bash_words(out, err)
               ? -1
               : 0;
}

/* ---- zsh --------------------------------------------------------------------------------------- */

static int zsh_option(buf *out, const option_info *row, error *err)
{
    value_kind kind = kind_of(row);
    const char *more = row->kind == OPTION_TEXTS ? "*" : "";
    if (buf_format(out, err, "            '%s--%s%s[", more, row->name,
                   kind == VALUE_NONE ? "" : "=") ||
        quoted(out, row->help, "[]", err) || buf_text(out, "]", err))
        return -1;
    if (kind != VALUE_NONE && (buf_text(out, ":", err) || quoted(out, row->argument, ":[]", err)))
        return -1;
    int result = 0;
    if (kind == VALUE_CHOICE)
        result = buf_text(out, ":(", err) || choices(out, row->argument, " ", err) ||
                 buf_text(out, ")", err);
    else if (kind == VALUE_FILE)
        result = buf_text(out, ":_files", err);
    else if (kind == VALUE_PERSONA)
        result = buf_text(out, ":_consilium_personas", err);
    else if (kind == VALUE_SESSION)
        result = buf_text(out, ":_consilium_sessions", err);
    else if (kind == VALUE_WORD)
        result = buf_text(out, ": ", err);
    return result || buf_text(out, "' \\\n", err) ? -1 : 0;
}

static int zsh_command(buf *out, int i, error *err)
{
    const command_info *c = &options_commands()[i];
    char group[32];
    bool two, leads = manual_leads(i, &two);
    size_t at = 0;
    if (buf_format(out, err, "    '%s'", c->name) ||
        (two && leads && buf_format(out, err, "|'%s '", manual_group(c, group))) ||
        buf_text(out, ")\n        _arguments -s \\\n", err))
        return -1;
    for (const option_info *row; (row = manual_next((command_id)i, &at));)
        if (zsh_option(out, row, err))
            return -1;
    return buf_text(out, "            '*:file:_files' ;;\n", err);
}

static int zsh_describe(buf *out, const char *group, error *err)
{
    const command_info *all = options_commands();
    size_t n = group ? strlen(group) : 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two, leads = manual_leads(i, &two);
        char name[32];
        bool wanted = group ? strncmp(all[i].name, group, n) == 0 && all[i].name[n] == ' ' : leads;
        if (!wanted)
            continue;
        const char *word = group ? all[i].name + n + 1 : manual_group(&all[i], name);
        if (buf_format(out, err, " '%s:", word) || quoted(out, all[i].about, ":", err) ||
            buf_text(out, "'", err))
            return -1;
    }
    return 0;
}

int manual_zsh(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out,
                 "#compdef consilium\n# made by `consilium manual zsh`\n"
                 "_consilium_personas() {\n    local folder=${XDG_CONFIG_HOME:-$HOME/.config}\n"
                 "    _values -s , persona philosopher coder critic "
                 "$folder/consilium/personas/*.json(N:t:r)\n}\n"
                 "_consilium_sessions() {\n    local folder=${XDG_DATA_HOME:-$HOME/.local/share}\n"
                 "    compadd -- $folder/consilium/transcripts/*.jsonl(N:t:r)\n}\n"
                 "_consilium() {\n    local -a first second\n    local command\n    first=(",
                 err) ||
        zsh_describe(out, NULL, err) ||
        buf_text(out,
                 ")\n    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
                 "        _describe command first\n        return\n    fi\n    case $words[2] in\n",
                 err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two;
        if (!manual_leads(i, &two) || !two)
            continue;
        if (buf_format(out, err, "    %s) second=(", manual_group(&all[i], group)) ||
            zsh_describe(out, group, err) || buf_text(out, ") ;;\n", err))
            return -1;
    }
    if (buf_text(
            out,
            "    esac\n    if (( $#second && CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n"
            "        _describe command second\n        return\n    fi\n"
            "    command=$words[2]\n    (( $#second )) && command=\"$command ${words[3]##-*}\"\n"
            "    [[ $command == -* ]] && command=talk\n    case $command in\n",
            err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (zsh_command(out, i, err))
            return -1;
    return buf_text(out, "    esac\n}\n_consilium \"$@\"\n", err);
}

/* ---- fish -------------------------------------------------------------------------------------- */

static int fish_option(buf *out, const char *when, const option_info *row, error *err)
{
    value_kind kind = kind_of(row);
    char letter[16] = "";
    if (row->letter) {
        strcpy(letter, " -s x");
        letter[4] = row->letter;
    }
    if (buf_format(out, err, "complete -c consilium -n %s -l %s%s%s", when, row->name, letter,
                   kind == VALUE_NONE   ? ""
                   : kind == VALUE_FILE ? " -r -F"
                                        : " -x"))
        return -1;
    if (kind == VALUE_CHOICE && (buf_text(out, " -a '", err) ||
                                 choices(out, row->argument, " ", err) || buf_text(out, "'", err)))
        return -1;
    if (kind == VALUE_PERSONA && buf_text(out, " -a 'philosopher coder critic'", err))
        return -1;
    if (kind == VALUE_SESSION && buf_text(out, " -a '(__consilium_sessions)'", err))
        return -1;
    return buf_text(out, " -d '", err) || quoted(out, row->help, "", err) ||
                   buf_text(out, "'\n", err)
               ? -1
               : 0;
}

static int fish_commands(buf *out, error *err)
{
    const command_info *all = options_commands();
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two, leads = manual_leads(i, &two);
        (void)manual_group(&all[i], group);
        if (leads &&
            (buf_format(out, err, "complete -c consilium -f -n __fish_use_subcommand -a %s -d '",
                        group) ||
             quoted(out, all[i].about, "", err) || buf_text(out, "'\n", err)))
            return -1;
        if (two && (buf_format(out, err,
                               "complete -c consilium -f -n '__fish_seen_subcommand_from %s' -a %s "
                               "-d '",
                               group, all[i].name + strlen(group) + 1) ||
                    quoted(out, all[i].about, "", err) || buf_text(out, "'\n", err)))
            return -1;
    }
    return 0;
}

int manual_fish(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out,
                 "# made by `consilium manual fish`\n"
                 "function __consilium_sessions\n    set -l data $XDG_DATA_HOME\n"
                 "    test -n \"$data\"; or set data $HOME/.local/share\n"
                 "    for file in $data/consilium/transcripts/*.jsonl\n"
                 "        basename $file .jsonl\n    end\nend\n",
                 err) ||
        fish_commands(out, err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char when[128], group[32];
        bool two;
        size_t at = 0;
        (void)manual_leads(i, &two);
        (void)manual_group(&all[i], group);
        if (i == COMMAND_TALK)
            (void)snprintf(when, sizeof when, "__fish_use_subcommand");
        else if (two)
            (void)snprintf(when, sizeof when,
                           "'__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'",
                           group, all[i].name + strlen(group) + 1);
        else
            (void)snprintf(when, sizeof when, "'__fish_seen_subcommand_from %s'", group);
        for (const option_info *row; (row = manual_next((command_id)i, &at));)
            if (fish_option(out, when, row, err))
                return -1;
    }
    return 0;
}
