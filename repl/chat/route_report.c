/* route_report.c - see route_report.h. */
#include "route_report.h"

#include <stdlib.h>
#include <string.h>

#include "../../personas/trace/route_part.h"
#include "../../personas/trace/trace_files.h"

enum { LABEL = 4, GAP = 2, LINES = 16, NARROW = 16 };

int route_report_figures(const route_log *log, text_writer *w, error *err)
{
    text_format(w, "%-32s %7s %9s %8s %8s %9s\n", "", "tokens", "experts", "denied", "banned",
                "entropy");
    for (size_t i = 0; i < log->len; i++) {
        route_figures f;
        char *name = trace_track_name(log, i, err);
        if (!name || route_track_figures(log, &log->v[i], &f, err)) {
            free(name);
            return -1;
        }
        text_format(w, "%-32s %7d %9.1f %7.1f%% %7.1f%% %9.2f\n", name, f.tokens, f.distinct,
                    100 * f.denied, 100 * f.banned, f.entropy);
        free(name);
    }
    return 0;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* One track as a table of the layers that have experts. */
typedef struct picture {
    heatmap map;
    float *shares; /* [layers, experts], then only the layers with experts */
    char *name;
} picture;

static int make_picture(const route_log *log, size_t i, int from, picture *p, error *err)
{
    const route_track *t = &log->v[i];
    size_t experts = (size_t)log->experts, rows = 0;
    int first = from >= 0 ? from : t->text[0] ? 0 : t->prompt;
    p->shares = calloc((size_t)log->model->layers * experts + 1, sizeof *p->shares);
    p->name = trace_track_name(log, i, err);
    if (!p->shares)
        return error_memory(err, "a picture");
    route_track_shares(log, t, first < t->len ? first : t->len, t->len, p->shares);
    for (int l = 0; l < log->model->layers; l++)
        if (log->model->moe_layer[l])
            memmove(p->shares + experts * rows++, p->shares + experts * (size_t)l,
                    experts * sizeof *p->shares);
    p->map = (heatmap){
        .v = p->shares, .rows = (int)rows, .columns = (int)experts, .high = LINES, .most = 1};
    heatmap_color(t->color, p->map.color);
    return p->name ? 0 : -1;
}

static void put_blanks(text_writer *w, int n)
{
    text_format(w, "%*s", n > 0 ? n : 0, "");
}

static int last_layer(const route_log *log)
{
    int last = 0;
    for (int l = 0; l < log->model->layers; l++)
        last = log->model->moe_layer[l] ? l : last;
    return last;
}

static int first_layer(const route_log *log)
{
    int l = 0;
    while (l < log->model->layers - 1 && !log->model->moe_layer[l])
        l++;
    return l;
}

/* Some of them side by side, under their names. */
static void put_row(const route_log *log, const picture *p, int n, text_writer *w)
{
    int lines = heatmap_lines(&p->map);
    put_blanks(w, LABEL);
    for (int i = 0; i < n; i++) {
        int wide = heatmap_width(&p[i].map), len = (int)strlen(p[i].name);
        int shown = len < wide ? len : wide;
        text_format(w, "%.*s", shown, p[i].name);
        put_blanks(w, i + 1 < n ? wide - shown + GAP : 0);
    }
    text_put(w, "\n");
    for (int line = 0; line < lines; line++) {
        bool ends = line == 0 || line == lines - 1;
        if (ends)
            text_format(w, "%3d ", line ? last_layer(log) : first_layer(log));
        else
            put_blanks(w, LABEL);
        for (int i = 0; i < n; i++) {
            heatmap_line(&p[i].map, line, w);
            put_blanks(w, i + 1 < n ? GAP : 0);
        }
        text_put(w, "\n");
    }
}

int route_report_pictures(const route_log *log, int from, int columns, heat_style style,
                          text_writer *w, error *err)
{
    int count = (int)log->len, room = columns - 1 - LABEL, result = 0;
    picture *all = calloc(log->len + 1, sizeof *all);
    if (!all)
        return error_memory(err, "a picture");
    int each = count ? (room + GAP) / count - GAP : room;
    each = each < NARROW ? NARROW : each;
    each = each > log->experts ? log->experts : each;
    each = each > room ? room : each;
    int fit = (room + GAP) / (each + GAP);
    fit = fit < 1 ? 1 : fit;
    for (int i = 0; i < count && !result; i++) {
        result = make_picture(log, (size_t)i, from, &all[i], err);
        all[i].map.wide = each > 0 ? each : 1;
        all[i].map.style = style;
    }
    for (int i = 0; i < count && !result && log->experts; i += fit)
        put_row(log, all + i, count - i < fit ? count - i : fit, w);
    for (int i = 0; i < count; i++) {
        free(all[i].shares);
        free(all[i].name);
    }
    free(all);
    return result;
}

/* ---- where answers part ------------------------------------------------------------------------ */

static void put_token(const console *c, const engine *e, int id, text_writer *w)
{
    const tokenizer *z = engine_tokenizer(e);
    size_t len = 0;
    const char *piece = z && id >= 0 ? tokenizer_piece(z, id, &len) : NULL;
    char text[64] = "";
    if (!len) {
        text_put(w, id < 0 ? "its end" : "a special token");
        return;
    }
    memcpy(text, piece, len < sizeof text ? len : sizeof text - 1);
    text_put(w, "\"");
    console_put_quoted(c, w, text);
    text_put(w, "\"");
}

int route_report_parts(const console *c, const route_log *log, const engine *e, text_writer *w,
                       error *err)
{
    (void)err;
    for (size_t i = 0; i < log->len; i++)
        for (size_t k = i + 1; k < log->len; k++) {
            const route_track *a = &log->v[i], *b = &log->v[k];
            route_part at;
            if (a->text[0] || b->text[0] || !route_part_find(log, a, b, &at))
                continue;
            text_format(w, "%s and %s part at token %d (", a->name, b->name, at.shared + 1);
            put_token(c, e, at.next[0], w);
            text_put(w, " / ");
            put_token(c, e, at.next[1], w);
            text_format(w, "): the experts called there are %.0f %% apart, those wanted %.0f %%\n",
                        100 * at.called, 100 * at.wanted);
        }
    return w->failed ? -1 : 0;
}
