/* slash_session.c - commands about the record: sessions, search, figures.
 *
 * Sessions and hits come from the index (search.h), which is opened for the moment of the
 * question; where it is long, the command line has the rest. /stats tells this conversation's
 * figures, from the dialogue, and those of all conversations below (statistics_print.h).
 */
#include <stdlib.h>
#include <string.h>

#include "../../../transcripts/search.h"
#include "../statistics_print.h"
#include "../transcript_lookup.h"
#include "slash_commands.h"

enum { SESSIONS_MOST = 20, HITS_MOST = 10 };

int slash_resume(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (count != 1)
        return error_set(err, ERROR_USAGE, "/resume needs an id; /sessions lists them");
    if (t->blind_names && talk_reveal(t, err))
        return -1;
    return talk_resume(t, words[0], err);
}

int slash_fork(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    (void)rest, (void)words, (void)count;
    if (talk_turn(t, &turn, err))
        return -1;
    if (!conversation_keeps(t->conversation))
        return error_set(err, ERROR_USAGE, "this conversation is not saved (--no-save)");
    char before[CONVERSATION_NAME], now[CONVERSATION_NAME];
    conversation_short_name(t->conversation, before);
    if (conversation_fork(t->conversation, err))
        return -1;
    conversation_short_name(t->conversation, now);
    t->unsaved = false;
    return talk_say(t, "from here on in %s; %s stays as it is", now, before);
}

/* What it is called is one more record; who resumes it goes by its id. */
int slash_title(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    buf title = {0};
    bool back = count == 1 && strcmp(words[0], "default") == 0;
    if (!count)
        return error_set(err, ERROR_USAGE,
                         "/title needs the words by which lists shall call this conversation");
    if (!conversation_keeps(t->conversation))
        return error_set(err, ERROR_USAGE, "this conversation is not saved (--no-save)");
    if (talk_turn(t, &turn, err))
        return -1;
    int result = transcript_title(back ? "" : rest, &title, err) ||
                         conversation_title(t->conversation, title.v ? title.v : "", err)
                     ? -1
                     : 0;
    if (!result)
        result = title.len ? talk_say(t, "this conversation is called \"%s\"", title.v)
                           : talk_say(t, "this conversation is called by its first words");
    buf_release(&title);
    return result;
}

/* ---- lists ------------------------------------------------------------------------------------- */

static int session_line(const talk *t, const search_session *s, buf *out, error *err)
{
    char when[TIME_TEXT];
    const char *own = conversation_id(t->conversation);
    bool here = own && strcmp(own, s->id) == 0;
    buf title = {0};
    int result =
        talk_excerpt(t, s->problem ? s->problem : s->title, s->problem ? 200 : 60, &title, err);
    if (!result)
        result = buf_format(out, err, "%s %-10s %s  %3d turn%s  %s\n", here ? "*" : " ", s->id,
                            local_time(when, s->changed), (int)s->turns, s->turns == 1 ? " " : "s",
                            title.v ? title.v : "");
    buf_release(&title);
    return result;
}

int slash_sessions(talk *t, const char *rest, char *const *words, int count, error *err)
{
    search_sessions all = {0};
    buf out = {0};
    (void)rest, (void)words, (void)count;
    search *s = search_open(t->folder, NULL, NULL, err);
    int result = s ? search_list(s, &all, err) : -1;
    search_close(s);
    for (size_t i = 0; i < all.len && i < SESSIONS_MOST && !result; i++)
        result = session_line(t, &all.v[i], &out, err);
    if (!result && all.len > SESSIONS_MOST)
        result = buf_format(&out, err, "  and %zu more: consilium transcripts list\n",
                            all.len - SESSIONS_MOST);
    if (!result)
        result = all.len ? talk_write(t, &out, err) : talk_say(t, "no conversation is saved yet");
    search_sessions_release(&all);
    buf_release(&out);
    return result;
}

