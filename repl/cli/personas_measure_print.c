/* personas_measure_print.c - the figures as JSON and as tables of 80 columns. */
#include <string.h>

#include "personas_measure.h"

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_figures(json_writer *e, const char *key, const measure_figures *f)
{
    json_begin_object(e, key);
    json_put_number(e, "loss", f->loss);
    json_put_number(e, "kl", f->kl);
    json_put_number(e, "kl_p99", f->kl_p99);
    json_put_number(e, "top1", f->agreement);
    json_put_number(e, "banned_mass", f->banned);
    json_end(e);
}

static void put_side(json_writer *e, const char *key, const measure_samples *s, const buf *from)
{
    if (!s->len) {
        json_put_null(e, key);
        return;
    }
    json_begin_object(e, key);
    json_put_bytes(e, "from", from->v, from->len);
    json_put_count(e, "samples", s->len);
    json_put_count(e, "tokens", s->tokens);
    json_end(e);
}

static void put_interval(json_writer *e, const char *key, const measure_interval *i)
{
    json_begin_object(e, key);
    json_put_number(e, "value", i->value);
    json_put_number(e, "low", i->low);
    json_put_number(e, "high", i->high);
    json_end(e);
}

static void put_trial(json_writer *e, const trial *t)
{
    json_begin_object(e, "gain");
    put_interval(e, "own", &t->own);
    if (t->others)
        put_interval(e, "other", &t->other);
    else
        json_put_null(e, "other");
    json_end(e);
    put_interval(e, "gap", &t->gap);
    if (!t->null_count) {
        json_put_null(e, "null");
        return;
    }
    json_begin_object(e, "null");
    json_begin_array(e, "gaps");
    for (int i = 0; i < t->null_count; i++)
        json_put_number(e, NULL, t->null[i]);
    json_end(e);
    json_put_number(e, "median", t->null_median);
    json_put_number(e, "p95", t->null_p95);
    json_put_number(e, "own_p05", t->null_own_p05);
    json_end(e);
}

static void put_answers(json_writer *e, const char *key, const answers_figures *a)
{
    json_begin_object(e, key);
    json_put_int(e, "answers", a->answers);
    json_put_int(e, "finished", a->finished);
    json_put_int(e, "looped", a->looped);
    json_put_number(e, "repeated", a->repeated);
    json_end(e);
}

static void put_square(json_writer *e, const measured *m)
{
    if (!m->square_tokens) {
        json_put_null(e, "square");
        return;
    }
    json_begin_object(e, "square");
    json_put_count(e, "tokens", m->square_tokens);
    json_put_number(e, "plain", m->square[0][0]);
    json_put_number(e, "program", m->square[0][1]);
    json_put_number(e, "prompt", m->square[1][0]);
    json_put_number(e, "prompt_program", m->square[1][1]);
    json_end(e);
}

