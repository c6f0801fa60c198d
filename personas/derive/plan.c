/* plan.c - see plan.h. */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/base/ranges.h"

static const double LIMIT = 2.0;

/* ---- choosing ------------------------------------------------------------------------------------ */

typedef struct ranked {
    int expert;
    double key;
} ranked;

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->expert - y->expert;
}

static int least_left(const model_config *m)
{
    int twice = 2 * m->experts_per_token;
    return twice < m->experts ? twice : m->experts;
}

/* Bans what others have so many times as much of, the most foreign first. */
static int ban_row(const model_config *m, const expert_contrast *row, double times, ranked *order,
                   float *out)
{
    int n = 0, banned = 0;
    for (int e = 0; e < m->experts; e++)
        if (row[e].may_be_named && row[e].lean <= -log(times))
            order[n++] = (ranked){e, row[e].lean};
    qsort(order, (size_t)n, sizeof *order, by_key);
    for (; banned < n && banned < m->experts - least_left(m); banned++)
        out[order[banned].expert] = 1;
    return banned;
}

static int bias_row(const model_config *m, const expert_contrast *row, double strength, float *out)
{
    int n = 0;
    for (int e = 0; e < m->experts; e++) {
        if (!row[e].may_be_named)
            continue;
        double lean = fmax(-LIMIT, fmin(LIMIT, row[e].lean));
        out[e] = (float)(round(strength * lean * 1000) / 1000); /* a mask is read by people too */
        n += out[e] != 0;
    }
    return n;
}

/* Keeps the largest shares. */
static int keep_row(const model_config *m, const expert_contrast *row, double coverage,
                    ranked *order, float *out)
{
    int kept = 0;
    double have = 0;
    for (int e = 0; e < m->experts; e++)
        order[e] = (ranked){e, -row[e].own};
    qsort(order, (size_t)m->experts, sizeof *order, by_key);
    for (int i = 0; i < m->experts && (have < coverage || kept < least_left(m)); i++, kept++) {
        have += row[order[i].expert].own;
        out[order[i].expert] = 1;
    }
    return kept < m->experts ? kept : 0;
}

static int make_row(const plan *p, const model_config *m, const expert_contrast *row, ranked *order,
                    float *out)
{
    if (p->mode == MASK_BAN)
        return ban_row(m, row, p->strength, order, out);
    return p->mode == MASK_BIAS ? bias_row(m, row, p->strength, out)
                                : keep_row(m, row, p->strength, order, out);
}

static bool was_read(const model_config *m, const expert_contrast *row)
{
    for (int e = 0; e < m->experts; e++)
        if (row[e].own > 0)
            return true;
    return false;
}

int plan_make(plan *p, const model_config *m, const expert_contrast *contrast, mask_mode mode,
              double strength, error *err)
{
    size_t experts = (size_t)m->experts;
    ranked *order = calloc(experts, sizeof *order);
    double stable = 0;
    int chosen = 0;
    *p = (plan){.mode = mode, .strength = strength, .stability = 1};
    p->values = calloc((size_t)m->layers * experts, sizeof *p->values);
    for (int layer = 0; layer < m->layers && order && p->values; layer++) {
        const expert_contrast *row = contrast + (size_t)layer * experts;
        float *out = p->values + (size_t)layer * experts;
        int n = contrast_layer(m, layer) && was_read(m, row) ? make_row(p, m, row, order, out) : 0;
        p->layers += n > 0;
        p->named += n;
        for (size_t e = 0; e < experts && mode != MASK_KEEP; e++)
            if (out[e] != 0) {
                stable += row[e].stability;
                chosen++;
            }
    }
    if (chosen)
        p->stability = stable / chosen;
    free(order);
    return order && p->values ? 0 : error_memory(err, "a mask");
}

void plan_release(plan *p)
{
    free(p->values);
    *p = (plan){0};
}

/* ---- writing ------------------------------------------------------------------------------------- */

static void put_biases(json_writer *e, const char *layer, const float *values, int experts)
{
    char key[16];
    json_begin_object(e, layer);
    for (int i = 0; i < experts; i++) {
        if (values[i] == 0)
            continue;
        (void)snprintf(key, sizeof key, "%d", i);
        json_put_number(e, key, round((double)values[i] * 1000) / 1000);
    }
    json_end(e);
}

static void put_list(json_writer *e, const char *layer, const float *values, int experts)
{
    uint8_t named[MODEL_MAX_EXPERTS];
    char text[MODEL_MAX_EXPERTS * 5];
    for (int i = 0; i < experts; i++)
        named[i] = values[i] != 0;
    (void)ranges_write(named, experts, text, sizeof text);
    json_put_text(e, layer, text);
}

static bool any_value(const float *values, int experts)
{
    for (int i = 0; i < experts; i++)
        if (values[i] != 0)
            return true;
    return false;
}

int plan_write(const plan *p, const model_config *m, const char *fingerprint, buf *out, error *err)
{
    static const char *const modes[] = {
        [MASK_KEEP] = "keep", [MASK_BAN] = "ban", [MASK_BIAS] = "bias"};
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_put_int(&e, "mask", 1);
    json_put_text(&e, "model", fingerprint);
    json_put_text(&e, "mode", modes[p->mode]);
    json_begin_object(&e, "layers");
    for (int layer = 0; layer < m->layers; layer++) {
        const float *values = p->values + (size_t)layer * (size_t)m->experts;
        char key[16];
        (void)snprintf(key, sizeof key, "%d", layer);
        if (!any_value(values, m->experts))
            continue;
        if (p->mode == MASK_BIAS)
            put_biases(&e, key, values, m->experts);
        else
            put_list(&e, key, values, m->experts);
    }
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}
