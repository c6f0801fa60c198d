/* test_search.c - the index over transcripts: what is found, and that it is never wrong for long.
 *
 * A folder of transcripts as the program writes them; the index is deleted, cut, overwritten, left
 * behind, and asked by several processes at once.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/base/json.h"
#include "../transcripts/search.h"
#include "../transcripts/search_index.h"
#include "scratch.h"

typedef struct place {
    char root[SCRATCH], folder[128], index[128];
} place;

static int make_place(void **state)
{
    place *p = calloc(1, sizeof *p);
    if (!p)
        return -1;
    scratch_folder(p->root, "search");
    (void)snprintf(p->folder, sizeof p->folder, "%s/transcripts", p->root);
    (void)snprintf(p->index, sizeof p->index, "%s/cache/index.sqlite", p->root);
    *state = p;
    return mkdir(p->folder, 0700);
}

static int remove_place(void **state)
{
    place *p = *state;
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf %s", p->root);
    int left = system(command);
    free(p);
    return left;
}

static void write_file(const char *path, const char *mode, const char *text, size_t n)
{
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* One turn: a prompt and an answer by the coder. */
static void add_turn(const place *p, const char *id, const char *mode, int turn, const char *prompt,
                     const char *answer)
{
    char path[192];
    buf b = {0}, said = {0};
    (void)snprintf(path, sizeof path, "%s/%s.jsonl", p->folder, id);
    assert_int_equal(json_quote(&b, prompt, strlen(prompt), NULL), 0);
    assert_int_equal(json_quote(&said, answer, strlen(answer), NULL), 0);
    buf all = {0};
    if (*mode == 'w')
        (void)buf_format(
            &all, NULL,
            "{\"transcript\":1,\"id\":\"%s\",\"created\":\"2026-11-22T11:31:24Z\","
            "\"version\":\"0.1.0\",\"model\":{\"path\":\"/m/tiny.gguf\",\"architecture\""
            ":\"qwen2moe\",\"fingerprint\":\"aa\",\"layers\":2,\"experts\":4,"
            "\"experts_per_token\":2},\"isa\":\"avx2\"}\n",
            id);
    (void)buf_format(&all, NULL,
                     "{\"type\":\"prompt\",\"n\":%d,\"turn\":%d,\"parent\":0,\"time\":1e9,\"text\":"
                     "%s}\n{\"type\":\"answer\",\"n\":%d,\"turn\":%d,\"parent\":%d,\"time\":1e9,"
                     "\"persona\":\"coder\",\"text\":%s,\"tokens\":[1,2]}\n",
                     2 * turn, turn, b.v, 2 * turn + 1, turn, 2 * turn, said.v);
    write_file(path, mode, all.v, all.len);
    buf_release(&b);
    buf_release(&said);
    buf_release(&all);
}

