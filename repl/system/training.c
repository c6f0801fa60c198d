/* training.c - see training.h. */
#include "training.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../personas/roster/persona.h"

enum { WORDS = 64, SAVE_SECONDS = 20 };

static void wait_a_little(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

/* Signals as a program expects them at its start. */
static void default_signals(void)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &standard, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. It may outlive nobody. */
_Noreturn static void become(char *const *argv, int out, pid_t parent)
{
    struct sched_param none = {0};
    int in = open("/dev/null", O_RDONLY);
    (void)setpgid(0, 0);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    default_signals();
    (void)prctl(PR_SET_PDEATHSIG, SIGINT);
    if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0)
        (void)execv("/proc/self/exe", argv);
    _exit(127);
}

/* argv of the words, which are cut. What would give it rights that a conversation lacks is refused. */
static int split(char *words, char **argv, error *err)
{
    static char program[] = "consilium", command[] = "train", format[] = "--format=ndjson";
    int n = 0;
    argv[n++] = program;
    argv[n++] = command;
    for (char *at = words, *next; at && *at; at = next) {
        next = strchr(at, '\n');
        if (next)
            *next++ = '\0';
        if (n + 2 == WORDS || strncmp(at, "--no-sandbox", 12) == 0)
            return error_set(err, ERROR_USAGE, "/train: %.40s is not possible here", at);
        argv[n++] = at;
    }
    if (n == 2 || !persona_name_ok(argv[2]))
        return error_set(err, ERROR_USAGE, "/train needs a persona's name");
    argv[n++] = format;
    argv[n] = NULL;
    return 0;
}

int training_start(training *t, const char *words, error *err)
{
    char *argv[WORDS], *copy = strdup(words);
    if (!copy)
        return error_memory(err, "training");
    if (training_runs(t) || split(copy, argv, err)) {
        free(copy);
        return t->pid ? error_set(err, ERROR_USAGE, "another training runs") : -1;
    }
    pid_t own = getpid();
    int out = memfd_create("training", MFD_CLOEXEC);
    pid_t child = out < 0 ? -1 : fork();
    if (child == 0)
        become(argv, out, own);
    int why = errno;
    free(copy);
    if (child > 0) {
        *t = (training){.pid = child, .started = true};
        return out;
    }
    if (out >= 0)
        (void)close(out);
    return error_set(err, ERROR_RUN, "training cannot be started: %s", strerror(why));
}

bool training_runs(training *t)
{
    int status;
    pid_t ended;
    if (!t->pid)
        return false;
    while ((ended = waitpid(t->pid, &status, WNOHANG)) < 0 && errno == EINTR)
        ;
    if (ended == 0)
        return true;
    t->pid = 0;
    t->status = ended < 0 ? 1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

void training_interrupt(training *t)
{
    if (training_runs(t))
        (void)kill(t->pid, SIGINT);
}

void training_end(training *t)
{
    training_interrupt(t);
    for (int i = 0; training_runs(t); i++) {
        if (i == SAVE_SECONDS * 50)
            (void)kill(t->pid, SIGKILL);
        wait_a_little();
    }
}
