/* line.c - see line.h. Readline's callback interface: we wait, it edits.
 *
 * line_read() looks at the flags of signals, waits for bytes in a buffer of our own
 * (line_fill()) and lets readline take them one at a time (next_byte()). Keys that are ours are
 * bound in both keymaps (bind_keys()). Enter brings the line to finished(); finish() then puts
 * pasted texts in the place of their notes, refuses what is no UTF-8, and writes the history.
 * Readline has one state in a process and hands no pointer of ours on, hence `current`.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "../../screen/charset.h"
#include "../../system/line_history.h"
#include "line_state.h"

/* LOOK_MS: a signal that comes just before the wait begins is seen at its end. */
enum { HISTORY_ENTRIES = 2000, LOOK_MS = 200 };

/* Readline's functions are told nothing but the key. */
static line_editor *current;

/* ---- bytes ------------------------------------------------------------------------------------- */

bool line_fill(line_editor *l, int wait_ms)
{
    terminal_signals *s = terminal_signal_flags(l->term);
    while (l->at == l->end && !l->gone) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&p, 1, wait_ms);
        if (atomic_load(&s->ended))
            return false;
        if (ready <= 0)
            return false; /* a signal, or nothing in time */
        ssize_t n = read(STDIN_FILENO, l->bytes, sizeof l->bytes);
        if (n <= 0) {
            l->gone = n == 0 || (errno != EINTR && errno != EAGAIN);
            return false;
        }
        l->at = 0;
        l->end = (size_t)n;
        l->lone = n == 1;
    }
    return l->at < l->end;
}

/* Readline drops a byte that begins no character without a word; the line it was typed in is not the
 * line that was meant. */
static int watch(line_editor *l, unsigned char c)
{
    bool tail = (c & 0xC0) == 0x80;
    bool fits = l->more ? tail : c < 0x80 || (c >= 0xC2 && c <= 0xF4);
    l->foreign = l->foreign || !fits;
    l->more = l->more && tail        ? l->more - 1
              : c < 0xC2 || c > 0xF4 ? 0
                                     : 1 + (c >= 0xE0) + (c >= 0xF0);
    return c;
}

/* In the middle of a key, or of a question of readline's own ("display all 150?"): Ctrl-C aborts it, as
 * Ctrl-G does, and is looked at afterwards. */
static int next_byte(FILE *stream)
{
    enum { ABORT = 7 };
    line_editor *l = current;
    (void)stream;
    while (!line_fill(l, LOOK_MS)) {
        if (l->gone || atomic_load(&terminal_signal_flags(l->term)->ended))
            return EOF;
        if (atomic_load(&terminal_signal_flags(l->term)->interrupted))
            return ABORT;
    }
    return watch(l, (unsigned char)l->bytes[l->at++]);
}

/* Whether an ESC is the beginning of a key: readline tells how long to wait in a setting only. */
static int byte_ready(void)
{
    int microseconds = rl_set_keyboard_input_timeout(0);
    (void)rl_set_keyboard_input_timeout(microseconds);
    return line_fill(current, microseconds / 1000);
}

/* ---- keys -------------------------------------------------------------------------------------- */

static int insert_newline(int count, int key)
{
    (void)count, (void)key;
    return rl_insert_text("\n") > 0 ? 0 : 1;
}

