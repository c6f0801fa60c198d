/* route.c - which experts a token visits, and with what weight: steps 3 to 10 of the pipeline.
 *
 * One row at a time, from router logits z [experts] and the row's layer_routing:
 *   selection score c = z + bias, banned experts out; the first k in order of c (ties to the
 *   lowest id) are chosen; gates p = softmax of z itself over the allowed experts; ranks from
 *   trained_k on are multiplied by tail_gain; ranks from adaptive_min on are dropped when
 *   p < ratio * p_0 (so at least adaptive_min stay); a model that renormalises divides by the sum
 *   of the gates left, in rank order, plus the p of the next ranks up to norm_width; experts the
 *   program names are multiplied by its strength.
 *
 * A program with adapters sees the logits that its tables name, in its own order, as if the layer
 * had just these; others do not see them at all.
 *
 * Every knob has an exact off state. A gate that ends as 0 is an expert that is not run (id -1),
 * and since adding +0 changes no sum, tail_gain 0 gives the very bytes of the trained k. Sums run
 * in ascending expert order or in rank order, never in the order that threads arrive.
 *
 * Logits that are NaN or infinite choose nothing: the row's ids are all -1 and backend_sync()
 * reports the layer. So no id outside the experts ever leaves this file.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_state.h"
#include "mathx.h"

/* ---- storage -------------------------------------------------------------------------------- */

void cpu_routes_free(backend *b, routes *r)
{
    (void)b;
    free(r->ids);
    free(r->seen);
    free(r->gates);
    free(r->banned);
    free(r->margin);
    free(r->entropy);
    free(r);
}

routes *cpu_routes_new(backend *b, int max_rows, int slots, error *err)
{
    assert(max_rows > 0 && slots > 0);
    size_t rows = (size_t)max_rows;
    routes *r = calloc(1, sizeof *r);
    if (r) {
        r->max_rows = max_rows;
        r->slots = slots;
        r->ids = calloc(rows * (size_t)slots, sizeof *r->ids);
        r->seen = calloc(rows * (size_t)slots, sizeof *r->seen);
        r->gates = calloc(rows * (size_t)slots, sizeof *r->gates);
        r->banned = calloc(rows, sizeof *r->banned);
        r->margin = calloc(rows, sizeof *r->margin);
        r->entropy = calloc(rows, sizeof *r->entropy);
        if (r->ids && r->seen && r->gates && r->banned && r->margin && r->entropy)
            return r;
        cpu_routes_free(b, r);
    }
    error_memory(err, "the chosen experts of a batch");
    return NULL;
}

void cpu_routes_read(backend *b, const routes *r, int n, const routes_host *to)
{
    (void)b;
    size_t rows = (size_t)n, slots = (size_t)r->slots;
    assert(to->slots == r->slots && n <= r->max_rows);
    memcpy(to->ids, r->ids, rows * slots * sizeof *r->ids);
    memcpy(to->seen, r->seen, rows * slots * sizeof *r->seen);
    memcpy(to->gates, r->gates, rows * slots * sizeof *r->gates);
    memcpy(to->banned, r->banned, rows * sizeof *r->banned);
    memcpy(to->margin, r->margin, rows * sizeof *r->margin);
    memcpy(to->entropy, r->entropy, rows * sizeof *r->entropy);
}

void cpu_routes_write(backend *b, routes *r, int n, const routes_host *from)
{
    (void)b;
    size_t cells = (size_t)n * (size_t)r->slots;
    assert(from->slots == r->slots && n <= r->max_rows);
    memcpy(r->ids, from->ids, cells * sizeof *r->ids);
    memcpy(r->seen, from->seen, cells * sizeof *r->seen);
    memcpy(r->gates, from->gates, cells * sizeof *r->gates);
}

void cpu_routes_slot(backend *b, routes *one, const routes *from, int slot, int n)
{
    (void)b;
    assert(one->slots == 1 && slot >= 0 && slot < from->slots && n <= one->max_rows);
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)from->slots + (size_t)slot;
        one->ids[i] = from->ids[at];
        one->seen[i] = from->seen[at];
        one->gates[i] = from->ids[at] >= 0 ? 1.0f : 0.0f;
    }
}

/* ---- one row -------------------------------------------------------------------------------- */

