/* route.cu - which experts a token visits, and with what weight; and the tables that say so.
 *
 * One block a row: steps 3 to 10 of a router program (engine/routing/router.h), by the definitions of
 * cpu/route.c. An expert's rank is the number of experts that come before it, which all threads count at
 * once; sums run in ascending order or in rank order on one thread, as the CPU's do. Nothing is sorted, and
 * any number of experts up to MOST_EXPERTS will do.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "device.cuh"

enum { THREADS = 128, MOST_EXPERTS = 1024 };

/* ---- storage ------------------------------------------------------------------------------------- */

void cuda_routes_free(backend *b, routes *r)
{
    device_free(cuda_of(b), r->ids);
    free(r);
}

/* One piece of memory holds all arrays. */
routes *cuda_routes_new(backend *b, int max_rows, int slots, error *err)
{
    size_t rows = (size_t)max_rows, cells = rows * (size_t)slots;
    routes *r = (routes *)calloc(1, sizeof *r);
    if (!r) {
        error_memory(err, "the chosen experts of a batch");
        return NULL;
    }
    r->max_rows = max_rows;
    r->slots = slots;
    r->ids = (int32_t *)device_new(cuda_of(b), (3 * cells + 3 * rows) * sizeof(int32_t),
                                   "the chosen experts of a batch", err);
    if (!r->ids) {
        free(r);
        return NULL;
    }
    r->seen = r->ids + cells;
    r->gates = (float *)(void *)(r->seen + cells);
    r->banned = r->gates + cells;
    r->margin = r->banned + rows;
    r->entropy = r->margin + rows;
    return r;
}

static void read_back(cuda_backend *d, void *to, const void *from, size_t bytes)
{
    if (device_well(d))
        device_check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, d->stream),
                     "reading the chosen experts");
}

void cuda_routes_read(backend *b, const routes *r, int n, const routes_host *to)
{
    cuda_backend *d = cuda_of(b);
    size_t rows = (size_t)n * 4, cells = rows * (size_t)r->slots;
    assert(to->slots == r->slots && n <= r->max_rows);
    read_back(d, to->ids, r->ids, cells);
    read_back(d, to->seen, r->seen, cells);
    read_back(d, to->gates, r->gates, cells);
    read_back(d, to->banned, r->banned, rows);
    read_back(d, to->margin, r->margin, rows);
    read_back(d, to->entropy, r->entropy, rows);
}

void cuda_routes_write(backend *b, routes *r, int n, const routes_host *from)
{
    cuda_backend *d = cuda_of(b);
    size_t cells = (size_t)n * (size_t)r->slots * 4;
    assert(from->slots == r->slots && n <= r->max_rows);
    device_upload(d, r->ids, from->ids, cells);
    device_upload(d, r->seen, from->seen, cells);
    device_upload(d, r->gates, from->gates, cells);
}

/* ---- tables of a program ---------------------------------------------------------------------------- */

/* What will lie in device memory, put together on the host; addresses are offsets + 1 until placed. */
struct blob {
    char *v;
    size_t len, room;
    bool failed;
};

static size_t put(blob *b, const void *data, size_t bytes)
{
    size_t at = (b->len + 15) / 16 * 16, end = at + bytes;
    if (end > b->room) {
        size_t room = end > 2 * b->room ? end : 2 * b->room;
        char *grown = (char *)realloc(b->v, room);
        b->failed = b->failed || !grown;
        if (!grown)
            return 0;
        b->v = grown;
        b->room = room;
    }
    memset(b->v + b->len, 0, at - b->len);
    if (data)
        memcpy(b->v + at, data, bytes);
    else
        memset(b->v + at, 0, bytes);
    b->len = end;
    return at;
}

static const void *put_table(blob *b, const void *data, size_t bytes)
{
    return data ? (const void *)(put(b, data, bytes) + 1) : NULL;
}

/* The lists of one expert's updates, appended to those of the layer. */
static void put_update(const expert_update *u, device_update *to, device_low_rank *all, int *used)
{
    const low_rank_list *const lists[3] = {&u->gate, &u->up, &u->down};
    for (int part = 0; part < 3; part++) {
        to->first[part] = *used;
        to->n[part] = lists[part]->n;
        to->rank[part] = 0;
        for (int i = 0; i < lists[part]->n; i++) {
            const low_rank *r = &lists[part]->v[i];
            device_low_rank *l = &all[(*used)++];
            l->a = r->a->data;
            l->b = r->b->data;
            l->a_type = (int)r->a->type;
            l->rank = (int)r->a->rows;
            l->scale = r->scale;
            l->cols = (int)r->a->cols;
            l->rows = (int)r->b->cols;
            to->rank[part] += l->rank;
        }
    }
}

