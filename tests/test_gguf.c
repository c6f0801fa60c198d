/* test_gguf.c - GGUF files built byte by byte: what is read, what is refused, what every cut and
 * every flipped byte does.
 *
 * Files stand in buffers of exactly their size, so that AddressSanitizer sees one byte too far; one test
 * sees it without. A build without the check of bounds must fail here: see `plants` in the Makefile.
 * (Whole broken models and the program's messages: malformed.py.)
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/formats/config.h"
#include "../engine/formats/gguf.h"

/* ---- building files ------------------------------------------------------------------------- */

static void put(buf *b, const void *bytes, size_t n)
{
    assert_int_equal(buf_add(b, bytes, n, NULL), 0);
}

static void put_u32(buf *b, uint32_t v)
{
    put(b, &v, sizeof v);
}

static void put_u64(buf *b, uint64_t v)
{
    put(b, &v, sizeof v);
}

static void put_string(buf *b, const char *text)
{
    put_u64(b, strlen(text));
    put(b, text, strlen(text));
}

static void put_header(buf *b, uint32_t version, uint64_t tensors, uint64_t keys)
{
    put(b, "GGUF", 4);
    put_u32(b, version);
    put_u64(b, tensors);
    put_u64(b, keys);
}

static void put_tensor(buf *b, const char *name, uint32_t type, uint64_t ne0, uint64_t ne1,
                       uint64_t offset)
{
    put_string(b, name);
    put_u32(b, ne1 ? 2 : 1);
    put_u64(b, ne0);
    if (ne1)
        put_u64(b, ne1);
    put_u32(b, type);
    put_u64(b, offset);
}

static void put_padding(buf *b, size_t alignment)
{
    while (b->len % alignment)
        put(b, "", 1);
}

/* Every type of value, arrays of some, and two tensors: F32 [3, 2] and Q8_0 [1, 32]. */
static buf sample(void)
{
    buf b = {0};
    int8_t i8 = -8;
    int16_t i16 = -16;
    int32_t i32 = -32;
    int64_t i64 = -64;
    uint16_t u16 = 16;
    float f32 = 1.5f;
    double f64 = 2.5;
    put_header(&b, 3, 2, 15);
    put_string(&b, "u8"), put_u32(&b, GGUF_U8), put(&b, "\x08", 1);
    put_string(&b, "i8"), put_u32(&b, GGUF_I8), put(&b, &i8, 1);
    put_string(&b, "u16"), put_u32(&b, GGUF_U16), put(&b, &u16, 2);
    put_string(&b, "i16"), put_u32(&b, GGUF_I16), put(&b, &i16, 2);
    put_string(&b, "u32"), put_u32(&b, GGUF_U32), put_u32(&b, 32);
    put_string(&b, "i32"), put_u32(&b, GGUF_I32), put(&b, &i32, 4);
    put_string(&b, "f32"), put_u32(&b, GGUF_F32), put(&b, &f32, 4);
    put_string(&b, "bool"), put_u32(&b, GGUF_BOOL), put(&b, "\x01", 1);
    put_string(&b, "string"), put_u32(&b, GGUF_STRING), put_string(&b, "text");
    put_string(&b, "u64"), put_u32(&b, GGUF_U64), put_u64(&b, UINT64_MAX);
    put_string(&b, "i64"), put_u32(&b, GGUF_I64), put(&b, &i64, 8);
    put_string(&b, "f64"), put_u32(&b, GGUF_F64), put(&b, &f64, 8);
    put_string(&b, "words"), put_u32(&b, GGUF_ARRAY), put_u32(&b, GGUF_STRING), put_u64(&b, 3);
    put_string(&b, "one"), put_string(&b, ""), put_string(&b, "three");
    put_string(&b, "shorts"), put_u32(&b, GGUF_ARRAY), put_u32(&b, GGUF_I16), put_u64(&b, 2);
    put(&b, &i16, 2), put(&b, &i16, 2);
    put_string(&b, "none"), put_u32(&b, GGUF_ARRAY), put_u32(&b, GGUF_STRING), put_u64(&b, 0);
    put_tensor(&b, "first", 0, 2, 3, 0);
    put_tensor(&b, "second", 8, 32, 0, 32);
    put_padding(&b, 32);
    for (int i = 0; i < 6; i++) {
        float v = (float)i;
        put(&b, &v, sizeof v);
    }
    put_padding(&b, 32);
    put(&b, "0123456789012345678901234567890123", 34);
    put_padding(&b, 32);
    return b;
}

