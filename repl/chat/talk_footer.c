/* talk_footer.c - the lines below an exchange: figures, the record, where the answers part.
 *
 * The figures are the view's last row (view_footer()). Below it stand up to three parts, each
 * made by itself: "saved ID", the first token at which the current answers differ, and what can
 * be done next. join() puts a part behind the one before where the row has room, else on a row
 * of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "../screen/display_width.h"
#include "../screen/safe_text.h"
#include "talk_exchange.h"

enum { TOKEN_CELLS = 24 };

/* ---- where the answers part -------------------------------------------------------------------- */

/* The first place where current answers differ; -1 when they do not within the shortest. */
static int first_difference(const struct turn *turn, const char *const *names, int n)
{
    const turn_answer *first = turn_answer_of(turn, names[0]);
    for (size_t at = 0; at < first->ids.len; at++)
        for (int i = 1; i < n; i++) {
            const turn_answer *k = turn_answer_of(turn, names[i]);
            if (at >= k->ids.len)
                return -1;
            if (k->ids.v[at] != first->ids.v[at])
                return (int)at;
        }
    return -1;
}

/* Names of the current answers: [*n], freed by the caller; borrowed texts. */
static const char **current_names(const struct turn *turn, int *n)
{
    const char **names = calloc((size_t)turn->answer_count + 1, sizeof *names);
    *n = 0;
    for (int i = 0; names && i < turn->answer_count; i++) {
        const char *name = turn->answers[i].name;
        bool listed = turn->answers[i].joined || turn_answer_of(turn, name)->stop == STOP_ERROR;
        for (int k = 0; k < i && !listed; k++) /* who answers again keeps the place */
            listed = strcmp(turn->answers[k].name, name) == 0;
        if (!listed)
            names[(*n)++] = name;
    }
    return names;
}

static int add_parting(const talk *t, const struct turn *turn, buf *out, error *err)
{
    int n, result = 0;
    const char **names = current_names(turn, &n);
    if (!names)
        return error_memory(err, "the names");
    int at = n > 1 && n <= 6 ? first_difference(turn, names, n) : -1;
    if (at >= 0) {
        result = buf_format(out, err, "part at token %d (", at + 1);
        for (int i = 0; i < n && !result; i++) {
            const turn_ids *ids = &turn_answer_of(turn, names[i])->ids;
            result = (i && buf_text(out, " / ", err)) ||
                             talk_token(t, ids->v, ids->len, (size_t)at, TOKEN_CELLS, out, err)
                         ? -1
                         : 0;
        }
        result = result || buf_text(out, ")", err) ? -1 : 0;
    }
    free(names);
    return result;
}

/* ---- the last line ----------------------------------------------------------------------------- */

/* Whom one would most likely ask again, or to go on: who ended badly, else who said least. */
static const turn_answer *whom_to_retry(const struct turn *turn)
{
    const turn_answer *worst = NULL;
    for (int i = 0; i < turn->answer_count; i++) {
        const turn_answer *k = &turn->answers[i];
        if (turn_answer_of(turn, k->name) != k || k->joined)
            continue;
        bool bad = k->stop != STOP_END, worse = worst && worst->stop != STOP_END;
        if (!worst || (bad && !worse) || (bad == worse && k->ids.len < worst->ids.len))
            worst = k;
    }
    return worst;
}

static int add_hints(const talk *t, const struct turn *turn, buf *out, error *err)
{
    char letter[2];
    if (t->blind_names)
        return buf_text(out, "who was best? /pick A", err);
    bool several = turn->answer_count > 1 && (!turn->only || strchr(turn->only, ','));
    const char *more = !several ? ""
                       : turn_merged(turn) && dialogue_hints_debate(t->dialogue)
                           ? "/diverge /pick /debate "
                       : turn_merged(turn) ? "/diverge /pick "
                                           : "/merge /pick /diverge ";
    const turn_answer *worst = whom_to_retry(turn);
    bool cut = worst && (worst->stop == STOP_LENGTH || worst->stop == STOP_INTERRUPTED);
    return buf_format(out, err, "%s%s %s", more, cut ? "/continue" : "/retry",
                      worst ? talk_display_name(t, worst->name, letter) : "");
}

static int add_saved(const talk *t, buf *out, error *err)
{
    char id[CONVERSATION_NAME] = "";
    if (!t->unsaved)
        conversation_short_name(t->conversation, id);
    return *id ? buf_format(out, err, "saved %s", id) : 0;
}

/* Behind what stands on the last row when it fits there, else on a row of its own. */
static int join(const talk *t, buf *out, const buf *part, error *err)
{
    if (!part->len)
        return 0;
    const char *end = out->len ? memrchr(out->v, '\n', out->len) : NULL;
    const char *row = end ? end + 1 : out->v;
    size_t used = out->len ? display_width(row, out->len - (size_t)(row - out->v)) : 0;
    bool fits = used + 3 + display_width(part->v, part->len) < (size_t)terminal_columns(t->term);
    if (buf_text(out, !out->len ? " " : fits ? terminal_dot(t->term) : "\n ", err))
        return -1;
    return buf_add(out, part->v, part->len, err);
}

/* What is known of the exchange, and what can be done with it. */
static int last_line(const talk *t, const struct turn *turn, buf *out, error *err)
{
    buf saved = {0}, parting = {0}, hints = {0};
    const buf *const parts[] = {&saved, &parting, &hints};
    int result = add_saved(t, &saved, err);
    if (!result && !t->blind_names)
        result = add_parting(t, turn, &parting, err);
    if (!result)
        result = add_hints(t, turn, &hints, err);
    for (int i = 0; i < 3 && !result; i++)
        result = join(t, out, parts[i], err);
    if (!result)
        result = buf_text(out, "\n", err);
    buf_release(&saved);
    buf_release(&parting);
    buf_release(&hints);
    return result;
}

/* "union 11.0 of 11.4 picks" on the left, "context 113/8192" on the right. */
static int figures_row(exchange *x, const turn_timings *c, error *err)
{
    const dialogue *d = x->talk->dialogue;
    buf left = {0}, right = {0};
    int result = buf_format(&right, err, "context %d/%d", dialogue_context_used(d),
                            dialogue_settings(x->talk->dialogue)->council.context);
    if (!result && c->picks_per_step > 0)
        result = buf_format(&left, err, "union %.1f of %.1f picks", c->union_experts_per_step,
                            c->picks_per_step);
    if (!result)
        result = view_footer(x->view, left.v ? left.v : "", right.v, err);
    buf_release(&left);
    buf_release(&right);
    return result;
}

int exchange_footer(exchange *x, const struct turn *turn, error *err)
{
    buf text = {0};
    int result = figures_row(x, &turn->timings, err);
    if (!result)
        result = last_line(x->talk, turn, &text, err);
    if (!result)
        result = talk_dim(x->talk, &text, err);
    buf_release(&text);
    return result;
}
