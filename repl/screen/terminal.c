/* terminal.c - see terminal.h.
 *
 * The keyboard's settings are read once, when a terminal is opened; with echo on it has exactly
 * those again. With echo off, line mode is off as well: in line mode the kernel keeps at most 4096 typed
 * bytes and turns Ctrl-D into an end of file that the next prompt would find.
 */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { USUAL_COLUMNS = 80, USUAL_ROWS = 24 };

static const double usual_frame = 0.05; /* 20 repaints a second */

struct terminal {
    console *con;
    terminal_signals *signals;
    terminal_capabilities is;
    bool measured; /* fd is a terminal that knows its size */
    bool keyboard; /* standard input is a terminal, and `found` its settings */
    struct termios found;
    int echo_off; /* how often */
};

/* ---- what it is -------------------------------------------------------------------------------- */

static bool moves(void)
{
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO) == 1;
}

static void measure(terminal *t)
{
    struct winsize size;
    if (!t->measured || ioctl(t->is.fd, TIOCGWINSZ, &size) != 0)
        return;
    t->is.columns = (int)fold_columns(t->is.fd);
    t->is.rows = size.ws_row ? size.ws_row : USUAL_ROWS;
}

terminal *terminal_open_as(console *con, terminal_signals *signals,
                           const terminal_capabilities *traits, error *err)
{
    terminal *t = calloc(1, sizeof *t);
    if (!t) {
        (void)error_memory(err, "the terminal");
        return NULL;
    }
    *t = (terminal){.con = con, .signals = signals, .is = *traits};
    atomic_store(&signals->attended, true);
    return t;
}

/* No locale at all tells nothing: terminals read UTF-8 today. LC_ALL=C was said by somebody. */
static bool asks_for_ascii(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcmp(value, "C") == 0 || strcmp(value, "POSIX") == 0;
    }
    return false;
}

terminal *terminal_open(console *con, terminal_signals *signals, bool plain, error *err)
{
    bool linear = plain || !moves();
    terminal_capabilities traits = {
        .fd = STDOUT_FILENO,
        .columns = USUAL_COLUMNS,
        .rows = USUAL_ROWS,
        .linear = linear,
        .color = con->out_color && !linear,
        .utf8 = !con->ascii && !asks_for_ascii(),
        .frame = usual_frame,
    };
    terminal *t = terminal_open_as(con, signals, &traits, err);
    if (!t)
        return NULL;
    t->measured = fold_columns(STDOUT_FILENO) > 0;
    t->keyboard = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &t->found) == 0;
    measure(t);
    return t;
}

int terminal_columns(const terminal *t)
{
    return t->is.columns;
}

int terminal_rows(const terminal *t)
{
    return t->is.rows;
}

bool terminal_linear(const terminal *t)
{
    return t->is.linear;
}

bool terminal_color(const terminal *t)
{
    return t->is.color;
}

bool terminal_utf8(const terminal *t)
{
    return t->is.utf8;
}

const char *terminal_dot(const terminal *t)
{
    return t->is.utf8 ? " · " : ", ";
}

const char *terminal_star(const terminal *t)
{
    return t->is.utf8 ? "★ " : "* ";
}

double terminal_frame(const terminal *t)
{
    return t->is.frame;
}

console *terminal_console(const terminal *t)
{
    return t->con;
}

terminal_signals *terminal_signal_flags(const terminal *t)
{
    return t->signals;
}

bool terminal_resized(terminal *t)
{
    atomic_store(&t->signals->resized, false);
    int columns = t->is.columns, rows = t->is.rows;
    measure(t);
    return t->is.columns != columns || t->is.rows != rows;
}

/* ---- the keyboard ------------------------------------------------------------------------------ */

/* What is pasted while answers stream must not look like typed lines to the next prompt. */
static void bracket_pastes(const terminal *t, bool on)
{
    ssize_t ignored = write(t->is.fd, on ? "\033[?2004h" : "\033[?2004l", 8);
    (void)ignored;
}

static void set_keyboard(const terminal *t, bool echo_off)
{
    if (!t->keyboard)
        return;
    struct termios wanted = t->found;
    if (echo_off) {
        wanted.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON);
        wanted.c_lflag |= NOFLSH; /* what was typed survives Ctrl-C and Ctrl-Z */
        wanted.c_cc[VMIN] = 1;
        wanted.c_cc[VTIME] = 0;
    }
    while (tcsetattr(STDIN_FILENO, TCSADRAIN, &wanted) != 0 && errno == EINTR)
        if (atomic_load(&t->signals->ended))
            return;
    if (!t->is.linear)
        bracket_pastes(t, echo_off);
}

void terminal_echo_off(terminal *t)
{
    if (t->echo_off++ == 0)
        set_keyboard(t, true);
}

void terminal_echo_on(terminal *t)
{
    if (t->echo_off > 0 && --t->echo_off == 0)
        set_keyboard(t, false);
}

void terminal_close(terminal *t)
{
    if (!t)
        return;
    if (t->echo_off)
        set_keyboard(t, false);
    atomic_store(&t->signals->attended, false);
    free(t);
}

/* The signal's own way of stopping is used, so that a shell sees what it expects; a process group
 * without a shell is not stopped at all. */
bool terminal_suspended(terminal *t)
{
    if (!atomic_exchange(&t->signals->suspend, false))
        return false;
    struct sigaction ours, usual = {.sa_handler = SIG_DFL};
    sigemptyset(&usual.sa_mask);
    if (t->echo_off)
        set_keyboard(t, false);
    (void)sigaction(SIGTSTP, &usual, &ours);
    (void)raise(SIGTSTP);
    (void)sigaction(SIGTSTP, &ours, NULL); /* here again: somebody said "fg" */
    if (t->echo_off)
        set_keyboard(t, true);
    return true;
}

/* ---- the screen -------------------------------------------------------------------------------- */

/* True when a write that failed should be tried again. */
static bool wait_for_room(const terminal *t)
{
    if (atomic_load(&t->signals->ended) && errno == EINTR)
        return false;
    if (errno == EAGAIN) { /* somebody else made the descriptor non-blocking */
        struct pollfd p = {.fd = t->is.fd, .events = POLLOUT};
        (void)poll(&p, 1, 100);
        return true;
    }
    return errno == EINTR;
}

int terminal_write(terminal *t, buf *text, error *err)
{
    size_t at = 0;
    int result = 0;
    while (at < text->len && !result) {
        ssize_t done = write(t->is.fd, text->v + at, text->len - at);
        if (done >= 0)
            at += (size_t)done;
        else if (!wait_for_room(t))
            result = error_set(err, ERROR_RUN, "cannot write to the terminal: %s", strerror(errno));
    }
    t->con->out_closed = t->con->out_closed || (result && errno == EPIPE);
    buf_clear(text);
    return result;
}

int terminal_write_folded(terminal *t, buf *text, error *err)
{
    measure(t);
    if (fold_text(text, t->measured ? (size_t)t->is.columns : 0, err))
        return -1;
    return terminal_write(t, text, err);
}
