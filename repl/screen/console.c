/* console.c - see console.h.
 *
 * Three ways of writing to standard output, which differ in what was done to the text: a
 * document goes out as it is, a text is folded to the terminal's width, a stream is folded
 * piece by piece and holds back the word that may still move, until the next text flushes
 * it. Standard error is written a line at a time in one write, so that lines of two
 * processes do not mix, and its failures are nobody's to hear of. Whatever is written wipes
 * the moving line away first.
 */
#include "console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "safe_text.h"

/* no-color.org: set and not empty, whatever the value. */
static bool may_color(int fd, bool no_color)
{
    const char *wish = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color || (wish && *wish) || !term || strcmp(term, "dumb") == 0)
        return false;
    return isatty(fd) == 1;
}

static bool may_move(bool quiet)
{
    const char *term = getenv("TERM");
    return !quiet && term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO) == 1;
}

void console_open(console *c, const atomic_bool *cancel, bool quiet, bool verbose, bool no_color)
{
    *c = (console){
        .cancel = cancel,
        .out_color = may_color(STDOUT_FILENO, no_color),
        .err_color = may_color(STDERR_FILENO, no_color),
        .moving = may_move(quiet),
        .quiet = quiet,
        .verbose = verbose,
    };
}

/* ---- standard output ------------------------------------------------------------------------ */

int console_write(console *c, int fd, const char *name, const void *bytes, size_t n, error *err)
{
    const char *at = bytes;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR) {
            if (console_cancelled(c))
                return console_interrupted(err);
            continue;
        }
        if (done < 0) {
            c->out_closed = fd == STDOUT_FILENO && errno == EPIPE;
            return error_set(err, ERROR_RUN, "cannot write %s: %s", name, strerror(errno));
        }
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int console_document(console *c, buf *text, error *err)
{
    console_progress_end(c);
    if (text->len)
        c->line_open = text->v[text->len - 1] != '\n';
    int result = console_write(c, STDOUT_FILENO, "to standard output", text->v, text->len, err);
    buf_clear(text);
    return result;
}

int console_text(console *c, buf *text, error *err)
{
    buf out = {0};
    int result =
        fold_end(&c->stream, &out, err) || fold_text(text, fold_columns(STDOUT_FILENO), err) ||
        (text->len && buf_add(&out, text->v, text->len, err)) || console_document(c, &out, err);
    buf_release(&out);
    buf_clear(text);
    return result ? -1 : 0;
}

int console_written(console *c, text_writer *w)
{
    int result = w->failed || console_text(c, w->out, w->err) ? -1 : 0;
    buf_release(w->out);
    return result;
}

int console_line(console *c, const char *text, error *err)
{
    buf line = {0};
    int result = console_quote(c, &line, text, err) || buf_text(&line, "\n", err) ? -1 : 0;
    if (!result)
        result = console_text(c, &line, err);
    buf_release(&line);
    return result;
}

int console_stream(console *c, buf *text, error *err)
{
    buf out = {0};
    c->stream.width = fold_columns(STDOUT_FILENO);
    int result =
        fold_add(&c->stream, text->v, text->len, &out, err) || console_document(c, &out, err);
    buf_release(&out);
    buf_clear(text);
    return result ? -1 : 0;
}

int console_json(console *c, json_writer *e, error *err)
{
    buf safe = {0};
    int result = json_writer_finish(e) || buf_text(e->out, "\n", err) ||
                 safe_text_copy(&safe, SAFE_JSON, c->ascii, e->out->v, e->out->len, err) ||
                 console_document(c, &safe, err);
    buf_release(&safe);
    buf_release(e->out);
    return result ? -1 : 0;
}

int console_quote(const console *c, buf *out, const char *text, error *err)
{
    return safe_text_copy(out, SAFE_LINE, c->ascii, text, strlen(text), err);
}

void console_put_quoted(const console *c, text_writer *w, const char *text)
{
    w->failed = w->failed || console_quote(c, w->out, text, w->err);
}

/* ---- standard error ------------------------------------------------------------------------- */

/* There is nobody to tell when standard error itself fails. */
static void write_err(const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(STDERR_FILENO, bytes, n);
        if (done <= 0)
            return;
        bytes += done;
        n -= (size_t)done;
    }
}

/* One line, in one write, with `lead` in front and everything in `text` made harmless. */
static void write_line(const console *c, const char *lead, const char *text, const char *end)
{
    buf line = {0};
    if (buf_text(&line, lead, NULL) == 0 && console_quote(c, &line, text, NULL) == 0 &&
        buf_text(&line, end, NULL) == 0 &&
        (*end != '\n' || fold_text(&line, fold_columns(STDERR_FILENO), NULL) == 0))
        write_err(line.v, line.len);
    buf_release(&line);
}

