/* fuzz_adapter.c - any bytes as an adapter: of one's own layout, of PEFT with its configuration, or GGUF.
 *
 * Input: a byte that says what the rest is, u16 n, n bytes of adapter_config.json; then, for 0, the file
 * as it is; for 1, u16 m and the header of a safetensors file that gets m bytes of data, so that
 * a change of the header keeps it a file. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/routing/adapter_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double sum_of(const adapter_tensor *t)
{
    const unsigned char *at = t->data;
    size_t bytes = (size_t)t->rows * dtype_row_bytes(t->type, (size_t)t->cols);
    double sum = 0;
    if (t->rows < 1 || t->cols < 1 || t->type > DTYPE_BF16 || adapter_wild(t, &(float){0}) >= 0)
        abort();
    for (size_t i = 0; i < bytes; i++)
        sum += at[i];
    return sum;
}

/* Reads every byte that it hands out, and checks what adapter.h promises. */
static void touch(const adapter *a)
{
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        if (l->layer < 0 || l->layer >= MODEL_MAX_LAYERS || l->added_count != l->added_rows.rows ||
            (i && l->layer <= a->layers[i - 1].layer))
            abort();
        if (l->added_count)
            (void)sum_of(&l->added_rows);
        for (int e = 0; e < l->added_count; e++)
            for (int m = 0; m < EXPERT_MATRICES; m++)
                (void)sum_of(&l->added[e].matrix[m]);
        for (int e = 0; e < l->replaced_count; e++)
            for (int m = 0; m < EXPERT_MATRICES; m++)
                if (l->replaced[e].matrix[m].data)
                    (void)sum_of(&l->replaced[e].matrix[m]);
        for (int r = 0; r < l->row_count; r++)
            (void)sum_of(&(adapter_tensor){l->rows[r].type, 1, a->width, l->rows[r].values});
        for (int o = 0; o < l->lora_count; o++) {
            const adapter_lora *u = &l->loras[o];
            (void)sum_of(&u->a);
            (void)sum_of(&u->b);
            if (u->a.rows != u->b.cols || !isfinite(u->scale))
                abort();
        }
    }
}

static void fit(const adapter *a)
{
    model_config c = {
        .arch = ARCH_QWEN3_MOE, .layers = 2, .width = 40, .experts = 7, .expert_width = 20};
    c.moe_layer[0] = c.moe_layer[1] = 1;
    error err = {0};
    (void)adapter_fit(a, &c, NULL, &err);
}

/* Its own file; *size is set. Caller frees. */
static uint8_t *file_of(const uint8_t *data, size_t len, bool header, size_t *size)
{
    size_t more = header && len >= 2 ? (size_t)data[0] | (size_t)data[1] << 8 : 0;
    size_t text = header && len >= 2 ? len - 2 : 0;
    uint64_t length = text;
    *size = header ? 8 + text + more : len;
    uint8_t *file = malloc(*size + 1);
    if (!file)
        abort();
    if (!header) {
        memcpy(file, data, len);
        return file;
    }
    memcpy(file, &length, 8);
    memcpy(file + 8, data + (len >= 2 ? 2 : 0), text);
    memset(file + 8 + text, 0x3c, more);
    return file;
}

static void read_twice(const uint8_t *file, size_t size, const char *config, size_t n)
{
    error err = {0};
    adapter *a = adapter_read_memory("an adapter", file, size, config, n, &err);
    if (!a && !err.text[0])
        abort();
    if (!a)
        return;
    touch(a);
    fit(a);
    adapter *b = adapter_read_memory("an adapter", file, size, config, n, &err);
    if (b && (!adapter_same(a, b) || a->hash != b->hash))
        abort();
    adapter_close(a);
    adapter_close(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size >= 3 ? (size_t)data[1] | (size_t)data[2] << 8 : 0;
    if (size < 3 || n > size - 3)
        return 0;
    size_t bytes;
    uint8_t *file = file_of(data + 3 + n, size - 3 - n, data[0] & 1, &bytes);
    read_twice(file, bytes, (const char *)data + 3, n);
    free(file);
    return 0;
}
