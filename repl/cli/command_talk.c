/* command_talk.c - the loop of a conversation: a line is read, and run or asked. See talk.h.
 *
 * In this order: the broker is forked while the process is small and trusted; the terminal and
 * the model are opened, which gives the rights up; a session is begun or resumed; lines are read
 * until /quit, Ctrl-D or a signal. slash_classify() says what a line is: a command runs on the
 * talk, all else is a question to everybody or to those named in front. What fails is told and
 * the loop goes on; only a prompt that cannot be read, and an output that nobody reads, end it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/utf8.h"
#include "../../engine/base/version.h"
#include "../../personas/roster/persona_tree.h"
#include "../chat/slash/slash.h"
#include "../chat/talk_training.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/broker.h"
#include "../system/line_history.h"
#include "commands.h"

/* ---- greeting ---------------------------------------------------------------------------------- */

static const char *dot(const talk *t)
{
    return terminal_utf8(t->term) ? "·" : "-";
}

static int add_seats(const talk *t, buf *out)
{
    const roster *r = dialogue_roster(t->dialogue);
    for (int i = 0; i < roster_seats(r); i++)
        if (buf_format(out, NULL, "%s%s", i ? ", " : "", roster_seat(r, i)->name))
            return -1;
    return 0;
}

/* Two lines, one on what the built-in model is, and for someone who is new here something to try. */
static void greet(talk *t, bool first_time)
{
    const model_config *m = engine_config(t->engine);
    buf who = {0};
    (void)add_seats(t, &who);
    if (m->experts)
        console_note(t->con,
                     "consilium " CONSILIUM_VERSION " %s %s: %d layers, %d experts, %d a token",
                     dot(t), open_model_title(&t->set, t->engine), m->layers, m->experts,
                     m->experts_per_token);
    else
        console_note(t->con, "consilium " CONSILIUM_VERSION " %s %s: %d layers, no experts", dot(t),
                     open_model_title(&t->set, t->engine), m->layers);
    console_note(t->con, "%s %s ask anything %s /help", who.v ? who.v : "", dot(t), dot(t));
    if (open_model_is_built_in(&t->set))
        console_note(t->con,
                     "a small demonstration model, often wrong; your own: consilium -m FILE");
    if (first_time)
        console_note(t->con, "try: Should a town close its old library?");
    buf_release(&who);
}

/* ---- one line ---------------------------------------------------------------------------------- */

static int nobody(const talk *t, const char *name, error *err)
{
    const roster *r = dialogue_roster(t->dialogue);
    const char *names[64];
    size_t count = 0;
    for (int i = 0; i < roster_seats(r) + roster_groups(r) && count < 64; i++)
        names[count++] = roster_seat(r, i)->name;
    const char *near = options_nearest(name, names, count);
    return error_set(err, ERROR_USAGE, "nobody here is called \"%.64s\"%s%s%s", name,
                     near ? "; did you mean @" : "; /personas shows who speaks", near ? near : "",
                     near ? "?" : "");
}

/* The seat of that name, or all within that group. */
static void mark(const roster *r, const char *name, bool *asked)
{
    for (int i = 0; i < roster_seats(r); i++)
        asked[i] = asked[i] || turn_asked(name, roster_seat(r, i)->name);
}

/* Marks the seats that "coder,critic" or "coder @critic" names. */
static int mark_seats(const talk *t, const char *word, size_t n, bool *asked, error *err)
{
    static const char gaps[] = "@, \t\n";
    for (size_t at = 0; at < n;) {
        char name[COLUMN_BYTES] = "";
        size_t len = strcspn(word + at, gaps);
        len = len < n - at ? len : n - at;
        if (len) {
            memcpy(name, word + at, len < sizeof name ? len : sizeof name - 1);
            if (dialogue_find(t->dialogue, name) < 0)
                return nobody(t, name, err);
            mark(dialogue_roster(t->dialogue), name, asked);
        }
        at += len + 1;
    }
    return 0;
}

