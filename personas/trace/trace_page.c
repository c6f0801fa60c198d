/* trace_page.c - see trace_page.h: what stands in the page without its script.
 *
 * Foreign text (names, tokens, the question) becomes clean (clean_text.h) and comes in by
 * html_put_text() alone. Pictures are SVG in units of their own, coloured by classes, so that the light
 * and the dark page are one; the policy forbids styles in tags, so what varies is an attribute.
 */
#include "trace_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../transcripts/clean_text.h"
#include "route_part.h"
#include "trace_page_parts.h"

enum { COLORS = 8, CELL = 10, CHART_WIDE = 1000, CHART_HIGH = 120, BAR = 12, BARS_HIGH = 60 };

typedef struct page {
    text_writer w;
    const route_log *log;
    const trace_heading *h;
} page;

/* ---- small pieces ------------------------------------------------------------------------------ */

static void put_foreign(page *p, const char *text, size_t n)
{
    buf clean = {0};
    if (n && clean_text(&clean, text, n, p->w.err))
        p->w.failed = true;
    else if (clean.len)
        html_put_text(&p->w, clean.v, clean.len);
    buf_release(&clean);
}

static void put_name(page *p, const char *name)
{
    put_foreign(p, name, strlen(name));
}

/* The name of a track, with its text where it read one. */
static void put_track_name(page *p, size_t track)
{
    const route_track *t = &p->log->v[track];
    text_format(&p->w, "<b class=\"who %s\">", trace_page_color(p->log, track));
    put_name(p, t->name);
    text_put(&p->w, "</b>");
    if (!t->text[0])
        return;
    text_put(&p->w, " <span class=\"of\">");
    put_name(p, t->text);
    text_put(&p->w, "</span>");
}

static void put_token(page *p, int id)
{
    const tokenizer *z = engine_tokenizer(p->h->engine);
    size_t len = 0;
    const char *piece = z && id >= 0 ? tokenizer_piece(z, id, &len) : NULL;
    if (id < 0 || !len) {
        text_put(&p->w, id < 0 ? "<i>its end</i>" : "<i>a special token</i>");
        return;
    }
    text_put(&p->w, "<code>");
    put_foreign(p, piece, len);
    text_put(&p->w, "</code>");
}

static int wished(const char *color)
{
    static const char *const names[] = {"magenta", "green", "red", "blue", "yellow", "cyan"};
    for (int i = 0; color && i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(names[i], color) == 0)
            return i;
    return -1;
}

/* The first track of the same name. */
static size_t first_of(const route_log *log, size_t track)
{
    for (size_t i = 0; i < track; i++)
        if (strcmp(log->v[i].name, log->v[track].name) == 0)
            return i;
    return track;
}

const char *trace_page_color(const route_log *log, size_t track)
{
    static const char *const classes[COLORS] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};
    bool taken[COLORS] = {false};
    int color = 0;
    size_t wanted = first_of(log, track);
    if (strncmp(log->v[track].name, "control", sizeof "control" - 1) == 0)
        return "pc";
    for (size_t i = 0; i <= wanted; i++) {
        if (first_of(log, i) != i || strncmp(log->v[i].name, "control", sizeof "control" - 1) == 0)
            continue;
        int wish = wished(log->v[i].color), free = 0;
        while (free < COLORS && taken[free])
            free++;
        color = wish >= 0 && !taken[wish] ? wish : free < COLORS ? free : (int)(i % COLORS);
        taken[color] = true;
    }
    return classes[color];
}

/* ---- figures ----------------------------------------------------------------------------------- */

static void put_figures(page *p)
{
    text_put(&p->w, "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th>who</th>"
                    "<th>tokens</th><th>experts a layer</th><th>denied</th><th>banned mass</th>"
                    "<th>entropy</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < p->log->len && !p->w.failed; i++) {
        route_figures f;
        if (route_track_figures(p->log, &p->log->v[i], &f, p->w.err)) {
            p->w.failed = true;
            return;
        }
        text_put(&p->w, "<tr><th scope=\"row\">");
        put_track_name(p, i);
        text_format(&p->w,
                    "</th><td>%d</td><td>%.1f</td><td>%.1f %%</td><td>%.1f %%</td>"
                    "<td>%.2f</td></tr>\n",
                    f.tokens, f.distinct, 100 * f.denied, 100 * f.banned, f.entropy);
    }
    text_put(&p->w, "</tbody></table></div>\n");
}

