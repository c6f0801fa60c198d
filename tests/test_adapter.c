/* test_adapter.c - adapters built in memory: what is put in any order is one adapter, what does not belong
 * together is refused, and each format gives back what it was given, or nothing is left of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/routing/adapter_reader.h"
#include "scratch.h"

enum { WIDTH = 8, FFN = 6, EXPERTS = 4, LAYERS = 3 };

typedef struct numbers {
    float v[WIDTH * WIDTH];
} numbers;

static adapter_tensor matrix(numbers *n, int rows, int cols, int seed)
{
    for (int i = 0; i < rows * cols; i++)
        n->v[i] = (float)((seed * 37 + i * 11) % 23 - 11) / 8;
    return (adapter_tensor){DTYPE_F32, rows, cols, n->v};
}

static model_config model(void)
{
    model_config c = {.arch = ARCH_QWEN3_MOE,
                      .layers = LAYERS,
                      .width = WIDTH,
                      .experts = EXPERTS,
                      .expert_width = FFN};
    for (int i = 0; i < LAYERS; i++)
        c.moe_layer[i] = 1;
    return c;
}

static adapter *new_adapter(void)
{
    adapter *a = adapter_new("made", WIDTH, NULL);
    assert_non_null(a);
    return a;
}

static int put_lora(adapter *a, int layer, int expert, expert_matrix m, int rank, float scale,
                    error *err)
{
    numbers x, y;
    bool down = m == EXPERT_DOWN;
    adapter_lora l = {.expert = expert,
                      .matrix = m,
                      .a = matrix(&x, rank, down ? FFN : WIDTH, layer + expert),
                      .b = matrix(&y, down ? WIDTH : FFN, rank, layer + 2 * expert + 1),
                      .scale = scale};
    return adapter_put_lora(a, layer, &l, err);
}

static int put_added(adapter *a, int layer, int seed, error *err)
{
    numbers n[4];
    adapter_tensor m[EXPERT_MATRICES] = {matrix(&n[0], 5, WIDTH, seed),
                                         matrix(&n[1], 5, WIDTH, seed + 1),
                                         matrix(&n[2], WIDTH, 5, seed + 2)};
    adapter_tensor row = matrix(&n[3], 1, WIDTH, seed + 3);
    return adapter_put_added(a, layer, m, &row, err);
}

/* Everything that an adapter can bring, in an order of the caller's. */
static adapter *everything(bool backwards)
{
    adapter *a = new_adapter();
    numbers n;
    for (int i = 0; i < LAYERS; i++) {
        int layer = backwards ? LAYERS - 1 - i : i;
        for (int k = 0; k < EXPERTS; k++) {
            int e = backwards ? EXPERTS - 1 - k : k;
            adapter_tensor up = matrix(&n, FFN, WIDTH, e);
            assert_int_equal(adapter_put_replaced(a, layer, e, EXPERT_UP, &up, NULL), 0);
            adapter_row row = {e, DTYPE_F32, n.v};
            assert_int_equal(adapter_put_row(a, layer, &row, NULL), 0);
            assert_int_equal(put_lora(a, layer, e, EXPERT_DOWN, 1 + e, 0.5f, NULL), 0);
        }
        assert_int_equal(put_added(a, layer, 1, NULL), 0);
        assert_int_equal(put_added(a, layer, 5, NULL), 0);
    }
    assert_int_equal(adapter_seal(a, NULL), 0);
    return a;
}

static void order_changes_nothing(void **state)
{
    (void)state;
    adapter *a = everything(false), *b = everything(true);
    assert_true(a->hash == b->hash && a->bytes == b->bytes && adapter_same(a, b));
    assert_int_equal(a->layer_count, LAYERS);
    assert_int_equal(adapter_most_added(a), 2);
    const adapter_layer *l = adapter_at(b, 1);
    assert_int_equal(l->layer, 1);
    for (int i = 0; i < EXPERTS; i++)
        assert_true(l->replaced[i].expert == i && l->rows[i].expert == i &&
                    l->loras[i].expert == i);
    assert_int_equal(l->added_rows.rows, 2);
    assert_null(adapter_at(b, LAYERS));
    adapter_close(a);
    adapter_close(b);
}

