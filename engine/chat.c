/* chat.c - see chat.h. Finds the model's format (chat_template.c, chat_formats.c) and turns its
 * rendering (chat_write.c) into tokens.
 *
 * Text between two special tokens is encoded in one piece, a role's name together with the message
 * behind it, because that is how the reference tokenizer sees it: "user\n" and a message that
 * begins with a newline share a token. */
#include "chat.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "chat_formats.h"

enum { MAX_ENDS = CHAT_MAX_MARKS + 1 };

struct chat_format {
    chat_shape shape;
    const tokenizer *words;
    int marks[CHAT_MAX_MARKS]; /* ids of the family's marks; -1 = written as text */
    int bos, eos;
    int ends[MAX_ENDS];
    int end_count;
    int think_end;
    char day[16]; /* what the template was told today is */
};

/* ---- opening ------------------------------------------------------------------------------- */

static int find_mark(const tokenizer *t, const chat_mark *m)
{
    int id = tokenizer_find(t, m->name, strlen(m->name));
    return m->need == CHAT_IF_SPECIAL && id >= 0 && !tokenizer_is_special(t, id) ? -1 : id;
}

static void add_end(chat_format *f, int id)
{
    if (id >= 0 && !chat_is_end(f, id))
        f->ends[f->end_count++] = id;
}

/* Looks up every special token that the format needs. */
static int find_tokens(chat_format *f, error *err)
{
    const chat_family *family = f->shape.family;
    const tokenizer *t = f->words;
    f->bos = tokenizer_bos(t);
    f->eos = tokenizer_eos(t);
    if (f->eos < 0 && strchr(family->close[CHAT_ASSISTANT], CHAT_EOS[0]))
        return error_set(err, ERROR_LOAD,
                         "the chat format %s ends answers with the vocabulary's end-of-text token, "
                         "but the vocabulary names none",
                         family->name);
    for (size_t i = 0; i < CHAT_MAX_MARKS && family->marks[i].name; i++) {
        const chat_mark *m = &family->marks[i];
        f->marks[i] = find_mark(t, m);
        if (f->marks[i] < 0 && m->need == CHAT_MUST)
            return error_set(err, ERROR_LOAD,
                             "the chat format %s needs the token %s, which the vocabulary lacks",
                             family->name, m->name);
        if (chat_can_think(f) && strcmp(m->name, "</think>") == 0)
            f->think_end = f->marks[i];
    }
    for (size_t i = 0; i < CHAT_MAX_MARKS && family->ends[i]; i++)
        add_end(f, tokenizer_find(t, family->ends[i], strlen(family->ends[i])));
    add_end(f, f->eos);
    return 0;
}

/* 1 and *out when the checkpoint's template is one that we know; 0 when not; -1 on errors. */
static int recognise(const checkpoint *c, const struct tm *today, chat_shape *out, error *err)
{
    const char *text = checkpoint_chat_template(c);
    chat_pieces pieces;
    if (!text)
        return 0;
    if (chat_pieces_read(text, strlen(text), &pieces, err))
        return error_prefix(err, "%s: ", checkpoint_path(c));
    int result = chat_shape_recognise(&pieces, today, out, err);
    chat_pieces_release(&pieces);
    return result;
}

/* The format of this name; the template's word on the details when it is of the same format. */
static int named(const checkpoint *c, const char *name, const struct tm *today, chat_shape *out,
                 error *err)
{
    int result = chat_shape_named(name, today, out, err);
    if (result == 0)
        return error_set(err, ERROR_USAGE, "no chat format is called %s; there are %s", name,
                         chat_shape_names());
    chat_shape own = {0};
    error unread;
    if (result == 1 && recognise(c, today, &own, &unread) == 1 && own.family == out->family) {
        chat_shape_release(out);
        *out = own;
    } else {
        chat_shape_release(&own);
    }
    return result < 0 ? -1 : 0;
}

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

