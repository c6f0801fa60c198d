/* export_html_figures.c - routing and votes, drawn without a script.
 *
 * Pictures are inline SVG whose shapes carry classes: colours come from the style sheet, so dark
 * and light cost nothing. Every picture says in words what it shows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_html.h"

enum { LAYERS_MOST = 512, BAR = 10, GAP = 3, HEIGHT = 100, LINE = 5 };

/* ---- routing ----------------------------------------------------------------------------------- */

/* What is drawn: layers that have experts at all. */
typedef struct routing {
    double allowed, used; /* means over these layers */
    int layers;
} routing;

static routing measure(const turn_answer *a)
{
    routing r = {0};
    for (size_t i = 0; i < a->allowed.len; i++) {
        if (a->allowed.v[i] <= 0)
            continue;
        r.allowed += a->allowed.v[i];
        r.used += a->used.v[i];
        r.layers++;
    }
    if (r.layers) {
        r.allowed /= r.layers;
        r.used /= r.layers;
    }
    return r;
}

static double share_of(int n, int all)
{
    double share = all > 0 ? (double)n / all : 0;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void put_bar(html *p, int x, int n, const char *color)
{
    double height = HEIGHT * share_of(n, p->history->model.experts);
    text_format(&p->w, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>",
                color, x, HEIGHT - height, BAR - GAP, height);
}

/* A layer without experts is a line at the foot. */
static void put_layer(html *p, int i, int allowed, int used)
{
    bool experts = allowed > 0;
    text_format(&p->w, "<g><title>layer %d: ", i);
    if (experts)
        text_format(&p->w, "%d of %d experts allowed, %d used</title>", allowed,
                    p->history->model.experts, used);
    else
        text_put(&p->w, "no experts</title>");
    int height = experts ? HEIGHT : LINE;
    text_format(&p->w, "<rect class=\"all\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>",
                i * BAR, HEIGHT - height, BAR - GAP, height);
    if (experts) {
        put_bar(p, i * BAR, allowed, "allowed");
        put_bar(p, i * BAR, used, "used");
    }
    text_put(&p->w, "</g>");
}

static void put_layers(html *p, const turn_answer *a)
{
    int layers = (int)a->allowed.len;
    text_format(&p->w,
                "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
                "aria-label=\"Experts allowed and used, layer by layer\">",
                layers * BAR - GAP, HEIGHT);
    for (int i = 0; i < layers; i++)
        put_layer(p, i, a->allowed.v[i], a->used.v[i]);
    text_put(&p->w, "</svg>");
}

void html_routing(html *p, const turn_answer *a)
{
    const history *h = p->history;
    if (!a->allowed.len || a->allowed.len > LAYERS_MOST || h->model.experts <= 0)
        return;
    routing r = measure(a);
    if (!r.layers)
        return;
    text_put(&p->w, "<figure class=\"route\">");
    put_layers(p, a);
    text_format(&p->w,
                "<figcaption><b>%.1f</b> experts used of <b>%.1f</b> allowed of %d, mean of %d "
                "layers",
                r.used, r.allowed, h->model.experts, r.layers);
    if (isfinite(a->banned_mass))
        text_format(&p->w, " · <b>%.1f %%</b> of the routing mass banned", 100 * a->banned_mass);
    text_put(&p->w, "</figcaption></figure>\n");
}

/* ---- votes ------------------------------------------------------------------------------------- */

/* Steps of shading: 0 the worst score that counts, 4 the best. */
static int shade(double score, double low, double high)
{
    if (!(high > low))
        return 4;
    return (int)lrint(4 * (score - low) / (high - low));
}

static void score_range(const turn_merge *m, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int j = 0; j < m->passes; j++)
        for (int i = 0; i < m->passes; i++) {
            double score = m->scores[(size_t)j * (size_t)m->passes + (size_t)i];
            if (i == j || !isfinite(score))
                continue;
            *low = fmin(*low, score);
            *high = fmax(*high, score);
        }
}

static void put_score(html *p, double score, bool own, double low, double high)
{
    if (own)
        text_put(&p->w, "<td class=\"own\" title=\"its own answer: not counted\">");
    else if (isfinite(score))
        text_format(&p->w, "<td class=\"h%d\">", shade(score, low, high));
    else
        text_put(&p->w, "<td>");
    if (isfinite(score))
        text_format(&p->w, score < 0 ? "−%.2f" : "%.2f", fabs(score));
    else
        text_put(&p->w, "–");
    text_put(&p->w, "</td>");
}

static void put_head(html *p, const turn_merge *m)
{
    text_put(&p->w, "<thead><tr><td></td>");
    for (int i = 0; i < m->passes; i++) {
        text_format(&p->w, "<th scope=\"col\" class=\"%s\">", html_color(p, m->of[i]));
        html_name(p, m->of[i]);
        text_put(&p->w, "</th>");
    }
    text_put(&p->w, "</tr></thead>\n");
}

static void put_matrix(html *p, const turn_merge *m)
{
    double low, high;
    score_range(m, &low, &high);
    text_put(&p->w,
             "<div class=\"scroll\"><table class=\"vote\"><caption>Who scored whom: the mean "
             "log-likelihood of each answer (column) to each judge (row). A judge&#39;s own "
             "answer is shown, and not counted.</caption>");
    put_head(p, m);
    text_put(&p->w, "<tbody>");
    for (int j = 0; j < m->passes; j++) {
        text_format(&p->w, "<tr><th scope=\"row\" class=\"%s\">", html_color(p, m->of[j]));
        html_name(p, m->of[j]);
        text_put(&p->w, "</th>");
        for (int i = 0; i < m->passes; i++)
            put_score(p, m->scores[(size_t)j * (size_t)m->passes + (size_t)i], i == j, low, high);
        text_put(&p->w, "</tr>\n");
    }
    text_put(&p->w, "</tbody></table></div>\n");
}

static void put_shares(html *p, const turn_merge *m)
{
    text_put(&p->w, "<ul class=\"shares\">");
    for (int i = 0; i < m->passes; i++) {
        double share = isfinite(m->shares[i]) ? fmin(fmax(m->shares[i], 0), 1) : 0;
        text_format(&p->w, "<li class=\"%s\"><span class=\"who\">", html_color(p, m->of[i]));
        html_name(p, m->of[i]);
        text_format(&p->w,
                    "</span><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" role=\"img\" "
                    "aria-label=\"%.0f percent\"><rect class=\"all\" x=\"0\" y=\"0\" width=\"100\" "
                    "height=\"8\"/><rect class=\"used\" x=\"0\" y=\"0\" width=\"%.1f\" "
                    "height=\"8\"/></svg>",
                    100 * share, 100 * share);
        text_format(&p->w, "<span class=\"num\">%.2f</span></li>\n", share);
    }
    text_put(&p->w, "</ul>\n");
}

void html_vote(html *p, const turn_merge *m)
{
    if (!m->of || m->passes < 1 || (!m->shares && !m->scores))
        return;
    text_put(&p->w, "<div class=\"ballot\">");
    if (m->shares)
        put_shares(p, m);
    if (m->scores)
        put_matrix(p, m);
    text_put(&p->w, "</div>\n");
}
