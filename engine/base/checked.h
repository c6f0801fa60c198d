/* checked.h - the one layer of arithmetic on integers that come from files.
 *
 * A model file is written by strangers, so every count, size and offset in it is a lie until
 * proven. Sums and products of such numbers wrap silently in C and have let files write outside
 * their buffers again and again in other loaders, each time at another site. Here no site decides:
 * whatever multiplies or adds file integers calls these functions, and no raw `*` or `+` on such
 * numbers appears in the format readers.
 *
 * Every function returns true when the exact result fits and writes it to *out; false leaves *out
 * alone. The caller knows the field and the offset, so it writes the sentence.
 */
#ifndef ENGINE_CHECKED_H
#define ENGINE_CHECKED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* The next multiple of `alignment` (a power of two) at or above `value`. */
static inline bool checked_align(uint64_t value, uint64_t alignment, uint64_t *out)
{
    uint64_t raised;
    if (!checked_add(value, alignment - 1, &raised))
        return false;
    *out = raised & ~(alignment - 1);
    return true;
}

/* size[0] * ... * size[n-1]; 1 for n = 0. A zero anywhere makes 0 even when the rest would wrap. */
static inline bool checked_product(const uint64_t *size, int n, uint64_t *out)
{
    for (int i = 0; i < n; i++)
        if (size[i] == 0) {
            *out = 0;
            return true;
        }
    uint64_t product = 1;
    for (int i = 0; i < n; i++)
        if (!checked_mul(product, size[i], &product))
            return false;
    *out = product;
    return true;
}

static inline bool checked_size(uint64_t value, size_t *out)
{
    if (value > (uint64_t)PTRDIFF_MAX)
        return false;
    *out = (size_t)value;
    return true;
}

static inline bool checked_int(uint64_t value, int *out)
{
    if (value > (uint64_t)INT_MAX)
        return false;
    *out = (int)value;
    return true;
}

#endif
