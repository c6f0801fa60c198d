/* slash_history.c - commands about what was asked: the list of it, again with other words,
 * further, or a fresh beginning.
 *
 * None of them changes a turn by itself. /history reads the turns that are not undone and
 * shows the current version of each answer where its first one stood. /edit puts the
 * question back as it has to be typed and sets a mark: the turn is undone only when the new
 * words are sent (talk_ask.c), so giving up loses nothing. /continue finds whose answer was
 * cut short, then talk_continue() asks. /new opens another conversation; the one before is
 * closed once that stands.
 */
#include <stdlib.h>
#include <string.h>

#include "../../screen/display_width.h"
#include "../../screen/safe_text.h"
#include "slash_commands.h"

enum { HISTORY_USUAL = 10, CONTINUE_MOST = 1 << 20 };

/* ---- /history ---------------------------------------------------------------------------------- */

/* Line ends and tabs of a text whose beginning stands on one row are blanks. */
static void to_one_line(buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (strchr("\n\r\t", text->v[i]) && text->v[i])
            text->v[i] = ' ';
}

/* The first words of a text on one row of at most `room` cells. */
static int first_words(const talk *t, const char *text, size_t len, size_t room, buf *out,
                       error *err)
{
    buf line = {0}, plain = {0};
    size_t used;
    size_t most = len < 4 * room ? len : 4 * room; /* a cell has seldom more than 4 bytes */
    int result = buf_add(&plain, text, most, err);
    to_one_line(&plain);
    result =
        result || safe_text_copy(&line, SAFE_LINE, false, plain.v ? plain.v : "", plain.len, err);
    buf_release(&plain);
    if (!result)
        result = display_fit(out, line.v ? line.v : "", line.len, room, terminal_utf8(t->term),
                             &used, err);
    buf_release(&line);
    return result;
}

/* The first version of an answer: that is where it stands in the list. */
static bool is_first(const struct turn *turn, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(turn->answers[k].name, turn->answers[i].name) == 0)
            return false;
    return true;
}

static int add_turn(const talk *t, const struct turn *turn, buf *out, error *err)
{
    size_t width = (size_t)terminal_columns(t->term) - 1, used = 0;
    size_t to = turn->only ? strlen(turn->only) + 2 : 0;
    if (buf_format(out, err, "%4d  %s%s%s", turn->number, to ? "@" : "", to ? turn->only : "",
                   to ? " " : "") ||
        first_words(t, turn->prompt.v, turn->prompt.len, width > to + 16 ? width - to - 6 : 10, out,
                    err) ||
        buf_text(out, "\n", err))
        return -1;
    for (int i = 0; i < turn->answer_count; i++) {
        const turn_answer *k = turn_answer_of(turn, turn->answers[i].name);
        char letter[2];
        if (!is_first(turn, i))
            continue;
        const char *name =
            turn == dialogue_last(t->dialogue) ? talk_display_name(t, k->name, letter) : k->name;
        used = strlen(name) + 10;
        const char *text = k->stop == STOP_ERROR ? "[failed]"
                           : k->text.len         ? k->text.v
                                                 : "[nothing]";
        if (buf_format(out, err, "      %s: ", name) ||
            first_words(t, text, strlen(text), width > used + 10 ? width - used : 10, out, err) ||
            buf_text(out, "\n", err))
            return -1;
    }
    return 0;
}

/* Index of the first of the last n turns that are not undone. */
static int first_of(const talk *t, int n)
{
    int i = dialogue_turns(t->dialogue);
    while (i > 0 && n > 0)
        n -= !dialogue_at(t->dialogue, --i)->undone;
    return i;
}

static int read_count(const char *command, const char *text, int most, int *out, error *err)
{
    size_t n = strlen(text);
    if (!n || n > 7 || strspn(text, "0123456789") != n || !(*out = atoi(text)) || *out > most)
        return error_set(err, ERROR_USAGE, "%s: \"%.40s\" is no whole number in 1..%d", command,
                         text, most);
    return 0;
}

