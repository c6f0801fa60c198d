/* test_sandbox.c - what is given up is gone: files, sockets, programs, in threads too.
 *
 * Each test gives up in a process of its own and tries there. What `sandbox_policy_enter` leaves to a command is tried
 * with the options that the command would have, and what a conversation's broker does is asked for from
 * within.
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
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../repl/options/sandbox_policy.h"
#include "../repl/system/broker.h"
#include "../repl/system/sandbox.h"
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
    sandbox_allow_read(&s, path);
    (void)snprintf(path, sizeof path, "%s/write", place);
    sandbox_allow_write(&s, path);
    sandbox_allow_read(&s, "/nowhere/at/all");
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

/* One descriptor is left, which the ruleset takes. */
static int try_few_files(const char *place)
{
    char told[160], wanted[64];
    error err = {0};
    sandbox s;
    int fd = dup(STDIN_FILENO);
    struct rlimit limit = {(rlim_t)fd + 1, (rlim_t)fd + 1};
    (void)close(fd);
    (void)snprintf(wanted, sizeof wanted, "the limit of open files is %d, too few", fd + 1);
    if (fd < 0 || setrlimit(RLIMIT_NOFILE, &limit))
        return 1;
    sandbox_open(&s);
    sandbox_allow_read(&s, place);
    if (sandbox_enter(&s, told, sizeof told, &err) == 0 || !strstr(err.text, wanted))
        return 2;
    return dup(STDIN_FILENO) == fd ? 0 : 3; /* nothing was left open */
}

/* With the places there, where the kernel has Landlock. */
static void all_is_well(int (*try)(const char *place))
{
    if (!has_landlock()) {
        print_message("SKIPPED: the kernel has no Landlock\n");
        skip();
    }
    char *place = transcripts_folder();
    make_places(place);
    assert_int_equal(in_child(try, place), 0);
    remove_places(place);
}

static void files_are_out_of_reach(void **state)
{
    (void)state;
    all_is_well(try_files);
}

static void too_few_descriptors_are_told(void **state)
{
    (void)state;
    all_is_well(try_few_files);
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
    all_is_well(try_thread);
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
    if (ioctl(STDIN_FILENO, TIOCSTI, "x") != -1 || errno != EPERM ||
        (ioctl(STDIN_FILENO, FIONREAD, &fd) != 0 && errno == EPERM))
        return 6;
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
    quiet.may_sandbox = true;
    return sandbox_policy_enter(&opt, model, &quiet, &err);
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

/* ---- the conversation and its broker ----------------------------------------------------------- */

static bool holds(const char *folder_name, const char *name, const char *wanted)
{
    char path[512], found[64] = "";
    (void)snprintf(path, sizeof path, "%s/%s", folder_name, name);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(found, 1, sizeof found - 1, f) : 0;
    if (f)
        (void)fclose(f);
    return n == strlen(wanted) && memcmp(found, wanted, n) == 0;
}

static void set_folders(const char *place)
{
    static const char *const names[] = {"XDG_DATA_HOME",  "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                                        "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", place, i < 4 ? "data" : "write");
        (void)setenv(names[i], path, 1);
    }
}

/* As `consilium -m PLACE/read` would, with everything of its own below PLACE/data and PLACE/write. */
static broker *converse(const char *place)
{
    char model[512];
    error err = {0};
    options opt = {.command = &options_commands()[COMMAND_TALK]};
    (void)snprintf(model, sizeof model, "%s/read", place);
    set_folders(place);
    quiet.may_sandbox = true;
    broker *b = broker_start(&quiet, false, &err);
    quiet.private_folder = b ? broker_private_folder(b) : NULL;
    return b && sandbox_policy_enter(&opt, model, &quiet, &err) == 0 ? b : NULL;
}

static int try_talk(const char *place)
{
    char *const words[] = {"true", NULL};
    const broker *b = converse(place);
    if (!b || !broker_private_folder(b))
        return 1;
    if (try_open(place, "other/file", O_RDONLY) || try_open("", "/etc/passwd", O_RDONLY) ||
        try_open(place, "data/consilium/transcripts/s.jsonl", O_RDWR | O_CREAT) ||
        try_open(place, "data/consilium/history", O_RDWR | O_CREAT) ||
        try_open(broker_private_folder(b), "record", O_RDWR | O_CREAT))
        return 2;
    if (try_open(place, "other/file", O_WRONLY) != EACCES ||
        try_open(place, "other/new", O_WRONLY | O_CREAT) != EACCES ||
        try_open(place, "write/new", O_WRONLY | O_CREAT) != EACCES ||
        try_open("", "/tmp/consilium-is-not-here", O_WRONLY | O_CREAT) != EACCES)
        return 3;
    if (execv("/bin/true", words) != -1 || (errno != EPERM && errno != EACCES))
        return 4;
    return socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM ? 5 : 0;
}

static int try_writing(broker *b, const char *place)
{
    char path[512];
    error err = {0};
    (void)snprintf(path, sizeof path, "%s/other/new", place);
    if (broker_write(b, path, false, "one", 3, &err) || !holds(place, "other/new", "one"))
        return 2;
    if (broker_write(b, path, false, "two", 3, &err) == 0 || !strstr(err.text, "is there already"))
        return 3;
    if (broker_write(b, path, true, "two", 3, &err) || !holds(place, "other/new", "two"))
        return 4;
    (void)snprintf(path, sizeof path, "%s/data/consilium/transcripts/x.md", place);
    if (broker_write(b, path, true, "x", 1, &err) == 0 ||
        !strstr(err.text, "among the transcripts"))
        return 5;
    (void)snprintf(path, sizeof path, "%s/nowhere/x", place);
    return broker_write(b, path, true, "x", 1, &err) == 0 || !strstr(err.text, path) ? 6 : 0;
}

/* Only to *.jsonl in the user's own folder of personas. */
static bool adds_lessons_there_alone(broker *b, const char *place)
{
    static const char *const elsewhere[] = {
        "other/x.jsonl", "data/consilium/x.jsonl", "data/consilium/personas/x.json",
        "data/consilium/personas/.jsonl", "data/consilium/personas/../x.jsonl"};
    char path[512];
    error err = {0};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", place, elsewhere[i]);
        if (broker_lesson(b, path, "x\n", 2, &err) == 0 || access(path, F_OK) == 0)
            return false;
    }
    (void)snprintf(path, sizeof path, "%s/data/consilium/personas/x.jsonl", place);
    return broker_lesson(b, path, "x\n", 2, &err) == 0 &&
           broker_lesson(b, path, "y\n", 2, &err) == 0 &&
           holds(place, "data/consilium/personas/x.jsonl", "x\ny\n");
}

