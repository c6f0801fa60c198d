/* curve.h - points over steps as a picture of characters.
 *
 * Series are drawn over each other into one field: the first as fine dots, two by four in a cell where
 * braille may be written, the others as a character of their own for each point, so that they can be told
 * apart without colour. A level is a dashed line across. The vertical range is that of all that is
 * shown; its ends are written at the left. Without UTF-8 everything is ASCII.
 */
#ifndef REPL_CURVE_H
#define REPL_CURVE_H

#include "../../engine/base/text_writer.h"

enum { CURVE_SERIES = 4, CURVE_COLUMNS = 160, CURVE_ROWS = 24 };

typedef struct curve_series {
    const double *x, *y; /* [n]; points that are not finite are left out */
    int n;
    const char *mark, *ascii; /* of one cell; NULL = fine dots */
} curve_series;

typedef struct curve {
    int columns, rows; /* of the whole picture, its scale and lower edge included */
    bool utf8;
    double last;  /* the largest x; the smallest is 0 */
    double level; /* of the dashed line; 0 = none */
    curve_series series[CURVE_SERIES];
    int count;
} curve;

/* Appends the picture, rows lines. Nothing when it has fewer than 24 columns or 5 rows. */
void curve_draw(const curve *c, text_writer *w);

#endif