/* ---- the banned mass along the answers --------------------------------------------------------- */

static double banned_at(const route_log *log, const route_track *t, int token)
{
    double sum = 0;
    int layers = 0;
    for (int l = 0; l < log->model->layers; l++) {
        layers += log->model->moe_layer[l];
        sum += (double)route_track_cell(log, t, token, l).banned;
    }
    return layers ? sum / layers : 0;
}

static void put_curve(page *p, size_t track, int from, int most)
{
    const route_track *t = &p->log->v[track];
    text_format(&p->w, "<polyline class=\"curve %s\" points=\"", trace_page_color(p->log, track));
    for (int i = from; i < t->len && !p->w.failed; i++)
        text_format(&p->w, "%.1f,%.1f ", (double)CHART_WIDE * (i - from + 0.5) / most,
                    CHART_HIGH * (1 - banned_at(p->log, t, i)));
    text_put(&p->w, "\"/>");
}

/* Of the tracks that read the same as the first one. */
static void put_chart(page *p)
{
    const route_log *log = p->log;
    int most = 1;
    for (size_t i = 0; i < log->len; i++) {
        const route_track *t = &log->v[i];
        int n = t->len - (t->text[0] ? 0 : t->prompt);
        if (strcmp(t->text, log->v[0].text) == 0 && n > most)
            most = n;
    }
    text_format(&p->w,
                "<figure><svg class=\"chart\" id=\"chart\" data-most=\"%d\" viewBox=\"0 -4 %d %d\" "
                "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"banned mass, token by "
                "token\"><path class=\"rule\" d=\"M0 0H%dM0 %dH%dM0 %dH%d\"/>",
                most, CHART_WIDE, CHART_HIGH + 8, CHART_WIDE, CHART_HIGH / 2, CHART_WIDE,
                CHART_HIGH, CHART_WIDE);
    for (size_t i = 0; i < log->len; i++)
        if (strcmp(log->v[i].text, log->v[0].text) == 0)
            put_curve(p, i, log->v[i].text[0] ? 0 : log->v[i].prompt, most);
    text_format(&p->w,
                "<path class=\"now\" id=\"now\" d=\"M0 0V%d\"/></svg><figcaption>Share of the "
                "router's softmax that lay on experts which the program bans: 0 below, all above; "
                "one token after the other, mean over the layers.</figcaption></figure>\n",
                CHART_HIGH);
}

/* ---- where answers part ------------------------------------------------------------------------ */

static void put_bars(page *p, const route_track *a, const route_track *b, const route_part *at)
{
    const model_config *m = p->log->model;
    int layers = 0;
    for (int l = 0; l < m->layers; l++)
        layers += m->moe_layer[l];
    text_format(
        &p->w,
        "<svg class=\"bars\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"distance by layer\">",
        layers * BAR, BARS_HIGH);
    for (int l = 0, x = 0; l < m->layers && !p->w.failed; l++) {
        if (!m->moe_layer[l])
            continue;
        double called = route_part_called(p->log, a, b, at, l);
        double wanted = route_part_wanted(p->log, a, b, at, l);
        text_format(
            &p->w,
            "<g><title>layer %d: %.0f %% apart, wanted %.0f %%</title><rect class=\"called\" "
            "x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/><rect class=\"wanted\" "
            "x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/></g>",
            l, 100 * called, 100 * wanted, x + 1, BARS_HIGH * (1 - called), BAR - 2,
            BARS_HIGH * called, x + 3, BARS_HIGH * (1 - wanted), BAR - 6, BARS_HIGH * wanted);
        x += BAR;
    }
    text_put(&p->w, "</svg>");
}

