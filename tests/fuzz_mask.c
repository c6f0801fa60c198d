/* fuzz_mask.c - any bytes as a mask, applied to a model of 24 layers and 60 experts, some of whose
 * layers have none. Nothing outside of the tables is written (ASan), and no bias is infinite. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/routing/mask.h"
#include "fuzz_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LAYERS = 24, EXPERTS = 60 };

static void apply(const mask *m)
{
    model_config c = {.layers = LAYERS, .experts = EXPERTS, .experts_per_token = 4};
    error err = {0};
    size_t n = (size_t)LAYERS * EXPERTS;
    mask_tables t = {malloc(n), calloc(n, 1), calloc(n, sizeof(float)), NULL};
    if (!t.allowed || !t.named || !t.bias)
        abort();
    memset(t.allowed, 1, n);
    for (int i = 0; i < LAYERS; i++)
        c.moe_layer[i] = i % 5 != 0;
    (void)mask_apply(m, &c, NULL, &t, &err);
    for (size_t i = 0; i < n; i++)
        if (t.allowed[i] > 1 || t.named[i] > 1 || !isfinite(t.bias[i]))
            abort();
    free(t.allowed);
    free(t.named);
    free(t.bias);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    mask *m = mask_read("a mask", (const char *)data, size, &err);
    if (m)
        apply(m);
    else if (!err.text[0])
        abort();
    mask_close(m);
    return 0;
}
