/* test_quant.c - blocks are read and written as the `gguf` Python package does, bit for bit.
 *
 * The expected values come from tests/fixtures/quant.bin: see make_quant_fixtures.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/dequantize.h"
#include "../kernels/quant.h"
#include "../kernels/quantize.h"

#define QUANTIZED 0x80000000u /* added to the type of rows that are to be quantised */

typedef struct record {
    uint32_t ggml, elements, bytes;
    bool quantized;
    uint8_t *blocks;
    float *values;
} record;

static void read_exactly(FILE *file, void *to, size_t bytes)
{
    assert_int_equal(fread(to, 1, bytes, file), bytes);
}

/* The next record, or 0 at the end of the file. The caller frees both arrays. */
static int next_record(FILE *file, record *r)
{
    uint32_t head[3];
    if (fread(head, sizeof head, 1, file) != 1)
        return 0;
    *r = (record){head[0] & ~QUANTIZED, head[1], head[2], head[0] & QUANTIZED, NULL, NULL};
    r->blocks = malloc(r->bytes);
    r->values = malloc(r->elements * sizeof *r->values);
    if (r->quantized)
        read_exactly(file, r->values, r->elements * sizeof *r->values);
    read_exactly(file, r->blocks, r->bytes);
    if (!r->quantized)
        read_exactly(file, r->values, r->elements * sizeof *r->values);
    return 1;
}

static void check_dequantized(const record *r)
{
    dtype type = dtype_from_ggml(r->ggml);
    assert_true(type < DTYPE_COUNT);
    assert_int_equal(dtype_row_bytes(type, r->elements), r->bytes);
    float *out = malloc(r->elements * sizeof *out);
    dequantize_row(type, r->blocks, out, r->elements);
    for (uint32_t i = 0; i < r->elements; i++)
        if (memcmp(&out[i], &r->values[i], sizeof *out) != 0)
            fail_msg("%s: element %u is %a, expected %a", dtype_describe(type)->name, i,
                     (double)out[i], (double)r->values[i]);
    free(out);
}

static void check_quantized(const record *r)
{
    uint8_t *out = malloc(r->bytes);
    quantize_row(dtype_from_ggml(r->ggml), r->values, out, r->elements);
    assert_memory_equal(out, r->blocks, r->bytes);
    free(out);
}

static void test_fixtures(void **state)
{
    (void)state;
    FILE *file = fopen("tests/fixtures/quant.bin", "rb");
    assert_non_null(file);
    int seen = 0, quantized = 0;
    for (record r; next_record(file, &r); free(r.blocks), free(r.values)) {
        if (r.quantized) {
            check_quantized(&r);
            quantized++;
        } else {
            check_dequantized(&r);
            seen++;
        }
    }
    fclose(file);
    assert_int_equal(seen, DTYPE_COUNT);
    assert_int_equal(quantized, 5);
}

/* The value of a half by its definition, in doubles. */
static double half_value(unsigned half)
{
    int exponent = (int)(half >> 10 & 31);
    double fraction = half & 0x3FF, sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return fraction == 0 ? sign * (double)INFINITY : (double)NAN;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void test_every_half(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x10000; half++) {
        float value = half_to_float((uint16_t)half);
        double exact = half_value(half);
        if (isnan(exact)) {
            assert_true(value != value);
            assert_int_equal(float_to_half(value) & 0x7E00, 0x7E00);
            continue;
        }
        assert_true((double)value == exact && !signbit(value) == !(half & 0x8000));
        assert_int_equal(float_to_half(value), half);
    }
}

static void test_every_bfloat(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        float value = bfloat_to_float((uint16_t)bits);
        uint32_t wide;
        memcpy(&wide, &value, sizeof wide);
        assert_int_equal(wide, bits << 16);
        if (value == value)
            assert_int_equal(float_to_bfloat(value), bits);
        else
            assert_int_equal(float_to_bfloat(value) & 0x7FC0, 0x7FC0);
    }
}

