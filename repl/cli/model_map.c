/* model_map.c - see model_map.h. */
#include "model_map.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../engine/run/weights.h"
#include "../screen/human.h"
#include "personas_model.h"

/* ---- what parts weigh -------------------------------------------------------------------------- */

static uint64_t bytes_of(const tensor *t)
{
    return t ? (uint64_t)tensor_rows(t) * dtype_row_bytes(tensor_type(t), tensor_cols(t)) : 0;
}

static uint64_t sum_of(const tensor *const *v, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += bytes_of(v[i]);
    return sum;
}

typedef struct shares {
    uint64_t attention, router, experts, shared, dense;
} shares;

static shares weigh(const weights *w)
{
    shares s = {0};
    for (int i = 0; i < w->layer_count; i++) {
        const layer_weights *l = &w->layers[i];
        const tensor *attention[] = {l->q,      l->k,      l->v,      l->o,      l->q_bias,
                                     l->k_bias, l->v_bias, l->o_bias, l->q_norm, l->k_norm};
        const tensor *shared[] = {l->shared_gate, l->shared_up, l->shared_down, l->shared_router};
        const tensor *dense[] = {l->gate, l->up, l->down, l->gate_bias, l->up_bias, l->down_bias};
        s.attention += sum_of(attention, 10);
        s.shared += sum_of(shared, 4);
        s.dense += sum_of(dense, 6);
        s.router += bytes_of(l->router);
        for (int e = 0; e < w->experts && l->expert_gate; e++)
            s.experts += bytes_of(l->expert_gate[e]) + bytes_of(l->expert_up[e]) +
                         bytes_of(l->expert_down[e]);
    }
    return s;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static void row(model_map *m, const char *label, uint64_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void row(model_map *m, const char *label, uint64_t bytes, const char *format, ...)
{
    va_list args;
    if (m->row_count == MAP_ROWS)
        return;
    map_row *r = &m->rows[m->row_count++];
    r->label = label;
    r->bytes = bytes;
    va_start(args, format);
    (void)vsnprintf(r->what, sizeof r->what, format, args);
    va_end(args);
}

static int routed(const model_config *c)
{
    int n = 0;
    for (int i = 0; i < c->layers && c->experts; i++)
        n += c->moe_layer[i] != 0;
    return n;
}

/* How far apart two tokens may stand before the pair of elements that turns slowest has gone round once, and
 * how near for the fastest (Su et al., arXiv 2104.09864, 3.4.3; before scaling). */
static void rope_rows(model_map *m, const model_config *c)
{
    static const char *const kinds[] = {[ROPE_PLAIN] = "plain",
                                        [ROPE_LINEAR] = "linear",
                                        [ROPE_LLAMA3] = "llama3",
                                        [ROPE_YARN] = "yarn"};
    const rope_config *r = &c->rope;
    double slowest = 2 * M_PI * pow(r->theta, 1 - 2.0 / r->dim);
    row(m, "rope", 0, "base %.10g, %d of %d elements of a head, %s", r->theta, r->dim, c->head_dim,
        kinds[r->kind]);
    if (r->kind != ROPE_PLAIN)
        row(m, "stretched", 0, "%gx%s", r->factor, r->factors ? ", by factors of its own" : "");
    row(m, "reach", 0, "%d positions; the slowest turn takes %.0f", c->context, slowest);
}

static void expert_rows(model_map *m, const model_config *c, const shares *s)
{
    if (c->experts) {
        row(m, "router", s->router, "%d of %d experts a token%s", c->experts_per_token, c->experts,
            c->renormalise ? ", gates renormalised" : "");
        row(m, "experts", s->experts, "%d in each of %d layers, %d wide", c->experts, routed(c),
            c->expert_width);
    }
    if (c->shared_width)
        row(m, "shared expert", s->shared, "%d wide%s", c->shared_width,
            c->shared_gate ? ", gated" : "");
    if (s->dense)
        row(m, "feed-forward", s->dense, "%d wide, in %d layers", c->ffn_width,
            c->layers - routed(c));
}

static void rows_of(model_map *m, engine *e, int context, dtype kv)
{
    char text[HUMAN_TEXT], one[HUMAN_TEXT];
    const model_config *c = &m->config;
    const weights *w = engine_weights(e);
    shares s = weigh(w);
    row(m, "architecture", 0, "%s", architecture_name(c->arch));
    row(m, "embedding", bytes_of(w->embedding), "%d tokens, %d wide", c->vocabulary, c->width);
    row(m, "layers", 0, "%d", c->layers);
    row(m, "attention", s.attention, "%d heads of %d; %d for keys and values", c->heads,
        c->head_dim, c->kv_heads);
    rope_rows(m, c);
    expert_rows(m, c, &s);
    row(m, "output", c->tied ? 0 : bytes_of(w->output), "%s",
        c->tied ? "the embedding" : "a matrix of its own");
    row(m, "keys, values", 0, "%s a token; %s for %d", human_bytes(one, engine_kv_bytes(e, 1, kv)),
        human_bytes(text, engine_kv_bytes(e, context, kv)), context);
    row(m, "a token reads", 0, "%s of weights", human_bytes(text, engine_bytes_per_token(e)));
}

/* ---- personas ---------------------------------------------------------------------------------- */

static int add_persona(model_map *m, engine *e, const char *name, error *err)
{
    error why = {0};
    persona *p = persona_find(name, &why);
    roster *r = p ? personas_seat(e, p, NULL, NULL, &why) : NULL;
    persona_close(p);
    const seat *s = r ? roster_seat(r, 0) : NULL;
    if (!s || !s->masks || m->persona_count == MAP_PERSONAS) {
        roster_close(r);
        return 0;
    }
    map_persona *to = &m->personas[m->persona_count++];
    *to = (map_persona){.roster = r, .name = s->name, .color = s->color};
    return mask_view_describe(s->program, engine_config(e), &to->view, err);
}

int model_map_gather(engine *e, const char *title, int context, dtype kv, model_map *out,
                     error *err)
{
    persona_list all = {0};
    *out = (model_map){.config = *engine_config(e), .total = engine_weight_bytes(e)};
    (void)snprintf(out->title, sizeof out->title, "%s", title);
    rows_of(out, e, context, kv);
    int result = out->config.experts ? persona_list_all(&all, err) : 0;
    for (size_t i = 0; i < all.len && !result; i++)
        result = add_persona(out, e, all.names[i], err);
    persona_list_release(&all);
    return result;
}

void model_map_release(model_map *m)
{
    for (int i = 0; i < m->persona_count; i++) {
        mask_view_release(&m->personas[i].view);
        roster_close(m->personas[i].roster);
    }
    m->persona_count = 0;
}

/* ---- looking ----------------------------------------------------------------------------------- */

const map_row *model_map_row(const model_map *m, const char *label)
{
    for (int i = 0; i < m->row_count; i++)
        if (strcmp(m->rows[i].label, label) == 0)
            return &m->rows[i];
    return NULL;
}

int model_map_layers(const model_map *m)
{
    return m->persona_count ? m->personas[0].view.count : 0;
}

bool model_map_repeats(const model_map *m, int i)
{
    for (int p = 0; p < m->persona_count && i > 0; p++) {
        const mask_view *v = &m->personas[p].view;
        const mask_view_layer *a = &v->layers[i - 1], *b = &v->layers[i];
        if (a->k != b->k || !a->may != !b->may ||
            (a->may && memcmp(a->may, b->may, (size_t)v->experts) != 0))
            return false;
    }
    return i > 0;
}