/* ---- opening -------------------------------------------------------------------------------- */

typedef struct opened {
    char *bytes;
    tensor_list tensors;
    gguf *gguf;
    error err;
} opened;

static opened open_bytes(const char *bytes, size_t len)
{
    opened o = {.bytes = malloc(len ? len : 1)};
    assert_non_null(o.bytes);
    if (len)
        memcpy(o.bytes, bytes, len);
    o.gguf = gguf_open_memory("x", o.bytes, len, &o.tensors, &o.err);
    return o;
}

static void close_opened(opened *o)
{
    gguf_close(o->gguf);
    tensor_list_release(&o->tensors);
    free(o->bytes);
}

/* Opens what is in *b, releases it, and expects a refusal with `words` in the sentence. */
static void assert_refused(buf *b, const char *words)
{
    opened o = open_bytes(b->v, b->len);
    assert_null(o.gguf);
    assert_int_equal(o.err.code, ERROR_LOAD);
    if (!strstr(o.err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, o.err.text);
    close_opened(&o);
    buf_release(b);
}

/* ---- values --------------------------------------------------------------------------------- */

static void reads_every_type(void **state)
{
    static const struct {
        const char *key;
        int64_t value;
    } integers[] = {{"u8", 8},   {"i8", -8},   {"u16", 16}, {"i16", -16},
                    {"u32", 32}, {"i32", -32}, {"i64", -64}};
    buf b = sample();
    opened o = open_bytes(b.v, b.len);
    const gguf *g = o.gguf;
    int64_t integer;
    double number;
    bool flag = false;
    const char *text;
    size_t len;
    (void)state;
    assert_non_null(g);
    assert_int_equal(gguf_count(g), 15);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        assert_int_equal(gguf_get_integer(g, integers[i].key, -100, 100, &integer, &o.err), 1);
        assert_int_equal(integer, integers[i].value);
        assert_int_equal(gguf_get_number(g, integers[i].key, -100, 100, &number, &o.err), 1);
        assert_true(number == (double)integers[i].value);
    }
    assert_int_equal(gguf_get_number(g, "f32", 0, 9, &number, &o.err), 1);
    assert_true(number == 1.5);
    assert_int_equal(gguf_get_number(g, "f64", 0, 9, &number, &o.err), 1);
    assert_true(number == 2.5);
    assert_int_equal(gguf_get_bool(g, "bool", &flag, &o.err), 1);
    assert_true(flag);
    assert_int_equal(gguf_get_string(g, "string", &text, &len, &o.err), 1);
    assert_int_equal(len, 4);
    assert_memory_equal(text, "text", 4);
    close_opened(&o);
    buf_release(&b);
}

static void refuses_other_types(void **state)
{
    buf b = sample();
    opened o = open_bytes(b.v, b.len);
    const gguf *g = o.gguf;
    int64_t integer = 7;
    double number = 7;
    bool flag;
    const char *text;
    size_t len;
    const gguf_value *v;
    (void)state;
    assert_int_equal(gguf_get_integer(g, "u32", 0, 31, &integer, &o.err), -1);
    assert_string_equal(o.err.text, "x: u32 is 32, expected 0 to 31");
    assert_int_equal(gguf_get_integer(g, "u64", 0, INT64_MAX, &integer, &o.err), -1);
    assert_non_null(strstr(o.err.text, "18446744073709551615"));
    assert_int_equal(gguf_get_integer(g, "f32", 0, 9, &integer, &o.err), -1);
    assert_int_equal(gguf_get_integer(g, "string", 0, 9, &integer, &o.err), -1);
    assert_string_equal(o.err.text, "x: string is of type string, expected an integer");
    assert_int_equal(gguf_get_integer(g, "shorts", -99, 9, &integer, &o.err), -1);
    assert_string_equal(o.err.text, "x: shorts is an array of i16, expected an integer");
    assert_int_equal(gguf_get_number(g, "string", 0, 9, &number, &o.err), -1);
    assert_int_equal(gguf_get_number(g, "f32", 2, 9, &number, &o.err), -1);
    assert_int_equal(gguf_get_bool(g, "u8", &flag, &o.err), -1);
    assert_int_equal(gguf_get_string(g, "words", &text, &len, &o.err), -1);
    assert_int_equal(gguf_get_array(g, "words", GGUF_I32, &v, &o.err), -1);
    assert_string_equal(o.err.text, "x: words is an array of string, expected an array of i32");
    assert_int_equal(gguf_get_array(g, "u8", GGUF_U8, &v, &o.err), -1);
    assert_int_equal(gguf_get_integer(g, "absent", 0, 9, &integer, &o.err), 0);
    assert_true(integer == 7 && number == 7);
    close_opened(&o);
    buf_release(&b);
}

