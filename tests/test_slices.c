/* test_slices.c - a dense block is cut into slices: planted groups are found and foretold, the loud neurons
 * stay, and what the recipe writes is, put together, the block again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/formats/gguf.h"
#include "../kernels/dequantize.h"
#include "../personas/built_in/builtin_slices.h"
#include "../personas/built_in/voices_slices.h"
#include "scratch.h"

/* GROUPS features of the input; neuron j < GROUPS * EACH answers to feature j % GROUPS, quietly; the
 * others to all of them, loudly. */
enum { GROUPS = 4, EACH = 32, WIDTH = 32, FFN = 256, TOKENS = 400 };

typedef struct block {
    float gate[FFN * WIDTH], up[FFN * WIDTH], down[WIDTH * FFN], x[TOKENS * WIDTH];
    int says[TOKENS]; /* the feature that a token has */
} block;

static float drawn(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (float)((double)(*state >> 40) / 0x1p23 - 1);
}

static block *plant(uint64_t seed)
{
    block *b = calloc(1, sizeof *b);
    assert_non_null(b);
    for (int j = 0; j < FFN; j++) {
        int group = j % GROUPS;
        bool quiet = j < GROUPS * EACH;
        for (int i = 0; i < WIDTH; i++) {
            float noise = 0.05f * drawn(&seed);
            b->gate[j * WIDTH + i] = noise + (i == group || (!quiet && i < GROUPS) ? 3.0f : 0);
            b->up[j * WIDTH + i] = noise + (i == group || (!quiet && i < GROUPS) ? 1.0f : 0);
            b->down[i * FFN + j] = (quiet ? 0.1f : 1.0f) * drawn(&seed);
        }
    }
    for (int t = 0; t < TOKENS; t++) {
        b->says[t] = (int)((drawn(&seed) + 1) * 0.4999f * GROUPS);
        for (int i = 0; i < WIDTH; i++)
            b->x[t * WIDTH + i] = 0.1f * drawn(&seed) + (i == b->says[t] ? 1.0f : 0);
    }
    return b;
}

static slice_source source_of(const block *b)
{
    return (slice_source){b->gate, b->up, b->down, b->x, FFN, WIDTH, TOKENS};
}

static void cut(const block *b, int *neurons, float *rows)
{
    error err = {0};
    gemm *g = gemm_open("baseline", &err);
    const slice_source s = source_of(b);
    if (!g || voices_slice(g, &s, GROUPS, EACH, neurons, rows, &err))
        fail_msg("%s", err.text);
    gemm_close(g);
}

/* A slice is one planted group, and all quiet neurons are in one. */
static void test_groups_are_found(void **state)
{
    (void)state;
    int neurons[GROUPS * EACH], again[GROUPS * EACH];
    float rows[GROUPS * WIDTH], rows_again[GROUPS * WIDTH];
    block *b = plant(7);
    cut(b, neurons, rows);
    for (int s = 0; s < GROUPS; s++)
        for (int i = 0; i < EACH; i++) {
            int j = neurons[s * EACH + i];
            assert_true(j >= 0 && j < GROUPS * EACH);
            assert_int_equal(j % GROUPS, neurons[s * EACH] % GROUPS);
            assert_true(i == 0 || j > neurons[s * EACH + i - 1]);
        }
    cut(b, again, rows_again);
    assert_memory_equal(neurons, again, sizeof neurons);
    assert_memory_equal(rows, rows_again, sizeof rows);
    free(b);
}

/* Two tokens that are far louder than all others, and tie two groups each: two of 400 decide
 * nothing. */
static void test_loud_tokens_do_not_rule(void **state)
{
    (void)state;
    int neurons[GROUPS * EACH];
    float rows[GROUPS * WIDTH];
    block *b = plant(7);
    b->x[0] = b->x[1] = b->x[WIDTH + 2] = b->x[WIDTH + 3] = 40000;
    cut(b, neurons, rows);
    for (int s = 0; s < GROUPS; s++)
        for (int i = 0; i < EACH; i++) {
            assert_true(neurons[s * EACH + i] < GROUPS * EACH);
            assert_int_equal(neurons[s * EACH + i] % GROUPS, neurons[s * EACH] % GROUPS);
        }
    free(b);
}

/* The largest logit is that of the slice whose feature the token has; all are small. */
static void test_router_foretells(void **state)
{
    (void)state;
    int neurons[GROUPS * EACH], right = 0;
    float rows[GROUPS * WIDTH];
    block *b = plant(8);
    cut(b, neurons, rows);
    for (int t = 0; t < TOKENS; t++) {
        int best = 0;
        float z[GROUPS] = {0};
        for (int s = 0; s < GROUPS; s++) {
            for (int i = 0; i < WIDTH; i++)
                z[s] += rows[s * WIDTH + i] * b->x[t * WIDTH + i];
            assert_true(fabsf(z[s]) < 0.5f);
            best = z[s] > z[best] ? s : best;
        }
        right += neurons[best * EACH] % GROUPS == b->says[t];
    }
    assert_true(right > TOKENS * 95 / 100);
    free(b);
}

