/* compare_set_report_html.c - a comparison over a set as one page: bars with intervals, a table. See
 * compare_set_report.h.
 *
 * The page needs nothing else and runs nothing (html_page.h). Foreign text reaches it by report_put_foreign()
 * alone. Charts are SVG in units of their own, drawn by classes, so that the light and the dark page are
 * one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../engine/base/html_page.h"
#include "../chat/compare_report.h"
#include "../screen/human.h"
#include "compare_set_report.h"
#include "report_page.h"

enum { WIDE = 720, LABEL = 130, ROW = 26, SCALE = 440, HUES = 4 };

/* clang-format off */
static const char *const sheet[] = {
    REPORT_LOOK,
    ":root{--a:#14724a;--b:#1f5fc0;--c:#8a5a12;--d:#8a929c}\n"
    "@media (prefers-color-scheme:dark){:root{--a:#3f9a70;--b:#5a8bd8;--c:#b98a3e;--d:#7b838d}}\n"
    "main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(28rem,1fr))}\n"
    "figcaption{color:var(--soft);font-size:.875rem;margin-bottom:.4rem}\n"
    "text{fill:var(--ink);font:14px system-ui,sans-serif}.dim{fill:var(--soft);font-size:12px}\n"
    ".base{stroke:var(--line)}\n"
    ".a{fill:var(--a)}.b{fill:var(--b)}.c{fill:var(--c)}.d{fill:var(--d)}\n"
};
/* clang-format on */

/* ---- charts ------------------------------------------------------------------------------------ */

/* One bar of a chart; nothing where n is 0. */
typedef struct bar {
    int n;
    double value, low, high;
} bar;

typedef struct chart {
    const char *title, *unit;
    bool share; /* of 1; else its scale goes to the largest */
    bar bars[COMPARE_COLUMNS];
} chart;

static bar of_share(const compare_share *s)
{
    return (bar){s->of, s->of ? (double)s->n / s->of : 0, s->low, s->high};
}

static bar of_mean(const compare_mean *m)
{
    return (bar){m->n, m->value, m->low, m->high};
}

