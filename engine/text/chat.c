/* chat.c - see chat.h: opens a template, tries it out and answers what others ask about it.
 *
 * What a template does is found by running it on small conversations, never by reading it: whether
 * it shows messages at all, leaves out the system's, opens thoughts, and by which token it ends an
 * answer. */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/printable.h"
#include "chat_state.h"

static const chat_tag tags[] = {
    {"<think>", "</think>"},
    {"[THINK]", "[/THINK]"},
    {"<seed:think>", "</seed:think>"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
};

enum { TAGS = sizeof tags / sizeof *tags };

/* The id of text that a template writes, when that is one token; else -1, or -2 with the error. */
static int single_token(const chat_format *f, const char *text, error *err)
{
    tokens ids = {0};
    int id = tokenizer_find(f->tokenizer, text, strlen(text));
    if (chat_encode_trusted(f, text, strlen(text), &ids, err))
        id = -2;
    else if (ids.len != 1 || ids.v[0] != id)
        id = -1;
    tokens_release(&ids);
    return id;
}

/* ---- options ------------------------------------------------------------------------------- */

/* The day that `text` names, or today. */
static int read_day(const char *text, struct tm *day, error *err)
{
    time_t now = time(NULL);
    *day = (struct tm){0};
    if (!text) {
        localtime_r(&now, day);
        return 0;
    }
    const char *end = strptime(text, "%Y-%m-%d", day);
    if (end && !*end && strlen(text) == strlen("2026-11-22"))
        return 0;
    return error_set(err, ERROR_USAGE, "\"%.40s\" is no day: 2026-11-22", text);
}

static int copy_variables(chat_format *f, const chat_options *opt, error *err)
{
    f->variables = calloc((size_t)opt->variable_count + 1, sizeof *f->variables);
    if (!f->variables)
        return error_memory(err, "the chat format");
    for (int i = 0; i < opt->variable_count; i++) {
        if (chat_variable_check(opt->variables[i], err))
            return -1;
        if (!(f->variables[f->variable_count++] = strdup(opt->variables[i])))
            return error_memory(err, "the chat format");
    }
    return 0;
}

static int check_builtin(const chat_format *f, error *err)
{
    const chat_builtin *b = f->builtin;
    if (b->ends_with_eos && tokenizer_eos(f->tokenizer) < 0)
        return error_set(err, ERROR_LOAD,
                         "the chat format %s ends answers with the vocabulary's end-of-text token, "
                         "but the vocabulary names none",
                         b->name);
    for (size_t i = 0; i < CHAT_BUILTIN_TOKENS && b->tokens[i]; i++) {
        int id = single_token(f, b->tokens[i], err);
        if (id < -1)
            return -1;
        if (id < 0)
            return error_set(err, ERROR_LOAD,
                             "the chat format %s needs the token %s, which the vocabulary lacks",
                             b->name, b->tokens[i]);
    }
    return 0;
}

/* ---- trying it out ------------------------------------------------------------------------- */

static bool same_text(const jinja_output *a, const jinja_output *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* One question. 1 = its text shows, 0 = it does not, -1 = the template fails. */
static int try_question(const chat_format *f, int think, jinja_output *out, error *err)
{
    static const char text[] = "why";
    const chat_message m = {CHAT_USER, text, strlen(text)};
    if (chat_render_text(f, &m, 1, true, think, out, err))
        return -1;
    return chat_shows(out, 0, m.len);
}

/* Content as text, as everybody passes it; for a template that shows none of it, as a list of
 * parts. What it says to text counts when it says nothing better to parts. */
static int find_content(chat_format *f, error *err)
{
    jinja_output out = {0};
    error why = {0};
    for (int lists = 0; lists < 2; lists++) {
        error second;
        f->lists = lists;
        int shows = try_question(f, 0, &out, lists ? &second : &why);
        jinja_output_release(&out);
        if (shows == 1)
            return 0;
        if (shows < 0 && (lists ? second : why).code == ERROR_RUN) {
            *err = lists ? second : why;
            return -1;
        }
    }
    f->lists = false;
    if (!why.code)
        return error_set(err, ERROR_LOAD, "its chat template does not show what a user says");
    *err = why;
    return -1;
}

static bool quotes(const char *source, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = source; (at = strstr(at, word)); at++)
        if (at > source && (at[-1] == '\'' || at[-1] == '"') && at[n] == at[-1])
            return true;
    return false;
}

/* 1 when the template runs with this word for reasoning_effort, 0 when it refuses it. */
static int takes_effort(chat_format *f, const char *word, int think, error *err)
{
    jinja_output out = {0};
    error why = {0};
    f->effort_off = f->effort[0] = f->effort[1] = f->effort[2] = word;
    int shows = try_question(f, think, &out, &why);
    jinja_output_release(&out);
    if (shows < 0 && why.code == ERROR_RUN)
        *err = why;
    return shows < 0 && why.code == ERROR_RUN ? -1 : shows >= 0;
}

/* The words that the template takes: for each length of a thought the nearest upwards, else
 * downwards; for none what it calls none, else its least. */
static int find_efforts(chat_format *f, const char *source, error *err)
{
    static const char *const levels[] = {"low", "medium", "high"};
    static const char *const none[] = {"none", "no_think", "minimal"};
    const char *taken[3] = {0}, *off = NULL;
    if (!jinja_reads(f->program, "reasoning_effort"))
        return 0;
    for (int i = 0; i < 3; i++) {
        int takes = takes_effort(f, levels[i], -1, err);
        if (takes < 0)
            return -1;
        taken[i] = takes ? levels[i] : NULL;
    }
    for (int i = 0; i < 3 && !off; i++) {
        int takes = quotes(source, none[i]) ? takes_effort(f, none[i], 0, err) : 0;
        if (takes < 0)
            return -1;
        off = takes ? none[i] : NULL;
    }
    f->effort[2] = taken[2] ? taken[2] : taken[1] ? taken[1] : taken[0];
    f->effort[1] = taken[1] ? taken[1] : f->effort[2];
    f->effort[0] = taken[0] ? taken[0] : f->effort[1];
    f->effort_off = off ? off : f->effort[0];
    return 0;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

bool chat_leaves_open(const chat_format *f, const char *text, size_t len)
{
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    return ends_with(text, len, f->tag->open);
}

/* The marks of a thought: those that the template writes, else those that the vocabulary has. */
static int find_tag(chat_format *f, const char *source, error *err)
{
    bool written = false;
    f->tag = NULL;
    for (int i = 0; i < TAGS && !f->tag; i++)
        if (strstr(source, tags[i].open) || strstr(source, tags[i].close))
            f->tag = &tags[i];
    written = f->tag != NULL;
    for (int i = 0; i < TAGS && !f->tag; i++)
        if (tokenizer_find(f->tokenizer, tags[i].open, strlen(tags[i].open)) >= 0)
            f->tag = &tags[i];
    f->tag = f->tag ? f->tag : &tags[0];
    f->think_start = single_token(f, f->tag->open, err);
    f->think_end = f->think_start < -1 ? -2 : single_token(f, f->tag->close, err);
    /* Templates that only cut thoughts out of earlier answers leave it to the model to open one. */
    f->can_think = written;
    return f->think_end < -1 ? -1 : 0;
}

static int find_thinking(chat_format *f, const char *source, error *err)
{
    jinja_output off = {0}, on = {0};
    error why = {0};
    if (find_tag(f, source, err))
        return -1;
    int result = try_question(f, 0, &off, &why);
    if (result >= 0)
        result = try_question(f, -1, &on, &why);
    if (result >= 0) {
        f->always_thinks = chat_leaves_open(f, off.text, off.len);
        f->can_think = f->can_think || f->always_thinks || !same_text(&off, &on);
    }
    jinja_output_release(&off);
    jinja_output_release(&on);
    if (result < 0)
        *err = why;
    return result < 0 ? -1 : 0;
}

/* What a template does with a system message and behind an answer. It may refuse either. */
static int find_system(chat_format *f, error *err)
{
    static const chat_message m[] = {{CHAT_SYSTEM, "be kind", 7}, {CHAT_USER, "why", 3}};
    jinja_output out = {0};
    error why = {0};
    int result = chat_render_text(f, m, 2, true, 0, &out, &why);
    f->drops_system = result || !chat_shows(&out, 0, m[0].len);
    jinja_output_release(&out);
    if (result && why.code == ERROR_RUN) {
        *err = why;
        return -1;
    }
    return 0;
}

static void add_end(chat_format *f, int id)
{
    if (id >= 0 && f->end_count < CHAT_MAX_ENDS && !chat_is_end(f, id))
        f->ends[f->end_count++] = id;
}

/* The first added token that the template writes behind an answer. */
static int end_behind(chat_format *f, const jinja_output *o, error *err)
{
    size_t at = 0, from = 0, to;
    for (size_t r = 0; r < o->n_runs; at += o->runs[r++].len)
        if (o->runs[r].origin == CHAT_MESSAGE + 1)
            from = at + o->runs[r].len;
    to = at = 0;
    for (size_t r = 0; r < o->n_runs; at += o->runs[r++].len)
        if (o->runs[r].origin == CHAT_MESSAGE + 2 && to == 0)
            to = at;
    if (!from || to <= from)
        return 0;
    tokens ids = {0};
    int result = chat_encode_trusted(f, o->text + from, to - from, &ids, err);
    for (size_t i = 0; !result && i < ids.len; i++)
        if (tokenizer_is_special(f->tokenizer, ids.v[i])) {
            add_end(f, ids.v[i]);
            break;
        }
    tokens_release(&ids);
    return result;
}

/* What else ends texts, stop_tokens.h knows. */
static int find_ends(chat_format *f, error *err)
{
    static const chat_message m[] = {
        {CHAT_USER, "why", 3}, {CHAT_ASSISTANT, "so it is", 8}, {CHAT_USER, "and then", 8}};
    jinja_output out = {0};
    error why = {0};
    int result = chat_render_text(f, m, 3, true, 0, &out, &why);
    if (result == 0)
        result = end_behind(f, &out, &why);
    jinja_output_release(&out);
    add_end(f, tokenizer_eos(f->tokenizer));
    if (result && why.code == ERROR_RUN) {
        *err = why;
        return -1;
    }
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int fill(chat_format *f, const char *source, const chat_options *opt, error *err)
{
    if (read_day(opt->day, &f->now, err) || copy_variables(f, opt, err) ||
        jinja_parse(source, strlen(source), &f->program, err))
        return -1;
    (void)strftime(f->day, sizeof f->day, "%Y-%m-%d", &f->now);
    if ((f->builtin && check_builtin(f, err)) || find_content(f, err) ||
        find_efforts(f, source, err) || find_thinking(f, source, err) || find_system(f, err))
        return -1;
    return find_ends(f, err);
}

/* The sentence that a model whose template cannot be run gets. */
static int explain(const checkpoint *c, error *err)
{
    if (err->code != ERROR_LOAD)
        return -1;
    for (char *p = err->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    error why = *err;
    return error_set(err, ERROR_LOAD,
                     "%s: %s; name a format that fits with --chat-format (%s), or use --raw",
                     checkpoint_path(c), why.text, chat_names());
}

int chat_open(const checkpoint *c, const tokenizer *t, const chat_options *opt, chat_format **out,
              error *err)
{
    error own = {0};
    const char *own_text = checkpoint_chat_template(c);
    const char *name = opt->prefer_template && own_text ? NULL : opt->name;
    const chat_builtin *builtin = name ? chat_builtin_find(name) : NULL;
    const char *source = builtin ? builtin->text : own_text;
    err = err ? err : &own;
    *out = NULL;
    if (name && !builtin)
        return error_set(err, ERROR_USAGE, "no chat format is called %s; there are %s",
                         printable_text(name).text, chat_names());
    if (!source)
        return 0;
    chat_format *f = calloc(1, sizeof *f);
    if (!f)
        return error_memory(err, "the chat format");
    f->tokenizer = t;
    f->builtin = builtin;
    if (fill(f, source, opt, err)) {
        chat_close(f);
        return builtin ? -1 : explain(c, err);
    }
    *out = f;
    return 0;
}

void chat_close(chat_format *f)
{
    if (!f)
        return;
    jinja_close(f->program);
    for (int i = 0; i < f->variable_count; i++)
        free(f->variables[i]);
    free(f->variables);
    free(f);
}

/* ---- questions ----------------------------------------------------------------------------- */

const char *chat_name(const chat_format *f)
{
    return f->builtin ? f->builtin->name : "template";
}

const char *chat_names(void)
{
    return chat_builtin_names();
}

const char *chat_day(const chat_format *f)
{
    return jinja_reads(f->program, "strftime_now") ? f->day : NULL;
}

const char *chat_variable(const chat_format *f, int i)
{
    return i < f->variable_count ? f->variables[i] : NULL;
}

bool chat_reads(const chat_format *f, const char *name)
{
    return jinja_reads(f->program, name);
}

bool chat_drops_system(const chat_format *f)
{
    return f->drops_system;
}

bool chat_is_end(const chat_format *f, int id)
{
    for (int i = 0; i < f->end_count; i++)
        if (f->ends[i] == id)
            return true;
    return false;
}

/* ---- thoughts ------------------------------------------------------------------------------ */

bool chat_can_think(const chat_format *f)
{
    return f->can_think;
}

bool chat_always_thinks(const chat_format *f)
{
    return f->always_thinks;
}

static bool is_space(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]))
            return false;
    return true;
}

bool chat_opens_thought(const chat_format *f, const int *ids, size_t n)
{
    enum { TAIL = 16 };
    buf text = {0};
    error ignored;
    size_t from = n, len;
    bool opens = false;
    for (; from > 0 && n - from < TAIL; from--) {
        const char *piece = tokenizer_piece(f->tokenizer, ids[from - 1], &len);
        if (tokenizer_is_special(f->tokenizer, ids[from - 1]) || !is_space(piece, len))
            break;
    }
    if (f->think_start >= 0)
        return from > 0 && ids[from - 1] == f->think_start;
    for (size_t i = n > TAIL ? n - TAIL : 0; i < n; i++) {
        const char *piece = tokenizer_piece(f->tokenizer, ids[i], &len);
        if (buf_add(&text, piece, len, &ignored))
            break;
    }
    opens = text.len && chat_leaves_open(f, text.v, text.len);
    buf_release(&text);
    return opens;
}

bool chat_starts_thought(const chat_format *f, int id)
{
    size_t len;
    const char *content = tokenizer_content(f->tokenizer, id, &len);
    return id == f->think_start ||
           (len == strlen(f->tag->open) && memcmp(content, f->tag->open, len) == 0);
}

int chat_begins_thought(const chat_format *f, const char *text, size_t len)
{
    const size_t open = strlen(f->tag->open);
    if (f->think_start >= 0 || !f->can_think)
        return -1;
    while (len && strchr(" \t\r\n", *text))
        text++, len--;
    if (len == 0)
        return 0;
    if (memcmp(text, f->tag->open, len < open ? len : open) != 0)
        return -1;
    return len >= open;
}

/* The last token may hold line ends behind the mark. */
bool chat_ends_thought(const chat_format *f, int id, const char *text, size_t len)
{
    if (f->think_end >= 0)
        return id == f->think_end;
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return ends_with(text, len, f->tag->close);
}

int chat_close_thought(const chat_format *f, tokens *out, error *err)
{
    buf text = {0};
    int result = buf_format(&text, err, "\n%s\n\n", f->tag->close);
    if (!result)
        result = chat_encode_trusted(f, text.v, text.len, out, err);
    buf_release(&text);
    return result;
}
