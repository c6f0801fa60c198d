/* slash_diverge.c - /diverge: where the personas part, and by how much. See personas/conversation/diverge.h. */
#include <stdlib.h>
#include <string.h>

#include "../../../personas/conversation/diverge.h"
#include "slash_commands.h"

enum { POSITIONS = 64, SHOWN = 6, TOKEN_CELLS = 16, BEHIND = 4 };

/* What a pass would say at a position: the same text up to there, then this token. */
static int add_choice(const talk *t, const diverge_report *r, int at, int id, buf *out, error *err)
{
    int ids[BEHIND + 1], n = at < BEHIND ? at : BEHIND;
    memcpy(ids, r->tokens + at - n, (size_t)n * sizeof *ids);
    ids[n] = id;
    return talk_token(t, ids, (size_t)n + 1, (size_t)n, TOKEN_CELLS, out, err);
}

/* "  at 2, behind "What": 0.41 nats · philosopher "is" 0.62 · coder "Decide" 0.30". */
static int add_position(const talk *t, const diverge_report *r, int at, buf *out, error *err)
{
    if (buf_format(out, err, "  token %d", at + 1) ||
        (at &&
         (buf_text(out, " behind ", err) ||
          talk_token(t, r->tokens, (size_t)r->positions, (size_t)at - 1, TOKEN_CELLS, out, err))) ||
        buf_format(out, err, ": %.2f nats\n", r->divergence[at]))
        return -1;
    for (int i = 0; i < r->passes; i++) {
        const diverge_choice *c = &r->choices[at * r->passes + i];
        char letter[2];
        if (buf_format(out, err, "    %-14s", talk_display_name(t, r->names[i], letter)))
            return -1;
        for (int k = 0; k < DIVERGE_TOP && c->id[k] >= 0; k++)
            if (buf_text(out, " ", err) || add_choice(t, r, at, c->id[k], out, err) ||
                buf_format(out, err, " %.2f", c->p[k]))
                return -1;
        if (buf_text(out, "\n", err))
            return -1;
    }
    return 0;
}

static bool parts(const diverge_report *r, int at)
{
    for (int i = 1; i < r->passes; i++)
        if (r->choices[at * r->passes + i].id[0] != r->choices[at * r->passes].id[0])
            return true;
    return false;
}

static int add_report(const talk *t, const diverge_report *r, buf *out, error *err)
{
    char letter[2];
    double mean = 0;
    int shown = 0;
    for (int at = 0; at < r->positions; at++)
        mean += r->divergence[at] / r->positions;
    if (buf_format(
            out, err,
            "along %s: the answers share %d token%s; the mean divergence of %d is %.2f nats\n",
            talk_display_name(t, r->follows, letter), r->shared, r->shared == 1 ? "" : "s",
            r->positions, mean))
        return -1;
    for (int at = 0; at < r->positions && shown < SHOWN; at++)
        if (parts(r, at)) {
            if (add_position(t, r, at, out, err))
                return -1;
            shown++;
        }
    return shown ? 0 : buf_text(out, "  their likeliest words are the same everywhere\n", err);
}

int slash_diverge(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    diverge_report r = {0};
    buf out = {0};
    terminal_signals *s = terminal_signal_flags(t->term);
    (void)rest, (void)words, (void)count;
    if (talk_turn(t, &turn, err))
        return -1;
    console_progress(t->con, "reading the answers in every pass");
    terminal_echo_off(t->term);
    int result = diverge_compute(t->dialogue, NULL, 0, NULL, POSITIONS, &r, err);
    terminal_echo_on(t->term);
    console_progress_end(t->con);
    atomic_store(&s->interrupted, false);
    atomic_store(&s->cancel, false);
    if (result)
        return -1;
    result = add_report(t, &r, &out, err) || talk_write(t, &out, err) ? -1 : 0;
    diverge_release(&r);
    buf_release(&out);
    return result;
}
