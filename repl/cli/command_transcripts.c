/* command_transcripts.c - `transcripts list`, `search` and `stats`: questions to all of them.
 *
 * List and search ask the index (search.h), which is brought up to date first; stats reads every
 * transcript (statistics_print.h). Text is for people: at most 20 hits, with the words that were
 * found in bold. JSON has up to 10,000, each snippet in pieces that match or do not.
 */
#include <string.h>

#include "../chat/statistics_print.h"
#include "../chat/transcript_lookup.h"
#include "../screen/safe_text.h"
#include "commands.h"

enum { HITS_SHOWN = 20, HITS_JSON = 10000 };

/* ---- list -------------------------------------------------------------------------------------- */

static void put_time(json_writer *e, const char *key, double seconds)
{
    char text[TIME_TEXT];
    json_put_text(e, key, *utc_time(text, seconds) ? text : NULL);
}

static int list_json(const search_sessions *all, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_array(&e, NULL);
    for (size_t i = 0; i < all->len; i++) {
        const search_session *v = &all->v[i];
        json_begin_object(&e, NULL);
        json_put_text(&e, "id", v->id);
        json_put_text(&e, "title", v->title);
        json_put_text(&e, "model", v->model);
        put_time(&e, "created", v->created);
        put_time(&e, "changed", v->changed);
        json_put_int(&e, "turns", v->turns);
        json_put_int(&e, "answers", v->answers);
        json_put_int(&e, "bytes", v->bytes);
        json_put_int(&e, "damaged_lines", v->damaged);
        json_put_int(&e, "torn_bytes", v->torn);
        json_put_text(&e, "problem", v->problem);
        json_end(&e);
    }
    json_end(&e);
    return console_json(con, &e, err);
}

static void put_session(text_writer *w, const search_session *v, int width, const console *con)
{
    char time[TIME_TEXT];
    text_format(w, "%s%-*s%s  %s%-16s%s  %3lld turn%s  ", console_bold(con), width, v->id,
                console_reset(con), console_dim(con), local_time(time, v->changed),
                console_reset(con), (long long)v->turns, v->turns == 1 ? " " : "s");
    console_put_quoted(con, w, v->problem ? v->problem : v->title);
    if (v->damaged)
        text_format(w, " [%lld damaged line%s]", (long long)v->damaged, v->damaged == 1 ? "" : "s");
    if (v->torn)
        text_put(w, " [last line unfinished]");
    text_put(w, "\n");
}

static int list_text(const search_sessions *all, console *con, error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    int width = 0;
    for (size_t i = 0; i < all->len; i++)
        if ((int)strlen(all->v[i].id) > width)
            width = (int)strlen(all->v[i].id);
    for (size_t i = 0; i < all->len; i++)
        put_session(&w, &all->v[i], width, con);
    if (console_written(con, &w))
        return -1;
    if (!all->len)
        console_note(con, "No conversation has been kept yet.");
    return 0;
}

int command_transcripts_list(const options *opt, console *con, error *err)
{
    search_sessions all = {0};
    search *s = search_lookup(con, err);
    int result = s ? search_list(s, &all, err) : -1;
    search_close(s);
    if (!result)
        result = options_want_json(opt) ? list_json(&all, con, err) : list_text(&all, con, err);
    search_sessions_release(&all);
    return result;
}

/* ---- search ------------------------------------------------------------------------------------ */

/* The next piece of a snippet that is all match or none; *at moves behind it. */
static size_t next_part(const char **at, const char **text, bool *match)
{
    static const char marks[] = {SEARCH_BEGIN, SEARCH_END, '\0'};
    while (**at == SEARCH_BEGIN || **at == SEARCH_END)
        *match = *(*at)++ == SEARCH_BEGIN;
    size_t n = strcspn(*at, marks);
    *text = *at;
    *at += n;
    return n;
}

static void put_hit(json_writer *e, const search_hit *h)
{
    const char *at = h->snippet, *text;
    bool match = false;
    size_t n;
    json_begin_object(e, NULL);
    json_put_text(e, "id", h->id);
    json_put_int(e, "turn", h->turn);
    json_put_text(e, "who", h->who);
    put_time(e, "time", h->time);
    json_put_bool(e, "undone", h->undone);
    json_begin_array(e, "snippet");
    while ((n = next_part(&at, &text, &match)) != 0) {
        json_begin_object(e, NULL);
        json_put_bytes(e, "text", text, n);
        json_put_bool(e, "match", match);
        json_end(e);
    }
    json_end(e);
    json_end(e);
}

static int search_json(const search_hits *hits, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_object(&e, NULL);
    json_put_count(&e, "total", hits->total);
    json_begin_array(&e, "results");
    for (size_t i = 0; i < hits->len; i++)
        put_hit(&e, &hits->v[i]);
    json_end(&e);
    json_end(&e);
    return console_json(con, &e, err);
}

/* Matches are bold, or in brackets where nothing can be. */
static void print_snippet(text_writer *w, const search_hit *h, const console *con)
{
    const char *begin = con->out_color ? console_bold(con) : "[";
    const char *end = con->out_color ? console_reset(con) : "]";
    const char *at = h->snippet, *text;
    bool match = false;
    size_t n;
    text_put(w, "    ");
    while ((n = next_part(&at, &text, &match)) != 0) {
        text_put(w, match ? begin : "");
        w->failed = w->failed || safe_text_copy(w->out, SAFE_LINE, con->ascii, text, n, w->err);
        text_put(w, match ? end : "");
    }
    text_put(w, "\n");
}

static void print_hit(text_writer *w, const search_hit *h, const console *con)
{
    char time[TIME_TEXT];
    text_format(w, "%s%s%s  ", console_bold(con), h->id, console_reset(con));
    if (h->turn)
        text_format(w, "turn %d  ", h->turn);
    console_put_quoted(con, w, h->who);
    text_format(w, "  %s%s%s%s\n", console_dim(con), local_time(time, h->time),
                h->undone ? "  undone" : "", console_reset(con));
    print_snippet(w, h, con);
}

static int search_text(const search_hits *hits, console *con, error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    for (size_t i = 0; i < hits->len; i++)
        print_hit(&w, &hits->v[i], con);
    if (console_written(con, &w))
        return -1;
    if (!hits->len)
        console_note(con, "Nothing was found.");
    if (hits->total > hits->len)
        console_note(con, "%zu more: add a word, or use --format json.", hits->total - hits->len);
    return 0;
}

int command_transcripts_search(const options *opt, console *con, error *err)
{
    search_hits hits = {0};
    bool json_wanted = options_want_json(opt);
    search *s = search_lookup(con, err);
    int result = s ? search_find(s, opt->words, opt->word_count,
                                 json_wanted ? HITS_JSON : HITS_SHOWN, &hits, err)
                   : -1;
    search_close(s);
    if (!result)
        result = json_wanted ? search_json(&hits, con, err) : search_text(&hits, con, err);
    search_hits_release(&hits);
    return result;
}

/* ---- stats ------------------------------------------------------------------------------------- */

int command_transcripts_stats(const options *opt, console *con, error *err)
{
    return statistics_print(options_want_json(opt), con, err);
}
