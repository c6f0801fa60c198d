/* test_faults.c - writing a transcript when the system fails, at every place where it can.
 *
 * wrap_disk.h makes the N-th call that reaches the disk fail, or the last one; N goes from 1 until a
 * run needs fewer calls. A session of four turns is written each time. Whatever happened, what was
 * reported saved is there, in order, every line whole; after a fault that passes everything is there;
 * and after a power cut, in every way in which the disk may have forgotten.
 *
 * Builds with one of these faults planted must fail here: see `plants` in the Makefile.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transcript_support.h"
#include "wrap_disk.h"

/* ---- the session ------------------------------------------------------------------------------- */

enum { TURNS = 4 };

/* Writes TURNS turns with a sync after each and closes; the number that was reported saved last. ack
 * (may be -1) gets it after each success. With `mend` the fault passes at last and one more
 * sync is tried. */
static int write_turns(const char *place, int ack, bool mend)
{
    disk_forget_files();
    error err = {0};
    int saved = 0, parent = 0;
    transcript *t = transcript_prepare(place, "s", transcripts_model(), "0.1.0", "avx2", &err);
    assert_non_null(t);
    for (int turn = 1; turn <= TURNS; turn++) {
        (void)transcripts_turn(t, turn, parent, &err);
        parent = transcript_last(t) - 1;
        if (transcript_sync(t, &err) == 0)
            saved = turn;
        else
            assert_int_equal(err.code, ERROR_RUN);
        if (ack >= 0 && saved == turn && write(ack, &saved, sizeof saved) < 0)
            _exit(4);
    }
    if (mend) {
        disk_arm(NONE, 0, 0);
        if (transcript_sync(t, &err))
            fail_msg("%s", err.text);
        assert_int_equal(transcript_pending(t), 0);
        saved = TURNS;
    }
    transcript_close(t);
    return saved;
}

/* At least the first `saved` turns are in the file, and the next turn can be appended. */
static void check(const char *place, int saved)
{
    error err = {0};
    transcript_repair r = {0};
    disk_arm(NONE, 0, 0);
    if (!transcript_exists(place, "s")) {
        assert_int_equal(saved, 0);
        return;
    }
    transcript *t = transcript_open(place, "s", &r, &err);
    if (!t)
        fail_msg("%s", err.text);
    assert_true(transcripts_turn(t, 9, 0, &err) > 0);
    assert_int_equal(transcript_sync(t, &err), 0);
    history *h = history_load(transcript_path(t), &err);
    assert_non_null(h);
    assert_int_equal(h->damaged + r.damaged + h->torn, 0);
    assert_true(h->turn_count > saved);
    assert_int_equal(h->turns[h->turn_count - 1].number, 9);
    transcripts_check_first(h, saved);
    history_close(h);
    transcript_close(t);
    transcript_repair_release(&r);
}

/* Calls that a session without faults makes. */
static long calls_needed(void)
{
    char *place = transcripts_folder();
    disk_arm(NONE, 0, 0);
    assert_int_equal(write_turns(place, -1, false), TURNS);
    long calls = disk_calls();
    check(place, TURNS);
    transcripts_remove(place);
    return calls;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void a_fault_that_passes_loses_nothing(void **state)
{
    static const fault faults[] = {ONCE, HALF, INTERRUPT, FOR_EVER};
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    (void)state;
    long calls = calls_needed();
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++)
        for (long at = 1; at <= calls; at++) {
            char *place = transcripts_folder();
            disk_arm(faults[f], at, errors[at % 3]);
            assert_int_equal(write_turns(place, -1, true), TURNS);
            check(place, TURNS);
            transcripts_remove(place);
        }
    print_message("%ld calls, each failing in 4 ways, then well again\n", calls);
}

