/* trace_files.c - see trace_files.h. */
#include "trace_files.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/npy.h"
#include "../../engine/base/paths.h"
#include "../../engine/base/zip.h"

/* ---- names ------------------------------------------------------------------------------------- */

static char *plain_name(const route_track *t, error *err)
{
    static const char GOOD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@";
    char *name = t->text[0] ? string_format(err, "%s@%.100s", t->name, paths_name(t->text))
                            : string_format(err, "%s", t->name);
    for (char *c = name; c && *c; c++)
        if (!strchr(GOOD, *c))
            *c = '_';
    return name;
}

char *trace_track_name(const route_log *log, size_t track, error *err)
{
    char *name = plain_name(&log->v[track], err);
    int before = 0;
    for (size_t i = 0; i < track && name; i++) {
        char *other = plain_name(&log->v[i], err);
        before += other && strcmp(other, name) == 0;
        free(other);
    }
    if (!name || !before)
        return name;
    char *numbered = string_format(err, "%s.%d", name, before + 1);
    free(name);
    return numbered;
}

/* ---- JSONL ------------------------------------------------------------------------------------- */

static void put_head(json_writer *w, const route_log *log, const trace_heading *h)
{
    const model_config *m = log->model;
    const char *print = engine_fingerprint(h->engine, w->err);
    w->failed = w->failed || !print;
    json_put_int(w, "trace", 1);
    json_begin_object(w, "model");
    json_put_text(w, "name", h->model);
    json_put_text(w, "fingerprint", print);
    json_put_int(w, "layers", m->layers);
    json_put_int(w, "experts", m->experts);
    json_put_int(w, "experts_per_token", m->experts_per_token);
    json_end(w);
    if (h->prompt)
        json_put_bytes(w, "prompt", h->prompt, h->prompt_len);
}

static void put_ids(json_writer *w, const char *key, const int *ids, int n)
{
    json_begin_array(w, key);
    for (int i = 0; i < n; i++)
        json_put_int(w, NULL, ids[i]);
    json_end(w);
}

static void put_track(json_writer *w, const route_log *log, size_t i, const tokenizer *t)
{
    const route_track *track = &log->v[i];
    json_begin_object(w, NULL);
    json_put_count(w, "track", i);
    json_put_text(w, "name", track->name);
    if (track->text[0])
        json_put_text(w, "text", track->text);
    json_put_int(w, "prompt", track->prompt);
    json_put_int(w, "routed", track->len);
    put_ids(w, "tokens", track->ids.v, (int)track->ids.len);
    json_begin_array(w, "pieces");
    for (size_t k = 0; k < track->ids.len && t; k++) {
        size_t len;
        const char *piece = tokenizer_piece(t, track->ids.v[k], &len);
        json_put_bytes(w, NULL, piece, len);
    }
    json_end(w);
    json_end(w);
}

static void put_pairs(json_writer *w, const char *key, const int32_t *ids, const float *values,
                      const int *ranks, int n)
{
    json_begin_array(w, key);
    for (int i = 0; i < n; i++) {
        json_begin_array(w, NULL);
        json_put_int(w, NULL, ids[ranks[i]]);
        json_put_float(w, NULL, values[ranks[i]]);
        json_end(w);
    }
    json_end(w);
}

static void put_cell(json_writer *w, const route_cell *c, int slots, int *ranks)
{
    json_begin_array(w, "experts");
    for (int s = 0; s < slots; s++)
        if (c->experts[s] >= 0)
            json_put_int(w, NULL, c->experts[s]);
    json_end(w);
    json_begin_array(w, "gates");
    for (int s = 0; s < slots; s++)
        if (c->experts[s] >= 0)
            json_put_float(w, NULL, c->gates[s]);
    json_end(w);
    json_put_float(w, "margin", c->margin);
    json_put_float(w, "entropy", c->entropy);
    json_put_float(w, "banned", c->banned);
    int n = route_cell_denied(c, slots, ranks);
    put_pairs(w, "denied", c->wanted, c->shares, ranks, n);
    n = route_cell_stood_in(c, slots, ranks);
    put_pairs(w, "instead", c->experts, c->gates, ranks, n);
}

/* Ends the line that *w has put together. */
static int end_line(json_writer *w)
{
    json_end(w);
    w->comma = false;
    return json_writer_finish(w) || buf_text(w->out, "\n", w->err) ? -1 : 0;
}

static int put_cells(json_writer *w, const route_log *log, size_t track, error *err)
{
    const route_track *t = &log->v[track];
    int *ranks = calloc((size_t)t->slots, sizeof *ranks), result = 0;
    if (!ranks)
        return error_memory(err, "a trace");
    for (int token = 0; token < t->len && !result; token++)
        for (int layer = 0; layer < log->model->layers && !result; layer++) {
            if (!log->model->moe_layer[layer])
                continue;
            route_cell c = route_track_cell(log, t, token, layer);
            json_begin_object(w, NULL);
            json_put_count(w, "track", track);
            json_put_int(w, "token", token);
            json_put_int(w, "layer", layer);
            put_cell(w, &c, t->slots, ranks);
            result = end_line(w);
        }
    free(ranks);
    return result;
}

