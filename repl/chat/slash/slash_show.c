/* slash_show.c - commands that show: layouts, whole answers, the clipboard, help.
 *
 * /show and /copy ask slash_text() which words a name stands for in the last turn: a pass's
 * current answer, after a debate its revised one, or the merge. /copy NAME.2 then takes a
 * code block out of them by the grammar that the screen and the exports use. A layout is
 * also kept among the options, so that /set tells it; blindness holds from the next
 * question on, since columns are named when they open.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../engine/base/markdown_blocks.h"
#include "../../system/clipboard.h"
#include "slash_commands.h"

/* ---- layouts ----------------------------------------------------------------------------------- */

int slash_view(talk *t, const char *rest, char *const *words, int count, error *err)
{
    view_layout layout;
    (void)rest;
    if (!count)
        return talk_say(t, "view %s%s%s", view_layout_name(t->layout), *t->focus ? " " : "",
                        t->focus);
    if (!view_layout_parse(words[0], &layout))
        return error_set(err, ERROR_USAGE, "/view: \"%.40s\" is none of cols, stack, focus, auto",
                         words[0]);
    if (talk_view(t, layout, count > 1 ? words[1] : NULL, err))
        return -1;
    t->set.view = view_layout_name(layout);
    options_mark(&t->set, "view", SOURCE_SET);
    return talk_say(t, "view %s%s%s", view_layout_name(layout), *t->focus ? " " : "", t->focus);
}

int slash_blind(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    bool on = count == 1 && strcmp(words[0], "on") == 0;
    if (count && !on && strcmp(words[0], "off") != 0)
        return error_set(err, ERROR_USAGE, "/blind needs on or off");
    if (count && on != t->blind) {
        conversation_note(t->conversation, "blind", on ? "on" : "off");
        talk_saved(t);
    }
    if (count)
        t->blind = on;
    if (count && !on && t->blind_names)
        return talk_reveal(t, err);
    return talk_say(t, t->blind ? "columns are A, B, C from the next question on; /pick B reveals"
                                : "columns bear their names");
}

/* ---- texts ------------------------------------------------------------------------------------- */

int slash_text(talk *t, const char *word, const char **name, const char **text, size_t *n,
               error *err)
{
    struct turn *turn;
    *name = talk_find_name(t, word, err);
    if (!*name || talk_turn(t, &turn, err))
        return -1;
    if (strcmp(*name, "merge") == 0) {
        const turn_merge *m = turn_merged(turn);
        if (!m)
            return error_set(err, ERROR_USAGE, "the answers are not merged");
        if (m->revised && m->winner < 0)
            return error_set(err, ERROR_USAGE,
                             "the debate was stopped before its vote; /show NAME "
                             "shows what NAME has revised");
        *text = m->text.v;
        *n = m->text.len;
        return 0;
    }
    turn_text words;
    if (!turn_answer_of(turn, *name))
        return error_set(err, ERROR_USAGE, "%s did not answer", *name);
    (void)turn_words(turn, *name, &words); /* after a debate the revised answer */
    *text = words.v;
    *n = words.len;
    return 0;
}

int slash_show(talk *t, const char *rest, char *const *words, int count, error *err)
{
    const char *name, *text;
    size_t n;
    (void)rest;
    if (count != 1)
        return error_set(err, ERROR_USAGE, "/show needs a name, or merge");
    if (slash_text(t, words[0], &name, &text, &n, err))
        return -1;
    return n ? view_plain(t->term, text, n, err) : talk_say(t, "%s said nothing", words[0]);
}

/* "critic.2": *block = 2; 0 = the whole text. Cuts the word. */
static int split_block(char *word, int *block, error *err)
{
    char *point = strrchr(word, '.');
    *block = 0;
    if (!point)
        return 0;
    if (!point[1] || strspn(point + 1, "0123456789") != strlen(point + 1) ||
        strlen(point + 1) > 4 || !(*block = atoi(point + 1)))
        return error_set(err, ERROR_USAGE, "\"%.40s\": NAME.2 is the second code block of NAME",
                         word);
    *point = '\0';
    return 0;
}

/* An answer, or its block of code when block > 0. */
static int copy_text(talk *t, const char *name, const char *text, size_t n, int block, error *err)
{
    char letter[2];
    const char *called = talk_display_name(t, name, letter);
    buf code = {0}, message = {0};
    markdown_block found;
    if (block && !markdown_code_block(text, n, block, &found))
        return error_set(err, ERROR_USAGE, "%s has no code block %d", called, block);
    int result = block ? markdown_code(&found, &code, err) : buf_add(&code, text, n, err);
    if (!result)
        result = clipboard_copy(t->term, t->broker, called, code.v ? code.v : "", code.len,
                                &message, err);
    if (!result)
        result = talk_say(t, "%s", message.v);
    buf_release(&message);
    buf_release(&code);
    return result ? -1 : 0;
}

int slash_copy(talk *t, const char *rest, char *const *words, int count, error *err)
{
    const char *name, *text;
    size_t n;
    int block;
    (void)rest;
    if (count != 1)
        return error_set(err, ERROR_USAGE, "/copy needs a name, or merge; NAME.2 is a code block");
    if (split_block(words[0], &block, err) || slash_text(t, words[0], &name, &text, &n, err))
        return -1;
    return copy_text(t, name, text, n, block, err);
}

/* ---- help, and the end ------------------------------------------------------------------------- */

int slash_help(talk *t, const char *rest, char *const *words, int count, error *err)
{
    buf out = {0};
    (void)rest;
    int result = count ? slash_help_about(words[0], &out, err) : slash_help_sections(&out, err);
    if (!result)
        result = talk_write(t, &out, err);
    buf_release(&out);
    return result;
}

int slash_quit(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest, (void)words, (void)count, (void)err;
    t->leave = true;
    return 0;
}
