/* test_safetensors.c - safetensors headers, accepted and refused; every cut, every flipped byte.
 *
 * Files stand in buffers of exactly their size, so that AddressSanitizer sees one byte too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/formats/safetensors.h"

/* A header, and the number of data bytes that follow it. */
typedef struct text {
    const char *header;
    size_t data;
} text;

static buf file_of(const char *header, size_t data)
{
    buf b = {0};
    uint64_t len = strlen(header);
    assert_int_equal(buf_add(&b, &len, sizeof len, NULL), 0);
    assert_int_equal(buf_text(&b, header, NULL), 0);
    for (size_t i = 0; i < data; i++) {
        char byte = (char)i;
        assert_int_equal(buf_add(&b, &byte, 1, NULL), 0);
    }
    return b;
}

static int read_bytes(const char *bytes, size_t len, tensor_list *l, error *err)
{
    uint8_t *exact = malloc(len ? len : 1);
    uint64_t sum = 0;
    assert_non_null(exact);
    if (len)
        memcpy(exact, bytes, len);
    int result = safetensors_read("x", exact, len, l, err);
    for (size_t i = 0; result == 0 && i < l->len; i++)
        for (uint64_t k = 0; k < l->v[i].bytes; k++)
            sum += ((const uint8_t *)l->v[i].data)[k];
    assert_true(result || l->len == 0 || sum > 0 || l->v[l->len - 1].bytes < 2);
    for (size_t i = 0; i < l->len; i++)
        l->v[i].data = NULL; /* the bytes are gone */
    free(exact);
    return result;
}

