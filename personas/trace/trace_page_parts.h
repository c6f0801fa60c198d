/* trace_page_parts.h - what the files of the page share; trace_page.h is for everybody else. */
#ifndef PERSONAS_TRACE_PAGE_PARTS_H
#define PERSONAS_TRACE_PAGE_PARTS_H

#include "../../engine/base/html_page.h"
#include "trace_files.h"

html_sheet trace_page_style(void);
html_sheet trace_page_script(void);

/* The colour of a track, as a class: "p0" to "p7", "pc" for a control. Tracks of one name have one. */
const char *trace_page_color(const route_log *log, size_t track);

/* Appends what the script works on: one JSON object, unquoted for HTML. */
int trace_page_data(const route_log *log, const trace_heading *h, buf *out, error *err);

#endif
