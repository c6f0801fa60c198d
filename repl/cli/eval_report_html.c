/* eval_report_html.c - an evaluation as one page: bars with intervals, a table. See eval_report.h.
 *
 * The page needs nothing else: no script, no picture, no font, and its policy forbids all of them; the
 * style sheet is allowed by its hash. Foreign text (names of files, topics) reaches it by report_put_foreign()
 * alone and is never part of a tag. Charts are SVG in units of their own, drawn by classes, so that the
 * light and the dark page are one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../engine/base/html_page.h"
#include "eval_report.h"
#include "report_page.h"

enum { WIDE = 720, LABEL = 130, ROW = 26, SCALE = 500 };

/* clang-format off */
static const char *const sheet[] = {
    REPORT_LOOK,
    ":root{--control:#8a929c;--persona:#14724a;--merge:#8a5a12;--other:#1f5fc0;--bound:#b9b2a6}\n"
    "@media (prefers-color-scheme:dark){:root{--control:#7b838d;--persona:#3f9a70;--merge:#b98a3e;--other:#5a8bd8;"
    "--bound:#4b4f55}}\n"
    "svg{min-width:32rem}\n"
    "text{fill:var(--ink);font:13px system-ui,sans-serif}.dim{fill:var(--soft);font-size:11px}\n"
    ".grid{stroke:var(--line);stroke-width:1}\n"
    ".control{fill:var(--control)}.persona{fill:var(--persona)}.merge{fill:var(--merge)}"
    ".other{fill:var(--other)}.bound{fill:var(--bound)}\n"
};
/* clang-format on */

static void put_arm(const eval_report *r, int arm, text_writer *w)
{
    char name[EVAL_ARM_NAME + 16];
    report_put_foreign(w, eval_report_name(r, arm, name));
}

/* ---- charts ------------------------------------------------------------------------------------ */

static const char *class_of(const eval_arm *a)
{
    static const char *const classes[] = {"control", "persona", "merge", "other", "other"};
    return classes[a->kind];
}

static double at(double share)
{
    return LABEL + SCALE * share;
}

static void begin_chart(text_writer *w, const char *label, int rows)
{
    text_format(w, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDE,
                rows * ROW + 24, label);
    for (int i = 0; i <= 4; i++) {
        double x = at(i / 4.0);
        text_format(w, "<line class=\"grid\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%d\"/>", x, x,
                    rows * ROW);
        text_format(w,
                    "<text class=\"dim\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d %%</text>\n",
                    x, rows * ROW + 16, 25 * i);
    }
}

