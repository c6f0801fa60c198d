/* trace_page_data.c - the numbers of the page's script: see trace_page_parts.h.
 *
 * Arrays are base64 of [routed tokens, layers with experts, k]: experts as uint16 little-endian (65535 =
 * none), gates and shares as bytes, 255 = 1. That is as exact as a picture needs, and a tenth of the
 * text that JSON would be.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"
#include "trace_page_parts.h"

enum { CELLS_MOST = 12 << 20, EXPERTS_MOST = 65535 };

static void put_base64(json_writer *w, const char *key, const uint8_t *bytes, size_t n)
{
    char *text = malloc(n / 3 * 4 + 8);
    if (!text) {
        w->failed = true;
        (void)error_memory(w->err, "a page");
        return;
    }
    int len = n ? EVP_EncodeBlock((unsigned char *)text, bytes, (int)n) : 0;
    json_put_bytes(w, key, text, (size_t)len);
    free(text);
}

static uint8_t byte_of(float share)
{
    float v = share * 255.0f + 0.5f;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* What is packed of one track: [cells] bytes each, ids twice as many. */
typedef struct packed {
    uint8_t *experts, *wanted, *gates, *shares, *banned;
    size_t cells, rows;
} packed;

static void release(packed *p)
{
    free(p->experts);
    free(p->wanted);
    free(p->gates);
    free(p->shares);
    free(p->banned);
}

static void put_id(uint8_t *at, int32_t id)
{
    at[0] = id < 0 ? 0xff : (uint8_t)id;
    at[1] = id < 0 ? 0xff : (uint8_t)(id >> 8);
}

static void pack_cell(packed *p, const route_cell *c, int slots)
{
    for (int s = 0; s < slots; s++, p->cells++) {
        put_id(p->experts + 2 * p->cells, c->experts[s]);
        put_id(p->wanted + 2 * p->cells, c->wanted[s]);
        p->gates[p->cells] = byte_of(c->gates[s]);
        p->shares[p->cells] = byte_of(c->shares[s]);
    }
    p->banned[p->rows++] = byte_of(c->banned);
}

static int pack(const route_log *log, const route_track *t, packed *p, error *err)
{
    size_t rows = (size_t)t->len * (size_t)log->model->layers, cells = rows * (size_t)t->slots;
    *p = (packed){.experts = malloc(2 * cells + 2),
                  .wanted = malloc(2 * cells + 2),
                  .gates = malloc(cells + 1),
                  .shares = malloc(cells + 1),
                  .banned = malloc(rows + 1)};
    if (!p->experts || !p->wanted || !p->gates || !p->shares || !p->banned)
        return error_memory(err, "a page");
    for (int token = 0; token < t->len; token++)
        for (int l = 0; l < log->model->layers; l++) {
            route_cell c = route_track_cell(log, t, token, l);
            if (log->model->moe_layer[l])
                pack_cell(p, &c, t->slots);
        }
    return 0;
}

static void put_pieces(json_writer *w, const route_track *t, const tokenizer *z)
{
    json_begin_array(w, "pieces");
    for (size_t i = 0; i < t->ids.len; i++) {
        size_t len = 0;
        const char *piece = z ? tokenizer_piece(z, t->ids.v[i], &len) : "";
        if (z && !len) /* a special token */
            piece = tokenizer_content(z, t->ids.v[i], &len);
        json_put_bytes(w, NULL, piece ? piece : "", piece ? len : 0);
    }
    json_end(w);
}

static int put_track(json_writer *w, const route_log *log, size_t i, const tokenizer *z)
{
    const route_track *t = &log->v[i];
    packed p;
    if (pack(log, t, &p, w->err)) {
        release(&p);
        return -1;
    }
    json_begin_object(w, NULL);
    json_put_text(w, "name", t->name);
    json_put_text(w, "text", t->text);
    json_put_text(w, "color", trace_page_color(log, i));
    json_put_int(w, "start", t->text[0] ? 0 : t->prompt);
    json_put_int(w, "n", t->len);
    json_put_int(w, "k", t->slots);
    put_pieces(w, t, z);
    put_base64(w, "experts", p.experts, 2 * p.cells);
    put_base64(w, "wanted", p.wanted, 2 * p.cells);
    put_base64(w, "gates", p.gates, p.cells);
    put_base64(w, "shares", p.shares, p.cells);
    put_base64(w, "banned", p.banned, p.rows);
    json_end(w);
    release(&p);
    return 0;
}

static int check_size(const route_log *log, error *err)
{
    size_t cells = 0;
    for (size_t i = 0; i < log->len; i++)
        cells += (size_t)log->v[i].len * (size_t)log->model->layers * (size_t)log->v[i].slots;
    if (log->experts > EXPERTS_MOST || cells > CELLS_MOST)
        return error_set(err, ERROR_USAGE,
                         "a page of %zu calls of experts would be more than a browser opens; ask "
                         "for fewer tokens (--max-tokens), personas or texts",
                         cells);
    return 0;
}

int trace_page_data(const route_log *log, const trace_heading *h, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    int result = check_size(log, err);
    json_begin_object(&w, NULL);
    json_put_int(&w, "experts", log->experts);
    json_begin_array(&w, "layers");
    for (int l = 0; l < log->model->layers; l++)
        if (log->model->moe_layer[l])
            json_put_int(&w, NULL, l);
    json_end(&w);
    json_begin_array(&w, "tracks");
    for (size_t i = 0; i < log->len && !result; i++)
        result = put_track(&w, log, i, engine_tokenizer(h->engine));
    json_end(&w);
    json_end(&w);
    return result || json_writer_finish(&w) ? -1 : 0;
}
