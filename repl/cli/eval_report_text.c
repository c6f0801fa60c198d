/* eval_report_text.c - an evaluation as tables: for a terminal, and as Markdown. See eval_report.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../screen/human.h"
#include "eval_report.h"

enum { CELL = 64 };

/* ---- cells ------------------------------------------------------------------------------------- */

/* "112/200"; a mean has a decimal. */
static const char *count_text(const eval_share *s, char *out)
{
    bool whole = s->right == floor(s->right);
    if (!s->n)
        return "-";
    (void)snprintf(out, CELL, whole ? "%.0f/%d" : "%.1f/%d", s->right, s->n);
    return out;
}

/* "56.0 [49.1, 62.7]" */
static const char *share_text(const eval_share *s, char *out)
{
    if (!s->n)
        return "";
    (void)snprintf(out, CELL, "%.1f [%.1f, %.1f]", 100 * s->right / s->n, 100 * s->low,
                   100 * s->high);
    return out;
}

/* "+12 -4  0.077" */
static const char *test_text(const eval_test *t, char *out)
{
    if (isnan(t->p))
        return "";
    char p[EVAL_P];
    (void)snprintf(out, CELL, "+%d -%d %s", t->gained, t->lost, eval_report_p(t->p, p));
    return out;
}

static const char *per_answer(double all, int n, const char *format, char *out)
{
    if (!n)
        return "";
    (void)snprintf(out, CELL, format, all / n); /* NOLINT: the formats stand in this file */
    return out;
}

static const char *best_name(const eval_report *r)
{
    return r->all.best < 0 ? "nobody" : r->results->arms->v[r->all.best].name;
}

/* ---- text -------------------------------------------------------------------------------------- */

static void put_row(const eval_report *r, int arm, text_writer *w)
{
    char name[EVAL_ARM_NAME + 16], c[5][CELL];
    const eval_row *row = &r->all.rows[arm];
    text_format(w, "  %-12.20s %8s  %-18s %-14s %-14s %4s", eval_report_name(r, arm, name),
                count_text(&row->share, c[0]), share_text(&row->share, c[1]),
                test_text(&row->against_control, c[2]), test_text(&row->against_best, c[3]),
                per_answer(row->tokens, row->share.n, "%.0f", c[4]));
    text_format(w, " %5s\n", per_answer(row->seconds, row->share.n, "%.2f", c[4]));
}

static void put_bound(const char *name, const eval_share *s, const char *what, text_writer *w)
{
    char c[2][CELL];
    text_format(w, "  %-12s %8s  %-18s %s\n", name, count_text(s, c[0]), share_text(s, c[1]), what);
}

static void put_head(const eval_report *r, const console *con, text_writer *w)
{
    console_put_quoted(con, w, r->set);
    text_put(w, " on ");
    console_put_quoted(con, w, r->model);
    text_format(w, ": %d items", r->all.items);
    if (r->split != EVAL_ALL)
        text_format(w, " (%s)",
                    r->split == EVAL_DEVELOPMENT ? "the development part"
                                                 : "without the development part");
    text_format(w, ", seed %llu\n\n", (unsigned long long)r->seed);
}

static void put_parts(const eval_report *r, text_writer *w)
{
    char name[EVAL_ARM_NAME + 16], c[4][CELL];
    if (!eval_report_has_parts(r))
        return;
    text_format(w, "\n  %-12s %28s  %28s\n", "", "development part", "the rest");
    for (int a = 0; a < r->results->arms->count; a++) {
        const eval_share *dev = &r->dev.rows[a].share, *rest = &r->rest.rows[a].share;
        text_format(w, "  %-12.20s %8s  %-18s %8s  %-18s\n", eval_report_name(r, a, name),
                    count_text(dev, c[0]), share_text(dev, c[1]), count_text(rest, c[2]),
                    share_text(rest, c[3]));
    }
}

/* "vote was won by philosopher 20 %, coder 30 %, critic 50 %, 12 of them nearly tied" */
static void put_winners(const eval_report *r, int arm, const char *begin, const char *end,
                        text_writer *w)
{
    const eval_results *found = r->results;
    char name[EVAL_ARM_NAME + 16];
    int all = 0;
    for (int k = 0; k < found->persona_count; k++)
        all += r->all.won[arm][k];
    if (!all)
        return;
    text_format(w, "%s%s was won by", begin, eval_report_name(r, arm, name));
    for (int k = 0; k < found->persona_count; k++)
        text_format(w, "%s %s %.0f %%", k ? "," : "", found->personas[k],
                    100.0 * r->all.won[arm][k] / all);
    text_format(w, " of %d councils", all);
    if (r->all.rows[arm].ties)
        text_format(w, ", %d of them nearly tied", r->all.rows[arm].ties);
    text_put(w, end);
}