int slash_history(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    buf out = {0};
    int n = HISTORY_USUAL, result = 0;
    (void)rest;
    if (count > 1)
        return error_set(err, ERROR_USAGE, "/history takes one number: how many questions");
    if (talk_turn(t, &turn, err) || (count && read_count("/history", words[0], 1000000, &n, err)))
        return -1;
    for (int i = first_of(t, n); i < dialogue_turns(t->dialogue) && !result; i++)
        if (!dialogue_at(t->dialogue, i)->undone)
            result = add_turn(t, dialogue_at(t->dialogue, i), &out, err);
    if (!result)
        result = talk_write(t, &out, err);
    buf_release(&out);
    return result;
}

/* ---- /edit ------------------------------------------------------------------------------------- */

/* The question as it has to be typed: whom it was for, and a slash that is text. */
static int as_typed(const struct turn *turn, buf *out, error *err)
{
    const slash_command *command;
    const char *word, *text;
    size_t n;
    bool escape =
        !turn->only && turn->prompt.v[0] == '/' &&
        slash_classify(turn->prompt.v, turn->prompt.len, &command, &word, &n, &text) != SLASH_TEXT;
    if (turn->only && buf_format(out, err, "@%s ", turn->only))
        return -1;
    if (escape && buf_text(out, "/", err))
        return -1;
    return buf_add(out, turn->prompt.v, turn->prompt.len, err);
}

/* Nothing is undone before the new words are sent. */
int slash_edit(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    buf text = {0};
    (void)rest, (void)words;
    if (count)
        return error_set(err, ERROR_USAGE,
                         "/edit takes no argument: it puts the last question into the line");
    if (talk_turn(t, &turn, err))
        return -1;
    int result = as_typed(turn, &text, err);
    if (!result)
        result = line_prefill(t->line, text.v ? text.v : "", text.len, err);
    t->editing = !result;
    buf_release(&text);
    return result ? -1
                  : talk_say(t, "Enter asks this in place of turn %d; Ctrl-C leaves it as it is",
                             turn->number);
}

/* ---- /continue --------------------------------------------------------------------------------- */

static bool was_cut(const struct turn *turn, const turn_answer *k)
{
    return turn_answer_of(turn, k->name) == k &&
           (k->stop == STOP_LENGTH || k->stop == STOP_INTERRUPTED);
}

/* The only answer that was cut short, when nobody is named. */
static const char *only_cut(const struct turn *turn, error *err)
{
    const char *found = NULL;
    for (int i = 0; i < turn->answer_count; i++) {
        if (!was_cut(turn, &turn->answers[i]))
            continue;
        if (found) {
            error_set(err, ERROR_USAGE, "several answers were cut short; /continue NAME");
            return NULL;
        }
        found = turn->answers[i].name;
    }
    if (!found)
        error_set(err, ERROR_USAGE,
                  "all answers came to their end by themselves: there is nothing to continue");
    return found;
}

int slash_continue(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    int more = dialogue_settings(t->dialogue)->council.max_tokens;
    (void)rest;
    if (count > 2)
        return error_set(err, ERROR_USAGE, "/continue [NAME] [N]: at most N more tokens");
    if (talk_turn(t, &turn, err))
        return -1;
    const char *name = count ? talk_find_name(t, words[0], err) : only_cut(turn, err);
    if (!name || (count > 1 && read_count("/continue", words[1], CONTINUE_MOST, &more, err)))
        return -1;
    if (strcmp(name, "merge") == 0)
        return error_set(err, ERROR_USAGE, "/continue is for answers; /merge joins them again");
    return talk_continue(t, name, more, err);
}

/* ---- /new -------------------------------------------------------------------------------------- */

int slash_new(talk *t, const char *rest, char *const *words, int count, error *err)
{
    char id[CONVERSATION_NAME];
    (void)rest, (void)words;
    if (count)
        return error_set(err, ERROR_USAGE, "/new takes no argument");
    if (!dialogue_turns(t->dialogue))
        return talk_say(t, "nothing was asked yet: this conversation is new");
    if (t->blind_names && talk_reveal(t, err))
        return -1;
    bool lost = t->unsaved;
    conversation_short_name(t->conversation, id);
    if (talk_new(t, err))
        return -1;
    if (!*id)
        return talk_say(t, "a new conversation; the one before was not saved (--no-save)");
    return lost ? talk_say(t, "a new conversation; %s could not be saved to its end", id)
                : talk_say(t, "a new conversation; %s is kept, /resume %s goes on with it", id, id);
}