static void put_updates(blob *b, const layer_routing *r, int experts, device_routing *to)
{
    int lists = 0, count = 0, used = 0, made = 0;
    for (int e = 0; e < experts; e++)
        if (r->update[e]) {
            count++;
            lists += r->update[e]->gate.n + r->update[e]->up.n + r->update[e]->down.n;
        }
    int32_t *index = (int32_t *)calloc((size_t)experts, sizeof *index);
    device_update *updates = (device_update *)calloc((size_t)count + 1, sizeof *updates);
    device_low_rank *all = (device_low_rank *)calloc((size_t)lists + 1, sizeof *all);
    b->failed = b->failed || !index || !updates || !all;
    for (int e = 0; e < experts && !b->failed; e++) {
        index[e] = r->update[e] ? made : -1;
        if (r->update[e])
            put_update(r->update[e], &updates[made++], all, &used);
    }
    if (!b->failed) {
        to->update = put_table(b, index, (size_t)experts * sizeof *index);
        to->updates = put_table(b, updates, ((size_t)count + 1) * sizeof *updates);
        to->low_ranks = put_table(b, all, ((size_t)lists + 1) * sizeof *all);
    }
    free(index);
    free(updates);
    free(all);
}

static device_routing routing_of(blob *b, const layer_routing *r, int model_experts)
{
    device_routing to = device_routing();
    to.k = r->k;
    if (!r->k)
        return to;
    int experts = model_experts + r->adapter_count;
    size_t n = (size_t)experts;
    to.trained_k = r->trained_k;
    to.norm_width = r->norm_width;
    to.adaptive_min = r->adaptive_min;
    to.tail_gain = r->tail_gain;
    to.adaptive_ratio = r->adaptive_ratio;
    to.strength = r->strength;
    to.experts = experts;
    to.bias = put_table(b, r->bias, n * sizeof(float));
    to.allowed = put_table(b, r->allowed, n);
    to.named = put_table(b, r->named, n);
    to.forced = put_table(b, r->forced, n);
    to.place = put_table(b, r->place, n * sizeof(int32_t));
    to.score = put_table(b, r->score, n * sizeof(int32_t));
    if (r->update)
        put_updates(b, r, experts, &to);
    return to;
}