int trace_put_jsonl(const route_log *log, const trace_heading *h, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    json_begin_object(&w, NULL);
    put_head(&w, log, h);
    if (end_line(&w))
        return -1;
    for (size_t i = 0; i < log->len; i++) {
        put_track(&w, log, i, engine_tokenizer(h->engine));
        w.comma = false;
        if (json_writer_finish(&w) || buf_text(out, "\n", err))
            return -1;
    }
    for (size_t i = 0; i < log->len; i++)
        if (put_cells(&w, log, i, err))
            return -1;
    return 0;
}

/* ---- npz --------------------------------------------------------------------------------------- */

typedef struct named_array {
    const char *name;
    npy_type type;
    int dimensions;
    const void *values;
} named_array;

static int put_member(zip_writer *zip, const char *track, const named_array *a, const size_t *shape,
                      error *err)
{
    buf file = {0};
    char *name = string_format(err, "%s.%s.npy", track, a->name);
    int result = !name || npy_put(&file, a->type, shape, a->dimensions, a->values, err) ||
                 zip_put(zip, name, file.v, file.len, err);
    free(name);
    buf_release(&file);
    return result ? -1 : 0;
}

static int put_arrays(zip_writer *zip, const route_log *log, size_t track, error *err)
{
    const route_track *t = &log->v[track];
    char *name = trace_track_name(log, track, err);
    const size_t ids = t->ids.len;
    const size_t shape[3] = {(size_t)t->len, (size_t)log->model->layers, (size_t)t->slots};
    const int32_t prompt = t->prompt;
    const named_array arrays[] = {
        {"tokens", NPY_INT32, 1, t->ids.v},    {"prompt", NPY_INT32, 0, &prompt},
        {"experts", NPY_INT32, 3, t->experts}, {"gates", NPY_FLOAT32, 3, t->gates},
        {"wanted", NPY_INT32, 3, t->wanted},   {"shares", NPY_FLOAT32, 3, t->shares},
        {"margin", NPY_FLOAT32, 2, t->margin}, {"entropy", NPY_FLOAT32, 2, t->entropy},
        {"banned", NPY_FLOAT32, 2, t->banned}};
    int result = name ? 0 : -1;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && !result; i++)
        result = put_member(zip, name, &arrays[i], arrays[i].dimensions == 1 ? &ids : shape, err);
    free(name);
    return result;
}

int trace_put_npz(const route_log *log, buf *out, error *err)
{
    zip_writer zip = {0};
    int result = 0;
    for (size_t i = 0; i < log->len && !result; i++)
        result = put_arrays(&zip, log, i, err);
    if (!result)
        result = zip_finish(&zip, err) || buf_add(out, zip.out.v, zip.out.len, err);
    zip_writer_release(&zip);
    return result ? -1 : 0;
}

/* ---- the array --------------------------------------------------------------------------------- */

static void put_base64(json_writer *w, const char *key, const void *bytes, size_t n)
{
    enum { MOST = 1 << 30 }; /* EVP_EncodeBlock() counts in int */
    char *text = n < MOST ? malloc(n / 3 * 4 + 8) : NULL;
    if (!text) {
        w->failed = true;
        (void)error_memory(w->err, "the array of experts");
        return;
    }
    int len = n ? EVP_EncodeBlock((unsigned char *)text, bytes, (int)n) : 0;
    json_put_bytes(w, key, text, (size_t)len);
    free(text);
}

static void put_answer(json_writer *w, const route_log *log, size_t i)
{
    const route_track *t = &log->v[i];
    size_t cells = (size_t)t->len * (size_t)log->model->layers * (size_t)t->slots;
    const int shape[3] = {t->len, log->model->layers, t->slots};
    json_begin_object(w, NULL);
    json_put_text(w, "persona", t->name);
    if (t->text[0])
        json_put_text(w, "text", t->text);
    put_ids(w, "input_ids", t->ids.v, t->prompt);
    put_ids(w, "output_ids", t->ids.v + t->prompt, (int)t->ids.len - t->prompt);
    put_ids(w, "shape", shape, 3);
    json_begin_object(w, "meta_info");
    json_put_int(w, "prompt_tokens", t->prompt);
    json_put_int(w, "completion_tokens", (int)t->ids.len - t->prompt);
    put_base64(w, "routed_experts", t->experts, cells * sizeof *t->experts);
    json_end(w);
    json_end(w);
}

int trace_put_array(const route_log *log, const trace_heading *h, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    json_begin_object(&w, NULL);
    put_head(&w, log, h);
    json_begin_array(&w, "answers");
    for (size_t i = 0; i < log->len; i++)
        put_answer(&w, log, i);
    json_end(&w);
    return end_line(&w);
}
