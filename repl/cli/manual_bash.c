/* manual_bash.c - completion for bash. See manual.h, manual_values.h.
 *
 * `compgen -W` expands its list, so it is never used: words are compared in a loop. A file's name
 * reaches COMPREPLY by a glob, whatever stands in it.
 */
#include <string.h>

#include "manual_values.h"

static const char HEAD[] =
    "# bash completion for consilium, made by `consilium manual bash`\n"
    "# Names of files are data here: nothing that they hold is ever expanded.\n"
    "_consilium_offer() # WORD...: those that begin as what is typed\n{\n"
    "    local word\n"
    "    for word; do\n"
    "        [[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$word\")\n"
    "    done\n}\n"
    "_consilium_list() # WORD...: behind the last comma, and not again\n{\n"
    "    local word before=\n"
    "    [[ $cur == *,* ]] && before=${cur%,*},\n"
    "    for word; do\n"
    "        [[ ,$before == *\",$word,\"* ]] && continue\n"
    "        [[ $before$word == \"$cur\"* ]] && COMPREPLY+=(\"$before$word\")\n"
    "    done\n}\n"
    "_consilium_names() # FOLDER ENDING: names that the program takes, into names\n{\n"
    "    local LC_ALL=C name\n"
    "    mapfile -d '' -t names < <(\n"
    "        shopt -u failglob\n"
    "        shopt -s nullglob\n"
    "        for name in \"$1\"/*\"$2\"; do\n"
    "            name=${name##*/}\n"
    "            name=${name%\"$2\"}\n"
    "            [[ $name =~ ^[A-Za-z0-9_-]{1,64}$ ]] && printf '%s\\0' \"$name\"\n"
    "        done)\n}\n"
    "_consilium_personas()\n{\n"
    "    _consilium_names \"${XDG_CONFIG_HOME:-$HOME/.config}/consilium/personas\" .json\n"
    "    local name\n"
    "    for name in " MANUAL_PERSONAS "; do\n"
    "        [[ \" ${names[*]} \" == *\" $name \"* ]] || names+=(\"$name\")\n"
    "    done\n}\n"
    "_consilium_sessions()\n{\n"
    "    _consilium_names \"${XDG_DATA_HOME:-$HOME/.local/share}/consilium/transcripts\" "
    ".jsonl\n}\n"
    "_consilium_models()\n{\n"
    "    local LC_ALL=C name rest\n"
    "    while read -r name rest; do\n"
    "        [[ $name =~ ^(ollama|hf|lmstudio):[A-Za-z0-9._/:@+-]+$ ]] && names+=(\"$name\")\n"
    "    done < <(command consilium model list 2>/dev/null </dev/null)\n}\n"
    "_consilium_files()\n{\n"
    "    if [[ $cur == *[^A-Za-z0-9_./,:@%+=-]* ]]; then\n"
    "        compopt -o default 2>/dev/null # quotes, blanks, ~: readline knows them\n"
    "        return\n"
    "    fi\n"
    "    local files\n"
    "    mapfile -d '' -t files < <(\n"
    "        shopt -u failglob\n"
    "        shopt -s nullglob\n"
    "        files=(\"$cur\"*)\n"
    "        ((${#files[@]})) && printf '%s\\0' \"${files[@]}\")\n"
    "    COMPREPLY+=(\"${files[@]}\")\n"
    "    ((${#files[@]})) && compopt -o filenames 2>/dev/null\n}\n";

/* What is typed, with the words that bash parts at '=' and ':' put together again; and the command. */
static const char WORDS[] =
    "_consilium()\n{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev= command= word= place=0 last=$COMP_CWORD "
    "names=()\n"
    "    COMPREPLY=()\n"
    "    while ((last > 1)) && [[ $cur == :* || ${COMP_WORDS[last-1]} == : ]]; do\n"
    "        cur=${COMP_WORDS[--last]}$cur\n"
    "    done\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur= prev==${COMP_WORDS[last-1]}\n"
    "    elif [[ ${COMP_WORDS[last-1]} == = ]]; then\n"
    "        prev==${COMP_WORDS[last-2]}\n"
    "    else\n"
    "        prev=${COMP_WORDS[last-1]}\n"
    "    fi\n"
    "    _consilium_find\n"
    "    local colon=${cur%\"${cur##*:}\"}\n"
    "    [[ -n $colon && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=(\"${COMPREPLY[@]#\"$colon\"}\")\n"
    "}\n";

static void value(text_writer *w, const value_info *v)
{
    static const char *const before[] = {[VALUE_PERSONA] = "_consilium_personas; ",
                                         [VALUE_PERSONAS] = "_consilium_personas; ",
                                         [VALUE_SESSION] = "_consilium_sessions; ",
                                         [VALUE_MODEL] = "_consilium_models; "};
    bool named = v->kind >= VALUE_PERSONA, files = v->kind == VALUE_FILE || v->kind == VALUE_MODEL;
    bool any = v->kind == VALUE_NONE || v->kind == VALUE_TEXT;
    if (named)
        text_put(w, before[v->kind]);
    if (v->kind == VALUE_PERSONAS)
        text_format(w, "_consilium_list \"${names[@]}\"; %s%s%s",
                    v->words[0] ? "[[ $cur == *,* ]] || _consilium_offer " : "", v->words,
                    v->words[0] ? "; " : "");
    else if (!any && (named || v->words[0]))
        text_format(w, "_consilium_offer%s%s%s; ", named ? " \"${names[@]}\"" : "",
                    v->words[0] ? " " : "", v->words);
    text_put(w, files ? "_consilium_files; return" : "return");
}

