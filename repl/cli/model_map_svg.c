/* model_map_svg.c - a map as one picture (SVG 1.1), in units of its own: rows with bars, then the grid.
 *
 * Text of strangers (names of files and personas) is made harmless and reaches the picture by
 * html_put_text() alone, never as part of a tag. Colours are classes of one style element, for light
 * and dark.
 */
#include <string.h>

#include "../../engine/base/text_writer.h"
#include "../screen/human.h"
#include "model_map.h"
#include "report_page.h"

enum {
    WIDE = 760,
    LINE = 22,
    LEFT = 16,
    BAR_AT = 130,
    BAR = 170,
    TEXT_AT = 390,
    CELL = 9,
    GAP = 14
};

static const char style[] =
    "<style>"
    ".page{fill:#fffefb}text{fill:#211f1c;font:13px system-ui,sans-serif}.title{font-weight:600;"
    "font-size:16px}.dim{fill:#68625a}.bar{fill:#14724a}.rest{fill:#e3ddd2}.may{fill:#1f5fc0}"
    ".not{fill:#e9e5dc}.differs{fill:#f6e3b8}"
    "@media (prefers-color-scheme:dark){.page{fill:#131416}text{fill:#e9e6e0}.dim{fill:#a19c93}"
    ".bar{fill:#3f9a70}.rest{fill:#303337}.may{fill:#5a8bd8}.not{fill:#26292d}"
    ".differs{fill:#4a3d1c}}"
    "</style>\n";

static void put_text_at(text_writer *w, int x, int y, const char *class, const char *text)
{
    text_format(w, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    report_put_foreign(w, text);
    text_put(w, "</text>\n");
}

static void put_box(text_writer *w, int x, int y, int wide, int high, const char *class)
{
    if (wide > 0)
        text_format(w, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"%s\"/>\n", x, y,
                    wide, high, class);
}

static bool differs(const map_row *r, const model_map *other)
{
    const map_row *o = other ? model_map_row(other, r->label) : r;
    return !o || o->bytes != r->bytes || strcmp(o->what, r->what) != 0;
}

static void put_row(text_writer *w, const model_map *m, const map_row *r, const model_map *other,
                    int x, int y)
{
    char bytes[HUMAN_TEXT];
    int part = m->total ? (int)((double)r->bytes / (double)m->total * BAR + 0.5) : 0;
    if (differs(r, other))
        put_box(w, x + LEFT - 6, y - 15, WIDE - 2 * LEFT + 12, LINE - 2, "differs");
    put_text_at(w, x + LEFT, y, "dim", r->label);
    put_text_at(w, x + TEXT_AT, y, "", r->what);
    if (!r->bytes)
        return;
    put_box(w, x + BAR_AT, y - 11, BAR, 12, "rest");
    put_box(w, x + BAR_AT, y - 11, part, 12, "bar");
    put_text_at(w, x + BAR_AT + BAR + 8, y, "dim", human_bytes(bytes, r->bytes));
}

/* Runs of experts that are alike become one box. */
static void put_cells(text_writer *w, const mask_view *v, int layer, double cell, int x, int y)
{
    const uint8_t *may = v->layers[layer].may;
    for (int e = 0, first = 0; e < v->experts; e++) {
        bool on = !may || may[e];
        if (e + 1 < v->experts && on == (!may || may[e + 1]))
            continue;
        text_format(w, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" class=\"%s\"/>\n",
                    x + first * cell, y, (e + 1 - first) * cell, CELL - 1, on ? "may" : "not");
        first = e + 1;
    }
}

static void put_grid(text_writer *w, const model_map *m, int x, int y)
{
    int layers = model_map_layers(m), n = m->persona_count;
    int strip = n ? (WIDE - 2 * LEFT - 60 - (n - 1) * GAP) / n : 0;
    if (!n)
        return;
    put_text_at(w, x + LEFT, y, "dim", "layer");
    for (int p = 0; p < n; p++) {
        const mask_view *v = &m->personas[p].view;
        int at = x + LEFT + 60 + p * (strip + GAP);
        put_text_at(w, at, y, "", m->personas[p].name);
        for (int i = 0; i < layers; i++)
            put_cells(w, v, i, (double)strip / v->experts, at, y + 8 + i * CELL);
    }
    for (int i = 0; i < layers; i += 5)
        text_format(w, "<text x=\"%d\" y=\"%d\" class=\"dim\">%d</text>\n", x + LEFT,
                    y + 17 + i * CELL, m->personas[0].view.layers[i].layer);
}

static int height_of(const model_map *m)
{
    int layers = model_map_layers(m);
    return 50 + m->row_count * LINE + (layers ? 40 + layers * CELL : 0) + 16;
}

void model_map_svg(const model_map *const *maps, int count, text_writer *w)
{
    int high = 0;
    for (int i = 0; i < count; i++)
        high = height_of(maps[i]) > high ? height_of(maps[i]) : high;
    text_format(
        w,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
        "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>",
        count * WIDE, high, count * WIDE, high);
    report_put_foreign(w, maps[0]->title);
    text_put(w, "</title>\n");
    text_put(w, style);
    put_box(w, 0, 0, count * WIDE, high, "page");
    for (int i = 0; i < count; i++) {
        const model_map *m = maps[i], *other = count > 1 ? maps[1 - i] : NULL;
        int x = i * WIDE, y = 54;
        put_text_at(w, x + LEFT, 28, "title", m->title);
        for (int r = 0; r < m->row_count; r++, y += LINE)
            put_row(w, m, &m->rows[r], other, x, y);
        put_grid(w, m, x, y + 12);
    }
    text_put(w, "</svg>\n");
}
