/* trace_output.h - the one place that knows which ending of a file stands for which format. */
#ifndef PERSONAS_TRACE_OUTPUT_H
#define PERSONAS_TRACE_OUTPUT_H

#include "trace_files.h"

typedef enum trace_format { TRACE_JSONL, TRACE_NPZ, TRACE_ARRAY, TRACE_PAGE } trace_format;

/* By .jsonl, .npz, .json, .html. ERROR_USAGE naming them for another ending. */
int trace_format_of(const char *path, trace_format *out, error *err);
/* Appends the whole file. */
int trace_put(const route_log *log, const trace_heading *h, trace_format format, buf *out,
              error *err);

/* One track as TensorBoard's event file, a step for each token: means over the layers of entropy, margin
 * (over those where an expert was left out) and banned mass, shares of wanted experts that were denied,
 * and how many different experts were called so far. wall_time: seconds since 1970. */
int trace_put_events(const route_log *log, size_t track, double wall_time, buf *out, error *err);

#endif
