/* fuzz_gguf.c - any bytes as a GGUF file: read, every value and tensor touched, then configured.
 *
 * The mutator below keeps the inputs interesting: besides libFuzzer's own changes it overwrites
 * eight bytes at some place with a number that sizes like to go wrong at, which a byte-wise
 * mutation would need many lucky steps for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/formats/config.h"
#include "../engine/formats/gguf.h"
#include "fuzz_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       7,
                                       31,
                                       32,
                                       33,
                                       64,
                                       65,
                                       255,
                                       65535,
                                       65536,
                                       INT32_MAX,
                                       0x80000000,
                                       UINT32_MAX,
                                       1ULL << 32,
                                       1ULL << 62,
                                       1ULL << 63,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       UINT64_MAX - 31,
                                       UINT64_MAX / 4,
                                       0x7FFFFFFFFFFFFFC0};
    size_t wide = seed % 3 == 0 ? 4 : 8;
    if (seed % 2 || size < wide)
        return LLVMFuzzerMutate(data, size, max_size);
    uint64_t number = numbers[(seed >> 8) % (sizeof numbers / sizeof *numbers)];
    if (seed % 5 == 0)
        number = (seed >> 4) % 1024;
    memcpy(data + (seed / 7) % (size - wide + 1), &number, wide);
    return size;
}

static uint64_t touch_values(const gguf *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < gguf_count(g); i++) {
        const gguf_value *v = gguf_at(g, i);
        if (gguf_find(g, gguf_key(v)) != v)
            abort();
        for (size_t j = 0; j < gguf_elements(v); j++) {
            int64_t integer = 0;
            double number = 0;
            bool flag = false;
            const char *text;
            size_t len = 0;
            sum += gguf_integer(v, j, &integer) + gguf_number(v, j, &number);
            sum += gguf_bool(v, j, &flag) + flag;
            if (gguf_string(v, j, &text, &len))
                for (size_t k = 0; k < len; k++)
                    sum += (uint8_t)text[k];
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tensor_list tensors = {0};
    model_config config;
    error err = {0};
    gguf *g = gguf_open_memory("input", data, size, &tensors, &err);
    if (g) {
        volatile uint64_t sink = touch_values(g) + touch_tensors(&tensors, data, size);
        (void)sink; /* keeps the reads */
        if (config_from_gguf(g, &tensors, NULL, NULL, &config, &err) == 0 &&
            (config.experts_per_token > config.experts || config.heads % config.kv_heads))
            abort();
    } else if (err.code != ERROR_LOAD) {
        abort();
    }
    gguf_close(g);
    tensor_list_release(&tensors);
    return 0;
}
