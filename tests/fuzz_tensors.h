/* fuzz_tensors.h - what every reader of files owes for the tensors that it hands out. Included once. */
#ifndef TESTS_FUZZ_TENSORS_H
#define TESTS_FUZZ_TENSORS_H

#include <stdint.h>
#include <stdlib.h>

#include "../engine/formats/tensor_list.h"

/* Each lies inside the file; the sum of all bytes, so that they are read. */
static uint64_t touch_tensors(const tensor_list *l, const uint8_t *file, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->len; i++) {
        const checkpoint_tensor *t = &l->v[i];
        const uint8_t *at = t->data;
        if (at < file || t->bytes > size || (size_t)(at - file) > size - t->bytes)
            abort();
        for (uint64_t b = 0; b < t->bytes; b++)
            sum += at[b];
    }
    return sum;
}

#endif
