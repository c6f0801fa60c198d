/* backend_profile.c - see backend_profile.h. Each wrapper is begin(), the op itself, end(). */
#include "backend_profile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend_impl.h"

struct backend_profile {
    backend_table table; /* first: what the backend's pointer leads to meanwhile */
    const backend_table *real;
    backend *b;
    profile_options opt;
    profile_part parts[PROFILE_PARTS];
    int count;
    double start;
    error failure; /* the first that waiting for an op told; handed on by the next sync */
    bool failed;
    int layer;
    kv_layout layout; /* of the current batch */
    double positions; /* that its sessions hold, each once: the keys that a layer reads */
    double attended;  /* that its rows attend to, together */
    routes_host chosen;
    uint8_t *called; /* [room] of the bank at hand */
    int room;
};

static backend_profile *of(backend *b)
{
    return (backend_profile *)(uintptr_t)b->table;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static profile_part *part_of(backend_profile *p, const char *name, dtype type)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->parts[i].name, name) == 0 && p->parts[i].type == type)
            return &p->parts[i];
    if (p->count == PROFILE_PARTS)
        return &p->parts[PROFILE_PARTS - 1];
    p->parts[p->count] = (profile_part){.name = name, .type = type};
    return &p->parts[p->count++];
}

static const backend_table *begin(backend *b)
{
    backend_profile *p = of(b);
    p->start = now();
    return p->real;
}

/* Counts the op that began last. cost: bytes and operations, or NULL. */
static void end(backend *b, const char *name, dtype type, const profile_part *cost)
{
    backend_profile *p = of(b);
    if (!p->real->host_memory && !p->failed)
        p->failed = p->real->sync(b, &p->failure) != 0;
    double seconds = now() - p->start;
    profile_part *part = part_of(p, name, type);
    part->calls++;
    part->seconds += seconds;
    part->reads = part->reads || cost;
    part->bytes += cost ? cost->bytes : 0;
    part->operations += cost ? cost->operations : 0;
}

static int timed_sync(backend *b, error *err)
{
    backend_profile *p = of(b);
    if (!p->failed)
        return p->real->sync(b, err);
    p->failed = false;
    *err = p->failure;
    return -1;
}

/* ---- what ops read and compute ---------------------------------------------------------------- */

static double bytes_of(const tensor *t)
{
    return t ? (double)t->rows * (double)t->row_bytes : 0;
}

static double operations_of(const tensor *t)
{
    return 2 * (double)t->rows * (double)t->cols;
}

static const char *name_of(backend *b, const tensor *weight)
{
    const backend_profile *p = of(b);
    return p->opt.name(p->opt.user, p->layer, weight);
}

static void timed_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
                        const float *cosines, const float *sines, int half)
{
    backend_profile *p = of(b);
    p->layout = *layout;
    p->positions = p->attended = 0;
    for (int i = 0; i < n; i++) {
        double length = rows[i].position + 1;
        p->attended += length;
        if (i + 1 == n || rows[i + 1].pages != rows[i].pages)
            p->positions += length;
    }
    begin(b)->batch(b, layout, rows, n, cosines, sines, half);
    end(b, "batch laid out", DTYPE_F32, NULL);
}

static void timed_layer(backend *b, int layer)
{
    of(b)->layer = layer;
    of(b)->real->layer(b, layer);
}

/* The matrices of the experts that n rows call, each once, and the products of all their slots. */
static profile_part cost_of_experts(backend *b, const expert_bank *bank, const routes *r, int n)
{
    backend_profile *p = of(b);
    profile_part cost = {0};
    if (n > p->opt.max_rows || p->opt.slots == 0)
        return cost;
    if (bank->count > p->room) {
        free(p->called);
        p->called = malloc((size_t)bank->count);
        p->room = p->called ? bank->count : 0;
    }
    p->real->routes_read(b, r, n, &p->chosen);
    if (!p->called || p->failed || (p->failed = p->real->sync(b, &p->failure) != 0))
        return cost;
    memset(p->called, 0, (size_t)bank->count);
    for (int i = 0; i < n * p->opt.slots; i++) {
        int e = p->chosen.ids[i];
        if (e < 0)
            continue;
        const tensor *all[3] = {bank->gate[e], bank->up[e], bank->down[e]};
        for (int k = 0; k < 3; k++) {
            cost.operations += operations_of(all[k]);
            cost.bytes += p->called[e] ? 0 : bytes_of(all[k]);
        }
        p->called[e] = 1;
    }
    return cost;
}

/* ---- the ops ---------------------------------------------------------------------------------- */

static void timed_matmul(backend *b, const product *products, int count, const tensor *x, int n)
{
    profile_part cost = {0};
    for (int i = 0; i < count; i++) {
        cost.bytes += bytes_of(products[i].weight) + bytes_of(products[i].bias);
        cost.operations += n * operations_of(products[i].weight);
    }
    begin(b)->matmul(b, products, count, x, n);
    end(b, name_of(b, products[0].weight), products[0].weight->type, &cost);
}