/* In the order of the seats. *all: every one of several, so that nobody in particular is asked. */
static int list_seats(const talk *t, const bool *asked, bool *all, buf *only, error *err)
{
    const roster *r = dialogue_roster(t->dialogue);
    *all = roster_seats(r) > 1;
    for (int i = 0; i < roster_seats(r); i++) {
        *all = *all && asked[i];
        if (asked[i] &&
            buf_format(only, err, "%s%s", only->len ? "," : "", roster_seat(r, i)->name))
            return -1;
    }
    return 0;
}

static int address(talk *t, const char *word, size_t n, const char *rest, error *err)
{
    buf only = {0};
    bool all = false;
    bool *asked = calloc((size_t)roster_seats(dialogue_roster(t->dialogue)) + 1, sizeof *asked);
    int result = asked ? 0 : error_memory(err, "the names");
    if (!result)
        result =
            mark_seats(t, word, n, asked, err) || list_seats(t, asked, &all, &only, err) ? -1 : 0;
    if (!result && !*rest && !t->pending.len)
        result = error_set(err, ERROR_USAGE, "@%s needs something to answer", only.v);
    if (!result)
        result = talk_ask(t, rest, strlen(rest), all ? NULL : only.v, err);
    free(asked);
    buf_release(&only);
    return result;
}

/* The first of those that are addressed. */
static bool sits(const talk *t, const char *word, size_t n)
{
    char name[COLUMN_BYTES] = "";
    size_t first = strcspn(word, "@, \t\n");
    n = first < n ? first : n;
    if (n < sizeof name)
        memcpy(name, word, n);
    return dialogue_find(t->dialogue, name) >= 0;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\n")] == '\0';
}

static int run_line(talk *t, const buf *text, error *err)
{
    const slash_command *command = NULL;
    const char *word = NULL, *rest = NULL, *typed = text->v ? text->v : "";
    size_t n = 0;
    if (blank(typed))
        return 0;
    if (!utf8_check(typed, text->len, &n))
        return error_set(err, ERROR_USAGE,
                         "this line is no UTF-8 at byte %zu; set the terminal to UTF-8", n);
    switch (slash_classify(typed, text->len, &command, &word, &n, &rest)) {
    case SLASH_COMMAND:
        return slash_run(t, command, rest, err);
    case SLASH_MENTION:
        if (!slash_one_line(typed, text->len) && !sits(t, word, n)) {
            rest = typed; /* "@property" above a function */
            break;
        }
        return address(t, word, n, rest, err);
    case SLASH_OMITTED:
        return slash_hint(t, command, err);
    case SLASH_UNKNOWN:
        return slash_unknown(word, n, err);
    case SLASH_TEXT:
        break;
    }
    return talk_ask(t, rest, strlen(rest), NULL, err);
}

/* "own 3 › ": what is remembered, and how many speak; who learns meanwhile. */
static int make_prompt(const talk *t, buf *out, error *err)
{
    static const char *const policies[] = {
        [CONTEXT_OWN] = "own", [CONTEXT_MERGED] = "merged", [CONTEXT_PICKED] = "picked"};
    buf_clear(out);
    if (buf_format(out, err, "%s %d%s", policies[dialogue_settings(t->dialogue)->context],
                   roster_seats(dialogue_roster(t->dialogue)), t->blind ? " blind" : "") ||
        talk_training_prompt(t, out, err))
        return -1;
    return buf_format(out, err, " %s ", terminal_utf8(t->term) ? "›" : ">");
}

/* A training has ended while the prompt stood. */
static bool hear(void *user, buf *say, buf *prompt)
{
    talk *t = user;
    return talk_training_news(t, say) && make_prompt(t, prompt, NULL) == 0;
}