static bool goes_on(void)
{
    int slashes = 0;
    while (slashes < rl_end && rl_line_buffer[rl_end - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

static int accept(int count, int key)
{
    if (!goes_on())
        return rl_newline(count, key);
    rl_point = rl_end;
    (void)rl_rubout(1, 0);
    return insert_newline(1, '\n');
}

/* Ctrl-J alone. A line feed that came together with other bytes is an Enter that was typed while
 * answers streamed, or that a program sent behind its text. */
static int line_feed(int count, int key)
{
    return current->lone && rl_end ? insert_newline(count, key) : accept(count, key);
}

static int take_paste(int count, int key)
{
    line_editor *l = current;
    buf text = {0};
    (void)count, (void)key;
    const char *shown =
        line_paste_take(l, &text, &l->problem) ? NULL : line_paste_note(l, &text, &l->problem);
    if (shown)
        (void)rl_insert_text(shown);
    buf_release(&text);
    return shown ? 0 : 1;
}

static void replace_line(line_editor *l, buf *text)
{
    const char *shown = line_paste_note(l, text, &l->problem);
    if (!shown)
        return;
    rl_begin_undo_group();
    (void)rl_delete_text(0, rl_end);
    rl_point = 0;
    (void)rl_insert_text(shown);
    rl_end_undo_group();
}

static int open_editor(int count, int key)
{
    line_editor *l = current;
    buf text = {0};
    (void)count, (void)key;
    rl_deprep_terminal();
    (void)rl_crlf();
    if (line_paste_expand(l, rl_line_buffer, &text, &l->problem) == 0 &&
        broker_edit_text(l->broker, &text, l->traceless, &l->problem) == 0)
        replace_line(l, &text);
    buf_release(&text);
    rl_prep_terminal(1);
    (void)rl_on_new_line();
    if (l->problem.text[0]) {
        console_error(terminal_console(l->term), l->problem.text);
        l->problem = (error){0};
    }
    return rl_forced_update_display();
}

static void bind_keys(Keymap map)
{
    (void)rl_bind_keyseq_in_map("\r", accept, map);
    (void)rl_bind_keyseq_in_map("\n", line_feed, map);
    (void)rl_bind_keyseq_in_map("\033\r", insert_newline, map);
    (void)rl_bind_keyseq_in_map("\033\n", insert_newline, map);
    (void)rl_bind_keyseq_in_map("\033[200~", take_paste, map);
    (void)rl_bind_keyseq_in_map("\030\005", open_editor, map);
}

/* ---- completion -------------------------------------------------------------------------------- */

int line_completion_add(line_completions *o, const char *word)
{
    if (o->len == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 16;
        char **grown = realloc(o->v, cap * sizeof *grown);
        if (!grown)
            return -1;
        o->v = grown;
        o->cap = cap;
    }
    if (!(o->v[o->len] = strdup(word)))
        return -1;
    o->len++;
    return 0;
}

static void release_offers(line_completions *o)
{
    for (size_t i = 0; i < o->len; i++)
        free(o->v[i]);
    free(o->v);
}

/* Readline's list: the longest common beginning, then the words, then NULL. Takes the words over. */
static char **as_matches(line_completions *o)
{
    char **matches = calloc(o->len + 2, sizeof *matches);
    if (!matches || !o->len) {
        free(matches);
        return NULL;
    }
    size_t common = strlen(o->v[0]);
    for (size_t i = 0; i < o->len; i++) {
        size_t same = 0;
        while (same < common && o->v[i][same] == o->v[0][same])
            same++;
        common = same;
        matches[i + 1] = o->v[i];
    }
    while (common && ((unsigned char)o->v[0][common] & 0xC0) == 0x80)
        common--; /* no half of a character */
    matches[0] = strndup(o->v[0], common);
    if (o->len == 1) {
        free(matches[1]);
        matches[1] = NULL;
    }
    o->len = 0;
    return matches;
}

static char **complete(const char *word, int start, int end)
{
    line_editor *l = current;
    line_completions all = {0}, fit = {0};
    size_t n = strlen(word);
    if (l->complete)
        l->complete(l->user, rl_line_buffer, (size_t)start, (size_t)end, &all);
    for (size_t i = 0; i < all.len; i++)
        if (strncmp(all.v[i], word, n) == 0)
            (void)line_completion_add(&fit, all.v[i]);
    rl_attempted_completion_over = !all.files;
    char **matches = as_matches(&fit);
    release_offers(&all);
    release_offers(&fit);
    return matches;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static void remember(const char *text)
{
    add_history(text);
}

/* A history that cannot be read is not written to either. */
static void load_history(line_editor *l)
{
    error trouble = {0};
    if (!l->history || line_history_load(l->history, remember, &trouble) == 0)
        return;
    console_note(terminal_console(l->term), "%s", trouble.text);
    free(l->history);
    l->history = NULL;
}

/* A byte above 7F is part of a character and no Meta key, whatever an inputrc of other days says. */
static void read_utf8(void)
{
    (void)rl_variable_bind("input-meta", "on");
    (void)rl_variable_bind("output-meta", "on");
    (void)rl_variable_bind("convert-meta", "off");
}

/* What a run of readline needs once. Signals are main.c's. */
static void set_up_readline(line_editor *l)
{
    static char words[] = " \t\n,";
    rl_readline_name = "consilium";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_instream = stdin;
    rl_outstream = isatty(STDOUT_FILENO) ? stdout : stderr;
    rl_getc_function = next_byte;
    rl_input_available_hook = byte_ready;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = words;
    charset_saved saved = charset_export();
    (void)rl_initialize();
    charset_restore(&saved);
    const char *type = getenv("TERM");
    if (type && strcmp(type, "dumb") != 0)
        (void)rl_variable_bind("enable-bracketed-paste", "on");
    bind_keys(rl_get_keymap_by_name("emacs-standard"));
    bind_keys(rl_get_keymap_by_name("vi-insert"));
    using_history();
    stifle_history(HISTORY_ENTRIES);
    load_history(l);
}

line_editor *line_open(terminal *t, const line_options *options, error *err)
{
    line_editor *l = calloc(1, sizeof *l);
    if (!l || (options->history && !(l->history = strdup(options->history)))) {
        line_close(l);
        error_memory(err, "the prompt");
        return NULL;
    }
    l->term = t;
    l->broker = options->broker;
    l->traceless = options->traceless;
    l->hint = options->hint;
    l->complete = options->complete;
    l->news = options->news;
    l->user = options->user;
    current = l;
    set_up_readline(l);
    return l;
}

void line_close(line_editor *l)
{
    if (!l)
        return;
    line_paste_forget(l);
    buf_release(&l->prefill);
    buf_release(&l->fresh);
    free(l->pastes);
    free(l->history);
    free(l);
    clear_history();
    current = NULL;
}

/* ---- one line ---------------------------------------------------------------------------------- */

static void finished(char *typed)
{
    current->typed = typed;
    current->done = true;
    rl_callback_handler_remove();
}

static void begin(line_editor *l)
{
    charset_saved saved = charset_export();
    rl_callback_handler_install(l->prompt, finished);
    charset_restore(&saved);
    read_utf8();
}

/* Ctrl-C: what was typed stays on the screen, marked at its end, and a new prompt stands below it. The
 * mark comes first: readline goes back to the first column when it gives the terminal back. */
static void clear_line(line_editor *l)
{
    bool empty = rl_end == 0;
    rl_callback_sigcleanup(); /* a search, a number for the next key */
    rl_point = rl_end;
    rl_redisplay();
    fputs("^C\r\n", rl_outstream);
    rl_free_line_state();
    rl_callback_handler_remove();
    rl_replace_line("", 1);
    line_paste_forget(l);
    l->at = l->end;
    l->foreign = false;
    if (empty && l->hint)
        fprintf(rl_outstream, "%s\n", l->hint);
    (void)fflush(rl_outstream);
    begin(l);
}

static void look_at_signals(line_editor *l)
{
    terminal_signals *s = terminal_signal_flags(l->term);
    if (atomic_exchange(&s->interrupted, false))
        clear_line(l);
    if (terminal_resized(l->term))
        rl_resize_terminal();
    if (atomic_load(&s->suspend)) {
        rl_deprep_terminal();
        (void)terminal_suspended(l->term);
        rl_prep_terminal(1);
        (void)terminal_resized(l->term);
        rl_resize_terminal();
        (void)rl_forced_update_display();
    }
}

/* The rows of the line are wiped, the news stand where it stood, and it is drawn anew below them. Not in
 * the middle of a search or a number for the next key, which have a prompt of their own. */
static void look_at_news(line_editor *l)
{
    static const unsigned long busy = RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG |
                                      RL_STATE_MULTIKEY | RL_STATE_VIMOTION | RL_STATE_MOREINPUT;
    buf say = {0}, prompt = {0};
    if (!l->news || RL_ISSTATE(busy) || !l->news(l->user, &say, &prompt)) {
        buf_release(&say);
        buf_release(&prompt);
        return;
    }
    (void)rl_clear_visible_line();
    (void)fflush(rl_outstream);
    (void)terminal_write_folded(l->term, &say, NULL);
    buf_release(&say);
    if (prompt.len) {
        charset_saved saved = charset_export();
        (void)rl_set_prompt(prompt.v);
        charset_restore(&saved);
        buf_release(&l->fresh);
        l->fresh = prompt;
        l->prompt = l->fresh.v;
    }
    (void)rl_on_new_line();
    rl_redisplay();
}

static int keep(line_editor *l, const buf *text, error *err)
{
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    if (!line_history_wants(text->v ? text->v : "", last ? last->line : NULL))
        return 0;
    add_history(text->v);
    return l->history && !l->traceless ? line_history_append(l->history, text->v, err) : 0;
}

/* The line stays in the history of this run, to be corrected. */
static void refuse_foreign(line_editor *l, buf *out)
{
    if (out->len)
        add_history(out->v);
    buf_clear(out);
    console_error(terminal_console(l->term), "the terminal sent bytes that are no UTF-8: the line "
                                             "was not sent; set the terminal to UTF-8");
}

/* A history that cannot be written takes nothing from the line. */
static line_result finish(line_editor *l, buf *out, error *err)
{
    error trouble = {0};
    int result = line_paste_expand(l, l->typed, out, err);
    free(l->typed);
    l->typed = NULL;
    line_paste_forget(l);
    if (result)
        return LINE_FAILED;
    if (l->foreign) {
        refuse_foreign(l, out);
        return LINE_TEXT;
    }
    if (keep(l, out, &trouble)) {
        console_note(terminal_console(l->term), "%s", trouble.text);
        free(l->history);
        l->history = NULL;
    }
    return LINE_TEXT;
}

int line_prefill(line_editor *l, const char *text, size_t len, error *err)
{
    buf_clear(&l->prefill);
    return buf_add(&l->prefill, text, len, err);
}

bool line_prefilled(const line_editor *l)
{
    return l->prefilled;
}

/* What is large stands there as a note, as if it had been pasted. */
static void put_prefill(line_editor *l)
{
    l->prefilled = l->prefill.len > 0;
    if (!l->prefilled)
        return;
    const char *shown = line_paste_note(l, &l->prefill, &l->problem);
    if (shown)
        (void)rl_insert_text(shown);
    rl_redisplay();
    buf_clear(&l->prefill);
}

line_result line_read(line_editor *l, const char *prompt, buf *out, error *err)
{
    l->prompt = prompt;
    l->done = false;
    l->more = 0;
    l->foreign = false;
    begin(l);
    put_prefill(l);
    while (!l->done) {
        look_at_signals(l);
        if (atomic_load(&terminal_signal_flags(l->term)->ended) || l->gone) {
            rl_callback_handler_remove();
            return l->gone ? LINE_EOF : LINE_SIGNALLED;
        }
        if (line_fill(l, LOOK_MS))
            rl_callback_read_char();
        else
            look_at_news(l);
    }
    return l->typed ? finish(l, out, err) : LINE_EOF;
}