/* What the steps share about one row. */
typedef struct row_view {
    const layer_routing *routing;
    const float *z; /* [experts] router logits */
    const dot_kernels *dots;
    float *p;   /* [experts] softmax over the allowed; meaningless where banned */
    int *order; /* [ranks] experts by falling selection score */
    int experts, ranks;
} row_view;

static bool is_allowed(const layer_routing *routing, int e)
{
    return !routing->allowed || routing->allowed[e];
}

static float selection_score(const row_view *v, int e)
{
    return v->routing->bias ? v->z[e] + v->routing->bias[e] : v->z[e];
}

/* Forced experts come before all others; otherwise the higher score does. */
static bool comes_before(const row_view *v, int a, int b)
{
    const uint8_t *forced = v->routing->forced;
    if (forced && forced[a] != forced[b])
        return forced[a];
    return selection_score(v, a) > selection_score(v, b);
}

/* Fills order with the allowed experts of the highest scores, at most `most` of them, by
 * insertion: an equal score never passes an earlier id. */
static void rank_experts(row_view *v, int most)
{
    v->ranks = 0;
    for (int e = 0; e < v->experts; e++) {
        if (!is_allowed(v->routing, e))
            continue;
        int at = v->ranks < most ? v->ranks++ : most;
        for (; at > 0 && comes_before(v, e, v->order[at - 1]); at--)
            if (at < most)
                v->order[at] = v->order[at - 1];
        if (at < most)
            v->order[at] = e;
    }
}

/* p over the allowed experts, max-subtracted. Returns the entropy in nats. */
static float softmax_allowed(row_view *v)
{
    float most = -INFINITY, sum = 0, weighted = 0;
    for (int e = 0; e < v->experts; e++) {
        if (is_allowed(v->routing, e) && v->z[e] > most)
            most = v->z[e];
        v->p[e] = v->z[e];
    }
    v->dots->exp(v->p, most, (size_t)v->experts);
    for (int e = 0; e < v->experts; e++) {
        if (!is_allowed(v->routing, e))
            continue;
        sum += v->p[e];
        if (v->p[e] > 0)
            weighted += v->p[e] * (v->z[e] - most);
    }
    for (int e = 0; e < v->experts; e++)
        if (is_allowed(v->routing, e))
            v->p[e] /= sum;
    /* -sum p ln p, with ln p = (z - most) - ln sum; rounding may leave a negative zero's worth. */
    float entropy = (float)log((double)sum) - weighted / sum;
    return entropy > 0 ? entropy : 0;
}

/* The share of the plain model's softmax that the banned experts would have had. */
static float banned_mass(const row_view *v)
{
    if (!v->routing->allowed)
        return 0;
    float most = v->z[0], banned = 0, sum = 0;
    for (int e = 1; e < v->experts; e++)
        if (v->z[e] > most)
            most = v->z[e];
    for (int e = 0; e < v->experts; e++) {
        float p = mathx_exp(v->z[e] - most);
        sum += p;
        if (!v->routing->allowed[e])
            banned += p;
    }
    return banned / sum;
}

/* A forced expert speaks as loud as the loudest one chosen. */
static void lift_forced(const row_view *v, int k, float *gates)
{
    float loudest = 0;
    for (int i = 0; i < k; i++)
        if (gates[i] > loudest)
            loudest = gates[i];
    for (int i = 0; i < k && v->routing->forced[v->order[i]]; i++)
        gates[i] = loudest;
}

/* Steps 6 to 10 for the k chosen ranks. gates [k] */
static void weigh(const row_view *v, int k, bool renormalise, float *gates)
{
    const layer_routing *routing = v->routing;
    for (int i = 0; i < k; i++)
        gates[i] = v->p[v->order[i]];
    if (routing->forced)
        lift_forced(v, k, gates);
    for (int i = routing->trained_k; i < k; i++)
        gates[i] *= routing->tail_gain;
    if (routing->adaptive_min > 0)
        for (int i = routing->adaptive_min; i < k; i++)
            if (gates[i] < routing->adaptive_ratio * gates[0])
                gates[i] = 0;
    if (renormalise) {
        float sum = 0;
        for (int i = 0; i < k; i++)
            sum += gates[i];
        for (int i = k; i < routing->norm_width && i < v->ranks; i++)
            sum += v->p[v->order[i]];
        /* A strong bias may choose only experts whose softmax is 0: then none of them runs. */
        for (int i = 0; i < k && sum > 0; i++)
            gates[i] /= sum;
    }
    for (int i = 0; i < k && routing->named; i++)
        if (routing->named[v->order[i]])
            gates[i] *= routing->strength;
}