static int try_broker(const char *place)
{
    static const char script[] = "#!/bin/sh\ncat > \"${0%xclip}got\"\n";
    char program[512];
    error err = {0};
    buf text = {0};
    (void)snprintf(program, sizeof program,
                   "sh -c 'cp \"$0\" %s/other/edited; echo done >> \"$0\"'", place);
    (void)setenv("VISUAL", program, 1);
    (void)snprintf(program, sizeof program, "%s/personas:%s", place, getenv("PATH"));
    (void)setenv("PATH", program, 1);
    (void)snprintf(program, sizeof program, "%s/personas/xclip", place);
    transcripts_write(program, script, sizeof script - 1);
    (void)chmod(program, 0700);
    broker *b = converse(place);
    int wrong = b ? try_writing(b, place) : 1;
    if (wrong)
        return wrong;
    if (buf_text(&text, "draft\n", &err) || broker_edit_text(b, &text, true, &err) ||
        text.len != 10 || memcmp(text.v, "draft\ndone", 10) != 0 ||
        !holds(place, "other/edited", "draft\n"))
        return 7;
    (void)snprintf(program, sizeof program, "%s/other/new", place);
    if (broker_edit(b, program, &err) || !holds(place, "other/new", "twodone\n"))
        return 8;
    if (!broker_copy(b, COPY_BY_X11, "copied", 6) || !holds(place, "personas/got", "copied"))
        return 9;
    if (broker_persona_folder(b, "../x", &err) == 0 || broker_persona_folder(b, "mine", &err))
        return 10;
    if (!adds_lessons_there_alone(b, place))
        return 13;
    buf_release(&text);
    (void)snprintf(program, sizeof program, "%s", broker_private_folder(b));
    broker_close(b); /* the folder goes with it, and leaves no zombie */
    if (access(program, F_OK) == 0 || waitpid(-1, NULL, WNOHANG) != -1)
        return 11;
    (void)snprintf(program, sizeof program, "%s/data/consilium/personas", place);
    return access(program, F_OK) == 0 ? 0 : 12;
}

static void conversation_writes_by_its_broker_alone(void **state)
{
    (void)state;
    char *place = transcripts_folder();
    make_places(place);
    if (has_landlock())
        assert_int_equal(in_child(try_talk, place), 0);
    else
        print_message("SKIPPED in part: the kernel has no Landlock\n");
    assert_int_equal(in_child(try_broker, place), 0);
    remove_places(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_out_of_reach),
        cmocka_unit_test(too_few_descriptors_are_told),
        cmocka_unit_test(threads_inherit_it),
        cmocka_unit_test(no_sockets_and_no_programs),
        cmocka_unit_test(ask_keeps_what_it_needs),
        cmocka_unit_test(conversation_writes_by_its_broker_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
