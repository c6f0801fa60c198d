/* search_refresh.c - reading into the index what has changed. See search_index.h.
 *
 * What the index knows of the folder's files (id, size, time, inode) is read first. Then each
 * file that is there is looked up in it: one that is the same is passed over, one that is new
 * or changed is loaded and its rows are written anew. Rows of files that were not met, and of
 * folders that are no more, are dropped. All of it is one transaction: whatever fails leaves
 * the index as it was.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../engine/base/array.h"
#include "history.h"
#include "search_index.h"
#include "transcript.h"

/* What the index knows about one file. */
typedef struct known {
    sqlite3_int64 row, size, time, inode;
    char *id;
    bool seen;
} known;
typedef struct known_list {
    known *v; /* by id */
    size_t len, cap;
} known_list;

static void release_known(known_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->v[i].id);
    free(l->v);
}

static int add_known(known_list *l, sqlite3_stmt *q, error *err)
{
    known *v = array_room(l->v, l->len, &l->cap, sizeof *v, "the index of transcripts", err);
    if (!v)
        return -1;
    l->v = v;
    const unsigned char *id = sqlite3_column_text(q, 1);
    char *copy = id ? strdup((const char *)id) : NULL;
    if (!copy)
        return error_memory(err, "the index of transcripts");
    l->v[l->len++] = (known){.row = sqlite3_column_int64(q, 0),
                             .id = copy,
                             .size = sqlite3_column_int64(q, 2),
                             .time = sqlite3_column_int64(q, 3),
                             .inode = sqlite3_column_int64(q, 4)};
    return 0;
}

static int read_known(search *s, known_list *out, error *err)
{
    sqlite3_stmt *q = search_prepare(
        s, "SELECT id, session, size, time, inode FROM files WHERE folder = ?1 ORDER BY session",
        err);
    int result = q ? 0 : -1;
    if (q)
        (void)sqlite3_bind_text(q, 1, s->folder, -1, SQLITE_STATIC);
    while (!result && (result = search_step(s, q, err)) == 1)
        result = add_known(out, q, err);
    sqlite3_finalize(q);
    return result;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const known *)a)->id, ((const known *)b)->id);
}

/* ---- writing rows ------------------------------------------------------------------------------ */

static int forget_row(search *s, sqlite3_int64 row, error *err)
{
    static const char *const steps[] = {
        "DELETE FROM texts WHERE rowid IN (SELECT id FROM passages WHERE file = ?1)",
        "DELETE FROM passages WHERE file = ?1", "DELETE FROM files WHERE id = ?1"};
    int result = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !result; i++) {
        sqlite3_stmt *q = search_prepare(s, steps[i], err);
        if (q)
            (void)sqlite3_bind_int64(q, 1, row);
        result = q ? search_step(s, q, err) : -1;
        sqlite3_finalize(q);
    }
    return result;
}

/* The two statements that every text needs, prepared once a file. */
typedef struct passages {
    search *s;
    sqlite3_stmt *passage, *text;
    sqlite3_int64 file;
    buf clean;
} passages;

