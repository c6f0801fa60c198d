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

typedef struct page {
    text_writer w;
    const console *con;
} page;

/* Foreign text, several lines. */
static void put_prose(page *p, turn_text text)
{
    size_t n = text.len;
    while (n && text.v[n - 1] == '\n')
        n--;
    p->w.failed =
        p->w.failed || safe_text_copy(p->w.out, SAFE_PROSE, p->con->ascii, text.v, n, p->w.err);
    text_put(&p->w, "\n");
}

/* A foreign line between words of ours. */
static void put_line(page *p, const char *before, const char *line, const char *after)
{
    text_put(&p->w, before);
    console_put_quoted(p->con, &p->w, line);
    text_format(&p->w, "%s\n", after);
}

/* A line in the dim style, which uses up its words; without any nothing is printed. result: of
 * putting them together. */
static void put_dim(page *p, buf *words, int result)
{
    p->w.failed = p->w.failed || result;
    if (words->len)
        put_line(p, console_dim(p->con), words->v, console_reset(p->con));
    buf_release(words);
}

static void put_name(page *p, const char *name, bool picked)
{
    text_format(&p->w, "\n%s", console_bold(p->con));
    console_put_quoted(p->con, &p->w, name);
    text_format(&p->w, "%s%s\n", console_reset(p->con), picked ? "  (picked)" : "");
}

static void put_text(page *p, const char *failure, turn_text text)
{
    if (failure)
        put_line(p, "failed: ", failure, "");
    else
        put_prose(p, text);
}

static void put_answer(page *p, const struct turn *t, const turn_answer *a)
{
    buf words = {0};
    put_name(p, a->name, t->picked && strcmp(t->picked, a->name) == 0);
    put_text(p, a->failure, a->text);
    int result = buf_format(&words, p->w.err, "%s, ", a->acts_by) ||
                 export_figures(&words, a, p->w.err) ||
                 (a->earlier && buf_format(&words, p->w.err, ", version %d", a->earlier + 1));
    put_dim(p, &words, result);
}

static void put_merge(page *p, const struct turn *t, const turn_merge *m)
{
    buf words = {0};
    const turn_answer *winner = m->failure ? NULL : turn_winner(t, m);
    put_name(p, "merged", t->picked && strcmp(t->picked, "merge") == 0);
    if (winner)
        put_line(p, "The answer of ", winner->name, ", as it stands above.");
    else
        put_text(p, m->failure, m->text);
    put_dim(p, &words, m->failure ? 0 : export_merge_line(&words, m, p->w.err));
}

static void put_turn(page *p, const history *h, int turn)
{
    const struct turn *t = &h->turns[turn];
    const turn_merge *m = turn_last_merge(t);
    char time[TIME_TEXT];
    buf memory = {0};
    text_format(&p->w, "\n%sturn %d%s  %s%s%s\n", console_bold(p->con), t->number,
                console_reset(p->con), console_dim(p->con), local_time(time, t->time),
                console_reset(p->con));
    put_prose(p, t->prompt);
    put_dim(p, &memory, export_memory_line(&memory, h, turn, p->w.err));
    for (int i = 0; i < t->answer_count; i++)
        if (export_column(t, i))
            put_answer(p, t, export_column(t, i));
    if (m)
        put_merge(p, t, m);
}

/* First its id, and the model that it began with. */
static int show(const history *h, console *con, error *err)
{
    buf b = {0}, model = {0};
    page p = {{.out = &b, .err = err}, con};
    int undone = export_undone(h);
    put_line(&p, console_bold(con), h->id, console_reset(con));
    put_dim(&p, &model,
            buf_format(&model, err, "%s, %d layers, %d experts, %d a token", h->model.path,
                       h->model.layers, h->model.experts, h->model.experts_per_token));
    for (int i = 0; i < h->turn_count; i++)
        if (!h->turns[i].undone)
            put_turn(&p, h, i);
    if (undone)
        text_format(&p.w, "\n%d turn%s undone and %s not shown.\n", undone,
                    undone == 1 ? " was" : "s were", undone == 1 ? "is" : "are");
    return console_written(con, &p.w);
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
