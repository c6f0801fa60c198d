/* slash_synonyms.c - a command that does not exist: which one was meant. See slash.h.
 *
 * What people type is seldom a misspelling and often the word of another program, so meaning comes
 * before spelling. The name of an option is what /set takes.
 */
#include <stdio.h>
#include <string.h>

#include "slash.h"

static const struct {
    const char *word;
    const char *meant; /* as it is to be typed, or a sentence that begins with a capital */
} MEANINGS[] = {
    {"learn", "/train NAME"},
    {"finetune", "/train NAME"},
    {"lora", "/train NAME"},
    {"lesson", "/teach NAME"},
    {"lessons", "/teach NAME"},
    {"remember", "/teach NAME"},
    {"unlearn", "/untrain NAME"},
    {"export", "/save FILE.md"},
    {"write", "/save FILE.md"},
    {"dump", "/save FILE.json"},
    {"print", "/show NAME"},
    {"cat", "/show NAME"},
    {"clear", "/new"},
    {"reset", "/new"},
    {"restart", "/new"},
    {"fresh", "/new"},
    {"regenerate", "/retry"},
    {"regen", "/retry"},
    {"redo", "/retry"},
    {"again", "/retry"},
    {"reroll", "/retry"},
    {"more", "/continue NAME"},
    {"go", "/continue NAME"},
    {"cont", "/continue NAME"},
    {"extend", "/continue NAME"},
    {"back", "/undo"},
    {"revert", "/undo"},
    {"rewind", "/undo"},
    {"forget", "/undo"},
    {"change", "/edit"},
    {"rewrite", "/edit"},
    {"amend", "/edit"},
    {"correct", "/edit"},
    {"log", "/history"},
    {"past", "/history"},
    {"questions", "/history"},
    {"turns", "/history"},
    {"load", "/resume ID"},
    {"open", "/resume ID"},
    {"switch", "/resume ID"},
    {"list", "/sessions"},
    {"ls", "/sessions"},
    {"chats", "/sessions"},
    {"conversations", "/sessions"},
    {"transcripts", "/sessions"},
    {"branch", "/fork"},
    {"clone", "/fork"},
    {"find", "/search WORDS"},
    {"grep", "/search WORDS"},
    {"rename", "/title TEXT"},
    {"name", "/title TEXT"},
    {"call", "/title TEXT"},
    {"read", "/file PATH"},
    {"attach", "/file PATH"},
    {"include", "/file PATH"},
    {"add", "/personas +NAME"},
    {"invite", "/personas +NAME"},
    {"remove", "/personas -NAME"},
    {"kick", "/personas -NAME"},
    {"who", "/personas"},
    {"agents", "/personas"},
    {"roles", "/personas"},
    {"members", "/personas"},
    {"council", "/personas"},
    {"unmask", "/mask off NAME"},
    {"soften", "/mask soften NAME"},
    {"router", "/mask show NAME"},
    {"k", "/experts K"},
    {"models", "/model"},
    {"info", "/model"},
    {"instruction", "/system TEXT"},
    {"prompt", "/system TEXT"},
    {"reason", "/think on"},
    {"thinking", "/think on"},
    {"settings", "/set"},
    {"options", "/set"},
    {"config", "/set"},
    {"temp", "/set temperature X"},
    {"cols", "/view cols"},
    {"columns", "/view cols"},
    {"stack", "/view stack"},
    {"focus", "/view focus NAME"},
    {"layout", "/view"},
    {"yank", "/copy NAME"},
    {"clipboard", "/copy NAME"},
    {"cp", "/copy NAME"},
    {"best", "/pick NAME"},
    {"choose", "/pick NAME"},
    {"select", "/pick NAME"},
    {"rank", "/vote"},
    {"judge", "/vote"},
    {"score", "/vote"},
    {"join", "/merge"},
    {"combine", "/merge"},
    {"synth", "/merge synth"},
    {"summarize", "/merge synth"},
    {"summary", "/merge synth"},
    {"mix", "/blend"},
    {"discuss", "/debate"},
    {"tokens", "/stats"},
    {"usage", "/stats"},
    {"commands", "/help"},
    {"man", "/help"},
    {"ask", "@NAME TEXT"},
    {"delete", "Outside, `consilium transcripts delete ID` takes one away; /undo forgets a turn"},
    {"rm", "Outside, `consilium transcripts delete ID` takes one away; /undo forgets a turn"},
    {"stop", "Ctrl-C stops an answer"},
    {"cancel", "Ctrl-C stops an answer"},
    {"editor", "Ctrl-X Ctrl-E opens your editor"},
    {"multiline", "Alt-Enter begins a new line"},
    {"cls", "Ctrl-L clears the screen; /new begins a fresh conversation"},
};

static const char *meaning_of(const char *name)
{
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++)
        if (strcmp(MEANINGS[i].word, name) == 0)
            return MEANINGS[i].meant;
    return NULL;
}

static const char *nearest(const char *name)
{
    const char *names[64];
    size_t count, sections, n = 0;
    const slash_command *table = slash_table(&count);
    const slash_section *help = slash_sections(&sections);
    for (size_t i = 0; i < count && n < sizeof names / sizeof *names; i++)
        names[n++] = table[i].name;
    const char *near = options_nearest(name, names, n);
    for (size_t i = 0; i < sections && !near; i++)
        near = strcmp(help[i].name, name) == 0 ? help[i].name : NULL;
    return near;
}

static bool is_sentence(const char *meant)
{
    return meant[0] >= 'A' && meant[0] <= 'Z';
}

/* "; did you mean /save FILE.md?" or ". Ctrl-C stops an answer", or nothing. */
static void guess(char *out, size_t size, const char *name)
{
    const char *meant = meaning_of(name), *near = meant ? NULL : nearest(name);
    size_t n = strlen(name);
    bool option = n && options_find(name, n, COMMAND_TALK) && talk_may_set(name);
    if (meant && is_sentence(meant))
        (void)snprintf(out, size, ". %s", meant);
    else if (meant)
        (void)snprintf(out, size, "; did you mean %s?", meant);
    else if (option)
        (void)snprintf(out, size, "; did you mean /set %s VALUE?", name);
    else if (near)
        (void)snprintf(out, size, "; did you mean %s%s?",
                       slash_find(near, strlen(near)) ? "/" : "/help ", near);
}

int slash_unknown(const char *word, size_t len, error *err)
{
    char name[65] = "", meant[160] = "";
    if (len < sizeof name)
        memcpy(name, word, len);
    for (char *c = name; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    guess(meant, sizeof meant, name);
    bool asks = *meant && meant[strlen(meant) - 1] == '?';
    return error_set(err, ERROR_USAGE,
                     "there is no command /%.*s%s%s /help lists them, and //%.*s sends it as text",
                     (int)(len < 60 ? len : 60), word, meant, asks ? "" : ";",
                     (int)(len < 60 ? len : 60), word);
}