static void place_tables(device_routing *r, const char *base)
{
    const void **const all[] = {&r->bias,  &r->allowed, &r->named,   &r->forced,   &r->place,
                                &r->score, &r->update,  &r->updates, &r->low_ranks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = *all[i] ? base + ((uintptr_t)*all[i] - 1) : NULL;
}

int cuda_tables_copy(routing_tables *t, int experts, error *err)
{
    cuda_backend *d = cuda_of(t->owner);
    blob b = blob();
    size_t bytes = (size_t)t->count * sizeof(device_routing);
    device_tables *tables = (device_tables *)calloc(1, sizeof *tables);
    (void)put(&b, NULL, bytes);
    for (int i = 0; i < t->count && !b.failed; i++) {
        device_routing r = routing_of(&b, &t->layers[i], experts);
        memcpy(b.v + (size_t)i * sizeof r, &r, sizeof r);
        if (tables && t->layers[i].update && t->layers[i].update_rank > tables->rank)
            tables->rank = t->layers[i].update_rank;
    }
    char *base = NULL;
    if (!tables || b.failed)
        error_memory(err, "a router program");
    else
        base = (char *)device_new(d, b.len, "a router program", err);
    if (!base) {
        free(tables);
        free(b.v);
        return -1;
    }
    for (int i = 0; i < t->count; i++)
        place_tables((device_routing *)(void *)b.v + i, base);
    device_upload(d, base, b.v, b.len);
    free(b.v);
    tables->layers = (device_routing *)(void *)base;
    t->device = tables;
    tables->place.whole = t;
    list_in(&d->tables, &tables->place);
    return 0;
}

void cuda_tables_drop(routing_tables *t)
{
    device_tables *tables = (device_tables *)t->device;
    device_free(cuda_of(t->owner), tables->layers);
    list_out(&tables->place);
    free(tables);
}

void tables_move(routing_tables *t, backend *to)
{
    cuda_tables_drop(t);
    t->device = NULL;
    t->owner = to;
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

__device__ inline bool flag_of(const void *table, int e, bool otherwise)
{
    return table ? global_at<const uint8_t>(table)[(size_t)e] != 0 : otherwise;
}

/* Whether expert a comes before b; scores are those that select. */
__device__ inline bool comes_before(const device_routing &r, global<float> score, int a, int b)
{
    bool fa = flag_of(r.forced, a, false), fb = flag_of(r.forced, b, false);
    if (fa != fb)
        return fa;
    float sa = score[(size_t)a], sb = score[(size_t)b];
    return sa > sb || (sa == sb && a < b);
}

/* The arrays of one row, [experts] each but for order. */
struct row_view {
    global<float> z, score, p;
    global<int> order; /* [ranks] experts by falling selection score */
    int experts, ranks;
};

/* Step 6: p over the allowed experts; returns the entropy. One thread. */
__device__ inline float softmax_allowed(const device_routing &r, const row_view &v, float most)
{
    float sum = 0, weighted = 0;
    for (int e = 0; e < v.experts; e++) {
        float p = v.p[(size_t)e];
        if (!flag_of(r.allowed, e, true))
            continue;
        sum += p;
        if (p > 0)
            weighted += p * (v.z[(size_t)e] - most);
    }
    for (int e = 0; e < v.experts; e++)
        if (flag_of(r.allowed, e, true))
            v.p[(size_t)e] = v.p[(size_t)e] / sum;
    float entropy = (float)log((double)sum) - weighted / sum;
    return entropy > 0 ? entropy : 0;
}

/* The share of the plain softmax that the banned experts would have had. One thread. */
__device__ inline float banned_mass(const device_routing &r, const row_view &v)
{
    if (!r.allowed)
        return 0;
    float most = v.z[0], banned = 0, sum = 0;
    for (int e = 1; e < v.experts; e++) {
        float z = v.z[(size_t)e];
        most = z > most ? z : most;
    }
    for (int e = 0; e < v.experts; e++) {
        float p = exp_f32(v.z[(size_t)e] - most);
        sum += p;
        if (!flag_of(r.allowed, e, true))
            banned += p;
    }
    return banned / sum;
}

/* A forced expert speaks as loud as the loudest one chosen. */
__device__ inline void lift_forced(const device_routing &r, const row_view &v, int k,
                                   global<float> gates)
{
    float loudest = 0;
    for (int i = 0; i < k; i++) {
        float g = gates[(size_t)i];
        loudest = g > loudest ? g : loudest;
    }
    for (int i = 0; i < k && flag_of(r.forced, v.order[(size_t)i], false); i++)
        gates[(size_t)i] = loudest;
}

/* Steps 6 to 10 for the k chosen ranks. One thread. */
__device__ inline void weigh(const device_routing &r, const row_view &v, int k, bool renormalise,
                             global<float> gates)
{
    for (int i = 0; i < k; i++)
        gates[(size_t)i] = v.p[(size_t)(int)v.order[(size_t)i]];
    if (r.forced)
        lift_forced(r, v, k, gates);
    for (int i = r.trained_k; i < k; i++)
        gates[(size_t)i] *= r.tail_gain;
    if (r.adaptive_min > 0)
        for (int i = r.adaptive_min; i < k; i++)
            if (gates[(size_t)i] < r.adaptive_ratio * gates[0])
                gates[(size_t)i] = 0.0f;
    if (renormalise) {
        float sum = 0;
        for (int i = 0; i < k; i++)
            sum += gates[(size_t)i];
        for (int i = k; i < r.norm_width && i < v.ranks; i++)
            sum += v.p[(size_t)(int)v.order[(size_t)i]];
        for (int i = 0; i < k && sum > 0; i++)
            gates[(size_t)i] = gates[(size_t)i] / sum;
    }
    for (int i = 0; i < k && r.named; i++)
        if (flag_of(r.named, v.order[(size_t)i], false))
            gates[(size_t)i] *= r.strength;
}

/* routes in device memory, as a kernel takes it. */
struct device_routes {
    int slots;
    global<int32_t> ids, seen;
    global<float> gates, banned, margin, entropy;
};

static device_routes routes_of(const routes *r)
{
    device_routes to = device_routes();
    to.slots = r->slots;
    to.ids = r->ids;
    to.seen = r->seen;
    to.gates = r->gates;
    to.banned = r->banned;
    to.margin = r->margin;
    to.entropy = r->entropy;
    return to;
}

__device__ inline void choose_nothing(const device_routes &to, size_t row)
{
    to.banned[row] = 0.0f;
    to.margin[row] = 0.0f;
    to.entropy[row] = 0.0f;
    for (size_t s = 0, at = row * (size_t)to.slots; s < (size_t)to.slots; s++, at++) {
        to.ids[at] = -1;
        to.seen[at] = -1;
        to.gates[at] = 0.0f;
    }
}

/* What thread 0 does when ranks and p are there. */
__device__ inline void finish_row(const device_routing &r, const row_view &v, float most,
                                  bool renormalise, const device_routes &to, size_t row)
{
    size_t slots = (size_t)to.slots, at = row * slots;
    int k = r.k < v.ranks ? r.k : v.ranks;
    to.entropy[row] = softmax_allowed(r, v, most);
    to.banned[row] = banned_mass(r, v);
    to.margin[row] = k < v.ranks ? v.score[(size_t)(int)v.order[(size_t)(k - 1)]] -
                                       v.score[(size_t)(int)v.order[(size_t)k]]
                                 : INFINITY;
    weigh(r, v, k, renormalise, to.gates + at);
    for (size_t s = 0; s < slots; s++) {
        bool runs = s < (size_t)k && to.gates[at + s] != 0;
        int e = runs ? (int)v.order[s] : -1;
        to.seen[at + s] = e;
        to.ids[at + s] = runs && r.place ? global_at<const int32_t>(r.place)[(size_t)e] : e;
        if (s >= (size_t)k)
            to.gates[at + s] = 0.0f;
    }
}

/* Row blockIdx.x. columns: of z; adapter_columns: of behind. */
__global__ void choose(device_routes to, global<const float> z, int columns,
                       global<const float> behind, int adapter_columns,
                       global<const device_routing *const> routing, int layer, bool renormalise,
                       global<unsigned> fault, unsigned kind)
{
    SHARED(float, own, MOST_EXPERTS);
    SHARED(float, score, MOST_EXPERTS);
    SHARED(float, p, MOST_EXPERTS);
    SHARED(int, order, MOST_EXPERTS);
    SHARED(int, bad, THREADS);
    SHARED(int, allowed, THREADS);
    size_t row = blockIdx.x;
    int thread = (int)threadIdx.x;
    device_routing r = global_at<const device_routing>(routing[row])[(size_t)layer];
    row_view v = {own, score, p, order, r.experts, 0};
    int mine = 0, broken = 0;
    for (int e = thread; e < v.experts; e += THREADS) {
        int c = r.score ? global_at<const int32_t>(r.score)[(size_t)e] : e;
        float x = c < columns ? z[row * (size_t)columns + (size_t)c]
                              : behind[row * (size_t)adapter_columns + (size_t)(c - columns)];
        own[(size_t)e] = x;
        score[(size_t)e] = r.bias ? x + global_at<const float>(r.bias)[(size_t)e] : x;
        broken |= !is_finite(x);
        mine += flag_of(r.allowed, e, true);
    }
    bad[(size_t)thread] = broken;
    allowed[(size_t)thread] = mine;
    __syncthreads();
    int any = 0, total = 0;
    for (int i = 0; i < THREADS; i++) {
        any |= bad[(size_t)i];
        total += allowed[(size_t)i];
    }
    if (any) {
        if (thread == 0) {
            choose_nothing(to, row);
            atomicCAS(fault, 0u, kind);
        }
        return;
    }
    int width = r.norm_width > r.k ? r.norm_width : r.k + 1;
    float most = -INFINITY;
    v.ranks = total < width ? total : width;
    for (int e = 0; e < v.experts; e++) {
        float x = own[(size_t)e];
        most = flag_of(r.allowed, e, true) && x > most ? x : most;
    }
    for (int e = thread; e < v.experts; e += THREADS) {
        int rank = 0;
        p[(size_t)e] = exp_f32(own[(size_t)e] - most);
        if (!flag_of(r.allowed, e, true) && !PLANTED(MASK))
            continue;
        for (int f = 0; f < v.experts; f++)
            rank += flag_of(r.allowed, f, true) && comes_before(r, score, f, e);
        if (rank < v.ranks)
            order[(size_t)rank] = e;
    }
    __syncthreads();
    if (thread == 0)
        finish_row(r, v, most, renormalise, to, row);
}

void cuda_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
                const router_form *form, int n)
{
    cuda_backend *d = cuda_of(b);
    size_t room = z->cols + (adapter_z ? adapter_z->cols : 0);
    if (device_well(d) && room > MOST_EXPERTS)
        error_set(&d->failure, ERROR_RUN, "layer %d: %zu experts; %d can be routed", layer, room,
                  MOST_EXPERTS);
    if (device_well(d))
        LAUNCH(d, choose, (unsigned)n, THREADS, routes_of(r), (const float *)floats_of(z),
               (int)z->cols, adapter_z ? (const float *)floats_of(adapter_z) : NULL,
               adapter_z ? (int)adapter_z->cols : 0, d->batch.routing, layer, form->renormalise,
               d->fault, device_fault(d, FAULT_ROUTER));
}

__global__ void one_slot(device_routes one, device_routes from, int slot, int n)
{
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i >= (size_t)n)
        return;
    size_t at = i * (size_t)from.slots + (size_t)slot;
    int32_t id = from.ids[at];
    one.ids[i] = id;
    one.seen[i] = (int32_t)from.seen[at];
    one.gates[i] = id >= 0 ? 1.0f : 0.0f;
}

void cuda_routes_slot(backend *b, routes *one, const routes *from, int slot, int n)
{
    cuda_backend *d = cuda_of(b);
    assert(one->slots == 1 && slot >= 0 && slot < from->slots && n <= one->max_rows);
    if (device_well(d))
        LAUNCH(d, one_slot, blocks_for((size_t)n, THREADS), THREADS, routes_of(one),
               routes_of(from), slot, n);
}