void measured_put_json(const measured *m, json_writer *e)
{
    buf sentence = {0};
    json_begin_object(e, "measured");
    json_put_int(e, "seed", MEASURED_SEED);
    put_side(e, "own", &m->own, &m->own_from);
    put_side(e, "other", &m->other, &m->other_from);
    json_begin_array(e, "programs");
    for (int i = 0; i < m->count; i++) {
        json_begin_object(e, NULL);
        json_put_text(e, "name", m->programs[i].name);
        put_figures(e, "own", &m->programs[i].own);
        if (m->other.len)
            put_figures(e, "other", &m->programs[i].other);
        else
            json_put_null(e, "other");
        json_end(e);
    }
    json_end(e);
    put_trial(e, &m->trial);
    json_begin_object(e, "answers");
    json_put_int(e, "tokens", ANSWERS_TOKENS);
    put_answers(e, "control", &m->answers[0]);
    put_answers(e, "program", &m->answers[1]);
    json_end(e);
    put_square(e, m);
    json_put_text(e, "verdict", trial_verdicts[m->trial.verdict]);
    if (trial_sentence(&m->trial, &sentence, e->err))
        e->failed = true;
    else
        json_put_text(e, "sentence", sentence.v);
    json_end(e);
    buf_release(&sentence);
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Names are long at times; the columns are not. */
static void put_name(const measured *m, const console *con, text_writer *w, int i)
{
    text_format(w, "  %s%-18.18s%s", i == 1 ? console_bold(con) : "", m->programs[i].name,
                i == 1 ? console_reset(con) : "");
}

static void put_sources(const measured *m, const console *con, text_writer *w)
{
    const measure_samples *sides[2] = {&m->own, &m->other};
    const buf *from[2] = {&m->own_from, &m->other_from};
    for (int i = 0; i < 2 && sides[i]->len; i++) {
        text_format(w, "  %-6s %zu tokens in %zu %s: ", i ? "other" : "own", sides[i]->tokens,
                    sides[i]->len, sides[i]->len == 1 ? "piece" : "pieces");
        console_put_quoted(con, w, from[i]->v);
        text_put(w, "\n");
    }
}

static void put_programs(const measured *m, const console *con, text_writer *w)
{
    text_format(w, "\n  %s%-18s %17s   %s%s\n", console_dim(con), "", "loss, nats/token",
                "against control, on its own texts", console_reset(con));
    text_format(w, "  %s%-18s %8s %8s   %8s %8s %8s %8s%s\n", console_dim(con), "program", "own",
                "other", "KL", "KL p99", "top-1", "banned", console_reset(con));
    for (int i = 0; i < m->count; i++) {
        const measured_program *p = &m->programs[i];
        put_name(m, con, w, i);
        text_format(w, " %8.3f", p->own.loss);
        if (m->other.len)
            text_format(w, " %8.3f", p->other.loss);
        else
            text_format(w, " %8s", "-");
        if (i)
            text_format(w, "   %8.3f %8.3f %6.1f %% %6.1f %%", p->own.kl, p->own.kl_p99,
                        100 * p->own.agreement, 100 * p->own.banned);
        text_put(w, "\n");
    }
}

static void put_gain(text_writer *w, const char *label, const measure_interval *i)
{
    text_format(w, "  %-18s %8.3f [%.3f, %.3f]\n", label, i->value, i->low, i->high);
}

static void put_gains(const trial *t, text_writer *w)
{
    text_put(w, "\n");
    put_gain(w, "gain on its own", &t->own);
    if (t->others) {
        put_gain(w, "gain on others", &t->other);
        put_gain(w, "gap", &t->gap);
    }
    if (t->null_count)
        text_format(w, "  %-18s %8.3f median, 95 %% below %.3f (%d of its size)\n",
                    "random programs", t->null_median, t->null_p95, t->null_count);
}

static void put_answer_rates(const measured *m, const console *con, text_writer *w)
{
    text_format(w, "\n  %s%-18s %8s %8s   %8s%s\n", console_dim(con), "greedy answers", "finished",
                "looped", "repeated", console_reset(con));
    for (int i = 0; i < 2; i++) {
        const answers_figures *a = &m->answers[i];
        put_name(m, con, w, i);
        text_format(w, " %3d of %d %3d of %d %8.1f %%\n", a->finished, a->answers, a->looped,
                    a->answers, 100 * a->repeated);
    }
}

static void put_square_text(const measured *m, const console *con, text_writer *w)
{
    static const char *const rows[2] = {"no instruction", "instruction"};
    if (!m->square_tokens)
        return;
    text_format(w, "\n  %s%-18s %10s %8s%s\n", console_dim(con), "loss on lessons", "no program",
                "program", console_reset(con));
    for (int i = 0; i < 2; i++)
        text_format(w, "  %-18s %10.3f %8.3f\n", rows[i], m->square[i][0], m->square[i][1]);
}

/* The sentence in lines of at most 78 columns. */
static void put_sentence(const measured *m, const console *con, text_writer *w)
{
    enum { WIDTH = 78 };
    buf sentence = {0};
    if (trial_sentence(&m->trial, &sentence, w->err)) {
        w->failed = true;
        buf_release(&sentence);
        return;
    }
    const char *rest = sentence.v, *space;
    text_format(w, "\n%s", console_bold(con));
    for (size_t room = WIDTH; strlen(rest) > room; rest = space + 1) {
        space = rest;
        for (const char *at = rest; at <= rest + room; at++)
            space = *at == ' ' ? at : space;
        if (space == rest)
            break;
        text_format(w, "  %.*s\n", (int)(space - rest), rest);
    }
    text_format(w, "  %s%s\n", rest, console_reset(con));
    buf_release(&sentence);
}

void measured_put_text(const measured *m, const console *con, text_writer *w)
{
    put_sources(m, con, w);
    put_programs(m, con, w);
    put_gains(&m->trial, w);
    put_answer_rates(m, con, w);
    put_square_text(m, con, w);
    put_sentence(m, con, w);
}
