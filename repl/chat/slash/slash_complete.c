/* slash_complete.c - what Tab offers in a conversation. See slash.h. */
#include <stdlib.h>
#include <string.h>

#include "slash.h"

static void offer_joined(line_completions *out, const char *mark, const char *name)
{
    buf word = {0};
    if (buf_format(&word, NULL, "%s%s", mark, name) == 0)
        (void)line_completion_add(out, word.v);
    buf_release(&word);
}

static void offer_commands(line_completions *out, const char *mark)
{
    size_t count;
    const slash_command *table = slash_table(&count);
    for (size_t i = 0; i < count; i++)
        offer_joined(out, mark, table[i].name);
}

static void offer_seats(const talk *t, line_completions *out, const char *mark)
{
    const roster *r = dialogue_roster(t->dialogue);
    for (int i = 0; r && i < roster_seats(r) + roster_groups(r); i++)
        offer_joined(out, mark, roster_seat(r, i)->name);
}

/* sign: '+' or '-' when the word began with one. */
static void offer_personas(line_completions *out, char sign)
{
    persona_list all = {0};
    char mark[2] = {sign == '+' || sign == '-' ? sign : '\0', '\0'};
    if (persona_list_all(&all, NULL) == 0)
        for (size_t i = 0; i < all.len; i++)
            offer_joined(out, mark, all.names[i]);
    persona_list_release(&all);
}

static void pass_over(void *user, const error *why)
{
    (void)user;
    (void)why;
}

static void offer_modes(line_completions *out)
{
    mode_list all = {0};
    if (mode_list_load(&all, pass_over, NULL, NULL) == 0)
        for (int i = 0; i < all.n; i++)
            (void)line_completion_add(out, all.v[i]->name);
    mode_list_release(&all);
    (void)line_completion_add(out, "auto");
    (void)line_completion_add(out, "off");
}

static void offer_sessions(const talk *t, line_completions *out)
{
    transcript_list all = {0};
    if (transcript_list_all(t->folder, &all, NULL) == 0)
        for (size_t i = 0; i < all.len; i++)
            (void)line_completion_add(out, all.v[i].id);
    transcript_list_release(&all);
}

static void offer_options(line_completions *out)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++)
        if ((rows[i].commands & COMMAND_BIT(COMMAND_TALK)) && talk_may_set(rows[i].name))
            (void)line_completion_add(out, rows[i].name);
}

static void offer_choices(line_completions *out, const char *choices)
{
    while (*choices) {
        char word[32] = "";
        size_t n = strcspn(choices, "|");
        if (n < sizeof word)
            memcpy(word, choices, n);
        (void)line_completion_add(out, word);
        choices += n + (choices[n] == '|');
    }
}

static void offer_arguments(const talk *t, const slash_command *c, bool first, char sign,
                            line_completions *out)
{
    if (c->choices && first)
        offer_choices(out, c->choices);
    if (c->choices && first && c->complete != COMPLETE_SEAT && c->complete != COMPLETE_COMMAND &&
        c->complete != COMPLETE_PUPIL)
        return;
    switch (c->complete) {
    case COMPLETE_PERSONA:
        offer_personas(out, sign);
        if (!c->choices && first == (strcmp(c->name, "personas") == 0))
            (void)line_completion_add(out, "edit"); /* /personas edit NAME, /teach NAME edit */
        if (first && strcmp(c->name, "personas") == 0)
            (void)line_completion_add(out, "auto");
        break;
    case COMPLETE_MODE:
        offer_modes(out);
        break;
    case COMPLETE_PUPIL:
        offer_personas(out, sign);
        break;
    case COMPLETE_SEAT:
        offer_seats(t, out, "");
        (void)line_completion_add(out, "merge");
        break;
    case COMPLETE_FILE:
        out->files = true;
        break;
    case COMPLETE_SESSION:
        offer_sessions(t, out);
        break;
    case COMPLETE_OPTION:
        if (first)
            offer_options(out);
        break;
    case COMPLETE_COMMAND:
        offer_commands(out, "");
        break;
    case COMPLETE_NOTHING:
        break;
    }
}

void slash_complete_word(void *user, const char *text, size_t start, size_t end,
                         line_completions *out)
{
    const talk *t = user;
    const slash_command *command = NULL;
    const char *word = NULL, *rest = NULL;
    size_t n = 0;
    slash_kind kind = slash_classify(text, strlen(text), &command, &word, &n, &rest);
    if (text[0] == '@' && text[start] == '@' && (start == 0 || kind == SLASH_MENTION)) {
        offer_seats(t, out, "@");
        return;
    }
    if (text[0] == '@' && start && text[start - 1] == ',' && !memchr(text, ' ', start)) {
        offer_seats(t, out, ""); /* "@coder,cr" */
        return;
    }
    if (start == 0 && text[0] == '/' && !memchr(text + 1, '/', end > 1 ? end - 1 : 0)) {
        offer_commands(out, "/");
        return;
    }
    if (kind == SLASH_COMMAND && start > n)
        offer_arguments(t, command, (size_t)(rest - text) >= start, text[start], out);
    else
        out->files = memchr(text + start, '/', end - start) || text[start] == '~';
}