static void reads_arrays(void **state)
{
    static const char *const words[] = {"one", "", "three"};
    buf b = sample();
    opened o = open_bytes(b.v, b.len);
    const gguf_value *v = NULL;
    const char *text;
    size_t len;
    int64_t integer;
    bool flag;
    (void)state;
    assert_int_equal(gguf_get_array(o.gguf, "words", GGUF_STRING, &v, &o.err), 1);
    assert_int_equal(gguf_elements(v), 3);
    for (size_t i = 3; i-- > 0;) {
        assert_true(gguf_string(v, i, &text, &len));
        assert_int_equal(len, strlen(words[i]));
        assert_memory_equal(text, words[i], len);
        assert_false(gguf_integer(v, i, &integer));
    }
    assert_int_equal(gguf_get_array(o.gguf, "shorts", GGUF_I16, &v, &o.err), 1);
    assert_true(gguf_integer(v, 1, &integer));
    assert_int_equal(integer, -16);
    assert_false(gguf_bool(v, 1, &flag));
    assert_int_equal(gguf_get_array(o.gguf, "none", GGUF_STRING, &v, &o.err), 1);
    assert_int_equal(gguf_elements(v), 0);
    assert_int_equal(gguf_value_type(v), GGUF_ARRAY);
    close_opened(&o);
    buf_release(&b);
}

static void reads_tensors(void **state)
{
    buf b = sample();
    opened o = open_bytes(b.v, b.len);
    float v;
    (void)state;
    assert_non_null(o.gguf);
    assert_int_equal(o.tensors.len, 2);
    const checkpoint_tensor *t = tensor_list_find(&o.tensors, "first", 5);
    assert_ptr_equal(t, &o.tensors.v[0]);
    assert_int_equal(t->type, DTYPE_F32);
    assert_int_equal(t->dims, 2);
    assert_int_equal(t->shape[0], 3); /* the file's ne = [2, 3], reversed */
    assert_int_equal(t->shape[1], 2);
    memcpy(&v, (const char *)t->data + 5 * sizeof v, sizeof v);
    assert_true(v == 5);
    t = tensor_list_find(&o.tensors, "second", 6);
    assert_int_equal(t->bytes, 34);
    assert_string_equal(t->type_name, "Q8_0");
    assert_memory_equal(t->data, "0123", 4);
    assert_null(tensor_list_find(&o.tensors, "third", 5));
    close_opened(&o);
    buf_release(&b);
}

/* ---- broken files --------------------------------------------------------------------------- */

static void refuses_every_cut(void **state)
{
    buf b = sample();
    size_t needed = b.len - 30; /* the padding behind the last tensor may be missing */
    (void)state;
    for (size_t n = 0; n <= b.len; n++) {
        opened o = open_bytes(b.v, n);
        assert_true((o.gguf != NULL) == (n >= needed));
        close_opened(&o);
    }
    buf_release(&b);
}

/* Every beginning of the file in front of a page that may not be touched, in a process of its own:
 * reading one byte too many ends it, also where no sanitizer looks. */
static void reads_nothing_behind_the_end(void **state)
{
    buf b = sample();
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (b.len / page + 1) * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status;
    (void)state;
    assert_true(map != MAP_FAILED && mprotect(map + room, page, PROT_NONE) == 0);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the tests */
        for (size_t n = 0; n <= b.len; n++) {
            tensor_list tensors = {0};
            error err = {0};
            memcpy(map + room - n, b.v, n);
            gguf_close(gguf_open_memory("x", map + room - n, n, &tensors, &err));
            tensor_list_release(&tensors);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(munmap(map, room + page), 0);
    buf_release(&b);
}

/* Any byte of the header changed in any of three ways: refused or read, never a wild pointer. */
static void survives_every_flipped_byte(void **state)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    buf b = sample();
    size_t accepted = 0;
    (void)state;
    for (size_t i = 0; i < b.len; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            uint64_t sum = 0;
            b.v[i] = (char)(b.v[i] ^ (char)masks[m]);
            opened o = open_bytes(b.v, b.len);
            for (size_t t = 0; o.gguf && t < o.tensors.len; t++)
                for (uint64_t k = 0; k < o.tensors.v[t].bytes; k++)
                    sum += ((const uint8_t *)o.tensors.v[t].data)[k];
            accepted += o.gguf != NULL && sum > 0;
            assert_true(o.gguf || o.err.code == ERROR_LOAD);
            close_opened(&o);
            b.v[i] = (char)(b.v[i] ^ (char)masks[m]);
        }
    assert_true(accepted > 0); /* the bytes of the data section, at least */
    buf_release(&b);
}