static search *open_index(const place *p, search_report *report)
{
    error err = {0};
    search *s = search_open(p->folder, p->index, report, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

/* How many texts hold the words, asked anew. */
static size_t found(const place *p, const char *words)
{
    search_hits hits;
    error err = {0};
    search *s = open_index(p, NULL);
    if (search_find(s, &words, 1, 10, &hits, &err))
        fail_msg("%s: %s", words, err.text);
    size_t total = hits.total;
    assert_true(hits.len == (total < 10 ? total : 10));
    search_hits_release(&hits);
    search_close(s);
    return total;
}

/* ---- words ------------------------------------------------------------------------------------- */

static void words_are_found(void **state)
{
    const place *p = *state;
    add_turn(p, "one", "w", 1, "Where is the Caf\xC3\xA9?", "Behind the old library, not the new.");
    add_turn(p, "two", "w", 1, "Libraries", "\xD0\x81\xD0\xBB\xD0\xBA\xD0\xB0 stands there.");
    assert_int_equal(found(p, "library"), 1);
    assert_int_equal(found(p, "LIBRARY old"), 1);
    assert_int_equal(found(p, "librar*"), 2);
    assert_int_equal(found(p, "cafe"), 1);
    assert_int_equal(found(p, "\"old library\""), 1);
    assert_int_equal(found(p, "\"library old\""), 0);
    assert_int_equal(found(p, "\"old libr\"*"), 1);
    assert_int_equal(found(p, "\xD1\x91\xD0\xBB\xD0\xBA\xD0\xB0"), 1);
    assert_int_equal(found(p, "nowhere"), 0);
}

/* Words inside of sentences that have no spaces: of one character, of two, of three, in any mixture. */
static void words_without_spaces_are_found(void **state)
{
    static const struct {
        const char *words;
        size_t hits;
    } cases[] = {{"天气", 1},      {"天", 2},          {"公园", 1},         {"今天天气很好", 1},
                 {"天园", 0},      {"气天", 0},        {"図書館", 1},       {"書館", 1},
                 {"どこ", 1},      {"ラーメン", 1},    {"도서관", 1},       {"도서관은", 1},
                 {"서관", 1},      {"어디", 1},        {"ห้องสมุด", 1},       {"สมุด", 1},
                 {"天气 公园", 1}, {"天气 図書館", 0}, {"\"天气很好\"", 1}, {"天气*", 1},
                 {"iPhone", 1},    {"iphone手机", 1},  {"手机", 1},         {"IPHONE", 1},
                 {"café", 1},      {"cafe", 1},        {"phone", 0},        {"old library", 1},
                 {"librar*", 1},   {"libra", 0},       {"𠮷野家", 1},       {"𠮷", 1},
                 {"公园，", 1},    {"。", 0}};
    const place *p = *state;
    add_turn(p, "cn", "wb", 1, "今天天气很好，我们去公园。", "新iPhone手机和Café");
    add_turn(p, "jp", "wb", 1, "図書館はどこですか", "ラーメンと𠮷野家");
    add_turn(p, "kr", "wb", 1, "도서관은 어디에 있습니까", "the old library");
    add_turn(p, "th", "wb", 1, "ห้องสมุดอยู่ที่ไหน", "天");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t hits = found(p, cases[i].words);
        if (hits != cases[i].hits)
            fail_msg("%s: %zu hits, not %zu", cases[i].words, hits, cases[i].hits);
    }
}

/* An index of before, in which such sentences are one word. */
static void an_old_index_learns_them(void **state)
{
    const place *p = *state;
    char command[256];
    add_turn(p, "cn", "wb", 1, "今天天气很好", "x");
    assert_int_equal(found(p, "天气"), 1);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p->index, &db), SQLITE_OK);
    (void)snprintf(command, sizeof command, "PRAGMA user_version = 2; DELETE FROM passages");
    assert_int_equal(sqlite3_exec(db, command, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(found(p, "天气"), 1);
}

static void hits_say_where(void **state)
{
    const place *p = *state;
    add_turn(p, "one", "w", 1, "first", "nothing");
    add_turn(p, "one", "a", 2, "second",
             "here\nis the \x02"
             "needle\x03 of it");
    const char *word = "needle";
    search_hits hits;
    search *s = open_index(p, NULL);
    assert_int_equal(search_find(s, &word, 1, 10, &hits, NULL), 0);
    search_close(s);
    assert_int_equal(hits.len, 1);
    assert_string_equal(hits.v[0].id, "one");
    assert_string_equal(hits.v[0].who, "coder");
    assert_int_equal(hits.v[0].turn, 2);
    assert_string_equal(hits.v[0].snippet, "here is the  \x02needle\x03  of it");
    search_hits_release(&hits);
}

static const char *const HOSTILE[] = {"near",
                                      "NEAR(",
                                      "NEAR(near text, 3)",
                                      "a OR b",
                                      "AND",
                                      "NOT near",
                                      "near NOT text",
                                      "text:near",
                                      "{text}:near",
                                      "-text : near",
                                      "^near",
                                      "near^",
                                      "\"",
                                      "\"\"",
                                      "\"near",
                                      "near\"",
                                      "near + text",
                                      "near*text",
                                      "**",
                                      "*near",
                                      "near**",
                                      "(",
                                      ")",
                                      "((near",
                                      "'",
                                      "';--",
                                      "'); DROP TABLE files; --",
                                      "a\" OR \"b",
                                      "\\",
                                      "\\\"",
                                      "%",
                                      "_",
                                      "\x01 near",
                                      "\xff\xfe near",
                                      "near\xC3",
                                      "rank",
                                      "texts MATCH",
                                      "\xE2\x80\x9Cnear\xE2\x80\x9D",
                                      "[near]",
                                      "near,text",
                                      "a:b:c",
                                      "column:*",
                                      "?1",
                                      "?2 ?3",
                                      "near\nnear",
                                      "\t",
                                      "0",
                                      "near/2"};

/* Whatever is typed is words: nothing is an operator, nothing is an error of SQL or FTS5. */
static void hostile_words(void **state)
{
    const place *p = *state;
    add_turn(p, "one", "w", 1, "near and or not text", "a; DROP TABLE files; --");
    for (size_t i = 0; i < sizeof HOSTILE / sizeof *HOSTILE; i++) {
        search_hits hits;
        error err = {0};
        search *s = open_index(p, NULL);
        int result = search_find(s, &HOSTILE[i], 1, 10, &hits, &err);
        if (result && err.code != ERROR_USAGE)
            fail_msg("%s: %s", HOSTILE[i], err.text);
        search_hits_release(&hits);
        search_close(s);
    }
    assert_int_equal(found(p, "near AND or NOT"), 1); /* all four are in the text */
    assert_int_equal(found(p, "near XOR"), 0);
    char *huge = malloc(200001);
    for (int i = 0; i < 200000; i++)
        huge[i] = i % 5 ? 'x' : ' ';
    huge[200000] = '\0';
    search_hits hits;
    error err = {0};
    search *s = open_index(p, NULL);
    const char *word = huge;
    if (search_find(s, &word, 1, 10, &hits, &err))
        assert_int_equal(err.code, ERROR_USAGE);
    search_hits_release(&hits);
    search_close(s);
    free(huge);
    assert_int_equal(found(p, "drop"), 1);
}

/* ---- what changed ------------------------------------------------------------------------------ */

static void only_what_changed_is_read(void **state)
{
    const place *p = *state;
    search_report r;
    char path[192], other[192];
    add_turn(p, "one", "w", 1, "alpha", "beta");
    add_turn(p, "two", "w", 1, "gamma", "delta");
    search_close(open_index(p, &r));
    assert_true(r.rebuilt && r.files == 2 && r.read == 2 && r.gone == 0);
    assert_int_equal(r.kept.code, ERROR_NONE);
    search_close(open_index(p, &r));
    assert_true(!r.rebuilt && r.files == 2 && r.read == 0);
    add_turn(p, "one", "a", 2, "epsilon", "zeta");
    search_close(open_index(p, &r));
    assert_true(!r.rebuilt && r.read == 1);
    assert_int_equal(found(p, "zeta"), 1);
    assert_int_equal(found(p, "beta"), 1);
    /* as large, at the same time, but another file */
    (void)snprintf(path, sizeof path, "%s/two.jsonl", p->folder);
    (void)snprintf(other, sizeof other, "%s/new", p->folder);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    add_turn(p, "new", "w", 1, "gamma", "dELTA");
    (void)snprintf(other, sizeof other, "%s/new.jsonl", p->folder);
    struct timespec times[] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
    assert_int_equal(rename(other, path), 0);
    search_close(open_index(p, &r));
    assert_int_equal(r.read, 1);
    assert_int_equal(unlink(path), 0);
    search_close(open_index(p, &r));
    assert_true(r.gone == 1 && r.files == 1);
    assert_int_equal(found(p, "gamma"), 0);
}

static size_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (size_t)st.st_size;
}

