/* search_index.c - opening the index, and replacing a damaged one. See search_index.h.
 *
 * Opening takes the lock, opens or makes the database, compares its version and brings it up to
 * date. Any answer of SQLite that only a damaged file can give marks the index so; then it is
 * deleted with its journals and made from the transcripts, once. With no place to keep it, or
 * when the disk refuses, the same tables are made in memory.
 */
#include "search_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../engine/base/folder.h"
#include "../engine/base/paths.h"

enum { INDEX_WAIT = 10, POLLS = 50, BUSY_MS = 5000, SCHEMA = 3 };

static const char schema[] =
    "BEGIN; CREATE TABLE files(id INTEGER PRIMARY KEY, folder TEXT NOT NULL, session TEXT NOT "
    "NULL, size INTEGER, time INTEGER, inode INTEGER, created REAL DEFAULT 0, title TEXT DEFAULT "
    "'', "
    "model TEXT, turns INTEGER DEFAULT 0, answers INTEGER DEFAULT 0, damaged INTEGER DEFAULT 0, "
    "torn INTEGER DEFAULT 0, problem TEXT, UNIQUE(folder, session));"
    "CREATE TABLE passages(id INTEGER PRIMARY KEY, file INTEGER NOT NULL, turn INTEGER, who TEXT, "
    "time REAL, undone INTEGER);"
    "CREATE INDEX passages_of ON passages(file);"
    "CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'words remove_diacritics 2');"
    "PRAGMA user_version = 3; COMMIT;";

/* ---- statements -------------------------------------------------------------------------------- */

int search_failed(search *s, const char *what, error *err)
{
    int code = sqlite3_errcode(s->db);
    s->damaged |= code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return error_set(err, ERROR_RUN, "the index of transcripts %s: cannot %s: %s",
                     s->path ? s->path : "in memory", what, sqlite3_errmsg(s->db));
}

sqlite3_stmt *search_prepare(search *s, const char *sql, error *err)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK)
        return q;
    int code = sqlite3_errcode(s->db);
    (void)search_failed(s, "be asked", err);
    s->damaged |= code == SQLITE_ERROR; /* a table or a column that should be there is not */
    return NULL;
}

int search_step(search *s, sqlite3_stmt *q, error *err)
{
    switch (sqlite3_step(q)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    default:
        return search_failed(s, "be read", err);
    }
}

int search_run(search *s, const char *sql, error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) ? search_failed(s, "be changed", err) : 0;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int take_lock(search *s, error *err)
{
    char *path = string_format(err, "%s.lock", s->path);
    if (!path)
        return -1;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int why = s->lock < 0 ? errno : 0;
    for (int i = 0; !why && flock(s->lock, LOCK_EX | LOCK_NB);) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            why = errno;
        else if (++i == INDEX_WAIT * POLLS)
            why = ETIMEDOUT;
        else
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000000 / POLLS}, NULL);
    }
    int result = why ? error_set(err, ERROR_RUN, "cannot lock %s: %s", path, strerror(why)) : 0;
    free(path);
    return result;
}

static int number_of(search *s, const char *sql, error *err)
{
    sqlite3_stmt *q = search_prepare(s, sql, err);
    int got = q ? search_step(s, q, err) : -1, number = got == 1 ? sqlite3_column_int(q, 0) : -1;
    sqlite3_finalize(q);
    return number;
}

/* The file is made with mode 0600 before SQLite opens it: it holds what people said. */
static int open_database(search *s, bool *rebuilt, error *err)
{
    const char *name = s->path ? s->path : ":memory:";
    if (s->path) {
        int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return error_set(err, ERROR_RUN, "cannot open %s: %s", s->path, strerror(errno));
        (void)close(fd);
    }
    if (sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL))
        return search_failed(s, "be opened", err);
    (void)sqlite3_extended_result_codes(s->db, 0);
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_exec(s->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    (void)sqlite3_exec(s->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL); /* no text in /tmp */
    if (search_tokenizer(s, err))
        return -1;
    int version = number_of(s, "PRAGMA user_version", err);
    int tables = number_of(s, "SELECT count(*) FROM sqlite_schema", err);
    if (version < 0 || tables < 0)
        return -1;
    *rebuilt = tables == 0;
    if (tables && version != SCHEMA) {
        s->damaged = true;
        return error_set(err, ERROR_RUN, "%s is of another version", name);
    }
    return tables ? 0 : search_run(s, schema, err);
}

static void close_database(search *s)
{
    (void)sqlite3_close_v2(s->db);
    s->db = NULL;
}

/* With the lock held, nobody else has it open. */
static void throw_away(search *s)
{
    close_database(s);
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *path = string_format(NULL, "%s%s", s->path, ends[i]);
        if (path)
            (void)unlink(path);
        free(path);
    }
    s->damaged = false;
}

/* Opens and reads what changed; a damaged index is thrown away once. */
static int bring_up(search *s, search_report *report, error *err)
{
    for (int attempt = 0;; attempt++) {
        bool rebuilt = false;
        *report = (search_report){.rebuilt = attempt > 0};
        if (open_database(s, &rebuilt, err) == 0 && search_refresh(s, report, err) == 0) {
            report->rebuilt |= rebuilt;
            return 0;
        }
        if (!s->damaged || !s->path || attempt)
            return -1;
        throw_away(s);
    }
}

int search_rebuild(search *s, error *err)
{
    search_report report;
    if (!s->path || !s->damaged)
        return -1;
    throw_away(s);
    return bring_up(s, &report, err);
}

static int open_on_disk(search *s, const char *path, search_report *report, error *err)
{
    s->path = path ? string_format(err, "%s", path) : NULL;
    if (path ? !s->path : search_path(&s->path, err) != 0)
        return -1;
    const char *slash = strrchr(s->path, '/');
    if (slash) /* what could not be made shows when the file is opened */
        (void)paths_make(s->path, (size_t)(slash - s->path), NULL);
    return take_lock(s, err) || bring_up(s, report, err) ? -1 : 0;
}

static int open_in_memory(search *s, search_report *report, error *err)
{
    error why = *err;
    close_database(s);
    free(s->path);
    s->path = NULL;
    int result = bring_up(s, report, err);
    report->kept = why;
    return result;
}

search *search_open(const char *place, const char *path, search_report *report, error *err)
{
    search_report scratch;
    error first = {0};
    search *s = calloc(1, sizeof *s);
    if (!s) {
        (void)error_memory(err, "the index of transcripts");
        return NULL;
    }
    s->lock = -1;
    s->folder = realpath(place, NULL);
    if (!s->folder)
        s->folder = string_format(err, "%s", place);
    report = report ? report : &scratch;
    if (s->folder && open_on_disk(s, path, report, &first) == 0)
        return s;
    if (s->folder && open_in_memory(s, report, &first) == 0)
        return s;
    if (err && s->folder)
        *err = first;
    search_close(s);
    return NULL;
}

void search_close(search *s)
{
    if (!s)
        return;
    close_database(s);
    if (s->lock >= 0)
        (void)close(s->lock);
    free(s->path);
    free(s->folder);
    free(s);
}
