/* test_transcript.c - what was written is read; what a crash or a stranger left is survived.
 *
 * A file of three turns is cut at every byte and filled up with NUL: opening recovers all whole
 * records, keeps what it cuts off, and the next turn is appended and read back. A writer is killed at
 * fifty moments: what it had reported saved is there.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transcript_support.h"

static transcript *create(const char *place, const char *id)
{
    error err = {0};
    transcript *t = transcript_create(place, id, transcripts_model(), "0.1.0", "avx2", &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static transcript *reopen(const char *place, const char *id, transcript_repair *r)
{
    error err = {0};
    transcript *t = transcript_open(place, id, r, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static history *load(const char *path)
{
    error err = {0};
    history *h = history_load(path, &err);
    if (!h)
        fail_msg("%s", err.text);
    return h;
}

/* `turns` turns, synced; closes. */
static void write_session(const char *place, const char *id, int turns)
{
    error err = {0};
    transcript *t = create(place, id);
    for (int i = 1, parent = 0; i <= turns; i++) {
        int answer = transcripts_turn(t, i, parent, &err);
        assert_true(answer > 0);
        parent = answer - 1;
    }
    assert_int_equal(transcript_pending(t), 0);
    assert_int_equal(transcript_sync(t, &err), 0);
    transcript_close(t);
}

static size_t lines_in(const char *bytes, size_t n)
{
    size_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void a_session_is_what_its_file_says(void **state)
{
    (void)state;
    char *place = transcripts_folder(), *below = transcripts_path(place, "a"), *path, *folder;
    struct stat s;
    folder = transcripts_path(below, "b"); /* two folders to be made */
    write_session(folder, "first", 3);
    path = transcripts_path(folder, "first.jsonl");
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(s.st_nlink, 1);
    assert_int_equal(stat(folder, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0700);
    history *h = load(path);
    transcripts_check(h, 3);
    assert_string_equal(h->id, "first");
    assert_string_equal(h->version, "0.1.0");
    assert_string_equal(h->isa, "avx2");
    assert_string_equal(h->model.architecture, "qwen3moe");
    assert_string_equal(h->model.fingerprint, "0123abcd");
    assert_int_equal(h->model.experts, 8);
    assert_int_equal(strlen(h->created), strlen("2026-11-22T11:31:24Z"));
    assert_int_equal(h->records, 6);
    assert_true(h->turns[0].time > 1.6e9 && h->turns[0].time < 1e11);
    history_close(h);
    free(path);
    transcripts_remove(folder);
    transcripts_remove(below);
    transcripts_remove(place);
}

static void nothing_is_made_before_the_first_record(void **state)
{
    (void)state;
    error err = {0};
    char *place = transcripts_folder();
    transcript_list l;
    transcript *t = transcript_prepare(place, NULL, transcripts_model(), "0.1.0", "avx2", &err);
    assert_non_null(t);
    assert_null(transcript_id(t));
    assert_int_equal(transcript_list_all(place, &l, &err), 0);
    assert_int_equal(l.len, 0);
    assert_true(transcripts_turn(t, 1, 0, &err) > 0);
    assert_int_equal(strlen(transcript_id(t)), 8);
    history *h = load(transcript_path(t));
    transcripts_check(h, 1);
    assert_string_equal(h->id, transcript_id(t));
    history_close(h);
    transcript_close(t);
    transcripts_remove(place);
}

static void a_name_is_taken_once(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a/b",
        "..",
        "a.b",
        "\xc3\xa9",
        " ",
        "12345678901234567890123456789012345678901234567890123456789012345"};
    error err = {0};
    char *place = transcripts_folder();
    write_session(place, "one", 1);
    assert_null(transcript_create(place, "one", transcripts_model(), "0.1.0", "avx2", &err));
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "one already"));
    assert_true(transcript_exists(place, "one"));
    assert_false(transcript_exists(place, "two"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(transcript_create(place, bad[i], transcripts_model(), "0.1.0", "avx2", &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_null(transcript_open(place, bad[i], NULL, &err));
        assert_int_equal(err.code, ERROR_USAGE);
    }
    transcripts_remove(place);
}

static void a_second_writer_is_refused_by_name(void **state)
{
    (void)state;
    error err = {0};
    char pid[32], *place = transcripts_folder();
    transcript *t = create(place, "mine");
    assert_true(transcripts_turn(t, 1, 0, &err) > 0);
    assert_null(transcript_open(place, "mine", NULL, &err));
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "session mine is being written by"));
    (void)snprintf(pid, sizeof pid, "process %d", (int)getpid());
    if (!strstr(err.text, pid))
        print_message("the kernel's list of locks names no process here: \"%s\"\n", err.text);
    history *h = load(transcript_path(t)); /* readers never are */
    transcripts_check(h, 1);
    history_close(h);
    transcript_close(t);
    transcript_close(reopen(place, "mine", NULL));
    transcripts_remove(place);
}