static void put_bar(text_writer *w, const chart *c, const bar *b, const char *name, int row,
                    double most)
{
    int y = row * ROW, middle = y + ROW / 2;
    text_format(w, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LABEL - 8, middle + 5);
    report_put_foreign(w, name);
    text_put(w, "</text>");
    if (!b->n) {
        text_format(w, "<text class=\"dim\" x=\"%d\" y=\"%d\">not known</text>\n", LABEL + 6,
                    middle + 4);
        return;
    }
    double scale = most > 0 ? SCALE / most : 0;
    text_format(w, "<rect class=\"%c\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                'a' + row % HUES, LABEL, y + 5, b->value * scale, ROW - 10);
    text_format(w, "<line class=\"interval\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>",
                LABEL + b->low * scale, LABEL + b->high * scale, middle, middle);
    text_format(w, "<text class=\"dim\" x=\"%.1f\" y=\"%d\">", LABEL + b->high * scale + 6,
                middle + 4);
    if (c->share)
        text_format(w, "%.0f %%", 100 * b->value);
    else
        text_format(w, "%.3g%s", b->value, c->unit);
    text_put(w, "</text>\n");
}

static void put_chart(const compare_set_report *r, const chart *c, text_writer *w)
{
    int columns = compare_columns(r->compare), known = 0;
    double most = c->share ? 1 : 0;
    for (int i = 0; i < columns; i++) {
        known += c->bars[i].n > 0;
        if (!c->share && c->bars[i].n)
            most = fmax(most, c->bars[i].high);
    }
    if (!known)
        return;
    text_format(w,
                "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" "
                "aria-label=\"%s\"><line class=\"base\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>\n",
                c->title, WIDE, columns * ROW, c->title, LABEL, LABEL, columns * ROW);
    for (int i = 0; i < columns; i++)
        put_bar(w, c, &c->bars[i], compare_column_at(r->compare, i)->setup->name, i, most);
    text_put(w, "</svg></figure>\n");
}

static void put_charts(const compare_set_report *r, int level, text_writer *w)
{
    enum { CHARTS = 9 };
    chart all[CHARTS] = {
        {"finished by themselves", "", true, {{0, 0, 0, 0}}},
        {"seconds to finish", " s", false, {{0, 0, 0, 0}}},
        {"went round in circles", "", true, {{0, 0, 0, 0}}},
        {"tokens of an answer", "", false, {{0, 0, 0, 0}}},
        {"early facts recalled", "", true, {{0, 0, 0, 0}}},
        {"structure depth", "", false, {{0, 0, 0, 0}}},
        {"linked sentences", "", true, {{0, 0, 0, 0}}},
        {compare_one_vocabulary(r->compare) ? "loss of the others, nats a token"
                                            : "loss of the others, nats a byte",
         "",
         false,
         {{0, 0, 0, 0}}},
        {"divergence from the model as it is, nats a token", "", false, {{0, 0, 0, 0}}}};
    for (int i = 0; i < compare_columns(r->compare); i++) {
        const compare_figures *f = compare_set_report_of(r, level, i);
        bar bars[CHARTS] = {of_share(&f->finished), of_mean(&f->seconds), of_share(&f->loops),
                            of_mean(&f->tokens),    of_share(&f->recall), of_mean(&f->depth),
                            of_mean(&f->links),     of_mean(&f->foreign), of_mean(&f->kl)};
        for (int k = 0; k < CHARTS; k++)
            all[k].bars[i] = bars[k];
    }
    text_put(w, "<main>\n");
    for (int k = 0; k < CHARTS; k++)
        put_chart(r, &all[k], w);
    text_put(w, "</main>\n");
}

/* ---- the page ---------------------------------------------------------------------------------- */

static void put_row(const compare_set_report *r, int i, text_writer *w)
{
    const compare_column *k = compare_column_at(r->compare, i);
    const compare_figures *f = compare_set_report_of(r, -1, i);
    char bytes[HUMAN_TEXT];
    text_put(w, "<tr><td>");
    report_put_foreign(w, k->setup->name);
    text_put(w, "</td><td>");
    report_put_foreign(w, compare_acts(k));
    text_format(w, "</td><td>%d/%d</td><td>%d</td><td>%d</td><td>%d</td>", f->finished.n,
                f->finished.of, f->loops.n, f->cut.n, f->failed.n);
    if (f->recall.of)
        text_format(w, "<td>%d/%d</td>", f->recall.n, f->recall.of);
    else
        text_put(w, "<td></td>");
    text_format(w, "<td>%.0f</td><td>%s</td></tr>\n", f->experts.n ? f->experts.value : 0,
                human_bytes(bytes, f->bytes));
}

void compare_set_report_html(const compare_set_report *r, text_writer *w)
{
    html_sheet style = {sheet, sizeof sheet / sizeof *sheet};
    html_begin_head(w, style);
    text_put(w, "<title>");
    report_put_foreign(w, r->name);
    text_put(w, "</title>\n");
    html_begin_body(w, style);
    text_put(w, "<h1>");
    report_put_foreign(w, r->name);
    text_put(w, " on ");
    report_put_foreign(w, r->model);
    text_format(w,
                "</h1>\n<p>%d questions, seed %llu; intervals are of 95 %%: Wilson's of shares, "
                "resampled of means.</p>\n",
                r->count, (unsigned long long)r->seed);
    put_charts(r, -1, w);
    for (int level = 0; r->level_count > 1 && level < r->level_count; level++) {
        text_put(w, "<h2>");
        report_put_foreign(w, *r->levels[level] ? r->levels[level] : "no level");
        text_put(w, "</h2>\n");
        put_charts(r, level, w);
    }
    text_put(w, "<h2>All columns</h2>\n<div class=\"scroll\"><table><tr><th>column</th><th>setting"
                "</th><th>finished</th><th>loops</th><th>cut</th><th>failed</th><th>recalled</th>"
                "<th>experts</th><th>memory</th></tr>\n");
    for (int i = 0; i < compare_columns(r->compare); i++)
        put_row(r, i, w);
    text_put(w, "</table></div>\n</body>\n</html>\n");
}
