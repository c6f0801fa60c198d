/* export_html.c - the conversation as one HTML page. See export.h and export_html.h.
 *
 * Each turn is an article: the prompt as its headline, the answers as columns that stack where
 * there is no room, the merge below them. What a reader may want but not at once (thoughts, earlier
 * versions) is folded by <details>, which needs no script.
 */
#include "export.h"

#include <string.h>

#include "export_html.h"
#include "export_text.h"

enum { LONG_PROMPT = 280 };

/* ---- who speaks -------------------------------------------------------------------------------- */

static bool is_control(const char *name)
{
    return strncmp(name, "control", sizeof "control" - 1) == 0;
}

static int place_of(const html *p, const char *name)
{
    for (int i = 0; i < p->persona_count; i++)
        if (strcmp(p->personas[i].name, name) == 0)
            return i;
    return -1;
}

/* What terminals call magenta is our violet: each name has the place of the nearest colour. */
static int wished(const char *color)
{
    static const char *const names[HTML_COLORS] = {"magenta", "green",  "red",
                                                   "blue",    "yellow", "cyan"};
    for (int i = 0; i < HTML_COLORS && color; i++)
        if (names[i] && strcmp(names[i], color) == 0)
            return i;
    return -1;
}

/* The colour a persona asks for, if nobody before has it, else the first that is free. */
static int choose_color(const html *p, const char *color)
{
    bool taken[HTML_COLORS] = {false};
    for (int i = 0; i < p->persona_count; i++)
        taken[p->personas[i].color] = true;
    int wish = wished(color), free = 0;
    while (free < HTML_COLORS && taken[free])
        free++;
    return wish >= 0 && !taken[wish] ? wish
           : free < HTML_COLORS      ? free
                                     : p->persona_count % HTML_COLORS;
}

const char *html_color(const html *p, const char *persona)
{
    static const char *const classes[HTML_COLORS] = {"p0", "p1", "p2", "p3",
                                                     "p4", "p5", "p6", "p7"};
    if (is_control(persona))
        return "pc";
    int place = place_of(p, persona);
    return classes[place < 0 ? HTML_COLORS - 1 : p->personas[place].color];
}

static void gather_personas(html *p)
{
    const history *h = p->history;
    for (int i = 0; i < h->turn_count; i++)
        for (int k = 0; k < h->turns[i].answer_count && p->persona_count < HTML_PERSONAS; k++) {
            const turn_answer *a = &h->turns[i].answers[k];
            if (h->turns[i].undone || place_of(p, a->name) >= 0)
                continue;
            int color = is_control(a->name) ? HTML_COLORS - 1 : choose_color(p, a->color);
            p->personas[p->persona_count++] = (html_persona){a->name, color};
        }
}

/* ---- small pieces ------------------------------------------------------------------------------ */

/* Clean words that export_text.h put together. */
static void put_words(html *p, buf *words)
{
    if (words->len)
        html_put_text(&p->w, words->v, words->len);
    buf_clear(words);
}

static void keep(html *p, int result)
{
    if (result)
        p->w.failed = true;
}

static void put_note(html *p, const char *color, buf *words)
{
    if (!words->len)
        return;
    text_format(&p->w, "<p class=\"%s\">", color);
    put_words(p, words);
    text_put(&p->w, "</p>\n");
}

