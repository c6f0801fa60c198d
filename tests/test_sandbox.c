/* test_sandbox.c - what is given up is gone: files, sockets, programs, in threads too.
 *
 * Each test gives up in a process of its own and tries there. What `confine` leaves to a command is tried
 * with the options that the command would have.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../repl/confine.h"
#include "../repl/sandbox.h"
#include "transcript_support.h"

/* Runs `try` in a process of its own; 0 = all was as it says. The number of what was not otherwise. */
static int in_child(int (*try)(const char *place), const char *place)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(try(place));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* 0, or why not. */
static int try_open(const char *folder_name, const char *name, int flags)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s%s", folder_name, *folder_name ? "/" : "", name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int why = fd < 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    return why;
}

static bool has_landlock(void)
{
    sandbox s;
    sandbox_open(&s);
    bool has = s.abi > 0;
    if (s.rules >= 0)
        (void)close(s.rules);
    return has;
}

static void make_places(const char *place)
{
    static const char *const folders[] = {"read", "write", "other", "personas"};
    char path[512];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", place, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof path, "%s/%s/file", place, folders[i]);
        transcripts_write(path, "text", 4);
    }
}

static void remove_places(char *place)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", place);
    assert_int_equal(system(command), 0);
    free(place);
}

/* ---- files ------------------------------------------------------------------------------------- */

static int enter(const char *place)
{
    char path[512], told[160];
    error err = {0};
    sandbox s;
    sandbox_open(&s);
    (void)snprintf(path, sizeof path, "%s/read", place);
    sandbox_read(&s, path);
    (void)snprintf(path, sizeof path, "%s/write", place);
    sandbox_write(&s, path);
    sandbox_read(&s, "/nowhere/at/all");
    return sandbox_enter(&s, told, sizeof told, &err) || !strstr(told, "sandbox: ");
}

static int try_files(const char *place)
{
    char from[512], to[512];
    if (try_open(place, "other/file", O_RDONLY) || try_open("", "/etc/passwd", O_RDONLY) ||
        enter(place))
        return 1;
    if (try_open(place, "read/file", O_RDONLY) || try_open(place, "write/file", O_RDWR) ||
        try_open(place, "write/new", O_WRONLY | O_CREAT))
        return 2;
    if (try_open(place, "other/file", O_RDONLY) != EACCES ||
        try_open("", "/etc/passwd", O_RDONLY) != EACCES ||
        try_open("", "/", O_RDONLY | O_DIRECTORY) != EACCES)
        return 3;
    if (try_open(place, "read/file", O_WRONLY) != EACCES ||
        try_open(place, "read/new", O_WRONLY | O_CREAT) != EACCES ||
        try_open(place, "new", O_WRONLY | O_CREAT) != EACCES ||
        try_open(place, "write/../other/new", O_WRONLY | O_CREAT) != EACCES)
        return 4;
    (void)snprintf(from, sizeof from, "%s/other/file", place);
    (void)snprintf(to, sizeof to, "%s/write/taken", place);
    if (rename(from, to) == 0 || link(from, to) == 0 || unlink(from) == 0 ||
        (symlink(from, to) == 0 && try_open(place, "write/taken", O_RDONLY) == 0))
        return 5;
    return 0;
}

static void files_are_out_of_reach(void **state)
{
    (void)state;
    if (!has_landlock()) {
        print_message("SKIPPED: the kernel has no Landlock\n");
        skip();
    }
    char *place = transcripts_folder();
    make_places(place);
    assert_int_equal(in_child(try_files, place), 0);
    remove_places(place);
}

static void *in_thread(void *place)
{
    return (void *)(intptr_t)try_open(place, "other/file", O_RDONLY);
}

static int try_thread(const char *place)
{
    pthread_t thread;
    void *why = NULL;
    if (enter(place) || pthread_create(&thread, NULL, in_thread, (void *)(uintptr_t)place) ||
        pthread_join(thread, &why))
        return 1;
    return (intptr_t)why == EACCES ? 0 : 2;
}

static void threads_inherit_it(void **state)
{
    (void)state;
    if (!has_landlock()) {
        print_message("SKIPPED: the kernel has no Landlock\n");
        skip();
    }
    char *place = transcripts_folder();
    make_places(place);
    assert_int_equal(in_child(try_thread, place), 0);
    remove_places(place);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static int try_calls(const char *place)
{
    char *const words[] = {"true", NULL};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return 1;
    (void)close(fd);
    if (enter(place))
        return 2;
    if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM ||
        socket(AF_INET6, SOCK_DGRAM, 0) != -1 || errno != EPERM ||
        socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM)
        return 3;
    if (execv("/bin/true", words) != -1 || (errno != EPERM && errno != EACCES))
        return 4;
    if (syscall(SYS_io_uring_setup, 1, NULL) != -1 || errno != EPERM)
        return 5;
    return 0;
}

static void no_sockets_and_no_programs(void **state)
{
    (void)state;
    char *place = transcripts_folder();
    make_places(place);
    assert_int_equal(in_child(try_calls, place), 0);
    remove_places(place);
}

/* ---- commands ---------------------------------------------------------------------------------- */

static console quiet = {.quiet = true};

/* As `ask -m PLACE/read -f PLACE/personas/file` would, with its transcripts in PLACE/data. */
static int confine_ask(const char *place, bool without)
{
    char model[512], named[512], data[512];
    const char *files[] = {named};
    (void)snprintf(model, sizeof model, "%s/read", place);
    (void)snprintf(named, sizeof named, "%s/personas/file", place);
    (void)snprintf(data, sizeof data, "%s/data", place);
    (void)setenv("XDG_DATA_HOME", data, 1);
    (void)setenv("XDG_CONFIG_HOME", data, 1);
    (void)setenv("XDG_CACHE_HOME", data, 1);
    options opt = {
        .command = &options_commands()[COMMAND_ASK], .no_sandbox = without, .files = {files, 1, 1}};
    error err = {0};
    quiet.guard = true;
    return confine(&opt, model, &quiet, &err);
}

static int try_ask(const char *place)
{
    if (confine_ask(place, false))
        return 1;
    if (try_open(place, "read/file", O_RDONLY) || try_open(place, "personas/file", O_RDONLY) ||
        try_open(place, "data/consilium/transcripts/s.jsonl", O_RDWR | O_CREAT))
        return 2;
    if (try_open(place, "other/file", O_RDONLY) != EACCES ||
        try_open("", "/etc/passwd", O_RDONLY) != EACCES ||
        try_open(place, "data/x", O_WRONLY | O_CREAT) != EACCES ||
        try_open(place, "read/file", O_WRONLY) != EACCES ||
        try_open(place, "personas/file", O_WRONLY) != EACCES)
        return 3;
    return confine_ask(place, false) ? 4 : 0; /* again: nothing happens */
}

static int try_without(const char *place)
{
    if (confine_ask(place, true))
        return 1;
    return try_open(place, "other/file", O_RDWR) || try_open("", "/etc/passwd", O_RDONLY) ||
                   try_open(place, "new", O_WRONLY | O_CREAT)
               ? 2
               : 0;
}

static void ask_keeps_what_it_needs(void **state)
{
    (void)state;
    char *place = transcripts_folder();
    make_places(place);
    assert_int_equal(in_child(try_without, place), 0);
    if (has_landlock())
        assert_int_equal(in_child(try_ask, place), 0);
    else
        print_message("SKIPPED in part: the kernel has no Landlock\n");
    remove_places(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_out_of_reach),
        cmocka_unit_test(threads_inherit_it),
        cmocka_unit_test(no_sockets_and_no_programs),
        cmocka_unit_test(ask_keeps_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