static void timed_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x,
                                int n)
{
    profile_part cost = {.bytes = bytes_of(w->gate) + bytes_of(w->up) + bytes_of(w->gate_bias) +
                                  bytes_of(w->up_bias),
                         .operations = n * (operations_of(w->gate) + operations_of(w->up))};
    begin(b)->matmul_swiglu(b, out, w, x, n);
    end(b, name_of(b, w->gate), w->gate->type, &cost);
}

static void timed_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r,
                          const tensor *x, int layer, int n)
{
    profile_part cost = cost_of_experts(b, bank, r, n);
    begin(b)->experts(b, out, bank, r, x, layer, n);
    end(b, "experts", bank->gate[0] ? bank->gate[0]->type : DTYPE_F32, &cost);
}

static void timed_attention(backend *b, tensor *out, const tensor *q, int layer,
                            const attention_form *form, int n)
{
    const backend_profile *p = of(b);
    size_t dim = (size_t)p->layout.head_dim;
    double row = (double)dtype_row_bytes(p->layout.type, dim);
    profile_part cost = {.bytes = 2 * p->positions * p->layout.kv_heads * row,
                         .operations = 4 * p->attended * form->heads * (double)dim};
    begin(b)->attention(b, out, q, layer, form, n);
    end(b, "attention", p->layout.type, &cost);
}

static void timed_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n,
                        float scale)
{
    profile_part cost = {.bytes = n * (double)table->row_bytes};
    begin(b)->embed(b, out, table, ids, n, scale);
    end(b, "embedding", table->type, &cost);
}

static void timed_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps,
                          int n)
{
    begin(b)->rmsnorm(b, out, x, weight, eps, n);
    end(b, "norms", DTYPE_F32, NULL);
}

static void timed_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                               float eps, int n)
{
    begin(b)->head_rmsnorm(b, x, weight, heads, head_dim, eps, n);
    end(b, "norms", DTYPE_F32, NULL);
}

static void timed_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs,
                       int n)
{
    begin(b)->rope(b, x, heads, head_dim, rotary_dim, pairs, n);
    end(b, "rope", DTYPE_F32, NULL);
}

static void timed_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n)
{
    begin(b)->kv_store(b, layer, k, v, n);
    end(b, "keys stored", DTYPE_F32, NULL);
}

static void timed_add(backend *b, tensor *x, const tensor *y, float scale, int n)
{
    begin(b)->add(b, x, y, scale, n);
    end(b, "sums", DTYPE_F32, NULL);
}

static void timed_scale(backend *b, tensor *x, float scale, int n)
{
    begin(b)->scale(b, x, scale, n);
    end(b, "sums", DTYPE_F32, NULL);
}

static void timed_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n)
{
    begin(b)->sigmoid_gate(b, y, weight, x, n);
    end(b, "shared gate", DTYPE_F32, NULL);
}

static void timed_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n)
{
    begin(b)->gather(b, out, x, rows, n);
    end(b, "copies", DTYPE_F32, NULL);
}

static void timed_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    begin(b)->tensor_read(b, t, row, rows, dst);
    end(b, "copies", DTYPE_F32, NULL);
}

static void timed_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
                        const router_form *form, int n)
{
    begin(b)->route(b, r, z, adapter_z, layer, form, n);
    end(b, "choice of experts", DTYPE_F32, NULL);
}

/* ---- the profile ------------------------------------------------------------------------------ */

static void wrap(backend_table *t)
{
    t->sync = timed_sync;
    t->tensor_read = timed_read;
    t->layer = timed_layer;
    t->batch = timed_batch;
    t->embed = timed_embed;
    t->rmsnorm = timed_rmsnorm;
    t->head_rmsnorm = timed_head_rmsnorm;
    t->matmul = timed_matmul;
    t->matmul_swiglu = timed_matmul_swiglu;
    t->rope = timed_rope;
    t->kv_store = timed_kv_store;
    t->attention = timed_attention;
    t->add = timed_add;
    t->scale = timed_scale;
    t->sigmoid_gate = timed_sigmoid_gate;
    t->gather = timed_gather;
    t->route = timed_route;
    t->experts = timed_experts;
}

static void release(backend_profile *p)
{
    routes_host_release(&p->chosen);
    free(p->called);
    free(p);
}

backend_profile *backend_profile_open(backend *b, const profile_options *opt, error *err)
{
    backend_profile *p = calloc(1, sizeof *p);
    if (!p) {
        error_memory(err, "a profile");
        return NULL;
    }
    *p = (backend_profile){.table = *b->table, .real = b->table, .b = b, .opt = *opt, .layer = -1};
    if (routes_host_open(&p->chosen, opt->max_rows, opt->slots, err)) {
        release(p);
        return NULL;
    }
    wrap(&p->table);
    b->table = &p->table;
    return p;
}

void backend_profile_close(backend_profile *p)
{
    if (!p)
        return;
    assert(p->b->table == &p->table);
    p->b->table = p->real;
    release(p);
}

void backend_profile_reset(backend_profile *p)
{
    p->count = 0;
}

const profile_part *backend_profile_parts(const backend_profile *p, int *n)
{
    *n = p->count;
    return p->parts;
}
