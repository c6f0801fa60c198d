/* heatmap.h - a table of numbers as a picture in a terminal: a row is a layer, a column an expert.
 *
 * A cell of the picture is half as high as it is in text, so two rows of numbers share one line: the
 * upper half block has the colour of the one, its background that of the other. Where there is no true
 * colour it is one of 24 greys of the 256 that nearly all terminals have; without any colour, five shades
 * of blocks, and in ASCII, ten characters; there a line is one row of numbers each, or several, of which
 * the largest counts. Columns that do not fit are joined in the same way: the largest is shown, so nothing
 * that was called is lost.
 *
 * Numbers are shown by their square root, as shares of `most`: what is rare can still be seen.
 */
#ifndef REPL_HEATMAP_H
#define REPL_HEATMAP_H

#include "../../engine/base/text_writer.h"

typedef enum heat_style {
    HEAT_ASCII,  /* " .:-=+*#%@" */
    HEAT_BLOCKS, /* blank and four shades */
    HEAT_GREYS,  /* half blocks in 256 colours */
    HEAT_TRUE,   /* half blocks in 24 bits */
} heat_style;

/* What may be written where there is colour and UTF-8, or not; COLORTERM tells true colour. */
heat_style heatmap_style(bool color, bool utf8);

typedef struct heatmap {
    const float *v; /* [rows, columns] at least 0 */
    int rows, columns;
    int wide, high; /* cells and lines that it may take, at least 1 */
    float most;     /* what is brightest; 0 = the largest of v */
    heat_style style;
    unsigned char color[3]; /* of the brightest, in true colour */
} heatmap;

int heatmap_width(const heatmap *h); /* cells */
int heatmap_lines(const heatmap *h);
/* Appends one line, heatmap_width() cells, colours ended. */
void heatmap_line(const heatmap *h, int line, text_writer *w);
/* The brightest colour of a persona: by the name of its colour, grey for none. */
void heatmap_color(const char *name, unsigned char color[3]);

#endif