/* ---- /search ----------------------------------------------------------------------------------- */

/* The words that were found stand out where there is colour. */
static int add_snippet(const talk *t, const char *text, buf *out, error *err)
{
    bool color = terminal_color(t->term);
    while (*text) {
        size_t n = strcspn(text, "\x02\x03");
        buf part = {0};
        int result =
            buf_add(&part, text, n, err) || console_quote(t->con, out, part.v ? part.v : "", err)
                ? -1
                : 0;
        buf_release(&part);
        text += n;
        if (!result && *text && color)
            result = buf_text(out, *text == SEARCH_BEGIN ? "\033[1m" : "\033[0m", err);
        text += *text != '\0';
        if (result)
            return -1;
    }
    return buf_text(out, "\n", err);
}

/* "  3f9a turn 2, coder: ...the old library..." */
static int add_hit(const talk *t, const search_hit *h, buf *out, error *err)
{
    if (buf_format(out, err, "  %s ", h->id) ||
        (h->turn && buf_format(out, err, "turn %d, ", h->turn)) ||
        console_quote(t->con, out, h->who, err) ||
        buf_text(out, h->undone ? " (undone): " : ": ", err))
        return -1;
    return add_snippet(t, h->snippet, out, err);
}

int slash_search(talk *t, const char *rest, char *const *words, int count, error *err)
{
    search_hits hits = {0};
    buf out = {0};
    (void)rest;
    if (!count)
        return error_set(err, ERROR_USAGE, "/search needs words");
    search *s = search_open(t->folder, NULL, NULL, err);
    int result =
        s ? search_find(s, (const char *const *)words, (size_t)count, HITS_MOST, &hits, err) : -1;
    search_close(s);
    for (size_t i = 0; i < hits.len && !result; i++)
        result = add_hit(t, &hits.v[i], &out, err);
    if (!result && hits.total > hits.len)
        result = buf_format(&out, err, "  and %zu more: consilium transcripts search\n",
                            hits.total - hits.len);
    if (!result)
        result = hits.len ? terminal_write_folded(t->term, &out, err)
                          : talk_say(t, "no conversation has these words");
    search_hits_release(&hits);
    buf_release(&out);
    return result;
}

/* ---- /stats ------------------------------------------------------------------------------------ */

/* This conversation's own figures; who was picked is counted over all of them. */
static int add_figures(const talk *t, buf *out, error *err)
{
    int turns = 0, answers = 0, loops = 0;
    size_t count = 0;
    double seconds = 0;
    for (int i = 0; i < dialogue_turns(t->dialogue); i++) {
        const struct turn *turn = dialogue_at(t->dialogue, i);
        turns += !turn->undone;
        for (int k = 0; k < turn->answer_count; k++) {
            const turn_answer *a = &turn->answers[k];
            size_t added = a->ids.len - (size_t)a->continued; /* by this version */
            answers += !a->continued;
            count += added;
            seconds += a->ids.len ? a->seconds * (double)added / (double)a->ids.len : 0;
            loops += a->stop == STOP_LOOP;
        }
    }
    return buf_format(out, err,
                      "here: %d turn%s, %d answer%s, %zu tokens, %.1f tokens/s a pass, %d loop%s, "
                      "context %d of %d\n",
                      turns, turns == 1 ? "" : "s", answers, answers == 1 ? "" : "s", count,
                      seconds > 0 ? (double)count / seconds : 0, loops, loops == 1 ? "" : "s",
                      dialogue_context_used(t->dialogue),
                      dialogue_settings(t->dialogue)->council.context);
}

int slash_stats(talk *t, const char *rest, char *const *words, int count, error *err)
{
    buf out = {0};
    (void)rest, (void)words, (void)count;
    int result = add_figures(t, &out, err);
    if (!result)
        result = talk_write(t, &out, err);
    buf_release(&out);
    return result ? -1 : statistics_print(options_want_json(&t->set), t->con, err);
}
