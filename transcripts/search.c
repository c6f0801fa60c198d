/* search.c - questions to the index. See search.h.
 *
 * The user's words become an FTS5 query in which each is a quoted string, so that no character
 * of theirs is an operator: a word, a phrase, or the beginning of a word. Rows are copied out
 * as they come; a snippet's marks are two control characters that no text holds. When SQLite
 * finds the index damaged in the middle of a question, the index is made anew and the question
 * asked once more.
 */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "../engine/base/array.h"
#include "../engine/base/buf.h"
#include "../engine/base/paths.h"
#include "search_index.h"

enum { SNIPPET_WORDS = 18 };

int search_path(char **path, error *err)
{
    if (paths_own(PATHS_CACHE, "transcripts.sqlite", path, err))
        return -1;
    return *path ? 0 : paths_missing(PATHS_CACHE, "", err);
}

static char *column(sqlite3_stmt *q, int i, bool *failed)
{
    const unsigned char *text = sqlite3_column_text(q, i);
    char *copy = strdup(text ? (const char *)text : "");
    *failed |= !copy;
    return copy;
}

/* ---- the list ---------------------------------------------------------------------------------- */

static void release_session(search_session *e)
{
    free(e->id);
    free(e->title);
    free(e->model);
    free(e->problem);
}

static int add_session(search_sessions *out, sqlite3_stmt *q, error *err)
{
    search_session *v =
        array_room(out->v, out->len, &out->cap, sizeof *v, "what the index found", err);
    bool failed = false;
    if (!v)
        return -1;
    out->v = v;
    search_session e = {.id = column(q, 0, &failed),
                        .title = column(q, 1, &failed),
                        .model = column(q, 2, &failed),
                        .created = sqlite3_column_double(q, 4),
                        .changed = sqlite3_column_double(q, 5) * 1e-9,
                        .bytes = sqlite3_column_int64(q, 6),
                        .turns = sqlite3_column_int64(q, 7),
                        .answers = sqlite3_column_int64(q, 8),
                        .damaged = sqlite3_column_int64(q, 9),
                        .torn = sqlite3_column_int64(q, 10)};
    if (sqlite3_column_type(q, 3) != SQLITE_NULL)
        e.problem = column(q, 3, &failed);
    if (!failed) {
        out->v[out->len++] = e;
        return 0;
    }
    release_session(&e);
    return error_memory(err, "a list of transcripts");
}

static int list(search *s, search_sessions *out, error *err)
{
    sqlite3_stmt *q = search_prepare(
        s,
        "SELECT session, title, model, problem, created, time, size, turns, answers, damaged, torn "
        "FROM files WHERE folder = ?1 ORDER BY time DESC, session",
        err);
    int result = q ? 0 : -1;
    if (q)
        (void)sqlite3_bind_text(q, 1, s->folder, -1, SQLITE_STATIC);
    while (!result && (result = search_step(s, q, err)) == 1)
        result = add_session(out, q, err);
    sqlite3_finalize(q);
    return result;
}

int search_list(search *s, search_sessions *out, error *err)
{
    *out = (search_sessions){0};
    int result = list(s, out, err);
    if (result && search_rebuild(s, err) == 0) {
        search_sessions_release(out);
        result = list(s, out, err);
    }
    return result;
}

void search_sessions_release(search_sessions *l)
{
    for (size_t i = 0; i < l->len; i++)
        release_session(&l->v[i]);
    free(l->v);
    *l = (search_sessions){0};
}

/* ---- words ------------------------------------------------------------------------------------- */

/* Something that the tokenizer may find a word in: it knows better for what is beyond ASCII. */
static bool searchable(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') ||
            (text[i] >= 'A' && text[i] <= 'Z') || (text[i] & 0x80))
            return true;
    return false;
}

/* Appends text[n] as an FTS5 string: quoted, so nothing in it is an operator. A quotation mark
 * cannot be in it, it divides the words. */
static int add_term(buf *out, const char *text, size_t n, bool prefix, error *err)
{
    if (!searchable(text, n))
        return 0;
    if (buf_format(out, err, "%s\"", out->len ? " AND " : "") || buf_add(out, text, n, err))
        return -1;
    return buf_text(out, prefix ? "\"*" : "\"", err);
}

