/* command_replay.c - `transcripts replay`: every answer again, compared token by token.
 *
 * replay.h hands over the answers one after the other, with what was recorded of each. With the
 * recorded model and programs the first difference ends the run and is shown with the tokens
 * around it. With others every answer may differ: both stand one below the other and the run
 * goes on. The first difference is kept for JSON, and for the sentence of status 1.
 */
#include <string.h>

#include "../../personas/conversation/replay.h"
#include "../chat/transcript_lookup.h"
#include "../options/open_model.h"
#include "../screen/safe_text.h"
#include "commands.h"

enum { AROUND = 12 }; /* tokens shown on either side of a difference */

typedef struct replay_output {
    const options *opt;
    console *con;
    buf out;
    int turn;  /* whose heading stands already */
    size_t at; /* its token, from 1 */
    const struct turn *first_turn;
    const turn_answer *first_was;
    bool first_read; /* it is in what was read */
} replay_output;

static void on_note(void *user, const char *sentence)
{
    replay_output *t = user;
    console_note(t->con, "%s", sentence);
}

/* Options win over what was recorded: -m, --kv, --isa, --chat-format, --tokenizer; --threads and --backend are not
 * recorded at all. With the recorded instruction set; where this processor lacks it, with the best
 * there is. */
static engine *on_open(void *user, const record_setting *s, error *err)
{
    replay_output *t = user;
    options own = *t->opt;
    error why = {0};
    if (!own.model) {
        own.model = s->model;
        own.own_template = !own.chat_format && s->name_is_kind;
        own.chat_format = own.chat_format ? own.chat_format : s->chat_format;
        own.tokenizer = own.tokenizer ? own.tokenizer : s->tokenizer.path;
    }
    if (!own.variables.len) /* borrowed, and never added to */
        own.variables = (texts){(const char **)(uintptr_t)s->variables, (size_t)s->variable_count,
                                (size_t)s->variable_count};
    own.isa = own.isa ? own.isa : s->isa;
    engine *e = open_model_on(&own, s->day, t->con, &why);
    if (e || t->opt->isa || why.code != ERROR_RUN) {
        *err = why;
        return e;
    }
    own.isa = "auto";
    return open_model_on(&own, s->day, t->con, err);
}

static void on_progress(void *user, int turn, int last)
{
    const replay_output *t = user;
    if (turn)
        console_progress(t->con, "replaying turn %d of %d", turn, last);
    else
        console_progress_end(t->con);
}

/* ---- text -------------------------------------------------------------------------------------- */

static int add_pieces(buf *b, const tokenizer *words, const int *ids, size_t from, size_t to,
                      error *err)
{
    buf text = {0};
    int result = 0;
    for (size_t i = from; i < to && !result; i++) {
        size_t n = 0;
        bool known = ids[i] >= 0 && ids[i] < tokenizer_count(words);
        const char *piece = !known ? "?"
                            : tokenizer_is_special(words, ids[i])
                                ? tokenizer_content(words, ids[i], &n)
                                : tokenizer_piece(words, ids[i], &n);
        result = buf_add(&text, piece, known ? n : 1, err);
    }
    if (!result && text.len)
        result = safe_text_copy(b, SAFE_LINE, false, text.v, text.len, err);
    buf_release(&text);
    return result;
}

/* "  recorded  ...the price| of bread...", the bar before token `at`. */
static int add_around(buf *b, const char *label, const tokenizer *words, const int *ids, size_t n,
                      size_t at, error *err)
{
    size_t from = at > AROUND ? at - AROUND : 0, to = at + AROUND < n ? at + AROUND : n;
    if (buf_format(b, err, "  %-9s %s", label, from ? "..." : "") ||
        add_pieces(b, words, ids, from, at < n ? at : n, err) ||
        buf_text(b, at < n ? "|" : "| (the end)", err) || add_pieces(b, words, ids, at, to, err))
        return -1;
    return buf_text(b, to < n ? "...\n" : "\n", err);
}

/* Whose answer a group's is. */
static const char *taken(const turn_answer *a)
{
    const turn_merge *m = a->joined;
    return !m ? "no merge" : m->winner >= 0 && m->of ? m->of[m->winner] : m->method;
}

static int add_difference(replay_output *t, const replay_answer *a, error *err)
{
    buf *b = &t->out;
    if (!a->read_alike &&
        buf_format(b, err, "turn %d, %s: what was read before it differs (%d tokens, then %d)\n",
                   a->turn->number, a->now->name, a->was->prompt_tokens, a->now->prompt_tokens))
        return -1;
    if (!a->joined_alike &&
        buf_format(b, err, "turn %d, %s: its members' answers are joined otherwise: %s, then %s\n",
                   a->turn->number, a->now->name, taken(a->now), taken(a->was)))
        return -1;
    if (a->alike == a->was->ids.len)
        return 0;
    if (buf_format(b, err, "turn %d, %s: token %zu of %zu differs\n", a->turn->number, a->now->name,
                   a->alike + 1, a->was->ids.len) ||
        add_around(b, "recorded", a->words, a->was->ids.v, a->was->ids.len, a->alike, err))
        return -1;
    return add_around(b, "now", a->words, a->now->ids.v, a->now->ids.len, a->alike, err);
}

/* ---- one below the other ----------------------------------------------------------------------- */

