/* test_moe.c - the experts of a batch against a naive version in double precision.
 *
 * Banks mix weight types and ffn widths, as when a persona brings experts of its own; some experts
 * get many rows, some one, some none; some slots are empty. The bytes of a row must not depend on
 * which other rows met the same experts, nor on what the programs of those change of them.
 */
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EXPERTS = 12, PARTS = 3, MOST_UPDATES = 2 };

/* One weight matrix: what the op reads and the values that stand there. */
typedef struct matrix {
    dtype type;
    size_t rows, cols;
    char *stored; /* at an odd address */
    float *values;
} matrix;

/* B (scale * A x): A as it is stored, B [rank, rows] transposed, f32. */
typedef struct factors {
    matrix a;
    float *b;
    float scale;
} factors;

typedef struct problem {
    int rows, slots, experts;
    size_t width;
    /* Of each expert's gate, up and down, for rows of which every third is not updated. */
    factors updates[MOST_EXPERTS][PARTS][MOST_UPDATES];
    int update_count[MOST_EXPERTS][PARTS];
    int update_rank; /* 0 = no updates at all */
    matrix gate[MOST_EXPERTS], up[MOST_EXPERTS], down[MOST_EXPERTS];
    float *x;     /* [rows, width] */
    int32_t *ids; /* [rows, slots] */
    float *gates;
} problem;

/* Types of 256 have no quantiser here: random codes with a small scale. */
static char *random_blocks(dtype type, size_t rows, size_t cols, unsigned seed)
{
    size_t size = (size_t)dtype_describe(type)->bytes, blocks = rows * cols / QUANT_K;
    size_t at = type == DTYPE_Q6_K ? offsetof(block_q6_k, d) : 0;
    uint16_t d = float_to_half(type == DTYPE_Q6_K ? 1e-4f : 2e-3f);
    char *stored = malloc(blocks * size + 1);
    for (size_t i = 0; i < blocks * size; i++)
        stored[1 + i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < blocks; i++)
        memcpy(stored + 1 + i * size + at, &d, sizeof d);
    return stored + 1;
}

static matrix make_matrix(dtype type, size_t rows, size_t cols, unsigned seed)
{
    matrix m = {type, rows, cols, NULL, malloc(rows * cols * sizeof(float))};
    random_normal(m.values, rows * cols, 0.2f, seed);
    m.stored = dtype_describe(type)->block == QUANT_K ? random_blocks(type, rows, cols, seed)
                                                      : stored_as(type, m.values, rows, cols);
    values_of(type, m.stored, m.values, rows, cols);
    return m;
}

static void release_matrix(matrix *m)
{
    free(m->stored - 1);
    free(m->values);
}

static const matrix *part_of(const problem *p, int expert, int part)
{
    const matrix *const all[PARTS] = {p->gate, p->up, p->down};
    return &all[part][expert];
}

static bool is_updated(const problem *p, int row)
{
    return p->update_rank && row % 3;
}

/* Updates of some experts: none, one or two for a matrix, of different types and ranks. */
static void add_updates(problem *p)
{
    static const dtype types[3] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    for (int e = 0; e < p->experts; e++) {
        int rank = 0;
        for (int part = 0; part < PARTS; part++) {
            const matrix *w = part_of(p, e, part);
            p->update_count[e][part] = (e + part) % (MOST_UPDATES + 1);
            for (int i = 0; i < p->update_count[e][part]; i++) {
                unsigned seed = 200 + 10 * (unsigned)e + 3 * (unsigned)part + (unsigned)i;
                size_t own = 1 + (seed * 7) % 9;
                float *b = malloc(own * w->rows * sizeof *b);
                random_normal(b, own * w->rows, 0.3f, seed + 500);
                p->updates[e][part][i] =
                    (factors){make_matrix(types[seed % 3], own, w->cols, seed), b, 0.5f};
                rank += (int)own;
            }
        }
        p->update_rank = rank > p->update_rank ? rank : p->update_rank;
    }
}

static void release_updates(problem *p)
{
    for (int e = 0; e < p->experts; e++)
        for (int part = 0; part < PARTS; part++)
            for (int i = 0; i < p->update_count[e][part]; i++) {
                release_matrix(&p->updates[e][part][i].a);
                free(p->updates[e][part][i].b);
            }
}