/* The next word or phrase of *text; moves it on. */
static int take_term(buf *out, const char **text, error *err)
{
    const char *at = *text + strspn(*text, " \t\r\n");
    if (!*at) {
        *text = at;
        return 0;
    }
    bool phrase = *at == '"';
    at += phrase;
    size_t n = phrase ? strcspn(at, "\"") : strcspn(at, " \t\r\n\"");
    const char *end = at + n + (phrase && at[n] == '"');
    bool prefix = phrase ? *end == '*' : n > 1 && at[n - 1] == '*';
    *text = end + (phrase && prefix);
    return add_term(out, at, phrase ? n : n - prefix, prefix, err);
}

static int make_query(const char *const *words, size_t count, buf *out, error *err)
{
    buf all = {0};
    int result = 0;
    for (size_t i = 0; i < count && !result; i++)
        result = buf_format(&all, err, "%s%s", i ? " " : "", words[i]);
    const char *at = all.v ? all.v : "";
    while (!result && *at)
        result = take_term(out, &at, err);
    buf_release(&all);
    if (!result && !out->len)
        return error_set(err, ERROR_USAGE, "there is no letter or digit to search for");
    return result;
}

/* ---- finding ----------------------------------------------------------------------------------- */

static void release_hit(search_hit *h)
{
    free(h->id);
    free(h->who);
    free(h->snippet);
}

static int add_hit(search_hits *out, sqlite3_stmt *q, error *err)
{
    search_hit *v = array_room(out->v, out->len, &out->cap, sizeof *v, "what the index found", err);
    bool failed = false;
    if (!v)
        return -1;
    out->v = v;
    search_hit h = {.id = column(q, 0, &failed),
                    .who = column(q, 1, &failed),
                    .snippet = column(q, 2, &failed),
                    .turn = sqlite3_column_int(q, 3),
                    .time = sqlite3_column_double(q, 4),
                    .undone = sqlite3_column_int(q, 5) != 0};
    if (failed) {
        release_hit(&h);
        return error_memory(err, "what the index found");
    }
    out->v[out->len++] = h;
    return 0;
}

#define FOUND                                                                                      \
    "FROM texts JOIN passages ON passages.id = texts.rowid JOIN files ON files.id = "              \
    "passages.file WHERE texts MATCH ?1 AND folder = ?2 "

static int find(search *s, const char *query, size_t most, search_hits *out, error *err)
{
    sqlite3_stmt *all = search_prepare(s, "SELECT count(*) " FOUND, err);
    sqlite3_stmt *best = search_prepare(
        s,
        "SELECT session, who, snippet(texts, 0, char(2), char(3), '…', ?4), turn, "
        "passages.time, undone " FOUND "ORDER BY rank, passages.time DESC, passages.id LIMIT ?3",
        err);
    int result = all && best ? 0 : -1;
    if (!result) {
        (void)sqlite3_bind_text(all, 1, query, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(all, 2, s->folder, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(best, 1, query, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(best, 2, s->folder, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(best, 3, most > INT32_MAX ? INT32_MAX : (sqlite3_int64)most);
        (void)sqlite3_bind_int(best, 4, SNIPPET_WORDS);
        result = search_step(s, all, err) == 1 ? 0 : -1;
        out->total = result ? 0 : (size_t)sqlite3_column_int64(all, 0);
    }
    while (!result && (result = search_step(s, best, err)) == 1)
        result = add_hit(out, best, err);
    sqlite3_finalize(all);
    sqlite3_finalize(best);
    return result;
}

int search_find(search *s, const char *const *words, size_t count, size_t most, search_hits *out,
                error *err)
{
    buf query = {0};
    *out = (search_hits){0};
    int result = make_query(words, count, &query, err);
    if (!result && (result = find(s, query.v, most, out, err)) != 0 &&
        search_rebuild(s, err) == 0) {
        search_hits_release(out);
        result = find(s, query.v, most, out, err);
    }
    buf_release(&query);
    return result;
}

void search_hits_release(search_hits *h)
{
    for (size_t i = 0; i < h->len; i++)
        release_hit(&h->v[i]);
    free(h->v);
    *h = (search_hits){0};
}
