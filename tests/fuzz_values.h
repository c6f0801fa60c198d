/* fuzz_values.h - a mutator for JSON that people may have edited. Included once by a fuzzer.
 *
 * Besides libFuzzer's own changes it puts a value at a place where a value may stand, in the room of
 * the word or number that stands there: those that ranges go wrong at, and those of another type.
 */
#ifndef TESTS_FUZZ_VALUES_H
#define TESTS_FUZZ_VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Where the value behind the first ':', ',' or '[' from `at` on begins; size when there is none. */
static size_t value_from(const uint8_t *data, size_t size, size_t at)
{
    while (at < size && data[at] != ':' && data[at] != ',' && data[at] != '[')
        at++;
    return at < size ? at + 1 : size;
}

static size_t value_end(const uint8_t *data, size_t size, size_t at)
{
    while (at < size && !memchr(",]}\n", data[at], 4))
        at++;
    return at;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char *const values[] = {"0",
                                         "-1",
                                         "1",
                                         "-2147483648",
                                         "2147483647",
                                         "2147483648",
                                         "4294967296",
                                         "1073741824",
                                         "16777216",
                                         "9007199254740993",
                                         "-9223372036854775808",
                                         "1e308",
                                         "1e400",
                                         "-1e400",
                                         "1e-320",
                                         "0.5",
                                         "-0",
                                         "null",
                                         "true",
                                         "[]",
                                         "{}",
                                         "\"\"",
                                         "\"x\"",
                                         "[1e400,-1,null,\"x\"]",
                                         "[[0,null],[1e9,-1e400]]",
                                         "NaN",
                                         "257",
                                         "65537"};
    size_t at = size ? value_from(data, size, (seed >> 8) % size) : 0;
    size_t end = value_end(data, size, at);
    const char *value = values[(seed >> 2) % (sizeof values / sizeof *values)];
    size_t n = strlen(value);
    if (seed % 3 == 0 || at >= size || size - (end - at) + n > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    memmove(data + at + n, data + end, size - end);
    memcpy(data + at, value, n);
    return size - (end - at) + n;
}

#endif