static buf header(uint64_t tensors, uint64_t keys)
{
    buf b = {0};
    put_header(&b, 3, tensors, keys);
    return b;
}

static void refuses_counts(void **state)
{
    static const uint64_t counts[] = {UINT64_MAX, 1ULL << 63, 1ULL << 32, GGUF_MAX_KEYS + 1, 1};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        buf keys = header(0, counts[i]), tensors = header(counts[i], 0);
        assert_refused(&keys, "offset 16: the number of keys");
        assert_refused(&tensors, "offset 8: the number of tensors");
    }
}

static void refuses_wrapping_sizes(void **state)
{
    static const struct {
        uint64_t ne0, ne1;
        uint32_t type;
    } cases[] = {{1ULL << 32, 1ULL << 32, 0}, {1ULL << 31, 1ULL << 32, 0},       {UINT64_MAX, 1, 0},
                 {INT64_MAX, 1, 24},          {(UINT64_MAX / 4) & ~31ULL, 0, 0}, {1ULL << 62, 1, 0},
                 {INT64_MAX & ~31ULL, 1, 8}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = header(1, 0);
        put_tensor(&b, "t", cases[i].type, cases[i].ne0, cases[i].ne1, 0);
        put_padding(&b, 32);
        put(&b, "0123456789abcdef", 16);
        assert_refused(&b, "\"t\"");
    }
    buf b = header(2, 0);
    put_tensor(&b, "t", 24, 0x7FFFFFFFFFFFFFC0, 0, 0);
    put_tensor(&b, "u", 24, 0x7FFFFFFFFFFFFFC0, 0, 0x7FFFFFFFFFFFFFC0);
    put_padding(&b, 32);
    assert_refused(&b, "\"t\"");
}

/* The largest header of keys must not take more than four times its size, nor long. */
static void takes_the_most_keys(void **state)
{
    buf b = header(0, GGUF_MAX_KEYS);
    (void)state;
    for (uint32_t i = 0; i < GGUF_MAX_KEYS; i++) {
        char key[8] = {0};
        for (int d = 0; d < 5; d++)
            key[d] = (char)('a' + (i >> (4 * d)) % 16);
        put_string(&b, key), put_u32(&b, GGUF_U8), put(&b, "\x07", 1);
    }
    opened o = open_bytes(b.v, b.len);
    assert_non_null(o.gguf);
    assert_non_null(gguf_find(o.gguf, "aaaaa"));
    assert_null(gguf_find(o.gguf, "zzzzz"));
    close_opened(&o);
    memcpy(b.v + b.len - 10, "aaaaa", 5);
    assert_refused(&b, "appears twice");
}

/* ---- files ---------------------------------------------------------------------------------- */

static void opens_split_files(void **state)
{
    tensor_list tensors = {0};
    error err = {0};
    (void)state;
    gguf *g =
        gguf_open("tests/fixtures/models/qwen3_moe-sharded-00001-of-00003.gguf", &tensors, &err);
    assert_non_null(g);
    assert_int_equal(tensors.len, 27);
    assert_int_equal(gguf_intact(g, &err), 0);
    assert_non_null(strstr(gguf_path(g), "00001-of-00003"));
    gguf_close(g);
    tensor_list_release(&tensors);
    assert_null(
        gguf_open("tests/fixtures/models/qwen3_moe-sharded-00002-of-00003.gguf", &tensors, &err));
    assert_non_null(strstr(err.text, "name the first, "));
    tensor_list_release(&tensors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(reads_arrays),
        cmocka_unit_test(reads_tensors),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(reads_nothing_behind_the_end),
        cmocka_unit_test(survives_every_flipped_byte),
        cmocka_unit_test(refuses_counts),
        cmocka_unit_test(refuses_wrapping_sizes),
        cmocka_unit_test(takes_the_most_keys),
        cmocka_unit_test(opens_split_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