/* The index is missing, cut anywhere, of nonsense, of another version, of another program. */
static void a_bad_index_is_made_anew(void **state)
{
    const place *p = *state;
    for (int i = 0; i < 40; i++) {
        char id[16], words[64];
        (void)snprintf(id, sizeof id, "t%d", i);
        (void)snprintf(words, sizeof words, "common word%d, and others", i);
        add_turn(p, id, "w", 1, words, "common answer");
    }
    assert_int_equal(found(p, "common"), 80);
    size_t size = size_of(p->index);
    assert_true(size > 8192);
    assert_int_equal(unlink(p->index), 0);
    assert_int_equal(found(p, "common"), 80);
    for (size_t cut = 0; cut < size; cut += size / 23 + 1) {
        assert_int_equal(truncate(p->index, (off_t)cut), 0);
        assert_int_equal(found(p, "common"), 80);
    }
    char junk[4096];
    memset(junk, 0xA5, sizeof junk);
    for (size_t at = 0; at + sizeof junk <= size; at += sizeof junk) {
        FILE *f = fopen(p->index, "r+");
        assert_non_null(f);
        assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
        assert_int_equal(fwrite(junk, 1, sizeof junk, f), sizeof junk);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(found(p, "common"), 80);
    }
    write_file(p->index, "w", "not a database at all, but long enough", 38);
    assert_int_equal(found(p, "word7"), 1);
}