/* Expert e gets types[e % 3] and, where the blocks allow, an ffn of its own. */
static problem make_problem(int rows, int slots, int experts, size_t width, size_t ffn,
                            const dtype types[3], bool ragged)
{
    problem p = {.rows = rows, .slots = slots, .experts = experts, .width = width};
    size_t cells = (size_t)rows * (size_t)slots;
    p.x = malloc((size_t)rows * width * sizeof *p.x);
    p.ids = malloc(cells * sizeof *p.ids);
    p.gates = malloc(cells * sizeof *p.gates);
    random_normal(p.x, (size_t)rows * width, 1, 70);
    random_normal(p.gates, cells, 0.3f, 71);
    for (int e = 0; e < experts; e++) {
        size_t own = ragged ? ffn + 32 * (size_t)(e % 2) : ffn;
        unsigned seed = 80 + 3 * (unsigned)e;
        p.gate[e] = make_matrix(types[e % 3], own, width, seed);
        p.up[e] = make_matrix(types[(e + 1) % 3], own, width, seed + 1);
        p.down[e] = make_matrix(types[(e / 2) % 3], width, own, seed + 2);
    }
    /* The last expert is never chosen; expert 1 by most rows; some slots are empty. */
    for (int i = 0; i < rows; i++)
        for (int s = 0; s < slots; s++) {
            int e = (i * 5 + s * s + s + 1) % (experts - 1);
            p.ids[i * slots + s] = s == 0 && i % 4 ? 1 : (i + s) % 7 == 6 ? -1 : e;
        }
    return p;
}

static void release(problem *p)
{
    release_updates(p);
    for (int e = 0; e < p->experts; e++) {
        release_matrix(&p->gate[e]);
        release_matrix(&p->up[e]);
        release_matrix(&p->down[e]);
    }
    free(p->x);
    free(p->ids);
    free(p->gates);
}

/* The updates of all experts on a backend, as a program's routing points to them. */
typedef struct update_table {
    low_rank v[MOST_EXPERTS][PARTS][MOST_UPDATES];
    expert_update of[MOST_EXPERTS];
    const expert_update *update[MOST_EXPERTS];
    layer_routing routing[2]; /* without them and with them */
} update_table;

static void open_updates(backend *b, const problem *p, update_table *t)
{
    memset(t, 0, sizeof *t);
    t->routing[0] = t->routing[1] = (layer_routing){.k = p->slots};
    t->routing[1].update = t->update;
    t->routing[1].update_rank = p->update_rank;
    for (int e = 0; e < p->experts; e++) {
        low_rank_list *const lists[PARTS] = {&t->of[e].gate, &t->of[e].up, &t->of[e].down};
        bool any = false;
        for (int part = 0; part < PARTS; part++) {
            *lists[part] = (low_rank_list){t->v[e][part], p->update_count[e][part]};
            any = any || p->update_count[e][part];
            for (int i = 0; i < p->update_count[e][part]; i++) {
                const factors *f = &p->updates[e][part][i];
                const matrix *a = &f->a;
                t->v[e][part][i] =
                    (low_rank){tensor_map(b, a->type, a->rows, a->cols, a->stored, NULL),
                               tensor_of(b, f->b, a->rows, part_of(p, e, part)->rows), f->scale};
            }
        }
        t->update[e] = any ? &t->of[e] : NULL;
    }
}

static void close_updates(const problem *p, update_table *t)
{
    for (int e = 0; e < p->experts; e++)
        for (int part = 0; part < PARTS; part++)
            for (int i = 0; i < p->update_count[e][part]; i++) {
                tensor_free((tensor *)(uintptr_t)t->v[e][part][i].a);
                tensor_free((tensor *)(uintptr_t)t->v[e][part][i].b);
            }
}

static void map_bank(backend *b, const problem *p, tensor *maps[PARTS][MOST_EXPERTS])
{
    for (int part = 0; part < PARTS; part++)
        for (int e = 0; e < p->experts; e++) {
            const matrix *w = part_of(p, e, part);
            maps[part][e] = tensor_map(b, w->type, w->rows, w->cols, w->stored, NULL);
        }
}

/* Put in two goes, as when a persona brings experts. */
static expert_bank *make_bank(backend *b, int experts, tensor *maps[PARTS][MOST_EXPERTS])
{
    expert_bank *bank = expert_bank_new(b, NULL);
    int half = experts / 2;
    for (int at = 0; at < experts; at += half ? half : 1) {
        int n = experts - at < half ? experts - at : half ? half : 1;
        assert_int_equal(expert_bank_put(bank, at, n, (const tensor *const *)maps[0] + at,
                                         (const tensor *const *)maps[1] + at,
                                         (const tensor *const *)maps[2] + at, NULL),
                         0);
    }
    assert_int_equal(expert_bank_count(bank), experts);
    return bank;
}

