/* test_faults.c - writing a transcript when the system fails, at every place where it can.
 *
 * The linker puts the wrappers below in place of the calls that reach the disk (Makefile: --wrap).
 * They count, and at the N-th call fail once or for ever, write half, are interrupted, or end the
 * process before or after the call; N goes from 1 until a run needs fewer calls. A session of four turns
 * is written each time. Whatever happened, what was reported saved is there, in order, every line
 * whole; and after a fault that passes everything is there.
 *
 * A power cut is worse than an end: what was not flushed may be lost. So the wrappers keep beside the
 * folder what a disk would hold of it: of each file the bytes at its last fsync, of each folder the
 * names at its own. After a cut the folder is put together from that, or from any mixture of that and
 * what was written since (the model of SQLite's crash tests): flushing nothing, or the file but not
 * its folder, loses what was reported saved. A flush that fails takes the bytes with it.
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
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>

#include "transcript_support.h"

/* ---- the wrappers ------------------------------------------------------------------------------ */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
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

enum { FILES = 16 };

/* Wrappers have no argument to hang state on. */
static struct {
    fault how;
    long calls, at; /* the at-th call from now is the one; 0 = none */
    int error;
    int no_links; /* what linkat fails with, or 0 */
    struct {      /* new files, and how much of each was flushed */
        ino_t inode;
        off_t size;
    } flushed[FILES];
    int files;
    char shadow[64]; /* folder of what the disk holds: i<inode> of a file, d<inode> of a folder */
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

/* ---- what the disk holds ----------------------------------------------------------------------- */

static void shadow_path(char out[128], char kind, ino_t inode)
{
    (void)snprintf(out, 128, "%s/%c%llu", disk.shadow, kind, (unsigned long long)inode);
}

/* A file or folder is new: the disk holds nothing of it. */
static void shadow_forget(ino_t inode)
{
    char path[128];
    if (!disk.shadow[0])
        return;
    shadow_path(path, 'i', inode);
    (void)unlink(path);
    shadow_path(path, 'd', inode);
    (void)unlink(path);
}

static void shadow_file(int fd, const struct stat *s)
{
    char path[128], own[64], *bytes = malloc((size_t)s->st_size + 1);
    (void)snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    int in = open(own, O_RDONLY);
    assert_true(bytes && in >= 0 && pread(in, bytes, (size_t)s->st_size, 0) == s->st_size);
    (void)close(in);
    shadow_path(path, 'i', s->st_ino);
    transcripts_write(path, bytes, (size_t)s->st_size);
    free(bytes);
}

/* "INODE NAME", a line each, into a file of that kind. */
static void list_folder(int fd, ino_t inode, char kind)
{
    char path[128];
    shadow_path(path, kind, inode);
    FILE *out = fopen(path, "w");
    int own = __real_openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    assert_true(out && d);
    for (const struct dirent *at; (at = readdir(d)) != NULL;)
        if (at->d_name[0] != '.')
            (void)fprintf(out, "%llu %s\n", (unsigned long long)at->d_ino, at->d_name);
    (void)closedir(d);
    (void)fclose(out);
}

static void note_flushed(ino_t inode, off_t size, bool new)
{
    int i = 0;
    while (i < disk.files && disk.flushed[i].inode != inode)
        i++;
    if (i == disk.files && (!new || i == FILES))
        return;
    disk.files += i == disk.files;
    disk.flushed[i].inode = inode;
    disk.flushed[i].size = size;
}

/* What is flushed is on the disk. */
static void shadow_flush(int fd)
{
    struct stat s;
    if (fstat(fd, &s))
        return;
    if (S_ISREG(s.st_mode))
        note_flushed(s.st_ino, s.st_size, false);
    if (disk.shadow[0])
        S_ISREG(s.st_mode) ? shadow_file(fd, &s) : list_folder(fd, s.st_ino, 'd');
}

/* The kernel may drop what it could not write, and call it clean. */
static void lose_pages(int fd)
{
    struct stat s;
    static const char zeros[4096];
    if (fstat(fd, &s) || !S_ISREG(s.st_mode))
        return;
    int i = 0;
    while (i < disk.files && disk.flushed[i].inode != s.st_ino)
        i++;
    for (off_t at = i < disk.files ? disk.flushed[i].size : s.st_size, n; at < s.st_size; at += n) {
        n = s.st_size - at < (off_t)sizeof zeros ? s.st_size - at : (off_t)sizeof zeros;
        (void)!__real_pwrite(fd, zeros, (size_t)n, at);
    }
}

/* ---- the calls --------------------------------------------------------------------------------- */

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
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF) {
        lose_pages(fd);
        return refuse(disk.error);
    }
    if (f == INTERRUPT)
        return refuse(EINTR);
    shadow_flush(fd); /* the real one would only cost time */
    int result = 0;
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
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF)
        return refuse(disk.error);
    int made = __real_openat(fd, name, flags, mode);
    struct stat s;
    if (made >= 0 && flags & O_EXCL && fstat(made, &s) == 0) {
        shadow_forget(s.st_ino);
        note_flushed(s.st_ino, 0, true);
    }
    if (f == EXIT_AFTER)
        _exit(3);
    return made;
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
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF)
        return refuse(disk.error);
    int result = __real_mkdir(path, mode);
    struct stat s;
    if (!result && stat(path, &s) == 0)
        shadow_forget(s.st_ino);
    if (f == EXIT_AFTER)
        _exit(3);
    return result;
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