typedef struct route_work {
    routes *to;
    const tensor *z, *adapter_z;
    cpu_backend *cpu;
    char *memory; /* [threads][3 * room] floats and ints, which are as wide */
    size_t room;  /* experts that a program sees at most */
    int layer;
    bool renormalise;
} route_work;

/* own = the logits of the experts that the program sees. */
static void gather_scores(const route_work *w, int i, row_view *v, float *own)
{
    const float *behind = w->adapter_z ? cpu_row(w->adapter_z, i) : v->z;
    int columns = v->experts;
    v->experts += v->routing->adapter_count;
    for (int e = 0; e < v->experts; e++) {
        int column = v->routing->score[e];
        own[e] = column < columns ? v->z[column] : behind[column - columns];
    }
    v->z = own;
}

static int bank_place(const layer_routing *routing, int e)
{
    return routing->place ? routing->place[e] : e;
}

static void route_row(const route_work *w, int i, row_view *v)
{
    size_t slots = (size_t)w->to->slots;
    int32_t *ids = w->to->ids + (size_t)i * slots, *seen = w->to->seen + (size_t)i * slots;
    float *gates = w->to->gates + (size_t)i * slots;
    int k = v->routing->k;
    assert(k >= 1 && (size_t)k <= slots && v->routing->norm_width >= k);

    rank_experts(v, v->routing->norm_width > k ? v->routing->norm_width : k + 1);
    if (k > v->ranks)
        k = v->ranks;
    w->to->entropy[i] = softmax_allowed(v);
    w->to->banned[i] = banned_mass(v);
    w->to->margin[i] = k < v->ranks
                           ? selection_score(v, v->order[k - 1]) - selection_score(v, v->order[k])
                           : INFINITY;
    weigh(v, k, w->renormalise, gates);
    for (int s = 0; s < k; s++) {
        seen[s] = gates[s] != 0 ? v->order[s] : -1;
        ids[s] = gates[s] != 0 ? bank_place(v->routing, v->order[s]) : -1;
    }
    for (size_t s = (size_t)k; s < slots; s++) {
        ids[s] = seen[s] = -1;
        gates[s] = 0;
    }
}

static bool all_finite(const float *z, int n)
{
    bool finite = true;
    for (int e = 0; e < n; e++)
        finite = finite && isfinite(z[e]);
    return finite;
}

static void choose_nothing(routes *r, int i)
{
    r->banned[i] = r->margin[i] = r->entropy[i] = 0;
    for (size_t s = 0, at = (size_t)i * (size_t)r->slots; s < (size_t)r->slots; s++, at++) {
        r->ids[at] = r->seen[at] = -1;
        r->gates[at] = 0;
    }
}

static void route_rows(void *user, int from, int to, int thread)
{
    const route_work *w = user;
    float *mine = (float *)(void *)w->memory + 3 * (size_t)thread * w->room;
    for (int i = from; i < to; i++) {
        row_view v = {.routing = cpu_routing(w->cpu, i, w->layer),
                      .z = cpu_row(w->z, i),
                      .dots = w->cpu->dots,
                      .p = mine,
                      .order = (int *)(void *)(mine + w->room),
                      .experts = (int)w->z->cols};
        if (v.routing->score)
            gather_scores(w, i, &v, mine + 2 * w->room);
        if (all_finite(v.z, v.experts)) {
            route_row(w, i, &v);
        } else {
            choose_nothing(w->to, i);
            atomic_fetch_or(&w->cpu->faults, FAULT_ROUTER);
        }
    }
}

void cpu_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
               const router_form *form, int n)
{
    cpu_backend *cpu = cpu_of(b);
    if (!cpu_has_batch(cpu, n))
        return;
    size_t threads = (size_t)thread_pool_threads(cpu->workers);
    size_t room = z->cols + (adapter_z ? adapter_z->cols : 0);
    char *memory = cpu_scratch(cpu, &cpu->routing, 3 * threads * room * sizeof(float), "routing");
    if (!memory) {
        for (int i = 0; i < n; i++)
            choose_nothing(r, i);
        return;
    }
    route_work w = {r, z, adapter_z, cpu, memory, room, layer, form->renormalise};
    cpu_rows(cpu, n, z->cols * 16, route_rows, &w);
    cpu_report_faults(cpu);
}