static void run_experts(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *maps[PARTS][MOST_EXPERTS];
    update_table table;
    map_bank(b, p, maps);
    open_updates(b, p, &table);
    batch_row *rows = calloc((size_t)n, sizeof *rows);
    routing_tables *tables[2];
    for (int i = 0; i < 2; i++)
        tables[i] = routing_tables_new(b, &table.routing[i], 1, p->experts, NULL);
    for (int i = 0; i < n; i++)
        rows[i].routing = tables[is_updated(p, first + i)];
    expert_bank *bank = make_bank(b, p->experts, maps);
    tensor *x = tensor_of(b, p->x + (size_t)first * p->width, (size_t)n, p->width);
    tensor *y = tensor_of(b, NULL, (size_t)n, p->width);
    routes *r = routes_new(b, n, p->slots, NULL);
    size_t at = (size_t)first * (size_t)p->slots;
    op_layer(b, 0);
    op_batch(b, &(kv_layout){1, 1, 8, DTYPE_F32}, rows, n, NULL, NULL, 0);
    routes_write(
        b, r, n,
        &(routes_host){
            .slots = p->slots, .ids = p->ids + at, .seen = p->ids + at, .gates = p->gates + at});
    op_experts(b, y, bank, r, x, 0, n);
    read_rows(b, y, n, out);
    routes_free(b, r);
    expert_bank_free(bank);
    for (int i = 0; i < 2; i++)
        routing_tables_free(tables[i]);
    free(rows);
    tensor_free(x);
    tensor_free(y);
    close_updates(p, &table);
    for (int part = 0; part < PARTS; part++)
        for (int e = 0; e < p->experts; e++)
            tensor_free(maps[part][e]);
}

static double multiply(const matrix *m, size_t row, const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < m->cols; j++)
        sum += (double)m->values[row * m->cols + j] * x[j];
    return sum;
}

/* Output `row` of one matrix of an expert, with its updates. */
static double multiply_updated(const problem *p, int e, int part, size_t row, const double *x,
                               bool updated)
{
    const matrix *w = part_of(p, e, part);
    double sum = multiply(w, row, x);
    for (int i = 0; updated && i < p->update_count[e][part]; i++) {
        const factors *f = &p->updates[e][part][i];
        for (size_t j = 0; j < f->a.rows; j++)
            sum += (double)f->b[j * w->rows + row] * (double)f->scale * multiply(&f->a, j, x);
    }
    return sum;
}

static void experts_naive(const problem *p, double *out)
{
    double *x = malloc(p->width * sizeof *x), *hidden = malloc(4096 * sizeof *hidden);
    memset(out, 0, (size_t)p->rows * p->width * sizeof *out);
    for (int i = 0; i < p->rows * p->slots; i++) {
        int e = p->ids[i];
        bool updated = is_updated(p, i / p->slots);
        size_t row = (size_t)(i / p->slots) * p->width;
        if (e < 0)
            continue;
        for (size_t j = 0; j < p->width; j++)
            x[j] = (double)p->x[row + j];
        for (size_t f = 0; f < p->gate[e].rows; f++) {
            double gate = multiply_updated(p, e, 0, f, x, updated);
            hidden[f] = gate / (1 + exp(-gate)) * multiply_updated(p, e, 1, f, x, updated);
        }
        for (size_t j = 0; j < p->width; j++)
            out[row + j] += (double)p->gates[i] * multiply_updated(p, e, 2, j, hidden, updated);
    }
    free(x);
    free(hidden);
}

static void check_problem(const lab *l, problem p, double bound)
{
    double *want = malloc((size_t)p.rows * p.width * sizeof *want);
    experts_naive(&p, want);
    check_case(l, run_experts, &p, p.rows, p.width, want, bound);
    free(want);
    release(&p);
}

static void test_plain_types(void **state)
{
    const dtype f32[3] = {DTYPE_F32, DTYPE_F32, DTYPE_F32};
    const dtype mixed[3] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    check_problem(*state, make_problem(1, 2, 4, 24, 10, f32, false), 1e-11);
    check_problem(*state, make_problem(7, 3, 5, 37, 19, f32, false), 1e-11);
    check_problem(*state, make_problem(33, 4, 9, 40, 70, mixed, true), 1e-11);
}