/* The words before the one that is typed: which command it is, and how many words it has already. */
static void skip_values(text_writer *w)
{
    size_t count;
    const option_info *rows = options_table(&count);
    text_put(w, "_consilium_find()\n{\n    local i\n    for ((i = 1; i < last; i++)); do\n"
                "        word=${COMP_WORDS[i]}\n        case $word in\n        ");
    const char *between = "";
    for (size_t i = 0; i < count; i++) {
        value_info v = manual_option_value(&rows[i]);
        if (v.kind == VALUE_NONE || v.maybe || !manual_first_of_name(&rows[i]))
            continue;
        char letter[8] = {'|', '-', rows[i].letter, '\0'};
        text_format(w, "%s--%s%s", between, rows[i].name, rows[i].letter ? letter : "");
        between = "|";
    }
    text_put(w, ")\n            [[ ${COMP_WORDS[i+1]} == = ]] && ((i++))\n"
                "            ((i++))\n            continue ;;\n"
                "        [=:]) ((i++)); continue ;;\n        -*) continue ;;\n        esac\n");
}

/* "model" takes one more word, "ask" none. */
static void commands(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, "        case $command in\n        '') command=$word ;;\n        ");
    const char *between = "";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two;
        char group[32];
        if (!manual_first_of_group(i, &two) || !two)
            continue;
        text_format(w, "%s%s", between, manual_group(&all[i], group));
        between = "|";
    }
    text_put(w, ") command=\"$command $word\" ;;\n        *) ((place++)) ;;\n"
                "        esac\n    done\n");
}

/* What stands for all rows of that name is something else. */
static bool differs(const option_info *rows, const option_info *row, const value_info *v)
{
    const option_info *first = rows;
    while (strcmp(first->name, row->name) != 0)
        first++;
    value_info of_first = manual_option_value(first);
    return of_first.kind != v->kind || strcmp(of_first.words, v->words) != 0;
}

/* One that takes something else for some commands than for the first that has it. */
static void own_values(text_writer *w)
{
    size_t count;
    const option_info *rows = options_table(&count);
    text_put(w, "    case $command:$prev in\n");
    for (size_t i = 0; i < count; i++) {
        value_info v = manual_option_value(&rows[i]);
        const char *between = "    ";
        if (v.kind == VALUE_NONE || v.maybe || !differs(rows, &rows[i], &v))
            continue;
        for (int c = 0; c < COMMAND_COUNT; c++) {
            const char *name = c == COMMAND_TALK ? "" : options_commands()[c].name;
            if (!(rows[i].commands & COMMAND_BIT(c)))
                continue;
            text_format(w, "%s'%s':--%s|'%s':=--%s", between, name, rows[i].name, name,
                        rows[i].name);
            if (rows[i].letter)
                text_format(w, "|'%s':-%c", name, rows[i].letter);
            between = "|";
        }
        text_put(w, ") ");
        value(w, &v);
        text_put(w, " ;;\n");
    }
    text_put(w, "    esac\n");
}

static void option_values(text_writer *w)
{
    size_t count;
    const option_info *rows = options_table(&count);
    own_values(w);
    text_put(w, "    case $prev in\n");
    for (size_t i = 0; i < count; i++) {
        value_info v = manual_option_value(&rows[i]);
        if (v.kind == VALUE_NONE || !manual_first_of_name(&rows[i]))
            continue;
        char letter[8] = {'|', '-', rows[i].letter, '\0'};
        const char *name = rows[i].name;
        if (v.maybe)
            text_format(w, "    =--%s) ", name);
        else
            text_format(w, "    --%s|=--%s%s) ", name, name, rows[i].letter ? letter : "");
        value(w, &v);
        text_put(w, " ;;\n");
    }
    text_put(w, "    esac\n");
}

static void option_names(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, "    if [[ $cur == -* ]]; then\n        case $command in\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two, leads = manual_first_of_group(i, &two);
        size_t at = 0;
        if (two && leads)
            text_format(w, "        %s|'%s')", manual_group(&all[i], group), all[i].name);
        else
            text_format(w, "        '%s'%s)", all[i].name, i == COMMAND_TALK ? "|''" : "");
        text_put(w, " _consilium_offer");
        for (const option_info *row; (row = manual_next((command_id)i, &at));)
            text_format(w, " --%s", row->name);
        text_put(w, " ;;\n");
    }
    text_put(w, "        esac\n        return\n    fi\n");
}

static void words(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, "    case $command:$place in\n    :0) _consilium_offer");
    manual_command_words(w, NULL);
    text_put(w, " ;;\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two;
        char group[32];
        if (manual_first_of_group(i, &two) && two) {
            text_format(w, "    %s:0) _consilium_offer", manual_group(&all[i], group));
            manual_command_words(w, group);
            text_put(w, " ;;\n");
        }
        value_info v = manual_word_value(&all[i]);
        if (v.kind == VALUE_TEXT || !*all[i].arguments)
            continue;
        text_format(w, "    '%s':0) ", all[i].name);
        value(w, &v);
        text_put(w, " ;;\n");
    }
    text_put(w, "    'personas derive':*) _consilium_files ;;\n    esac\n}\n");
}

void manual_bash(text_writer *w)
{
    text_put(w, HEAD);
    skip_values(w);
    commands(w);
    option_values(w);
    option_names(w);
    words(w);
    text_put(w, WORDS);
    text_put(w, "complete -F _consilium consilium\n");
}
