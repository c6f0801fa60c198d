/* import.c - see import.h. */
#include "import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/json.h"
#include "../../engine/base/mapped_file.h"
#include "plan.h"

enum { SHARE = 20 }; /* one in so many experts is taken from a ranking */
static const float DECIDES = 100, LARGEST = 1e6f;

typedef struct record {
    int layer, expert;
    double difference;
} record;

typedef struct import {
    const char *path;
    const model_config *model;
    plan *plan;
    record *v;
    size_t len, cap;
    error *err;
} import;

static float *place(const import *m, int layer, int expert)
{
    return m->plan->values + (size_t)layer * (size_t)m->model->experts + (size_t)expert;
}

/* ---- a ranking ----------------------------------------------------------------------------------- */

static int add_record(import *m, const json *one)
{
    int64_t layer, expert;
    record r;
    int there[3] = {
        json_get_int(one, "layer", 0, m->model->layers - 1, &layer, m->err),
        json_get_int(one, "expert", 0, m->model->experts - 1, &expert, m->err),
        json_get_number(one, "risk_diff", -1e6, 1e6, &r.difference, m->err),
    };
    static const char *const names[3] = {"layer", "expert", "risk_diff"};
    for (int i = 0; i < 3; i++) {
        if (there[i] == 0)
            return error_set(m->err, ERROR_LOAD, "%s: missing", names[i]);
        if (there[i] < 0)
            return -1;
    }
    record *v = array_room(m->v, m->len, &m->cap, sizeof *v, "a ranking", m->err);
    if (!v)
        return -1;
    r.layer = (int)layer;
    r.expert = (int)expert;
    m->v = v;
    m->v[m->len++] = r;
    return 0;
}

static int read_array(import *m, const char *text, size_t len)
{
    json_document *d = json_parse(m->path, text, len, m->err);
    int result = d ? 0 : -1, n = 0;
    for (const json *one = d ? json_first(json_root(d)) : NULL; one && !result;
         one = json_next(one)) {
        n++;
        if (add_record(m, one))
            result = error_prefix(m->err, "%s: record %d: ", m->path, n);
    }
    json_close(d);
    return result;
}

static int read_line(import *m, const char *text, size_t len, int line)
{
    char where[64];
    (void)snprintf(where, sizeof where, "line %d", line);
    json_document *d = json_parse(where, text, len, m->err);
    if (!d)
        return error_prefix(m->err, "%s: ", m->path);
    int result = 0;
    if (add_record(m, json_root(d)))
        result = error_prefix(m->err, "%s: line %d: ", m->path, line);
    json_close(d);
    return result;
}

static int read_lines(import *m, const char *text, size_t len)
{
    int line = 0;
    for (const char *at = text, *end = text + len, *next; at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = stop ? (size_t)(stop - at) : (size_t)(end - at);
        next = at + n + (stop != NULL);
        line++;
        if (strspn(at, " \t\r") < n && read_line(m, at, n, line))
            return -1;
    }
    return 0;
}

static int by_difference(const void *a, const void *b)
{
    const record *x = a, *y = b;
    double p = fabs(x->difference), q = fabs(y->difference);
    if (p != q)
        return p > q ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer - y->layer;
    return x->expert - y->expert;
}

static int forced_in(const import *m, int layer)
{
    int n = 0;
    for (int e = 0; e < m->model->experts; e++)
        n += *place(m, layer, e) > 0;
    return n;
}

static int take_ranking(import *m, int most)
{
    int k = m->model->experts_per_token, forced = k / 4 > 1 ? k / 4 : 1;
    if (most == 0)
        most = m->model->layers * m->model->experts / SHARE + 1;
    if (m->len)
        qsort(m->v, m->len, sizeof *m->v, by_difference);
    for (size_t i = 0; i < m->len && i < (size_t)most; i++) {
        const record *r = &m->v[i];
        if (!m->model->moe_layer[r->layer])
            return error_set(m->err, ERROR_LOAD, "%s: layer %d has no experts", m->path, r->layer);
        if (r->difference < 0)
            *place(m, r->layer, r->expert) = -DECIDES;
        else if (r->difference > 0 && forced_in(m, r->layer) < forced)
            *place(m, r->layer, r->expert) = DECIDES;
    }
    return 0;
}

