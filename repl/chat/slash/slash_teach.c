/* slash_teach.c - /teach: the last question and a good answer to it become a lesson.
 *
 * The question stands in the conversation; the answer is the picked one, the persona's own, or what
 * the user makes of it. Only whole answers are kept: one that broke off would teach breaking off. The
 * line is written by the broker, behind what the user's own file holds, and read back with all the
 * others before anything is said.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../engine/base/folder.h"
#include "../../../personas/lessons/lessons.h"
#include "../../options/open_lessons.h"
#include "slash_commands.h"

enum { ENOUGH = 24 }; /* lessons for a voice */

/* ---- the answer -------------------------------------------------------------------------------- */

/* Whose words: "merge" or a pass. NULL with a sentence. */
static const char *whose(const talk *t, const struct turn *turn, const char *name, error *err)
{
    if (turn->picked && *turn->picked)
        return turn->picked;
    if (t->blind_names)
        (void)error_set(err, ERROR_USAGE, "the columns are blind until you /pick one of them");
    else if (turn_answer_of(turn, name))
        return name;
    else
        (void)error_set(err, ERROR_USAGE,
                        "%.64s did not answer: /pick an answer first, or /teach %.64s TEXT", name,
                        name);
    return NULL;
}

/* How an answer broke off: "length", "loop", ..; NULL when it is whole. */
static const char *broken_off(const struct turn *turn, const char *from)
{
    const turn_merge *m = turn_merged(turn);
    const turn_answer *a = turn_answer_of(turn, from);
    if (strcmp(from, "merge") == 0 && m) {
        a = turn_winner(turn, m);
        if (!a)
            return turn_merge_cut(m);
    }
    return a && a->stop != STOP_END ? pass_stop_name(a->stop) : NULL;
}

/* In the editor; *text holds afterwards what is left there. */
static int edit(const talk *t, buf *text, error *err)
{
    return broker_edit_text(t->broker, text, t->opt->no_save, err);
}

/* What the conversation has, perhaps edited. */
static int take_answer(talk *t, const struct turn *turn, const char *name, bool edited, buf *out,
                       error *err)
{
    const char *from = whose(t, turn, name, err), *found, *text;
    size_t n;
    if (!from || slash_text(t, from, &found, &text, &n, err) || buf_add(out, text, n, err))
        return -1;
    const char *broke = broken_off(turn, from);
    if (edited && edit(t, out, err))
        return -1;
    bool same = !edited || (out->len == n && memcmp(out->v, text, n) == 0);
    if (broke && same)
        return error_set(err, ERROR_USAGE,
                         "the answer of %s broke off (%s), and would teach to break off: /continue "
                         "%s, or /teach %.64s edit",
                         from, broke, from, name);
    return 0;
}

/* ---- keeping it -------------------------------------------------------------------------------- */

/* Where the lesson goes: what the persona names, in the user's own folder. Caller frees. */
static char *lessons_file(const char *persona_path, const struct turn *turn, error *err)
{
    persona *p = persona_load(persona_path, err);
    if (!p)
        return NULL;
    const char *named = persona_lessons(p, turn->prompt.v, turn->prompt.len);
    size_t n = strlen(persona_path) - strlen(".json");
    char *path = named ? string_format(err, "%s", named)
                       : string_format(err, "%.*s.lessons.jsonl", (int)n, persona_path);
    persona_close(p);
    return path;
}

static int tell_kept(talk *t, const char *name, const char *path, error *err)
{
    lessons all = {0};
    error why = {0};
    (void)err;
    bool good = open_lessons(path, &all, t->con, &why) == 0;
    size_t n = all.len, held = lessons_held_out(&all);
    lessons_release(&all);
    if (!good)
        return talk_say(t, "kept in %s, where other lines are wrong: %s", path, why.text);
    if (n < ENOUGH)
        return talk_say(t, "kept: %s has %zu lesson%s now; about %d make a voice", name, n,
                        n == 1 ? "" : "s", ENOUGH);
    return talk_say(t,
                    "kept: %s has %zu lessons now; /train %s learns from %zu of them and "
                    "tests with %zu",
                    name, n, name, n - held, held);
}

static int keep(talk *t, const char *name, const struct turn *turn, const buf *answer, error *err)
{
    buf line = {0};
    char *persona_path = NULL, *path = NULL;
    int result = lessons_write(turn->prompt.v, turn->prompt.len, answer->v ? answer->v : "",
                               answer->len, &line, err);
    if (!result)
        result = slash_own_persona(t, name, &persona_path, err);
    if (!result)
        result = (path = lessons_file(persona_path, turn, err)) ? 0 : -1;
    if (!result)
        result = broker_lesson(t->broker, path, line.v, line.len, err);
    if (!result)
        result = tell_kept(t, name, path, err);
    free(path);
    free(persona_path);
    buf_release(&line);
    return result;
}

int slash_teach(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    buf answer = {0};
    if (!count)
        return error_set(err, ERROR_USAGE, "/teach NAME, /teach NAME edit, or /teach NAME TEXT");
    if (talk_turn(t, &turn, err))
        return -1;
    bool edited = count == 2 && strcmp(words[1], "edit") == 0;
    const char *text = rest + strcspn(rest, " \t");
    text += strspn(text, " \t");
    int result = count == 1 || edited ? take_answer(t, turn, words[0], edited, &answer, err)
                                      : buf_text(&answer, text, err);
    if (!result)
        result = keep(t, words[0], turn, &answer, err);
    buf_release(&answer);
    return result;
}
