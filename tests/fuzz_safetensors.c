/* fuzz_safetensors.c - any bytes as a safetensors file.
 *
 * A random mutation of a file nearly always breaks the header's length and goes no further. So the
 * first input byte chooses: even, the rest is the file as it is; odd, two bytes say how much data
 * follows a header that is the rest, and a right length is put in front.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/formats/safetensors.h"
#include "fuzz_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every tensor handed out lies inside the file and is found by its name. */
static void check(const tensor_list *l, const uint8_t *file, size_t size)
{
    volatile uint64_t sink = touch_tensors(l, file, size); /* keeps the reads */
    (void)sink;
    for (size_t i = 0; i < l->len; i++)
        if (tensor_list_find(l, l->v[i].name, strlen(l->v[i].name)) != &l->v[i])
            abort();
}

static void read_file(const uint8_t *file, size_t size)
{
    tensor_list l = {0};
    error err = {0};
    if (safetensors_read("input", file, size, &l, &err) == 0)
        check(&l, file, size);
    else if (err.code != ERROR_LOAD)
        abort();
    tensor_list_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (data[0] % 2 == 0) {
        read_file(data + 1, size - 1);
        return 0;
    }
    size_t tail = (size_t)data[1] | (size_t)data[2] << 8;
    uint64_t header = size - 3;
    uint8_t *file = calloc(1, 8 + header + tail);
    if (!file)
        return 0;
    memcpy(file, &header, 8);
    memcpy(file + 8, data + 3, header);
    read_file(file, 8 + header + tail);
    free(file);
    return 0;
}
