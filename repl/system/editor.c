/* editor.c - see editor.h. */
#include "editor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "private_folder.h"

extern char **environ;

static const char *editor_name(void)
{
    const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
    return visual && *visual ? visual : editor && *editor ? editor : "vi";
}

/* It starts with the default actions. */
static int spawn(char *const *argv, pid_t *child)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGQUIT);
    sigaddset(&defaults, SIGTSTP);
    sigaddset(&defaults, SIGPIPE);
    if (posix_spawnattr_init(&attributes))
        return -1;
    (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int result = posix_spawnp(child, argv[0], NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return result ? -1 : 0;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

void editor_signals_ignore(editor_signals *ours)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGINT, &ignore, &ours->interrupt);
    (void)sigaction(SIGQUIT, &ignore, &ours->quit);
    (void)sigaction(SIGTSTP, &standard, &ours->stop);
}

void editor_signals_restore(const editor_signals *ours)
{
    (void)sigaction(SIGINT, &ours->interrupt, NULL);
    (void)sigaction(SIGQUIT, &ours->quit, NULL);
    (void)sigaction(SIGTSTP, &ours->stop, NULL);
}

static int run_editor(char *const *argv)
{
    editor_signals ours;
    pid_t child;
    editor_signals_ignore(&ours);
    int result = spawn(argv, &child) ? -1 : wait_for(child);
    editor_signals_restore(&ours);
    return result;
}

/* $VISUAL may hold options: a shell takes it apart, the path is no part of what it reads. */
int editor_file(const char *path, error *err)
{
    static char shell[] = "/bin/sh", flag[] = "-c";
    char *command = string_format(err, "%s \"$1\"", editor_name()), *file = strdup(path);
    char *const argv[] = {shell, flag, command, shell, file, NULL};
    int result = command && file ? run_editor(argv) : error_memory(err, "the editor");
    free(command);
    free(file);
    if (result)
        return error_set(err, ERROR_RUN, "the editor \"%s\" failed; set VISUAL or EDITOR",
                         editor_name());
    return 0;
}

/* ---- a text ------------------------------------------------------------------------------------ */

static int put(const char *path, const buf *text, error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool failed = fd < 0 || file_write_all(fd, text->v, text->len);
    int why = errno;
    if ((fd >= 0 && close(fd)) || failed)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(why));
    return 0;
}

/* The path may be another file by now: editors write a new one and rename it. */
static int get(const char *path, buf *text, error *err)
{
    char chunk[1 << 14];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    buf_clear(text);
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(text, chunk, (size_t)n, err)) {
            (void)close(fd);
            return -1;
        }
    if (n < 0)
        (void)error_set(err, ERROR_RUN, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    while (text->len && text->v[text->len - 1] == '\n')
        text->v[--text->len] = '\0';
    return n < 0 ? -1 : 0;
}

int editor_text(buf *text, bool in_memory, error *err)
{
    char *place = private_folder_make(in_memory, err);
    char *path = place ? string_format(err, "%s/prompt.md", place) : NULL;
    int result = path ? put(path, text, err) || editor_file(path, err) || get(path, text, err) : -1;
    free(path);
    private_folder_remove(place);
    return result ? -1 : 0;
}
