/* code_runner.c - see code_runner.h.
 *
 * The helper reads a length and a text from one pipe and answers with one byte on another; it ends when
 * its input does. For each text it makes a folder, writes program.py with a last line of its own behind
 * it, which leaves a file with a name that the program cannot know, and forks the child. That is a group
 * of its own; as it can make no process, killing it ends all of it.
 */
#include "code_runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "sandbox.h"

static const char *const PYTHONS[] = {"/usr/bin/python3", "/usr/local/bin/python3"};

struct code_runner {
    pid_t helper;
    int to, from; /* pipes */
};

/* ---- the child --------------------------------------------------------------------------------- */

static void limit(int what, rlim_t most)
{
    struct rlimit l = {most, most};
    (void)setrlimit((__rlimit_resource_t)what, &l);
}

static bool give_up_rights(const char *place)
{
    static const char *const places[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache"};
    char summary[200];
    sandbox s;
    sandbox_open(&s);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sandbox_allow_run(&s, places[i]);
    sandbox_allow_read(&s, "/dev/urandom");
    sandbox_allow_write(&s, "/dev/null");
    sandbox_allow_write(&s, place);
    return sandbox_enter(&s, summary, sizeof summary, NULL) == 0;
}

/* Becomes the program. Its exit status does not matter: it has no place to write the last file. */
static _Noreturn void become(const char *python, const char *place)
{
    static char name[] = "python3", isolated[] = "-I", bare[] = "-S", plain[] = "-B",
                program[] = "program.py";
    char *const argv[] = {name, isolated, bare, plain, program, NULL}, *const none[] = {NULL};
    int nothing = open("/dev/null", O_RDWR);
    (void)setpgid(0, 0);
    limit(RLIMIT_CPU, CODE_SECONDS / 2);
    limit(RLIMIT_AS, (rlim_t)1 << 30);
    limit(RLIMIT_FSIZE, 16 << 20);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_CORE, 0);
    if (nothing < 0 || chdir(place) != 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 ||
        dup2(nothing, 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u) != 0 ||
        !give_up_rights(place))
        _exit(126);
    (void)execve(python, argv, none);
    _exit(127);
}

static bool has_ended(pid_t child)
{
    int status;
    pid_t found = waitpid(child, &status, WNOHANG);
    return found == child || (found < 0 && errno == ECHILD);
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits for it in short steps; what is left of it then is killed. */
static void wait_for(pid_t child)
{
    enum { STEP = 5 }; /* ms */
    for (double end = seconds() + CODE_SECONDS; seconds() < end; (void)poll(NULL, 0, STEP))
        if (has_ended(child))
            return;
    (void)kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- the helper -------------------------------------------------------------------------------- */

/* The folder with all that is in it, which its program may have made. Links are not followed. */
static void remove_all(int around, const char *name, int depth)
{
    enum { DEEPEST = 64 };
    if (unlinkat(around, name, 0) == 0 || depth > DEEPEST)
        return;
    int fd = openat(around, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *at; d && (at = readdir(d)) != NULL;)
        if (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0)
            remove_all(fd, at->d_name, depth + 1);
    if (d)
        (void)closedir(d);
    (void)unlinkat(around, name, AT_REMOVEDIR);
}

static bool write_program(const char *place, const char *program, size_t n, const char *proof)
{
    char *path = string_format(NULL, "%s/program.py", place);
    char *last = string_format(NULL, "\nopen(\"%s\", \"w\").close()\n", proof);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    bool good = fd >= 0 && last && file_write_all(fd, program, n) == 0 &&
                file_write_all(fd, last, strlen(last)) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    free(path);
    free(last);
    return good;
}

static bool passes(const char *python, const char *program, size_t n)
{
    char place[] = "/tmp/consilium-code-XXXXXX", proof[40], path[96];
    uint64_t drawn[2] = {0};
    struct stat st;
    if (getrandom(drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn || !mkdtemp(place))
        return false;
    (void)snprintf(proof, sizeof proof, "%016llx%016llx", (unsigned long long)drawn[0],
                   (unsigned long long)drawn[1]);
    (void)snprintf(path, sizeof path, "%s/%s", place, proof);
    pid_t child = write_program(place, program, n, proof) ? fork() : -1;
    if (child == 0)
        become(python, place);
    if (child > 0)
        wait_for(child);
    bool passed = child > 0 && lstat(path, &st) == 0;
    remove_all(AT_FDCWD, place, 0);
    return passed;
}

static bool read_whole(int fd, void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, (char *)bytes + at, n - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static _Noreturn void help(const char *python, int in, int out)
{
    static char text[CODE_BYTES];
    uint32_t n;
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C is for who asked */
    (void)signal(SIGTSTP, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read_whole(in, &n, sizeof n) && n <= CODE_BYTES && read_whole(in, text, n)) {
        char answer = passes(python, text, n) ? 1 : 0;
        if (file_write_all(out, &answer, 1) != 0)
            break;
    }
    _exit(0);
}

/* ---- public ------------------------------------------------------------------------------------ */

code_runner *code_runner_open(error *err)
{
    const char *python = NULL;
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    for (size_t i = 0; i < sizeof PYTHONS / sizeof *PYTHONS && !python; i++)
        if (access(PYTHONS[i], X_OK) == 0)
            python = PYTHONS[i];
    if (!python) {
        (void)error_set(err, ERROR_RUN, "--run-code: there is no /usr/bin/python3");
        return NULL;
    }
    code_runner *r = calloc(1, sizeof *r);
    if (!r || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) || (r->helper = fork()) < 0) {
        (void)error_set(err, ERROR_RUN, "--run-code: no helper can be started: %s",
                        strerror(errno));
        for (int i = 0; i < 2; i++) {
            (void)close(to[i]);
            (void)close(from[i]);
        }
        free(r);
        return NULL;
    }
    if (r->helper == 0) {
        (void)close(to[1]);
        (void)close(from[0]);
        help(python, to[0], from[1]);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    r->to = to[1];
    r->from = from[0];
    return r;
}

void code_runner_close(code_runner *r)
{
    if (!r)
        return;
    (void)close(r->to);
    (void)close(r->from);
    while (waitpid(r->helper, NULL, 0) < 0 && errno == EINTR)
        ;
    free(r);
}

int code_runner_run(void *user, const char *program, size_t len, bool *passed, error *err)
{
    code_runner *r = user;
    uint32_t n = (uint32_t)len;
    char answer = 0;
    *passed = false;
    if (len > CODE_BYTES || memchr(program, '\0', len))
        return 0;
    if (file_write_all(r->to, &n, sizeof n) != 0 || file_write_all(r->to, program, len) != 0 ||
        !read_whole(r->from, &answer, 1))
        return error_set(err, ERROR_RUN, "--run-code: the helper is gone");
    *passed = answer == 1;
    return 0;
}