static void without_a_place_it_is_in_memory(void **state)
{
    const place *p = *state;
    search_report r;
    search_hits hits;
    const char *word = "alpha";
    add_turn(p, "one", "w", 1, "alpha", "beta");
    char blocked[160];
    (void)snprintf(blocked, sizeof blocked, "%s/transcripts/one.jsonl/index.sqlite", p->root);
    search *s = search_open(p->folder, blocked, &r, NULL);
    assert_non_null(s);
    assert_int_equal(r.kept.code, ERROR_RUN);
    assert_int_equal(search_find(s, &word, 1, 10, &hits, NULL), 0);
    assert_int_equal(hits.total, 1);
    search_hits_release(&hits);
    search_close(s);
}

static void an_empty_folder(void **state)
{
    const place *p = *state;
    search_sessions all;
    search *s = open_index(p, NULL);
    assert_int_equal(search_list(s, &all, NULL), 0);
    assert_int_equal(all.len, 0);
    search_sessions_release(&all);
    search_close(s);
    assert_int_equal(rmdir(p->folder), 0);
    assert_int_equal(found(p, "anything"), 0);
}

static void broken_transcripts_hide_no_other(void **state)
{
    const place *p = *state;
    char path[192];
    search_sessions all;
    add_turn(p, "good", "w", 1, "alpha", "beta");
    (void)snprintf(path, sizeof path, "%s/bad.jsonl", p->folder);
    write_file(path, "w", "no header\n", 10);
    (void)snprintf(path, sizeof path, "%s/torn.jsonl", p->folder);
    add_turn(p, "torn", "w", 1, "gamma", "delta");
    write_file(path, "a", "garbage\n{\"type\":", 16);
    search *s = open_index(p, NULL);
    assert_int_equal(search_list(s, &all, NULL), 0);
    search_close(s);
    assert_int_equal(all.len, 3);
    for (size_t i = 0; i < all.len; i++) {
        const search_session *v = &all.v[i];
        bool bad = strcmp(v->id, "bad") == 0, torn = strcmp(v->id, "torn") == 0;
        assert_true(bad == (v->problem != NULL));
        assert_true(v->turns == !bad && v->damaged == torn && v->torn == (torn ? 8 : 0));
        assert_string_equal(v->title, bad ? "" : torn ? "gamma" : "alpha");
    }
    search_sessions_release(&all);
}

/* Two folders share an index and do not see each other. */
static void folders_are_apart(void **state)
{
    const place *p = *state;
    place other = *p;
    (void)snprintf(other.folder, sizeof other.folder, "%s/others", p->root);
    assert_int_equal(mkdir(other.folder, 0700), 0);
    add_turn(p, "one", "w", 1, "alpha", "mine");
    add_turn(&other, "one", "w", 1, "alpha", "theirs");
    assert_int_equal(found(p, "alpha"), 1);
    assert_int_equal(found(&other, "alpha"), 1);
    assert_int_equal(found(p, "theirs"), 0);
    char command[160];
    (void)snprintf(command, sizeof command, "rm -r %s", other.folder);
    assert_int_equal(system(command), 0);
    search_report r;
    search_close(open_index(p, &r));
    assert_int_equal(r.gone, 1); /* nobody will ask for those again */
}

/* Processes that ask while others write transcripts and throw the index away. */
static void many_at_once(void **state)
{
    const place *p = *state;
    enum { PROCESSES = 6, ROUNDS = 8 };
    pid_t children[PROCESSES];
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "t%d", i);
        add_turn(p, id, "w", 1, "common", "words");
    }
    for (int c = 0; c < PROCESSES; c++) {
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c])
            continue;
        int wrong = 0;
        for (int i = 0; i < ROUNDS; i++) {
            const char *word = "common";
            search_hits hits = {0};
            search *s = search_open(p->folder, p->index, NULL, NULL);
            wrong += !s || search_find(s, &word, 1, 100, &hits, NULL) || hits.total != 20;
            search_hits_release(&hits);
            if (c == 0 && s) /* damaged by hand while it is held */
                wrong += truncate(p->index, 5000) != 0;
            search_close(s);
        }
        _exit(wrong ? 1 : 0);
    }
    for (int c = 0; c < PROCESSES; c++) {
        int status;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(found(p, "common"), 20);
    struct stat st;
    assert_int_equal(stat(p->index, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_are_found),
        TEST(words_without_spaces_are_found),
        TEST(an_old_index_learns_them),
        TEST(hits_say_where),
        TEST(hostile_words),
        TEST(only_what_changed_is_read),
        TEST(a_bad_index_is_made_anew),
        TEST(without_a_place_it_is_in_memory),
        TEST(an_empty_folder),
        TEST(broken_transcripts_hide_no_other),
        TEST(folders_are_apart),
        TEST(many_at_once),
    };
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
