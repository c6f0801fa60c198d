/* test_faults.c - writing a transcript when the system fails, at every place where it can.
 *
 * The linker puts the wrappers below in place of the calls that reach the disk (Makefile: --wrap).
 * They count, and at the N-th call fail once or for ever, write half, are interrupted, or end the
 * process before or after the call; N goes from 1 until a run needs fewer calls. A session of four turns
 * is written each time. Whatever happened, what was reported saved is there, in order, every line
 * whole; and after a fault that passes everything is there. The wrappers also know what was flushed: a
 * second kind of end throws away or garbles all other bytes, as a power cut may.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transcript_support.h"

/* ---- the wrappers ------------------------------------------------------------------------------ */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_openat(int fd, const char *name, int flags, ...);
int __real_linkat(int from, const char *old, int to, const char *name, int flags);
int __real_unlinkat(int fd, const char *name, int flags);
int __real_flock(int fd, int how);
int __real_mkdir(const char *path, mode_t mode);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_openat(int fd, const char *name, int flags, ...);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_flock(int fd, int how);
int __wrap_mkdir(const char *path, mode_t mode);

typedef enum fault { NONE, ONCE, FOR_EVER, HALF, INTERRUPT, EXIT_BEFORE, EXIT_AFTER } fault;

/* Wrappers have no argument to hang state on. */
static struct {
    fault how;
    long calls, at; /* the at-th call from now is the one; 0 = none */
    int error;
    int no_links;  /* what linkat fails with, or 0 */
    off_t flushed; /* bytes of the last regular file that fsync has seen */
} disk;

/* What the call that happens now is to do. */
static fault next_call(void)
{
    disk.calls++;
    if (disk.how == NONE || disk.calls < disk.at || (disk.how != FOR_EVER && disk.calls > disk.at))
        return NONE;
    if (disk.how == EXIT_BEFORE)
        _exit(3);
    return disk.how;
}

static int refuse(int why)
{
    errno = why;
    return -1;
}

/* Calls that either happen or do not. */
#define WHOLE(call)                                                                                \
    do {                                                                                           \
        fault f_ = next_call();                                                                    \
        if (f_ == ONCE || f_ == FOR_EVER || f_ == HALF)                                            \
            return refuse(disk.error);                                                             \
        int r_ = (call);                                                                           \
        if (f_ == EXIT_AFTER)                                                                      \
            _exit(3);                                                                              \
        return r_;                                                                                 \
    } while (0)

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER)
        return refuse(disk.error);
    if (f == INTERRUPT)
        return refuse(EINTR);
    if (f == HALF) { /* the disk takes half, then no more until the cut */
        disk.at = disk.calls + 1;
        disk.how = ONCE;
        return __real_pwrite(fd, bytes, n / 2 + 1, at);
    }
    ssize_t put = __real_pwrite(fd, bytes, f == EXIT_AFTER ? n / 2 : n, at);
    if (f == EXIT_AFTER)
        _exit(3);
    return put;
}

int __wrap_fsync(int fd)
{
    struct stat s;
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF)
        return refuse(disk.error);
    if (f == INTERRUPT)
        return refuse(EINTR);
    int result = __real_fsync(fd);
    if (!result && fstat(fd, &s) == 0 && S_ISREG(s.st_mode))
        disk.flushed = s.st_size;
    if (f == EXIT_AFTER)
        _exit(3);
    return result;
}

int __wrap_ftruncate(int fd, off_t size)
{
    WHOLE(__real_ftruncate(fd, size));
}

int __wrap_openat(int fd, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    WHOLE(__real_openat(fd, name, flags, mode));
}

int __wrap_linkat(int from, const char *old, int to, const char *name, int flags)
{
    if (disk.no_links)
        return refuse(disk.no_links);
    WHOLE(__real_linkat(from, old, to, name, flags));
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    WHOLE(__real_unlinkat(fd, name, flags));
}

int __wrap_flock(int fd, int how)
{
    WHOLE(__real_flock(fd, how));
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    WHOLE(__real_mkdir(path, mode));
}

static void arm(fault how, long at, int why)
{
    disk.how = how;
    disk.at = at;
    disk.calls = 0;
    disk.error = why;
}

/* ---- the session ------------------------------------------------------------------------------- */

enum { TURNS = 4 };

/* Tells what is saved: the turns, and what of the file was flushed. */
typedef struct report {
    int turns;
    off_t flushed;
} report;

/* Writes TURNS turns with a sync after each and closes; the number that was reported saved last. ack
 * (may be -1) gets a report after each success. With `mend` the fault passes at last and one more
 * sync is tried. */
