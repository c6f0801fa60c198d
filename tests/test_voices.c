/* test_voices.c - how trained experts come into one router and one file: what the closed form of the
 * rows promises, on made-up states, and that an experts file reads as it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kernels/dequantize.h"
#include "../personas/built_in/builtin_source.h"
#include "../personas/built_in/voices_file.h"
#include "../personas/built_in/voices_rows.h"
#include "scratch.h"

enum { PERSONAS = 3, EXPERTS = 4, GENERAL = 2, WIDTH = 32, ROWS = 600 };
enum { ALL = PERSONAS * EXPERTS + GENERAL };

static float drawn(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (float)((double)(*state >> 40) / 0x1p23 - 1);
}

/* States that have, like a model's, a common part and, in speech, a part of the speaker's own. */
static void draw_states(float *x, int n, int speaker, uint64_t *seed)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < WIDTH; j++)
            x[i * WIDTH + j] =
                drawn(seed) + (j == 0 ? 2.0f : 0) + (speaker >= 0 && j == speaker + 1 ? 1.5f : 0);
}

static void draw_rows(float *rows, uint64_t *seed)
{
    for (int i = 0; i < ALL * WIDTH; i++)
        rows[i] = i < PERSONAS * EXPERTS * WIDTH ? drawn(seed) : 0;
}

static double logit(const float *rows, int expert, const float *x)
{
    double sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += (double)rows[expert * WIDTH + i] * (double)x[i];
    return sum;
}

static ridge *spoken(uint64_t *seed)
{
    ridge *tell = ridge_open(WIDTH, PERSONAS, NULL);
    assert_non_null(tell);
    float *x = malloc(ROWS * WIDTH * sizeof *x), *y = malloc(ROWS * PERSONAS * sizeof *y);
    for (int p = 0; p < PERSONAS; p++) {
        draw_states(x, ROWS, p, seed);
        for (int i = 0; i < ROWS * PERSONAS; i++)
            y[i] = (i % PERSONAS == p) - 1.0f / PERSONAS;
        ridge_add(tell, x, y, NULL, ROWS);
    }
    free(x);
    free(y);
    return tell;
}

/* Under its own mask nothing changes: the logits of a persona's experts keep their distances. */
static void test_contrast_leaves_each_alone(void **state)
{
    (void)state;
    uint64_t seed = 3;
    float before[ALL * WIDTH], rows[ALL * WIDTH], x[WIDTH];
    draw_rows(before, &seed);
    memcpy(rows, before, sizeof rows);
    voices_router r = {PERSONAS, EXPERTS, GENERAL, WIDTH, rows};
    ridge *tell = spoken(&seed);
    assert_int_equal(voices_contrast(&r, tell, NULL), 0);
    draw_states(x, 1, -1, &seed);
    for (int e = 0; e < PERSONAS * EXPERTS; e++) {
        int first = e / EXPERTS * EXPERTS;
        double was = logit(before, e, x) - logit(before, first, x);
        assert_true(fabs(logit(rows, e, x) - logit(rows, first, x) - was) < 1e-4);
    }
    ridge_close(tell);
}

/* Which persona has the best expert is the one that speaks, nearly always. */
static void test_contrast_tells_who_speaks(void **state)
{
    (void)state;
    uint64_t seed = 4;
    float rows[ALL * WIDTH], *x = malloc(ROWS * WIDTH * sizeof *x);
    draw_rows(rows, &seed);
    for (int i = 0; i < ALL * WIDTH; i++)
        rows[i] *= 0.1f;
    voices_router r = {PERSONAS, EXPERTS, GENERAL, WIDTH, rows};
    ridge *tell = spoken(&seed);
    assert_int_equal(voices_contrast(&r, tell, NULL), 0);
    int right = 0;
    for (int p = 0; p < PERSONAS; p++) {
        draw_states(x, ROWS, p, &seed);
        for (int i = 0; i < ROWS; i++) {
            int best = 0;
            for (int e = 1; e < PERSONAS * EXPERTS; e++)
                if (logit(rows, e, x + i * WIDTH) > logit(rows, best, x + i * WIDTH))
                    best = e;
            right += best / EXPERTS == p;
        }
    }
    assert_true(right > PERSONAS * ROWS * 8 / 10);
    ridge_close(tell);
    free(x);
}

/* On every state that was fitted the general experts stand above all others, by a factor of 3 and 20 nats, and
 * as far apart from each other as before. */
