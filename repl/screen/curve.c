/* curve.c - see curve.h. */
#include "curve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SCALE = 9, LEAST_COLUMNS = 24, LEAST_ROWS = 5, BRAILLE = 0x2800 };

typedef struct field {
    int columns, rows; /* of the picture alone */
    double low, high;
    unsigned char dots[CURVE_ROWS][CURVE_COLUMNS]; /* braille */
    const char *marks[CURVE_ROWS][CURVE_COLUMNS];  /* over them; NULL = none */
} field;

static void widen(field *f, double y)
{
    if (!isfinite(y))
        return;
    f->low = y < f->low ? y : f->low;
    f->high = y > f->high ? y : f->high;
}

static void find_range(field *f, const curve *c)
{
    f->low = INFINITY;
    f->high = -INFINITY;
    for (int i = 0; i < c->count; i++)
        for (int k = 0; k < c->series[i].n; k++)
            widen(f, c->series[i].y[k]);
    if (c->level > 0)
        widen(f, c->level);
    if (!(f->low <= f->high))
        f->low = 0, f->high = 1;
    if (f->high - f->low < 1e-6)
        f->high = f->low + 1e-6;
}

/* Where y lies, in `parts` equal parts from the top. */
static int place(const field *f, double y, int parts)
{
    int at = (int)((f->high - y) / (f->high - f->low) * parts);
    return at < 0 ? 0 : at >= parts ? parts - 1 : at;
}

static int across(const curve *c, double x, int parts)
{
    int at = c->last > 0 ? (int)(x / c->last * parts) : 0;
    return at < 0 ? 0 : at >= parts ? parts - 1 : at;
}

/* The dot of a cell's left or right half, in its quarters from the top (Unicode 15, 2800-28FF). */
static unsigned char dot(int right, int quarter)
{
    static const unsigned char bits[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
    return bits[right][quarter];
}

static void put_series(field *f, const curve *c, const curve_series *s)
{
    const char *mark = c->utf8 ? s->mark : s->ascii;
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i]) || !isfinite(s->x[i]))
            continue;
        if (mark) {
            f->marks[place(f, s->y[i], f->rows)][across(c, s->x[i], f->columns)] = mark;
        } else {
            int row = place(f, s->y[i], 4 * f->rows), column = across(c, s->x[i], 2 * f->columns);
            f->dots[row / 4][column / 2] |= dot(column % 2, row % 4);
        }
    }
}

static void put_level(field *f, const curve *c)
{
    int row = place(f, c->level, f->rows);
    for (int i = 0; i < f->columns; i++)
        if (!f->marks[row][i] && !f->dots[row][i] && i % 2 == 0)
            f->marks[row][i] = c->utf8 ? "\xe2\x94\x84" : "-";
}

/* UTF-8 of a braille pattern. */
static void put_dots(text_writer *w, unsigned char dots, bool utf8)
{
    unsigned code = BRAILLE + dots;
    char text[4] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                    (char)(0x80 | (code & 0x3f)), '\0'};
    text_put(w, !dots ? " " : utf8 ? text : ".");
}

static void put_row(const field *f, const curve *c, int row, text_writer *w)
{
    int used = f->columns;
    char label[16] = "";
    if (row == 0 || row == f->rows - 1)
        (void)snprintf(label, sizeof label, "%.2f", row ? f->low : f->high);
    text_format(w, "%*s %s", SCALE - 2, label, c->utf8 ? "\xe2\x94\x82" : "|");
    while (used > 0 && !f->marks[row][used - 1] && !f->dots[row][used - 1])
        used--;
    for (int i = 0; i < used; i++)
        if (f->marks[row][i])
            text_put(w, f->marks[row][i]);
        else
            put_dots(w, f->dots[row][i], c->utf8);
    text_put(w, "\n");
}

static void put_edge(const field *f, const curve *c, text_writer *w)
{
    char last[24];
    int n = snprintf(last, sizeof last, " %.0f", c->last);
    text_format(w, "%*s %s0 ", SCALE - 2, "", c->utf8 ? "\xe2\x94\x94" : "+");
    for (int i = 2; i < f->columns - n; i++)
        text_put(w, c->utf8 ? "\xe2\x94\x80" : "-");
    text_format(w, "%s\n", last);
}

void curve_draw(const curve *c, text_writer *w)
{
    field f = {.columns = c->columns - SCALE, .rows = c->rows - 1};
    if (c->columns < LEAST_COLUMNS || c->rows < LEAST_ROWS)
        return;
    f.columns = f.columns > CURVE_COLUMNS ? CURVE_COLUMNS : f.columns;
    f.rows = f.rows > CURVE_ROWS ? CURVE_ROWS : f.rows;
    find_range(&f, c);
    for (int i = 0; i < c->count; i++)
        put_series(&f, c, &c->series[i]);
    if (c->level > 0)
        put_level(&f, c);
    for (int i = 0; i < f.rows; i++)
        put_row(&f, c, i, w);
    put_edge(&f, c, w);
}