static const char good[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
    "\"a\":{\"shape\":[1,2],\"data_offsets\":[0,4],\"dtype\":\"BF16\"},"
    "\"\\u00e9\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[12,14]},"
    "\"empty\":{\"dtype\":\"I64\",\"shape\":[3,0],\"data_offsets\":[14,14]}}  ";

static void reads_tensors(void **state)
{
    buf b = file_of(good, 14);
    tensor_list l = {0};
    error err = {0};
    (void)state;
    assert_int_equal(safetensors_read("x", (const uint8_t *)b.v, b.len, &l, &err), 0);
    assert_int_equal(l.len, 4);
    assert_string_equal(l.v[0].name, "a"); /* file order, not the header's */
    const checkpoint_tensor *t = tensor_list_find(&l, "b", 1);
    assert_int_equal(t->type, DTYPE_F32);
    assert_int_equal(t->dims, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->bytes, 8);
    assert_int_equal(((const char *)t->data)[0], 4);
    t = tensor_list_find(&l, "\xc3\xa9", 2);
    assert_int_equal(t->dims, 0);
    assert_int_equal(t->type, DTYPE_F16);
    t = tensor_list_find(&l, "empty", 5);
    assert_int_equal(t->type, DTYPE_COUNT);
    assert_string_equal(t->type_name, "I64");
    assert_int_equal(t->bytes, 0);
    tensor_list_release(&l);
    buf_release(&b);
}

#define ONE(fields)    "{\"t\":{" fields "}}"
#define F32(shape, at) ONE("\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" at)

static void accepts(void **state)
{
    static const text cases[] = {
        {"{}", 0},
        {"{ }", 0},
        {F32("[1]", "[0,4]"), 4},
        {F32("[]", "[0,4]"), 4},
        {F32("[0]", "[0,0]"), 0},
        {F32("[18446744073709551615,0]", "[0,0]"), 0},
        {F32("[1,1,1,1]", "[0,4]") "\n ", 4},
        {"{\"__metadata__\":{}}", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = file_of(cases[i].header, cases[i].data);
        tensor_list l = {0};
        error err = {0};
        if (read_bytes(b.v, b.len, &l, &err))
            fail_msg("%s: %s", cases[i].header, err.text);
        tensor_list_release(&l);
        buf_release(&b);
    }
}

static void refuses(void **state)
{
    static const text cases[] = {
        {"", 0},
        {"[]", 0},
        {" {}", 0},
        {"\xef\xbb\xbf{}", 0},
        {"{}x", 0},
        {"{", 0},
        {"{}", 1},
        {"{\"t\":1}", 0},
        {"{\"t\":[]}", 0},
        {"{\"t\":{}}", 0},
        {F32("[1]", "[0,4]"), 3},
        {F32("[1]", "[0,4]"), 5},
        {F32("[1]", "[1,5]"), 5},
        {F32("[1]", "[4,0]"), 4},
        {F32("[1]", "[0,4,4]"), 4},
        {F32("[1]", "[0]"), 4},
        {F32("[1]", "[-0,4]"), 4},
        {F32("[1]", "[0,4.0]"), 4},
        {F32("[1]", "[0,4e0]"), 4},
        {F32("[1]", "[0,\"4\"]"), 4},
        {F32("[1]", "[0,18446744073709551620]"), 4},
        {F32("[1]", "4"), 4},
        {F32("[2]", "[0,4]"), 4},
        {F32("[1.0]", "[0,4]"), 4},
        {F32("[[1]]", "[0,4]"), 4},
        {F32("[1,1,1,1,1]", "[0,4]"), 4},
        {F32("[4294967296,4294967296]", "[0,0]"), 0},
        {F32("[2,9223372036854775807]", "[0,4]"), 4},
        {F32("[4611686018427387905]", "[0,4]"), 4},
        {ONE("\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4},
        {ONE("\"dtype\":\"F4\",\"shape\":[8],\"data_offsets\":[0,4]"), 4},
        {ONE("\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]"), 4},
        {ONE("\"dtype\":\"F32\",\"shape\":[1]"), 4},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1"), 4},
        {ONE("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4},
        {"{\"__metadata__\":[]}", 0},
        {"{\"__metadata__\":{\"a\":1}}", 0},
        {"{\"__metadata__\":{\"a\":{}}}", 0},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = file_of(cases[i].header, cases[i].data);
        tensor_list l = {0};
        error err = {0};
        if (read_bytes(b.v, b.len, &l, &err) == 0)
            fail_msg("accepted %s", cases[i].header);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "offset"));
        tensor_list_release(&l);
        buf_release(&b);
    }
}

/* Two shards that share a list may not share a name. */
static void refuses_names_of_other_shards(void **state)
{
    buf b = file_of(F32("[1]", "[0,4]"), 4);
    tensor_list l = {0};
    error err = {0};
    (void)state;
    assert_int_equal(read_bytes(b.v, b.len, &l, &err), 0);
    assert_int_equal(read_bytes(b.v, b.len, &l, &err), -1);
    assert_string_equal(err.text, "x: tensor \"t\" appears twice");
    tensor_list_release(&l);
    buf_release(&b);
}

static void refuses_every_cut(void **state)
{
    buf b = file_of(good, 14);
    (void)state;
    for (size_t n = 0; n < b.len; n++) {
        tensor_list l = {0};
        error err = {0};
        assert_int_equal(read_bytes(b.v, n, &l, &err), -1);
        tensor_list_release(&l);
    }
    buf_release(&b);
}

static void survives_every_flipped_byte(void **state)
{
    static const char masks[] = {0x01, 0x02, (char)0x80, (char)0xff};
    buf b = file_of(good, 14);
    (void)state;
    for (size_t i = 0; i < b.len; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            tensor_list l = {0};
            error err = {0};
            b.v[i] = (char)(b.v[i] ^ masks[m]);
            int result = read_bytes(b.v, b.len, &l, &err);
            assert_true(result == 0 || err.code == ERROR_LOAD);
            tensor_list_release(&l);
            b.v[i] = (char)(b.v[i] ^ masks[m]);
        }
    buf_release(&b);
}

static void opens_directories(void **state)
{
    static const char *const models[] = {"tests/fixtures/models/qwen3_moe",
                                         "tests/fixtures/models/qwen3_moe-sharded"};
    error err = {0};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tensor_list l = {0};
        safetensors *s = safetensors_open(models[i], &l, &err);
        assert_non_null(s);
        assert_non_null(tensor_list_find(&l, "lm_head.weight", 14));
        assert_int_equal(safetensors_intact(s, &err), 0);
        safetensors_close(s);
        tensor_list_release(&l);
    }
    tensor_list l = {0};
    assert_null(safetensors_open("tests/fixtures", &l, &err));
    assert_non_null(strstr(err.text, "has neither model.safetensors nor"));
    tensor_list_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors),     cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),           cmocka_unit_test(refuses_names_of_other_shards),
        cmocka_unit_test(refuses_every_cut), cmocka_unit_test(survives_every_flipped_byte),
        cmocka_unit_test(opens_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