static int add_text(replay_output *t, const char *label, const char *text, size_t n, error *err)
{
    if (buf_format(&t->out, err, "  %s%s%s\n", console_dim(t->con), label, console_reset(t->con)) ||
        safe_text_copy(&t->out, SAFE_PROSE, false, text, n, err))
        return -1;
    return buf_text(&t->out, "\n", err);
}

static int add_both(replay_output *t, const replay_answer *a, error *err)
{
    buf *b = &t->out;
    const char *bold = console_bold(t->con), *plain = console_reset(t->con);
    if (t->turn != a->turn->number &&
        (buf_format(b, err, "%s%sturn %d%s ", t->turn ? "\n" : "", bold, a->turn->number, plain) ||
         safe_text_copy(b, SAFE_PROSE, false, a->turn->prompt.v, a->turn->prompt.len, err) ||
         buf_text(b, "\n", err)))
        return -1;
    t->turn = a->turn->number;
    if (buf_format(b, err, "\n%s", bold) || console_quote(t->con, b, a->now->name, err) ||
        buf_format(b, err, "%s%s\n", plain, a->equal ? " (equal)" : ""))
        return -1;
    if (add_text(t, a->equal ? "both" : "recorded", a->was->text.v, a->was->text.len, err))
        return -1;
    return a->equal ? 0 : add_text(t, "now", a->now->text.v, a->now->text.len, err);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void note_first(replay_output *t, const replay_answer *a)
{
    if (a->equal || t->first_was)
        return;
    t->first_was = a->was;
    t->first_turn = a->turn;
    t->first_read = a->alike == a->was->ids.len;
    t->at = a->alike + 1;
}

static int on_answer(void *user, const replay_answer *a, error *err)
{
    replay_output *t = user;
    note_first(t, a);
    if (options_want_json(t->opt))
        return !a->equal && !a->other;
    int result = a->other ? add_both(t, a, err) : a->equal ? 0 : add_difference(t, a, err);
    if (result || console_text(t->con, &t->out, err))
        return -1;
    return !a->equal && !a->other;
}

static int write_json(replay_output *t, const history *h, const replay_result *r, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_object(&e, NULL);
    json_put_int(&e, "replay", 1);
    json_put_text(&e, "id", h->id);
    json_put_bool(&e, "equal", r->answers && r->equal == r->answers);
    json_put_bool(&e, "other", r->other);
    json_put_int(&e, "answers", r->answers);
    json_put_count(&e, "tokens", r->tokens);
    json_put_int(&e, "lost", r->lost);
    if (t->first_was) {
        json_begin_object(&e, "first");
        json_put_int(&e, "turn", t->first_turn->number);
        json_put_text(&e, "persona", t->first_was->name);
        if (!t->first_read)
            json_put_count(&e, "token", t->at);
        json_end(&e);
    } else {
        json_put_null(&e, "first");
    }
    json_end(&e);
    return console_json(t->con, &e, err);
}

static int write_text(replay_output *t, const history *h, const replay_result *r, error *err)
{
    buf *b = &t->out;
    int result = 0;
    if (r->equal == r->answers)
        result = buf_format(b, err, "%s%d answer%s of %d turn%s, %zu tokens: all equal\n",
                            r->other ? "\n" : "", r->answers, r->answers == 1 ? "" : "s",
                            h->turn_count, h->turn_count == 1 ? "" : "s", r->tokens);
    else if (r->other)
        result = buf_format(b, err, "\n%d of %d answers are equal\n", r->equal, r->answers);
    return result || console_text(t->con, b, err) ? -1 : 0;
}

static int conclude(replay_output *t, const history *h, const replay_result *r, error *err)
{
    if (r->lost)
        console_note(
            t->con,
            "%d answer%s cannot be replayed: the record lacks the prompt or the setting, or "
            "nobody of that name speaks in it",
            r->lost, r->lost == 1 ? "" : "s");
    if (options_want_json(t->opt) ? write_json(t, h, r, err)
        : r->answers              ? write_text(t, h, r, err)
                                  : 0)
        return -1;
    if (!r->answers)
        return error_set(err, ERROR_RUN, "%.64s holds no answer that can be replayed", h->id);
    if (r->equal == r->answers)
        return 0;
    if (t->first_read)
        return error_set(err, ERROR_RUN, "not equal from turn %d, %s on", t->first_turn->number,
                         t->first_was->name);
    return error_set(err, ERROR_RUN, "not equal from turn %d, %s, token %zu on",
                     t->first_turn->number, t->first_was->name, t->at);
}

int command_transcripts_replay(const options *opt, console *con, error *err)
{
    replay_output t = {.opt = opt, .con = con};
    replay_result r;
    history *h = transcript_lookup(opt->words[0], con, err);
    dtype kv = open_model_kv(opt, DTYPE_F16);
    replay_options o = {.user = &t,
                        .open = on_open,
                        .each = on_answer,
                        .note = on_note,
                        .progress = on_progress,
                        .cancel = con->cancel,
                        .other_model = opt->model,
                        .kv = opt->kv ? &kv : NULL};
    int result = h ? replay_run(h, &o, &r, err) : -1;
    if (!result)
        result = conclude(&t, h, &r, err);
    buf_release(&t.out);
    history_close(h);
    return result;
}