/* Rows of short floats are opened without branches; they are what each is by itself. */
static void test_every_short_float_in_a_row(void **state)
{
    static uint16_t bits[0x10000];
    static float row[0x10000];
    (void)state;
    for (unsigned i = 0; i < 0x10000; i++)
        bits[i] = (uint16_t)i;
    for (int brain = 0; brain < 2; brain++) {
        dequantize_row(brain ? DTYPE_BF16 : DTYPE_F16, bits, row, 0x10000);
        for (unsigned i = 0; i < 0x10000; i++) {
            float one = brain ? bfloat_to_float(bits[i]) : half_to_float(bits[i]);
            assert_memory_equal(&row[i], &one, sizeof one);
        }
    }
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Between two neighbouring halves, the middle goes to the even one, anything beyond to the nearer. */
static void test_half_rounding(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x7BFF; half++) {
        double low = half_value(half), high = half_value(half + 1), middle = (low + high) / 2;
        unsigned even = half & 1 ? half + 1 : half;
        assert_int_equal(float_to_half((float)middle), even);
        assert_int_equal(float_to_half(nextafterf((float)middle, 0)), half);
        assert_int_equal(float_to_half(nextafterf((float)middle, INFINITY)), half + 1);
        assert_int_equal(float_to_half(-(float)middle), even | 0x8000);
    }
    assert_int_equal(float_to_half(65519.996f), 0x7BFF);
    assert_int_equal(float_to_half(65520.0f), 0x7C00);
    assert_int_equal(float_to_half(INFINITY), 0x7C00);
    assert_int_equal(float_to_half(1e-45f), 0);
}

static void test_bfloat_rounding(void **state)
{
    (void)state;
    assert_int_equal(float_to_bfloat(float_of(0x3F808000)), 0x3F80); /* tie to even, down */
    assert_int_equal(float_to_bfloat(float_of(0x3F818000)), 0x3F82); /* tie to even, up */
    assert_int_equal(float_to_bfloat(float_of(0x3F808001)), 0x3F81);
    assert_int_equal(float_to_bfloat(float_of(0x7F7FFFFF)), 0x7F80); /* overflow */
    assert_int_equal(float_to_bfloat(float_of(0x00000001)), 0);
    assert_int_equal(float_to_bfloat(float_of(0x7F800001)) & 0x7F80, 0x7F80);
    assert_true(float_to_bfloat(float_of(0x7F800001)) & 0x7F); /* NaN, not infinity */
}

static void test_descriptions(void **state)
{
    (void)state;
    for (dtype type = 0; type < DTYPE_COUNT; type++) {
        const dtype_info *info = dtype_describe(type);
        assert_int_equal(dtype_from_ggml((uint32_t)info->ggml), type);
        assert_int_equal(dtype_row_bytes(type, 512), 512 / info->block * info->bytes);
    }
    assert_int_equal(dtype_from_ggml(9), DTYPE_COUNT); /* Q8_1: never in files */
    assert_int_equal(dtype_from_ggml(4000000000u), DTYPE_COUNT);
}

/* What was written comes back within half a step; Q5_0 and Q4_0, whose codes end one step early, within
 * one. The others span from the least to the largest. */
static void test_rows_round_trip(void **state)
{
    (void)state;
    const dtype types[] = {DTYPE_F32,  DTYPE_F16,  DTYPE_BF16, DTYPE_Q8_0,
                           DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q4_0, DTYPE_Q4_1};
    const double steps[] = {0,         0x1p-12,   0x1p-9,   1.01 / 254,
                            1.01 / 16, 1.02 / 31, 1.01 / 8, 1.02 / 15};
    float x[64], back[64];
    uint8_t bytes[64 * sizeof(float)];
    for (int i = 0; i < 64; i++)
        x[i] = sinf((float)i);
    for (int t = 0; t < 8; t++) {
        quantize_row(types[t], x, bytes, 64);
        dequantize_row(types[t], bytes, back, 64);
        for (int i = 0; i < 64; i++)
            assert_true(fabs((double)x[i] - (double)back[i]) <= steps[t]);
    }
}

/* Normal numbers, from a fixed seed. */
static void fill_normal(float *x, size_t n, float scale)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(seed >> 40) * 0x1p-24;
        }
        x[i] = scale * (float)(sum - 6);
    }
}

enum { WIDE = 64 * QUANT_K };

/* The root of the squared error over that of the squares. */
static double error_after(dtype type, const float *x, uint8_t *bytes)
{
    static float back[WIDE];
    double off = 0, all = 0;
    quantize_row(type, x, bytes, WIDE);
    dequantize_row(type, bytes, back, WIDE);
    for (int i = 0; i < WIDE; i++) {
        off += pow((double)back[i] - (double)x[i], 2);
        all += pow((double)x[i], 2);
    }
    return sqrt(off / all);
}