/* ---- steering ------------------------------------------------------------------------------------ */

static int take_steering(import *m, const char *bytes, size_t len)
{
    size_t experts = (size_t)m->model->experts, want = (size_t)m->model->layers * experts * 4;
    if (len != want)
        return error_set(m->err, ERROR_LOAD,
                         "%s: %zu bytes are neither records of a ranking nor f32 [%d layers, %d "
                         "experts], which are %zu",
                         m->path, len, m->model->layers, m->model->experts, want);
    for (size_t i = 0; i < want / 4; i++) {
        const uint8_t *b = (const uint8_t *)bytes + 4 * i;
        uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        float value;
        memcpy(&value, &bits, sizeof value);
        int layer = (int)(i / experts);
        if (!isfinite(value) || fabsf(value) > LARGEST)
            return error_set(m->err, ERROR_LOAD, "%s: offset %zu: no number from -1e6 to 1e6",
                             m->path, 4 * i);
        if (value != 0 && !m->model->moe_layer[layer])
            return error_set(m->err, ERROR_LOAD, "%s: offset %zu: layer %d has no experts", m->path,
                             4 * i, layer);
        m->plan->values[i] = value;
    }
    return 0;
}

/* ---- both ---------------------------------------------------------------------------------------- */

static void count(import *m)
{
    for (int layer = 0; layer < m->model->layers; layer++) {
        int n = 0;
        for (int e = 0; e < m->model->experts; e++)
            n += fabsf(*place(m, layer, e)) >= 0.0005f; /* what is written: three decimals */
        m->plan->layers += n > 0;
        m->plan->named += n;
    }
}

static int take(import *m, const char *text, size_t len, int most, import_figures *f)
{
    char first = len ? text[strspn(text, " \t\r\n")] : '\0';
    size_t whole = (size_t)m->model->layers * (size_t)m->model->experts * 4;
    f->ranking = len != whole && (first == '{' || first == '[');
    if (!f->ranking && len >= 2 && (uint8_t)text[0] == 0x80 && (uint8_t)text[1] <= 5)
        return error_set(
            m->err, ERROR_LOAD,
            "%s: a pickle, which is a program and is not run; convert it where you trust "
            "it: python3 -c 'import pandas, sys; pandas.read_pickle(sys.argv[1])"
            ".to_json(sys.argv[2], orient=\"records\", lines=True)' IN OUT",
            m->path);
    if (!f->ranking)
        return take_steering(m, text, len);
    if ((first == '[' ? read_array : read_lines)(m, text, len))
        return -1;
    f->listed = (int)m->len;
    return take_ranking(m, most);
}

int import_mask(engine *e, const char *path, int most, buf *out, import_figures *f, error *err)
{
    plan p = {.mode = MASK_BIAS, .strength = 1};
import m = {.path = path, .model = engine_config(e), .plan = & p, .err = err };
    const char *fingerprint = engine_fingerprint(e, err);
    char *text = NULL;
    size_t len;
    *f = (import_figures){0};
    if (!m.model->experts)
        return error_set(err, ERROR_LOAD, "%s: a dense model has no experts to prefer", path);
    p.values = calloc((size_t)m.model->layers * (size_t)m.model->experts, sizeof *p.values);
    int result = !fingerprint ? -1 : p.values ? 0 : error_memory(err, "a mask");
    if (!result)
        result = file_read_all(path, IMPORT_BYTES, &text, &len, err) || take(&m, text, len, most, f)
                     ? -1
                     : 0;
    if (!result)
        count(&m);
    if (!result && p.named == 0)
        result = error_set(err, ERROR_LOAD, "%s: says nothing of any expert", path);
    if (!result)
        result = plan_write(&p, m.model, fingerprint, out, err);
    f->layers = p.layers;
    f->named = p.named;
    free(text);
    free(m.v);
    plan_release(&p);
    return result;
}