static int put_text(passages *p, const struct turn *t, const char *who, turn_text text, error *err)
{
    if (!text.len)
        return 0;
    buf_clear(&p->clean);
    if (buf_add(&p->clean, text.v, text.len, err))
        return -1;
    for (size_t i = 0; i < text.len; i++) /* also the marks of snippets */
        if ((unsigned char)p->clean.v[i] < ' ' || p->clean.v[i] == 0x7F)
            p->clean.v[i] = ' ';
    (void)sqlite3_bind_int64(p->passage, 1, p->file);
    (void)sqlite3_bind_int(p->passage, 2, t->number);
    (void)sqlite3_bind_text(p->passage, 3, who, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_double(p->passage, 4, t->time);
    (void)sqlite3_bind_int(p->passage, 5, t->undone);
    int result = search_step(p->s, p->passage, err);
    (void)sqlite3_reset(p->passage);
    if (result)
        return -1;
    (void)sqlite3_bind_int64(p->text, 1, sqlite3_last_insert_rowid(p->s->db));
    (void)sqlite3_bind_text64(p->text, 2, p->clean.v, p->clean.len, SQLITE_STATIC, SQLITE_UTF8);
    result = search_step(p->s, p->text, err);
    (void)sqlite3_reset(p->text);
    return result;
}

/* A group's that is one of its members' as it stands. */
static bool stands_there(const struct turn *t, const turn_answer *a)
{
    return a->joined && turn_winner(t, a->joined);
}

static int put_turn(passages *p, const history *h, const struct turn *t, error *err)
{
    int result = history_own(h, t->n) ? put_text(p, t, "prompt", t->prompt, err) : 0;
    for (int i = 0; i < t->answer_count && !result; i++)
        if (history_own(h, t->answers[i].n) && !stands_there(t, &t->answers[i]))
            result = put_text(p, t, t->answers[i].name, t->answers[i].text, err);
    for (int i = 0; i < t->merge_count && !result; i++)
        if (history_own(h, t->merges[i].n) &&
            !turn_winner(t, &t->merges[i])) /* a vote's text is there already */
            result = put_text(p, t, "merge", t->merges[i].text, err);
    return result;
}

/* Of no turn. */
static int put_title(passages *p, const history *h, error *err)
{
    const struct turn none = {.time = h->turn_count ? h->turns[h->turn_count - 1].time : 0};
    if (!h->title)
        return 0;
    return put_text(p, &none, "title", (turn_text){h->title, strlen(h->title)}, err);
}

static int put_turns(search *s, const history *h, sqlite3_int64 file, error *err)
{
    passages p = {.s = s, .file = file};
    p.passage = search_prepare(
        s, "INSERT INTO passages(file, turn, who, time, undone) VALUES(?1, ?2, ?3, ?4, ?5)", err);
    p.text = search_prepare(s, "INSERT INTO texts(rowid, text) VALUES(?1, ?2)", err);
    int result = p.passage && p.text ? put_title(&p, h, err) : -1;
    for (int i = 0; i < h->turn_count && !result; i++)
        result = put_turn(&p, h, &h->turns[i], err);
    sqlite3_finalize(p.passage);
    sqlite3_finalize(p.text);
    buf_release(&p.clean);
    return result;
}

/* "2026-11-22T11:31:24Z" in seconds, 0 when it is none. */
static double seconds_of(const char *created)
{
    struct tm t = {0};
    const char *end = created ? strptime(created, "%Y-%m-%dT%H:%M:%SZ", &t) : NULL;
    return end && !*end ? (double)timegm(&t) : 0;
}

static void bind_history(sqlite3_stmt *q, const history *h, const buf *title)
{
    const char *slash = h->model.path ? strrchr(h->model.path, '/') : NULL;
    int turns = 0, answers = 0;
    for (int i = 0; i < h->turn_count; i++) {
        turns += !h->turns[i].undone;
        answers += h->turns[i].answer_count;
    }
    (void)sqlite3_bind_double(q, 6, seconds_of(h->created));
    (void)sqlite3_bind_text(q, 7, title->len ? title->v : "", -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(q, 8, slash && slash[1] ? slash + 1 : h->model.path, -1,
                            SQLITE_TRANSIENT);
    (void)sqlite3_bind_int(q, 9, turns);
    (void)sqlite3_bind_int(q, 10, answers);
    (void)sqlite3_bind_int64(q, 11, (sqlite3_int64)h->damaged);
    (void)sqlite3_bind_int64(q, 12, (sqlite3_int64)h->torn);
}

static sqlite3_int64 nanoseconds(const struct stat *st)
{
    return (sqlite3_int64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int put_file(search *s, const transcript_entry *e, const struct stat *st, error *err)
{
    error problem = {0};
    buf title = {0};
    history *h = history_load(e->path, &problem);
    sqlite3_stmt *q = search_prepare(
        s,
        "INSERT INTO files(folder, session, size, time, inode, created, title, model, turns, "
        "answers, damaged, torn, problem) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        err);
    int result = q && (!h || history_title(h, &title, err) == 0) ? 0 : -1;
    if (!result) {
        (void)sqlite3_bind_text(q, 1, s->folder, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(q, 2, e->id, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 3, st->st_size);
        (void)sqlite3_bind_int64(q, 4, nanoseconds(st));
        (void)sqlite3_bind_int64(q, 5, (sqlite3_int64)st->st_ino);
        if (h)
            bind_history(q, h, &title);
        else
            (void)sqlite3_bind_text(q, 13, problem.text, -1, SQLITE_TRANSIENT);
        result = search_step(s, q, err);
    }
    sqlite3_finalize(q);
    if (!result && h)
        result = put_turns(s, h, sqlite3_last_insert_rowid(s->db), err);
    buf_release(&title);
    history_close(h);
    return result;
}

/* ---- one opening ------------------------------------------------------------------------------- */

static int refresh_file(search *s, known_list *all, const transcript_entry *e,
                        search_report *report, error *err)
{
    struct stat st;
    if (stat(e->path, &st))
        return 0; /* removed since it was listed */
    known *k = all->len ? bsearch(&(known){.id = e->id}, all->v, all->len, sizeof *k, by_id) : NULL;
    report->files++;
    if (k)
        k->seen = true;
    if (k && k->size == st.st_size && k->time == nanoseconds(&st) &&
        k->inode == (sqlite3_int64)st.st_ino)
        return 0;
    report->read++;
    return (k && forget_row(s, k->row, err)) || put_file(s, e, &st, err) ? -1 : 0;
}

/* Rows of folders that are no more. */
static int forget_folders(search *s, search_report *report, error *err)
{
    known_list gone = {0};
    sqlite3_stmt *q = search_prepare(
        s, "SELECT id, folder, 0, 0, 0 FROM files WHERE folder <> ?1 ORDER BY folder", err);
    int result = q ? 0 : -1;
    if (q)
        (void)sqlite3_bind_text(q, 1, s->folder, -1, SQLITE_STATIC);
    while (!result && (result = search_step(s, q, err)) == 1)
        result = add_known(&gone, q, err);
    sqlite3_finalize(q);
    bool there = true;
    for (size_t i = 0; i < gone.len && !result; i++) {
        if (i == 0 || strcmp(gone.v[i].id, gone.v[i - 1].id) != 0)
            there = access(gone.v[i].id, F_OK) == 0;
        if (there)
            continue;
        report->gone++;
        result = forget_row(s, gone.v[i].row, err);
    }
    release_known(&gone);
    return result;
}

static int refresh(search *s, search_report *report, error *err)
{
    known_list all = {0};
    transcript_list entries = {0};
    int result = transcript_list_all(s->folder, &entries, err) || read_known(s, &all, err) ? -1 : 0;
    for (size_t i = 0; i < entries.len && !result; i++)
        result = refresh_file(s, &all, &entries.v[i], report, err);
    for (size_t i = 0; i < all.len && !result; i++) {
        if (all.v[i].seen)
            continue;
        report->gone++;
        result = forget_row(s, all.v[i].row, err);
    }
    if (!result)
        result = forget_folders(s, report, err);
    transcript_list_release(&entries);
    release_known(&all);
    return result;
}

int search_refresh(search *s, search_report *report, error *err)
{
    if (search_run(s, "BEGIN", err))
        return -1;
    if (refresh(s, report, err) == 0 && search_run(s, "COMMIT", err) == 0)
        return 0;
    (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}