static void put_part(page *p, size_t i, size_t k)
{
    const route_track *a = &p->log->v[i], *b = &p->log->v[k];
    route_part at;
    if (!route_part_find(p->log, a, b, &at))
        return;
    text_format(&p->w, "<li><p>");
    put_track_name(p, i);
    text_put(&p->w, " and ");
    put_track_name(p, k);
    text_format(&p->w, " part at token %d: ", at.shared + 1);
    put_token(p, at.next[0]);
    text_put(&p->w, " / ");
    put_token(p, at.next[1]);
    text_format(&p->w,
                ". What decided it was made of routes that are %.0f %% apart, mean over the "
                "layers; what the routers wanted is %.0f %% apart. <button type=\"button\" "
                "class=\"go\" data-step=\"%d\" hidden>show</button></p>",
                100 * at.called, 100 * at.wanted, at.shared - 1);
    put_bars(p, a, b, &at);
    text_put(&p->w, "</li>\n");
}

static void put_parts(page *p)
{
    text_put(&p->w, "<ul class=\"parts\">\n");
    for (size_t i = 0; i < p->log->len; i++)
        for (size_t k = i + 1; k < p->log->len; k++)
            if (!p->log->v[i].text[0] && !p->log->v[k].text[0])
                put_part(p, i, k);
    text_put(&p->w, "</ul>\n<p class=\"note\">Full bars: distance between the experts that were "
                    "called, layer by layer from the left; inner bars: between those that the "
                    "routers wanted. Where the full bar is high and the inner one low, the masks "
                    "made the difference; where both are high, the layers below did.</p>\n");
}

/* ---- the atlas --------------------------------------------------------------------------------- */

/* Which track calls each expert most: shares [tracks][layers * experts]. */
static void put_atlas_cells(page *p, const float *shares, size_t cells)
{
    const route_log *log = p->log;
    float most = 0;
    for (size_t i = 0; i < cells * log->len; i++)
        most = shares[i] > most ? shares[i] : most;
    for (int l = 0, y = 0; l < log->model->layers; l++) {
        if (!log->model->moe_layer[l])
            continue;
        for (int e = 0; e < log->experts && !p->w.failed; e++) {
            size_t at = (size_t)l * (size_t)log->experts + (size_t)e, best = 0;
            for (size_t t = 0; t < log->len; t++)
                best = shares[t * cells + at] > shares[best * cells + at] ? t : best;
            float share = shares[best * cells + at];
            if (share > 0)
                text_format(&p->w,
                            "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
                            "opacity=\"%.2f\"/>",
                            trace_page_color(log, best), e * CELL, y * CELL, CELL - 1, CELL - 1,
                            0.15 + 0.85 * sqrt((double)(share / most)));
        }
        y++;
    }
}

static void put_atlas(page *p)
{
    const route_log *log = p->log;
    size_t cells = (size_t)log->model->layers * (size_t)log->experts;
    float *shares = calloc(cells * log->len + 1, sizeof *shares);
    int layers = 0;
    if (!shares) {
        p->w.failed = true;
        (void)error_memory(p->w.err, "a page");
        return;
    }
    for (size_t t = 0; t < log->len; t++)
        route_track_shares(log, &log->v[t], 0, log->v[t].len, shares + t * cells);
    for (int l = 0; l < log->model->layers; l++)
        layers += log->model->moe_layer[l];
    text_format(&p->w,
                "<figure><div class=\"scroll\"><svg class=\"atlas\" id=\"atlas\" tabindex=\"0\" "
                "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"experts, coloured by who calls "
                "them most\"><rect class=\"ground\" width=\"%d\" height=\"%d\"/>",
                log->experts * CELL, layers * CELL, log->experts * CELL, layers * CELL);
    put_atlas_cells(p, shares, cells);
    text_put(&p->w,
             "<rect id=\"chosen\" class=\"chosen\" width=\"10\" height=\"10\" "
             "x=\"-20\" y=\"0\"/></svg></div><figcaption>A row is a layer, the first above; "
             "a column is an expert. Colour: who calls it most. Strength: how often. An "
             "expert that nobody called is empty.</figcaption></figure>\n"
             "<p class=\"note\">Layer:expert, where each is furthest ahead of all others in how "
             "many of its tokens call it. By what is read: of the plain model, where it read "
             "too.</p><div id=\"leads\"></div>\n"
             "<div id=\"expert\" aria-live=\"polite\"></div>\n");
    free(shares);
}

