/* route_report.h - a route_log on the terminal: figures, pictures, and where answers part. */
#ifndef REPL_ROUTE_REPORT_H
#define REPL_ROUTE_REPORT_H

#include "../../personas/trace/route_log.h"
#include "../screen/console.h"
#include "../screen/heatmap.h"

/* A line for each track: tokens, experts, what was denied, banned mass, entropy. */
int route_report_figures(const route_log *log, text_writer *w, error *err);
/* The tracks side by side, as many as `columns` cells hold: a row is a layer, a column an expert, its
 * strength how often the track's tokens from `from` on called it (-1: from its answer on). */
int route_report_pictures(const route_log *log, int from, int columns, heat_style style,
                          text_writer *w, error *err);
/* A line for each two answers to one question: where they part, and how far the routes are apart. */
int route_report_parts(const console *c, const route_log *log, const engine *e, text_writer *w,
                       error *err);

#endif