static void test_general_experts_win(void **state)
{
    (void)state;
    uint64_t seed = 5;
    float rows[ALL * WIDTH], again[ALL * WIDTH], before[ALL * WIDTH];
    float *x = malloc(ROWS * WIDTH * sizeof *x), weight[ROWS];
    draw_rows(rows, &seed);
    for (int i = PERSONAS * EXPERTS * WIDTH; i < ALL * WIDTH; i++)
        rows[i] = 0.01f * drawn(&seed);
    memcpy(again, rows, sizeof rows);
    memcpy(before, rows, sizeof rows);
    draw_states(x, ROWS, -1, &seed);
    for (int i = 0; i < ROWS; i++)
        weight[i] = i ? 1 : 30;
    voices_router r = {PERSONAS, EXPERTS, GENERAL, WIDTH, rows}, other = r;
    other.rows = again;
    voices_lead lead;
    assert_int_equal(voices_general(&r, x, weight, ROWS, &lead, NULL), 0);
    assert_true(lead.least > 0.05f && lead.most < 3 && lead.gain > 0);
    for (int i = 0; i < ROWS; i++) {
        double least = 1e9, high = 0, apart = 0, was = 0;
        for (int e = 0; e < ALL; e++) {
            double z = logit(rows, e, x + i * WIDTH);
            if (e >= PERSONAS * EXPERTS)
                least = fmin(least, z);
            else
                high = fmax(high, z);
        }
        for (int e = PERSONAS * EXPERTS; e < ALL; e++) {
            apart = logit(rows, e, x + i * WIDTH) - apart;
            was = logit(before, e, x + i * WIDTH) - was;
        }
        assert_true(least > 2.9 * high && least > high + 19.9 && fabs(apart - was) < 1e-3);
    }
    assert_int_equal(voices_general(&other, x, weight, ROWS, &lead, NULL), 0);
    assert_memory_equal(rows, again, sizeof rows);
    free(x);
}

/* ---- the file ---------------------------------------------------------------------------------- */

enum { NARROW = 32, FIRST = 2, LAYERS = 2 };

static void write_and_open(const voices_bank *b, builtin_bank *back)
{
    char path[SCRATCH];
    (void)close(scratch_file(path, "voices"));
    error err = {0};
    if (voices_file_write(b, path, &err) || builtin_bank_open(back, path, &err))
        fail_msg("%s", err.text);
    (void)unlink(path);
}

static void test_file(void **state)
{
    (void)state;
    static const char *const names[] = {"first", "second"};
    enum { COUNT = 4, PLACES = LAYERS * COUNT * VOICES_MATRICES };
    uint64_t seed = 6;
    float *values = malloc((size_t)PLACES * NARROW * WIDTH * sizeof *values);
    float rows[LAYERS * (COUNT + GENERAL) * WIDTH];
    voices_matrix m[PLACES];
    for (int i = 0; i < PLACES; i++) {
        m[i] = (voices_matrix){DTYPE_F32, values + i * NARROW * WIDTH};
        for (int j = 0; j < NARROW * WIDTH; j++)
            values[i * NARROW * WIDTH + j] = drawn(&seed);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        rows[i] = drawn(&seed);
    float neurons[LAYERS * GENERAL * NARROW];
    for (int i = 0; i < LAYERS * GENERAL * NARROW; i++)
        neurons[i] = (float)i;
    voices_bank b = {names, 2, 2, GENERAL, 2, FIRST, LAYERS, WIDTH, NARROW, rows, neurons, m};
    builtin_bank back;
    write_and_open(&b, &back);
    assert_int_equal(back.personas, COUNT);
    assert_int_equal(back.general, GENERAL);
    assert_int_equal(back.used, 2);
    const checkpoint_tensor *t = builtin_bank_tensor(&back, FIRST + 1, "ffn_gate_inp");
    assert_memory_equal(t->data, rows + (COUNT + GENERAL) * WIDTH, sizeof rows / 2);
    t = builtin_bank_tensor(&back, FIRST + 1, "ffn_slices");
    assert_memory_equal(t->data, neurons + GENERAL * NARROW, sizeof neurons / 2);
    t = builtin_bank_tensor(&back, FIRST, "ffn_down_exps");
    assert_int_equal(t->type, DTYPE_Q8_0);
    t = builtin_bank_tensor(&back, FIRST, "ffn_gate_exps");
    assert_int_equal(t->type, DTYPE_Q5_0);
    float got[WIDTH];
    const float *want = m[VOICES_MATRICES].data; /* of the second expert */
    dequantize_row(t->type, (const char *)t->data + NARROW * dtype_row_bytes(t->type, WIDTH), got,
                   WIDTH);
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabsf(got[i] - want[i]) <= 1.01f / 16);
    builtin_bank_close(&back);
    free(values);
}

/* Without personas only routers and slices are in the file. */
static void test_empty_file(void **state)
{
    (void)state;
    float rows[LAYERS * GENERAL * WIDTH] = {1}, neurons[LAYERS * GENERAL * NARROW] = {1};
    voices_bank b = {NULL, 0, 0, GENERAL, 2, FIRST, LAYERS, WIDTH, NARROW, rows, neurons, NULL};
    builtin_bank back;
    write_and_open(&b, &back);
    assert_int_equal(back.personas, 0);
    assert_int_equal(back.general, GENERAL);
    assert_null(builtin_bank_tensor(&back, FIRST, "ffn_gate_exps"));
    builtin_bank_close(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrast_leaves_each_alone),
        cmocka_unit_test(test_contrast_tells_who_speaks),
        cmocka_unit_test(test_general_experts_win),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_empty_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