/* Blocks of 256: the error on normal numbers of any scale that binary16 has, on a constant, and on what
 * such blocks hold already; a row of zeros is zeros. */
static void test_wide_blocks(void **state)
{
    (void)state;
    const struct {
        dtype type;
        double normal, again;
    } rows[] = {{DTYPE_Q2_K, 0.265, 0.21},
                {DTYPE_Q3_K, 0.145, 0.10},
                {DTYPE_Q4_K, 0.071, 0.05},
                {DTYPE_Q5_K, 0.035, 0.025},
                {DTYPE_Q6_K, 0.0172, 0.013}};
    static float x[WIDE];
    static uint8_t bytes[WIDE];
    for (size_t t = 0; t < sizeof rows / sizeof *rows; t++) {
        dtype type = rows[t].type;
        size_t size = dtype_row_bytes(type, WIDE);
        for (float scale = 1e-3F; scale < 1e6F; scale *= 10) {
            fill_normal(x, WIDE, scale);
            assert_true(error_after(type, x, bytes) <= rows[t].normal);
        }
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 37 % 59);
        dequantize_row(type, bytes, x, WIDE);
        assert_true(error_after(type, x, bytes) <= rows[t].again);
        for (int i = 0; i < WIDE; i++)
            x[i] = -3;
        assert_true(error_after(type, x, bytes) <= 1e-3);
        memset(x, 0, sizeof x);
        quantize_row(type, x, bytes, WIDE);
        for (size_t i = 0; i < size; i++) /* a scale of 0 in Q3_K is 32 */
            assert_true(bytes[i] == 0 || type == DTYPE_Q3_K || type == DTYPE_Q6_K);
        dequantize_row(type, bytes, x, WIDE);
        for (int i = 0; i < WIDE; i++)
            assert_true(x[i] == 0);
    }
}

/* What a type cannot hold is refused, not written as infinity. */
static void test_too_large(void **state)
{
    (void)state;
    const float beyond[] = {NAN, INFINITY, -INFINITY, 1e12F, -3e38F};
    for (int t = 0; t < DTYPE_COUNT; t++)
        for (size_t i = 0; quantize_writes((dtype)t) && i < sizeof beyond / sizeof *beyond; i++) {
            static uint8_t bytes[QUANT_K * sizeof(float)];
            float x[QUANT_K] = {1, [77] = beyond[i]};
            bool holds = isfinite(beyond[i]) && (t == DTYPE_F32 || t == DTYPE_BF16);
            error e = {0};
            assert_int_equal(quantize_row_checked((dtype)t, x, bytes, QUANT_K, &e), holds ? 0 : -1);
            assert_true(holds || strstr(e.text, dtype_describe((dtype)t)->name));
        }
}

/* Scales of blocks times a half: every element is half of what it was, exactly; what has no scale of its
 * own, or no room for it, is refused. */
static void test_scales(void **state)
{
    (void)state;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        dtype type = (dtype)t;
        bool plain = dtype_describe(type)->block == 1;
        assert_int_equal(quantize_scales(type), !plain && t != DTYPE_MXFP4 && t != DTYPE_IQ1_M);
        if (!quantize_scales(type))
            continue;
        uint8_t bytes[2 * 256 * sizeof(float)];
        float before[512], after[512];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(i * 37 % 59); /* no half of such bytes is large */
        dequantize_row(type, bytes, before, 512);
        assert_int_equal(quantize_scale(type, bytes, 512, 1024), 0);
        assert_int_equal(quantize_scale(type, bytes, 512, 0.5F), 0);
        dequantize_row(type, bytes, after, 512);
        for (int i = 0; i < 512; i++)
            assert_true(after[i] == 512 * before[i]);
        assert_int_equal(quantize_scale(type, bytes, 512, 1e9F), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixtures),      cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_every_bfloat),  cmocka_unit_test(test_every_short_float_in_a_row),
        cmocka_unit_test(test_half_rounding), cmocka_unit_test(test_bfloat_rounding),
        cmocka_unit_test(test_descriptions),  cmocka_unit_test(test_rows_round_trip),
        cmocka_unit_test(test_scales),        cmocka_unit_test(test_wide_blocks),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
