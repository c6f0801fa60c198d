/* trace_files.h - a route_log in formats that others read.
 *
 *   JSONL   a head line {"trace":1,..}; a line {"track":0,"name":..,"tokens":[..],"pieces":[..]} for each
 *           track; then one line for each token and layer:
 *             {"track":0,"token":12,"layer":3,"experts":[5,30],"gates":[.6,.4],"margin":.2,"entropy":1.9,
 *              "banned":.04,"denied":[[7,.31]],"instead":[[30,.4]]}
 *           denied: experts that the router wanted and that were not called, with their softmax;
 *           instead: those called that it had not wanted, with their gates. The i-th stands for the i-th.
 *           Margin is null when no allowed expert was left out.
 *   npz     arrays for numpy.load(), named TRACK.tokens int32 [ids], TRACK.prompt int32 [],
 *           TRACK.experts, TRACK.wanted int32 [tokens, layers, k], TRACK.gates, TRACK.shares float32 of
 *           that shape, TRACK.margin, TRACK.entropy, TRACK.banned float32 [tokens, layers]
 *   array   {"answers":[{"persona":..,"meta_info":{"routed_experts":BASE64}}]}: int32 little-endian
 *           [tokens, layers, k], what SGLang returns as meta_info.routed_experts (its last token is
 *           not routed either); shape and token ids stand beside it
 *
 * k is that of the track's program, experts are numbered as the program numbers them, -1 is an empty
 * place. A track is called by who read, with "@TEXT" behind it for a text.
 */
#ifndef PERSONAS_TRACE_FILES_H
#define PERSONAS_TRACE_FILES_H

#include "../../engine/base/buf.h"
#include "route_log.h"

typedef struct trace_heading {
    engine *engine;     /* whose tokenizer tells the pieces, and whose fingerprint is named */
    const char *model;  /* what to call it */
    const char *prompt; /* that was asked; NULL = none */
    size_t prompt_len;
} trace_heading;

/* Each appends a whole file. */
int trace_put_jsonl(const route_log *log, const trace_heading *h, buf *out, error *err);
int trace_put_npz(const route_log *log, buf *out, error *err);
int trace_put_array(const route_log *log, const trace_heading *h, buf *out, error *err);

/* "coder", "coder@notes.txt", made of A-Z a-z 0-9 . _ - @ alone; a number behind it where an earlier
 * track has that name. Caller frees. */
char *trace_track_name(const route_log *log, size_t track, error *err);

#endif