static void put_gaps(const eval_report *r, const char *begin, const char *end, text_writer *w)
{
    const eval_arms *arms = r->results->arms;
    char name[EVAL_ARM_NAME + 16];
    bool first = true;
    for (int a = 0; a < arms->count; a++) {
        if (arms->v[a].kind != EVAL_MERGE || !r->all.rows[a].share.n || !r->all.oracle.n)
            continue;
        text_format(w, "%s %s %d", first ? begin : ",", eval_report_name(r, a, name),
                    eval_report_gap(r, a));
        first = false;
    }
    if (!first)
        text_format(w, " of %d%s", r->all.oracle.n, end);
}

static void put_notes(const eval_report *r, const char *begin, const char *end, text_writer *w)
{
    put_gaps(r,
             *begin ? "- oracle gap, right answers that were there and did not win:"
                    : "oracle gap, right answers that were there and did not win:",
             end, w);
    if (!isnan(r->all.agreement))
        text_format(w, "%stwo personas say the same on %.0f %% of the items%s", begin,
                    100 * r->all.agreement, end);
    for (int a = 0; a < r->results->arms->count; a++)
        put_winners(r, a, begin, end, w);
    for (int a = 0; a < r->results->arms->count; a++)
        if (r->all.rows[a].failed)
            text_format(w, "%s%s failed %d times; that counts as wrong%s", begin,
                        r->results->arms->v[a].name, r->all.rows[a].failed, end);
    text_format(w,
                "%sgained, lost: items that only this arm, or only the other, got right; p by "
                "McNemar's exact test, uncorrected; intervals: Wilson, 95 %%%s",
                begin, end);
    if (r->all.best >= 0)
        text_format(w, "%s%s is the persona with the most right answers on %s%s", begin,
                    best_name(r), r->all.best_by_dev ? "the development part" : "these items", end);
}

void eval_report_text(const eval_report *r, const console *con, text_writer *w)
{
    char against[EVAL_ARM_NAME + 16];
    put_head(r, con, w);
    (void)snprintf(against, sizeof against, "%s%.11s", r->all.best < 0 ? "" : "vs ",
                   r->all.best < 0 ? "" : best_name(r));
    text_format(w, "  %-12s %8s  %-18s %-14s %-14s %4s %5s\n", "arm", "right", "%  95 % interval",
                "vs control", against, "tok", "s");
    for (int a = 0; a < r->results->arms->count; a++)
        put_row(r, a, w);
    put_bound("oracle", &r->all.oracle, "some persona is right", w);
    put_bound("blind pick", &r->all.blind, "the mean of the personas", w);
    put_parts(r, w);
    text_put(w, "\n");
    put_notes(r, "", "\n", w);
}

/* ---- Markdown ---------------------------------------------------------------------------------- */

static void put_md_row(const eval_report *r, int arm, text_writer *w)
{
    char name[EVAL_ARM_NAME + 16], c[5][CELL];
    const eval_row *row = &r->all.rows[arm];
    text_format(w, "| %s | %s | %s | %s | %s | %s |", eval_report_name(r, arm, name),
                count_text(&row->share, c[0]), share_text(&row->share, c[1]),
                test_text(&row->against_control, c[2]), test_text(&row->against_best, c[3]),
                per_answer(row->tokens, row->share.n, "%.0f", c[4]));
    text_format(w, " %s |", per_answer(row->seconds, row->share.n, "%.2f", c[4]));
    if (eval_report_has_parts(r))
        text_format(w, " %s | %s |", share_text(&r->dev.rows[arm].share, c[0]),
                    share_text(&r->rest.rows[arm].share, c[1]));
    text_put(w, "\n");
}

static void put_md_bound(const eval_report *r, const char *name, const eval_share *s,
                         const eval_share *dev, const eval_share *rest, text_writer *w)
{
    char c[2][CELL];
    text_format(w, "| %s | %s | %s | | | | |", name, count_text(s, c[0]), share_text(s, c[1]));
    if (eval_report_has_parts(r))
        text_format(w, " %s | %s |", share_text(dev, c[0]), share_text(rest, c[1]));
    text_put(w, "\n");
}

void eval_report_markdown(const eval_report *r, const console *con, text_writer *w)
{
    bool parts = eval_report_has_parts(r);
    put_head(r, con, w);
    text_format(w, "| arm | right | %% [95 %%] | vs control | vs %s | tokens | s |%s\n",
                best_name(r), parts ? " dev | rest |" : "");
    text_format(w, "|---|---:|---|---|---|---:|---:|%s\n", parts ? "---|---|" : "");
    for (int a = 0; a < r->results->arms->count; a++)
        put_md_row(r, a, w);
    put_md_bound(r, "oracle", &r->all.oracle, &r->dev.oracle, &r->rest.oracle, w);
    put_md_bound(r, "blind pick", &r->all.blind, &r->dev.blind, &r->rest.blind, w);
    text_put(w, "\n");
    put_notes(r, "- ", "\n", w);
}