/* The bar behind its name, with its interval and its figure. */
static void put_bar(text_writer *w, const eval_share *s, const char *class, int row)
{
    double share = s->n ? s->right / s->n : 0;
    int y = row * ROW, middle = y + ROW / 2;
    text_format(w, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", class,
                LABEL, y + 5, SCALE * share, ROW - 10);
    if (s->n)
        text_format(w, "<line class=\"interval\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
                    at(s->low), middle, at(s->high), middle);
    text_format(w, "<text class=\"dim\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDE, middle + 4);
    if (s->n)
        text_format(w, "%.1f %% of %d", 100 * share, s->n);
    text_put(w, "</text>\n");
}

static void begin_label(text_writer *w, int row)
{
    text_format(w, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LABEL - 8,
                row * ROW + ROW / 2 + 4);
}

static void put_chart(const eval_report *r, const eval_figures *f, const char *label,
                      text_writer *w)
{
    const eval_arms *arms = r->results->arms;
    begin_chart(w, label, arms->count + 2);
    for (int a = 0; a < arms->count; a++) {
        begin_label(w, a);
        put_arm(r, a, w);
        text_put(w, "</text>");
        put_bar(w, &f->rows[a].share, class_of(&arms->v[a]), a);
    }
    begin_label(w, arms->count);
    text_put(w, "oracle</text>");
    put_bar(w, &f->oracle, "bound", arms->count);
    begin_label(w, arms->count + 1);
    text_put(w, "blind pick</text>");
    put_bar(w, &f->blind, "bound", arms->count + 1);
    text_put(w, "</svg></figure>\n");
}

/* Who won the councils of a vote, as bars. */
static void put_winners(const eval_report *r, int arm, text_writer *w)
{
    const eval_results *found = r->results;
    int all = 0;
    for (int k = 0; k < found->persona_count; k++)
        all += r->all.won[arm][k];
    if (!all)
        return;
    text_put(w, "<h2>Councils won: ");
    put_arm(r, arm, w);
    text_put(w, "</h2>\n");
    begin_chart(w, "Share of councils that each persona won", found->persona_count);
    for (int k = 0; k < found->persona_count; k++) {
        eval_share s = {.right = r->all.won[arm][k], .n = all};
        s.low = s.high = s.right / all;
        begin_label(w, k);
        report_put_foreign(w, found->personas[k]);
        text_put(w, "</text>");
        put_bar(w, &s, "persona", k);
    }
    text_put(w, "</svg></figure>\n");
}

/* ---- tables ------------------------------------------------------------------------------------ */

static void put_share(text_writer *w, const eval_share *s)
{
    if (s->n)
        text_format(w, "<td>%.1f [%.1f, %.1f]</td>", 100 * s->right / s->n, 100 * s->low,
                    100 * s->high);
    else
        text_put(w, "<td></td>");
}

static void put_test(text_writer *w, const eval_test *t)
{
    char p[EVAL_P], corrected[EVAL_P];
    if (isnan(t->p)) {
        text_put(w, "<td></td>");
        return;
    }
    text_format(w, "<td>+%d \u2212%d, p ", t->gained, t->lost);
    report_put_foreign(w, eval_report_p(t->p, p));
    text_put(w, " (");
    report_put_foreign(w, eval_report_p(t->corrected, corrected));
    text_put(w, ")</td>");
}

static void put_row(const eval_report *r, int arm, text_writer *w)
{
    const eval_row *row = &r->all.rows[arm];
    int n = row->share.n ? row->share.n : 1;
    text_put(w, "<tr><td>");
    put_arm(r, arm, w);
    text_format(w, "</td><td>%.0f/%d</td>", row->share.right, row->share.n);
    put_share(w, &row->share);
    if (eval_report_has_parts(r)) {
        put_share(w, &r->dev.rows[arm].share);
        put_share(w, &r->rest.rows[arm].share);
    }
    put_test(w, &row->against_control);
    put_test(w, &row->against_best);
    text_format(w, "<td>%d</td><td>%.2f</td></tr>\n", row->tokens / n, row->seconds / n);
}

static void put_table(const eval_report *r, text_writer *w)
{
    text_put(w, "<h2>All arms</h2>\n<div class=\"scroll\"><table>\n<tr><th>arm</th><th>right</th>"
                "<th>% [95 %]</th>");
    if (eval_report_has_parts(r))
        text_put(w, "<th>development part</th><th>the rest</th>");
    text_put(w, "<th>against control</th><th>against ");
    if (r->all.best >= 0)
        put_arm(r, r->all.best, w);
    text_put(w, "</th><th>tokens</th><th>seconds</th></tr>\n");
    for (int a = 0; a < r->results->arms->count; a++)
        put_row(r, a, w);
    text_put(w, "</table></div>\n<p>Intervals: Wilson, 95 %. +gained \u2212lost: items that only "
                "this arm, or only the other, got right; p: McNemar\u2019s exact test, in brackets "
                "by Holm for all tests of the table.</p>\n");
}

static void put_topics(const eval_report *r, text_writer *w)
{
    const eval_arms *arms = r->results->arms;
    if (r->topic_count < 2)
        return;
    text_put(w,
             "<h2>By topic, %</h2>\n<div class=\"scroll\"><table>\n<tr><th>topic</th><th>n</th>");
    for (int a = 0; a < arms->count; a++) {
        text_put(w, "<th>");
        put_arm(r, a, w);
        text_put(w, "</th>");
    }
    text_put(w, "</tr>\n");
    for (int i = 0; i < r->topic_count; i++) {
        text_put(w, "<tr><td>");
        report_put_foreign(w, r->topics[i]);
        text_format(w, "</td><td>%d</td>", r->of_topic[i].items);
        for (int a = 0; a < arms->count; a++) {
            const eval_share *s = &r->of_topic[i].rows[a].share;
            if (s->n)
                text_format(w, "<td>%.0f</td>", 100 * s->right / s->n);
            else
                text_put(w, "<td></td>");
        }
        text_put(w, "</tr>\n");
    }
    text_put(w, "</table></div>\n");
}

/* ---- the page ---------------------------------------------------------------------------------- */

static void put_head(const eval_report *r, text_writer *w)
{
    const html_sheet style = {sheet, sizeof sheet / sizeof *sheet};
    html_begin_head(w, style);
    text_put(w, "<title>");
    report_put_foreign(w, r->set);
    text_put(w, "</title>\n");
    html_begin_body(w, style);
    text_put(w, "<h1>");
    report_put_foreign(w, r->set);
    text_put(w, "</h1>\n<p>on ");
    report_put_foreign(w, r->model);
    text_format(w, ": %d items (%s), seed %llu", r->all.items, eval_split_name(r->split),
                (unsigned long long)r->seed);
    if (eval_run_skipped(r->run))
        text_format(w, "; %zu programs were left out", eval_run_skipped(r->run));
    text_put(w, "</p>\n");
}

void eval_report_html(const eval_report *r, text_writer *w)
{
    put_head(r, w);
    text_put(w, "<h2>Right answers</h2>\n");
    put_chart(r, &r->all, "Share of right answers of each arm, with intervals", w);
    if (eval_report_has_parts(r)) {
        text_put(w, "<h2>Without the development part</h2>\n");
        put_chart(r, &r->rest, "Share of right answers on the rest of the set", w);
    }
    put_table(r, w);
    for (int a = 0; a < r->results->arms->count; a++)
        if (r->results->arms->v[a].kind == EVAL_MERGE)
            put_winners(r, a, w);
    put_topics(r, w);
    if (!isnan(r->all.agreement))
        text_format(w, "<p>Two personas say the same on %.0f %% of the items.</p>\n",
                    100 * r->all.agreement);
    text_put(w, "</body>\n</html>\n");
}
