/* import.h - masks of other programs' making, as ours.
 *
 * Two kinds of files say which experts of a model a behaviour wants:
 *
 *   a ranking   records with "layer", "expert" and "risk_diff", as JSON lines or one JSON array: how much
 *               more often an expert is called by wanted than by unwanted text (SteerMoE, arXiv
 *               2509.09660). Its authors pickle a table; a pickle is a program and is never run here.
 *               Of the experts with the largest |risk_diff|, those below 0 get a bias of -100, which
 *               no score makes up for, and those above 0 one of +100, at most a quarter of k a layer.
 *   steering    raw little-endian f32 [layers, experts], a number added to an expert's score, 0 = none
 *               (what ds4 reads as an expert steering file). It has no header: the size is the check.
 *
 * Both become a bias mask that names the model at hand. Nothing is measured: whoever made the file did,
 * or `personas check` will.
 */
#ifndef PERSONAS_IMPORT_H
#define PERSONAS_IMPORT_H

#include "../../engine/base/buf.h"
#include "../../engine/run/engine.h"

enum { IMPORT_BYTES = 64 << 20 };

typedef struct import_figures {
    bool ranking; /* else steering */
    int layers, named;
    int listed; /* records of a ranking */
} import_figures;

/* Appends a mask file made of the file at path. most: experts taken from a ranking; 0 = 5 % of all of
 * the model's. ERROR_LOAD by file and line, or with both sizes. */
int import_mask(engine *e, const char *path, int most, buf *out, import_figures *f, error *err);

#endif