static int write_turns(const char *place, int ack, bool mend)
{
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
        report r = {saved, disk.flushed};
        if (ack >= 0 && saved == turn && write(ack, &r, sizeof r) < 0)
            _exit(4);
    }
    if (mend) {
        arm(NONE, 0, 0);
        if (transcript_sync(t, &err))
            fail_msg("%s", err.text);
        assert_int_equal(transcript_waiting(t), 0);
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
    arm(NONE, 0, 0);
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
    assert_int_equal(h->turns[h->turn_count - 1].turn, 9);
    h->turn_count = saved;
    transcripts_check(h, saved);
    history_close(h);
    transcript_close(t);
    transcript_repair_release(&r);
}

/* Calls that a session without faults makes. */
static long calls_needed(void)
{
    char *place = transcripts_folder();
    arm(NONE, 0, 0);
    assert_int_equal(write_turns(place, -1, false), TURNS);
    long calls = disk.calls;
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
            arm(faults[f], at, errors[at % 3]);
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
        arm(FOR_EVER, at, at % 2 ? ENOSPC : EIO);
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
        disk.no_links = errors[i % 2];
        arm(NONE, 0, 0);
        assert_int_equal(write_turns(place, -1, false), TURNS);
        char *before = transcripts_read(path, &n), *after;
        assert_null(transcript_create(place, "s", transcripts_model(), "0", "avx2", &err));
        assert_non_null(strstr(err.text, "already"));
        after = transcripts_read(path, &n);
        assert_string_equal(before, after);
        disk.no_links = 0;
        check(place, TURNS);
        free(before);
        free(after);
        free(path);
        transcripts_remove(place);
    }
}

/* What a power cut may leave of the bytes that were not flushed. */
static void lose_unflushed(const char *place, off_t flushed, bool garble)
{
    struct stat s;
    char *path = transcripts_path(place, "s.jsonl");
    if (stat(path, &s) == 0 && s.st_size > flushed && flushed > 0) {
        if (garble) {
            int fd = open(path, O_WRONLY);
            static const char zeros[512];
            for (off_t at = flushed; at < s.st_size; at += (off_t)sizeof zeros) {
                size_t n =
                    s.st_size - at < (off_t)sizeof zeros ? (size_t)(s.st_size - at) : sizeof zeros;
                assert_int_equal(__real_pwrite(fd, zeros, n, at), n);
            }
            (void)close(fd);
        } else {
            assert_int_equal(truncate(path, flushed), 0);
        }
    }
    free(path);
}

static void die_at(fault how, long at, bool power_cut)
{
    int pipe_ends[2], status;
    report last = {0}, r;
    char *place = transcripts_folder();
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        arm(how, at, 0);
        (void)write_turns(place, pipe_ends[1], false);
        _exit(0);
    }
    (void)close(pipe_ends[1]);
    while (read(pipe_ends[0], &r, sizeof r) == (ssize_t)sizeof r)
        last = r;
    (void)close(pipe_ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 0));
    assert_int_equal(last.turns == TURNS, WEXITSTATUS(status) == 0 || last.turns == TURNS);
    if (power_cut)
        lose_unflushed(place, last.flushed, at % 2);
    check(place, last.turns);
    transcripts_remove(place);
}

static void an_end_at_every_call_leaves_what_was_saved(void **state)
{
    (void)state;
    long calls = calls_needed();
    for (long at = 1; at <= calls; at++)
        for (int k = 0; k < 4; k++)
            die_at(k % 2 ? EXIT_AFTER : EXIT_BEFORE, at, k / 2);
    print_message("%ld calls, 4 kinds of end at each\n", calls);
}

/* Opening what has a torn end: it is kept whole beside the file, or nothing is touched. */
static void a_fault_while_mending_keeps_the_bytes(void **state)
{
    (void)state;
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    char *torn = transcripts_path(place, "s.jsonl.torn-1");
    size_t n, left;
    arm(NONE, 0, 0);
    assert_int_equal(write_turns(place, -1, false), TURNS);
    char *whole = transcripts_read(path, &n);
    bool opened = false;
    for (long at = 1; !opened; at++) {
        error err = {0};
        transcript_repair r = {0};
        transcripts_write(path, whole, n - 30);
        arm(ONCE, at, ENOSPC);
        transcript *t = transcript_open(place, "s", &r, &err);
        opened = t && disk.calls < at;
        char *now = transcripts_read(path, &left);
        if (!t) {
            assert_true(left == n - 30 || access(torn, F_OK) == 0);
            assert_int_equal(err.code, ERROR_RUN);
        }
        transcript_close(t);
        transcript_repair_release(&r);
        arm(NONE, 0, 0);
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
        cmocka_unit_test(a_fault_while_mending_keeps_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
