/* clipboard.c - see clipboard.h. */
#include "clipboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Terminals cut longer sequences off without a word (xterm's usual limit is 100,000 bytes of base64). */
enum { OSC_MOST = 74994 };

static bool is_set(const char *name)
{
    const char *v = getenv(name);
    return v && *v;
}

/* Those that document OSC 52 and have it on. VTE (GNOME Terminal) and Terminal.app do not. */
static bool takes_osc52(const terminal *t)
{
    static const char *const types[] = {"xterm-kitty",   "alacritty", "foot",       "wezterm",
                                        "xterm-ghostty", "contour",   "tmux",       "rio",
                                        "screen",        "mlterm",    "st-256color"};
    static const char *const programs[] = {"iTerm.app", "WezTerm", "ghostty",     "rio",
                                           "mintty",    "vscode",  "WarpTerminal"};
    const char *type = getenv("TERM"), *program = getenv("TERM_PROGRAM");
    if (terminal_linear(t) || !type || is_set("VTE_VERSION"))
        return false;
    for (size_t i = 0; program && i < sizeof programs / sizeof *programs; i++)
        if (strcmp(program, programs[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return is_set("XTERM_VERSION") || is_set("WT_SESSION") || is_set("KITTY_WINDOW_ID");
}

static int base64(const char *text, size_t n, buf *out, error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)(unsigned char)text[i] << 16;
        if (i + 1 < n)
            v |= (unsigned)(unsigned char)text[i + 1] << 8;
        if (i + 2 < n)
            v |= (unsigned)(unsigned char)text[i + 2];
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                        i + 1 < n ? digits[v >> 6 & 63] : '=', i + 2 < n ? digits[v & 63] : '='};
        if (buf_add(out, four, 4, err))
            return -1;
    }
    return 0;
}

static int copy_by_terminal(terminal *t, const char *text, size_t n, error *err)
{
    buf out = {0};
    int result = buf_text(&out, "\033]52;c;", err) || base64(text, n, &out, err) ||
                         buf_text(&out, "\a", err) || terminal_write(t, &out, err)
                     ? -1
                     : 0;
    buf_release(&out);
    return result;
}

/* The child's input is the text; a program that goes on in the background, as these do, keeps no
 * stream of ours. */
static int copy_by_program(const char *const *argv, const char *text, size_t n)
{
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
    for (size_t at = 0; child > 0 && at < n;) {
        ssize_t done = write(ends[1], text + at, n - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break; /* its exit status says why */
        at += (size_t)done;
    }
    (void)close(ends[1]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int clipboard_copy(terminal *t, const char *text, size_t n, const char **way, error *err)
{
    static const char *const wayland[] = {"wl-copy", NULL};
    static const char *const x11[] = {"xclip", "-selection", "clipboard", NULL};
    bool terminal_takes = takes_osc52(t);
    if (terminal_takes && n <= OSC_MOST) {
        *way = "OSC 52";
        return copy_by_terminal(t, text, n, err);
    }
    if (is_set("WAYLAND_DISPLAY") && copy_by_program(wayland, text, n) == 0) {
        *way = wayland[0];
        return 0;
    }
    if (is_set("DISPLAY") && copy_by_program(x11, text, n) == 0) {
        *way = x11[0];
        return 0;
    }
    return error_set(err, ERROR_RUN,
                     terminal_takes
                         ? "%zu bytes are more than the terminal takes (OSC 52), and there is "
                           "neither wl-copy nor xclip"
                         : "no way to the clipboard: the terminal is not known to take OSC 52, and "
                           "neither wl-copy nor xclip works (%zu bytes)",
                     n);
}