static void refuses_twice(adapter *a, const char *what)
{
    error err = {0};
    assert_int_equal(adapter_seal(a, &err), -1);
    assert_int_equal(err.code, ERROR_LOAD);
    if (!strstr(err.text, what))
        fail_msg("\"%s\" does not say \"%s\"", err.text, what);
    adapter_close(a);
}

static void nothing_comes_twice(void **state)
{
    (void)state;
    numbers n;
    adapter_tensor up = matrix(&n, FFN, WIDTH, 1);
    adapter *a = new_adapter();
    for (int i = 0; i < 2; i++)
        assert_int_equal(put_lora(a, 1, 2, EXPERT_UP, 2, 1, NULL), 0);
    refuses_twice(a, "layer 1: expert 2: an update");
    a = new_adapter();
    for (int i = 0; i < 2; i++)
        assert_int_equal(adapter_put_replaced(a, 0, 3, EXPERT_GATE, &up, NULL), 0);
    refuses_twice(a, "layer 0: expert 3: gate comes twice");
    refuses_twice(new_adapter(), "brings nothing");
    a = new_adapter();
    n.v[9] = NAN;
    assert_int_equal(adapter_put_replaced(a, 0, 3, EXPERT_GATE, &up, NULL), 0);
    refuses_twice(a, "[1, 1] is not finite");
}

static void shapes_must_agree(void **state)
{
    (void)state;
    numbers x, y;
    adapter *a = new_adapter();
    error err = {0};
    adapter_lora l = {.a = matrix(&x, 2, WIDTH, 1), .b = matrix(&y, FFN, 3, 1), .scale = 1};
    assert_int_equal(adapter_put_lora(a, 0, &l, &err), -1);
    assert_non_null(strstr(err.text, "rank"));
    l.b = matrix(&y, FFN, 2, 1);
    l.scale = INFINITY;
    assert_int_equal(adapter_put_lora(a, 0, &l, &err), -1);
    adapter_tensor wide = matrix(&x, FFN, WIDTH - 1, 1);
    assert_int_equal(adapter_put_replaced(a, 0, 0, EXPERT_UP, &wide, &err), -1);
    assert_int_equal(adapter_put_replaced(a, 0, -1, EXPERT_DOWN, &wide, &err), -1);
    assert_int_equal(put_lora(a, MODEL_MAX_LAYERS, 0, EXPERT_UP, 1, 1, &err), -1);
    adapter_close(a);
}