static void a_fault_that_stays_loses_nothing_saved(void **state)
{
    (void)state;
    long calls = calls_needed();
    for (long at = 1; at <= calls; at++) {
        char *place = transcripts_folder();
        disk_arm(FOR_EVER, at, at % 2 ? ENOSPC : EIO);
        int saved = write_turns(place, -1, false);
        assert_true(saved < TURNS || at > calls - 4);
        check(place, saved);
        transcripts_remove(place);
    }
}

/* A file system without hard links: a new file is renamed to its name, and takes nobody's place. */
static void no_links_are_needed(void **state)
{
    static const int errors[] = {EPERM, EOPNOTSUPP};
    (void)state;
    for (int i = 0; i < 4; i++) {
        char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
        error err = {0};
        size_t n;
        disk_refuse_links(errors[i % 2]);
        disk_arm(NONE, 0, 0);
        assert_int_equal(write_turns(place, -1, false), TURNS);
        char *before = transcripts_read(path, &n), *after;
        assert_null(transcript_create(place, "s", transcripts_model(), "0", "avx2", &err));
        assert_non_null(strstr(err.text, "already"));
        after = transcripts_read(path, &n);
        assert_string_equal(before, after);
        disk_refuse_links(0);
        check(place, TURNS);
        free(before);
        free(after);
        free(path);
        transcripts_remove(place);
    }
}

/* ---- a power cut ------------------------------------------------------------------------------- */

static void remove_all(char *root)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    free(root);
}

/* A folder for a session, a/b in a new root, and a shadow for it. */
static char *begin_shadow(char **root, char **shadow)
{
    *shadow = transcripts_folder();
    *root = transcripts_folder();
    disk_shadow(*shadow);
    return transcripts_path(*root, "a/b");
}

static void end_shadow(char *root, char *shadow, char *place)
{
    remove_all(shadow);
    remove_all(root);
    free(place);
    disk_shadow(NULL);
}

/* Does `work` in a process of its own that ends at a call; the last number that it told. */
static int die_in(int (*work)(const char *place, int ack, bool mend), const char *place, fault how,
                  long at)
{
    int ends[2], status, last = 0, told;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        disk_arm(how, at, 0);
        (void)work(place, ends[1], false);
        _exit(0);
    }
    (void)close(ends[1]);
    while (read(ends[0], &told, sizeof told) == (ssize_t)sizeof told)
        last = told;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 0));
    return last;
}

/* Every way in which the power may have gone; `test` looks at what is left. */
static void cut_power(const char *root, void (*test)(const char *place, int saved), int saved)
{
    disk_arm(NONE, 0, 0);
    for (int how = 0; how < 2 * CUT_BYTES; how++) {
        char *left = transcripts_folder(), *place = transcripts_path(left, "a/b");
        disk_restore(root, left, how % 2 ? NAMES_LOST : NAMES_KEPT, (cut_bytes)(how / 2));
        if (access(place, F_OK) == 0)
            test(place, saved);
        else
            assert_int_equal(saved, 0);
        free(place);
        remove_all(left);
    }
}

static void an_end_at_every_call_leaves_what_was_saved(void **state)
{
    (void)state;
    long calls = calls_needed() + 4; /* and those that make folders, and none at all */
    for (long at = 1; at <= calls; at++)
        for (int k = 0; k < 2; k++) {
            char *root, *shadow, *place = begin_shadow(&root, &shadow);
            int saved = die_in(write_turns, place, k ? EXIT_AFTER : EXIT_BEFORE, at);
            cut_power(root, check, saved);
            if (access(place, F_OK) == 0)
                check(place, saved);
            end_shadow(root, shadow, place);
        }
    print_message("%ld calls, 2 kinds of end at each, 6 ways to lose power\n", calls);
}

/* ---- mending ----------------------------------------------------------------------------------- */

enum { TORN = 30 };

static int open_torn(const char *place, int ack, bool mend)
{
    transcript *t = transcript_open(place, "s", NULL, NULL);
    (void)ack;
    (void)mend;
    transcript_close(t);
    return 0;
}