/* Writes TURNS turns with a sync after each and closes; the number that was reported saved last. ack
 * (may be -1) gets it after each success. With `mend` the fault passes at last and one more
 * sync is tried. */
static int write_turns(const char *place, int ack, bool mend)
{
    disk.files = 0;
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

/* ---- a power cut ------------------------------------------------------------------------------- */

/* What becomes of what was not flushed: names of files, and their bytes. */
typedef enum cut_names { NAMES_LOST, NAMES_KEPT } cut_names;
typedef enum cut_bytes { BYTES_LOST, BYTES_ZERO, BYTES_KEPT, CUT_BYTES } cut_bytes;

/* A file as the disk has it; `now` is what was written to it. */
static void restore_file(const char *now, ino_t inode, const char *to, cut_bytes how)
{
    char path[128];
    size_t n = 0, written = 0;
    shadow_path(path, 'i', inode);
    char *held = access(path, F_OK) == 0 ? transcripts_read(path, &n) : NULL;
    char *live = access(now, F_OK) == 0 ? transcripts_read(now, &written) : NULL;
    if (how == BYTES_KEPT && live) {
        transcripts_write(to, live, written);
    } else {
        size_t size = how == BYTES_ZERO && written > n ? written : n;
        char *bytes = calloc(1, size + 1);
        assert_non_null(bytes);
        if (n)
            memcpy(bytes, held, n);
        transcripts_write(to, bytes, size);
        free(bytes);
    }
    free(held);
    free(live);
}

static void restore_folder(const char *from, const char *to, cut_names names, cut_bytes bytes);

/* The file or folder `name` of that inode, if it is still what it was. */
static void restore_entry(const char *from, const char *to, const char *name, ino_t inode,
                          cut_names names, cut_bytes bytes)
{
    struct stat s;
    char *old = transcripts_path(from, name), *new = transcripts_path(to, name);
    if (stat(old, &s) == 0 && S_ISDIR(s.st_mode)) {
        assert_int_equal(__real_mkdir(new, 0700), 0);
        restore_folder(old, new, names, bytes);
    } else {
        bool same = stat(old, &s) == 0 && s.st_ino == inode;
        restore_file(same ? old : "", inode, new, bytes);
    }
    free(old);
    free(new);
}

static void restore_folder(const char *from, const char *to, cut_names names, cut_bytes bytes)
{
    char path[128], name[256];
    unsigned long long inode;
    struct stat s;
    assert_int_equal(stat(from, &s), 0);
    if (names == NAMES_KEPT) {
        int fd = open(from, O_RDONLY | O_DIRECTORY);
        list_folder(fd, s.st_ino, 'k');
        (void)close(fd);
    }
    shadow_path(path, names == NAMES_KEPT ? 'k' : 'd', s.st_ino);
    FILE *list = fopen(path, "r");
    while (list && fscanf(list, "%llu %255s", &inode, name) == 2)
        restore_entry(from, to, name, (ino_t)inode, names, bytes);
    if (list)
        (void)fclose(list);
}

static void remove_all(char *root)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    free(root);
}

/* A folder for a session, a/b in a new root, and a shadow for it. */
static char *begin_shadow(char **root)
{
    char *shadow = transcripts_folder();
    *root = transcripts_folder();
    (void)snprintf(disk.shadow, sizeof disk.shadow, "%s", shadow);
    free(shadow);
    return transcripts_path(*root, "a/b");
}

static void end_shadow(char *root, char *place)
{
    remove_all(strdup(disk.shadow));
    remove_all(root);
    free(place);
    disk.shadow[0] = '\0';
}

/* Does `work` in a process of its own that ends at a call; the last number that it told. */
static int die_in(int (*work)(const char *place, int ack, bool mend), const char *place, fault how,
                  long at)
{
    int ends[2], status, last = 0, told;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        arm(how, at, 0);
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
    arm(NONE, 0, 0);
    for (int how = 0; how < 2 * CUT_BYTES; how++) {
        char *left = transcripts_folder(), *place = transcripts_path(left, "a/b");
        restore_folder(root, left, how % 2 ? NAMES_LOST : NAMES_KEPT, (cut_bytes)(how / 2));
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
            char *root, *place = begin_shadow(&root);
            int saved = die_in(write_turns, place, k ? EXIT_AFTER : EXIT_BEFORE, at);
            cut_power(root, check, saved);
            if (access(place, F_OK) == 0)
                check(place, saved);
            end_shadow(root, place);
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
    arm(NONE, 0, 0);
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
            char *root, *place = begin_shadow(&root);
            make_torn(root, place);
            (void)die_in(open_torn, place, k ? EXIT_AFTER : EXIT_BEFORE, at);
            cut_power(root, check_torn, TURNS - 1);
            end_shadow(root, place);
        }
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
        cmocka_unit_test(an_end_while_mending_keeps_the_bytes),
        cmocka_unit_test(a_fault_while_mending_keeps_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
