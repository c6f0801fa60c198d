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