static void a_scale_is_for_updates(void **state)
{
    (void)state;
    adapter *a = everything(false), *b = new_adapter(), *c = new_adapter();
    error err = {0};
    assert_int_equal(adapter_scale(a, 1, &err), 0);
    assert_int_equal(adapter_scale(a, 0.5, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_int_equal(put_lora(b, 0, 1, EXPERT_UP, 2, 0.5f, NULL), 0);
    assert_int_equal(put_lora(c, 0, 1, EXPERT_UP, 2, 0.25f, NULL), 0);
    assert_int_equal(adapter_seal(b, NULL), 0);
    assert_int_equal(adapter_seal(c, NULL), 0);
    assert_false(adapter_same(b, c));
    assert_int_equal(adapter_scale(b, 0.5, &err), 0);
    assert_true(adapter_same(b, c) && b->hash == c->hash);
    assert_int_equal(adapter_scale(b, NAN, &err), -1);
    adapter_close(a);
    adapter_close(b);
    adapter_close(c);
}

static void a_model_is_held_against_it(void **state)
{
    (void)state;
    adapter *a = everything(false);
    model_config c = model();
    char other[ADAPTER_FINGERPRINT];
    error err = {0};
    memset(a->fingerprint, 'a', sizeof a->fingerprint - 1);
    memset(other, 'b', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    assert_int_equal(adapter_fit(a, &c, NULL, &err), 0);
    assert_int_equal(adapter_fit(a, &c, a->fingerprint, &err), 0);
    assert_int_equal(adapter_fit(a, &c, other, &err), -1);
    assert_true(strstr(err.text, "aaaa") && strstr(err.text, "bbbb"));
    c.experts = EXPERTS - 1;
    assert_int_equal(adapter_fit(a, &c, NULL, &err), -1);
    assert_non_null(strstr(err.text, "expert 3"));
    c = model();
    c.expert_width++;
    assert_int_equal(adapter_fit(a, &c, NULL, &err), -1);
    assert_non_null(strstr(err.text, "[6, 8], the model's is [7, 8]"));
    c = model();
    c.moe_layer[1] = 0;
    assert_int_equal(adapter_fit(a, &c, NULL, &err), -1);
    c.layers = 1;
    assert_int_equal(adapter_fit(a, &c, NULL, &err), -1);
    adapter_close(a);
}

/* ---- files --------------------------------------------------------------------------------------- */

static void round_trip(const adapter *a, adapter_format format, const char *path)
{
    model_config c = model();
    error err = {0};
    if (adapter_write(a, format, path, &c, &err))
        fail_msg("%s", err.text);
    adapter *b = adapter_open(path, &err);
    if (!b)
        fail_msg("%s", err.text);
    assert_true(adapter_same(a, b) && a->hash == b->hash && b->bytes <= a->bytes);
    adapter_close(b);
}

static void every_format_gives_it_back(void **state)
{
    (void)state;
    char folder[SCRATCH], path[128], config[160], tensors[160];
    scratch_folder(folder, "adapter");
    adapter *all = everything(false), *updates = new_adapter();
    for (int e = 0; e < EXPERTS; e += 2)
        for (int m = 0; m < EXPERT_MATRICES; m++)
            assert_int_equal(put_lora(updates, 1, e, (expert_matrix)m, 1 + e, 0.3f, NULL), 0);
    assert_int_equal(adapter_seal(updates, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/own.safetensors", folder);
    round_trip(all, ADAPTER_OWN, path);
    round_trip(updates, ADAPTER_OWN, path);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/lora.gguf", folder);
    round_trip(updates, ADAPTER_GGUF, path);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/peft", folder);
    round_trip(updates, ADAPTER_PEFT, path);
    (void)snprintf(config, sizeof config, "%s/adapter_config.json", path);
    (void)snprintf(tensors, sizeof tensors, "%s/adapter_model.safetensors", path);
    assert_true(unlink(config) == 0 && unlink(tensors) == 0 && rmdir(path) == 0);
    /* What a format cannot say leaves nothing behind. */
    model_config c = model();
    error err = {0};
    assert_int_equal(adapter_write(all, ADAPTER_PEFT, path, &c, &err), -1);
    assert_int_equal(adapter_write(all, ADAPTER_GGUF, path, &c, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_int_equal(put_lora(updates, 2, 0, EXPERT_UP, 1, 0.9f, NULL), 0);
    assert_int_equal(adapter_seal(updates, NULL), 0);
    assert_int_equal(adapter_write(updates, ADAPTER_GGUF, path, &c, &err), -1);
    assert_non_null(strstr(err.text, "scales"));
    assert_int_equal(rmdir(folder), 0);
    adapter_close(all);
    adapter_close(updates);
}

static void bytes_in_memory_are_read_alike(void **state)
{
    (void)state;
    static const char *const broken[] = {"GGUF", "", "{}", "\x02\0\0\0\0\0\0\0{}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        error err = {0};
        assert_null(adapter_read_memory("here", broken[i], strlen(broken[i]), NULL, 0, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "here"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_changes_nothing),
        cmocka_unit_test(nothing_comes_twice),
        cmocka_unit_test(shapes_must_agree),
        cmocka_unit_test(a_scale_is_for_updates),
        cmocka_unit_test(a_model_is_held_against_it),
        cmocka_unit_test(every_format_gives_it_back),
        cmocka_unit_test(bytes_in_memory_are_read_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