static void a_file_that_others_changed_takes_nothing(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        error err = {0};
        char *place = transcripts_folder();
        transcript *t = create(place, "shared");
        assert_true(transcripts_turn(t, 1, 0, &err) > 0);
        if (how == 0)
            assert_int_equal(unlink(transcript_path(t)), 0);
        if (how == 1)
            assert_int_equal(truncate(transcript_path(t), 20), 0);
        FILE *f = how == 2 ? fopen(transcript_path(t), "a") : NULL;
        if (f) {
            (void)fputs("theirs\n", f);
            (void)fclose(f);
        }
        assert_int_equal(transcript_sync(t, &err), -1);
        assert_int_equal(err.code, ERROR_RUN);
        assert_int_equal(transcripts_turn(t, 2, 1, &err), -1);
        assert_int_equal(transcript_pending(t), 2);
        transcript_close(t);
        transcripts_remove(place);
    }
}

/* ---- what a crash left ------------------------------------------------------------------------- */

/* Opens the damaged file, appends turn `turn`, and returns what is read then. */
static history *go_on(const char *place, const char *id, int turn, int parent, transcript_repair *r)
{
    error err = {0};
    transcript *t = reopen(place, id, r);
    int last = transcript_last(t);
    assert_int_equal(transcripts_turn(t, turn, parent, &err), last + 2);
    assert_int_equal(transcript_sync(t, &err), 0);
    history *h = load(transcript_path(t));
    transcript_close(t);
    return h;
}

static void check_kept(const char *place, transcript_repair *r, const char *bytes, size_t n)
{
    assert_int_equal(r->torn, n);
    if (n) {
        size_t len;
        char *first = transcripts_path(place, "s.jsonl.torn-1");
        assert_string_equal(r->kept, first);
        char *kept = transcripts_read(first, &len);
        assert_int_equal(len, n);
        assert_memory_equal(kept, bytes, n);
        free(kept);
        assert_int_equal(unlink(first), 0);
        free(first);
    } else {
        assert_null(r->kept);
    }
}

/* Bytes [0, cut) of the session, and `nuls` NUL bytes behind them. */
static void check_cut(const char *place, const char *path, const char *whole, size_t cut,
                      size_t nuls)
{
    error err = {0};
    transcript_repair r = {0};
    char *bytes = calloc(1, cut + nuls + 1);
    memcpy(bytes, whole, cut);
    transcripts_write(path, bytes, cut + nuls);
    size_t lines = lines_in(whole, cut);
    if (lines == 0) {
        assert_null(transcript_open(place, "s", &r, &err));
        assert_int_equal(err.code, ERROR_LOAD);
    } else {
        bool completes = nuls == 0 && whole[cut] == '\n' && whole[cut - 1] == '}';
        size_t end = completes ? cut : (size_t)((char *)memrchr(whole, '\n', cut) - whole) + 1;
        size_t records = lines - 1 + completes;
        history *h = go_on(place, "s", 9, 0, &r);
        check_kept(place, &r, bytes + end, cut + nuls - end);
        assert_int_equal(r.damaged, 0);
        assert_int_equal(h->records, records + 2);
        assert_int_equal(h->damaged + h->torn, 0);
        assert_int_equal(h->turns[h->turn_count - 1].number, 9);
        assert_int_equal(h->turns[h->turn_count - 1].answers[0].ids.len, 9);
        assert_int_equal(h->turn_count, (records + 1) / 2 + 1);
        history_close(h);
    }
    transcript_repair_release(&r);
    free(bytes);
}

static void a_cut_at_every_byte_is_mended(void **state)
{
    (void)state;
    size_t n;
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    write_session(place, "s", 3);
    char *whole = transcripts_read(path, &n);
    for (size_t cut = 0; cut <= n; cut++)
        check_cut(place, path, whole, cut, 0);
    print_message("cut at each of %zu bytes\n", n);
    free(whole);
    free(path);
    transcripts_remove(place);
}

static void a_tail_of_nul_is_cut_off(void **state)
{
    static const size_t runs[] = {1, 200, 700, 4096, 143 * 1024};
    (void)state;
    size_t n;
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    write_session(place, "s", 3);
    char *whole = transcripts_read(path, &n);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        for (size_t cut = n - 40; cut <= n; cut += 8)
            check_cut(place, path, whole, cut, runs[i]);
    free(whole);
    free(path);
    transcripts_remove(place);
}

/* Line `line` (from 1) of the file replaced by other bytes; the file's new length. */
static size_t replace_line(char *out, const char *whole, size_t n, size_t line, const char *bytes,
                           size_t len)
{
    const char *from = whole;
    for (size_t i = 1; i < line; i++)
        from = (const char *)memchr(from, '\n', n) + 1;
    const char *end = memchr(from, '\n', n - (size_t)(from - whole));
    size_t head = (size_t)(from - whole), tail = n - (size_t)(end - whole);
    memcpy(out, whole, head);
    memcpy(out + head, bytes, len);
    memcpy(out + head + len, end, tail);
    return head + len + tail;
}

