/* adapter_support.c - see adapter_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../engine/formats/safetensors_writer.h"
#include "adapter_support.h"

static float *noise(size_t n, uint32_t seed)
{
    float *v = malloc(n * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = ((float)(seed >> 8) / 8388608.0f - 1.0f) * 0.7f;
    }
    return v;
}

static void declare(safetensors_writer *w, int layer, const adapter_plan *plan)
{
    char name[96];
    uint64_t router[2] = {(uint64_t)plan->count, ADAPTER_SUPPORT_WIDTH};
    uint64_t tall[2] = {(uint64_t)plan->ffn, ADAPTER_SUPPORT_WIDTH},
             flat[2] = {ADAPTER_SUPPORT_WIDTH, (uint64_t)plan->ffn};
    (void)snprintf(name, sizeof name, "model.layers.%d.mlp.gate.weight", layer);
    assert_int_equal(safetensors_writer_tensor(w, name, 2, router, NULL), 0);
    for (int e = 0; e < plan->count; e++) {
        static const char *const parts[] = {"gate", "up", "down"};
        for (int p = 0; p < 3; p++) {
            (void)snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.%s_proj.weight",
                           layer, e, parts[p]);
            assert_int_equal(safetensors_writer_tensor(w, name, 2, p < 2 ? tall : flat, NULL), 0);
        }
    }
}

void adapter_support_write(const adapter_plan *plan, uint32_t seed)
{
    error err = {0};
    safetensors_writer *w = safetensors_writer_open(plan->path, &err);
    assert_non_null(w);
    size_t values = 0;
    for (int layer = 0; layer < 2; layer++) {
        if (!(plan->layers >> layer & 1))
            continue;
        declare(w, layer, plan);
        values += (size_t)plan->count * ADAPTER_SUPPORT_WIDTH * (1 + 3 * (size_t)plan->ffn);
    }
    float *v = noise(values, seed);
    assert_int_equal(safetensors_writer_begin(w, &err), 0);
    assert_int_equal(safetensors_writer_data(w, v, values, &err), 0);
    assert_int_equal(safetensors_writer_finish(w, &err), 0);
    safetensors_writer_close(w);
    free(v);
}

/* ---- in memory ----------------------------------------------------------------------------------- */

/* A matrix of the next random values. */
static adapter_tensor random_tensor(float *values, int rows, int cols, uint32_t *seed)
{
    for (int i = 0; i < rows * cols; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        values[i] = ((float)(*seed >> 8) / 8388608.0f - 1.0f) * 0.7f;
    }
    return (adapter_tensor){DTYPE_F32, rows, cols, values};
}

enum { LARGEST = ADAPTER_SUPPORT_WIDTH * ADAPTER_SUPPORT_FFN };

static void shape_of(int matrix, int *rows, int *cols)
{
    *rows = matrix == EXPERT_DOWN ? ADAPTER_SUPPORT_WIDTH : ADAPTER_SUPPORT_FFN;
    *cols = matrix == EXPERT_DOWN ? ADAPTER_SUPPORT_FFN : ADAPTER_SUPPORT_WIDTH;
}

static int put_added(adapter *a, int layer, int count, uint32_t *seed, error *err)
{
    float values[EXPERT_MATRICES][LARGEST], row[ADAPTER_SUPPORT_WIDTH];
    for (int e = 0; e < count; e++) {
        adapter_tensor all[EXPERT_MATRICES];
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            int rows, cols;
            shape_of(m, &rows, &cols);
            all[m] = random_tensor(values[m], rows, cols, seed);
        }
        adapter_tensor of_router = random_tensor(row, 1, ADAPTER_SUPPORT_WIDTH, seed);
        if (adapter_put_added(a, layer, all, &of_router, err))
            return -1;
    }
    return 0;
}

static int put_replaced(adapter *a, int layer, int expert, uint32_t *seed, error *err)
{
    float values[LARGEST];
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        int rows, cols;
        shape_of(m, &rows, &cols);
        adapter_tensor t = random_tensor(values, rows, cols, seed);
        if (adapter_put_replaced(a, layer, expert, (expert_matrix)m, &t, err))
            return -1;
    }
    return 0;
}

static int put_loras(adapter *a, int layer, int expert, float scale, uint32_t *seed, error *err)
{
    float of_a[ADAPTER_SUPPORT_RANK * ADAPTER_SUPPORT_WIDTH];
    float of_b[ADAPTER_SUPPORT_RANK * ADAPTER_SUPPORT_WIDTH];
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        int rows, cols;
        shape_of(m, &rows, &cols);
        adapter_lora lora = {.expert = expert,
                             .matrix = (expert_matrix)m,
                             .a = random_tensor(of_a, ADAPTER_SUPPORT_RANK, cols, seed),
                             .b = random_tensor(of_b, rows, ADAPTER_SUPPORT_RANK, seed),
                             .scale = scale};
        if (adapter_put_lora(a, layer, &lora, err))
            return -1;
    }
    return 0;
}

static int put_layer(adapter *a, int layer, const adapter_kinds *k, uint32_t *seed, error *err)
{
    float row[ADAPTER_SUPPORT_WIDTH];
    if (put_added(a, layer, k->added, seed, err))
        return -1;
    for (const int *e = k->replaced; e && *e >= 0; e++)
        if (put_replaced(a, layer, *e, seed, err))
            return -1;
    for (const int *e = k->rows; e && *e >= 0; e++) {
        adapter_tensor t = random_tensor(row, 1, ADAPTER_SUPPORT_WIDTH, seed);
        if (adapter_put_row(a, layer, &(adapter_row){*e, DTYPE_F32, t.data}, err))
            return -1;
    }
    for (const int *e = k->loras; e && *e >= 0; e++)
        if (put_loras(a, layer, *e, k->scale, seed, err))
            return -1;
    return 0;
}

adapter *adapter_support_make(const adapter_kinds *kinds, uint32_t seed, error *err)
{
    adapter *a = adapter_new("", ADAPTER_SUPPORT_WIDTH, err);
    int result = a ? 0 : -1;
    for (int layer = 0; layer < 2 && !result; layer++)
        result = put_layer(a, layer, kinds, &seed, err);
    if (!result && adapter_seal(a, err) == 0)
        return a;
    adapter_close(a);
    return NULL;
}