/* The bytes of the torn line are at the file's end or in a copy beside it. */
static void check_torn(const char *place, int saved)
{
    size_t n, copied = 0;
    char *path = transcripts_path(place, "s.jsonl"), *bytes = transcripts_read(path, &n);
    char *copy = transcripts_path(place, "s.jsonl.torn-1"), *kept = NULL;
    if (access(copy, F_OK) == 0)
        kept = transcripts_read(copy, &copied);
    bool there = n > 0 && bytes[n - 1] != '\n';
    if (!there && (copied < TORN || kept[0] != '{' || memchr(kept, '\0', copied)))
        fail_msg("the torn line is cut off, and its copy holds %zu bytes", copied);
    free(path);
    free(bytes);
    free(copy);
    free(kept);
    check(place, saved);
}

/* A session whose last line is torn, all of it on the disk. */
static void make_torn(const char *root, const char *place)
{
    size_t n;
    char *path = transcripts_path(place, "s.jsonl");
    const char *folders[] = {root, NULL, place};
    char *middle = transcripts_path(root, "a");
    disk_arm(NONE, 0, 0);
    assert_int_equal(write_turns(place, -1, false), TURNS);
    char *whole = transcripts_read(path, &n);
    transcripts_write(path, whole, n - TORN);
    int fd = open(path, O_RDONLY);
    assert_int_equal(fsync(fd), 0);
    (void)close(fd);
    folders[1] = middle;
    for (int i = 0; i < 3; i++) {
        fd = open(folders[i], O_RDONLY | O_DIRECTORY);
        assert_int_equal(fsync(fd), 0);
        (void)close(fd);
    }
    free(whole);
    free(middle);
    free(path);
}

static void an_end_while_mending_keeps_the_bytes(void **state)
{
    (void)state;
    for (long at = 1; at <= 12; at++)
        for (int k = 0; k < 2; k++) {
            char *root, *shadow, *place = begin_shadow(&root, &shadow);
            make_torn(root, place);
            (void)die_in(open_torn, place, k ? EXIT_AFTER : EXIT_BEFORE, at);
            cut_power(root, check_torn, TURNS - 1);
            end_shadow(root, shadow, place);
        }
}

/* Opening what has a torn end: it is kept whole beside the file, or nothing is touched. */
static void a_fault_while_mending_keeps_the_bytes(void **state)
{
    (void)state;
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    char *torn = transcripts_path(place, "s.jsonl.torn-1");
    size_t n, left;
    disk_arm(NONE, 0, 0);
    assert_int_equal(write_turns(place, -1, false), TURNS);
    char *whole = transcripts_read(path, &n);
    bool opened = false;
    for (long at = 1; !opened; at++) {
        error err = {0};
        transcript_repair r = {0};
        transcripts_write(path, whole, n - 30);
        disk_arm(ONCE, at, ENOSPC);
        transcript *t = transcript_open(place, "s", &r, &err);
        opened = t && disk_calls() < at;
        char *now = transcripts_read(path, &left);
        if (!t) {
            assert_true(left == n - 30 || access(torn, F_OK) == 0);
            assert_int_equal(err.code, ERROR_RUN);
        }
        transcript_close(t);
        transcript_repair_release(&r);
        disk_arm(NONE, 0, 0);
        check(place, TURNS - 1);
        (void)unlink(torn);
        free(now);
    }
    free(whole);
    free(torn);
    free(path);
    transcripts_remove(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_that_passes_loses_nothing),
        cmocka_unit_test(a_fault_that_stays_loses_nothing_saved),
        cmocka_unit_test(no_links_are_needed),
        cmocka_unit_test(an_end_at_every_call_leaves_what_was_saved),
        cmocka_unit_test(an_end_while_mending_keeps_the_bytes),
        cmocka_unit_test(a_fault_while_mending_keeps_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
