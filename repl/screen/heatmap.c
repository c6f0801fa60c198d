/* heatmap.c - see heatmap.h. */
#include "heatmap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

heat_style heatmap_style(bool color, bool utf8)
{
    const char *deep = getenv("COLORTERM");
    if (!utf8)
        return HEAT_ASCII;
    if (!color)
        return HEAT_BLOCKS;
    bool truly = deep && (strcmp(deep, "truecolor") == 0 || strcmp(deep, "24bit") == 0);
    return truly ? HEAT_TRUE : HEAT_GREYS;
}

void heatmap_color(const char *name, unsigned char color[3])
{
    static const struct {
        const char *name;
        unsigned char color[3];
    } known[] = {{"red", {255, 120, 100}},     {"green", {110, 230, 150}},
                 {"yellow", {240, 200, 90}},   {"blue", {110, 170, 255}},
                 {"magenta", {200, 150, 255}}, {"cyan", {90, 215, 230}}};
    memset(color, 225, 3);
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            memcpy(color, known[i].color, 3);
}

static bool halves(const heatmap *h)
{
    return h->style >= HEAT_GREYS;
}

int heatmap_width(const heatmap *h)
{
    return h->columns < h->wide ? h->columns : h->wide;
}

/* Rows of the picture: a line has two of them where half blocks are written. */
static int picture_rows(const heatmap *h)
{
    int room = halves(h) ? 2 * h->high : h->high;
    return h->rows < room ? h->rows : room;
}

int heatmap_lines(const heatmap *h)
{
    return halves(h) ? (picture_rows(h) + 1) / 2 : picture_rows(h);
}

static float largest(const heatmap *h)
{
    float most = h->most;
    for (int i = 0; h->most <= 0 && i < h->rows * h->columns; i++)
        most = h->v[i] > most ? h->v[i] : most;
    return most > 0 ? most : 1;
}

/* The strength, 0 to 1, of a cell of the picture: the largest number in it. */
static double strength(const heatmap *h, int row, int cell, float most)
{
    int rows = picture_rows(h), wide = heatmap_width(h);
    float v = 0;
    if (row >= rows)
        return 0;
    for (int r = row * h->rows / rows; r < (row + 1) * h->rows / rows; r++)
        for (int c = cell * h->columns / wide; c < (cell + 1) * h->columns / wide; c++) {
            float x = h->v[r * h->columns + c];
            v = x > v ? x : v;
        }
    return v >= most ? 1 : sqrt((double)(v / most));
}

/* From the ground, which is dark on any terminal, to the brightest colour. */
static int channel(const heatmap *h, int i, double s)
{
    static const int ground[3] = {22, 24, 30};
    return (int)lround(ground[i] + (h->color[i] - ground[i]) * s);
}

static void put_color(const heatmap *h, double s, const char *which, text_writer *w)
{
    if (h->style == HEAT_TRUE)
        text_format(w, "\033[%s;2;%d;%d;%dm", which, channel(h, 0, s), channel(h, 1, s),
                    channel(h, 2, s));
    else
        text_format(w, "\033[%s;5;%dm", which, 232 + (int)lround(23 * s));
}

static void put_halves(const heatmap *h, int line, float most, text_writer *w)
{
    int above = -1, below = -1, wide = heatmap_width(h);
    for (int c = 0; c < wide; c++) {
        double a = strength(h, 2 * line, c, most), b = strength(h, 2 * line + 1, c, most);
        int x = (int)lround(255 * a), y = (int)lround(255 * b);
        if (x != above)
            put_color(h, a, "38", w);
        if (y != below)
            put_color(h, b, "48", w);
        text_put(w, "▀");
        above = x;
        below = y;
    }
    text_put(w, "\033[0m");
}

void heatmap_line(const heatmap *h, int line, text_writer *w)
{
    static const char *const blocks[] = {" ", "░", "▒", "▓", "█"};
    static const char ascii[] = " .:-=+*#%@";
    float most = largest(h);
    if (halves(h)) {
        put_halves(h, line, most, w);
        return;
    }
    for (int c = 0; c < heatmap_width(h); c++) {
        double s = strength(h, line, c, most);
        if (h->style == HEAT_BLOCKS)
            text_put(w, blocks[s > 0 ? 1 + (int)(3.999 * s) : 0]);
        else
            text_put_bytes(w, &ascii[s > 0 ? 1 + (int)(8.999 * s) : 0], 1);
    }
}
