/* model_map.h - a configuration as a structure of thinking, in rows and a grid, gathered once for every
 * way of drawing it.
 *
 * A row is a part of the model with what it is and what it weighs; two maps are compared row by row,
 * by their texts. The grid says, layer by layer, which experts the router program of each persona
 * lets through; layers that are alike in all of them are one line.
 */
#ifndef REPL_MODEL_MAP_H
#define REPL_MODEL_MAP_H

#include "../../engine/base/text_writer.h"
#include "../../engine/run/engine.h"
#include "../../personas/roster/mask_view.h"
#include "../../personas/roster/roster.h"

enum { MAP_TEXT = 160, MAP_ROWS = 24, MAP_PERSONAS = 16 };

/* label: "experts"; what: "32 in each of 30 layers, 192 wide; 4 a token". */
typedef struct map_row {
    const char *label;
    char what[MAP_TEXT];
    uint64_t bytes; /* of weights; 0 = it has none */
} map_row;

typedef struct map_persona {
    roster *roster; /* holds the program */
    const char *name, *color;
    mask_view view;
} map_persona;

typedef struct model_map {
    char title[MAP_TEXT];
    model_config config;
    uint64_t total; /* bytes of all weights */
    map_row rows[MAP_ROWS];
    int row_count;
    map_persona personas[MAP_PERSONAS]; /* with a mask for this model */
    int persona_count;
} model_map;

/* title: how the model was asked for. e must outlive the map; model_map_release in any case. A persona whose
 * files are broken is left out. */
int model_map_gather(engine *e, const char *title, int context, dtype kv, model_map *out,
                     error *err);
void model_map_release(model_map *m); /* {0} ok */

/* The row of a label, or NULL. */
const map_row *model_map_row(const model_map *m, const char *label);
/* Whether the i-th routed layer is as the one before it in the programs of all personas. */
bool model_map_repeats(const model_map *m, int i);
int model_map_layers(const model_map *m); /* routed ones */

/* One map, or two side by side with what differs marked, as SVG: no script, no link, no font. */
void model_map_svg(const model_map *const *maps, int count, text_writer *w);

#endif