static void damage_inside_is_counted_and_stays(void **state)
{
    static const char nuls[300], *const torn = "{\"type\":\"answer\",\"n\":3,\"te{\"type\":1}";
    (void)state;
    size_t n, after;
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    write_session(place, "s", 3);
    char *whole = transcripts_read(path, &n), *bad = malloc(n + 1000);
    for (size_t line = 2; line <= 7; line++) {
        transcript_repair r = {0};
        size_t len = replace_line(bad, whole, n, line, line % 2 ? torn : nuls,
                                  line % 2 ? strlen(torn) : sizeof nuls);
        transcripts_write(path, bad, len);
        history *h = go_on(place, "s", 4, 0, &r);
        assert_int_equal(r.torn, 0);
        assert_int_equal(r.damaged, 1);
        assert_int_equal(r.first_damaged, line);
        assert_int_equal(h->damaged, 1);
        assert_int_equal(h->first_damaged, line);
        assert_int_equal(h->records, 5 + 2);
        history_close(h);
        char *now = transcripts_read(path, &after);
        assert_memory_equal(now, bad, len); /* nothing was taken away */
        free(now);
    }
    free(bad);
    free(whole);
    free(path);
    transcripts_remove(place);
}

/* ---- strangers --------------------------------------------------------------------------------- */

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    error err = {0};
    char *place = transcripts_folder();
    char *real = transcripts_path(place, "real.jsonl"),
         *via = transcripts_path(place, "link.jsonl");
    char *pipe_path = transcripts_path(place, "fifo.jsonl"),
         *full = transcripts_path(place, "full.jsonl");
    write_session(place, "real", 1);
    assert_int_equal(symlink(real, via), 0);
    assert_int_equal(symlink("/dev/full", full), 0);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    static const char *const names[] = {"link", "fifo", "full", "absent"};
    for (size_t i = 0; i < 4; i++) {
        assert_null(transcript_open(place, names[i], NULL, &err));
        assert_int_equal(err.code, ERROR_RUN);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_null(transcript_create(place, names[i], transcripts_model(), "0", "avx2", &err));
        assert_int_equal(err.code, ERROR_RUN);
    }
    assert_null(history_load(pipe_path, &err));
    assert_null(history_load(full, &err));
    assert_null(history_load(place, &err));
    free(real);
    free(via);
    free(pipe_path);
    free(full);
    transcripts_remove(place);
}