static void put_tag(html *p, const char *color, const char *foreign)
{
    text_format(&p->w, "<span class=\"%s\">", color);
    html_name(p, foreign);
    text_put(&p->w, "</span>");
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void put_failure(html *p, const char *failure)
{
    text_put(&p->w, "<p class=\"failed\">failed: ");
    html_name(p, failure);
    text_put(&p->w, "</p>\n");
}

static void put_thought(html *p, const turn_answer *a)
{
    if (!a->thought.len)
        return;
    text_put(&p->w, "<details class=\"thought\"><summary>thinking</summary>");
    html_answer(p, a->thought);
    text_put(&p->w, "</details>\n");
}

static void put_figures(html *p, const turn_answer *a)
{
    buf words = {0};
    keep(p, export_figures(&words, a, p->w.err));
    put_note(p, "figures", &words);
    buf_release(&words);
}

static void put_earlier(html *p, const struct turn *t, const turn_answer *a)
{
    if (!a->earlier)
        return;
    text_format(&p->w, "<details class=\"earlier\"><summary>%d earlier version%s</summary>",
                a->earlier, a->earlier == 1 ? "" : "s");
    for (const turn_answer *v = t->answers + a->first; v != a; v = t->answers + v->next) {
        text_put(&p->w, "<div class=\"version\">");
        html_answer(p, v->text);
        put_figures(p, v);
        text_put(&p->w, "</div>\n");
    }
    text_put(&p->w, "</details>\n");
}

static void put_answer(html *p, const struct turn *t, const turn_answer *a)
{
    bool picked = t->picked && strcmp(t->picked, a->name) == 0;
    text_format(&p->w, "<section class=\"answer %s%s\"><h3>", html_color(p, a->name),
                picked ? " picked" : "");
    put_tag(p, "who", a->name);
    if (a->acts_by)
        put_tag(p, "acts", a->acts_by);
    text_put(&p->w, picked ? "<span class=\"pick\">picked</span></h3>\n" : "</h3>\n");
    text_put(&p->w, "<div class=\"text\">");
    put_thought(p, a);
    if (a->failure)
        put_failure(p, a->failure);
    if (a->text.len || !a->failure)
        html_answer(p, a->text);
    text_put(&p->w, "</div>\n<footer>");
    put_earlier(p, t, a);
    put_figures(p, a);
    html_routing(p, a);
    text_put(&p->w, "</footer></section>\n");
}

static void put_answers(html *p, const struct turn *t)
{
    text_put(&p->w, "<div class=\"columns\">\n");
    for (int i = 0; i < t->answer_count && !p->w.failed; i++)
        if (export_column(t, i))
            put_answer(p, t, export_column(t, i));
    text_put(&p->w, "</div>\n");
}

/* ---- the merge --------------------------------------------------------------------------------- */

static void put_revised(html *p, const turn_merge *m)
{
    if (!m->revised || !m->of)
        return;
    text_put(&p->w, "<details class=\"earlier\"><summary>answers after the debate</summary>"
                    "<div class=\"columns\">\n");
    for (int i = 0; i < m->passes; i++) {
        text_format(&p->w, "<section class=\"answer %s\"><h3>", html_color(p, m->of[i]));
        put_tag(p, "who", m->of[i]);
        text_put(&p->w, "</h3>\n<div class=\"text\">");
        html_answer(p, m->revised[i]);
        text_put(&p->w, "</div></section>\n");
    }
    text_put(&p->w, "</div></details>\n");
}

static void put_result(html *p, const struct turn *t, const turn_merge *m)
{
    const turn_answer *winner = m->failure ? NULL : turn_winner(t, m);
    text_put(&p->w, "<div class=\"text\">");
    if (m->failure) {
        put_failure(p, m->failure);
    } else if (winner) {
        text_put(&p->w, "<p>The vote takes the answer of ");
        text_format(&p->w, "<b class=\"who %s\">", html_color(p, winner->name));
        html_name(p, winner->name);
        text_put(&p->w, m->tie ? "</b>; it is nearly a tie.</p>\n" : "</b>.</p>\n");
    } else {
        html_answer(p, m->text);
    }
    text_put(&p->w, "</div>\n");
}

static void put_merge(html *p, const struct turn *t, const turn_merge *m)
{
    bool picked = t->picked && strcmp(t->picked, "merge") == 0;
    buf words = {0};
    text_format(&p->w, "<section class=\"merge%s\"><h3><span class=\"who\">merged</span>",
                picked ? " picked" : "");
    if (m->method)
        put_tag(p, "acts", m->method);
    text_put(&p->w, picked ? "<span class=\"pick\">picked</span></h3>\n" : "</h3>\n");
    put_result(p, t, m);
    html_vote(p, m);
    put_revised(p, m);
    text_put(&p->w, "<footer>");
    keep(p, m->failure ? 0 : export_merge_line(&words, m, p->w.err));
    put_note(p, "figures", &words);
    text_put(&p->w, "</footer></section>\n");
    buf_release(&words);
}

/* ---- turns ------------------------------------------------------------------------------------- */

static void put_prompt(html *p, const struct turn *t)
{
    buf clean = {0};
    if (t->prompt.v)
        keep(p, clean_text(&clean, t->prompt.v, t->prompt.len, p->w.err));
    text_format(&p->w, "<h2 class=\"prompt%s\" dir=\"auto\">",
                clean.len > LONG_PROMPT ? " long" : "");
    put_words(p, &clean);
    text_put(&p->w, "</h2>\n");
    buf_release(&clean);
}

static void put_turn(html *p, int turn)
{
    const struct turn *t = &p->history->turns[turn];
    const turn_merge *m = turn_last_merge(t);
    buf words = {0};
    text_format(&p->w,
                "<article class=\"turn\" id=\"turn-%d\"><header><span class=\"n\">%d</span>\n",
                t->number, t->number);
    put_prompt(p, t);
    text_put(&p->w, "</header>\n");
    keep(p, export_memory_line(&words, p->history, turn, p->w.err));
    put_note(p, "note", &words);
    if (t->answer_count)
        put_answers(p, t);
    if (m)
        put_merge(p, t, m);
    text_put(&p->w, "</article>\n");
    buf_release(&words);
}

/* ---- the page ---------------------------------------------------------------------------------- */

static void put_title(html *p)
{
    buf title = {0};
    keep(p, history_title(p->history, &title, p->w.err));
    text_put(&p->w, "<title>");
    put_words(p, &title);
    text_put(&p->w, " · consilium</title>\n");
    buf_release(&title);
}

static void put_head(html *p)
{
    html_begin_head(&p->w, html_style());
    put_title(p);
    html_begin_body(&p->w, html_style());
}

/* The last part of a path says enough to people; the JSON has all of it. */
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void put_personas(html *p)
{
    text_put(&p->w, "<ul class=\"cast\">");
    for (int i = 0; i < p->persona_count; i++) {
        text_format(&p->w, "<li class=\"%s\">", html_color(p, p->personas[i].name));
        html_name(p, p->personas[i].name);
        text_put(&p->w, "</li>");
    }
    text_put(&p->w, "</ul>\n");
}

static void put_masthead(html *p)
{
    const history *h = p->history;
    buf words = {0};
    text_put(&p->w, "<header class=\"top\"><p class=\"mark\">consilium</p>\n");
    put_personas(p);
    text_put(&p->w, "<p class=\"meta\">");
    if (h->model.path) {
        html_name(p, file_name(h->model.path));
        text_put(&p->w, " · ");
    }
    if (h->model.experts > 0)
        text_format(&p->w, "%d layers, %d experts, %d a token · ", h->model.layers,
                    h->model.experts, h->model.experts_per_token);
    if (h->turn_count)
        keep(p, export_date(&words, h->turns[0].time, p->w.err));
    put_words(p, &words);
    text_put(&p->w, "</p></header>\n");
    keep(p, export_damage(&words, h, p->w.err));
    put_note(p, "damage", &words);
    buf_release(&words);
}

static void put_footer(html *p)
{
    const history *h = p->history;
    int undone = export_undone(h);
    text_put(&p->w, "<footer class=\"end\">");
    if (undone)
        text_format(&p->w, "<p>%d turn%s undone and %s not shown.</p>\n", undone,
                    undone == 1 ? " was" : "s were", undone == 1 ? "is" : "are");
    text_put(&p->w, "<p>transcript ");
    html_name(p, h->id);
    if (h->version) {
        text_put(&p->w, " · consilium ");
        html_name(p, h->version);
    }
    if (h->model.fingerprint) {
        text_put(&p->w, " · router fingerprint ");
        html_name(p, h->model.fingerprint);
    }
    text_put(&p->w, "</p></footer>\n</body>\n</html>\n");
}

int export_html(const history *h, buf *out, error *err)
{
    html p = {.w = {.out = out, .err = err}, .history = h};
    gather_personas(&p);
    put_head(&p);
    put_masthead(&p);
    text_put(&p.w, "<main>\n");
    for (int i = 0; i < h->turn_count && !p.w.failed; i++)
        if (!h->turns[i].undone)
            put_turn(&p, i);
    text_put(&p.w, "</main>\n");
    put_footer(&p);
    return p.w.failed ? -1 : 0;
}
