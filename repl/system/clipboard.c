/* clipboard.c - see clipboard.h.
 *
 * The text is made harmless first. Then tmux's buffer and a desktop's program are tried, both,
 * as their exit status tells what happened; where neither took it the terminal is asked by OSC
 * 52, wrapped for the tmux or screen that stands between. The sentence says which way it went,
 * and how much is known of it.
 */
#include "clipboard.h"

#include <stdlib.h>
#include <string.h>

#include "../screen/safe_text.h"

/* Terminals cut longer sequences off without a word (xterm's usual limit is 100,000 bytes of base64).
 * screen's oldest limit of a string that it passes on is 256 bytes. */
enum { OSC_MOST = 74994, SCREEN_MOST = 240 };

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
    return is_set("STY") || is_set("XTERM_VERSION") || is_set("WT_SESSION") ||
           is_set("KITTY_WINDOW_ID");
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

typedef enum passage { PASS_DIRECT, PASS_TMUX, PASS_SCREEN } passage;

/* What stands between us and the terminal. An ssh from within knows it by TERM alone. */
static passage find_passage(void)
{
    const char *type = getenv("TERM");
    if (is_set("TMUX") || (type && strncmp(type, "tmux", 4) == 0))
        return PASS_TMUX;
    return is_set("STY") || (type && strncmp(type, "screen", 6) == 0) ? PASS_SCREEN : PASS_DIRECT;
}

/* tmux: DCS "tmux;", every ESC doubled. */
static int wrap_tmux(const buf *sequence, buf *out, error *err)
{
    if (buf_text(out, "\033Ptmux;\033", err) || buf_add(out, sequence->v, sequence->len, err))
        return -1;
    return buf_text(out, "\033\\", err);
}

/* screen: what a DCS holds goes on as it is; one after another when it is long. */
static int wrap_screen(const buf *sequence, buf *out, error *err)
{
    for (size_t at = 0, n; at < sequence->len; at += n) {
        n = sequence->len - at < SCREEN_MOST ? sequence->len - at : SCREEN_MOST;
        if (buf_text(out, "\033P", err) || buf_add(out, sequence->v + at, n, err) ||
            buf_text(out, "\033\\", err))
            return -1;
    }
    return 0;
}

/* The sequence has one ESC, its first byte. */
static int copy_by_terminal(terminal *t, passage way, const char *text, size_t n, error *err)
{
    buf plain = {0}, out = {0};
    int result = buf_text(&plain, "\033]52;c;", err) || base64(text, n, &plain, err) ||
                 buf_text(&plain, "\a", err);
    if (!result)
        result = way == PASS_TMUX     ? wrap_tmux(&plain, &out, err)
                 : way == PASS_SCREEN ? wrap_screen(&plain, &out, err)
                                      : buf_add(&out, plain.v, plain.len, err);
    result = result || terminal_write(t, &out, err) ? -1 : 0;
    buf_release(&plain);
    buf_release(&out);
    return result;
}

/* The name of the program that took it, or NULL. */
static const char *copy_on_desktop(broker *b, const char *text, size_t n)
{
    if (is_set("WAYLAND_DISPLAY") && broker_copy(b, COPY_BY_WAYLAND, text, n))
        return "wl-copy";
    return is_set("DISPLAY") && broker_copy(b, COPY_BY_X11, text, n) ? "xclip" : NULL;
}

/* *asked: the terminal was handed it as well. */
static bool copy_into_tmux(broker *b, const char *text, size_t n, bool *asked)
{
    if (!is_set("TMUX"))
        return false;
    *asked = broker_copy(b, COPY_BY_TMUX, text, n);
    return *asked || broker_copy(b, COPY_BY_TMUX_OWN, text, n);
}

static int no_way(const terminal *t, size_t n, error *err)
{
    return error_set(err, ERROR_RUN,
                     takes_osc52(t)
                         ? "%zu bytes are more than the terminal takes (OSC 52), and there is "
                           "neither wl-copy nor xclip"
                         : "no way to the clipboard: the terminal is not known to take OSC 52, and "
                           "neither wl-copy nor xclip works (%zu bytes)",
                     n);
}

static int copy_harmless(terminal *t, broker *b, const char *name, const char *text, size_t n,
                         buf *message, error *err)
{
    bool asked = false, tmux = copy_into_tmux(b, text, n, &asked);
    const char *program = copy_on_desktop(b, text, n);
    passage way = find_passage();
    if (tmux)
        return buf_format(message, err,
                          "copied %zu bytes of %s into tmux's buffer (prefix ] pastes)%s%s", n,
                          name,
                          program ? " and by "
                          : asked ? "; tmux was asked to hand them to the terminal as well"
                                  : "",
                          program ? program : "");
    if (program)
        return buf_format(message, err, "copied %zu bytes of %s by %s", n, name, program);
    if (!takes_osc52(t) || n > OSC_MOST)
        return no_way(t, n, err);
    if (copy_by_terminal(t, way, text, n, err))
        return -1;
    return buf_format(message, err,
                      "sent %zu bytes of %s to the terminal%s by OSC 52; whether it took them is "
                      "not known",
                      n, name,
                      way == PASS_TMUX     ? " through tmux"
                      : way == PASS_SCREEN ? " through screen"
                                           : "");
}

int clipboard_copy(terminal *t, broker *b, const char *name, const char *text, size_t n,
                   buf *message, error *err)
{
    buf lines = {0}, safe = {0};
    int result = 0;
    for (size_t i = 0, run; i < n && !result; i += run) {
        const char *cr = memmem(text + i, n - i, "\r\n", 2);
        run = cr ? (size_t)(cr - text) - i : n - i;
        result = run ? buf_add(&lines, text + i, run, err) : 0;
        if (cr && !result) {
            result = buf_text(&lines, "\n", err);
            run += 2;
        }
    }
    result = result || safe_text_copy(&safe, SAFE_PROSE, false, lines.v, lines.len, err) ? -1 : 0;
    if (!result && !safe.len)
        result = error_set(err, ERROR_USAGE, "%s said nothing; the clipboard stays as it is", name);
    if (!result)
        result = copy_harmless(t, b, name, safe.v, safe.len, message, err);
    if (!result && safe.len != lines.len)
        result =
            buf_text(message, "; what a terminal would obey stands there as on the screen", err);
    buf_release(&lines);
    buf_release(&safe);
    return result;
}