void console_say(console *c, const buf *text)
{
    buf out = {0};
    console_progress_end(c);
    if (text->len && buf_add(&out, text->v, text->len, NULL) == 0 &&
        fold_text(&out, fold_columns(STDERR_FILENO), NULL) == 0)
        write_err(out.v, out.len);
    buf_release(&out);
}

static void print_line(console *c, const char *format, va_list args)
{
    char text[1024];
    (void)vsnprintf(text, sizeof text, format, args);
    console_progress_end(c);
    write_line(c, "", text, "\n");
}

void console_note(console *c, const char *format, ...)
{
    if (c->quiet)
        return;
    va_list args;
    va_start(args, format);
    print_line(c, format, args);
    va_end(args);
}

void console_sentence(void *user, const char *sentence)
{
    console_note(user, "%s", sentence);
}

void console_loss(console *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(c, format, args);
    va_end(args);
}

static bool one_terminal(void)
{
    struct stat out, err;
    return isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1 &&
           fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_rdev == err.st_rdev;
}

/* The answer goes on below. */
static void break_line(console *c)
{
    if (!c->line_open || !one_terminal())
        return;
    write_err("\n", 1);
    c->line_open = false;
    c->stream.column = c->stream.blanks = 0;
    c->stream.filled = false;
}

void console_warn(console *c, const char *sentence)
{
    if (c->quiet || (c->windows && buf_format(&c->held, NULL, "warning: %s\n", sentence) == 0))
        return;
    break_line(c);
    console_note(c, "warning: %s", sentence);
}

void console_hold(console *c)
{
    c->windows++;
}

void console_let_go(console *c)
{
    if (--c->windows)
        return;
    for (char *at = c->held.v, *end; at && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        console_note(c, "%s", at);
    }
    buf_release(&c->held);
}

void console_error(console *c, const char *sentence)
{
    console_progress_end(c);
    write_line(c, c->err_color ? "\033[1mconsilium:\033[0m " : "consilium: ", sentence, "\n");
}

/* ---- the moving line ------------------------------------------------------------------------ */

static size_t screen_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

/* A line that is wider than the screen could not be written over. */
static void cut_to_screen(char *text)
{
    size_t columns = screen_columns() - 1, end = strlen(text);
    while (end && safe_text_width(text, end) > columns)
        do
            end--;
        while (end && ((unsigned char)text[end] & 0xC0) == 0x80);
    text[end] = '\0';
}

void console_progress(console *c, const char *format, ...)
{
    double now = console_seconds();
    if (!c->moving || (c->line_shown && now - c->line_time < 0.1))
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cut_to_screen(text);
    write_line(c, "\r", text, "\033[K");
    c->line_shown = true;
    c->line_time = now;
}

void console_progress_end(console *c)
{
    if (c->line_shown)
        write_err("\r\033[K", 4);
    c->line_shown = false;
}

/* ---- the moving frame ------------------------------------------------------------------------ */

int console_columns(void)
{
    return (int)screen_columns();
}

/* One write, as a synchronized update: up to the frame's first line, then each line anew. */
void console_frame(console *c, const buf *text)
{
    buf out = {0};
    int lines = 0, result;
    if (!c->moving || !text->len)
        return;
    console_progress_end(c);
    result = buf_text(&out, "\033[?2026h", NULL);
    if (c->frame_lines && !result)
        result = buf_format(&out, NULL, "\r\033[%dA", c->frame_lines);
    for (const char *at = text->v, *end; *at && !result; at = end + 1, lines++) {
        end = strchr(at, '\n');
        end = end ? end : at + strlen(at) - 1;
        result = buf_add(&out, at, (size_t)(end - at), NULL) || buf_text(&out, "\033[K\n", NULL);
    }
    if (!result && buf_text(&out, "\033[J\033[?2026l", NULL) == 0)
        write_err(out.v, out.len);
    c->frame_lines = lines;
    buf_release(&out);
}

void console_frame_end(console *c)
{
    c->frame_lines = 0;
}

/* ---- small things --------------------------------------------------------------------------- */

const char *console_bold(const console *c)
{
    return c->out_color ? "\033[1m" : "";
}

const char *console_dim(const console *c)
{
    return c->out_color ? "\033[2m" : "";
}

const char *console_reset(const console *c)
{
    return c->out_color ? "\033[0m" : "";
}

bool console_cancelled(const console *c)
{
    return c->cancel && atomic_load_explicit(c->cancel, memory_order_relaxed);
}

int console_interrupted(error *err)
{
    return error_set(err, ERROR_CANCELLED, "interrupted");
}

double console_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