static int loop(talk *t, error *err)
{
    buf text = {0}, prompt = {0};
    line_result got = LINE_TEXT;
    int result = 0;
    while (!t->leave && !result && got == LINE_TEXT) {
        error trouble = {0};
        buf_clear(&text);
        talk_training_look(t);
        result = make_prompt(t, &prompt, err);
        if (!result)
            got = line_read(t->line, prompt.v, &text, err);
        atomic_store(&terminal_signal_flags(t->term)->cancel, false); /* of the prompt */
        t->replacing = t->editing && line_prefilled(t->line);
        t->editing = t->unread = false;
        if (!result && got == LINE_TEXT && run_line(t, &text, &trouble))
            talk_error(t, &trouble);
        if (t->unread) { /* typed once is enough */
            t->editing = t->replacing;
            result = line_prefill(t->line, text.v, text.len, err);
        }
        t->replacing = false;
        t->leave = t->leave || atomic_load(&terminal_signal_flags(t->term)->ended);
        if (t->con->out_closed)
            result = error_set(err, ERROR_RUN, "nobody reads standard output any more");
    }
    buf_release(&text);
    buf_release(&prompt);
    return result || got == LINE_FAILED ? -1 : 0;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static int open_line(talk *t, bool *first_time, error *err)
{
    char *path = NULL;
    bool saves = !t->opt->no_save;
    if (line_history_path(saves, &path, err))
        return -1;
    *first_time = !path || access(path, F_OK) != 0;
    line_options o = {.history = path,
                      .traceless = !saves,
                      .broker = t->broker,
                      .hint = "Ctrl-D or /quit leaves; Ctrl-C stops an answer",
                      .complete = slash_complete_word,
                      .news = hear,
                      .user = t};
    t->line = line_open(t->term, &o, err);
    free(path);
    return t->line ? 0 : -1;
}

static int open_talk(talk *t, error *err)
{
    view_layout layout;
    t->term = terminal_open(t->con, t->con->signals, t->opt->plain, err);
    if (!t->term || options_copy(&t->set, t->opt, err) ||
        mode_options_open(&t->mode, t->set.mode, err) || talk_begin(t, err) ||
        !view_layout_parse(t->opt->view, &layout))
        return -1;
    return talk_view(t, layout, NULL, err);
}

static void close_talk(talk *t)
{
    line_close(t->line);
    conversation_close(t->conversation);
    talk_forget_listener(t);
    engine_close(t->engine);
    terminal_close(t->term);
    talk_release_seats(&t->how, &t->seats);
    options_release(&t->set);
    options_release(&t->now);
    mode_options_release(&t->mode);
    for (size_t i = 0; i < t->word_count; i++)
        free(t->words[i]);
    free(t->words);
    free(t->unmasked);
    free(t->mask_penalties);
    free(t->note);
    talk_forget_blind(t);
    talk_training_close(t->training);
    free(t->folder);
    free(t->system);
    buf_release(&t->pending);
}

/* The command that brings the conversation back. */
static void say_goodbye(talk *t)
{
    char id[CONVERSATION_NAME];
    conversation_short_name(t->conversation, id);
    if (*id)
        console_note(t->con, "consilium --resume %s", id);
}

int command_talk(const options *opt, console *con, error *err)
{
    talk t = {.opt = opt, .con = con};
    bool first_time = false;
    if (isatty(STDIN_FILENO) != 1)
        return error_set(err, ERROR_USAGE,
                         "a conversation needs a terminal; `consilium ask` reads "
                         "pipes");
    t.broker = broker_start(con, opt->no_sandbox || !con->may_sandbox, err);
    con->private_folder = t.broker ? broker_private_folder(t.broker) : NULL;
    int result = !t.broker || open_talk(&t, err) || open_line(&t, &first_time, err) ? -1 : 0;
    if (!result) {
        greet(&t, first_time);
        result = loop(&t, err);
        say_goodbye(&t);
    }
    talk_training_leave(&t);
    close_talk(&t);
    broker_close(t.broker);
    con->private_folder = NULL;
    return result;
}
