/* test_ridge.c - regressions in closed form: small ones solved by hand, a larger one against its own
 * normal equations, and equal bytes however the rows come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/train/ridge.h"

enum { WIDTH = 21, OUTPUTS = 3, ROWS = 157 };

/* Values of -1 .. 1 that a multiplicative generator gives. */
static float drawn(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (float)((double)(*state >> 40) / 0x1p23 - 1);
}

typedef struct problem {
    float x[ROWS * WIDTH], y[ROWS * OUTPUTS], weight[ROWS];
} problem;

static void draw(problem *p)
{
    uint64_t state = 5;
    for (int i = 0; i < ROWS * WIDTH; i++)
        p->x[i] = drawn(&state) + (i % WIDTH == 0 ? 3.0f : 0.0f);
    for (int i = 0; i < ROWS * OUTPUTS; i++)
        p->y[i] = drawn(&state);
    for (int i = 0; i < ROWS; i++)
        p->weight[i] = 1.5f + drawn(&state);
}

/* Two rows (1, 0) -> 2 and (1, 1) -> 3, the second three times as heavy: m = (2, 1) exactly. */
static void test_exact(void **state)
{
    (void)state;
    const float x[] = {1, 0, 1, 1}, y[] = {2, 3}, weight[] = {1, 3};
    float m[2];
    error err = {0};
    ridge *r = ridge_open(2, 1, &err);
    assert_non_null(r);
    ridge_add(r, x, y, weight, 2);
    assert_int_equal(ridge_solve(r, 0, m, &err), 0);
    assert_true(fabsf(m[0] - 2) < 1e-6f && fabsf(m[1] - 1) < 1e-6f);
    ridge_close(r);
}

/* One row x = (2, 0), y = 3, weight 4: G = diag(16, 0), lambda = 0.5 * 16 / 2 = 4, so m = 24 / 20. */
static void test_share(void **state)
{
    (void)state;
    const float x[] = {2, 0}, y[] = {3}, weight[] = {4};
    float m[2];
    error err = {0};
    ridge *r = ridge_open(2, 1, &err);
    assert_non_null(r);
    ridge_add(r, x, y, weight, 1);
    assert_int_equal(ridge_solve(r, 0.5, m, &err), 0);
    assert_true(fabsf(m[0] - 1.2f) < 1e-6f && m[1] == 0);
    assert_int_equal(ridge_solve(r, 0, m, &err), -1); /* the second direction is open */
    assert_int_equal(err.code, ERROR_RUN);
    ridge_close(r);
}

/* At the minimum the gradient, sum of w (m x - y) x' + lambda m, is zero in every element. */
static void check_minimum(const problem *p, const float *m, double share)
{
    double trace = 0;
    for (int i = 0; i < ROWS * WIDTH; i++)
        trace += (double)p->weight[i / WIDTH] * (double)p->x[i] * (double)p->x[i];
    for (int o = 0; o < OUTPUTS; o++)
        for (int i = 0; i < WIDTH; i++) {
            double gradient = share * trace / WIDTH * (double)m[o * WIDTH + i],
                   size = fabs(gradient);
            for (int row = 0; row < ROWS; row++) {
                double miss = -(double)p->y[row * OUTPUTS + o];
                for (int j = 0; j < WIDTH; j++)
                    miss += (double)m[o * WIDTH + j] * (double)p->x[row * WIDTH + j];
                double part = (double)p->weight[row] * miss * (double)p->x[row * WIDTH + i];
                gradient += part;
                size += fabs(part);
            }
            assert_true(fabs(gradient) < 1e-5 * size);
        }
}

static ridge *filled(const problem *p, int portion, int from, int to)
{
    ridge *r = ridge_open(WIDTH, OUTPUTS, NULL);
    assert_non_null(r);
    for (int at = from, n; at < to; at += n) {
        n = to - at < portion ? to - at : portion;
        ridge_add(r, p->x + at * WIDTH, p->y + at * OUTPUTS, p->weight + at, n);
    }
    return r;
}

static void test_minimum_and_bytes(void **state)
{
    (void)state;
    problem *p = malloc(sizeof *p);
    float first[OUTPUTS * WIDTH], again[OUTPUTS * WIDTH];
    draw(p);
    for (int portion = 1; portion <= ROWS; portion += 39) {
        ridge *r = filled(p, portion, 0, ROWS);
        assert_int_equal(ridge_solve(r, 0.01, portion == 1 ? first : again, NULL), 0);
        if (portion == 1)
            check_minimum(p, first, 0.01);
        else
            assert_memory_equal(first, again, sizeof first);
        ridge_close(r);
    }
    free(p);
}

/* Sums go on from a copy, and the copied handle is not touched. */
static void test_copy(void **state)
{
    (void)state;
    problem *p = malloc(sizeof *p);
    float whole[OUTPUTS * WIDTH], part[OUTPUTS * WIDTH], copied[OUTPUTS * WIDTH];
    draw(p);
    ridge *r = filled(p, ROWS, 0, ROWS), *half = filled(p, ROWS, 0, 80), *to = filled(p, 9, 3, 99);
    assert_int_equal(ridge_solve(r, 0.01, whole, NULL), 0);
    assert_int_equal(ridge_solve(half, 0.01, part, NULL), 0);
    ridge_copy(to, half);
    ridge_add(to, p->x + 80 * WIDTH, p->y + 80 * OUTPUTS, p->weight + 80, ROWS - 80);
    assert_int_equal(ridge_solve(to, 0.01, copied, NULL), 0);
    assert_memory_equal(whole, copied, sizeof whole);
    assert_int_equal(ridge_solve(half, 0.01, copied, NULL), 0);
    assert_memory_equal(part, copied, sizeof part);
    ridge_close(r);
    ridge_close(half);
    ridge_close(to);
    free(p);
}

/* Without weights each row counts once, and NaN is refused, not solved. */
static void test_plain_rows(void **state)
{
    (void)state;
    problem *p = malloc(sizeof *p);
    float plain[OUTPUTS * WIDTH], ones[OUTPUTS * WIDTH];
    draw(p);
    for (int i = 0; i < ROWS; i++)
        p->weight[i] = 1;
    ridge *r = filled(p, ROWS, 0, ROWS), *other = ridge_open(WIDTH, OUTPUTS, NULL);
    assert_non_null(other);
    ridge_add(other, p->x, p->y, NULL, ROWS);
    assert_int_equal(ridge_solve(r, 1e-3, ones, NULL), 0);
    assert_int_equal(ridge_solve(other, 1e-3, plain, NULL), 0);
    assert_memory_equal(ones, plain, sizeof ones);
    p->x[4] = NAN;
    ridge_add(other, p->x, p->y, NULL, 1);
    assert_int_equal(ridge_solve(other, 1e-3, plain, NULL), -1);
    ridge_close(r);
    ridge_close(other);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_minimum_and_bytes),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_plain_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