/* ---- the recipe's part ------------------------------------------------------------------------- */

typedef int putting(const sliced *s, gguf_writer *w, error *err);

static int put_down_rest(const sliced *s, gguf_writer *w, error *err)
{
    return slices_put_rest_columns(s, 2, w, err);
}
static int put_down_slices(const sliced *s, gguf_writer *w, error *err)
{
    return slices_put_columns(s, 8, w, err);
}

/* Writes one tensor of n numbers and reads it back as f32; caller frees. */
static float *write_back(const sliced *s, putting *put, dtype type, size_t rows, size_t cols)
{
    char path[SCRATCH];
    (void)close(scratch_file(path, "slices"));
    error err = {0};
    const uint64_t shape[2] = {rows, cols};
    gguf_writer *w = gguf_writer_open(path, &err);
    if (!w || gguf_writer_text(w, "general.architecture", "none", &err) ||
        gguf_writer_tensor(w, "t", type, 2, shape, &err) || gguf_writer_begin(w, &err) ||
        put(s, w, &err) || gguf_writer_finish(w, &err))
        fail_msg("%s", err.text);
    gguf_writer_close(w);
    tensor_list tensors = {0};
    gguf *g = gguf_open(path, &tensors, &err);
    if (!g)
        fail_msg("%s", err.text);
    const checkpoint_tensor *t = tensor_list_find(&tensors, "t", 1);
    float *out = malloc(rows * cols * sizeof *out);
    assert_true(t && out);
    for (size_t r = 0; r < rows; r++)
        dequantize_row(t->type, (const char *)t->data + r * dtype_row_bytes(t->type, cols),
                       out + r * cols, cols);
    tensor_list_release(&tensors);
    gguf_close(g);
    (void)unlink(path);
    return out;
}

enum { CUT = GROUPS * EACH, REST = FFN - CUT };

/* Every row of gate and every column of down is in the rest or in a slice, once. */
static void test_parts_are_the_block(void **state)
{
    (void)state;
    block *b = plant(9);
    float list[CUT];
    bool in[FFN] = {false};
    for (int i = 0; i < CUT; i++) {
        list[i] = (float)((i * 7 + 3) % FFN);
        in[(i * 7 + 3) % FFN] = true;
    }
    const sliced gate = {
        {.type = DTYPE_F32, .dims = 2, .shape = {FFN, WIDTH}, .data = b->gate}, list, GROUPS, EACH};
    const sliced down = {
        {.type = DTYPE_F32, .dims = 2, .shape = {WIDTH, FFN}, .data = b->down}, list, GROUPS, EACH};
    assert_int_equal(slices_check(&gate, 0, FFN, "list", NULL), 0);
    float *rest = write_back(&gate, slices_put_rest_rows, DTYPE_F32, REST, WIDTH);
    float *rest_down = write_back(&down, put_down_rest, DTYPE_Q8_0, WIDTH, REST);
    float *cut_gate = write_back(&gate, slices_put_rows, DTYPE_Q8_0, CUT, WIDTH);
    float *cut_down = write_back(&down, put_down_slices, DTYPE_Q8_0, GROUPS * WIDTH, EACH);
    for (int j = 0, at = 0; j < FFN; j++) {
        if (in[j])
            continue;
        assert_memory_equal(rest + at * WIDTH, b->gate + j * WIDTH, WIDTH * sizeof(float));
        for (int r = 0; r < WIDTH; r++)
            assert_true(fabsf(rest_down[r * REST + at] - 2 * b->down[r * FFN + j]) <= 1.2f / 127);
        at++;
    }
    for (int i = 0; i < CUT; i++) {
        int j = (int)list[i];
        for (int r = 0; r < WIDTH; r++) {
            float own = cut_down[(i / EACH * WIDTH + r) * EACH + i % EACH];
            assert_true(fabsf(own - 8 * b->down[r * FFN + j]) <= 4 * 1.2f / 127);
            assert_true(fabsf(cut_gate[i * WIDTH + r] - b->gate[j * WIDTH + r]) <=
                        1.6f * 1.2f / 127);
        }
    }
    free(rest);
    free(rest_down);
    free(cut_gate);
    free(cut_down);
    free(b);
}

static void test_lists_are_checked(void **state)
{
    (void)state;
    static const float wrong[] = {-1, FFN, 0.5f, 1, NAN, INFINITY}; /* 1 stands there already */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        float list[CUT];
        error err = {0};
        for (int k = 0; k < CUT; k++)
            list[k] = (float)k;
        list[CUT - 1] = wrong[i];
        const sliced s = {{0}, list, GROUPS, EACH};
        assert_int_equal(slices_check(&s, 3, FFN, "list", &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "blk.3.ffn_slices"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_are_found),  cmocka_unit_test(test_loud_tokens_do_not_rule),
        cmocka_unit_test(test_router_foretells),  cmocka_unit_test(test_parts_are_the_block),
        cmocka_unit_test(test_lists_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
