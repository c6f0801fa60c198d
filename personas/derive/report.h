/* report.h - what a derivation found, for people and for programs. */
#ifndef PERSONAS_REPORT_H
#define PERSONAS_REPORT_H

#include "../../engine/base/json_writer.h"
#include "derive.h"

/* Appends a table of what was tried and a few lines about what was chosen, each ended. */
int report_text(const char *name, const derive_report *r, buf *out, error *err);
/* The same as an object. path: of the mask, NULL = none was written. */
void report_put(json_writer *e, const char *name, const derive_report *r, const char *path);

#endif
