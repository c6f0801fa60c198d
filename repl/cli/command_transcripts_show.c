/* command_transcripts_show.c - `transcripts show` and `transcripts export`: one conversation.
 *
 * Shown is what is current: turns that were undone are counted, and of an answer's versions and
 * a turn's merges one each is left (export_column(), turn_last_merge()). The lines of figures are
 * those of the exports (export_text.h). Whatever the transcript says passes safe_text or
 * console_quote() on its way out.
 */
#include <string.h>

#include "../../transcripts/export/export_text.h"
#include "../chat/transcript_lookup.h"
#include "../screen/safe_text.h"
#include "../system/save.h"
#include "commands.h"

/* ---- show -------------------------------------------------------------------------------------- */

/* Foreign text, several lines. */
static int add_text(const console *con, buf *b, turn_text text, error *err)
{
    size_t n = text.len;
    while (n && text.v[n - 1] == '\n')
        n--;
    int result = safe_text_copy(b, SAFE_PROSE, con->ascii, text.v, n, err);
    return result || buf_text(b, "\n", err) ? -1 : 0;
}

/* A line in the dim style; empty words print nothing. */
static int add_dim(const console *con, buf *b, const buf *words, error *err)
{
    if (!words->len)
        return 0;
    if (buf_text(b, console_dim(con), err) || console_quote(con, b, words->v, err))
        return -1;
    return buf_format(b, err, "%s\n", console_reset(con));
}

static int add_name(const console *con, buf *b, const char *name, bool picked, error *err)
{
    if (buf_format(b, err, "\n%s", console_bold(con)) || console_quote(con, b, name, err))
        return -1;
    return buf_format(b, err, "%s%s\n", console_reset(con), picked ? "  (picked)" : "");
}

static int add_failure(const console *con, buf *b, const char *failure, error *err)
{
    if (buf_text(b, "failed: ", err) || console_quote(con, b, failure, err))
        return -1;
    return buf_text(b, "\n", err);
}

static int add_answer(const console *con, buf *b, const struct turn *t, const turn_answer *a,
                      error *err)
{
    buf words = {0};
    int result = add_name(con, b, a->name, t->picked && strcmp(t->picked, a->name) == 0, err);
    if (!result)
        result = a->failure ? add_failure(con, b, a->failure, err) : add_text(con, b, a->text, err);
    if (!result)
        result = buf_format(&words, err, "%s, ", a->acts_by) || export_figures(&words, a, err);
    if (!result && a->earlier)
        result = buf_format(&words, err, ", version %d", a->earlier + 1);
    if (!result)
        result = add_dim(con, b, &words, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int add_merge(const console *con, buf *b, const struct turn *t, const turn_merge *m,
                     error *err)
{
    buf words = {0};
    const turn_answer *winner = m->failure ? NULL : turn_winner(t, m);
    int result = add_name(con, b, "merged", t->picked && strcmp(t->picked, "merge") == 0, err);
    if (!result && winner)
        result = buf_text(b, "The answer of ", err) || console_quote(con, b, winner->name, err) ||
                 buf_text(b, ", as it stands above.\n", err);
    else if (!result)
        result = m->failure ? add_failure(con, b, m->failure, err) : add_text(con, b, m->text, err);
    if (!result && !m->failure)
        result = export_merge_line(&words, m, err) || add_dim(con, b, &words, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int add_turn_head(const console *con, buf *b, const history *h, int turn, error *err)
{
    const struct turn *t = &h->turns[turn];
    char time[TIME_TEXT];
    buf memory = {0};
    int result = buf_format(b, err, "\n%sturn %d%s  %s%s%s\n", console_bold(con), t->number,
                            console_reset(con), console_dim(con), local_time(time, t->time),
                            console_reset(con));
    if (!result)
        result = add_text(con, b, t->prompt, err);
    if (!result)
        result = export_memory_line(&memory, h, turn, err);
    if (!result)
        result = add_dim(con, b, &memory, err);
    buf_release(&memory);
    return result;
}

static int add_turn(const console *con, buf *b, const history *h, int turn, error *err)
{
    const struct turn *t = &h->turns[turn];
    const turn_merge *m = turn_last_merge(t);
    int result = add_turn_head(con, b, h, turn, err);
    for (int i = 0; i < t->answer_count && !result; i++)
        if (export_column(t, i))
            result = add_answer(con, b, t, export_column(t, i), err);
    if (!result && m)
        result = add_merge(con, b, t, m, err);
    return result;
}

/* Its id, and the model that it began with. */
static int add_title(const console *con, buf *b, const history *h, error *err)
{
    buf model = {0};
    if (buf_text(b, console_bold(con), err) || console_quote(con, b, h->id, err) ||
        buf_format(b, err, "%s\n", console_reset(con)))
        return -1;
    int result = buf_format(&model, err, "%s, %d layers, %d experts, %d a token", h->model.path,
                            h->model.layers, h->model.experts, h->model.experts_per_token);
    if (!result)
        result = add_dim(con, b, &model, err);
    buf_release(&model);
    return result;
}

static int show(const history *h, console *con, error *err)
{
    buf b = {0};
    int undone = export_undone(h);
    int result = add_title(con, &b, h, err);
    for (int i = 0; i < h->turn_count && !result; i++)
        if (!h->turns[i].undone)
            result = add_turn(con, &b, h, i, err);
    if (!result && undone)
        result = buf_format(&b, err, "\n%d turn%s undone and %s not shown.\n", undone,
                            undone == 1 ? " was" : "s were", undone == 1 ? "is" : "are");
    if (!result)
        result = console_text(con, &b, err);
    buf_release(&b);
    return result;
}

int command_transcripts_show(const options *opt, console *con, error *err)
{
    history *h = transcript_lookup(opt->words[0], con, err);
    if (!h)
        return -1;
    int result = options_want_json(opt) ? save_export(h, EXPORT_JSON, NULL, false, NULL, con, err)
                                        : show(h, con, err);
    history_close(h);
    return result;
}

/* ---- export ------------------------------------------------------------------------------------ */

int command_transcripts_export(const options *opt, console *con, error *err)
{
    export_format format = EXPORT_MARKDOWN;
    if (opt->to)
        (void)export_format_named(opt->to, &format); /* one of its choices */
    else if (opt->output)
        (void)save_format(opt->output, &format);
    history *h = transcript_lookup(opt->words[0], con, err);
    int result = h ? save_export(h, format, opt->output, opt->force, NULL, con, err) : -1;
    history_close(h);
    return result;
}