int chat_open(const checkpoint *c, const tokenizer *t, const char *name, const char *day,
              chat_format **out, error *err)
{
    *out = NULL;
    if (!name && !checkpoint_chat_template(c))
        return 0;
    chat_shape shape = {0};
    struct tm today;
    if (read_day(day, &today, err))
        return -1;
    if ((name ? named(c, name, &today, &shape, err) : recognise(c, &today, &shape, err)) < 0)
        return -1;
    if (!shape.family)
        return error_set(
            err, ERROR_LOAD,
            "%s: its chat template is none that is known here; name a format that fits "
            "with --chat-format (%s), or use --raw",
            checkpoint_path(c), chat_shape_names());
    chat_format *f = calloc(1, sizeof *f);
    if (!f) {
        chat_shape_release(&shape);
        return error_memory(err, "the chat format");
    }
    *f = (chat_format){.shape = shape, .words = t, .think_end = -1};
    (void)strftime(f->day, sizeof f->day, "%Y-%m-%d", &today);
    if (find_tokens(f, err)) {
        chat_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void chat_close(chat_format *f)
{
    if (!f)
        return;
    chat_shape_release(&f->shape);
    free(f);
}

const char *chat_name(const chat_format *f)
{
    return f->shape.family->name;
}

const char *chat_day(const chat_format *f)
{
    return f->shape.dated ? f->day : NULL;
}

const char *chat_names(void)
{
    return chat_shape_names();
}

bool chat_can_think(const chat_format *f)
{
    return f->shape.means & (CHAT_OPENS | CHAT_CAN_CLOSE);
}

bool chat_is_end(const chat_format *f, int id)
{
    for (int i = 0; i < f->end_count; i++)
        if (f->ends[i] == id)
            return true;
    return false;
}

int chat_think_end(const chat_format *f)
{
    return f->think_end;
}

/* ---- rendering ----------------------------------------------------------------------------- */

/* Text waits until the next special token or the end. */
typedef struct writer {
    const chat_format *f;
    tokens *out;
    buf waiting;
} writer;

static int flush(writer *w, error *err)
{
    if (w->waiting.len == 0)
        return 0;
    int result = tokenizer_encode(w->f->words, w->waiting.v, w->waiting.len, w->out, NULL, err);
    buf_clear(&w->waiting);
    return result;
}

static int write_text(void *user, const char *text, size_t len, error *err)
{
    writer *w = user;
    return buf_add(&w->waiting, text, len, err);
}

static int push(writer *w, int id, error *err)
{
    return flush(w, err) || tokens_push(w->out, id, err) ? -1 : 0;
}

static int write_special(void *user, const char *name, size_t len, error *err)
{
    writer *w = user;
    const chat_format *f = w->f;
    if (*name == CHAT_BOS[0])
        return f->bos < 0 ? 0 : push(w, f->bos, err); /* Jinja prints nothing for it either */
    if (*name == CHAT_EOS[0])
        return push(w, f->eos, err);
    const chat_mark *marks = f->shape.family->marks;
    for (size_t i = 0; i < CHAT_MAX_MARKS && marks[i].name; i++)
        if (strlen(marks[i].name) == len && memcmp(marks[i].name, name, len) == 0 &&
            f->marks[i] >= 0)
            return push(w, f->marks[i], err);
    return write_text(user, name, len, err);
}

static writer open_writer(const chat_format *f, tokens *out)
{
    return (writer){.f = f, .out = out};
}

/* Ends a rendering that returned `result`; on failure nothing of it is left in *out. */
static int close_writer(writer *w, int result, size_t before, error *err)
{
    if (result == 0)
        result = flush(w, err);
    if (result)
        w->out->len = before;
    buf_release(&w->waiting);
    return result ? -1 : 0;
}

static chat_sink sink_of(writer *w)
{
    return (chat_sink){w, write_special, write_text};
}

int chat_render(const chat_format *f, const chat_message *messages, size_t n, bool open_reply,
                bool think, tokens *out, error *err)
{
    size_t before = out->len;
    writer w = open_writer(f, out);
    chat_sink to = sink_of(&w);
    int result = chat_write_all(&f->shape, messages, n, open_reply, think, &to, err);
    return close_writer(&w, result, before, err);
}

int chat_append(const chat_format *f, const chat_message *message, tokens *out, error *err)
{
    size_t before = out->len;
    writer w = open_writer(f, out);
    chat_sink to = sink_of(&w);
    return close_writer(&w, chat_write_message(&f->shape, message, &to, err), before, err);
}

int chat_open_reply(const chat_format *f, bool think, tokens *out, error *err)
{
    size_t before = out->len;
    writer w = open_writer(f, out);
    chat_sink to = sink_of(&w);
    return close_writer(&w, chat_write_reply(&f->shape, think, &to, err), before, err);
}

int chat_close_reply(const chat_format *f, tokens *out, error *err)
{
    size_t before = out->len;
    writer w = open_writer(f, out);
    chat_sink to = sink_of(&w);
    return close_writer(&w, chat_write_close(&f->shape, &to, err), before, err);
}

int chat_close_thought(const chat_format *f, tokens *out, error *err)
{
    size_t before = out->len;
    writer w = open_writer(f, out);
    chat_sink to = sink_of(&w);
    return close_writer(&w, chat_write_thought_end(&f->shape, &to, err), before, err);
}