static void what_is_no_transcript_is_refused(void **state)
{
    static const char *const files[] = {"",
                                        "\n",
                                        "{}\n",
                                        "[1]\n",
                                        "{\"transcript\":2}\n",
                                        "{\"transcript\":\"1\"}\n",
                                        "{\"type\":\"prompt\",\"n\":1}\n",
                                        "\xff\n"};
    (void)state;
    char *place = transcripts_folder(), *path = transcripts_path(place, "x.jsonl");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        error err = {0};
        transcripts_write(path, files[i], strlen(files[i]));
        assert_null(history_load(path, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_null(transcript_open(place, "x", NULL, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, path));
    }
    free(path);
    transcripts_remove(place);
}

/* ---- finding ----------------------------------------------------------------------------------- */

static void sessions_are_found_by_their_beginning(void **state)
{
    (void)state;
    error err = {0};
    char *id, *place = transcripts_folder();
    transcript_list l;
    assert_int_equal(transcript_find(place, "3f", &id, &err), -1);
    assert_string_equal(err.text, "no session is saved yet");
    write_session(place, "3f9a0000", 1);
    write_session(place, "3f9b1111", 1);
    write_session(place, "3f9", 1);
    write_session(place, "other", 1);
    char *stray = transcripts_path(place, "not a name.jsonl"),
         *torn = transcripts_path(place, "a.jsonl.torn-1");
    transcripts_write(stray, "", 0);
    transcripts_write(torn, "", 0);
    assert_int_equal(transcript_list_all(place, &l, &err), 0);
    assert_int_equal(l.len, 4);
    assert_string_equal(l.v[0].id, "other"); /* newest first */
    assert_string_equal(l.v[3].id, "3f9a0000");
    transcript_list_release(&l);
    assert_int_equal(transcript_find(place, "3f9a", &id, &err), 0);
    assert_string_equal(id, "3f9a0000");
    free(id);
    assert_int_equal(transcript_find(place, "3f9", &id, &err), 0); /* an exact name wins */
    assert_string_equal(id, "3f9");
    free(id);
    assert_int_equal(transcript_find(place, "3", &id, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "3 sessions begin"));
    assert_int_equal(transcript_find(place, "oz", &id, &err), -1);
    assert_non_null(strstr(err.text, "nearest is other"));
    assert_int_equal(transcript_find(place, "", &id, &err), -1);
    assert_int_equal(transcript_prefix_length(place, "other"), 4);
    assert_int_equal(transcript_prefix_length(place, "3f9a0000"), 4);
    write_session(place, "3f9a0001", 1);
    assert_int_equal(transcript_prefix_length(place, "3f9a0000"), 8);
    free(stray);
    free(torn);
    transcripts_remove(place);
}

/* ---- dying ------------------------------------------------------------------------------------- */

/* A writer that reports each turn that was saved, until it is killed. */
static void write_for_ever(const char *place, int report)
{
    error err = {0};
    transcript *t = transcript_create(place, "s", transcripts_model(), "0.1.0", "avx2", &err);
    for (int turn = 1, parent = 0; t && turn < 100000; turn++) {
        int answer = transcripts_turn(t, turn, parent, &err);
        if (answer < 0 || transcript_sync(t, &err) || write(report, &turn, sizeof turn) < 0)
            break;
        parent = answer - 1;
    }
    _exit(1);
}

static int last_report(int from)
{
    int turn = 0, next;
    while (read(from, &next, sizeof next) == (ssize_t)sizeof next)
        turn = next;
    return turn;
}

static void a_killed_writer_leaves_what_it_reported(void **state)
{
    (void)state;
    int most = 0;
    for (int i = 0; i < 50; i++) {
        int report[2];
        char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
        assert_int_equal(pipe(report), 0);
        pid_t child = fork();
        if (child == 0)
            write_for_ever(place, report[1]);
        (void)close(report[1]);
        (void)usleep(300u + 700u * (useconds_t)i);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        int saved = last_report(report[0]);
        (void)close(report[0]);
        most = saved > most ? saved : most;
        if (transcript_exists(place, "s")) {
            transcript_repair r = {0};
            history *h = go_on(place, "s", 100001, 0, &r);
            assert_true(h->turn_count - 1 >= saved && h->turn_count - 1 <= saved + 1);
            assert_int_equal(h->damaged, 0);
            transcripts_check_first(h, saved);
            history_close(h);
            transcript_repair_release(&r);
        } else {
            assert_int_equal(saved, 0);
        }
        free(path);
        transcripts_remove(place);
    }
    print_message("50 kills, up to %d turns saved before one\n", most);
    assert_true(most > 0);
}

/* A file system of 64 KiB: what does not fit waits, and nothing half-written stays. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    error err = {0};
    char *place = transcripts_folder();
    if (mount("none", place, "tmpfs", 0, "size=64k")) {
        print_message("SKIPPED: no tmpfs can be mounted here\n");
        transcripts_remove(place);
        skip();
    }
    transcript *t = transcript_create(place, "s", transcripts_model(), "0.1.0", "avx2", &err);
    int turn = 0, parent = 0, saved = 0;
    while (t && turn < 2000 && (turn == 0 || saved == turn)) {
        turn++;
        int answer = transcripts_turn(t, turn, parent, &err);
        saved = answer > 0 && transcript_sync(t, &err) == 0 ? turn : saved;
        parent = transcript_last(t) - 1;
    }
    bool full = t && saved < turn && strstr(err.text, "No space left") && transcript_pending(t) > 0;
    size_t n = 0;
    char *bytes = t ? transcripts_read(transcript_path(t), &n) : NULL;
    bool whole = n > 0 && bytes[n - 1] == '\n';
    bool grown = mount("none", place, "tmpfs", MS_REMOUNT, "size=1m") == 0;
    bool after = t && transcript_sync(t, &err) == 0 && transcript_pending(t) == 0;
    history *h = t ? history_load(transcript_path(t), &err) : NULL;
    transcript_close(t);
    (void)umount(place);
    transcripts_remove(place);
    free(bytes);
    assert_true(full && whole && grown && after);
    transcripts_check(h, turn);
    print_message("the disk was full in turn %d\n", turn);
    history_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_what_its_file_says),
        cmocka_unit_test(nothing_is_made_before_the_first_record),
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(a_second_writer_is_refused_by_name),
        cmocka_unit_test(a_file_that_others_changed_takes_nothing),
        cmocka_unit_test(a_cut_at_every_byte_is_mended),
        cmocka_unit_test(a_tail_of_nul_is_cut_off),
        cmocka_unit_test(damage_inside_is_counted_and_stays),
        cmocka_unit_test(only_regular_files_are_opened),
        cmocka_unit_test(what_is_no_transcript_is_refused),
        cmocka_unit_test(sessions_are_found_by_their_beginning),
        cmocka_unit_test(a_killed_writer_leaves_what_it_reported),
        cmocka_unit_test(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