/* int8 activations move each product by about 1 %, so the bound is wider; a zeroed answer has 1. */
static void test_quantised_types(void **state)
{
    const dtype q8[3] = {DTYPE_Q8_0, DTYPE_Q8_0, DTYPE_Q8_0};
    const dtype mixed[3] = {DTYPE_Q8_0, DTYPE_F32, DTYPE_Q8_0};
    const dtype wide[3] = {DTYPE_Q6_K, DTYPE_Q8_0, DTYPE_BF16};
    const dtype books[3] = {DTYPE_IQ2_XS, DTYPE_IQ2_XXS, DTYPE_IQ3_XXS};
    const dtype other_books[3] = {DTYPE_IQ1_S, DTYPE_IQ3_S, DTYPE_IQ2_S};
    check_problem(*state, make_problem(1, 4, 12, 64, 96, q8, false), 1e-3);
    check_problem(*state, make_problem(50, 4, 12, 96, 64, q8, true), 1e-3);
    check_problem(*state, make_problem(9, 3, 7, 64, 32, mixed, true), 1e-3);
    check_problem(*state, make_problem(12, 2, 6, 256, 256, wide, false), 1e-3);
    check_problem(*state, make_problem(12, 2, 6, 256, 512, books, false), 1e-3);
    check_problem(*state, make_problem(5, 2, 3, 512, 256, other_books, false), 1e-3);
}

static problem updated_problem(int rows, size_t width, size_t ffn, const dtype types[3])
{
    problem p = make_problem(rows, 4, 9, width, ffn, types, true);
    add_updates(&p);
    return p;
}

static void test_updates(void **state)
{
    const dtype mixed[3] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    const dtype q8[3] = {DTYPE_Q8_0, DTYPE_F32, DTYPE_Q8_0};
    const dtype wide[3] = {DTYPE_Q6_K, DTYPE_Q8_0, DTYPE_BF16};
    check_problem(*state, updated_problem(2, 24, 10, mixed), 1e-11);
    check_problem(*state, updated_problem(33, 40, 70, mixed), 1e-11);
    check_problem(*state, updated_problem(50, 96, 64, q8), 1e-3);
    problem p = make_problem(12, 2, 6, 256, 256, wide, false);
    add_updates(&p);
    check_problem(*state, p, 1e-3);
}

/* A row without updates has the same bytes, whatever the programs of the others change. */
static void test_updates_stay_with_their_rows(void **state)
{
    const dtype q8[3] = {DTYPE_Q8_0, DTYPE_F32, DTYPE_Q8_0};
    enum { ROWS = 12, WIDTH = 64 };
    problem p = make_problem(ROWS, 4, 9, WIDTH, 32, q8, true);
    float before[ROWS * WIDTH], after[ROWS * WIDTH];
    backend *b = ((lab *)*state)->backends[0][1];
    run_experts(b, 0, ROWS, before, &p);
    add_updates(&p);
    run_experts(b, 0, ROWS, after, &p);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(memcmp(before + i * WIDTH, after + i * WIDTH, WIDTH * sizeof *after) != 0,
                         is_updated(&p, i));
    release(&p);
}

/* Rows that call no expert get exact zeros. */
static void test_nothing_chosen(void **state)
{
    const dtype f32[3] = {DTYPE_F32, DTYPE_F32, DTYPE_F32};
    problem p = make_problem(3, 2, 3, 16, 8, f32, false);
    float out[3 * 16];
    for (int i = 0; i < 6; i++)
        p.ids[i] = i < 2 ? 0 : -1;
    run_experts(((lab *)*state)->backends[0][1], 0, 3, out, &p);
    for (int j = 0; j < 16; j++)
        assert_true(out[j] != 0 && out[16 + j] == 0 && out[32 + j] == 0);
    for (int i = 0; i < 2; i++)
        p.ids[i] = -1;
    run_experts(((lab *)*state)->backends[0][1], 0, 3, out, &p);
    for (int j = 0; j < 48; j++)
        assert_true(out[j] == 0);
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_types),    cmocka_unit_test(test_quantised_types),
        cmocka_unit_test(test_updates),        cmocka_unit_test(test_updates_stay_with_their_rows),
        cmocka_unit_test(test_nothing_chosen),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
