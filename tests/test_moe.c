/* test_moe.c - the experts of a batch against a naive version in double precision.
 *
 * Banks mix weight types and ffn widths, as when a persona brings experts of its own; some experts
 * get many rows, some one, some none; some slots are empty. The bytes of a row must not depend on
 * which other rows met the same experts.
 */
#include "op_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EXPERTS = 12 };

/* One weight matrix: what the op reads and the values that stand there. */
typedef struct matrix {
    dtype type;
    size_t rows, cols;
    char *stored; /* at an odd address */
    float *values;
} matrix;

typedef struct problem {
    int rows, slots, experts;
    size_t width;
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
    for (int e = 0; e < p->experts; e++) {
        release_matrix(&p->gate[e]);
        release_matrix(&p->up[e]);
        release_matrix(&p->down[e]);
    }
    free(p->x);
    free(p->ids);
    free(p->gates);
}

static void run_experts(backend *b, int first, int n, float *out, const void *user)
{
    const problem *p = user;
    tensor *maps[3][MOST_EXPERTS];
    const matrix *const from[3] = {p->gate, p->up, p->down};
    for (int m = 0; m < 3; m++)
        for (int e = 0; e < p->experts; e++) {
            const matrix *w = &from[m][e];
            maps[m][e] = tensor_map(b, w->type, w->rows, w->cols, w->stored, NULL);
        }
    const layer_routing plain = {.k = p->slots};
    batch_row *rows = calloc((size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++)
        rows[i].routing = &plain;
    expert_bank bank = {p->experts, (const tensor *const *)maps[0], (const tensor *const *)maps[1],
                        (const tensor *const *)maps[2]};
    tensor *x = tensor_of(b, p->x + (size_t)first * p->width, (size_t)n, p->width);
    tensor *y = tensor_of(b, NULL, (size_t)n, p->width);
    routes *r = routes_new(b, n, p->slots, NULL);
    size_t cells = (size_t)n * (size_t)p->slots, at = (size_t)first * (size_t)p->slots;
    memcpy(r->ids, p->ids + at, cells * sizeof *r->ids);
    memcpy(r->gates, p->gates + at, cells * sizeof *r->gates);
    op_layer(b, 0);
    op_batch(b, &(kv_layout){1, 1, 8, DTYPE_F32}, rows, n, NULL, NULL);
    op_experts(b, y, &bank, r, x, 0, n);
    read_rows(b, y, n, out);
    routes_free(b, r);
    free(rows);
    tensor_free(x);
    tensor_free(y);
    for (int m = 0; m < 3; m++)
        for (int e = 0; e < p->experts; e++)
            tensor_free(maps[m][e]);
}

static double multiply(const matrix *m, size_t row, const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < m->cols; j++)
        sum += (double)m->values[row * m->cols + j] * x[j];
    return sum;
}

static void experts_naive(const problem *p, double *out)
{
    double *x = malloc(p->width * sizeof *x), *hidden = malloc(4096 * sizeof *hidden);
    memset(out, 0, (size_t)p->rows * p->width * sizeof *out);
    for (int i = 0; i < p->rows * p->slots; i++) {
        int e = p->ids[i];
        size_t row = (size_t)(i / p->slots) * p->width;
        if (e < 0)
            continue;
        for (size_t j = 0; j < p->width; j++)
            x[j] = (double)p->x[row + j];
        for (size_t f = 0; f < p->gate[e].rows; f++) {
            double gate = multiply(&p->gate[e], f, x);
            hidden[f] = gate / (1 + exp(-gate)) * multiply(&p->up[e], f, x);
        }
        for (size_t j = 0; j < p->width; j++)
            out[row + j] += (double)p->gates[i] * multiply(&p->down[e], j, hidden);
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
        cmocka_unit_test(test_plain_types),
        cmocka_unit_test(test_quantised_types),
        cmocka_unit_test(test_nothing_chosen),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
