/* manual_fish.c - completion for fish. See manual.h, manual_values.h. What a command substitution
 * prints is data to fish, never read again.
 */
#include <stdio.h>
#include <string.h>

#include "manual_values.h"

static const char HEAD[] =
    "# made by `consilium manual fish`\n"
    "function __consilium_names -a folder ending\n"
    "    for file in $folder/*$ending\n"
    "        string match -qr '/[A-Za-z0-9_-]{1,64}\\.jsonl?$' -- $file\n"
    "        and string replace -r '^(?s:.*)/(.*)\\.jsonl?$' '$1' -- $file\n"
    "    end\nend\n"
    "function __consilium_personas\n    set -l config $XDG_CONFIG_HOME\n"
    "    test -n \"$config\"; or set config $HOME/.config\n"
    "    string split ' ' '" MANUAL_PERSONAS "'\n"
    "    __consilium_names $config/consilium/personas .json\nend\n"
    "function __consilium_sessions\n    set -l data $XDG_DATA_HOME\n"
    "    test -n \"$data\"; or set data $HOME/.local/share\n"
    "    __consilium_names $data/consilium/transcripts .jsonl\nend\n"
    "function __consilium_models\n"
    "    command consilium model list 2>/dev/null </dev/null | string match -r "
    "'^(?:ollama|hf|lmstudio):[A-Za-z0-9._/:@+-]+'\nend\n";

/* " -x -a '...'" of an option, " -f -a '...'" of a word. */
static void value(text_writer *w, const value_info *v, bool word)
{
    static const char *const lists[] = {[VALUE_PERSONA] = "(__consilium_personas)",
                                        [VALUE_PERSONAS] =
                                            "(__fish_complete_list , __consilium_personas)",
                                        [VALUE_SESSION] = "(__consilium_sessions)",
                                        [VALUE_MODEL] = "(__consilium_models)"};
    bool named = v->kind >= VALUE_PERSONA, files = v->kind == VALUE_FILE || v->kind == VALUE_MODEL;
    bool apart = !word && !v->maybe; /* one that may be left out stands behind "=" alone */
    if (v->kind == VALUE_NONE || (v->maybe && !v->words[0]))
        return;
    text_put(w, apart ? (files ? " -r -F" : " -x") : files ? " -F" : " -f");
    if (named || v->words[0])
        text_format(w, " -a '%s%s%s'", named ? lists[v->kind] : "", named && v->words[0] ? " " : "",
                    v->words);
}

/* " -d '...'" ends an entry. */
static void description(text_writer *w, const char *text)
{
    text_put(w, " -d '");
    manual_quoted(w, text, "\\");
    text_put(w, "'\n");
}

static void fish_option(text_writer *w, const char *when, const option_info *row)
{
    value_info v = manual_option_value(row);
    char letter[16] = "";
    if (row->letter) {
        strcpy(letter, " -s x");
        letter[4] = row->letter;
    }
    text_format(w, "complete -c consilium -n %s -l %s%s", when, row->name, letter);
    value(w, &v, false);
    description(w, row->help);
}

static void fish_commands(text_writer *w)
{
    const command_info *all = options_commands();
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char group[32];
        bool two, leads = manual_first_of_group(i, &two);
        (void)manual_group(&all[i], group);
        if (leads) {
            text_format(w, "complete -c consilium -f -n __fish_use_subcommand -a %s", group);
            description(w, all[i].about);
        }
        if (two) {
            text_format(w,
                        "complete -c consilium -f -n '__fish_seen_subcommand_from %s; and not "
                        "__fish_seen_subcommand_from",
                        group);
            manual_command_words(w, group);
            text_format(w, "' -a %s", all[i].name + strlen(group) + 1);
            description(w, all[i].about);
        }
    }
}

void manual_fish(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, HEAD);
    fish_commands(w);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char when[128], group[32];
        bool two;
        size_t at = 0;
        (void)manual_first_of_group(i, &two);
        (void)manual_group(&all[i], group);
        if (i == COMMAND_TALK)
            (void)snprintf(when, sizeof when, "__fish_use_subcommand");
        else if (two)
            (void)snprintf(when, sizeof when,
                           "'__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'",
                           group, all[i].name + strlen(group) + 1);
        else
            (void)snprintf(when, sizeof when, "'__fish_seen_subcommand_from %s'", group);
        value_info v = manual_word_value(&all[i]);
        if (*all[i].arguments && v.kind != VALUE_TEXT) {
            text_format(w, "complete -c consilium -n %s", when);
            value(w, &v, true);
            text_put(w, "\n");
        }
        for (const option_info *row; (row = manual_next((command_id)i, &at));)
            fish_option(w, when, row);
    }
}