/* ---- the page ---------------------------------------------------------------------------------- */

static void put_head(page *p)
{
    html_begin_head_with(&p->w, trace_page_style(), trace_page_script());
    text_put(&p->w, "<title>routes · consilium</title>\n");
    html_begin_body(&p->w, trace_page_style());
    text_put(&p->w, "<header class=\"top\"><p class=\"mark\">consilium</p><p class=\"meta\">");
    put_name(p, p->h->model);
    text_format(&p->w, " · %d layers, %d experts, %d a token</p></header>\n", p->log->model->layers,
                p->log->model->experts, p->log->model->experts_per_token);
    text_put(&p->w, "<h1>");
    if (p->h->prompt)
        put_foreign(p, p->h->prompt, p->h->prompt_len);
    else
        text_put(&p->w, "Routes of texts");
    text_put(&p->w, "</h1>\n");
}

static void put_replay(page *p)
{
    text_put(
        &p->w,
        "<section><h2>Routes, side by side</h2>\n<noscript><p class=\"note\">The replay needs the "
        "page's script.</p></noscript>\n<div class=\"bar\" id=\"bar\" hidden>"
        "<select id=\"group\" aria-label=\"what was read\"></select>"
        "<button type=\"button\" id=\"back\" aria-label=\"one token back\">&#9664;</button>"
        "<button type=\"button\" id=\"play\">play</button>"
        "<button type=\"button\" id=\"on\" aria-label=\"one token on\">&#9654;</button>"
        "<input type=\"range\" id=\"step\" aria-label=\"token\" min=\"0\" value=\"0\">"
        "<output id=\"where\"></output></div>\n<div class=\"lanes\" id=\"lanes\"></div>\n"
        "<p class=\"note key\">A row of a grid is a layer, a column an expert. "
        "<span class=\"k1\"></span> called for this token, as strong as its gate "
        "<span class=\"k2\"></span> called although the router did not want it "
        "<span class=\"k3\"></span> wanted and denied <span class=\"k4\"></span> called before"
        "</p>\n</section>\n<section><h2>Where the masks bit</h2>\n");
    put_chart(p);
    text_put(&p->w, "<div class=\"scroll bite\" id=\"bite\"></div>\n</section>\n");
}

static void put_body(page *p)
{
    size_t asked = 0;
    for (size_t i = 0; i < p->log->len; i++)
        asked += !p->log->v[i].text[0];
    put_figures(p);
    put_replay(p);
    if (asked > 1) {
        text_put(&p->w, "<section><h2>Where the answers part</h2>\n");
        put_parts(p);
        text_put(&p->w, "</section>\n");
    }
    text_put(&p->w,
             "<section><h2>Atlas of experts</h2>\n<select id=\"by\" aria-label=\"colours of the "
             "atlas\" hidden><option value=\"who\">by who calls</option><option "
             "value=\"text\">by what is read</option></select>\n");
    put_atlas(p);
    text_put(&p->w, "</section>\n");
}

int trace_put_page(const route_log *log, const trace_heading *h, buf *out, error *err)
{
    page p = {.w = {.out = out, .err = err}, .log = log, .h = h};
    buf data = {0};
    if (trace_page_data(log, h, &data, err)) {
        buf_release(&data);
        return -1;
    }
    put_head(&p);
    put_body(&p);
    text_put(&p.w, "<pre id=\"data\" hidden>");
    html_put_text(&p.w, data.v, data.len);
    text_put(&p.w, "</pre>\n");
    html_put_script(&p.w, trace_page_script());
    text_put(&p.w, "</body>\n</html>\n");
    buf_release(&data);
    return p.w.failed ? -1 : 0;
}
