/* copy_program.c - see copy_program.h. */
#include "copy_program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"

/* The child's input is the text; a program that goes on in the background, as these do, keeps no
 * stream of ours. */
int copy_program_run(copy_program program, const char *text, size_t n)
{
    static const char *const programs[COPY_PROGRAMS][5] = {
        [COPY_BY_TMUX] = {"tmux", "load-buffer", "-w", "-"},
        [COPY_BY_TMUX_OWN] = {"tmux", "load-buffer", "-"},
        [COPY_BY_WAYLAND] = {"wl-copy"},
        [COPY_BY_X11] = {"xclip", "-selection", "clipboard"}};
    const char *const *argv = programs[program];
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_WRONLY);
        if (dup2(ends[0], STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
            dup2(nothing, STDERR_FILENO) < 0)
            _exit(127);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    (void)close(ends[0]);
    if (child > 0)
        (void)file_write_all(ends[1], text, n); /* its exit status says why that failed */
    (void)close(ends[1]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
