/* test_writers.c - files written and read back: GGUF, safetensors, zip members, whole files.
 *
 * What a writer made is read by the readers that strangers' files meet; a file that is not finished
 * must not be there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "../engine/base/atomic_file.h"
#include "../engine/base/mapped_file.h"
#include "../engine/base/zip.h"
#include "../engine/formats/gguf_writer.h"
#include "../engine/formats/safetensors.h"
#include "../engine/formats/safetensors_writer.h"
#include "scratch.h"

typedef struct places {
    char folder[SCRATCH], file[128], other[128];
} places;

static int make_folder(void **state)
{
    places *s = calloc(1, sizeof *s);
    scratch_folder(s->folder, "writers");
    (void)snprintf(s->file, sizeof s->file, "%s/model.safetensors", s->folder);
    (void)snprintf(s->other, sizeof s->other, "%s/other", s->folder);
    *state = s;
    return 0;
}

static int remove_folder(void **state)
{
    places *s = *state;
    (void)unlink(s->file);
    (void)unlink(s->other);
    int left = rmdir(s->folder); /* fails when a .part was left behind */
    free(s);
    return left;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- whole files ------------------------------------------------------------------------------- */

static void test_whole(void **state)
{
    places *s = *state;
    error err = {0};
    struct stat st;
    assert_int_equal(atomic_file_put(s->other, "old", 3, &err), 0);
    atomic_file *f = atomic_file_open(s->other, &err);
    assert_non_null(f);
    assert_null(atomic_file_open(s->other, &err)); /* somebody writes it */
    assert_non_null(strstr(err.text, "another process"));
    static char big[3 << 20];
    assert_int_equal(atomic_file_write(f, "new", 3, &err), 0);
    assert_int_equal(atomic_file_write(f, big, sizeof big, &err), 0);
    assert_int_equal(stat(s->other, &st), 0);
    assert_int_equal(st.st_size, 3); /* still the old one */
    assert_int_equal(atomic_file_commit(f, &err), 0);
    atomic_file_close(f);
    assert_int_equal(stat(s->other, &st), 0);
    assert_int_equal(st.st_size, 3 + sizeof big);
    assert_int_equal(st.st_mode & 0777, 0644);
}

static void test_abandoned(void **state)
{
    places *s = *state;
    atomic_file *f = atomic_file_open(s->other, NULL);
    assert_int_equal(atomic_file_write(f, "half", 4, NULL), 0);
    atomic_file_close(f);
    assert_false(exists(s->other));
    error err = {0};
    assert_null(atomic_file_open("/nowhere/at/all", &err));
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "/nowhere/at/all.part"));
}

/* Somebody else's link at the part's place is not followed. */
static void test_linked_part(void **state)
{
    places *s = *state;
    char part[160];
    (void)snprintf(part, sizeof part, "%s.part", s->other);
    assert_int_equal(symlink(s->file, part), 0);
    assert_null(atomic_file_open(s->other, NULL));
    assert_false(exists(s->file));
    assert_int_equal(unlink(part), 0);
}

/* ---- GGUF -------------------------------------------------------------------------------------- */

static gguf_writer *two_tensors(const char *path)
{
    static const uint64_t small[2] = {3, 2}, blocks[3] = {2, 1, 64};
    error err = {0};
    gguf_writer *w = gguf_writer_open(path, &err);
    assert_non_null(w);
    assert_int_equal(gguf_writer_text(w, "general.name", "two", &err), 0);
    assert_int_equal(gguf_writer_u32(w, "a.number", 77, &err), 0);
    assert_int_equal(gguf_writer_f32(w, "a.real", 0.5F, &err), 0);
    assert_int_equal(gguf_writer_bool(w, "a.flag", true, &err), 0);
    assert_int_equal(gguf_writer_tensor(w, "small", DTYPE_F32, 2, small, &err), 0);
    assert_int_equal(gguf_writer_tensor(w, "blocks", DTYPE_Q8_0, 3, blocks, &err), 0);
    assert_int_equal(gguf_writer_begin(w, &err), 0);
    return w;
}

static void test_gguf(void **state)
{
    places *s = *state;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    unsigned char blocks[4 * sizeof(block_q8_0)];
    error err = {0};
    memset(blocks, 7, sizeof blocks);
    gguf_writer *w = two_tensors(s->other);
    assert_int_equal(gguf_writer_data(w, values, 8, &err), 0);
    assert_int_equal(gguf_writer_finish(w, &err), -1); /* bytes are missing */
    assert_int_equal(gguf_writer_data(w, values + 2, 16, &err), 0);
    assert_int_equal(gguf_writer_data(w, blocks, sizeof blocks, &err), 0);
    assert_int_equal(gguf_writer_data(w, blocks, 1, &err), -1); /* and now too many */
    assert_int_equal(gguf_writer_finish(w, &err), 0);
    gguf_writer_close(w);

    tensor_list tensors = {0};
    gguf *g = gguf_open(s->other, &tensors, &err);
    assert_non_null(g);
    int64_t number = 0;
    double real = 0;
    bool flag = false;
    assert_int_equal(gguf_get_integer(g, "a.number", 0, 100, &number, &err), 1);
    assert_int_equal(number, 77);
    assert_int_equal(gguf_get_number(g, "a.real", 0, 1, &real, &err), 1);
    assert_true(real == 0.5);
    assert_int_equal(gguf_get_bool(g, "a.flag", &flag, &err), 1);
    assert_true(flag);
    const checkpoint_tensor *t = tensor_list_find(&tensors, "small", 5);
    assert_non_null(t);
    assert_int_equal(t->shape[0], 3);
    assert_memory_equal(t->data, values, sizeof values);
    t = tensor_list_find(&tensors, "blocks", 6);
    assert_non_null(t);
    assert_int_equal(t->shape[2], 64);
    assert_memory_equal(t->data, blocks, sizeof blocks);
    tensor_list_release(&tensors);
    gguf_close(g);
}

/* Values of every kind, copied from a written file into another. */
static void test_gguf_copy(void **state)
{
    places *s = *state;
    error err = {0};
    tensor_list tensors = {0};
    gguf *g = gguf_open("tests/fixtures/models/llama.gguf", &tensors, &err);
    assert_non_null(g);
    gguf_writer *w = gguf_writer_open(s->other, &err);
    for (size_t i = 0; i < gguf_count(g); i++)
        assert_int_equal(gguf_writer_copy(w, gguf_at(g, i), &err), 0);
    assert_int_equal(gguf_writer_begin(w, &err), 0);
    assert_int_equal(gguf_writer_finish(w, &err), 0);
    gguf_writer_close(w);
    tensor_list none = {0};
    gguf *copy = gguf_open(s->other, &none, &err);
    assert_non_null(copy);
    assert_int_equal(gguf_count(copy), gguf_count(g));
    for (size_t i = 0; i < gguf_count(g); i++) {
        assert_string_equal(gguf_key(gguf_at(copy, i)), gguf_key(gguf_at(g, i)));
        assert_int_equal(gguf_elements(gguf_at(copy, i)), gguf_elements(gguf_at(g, i)));
    }
    tensor_list_release(&none);
    tensor_list_release(&tensors);
    gguf_close(copy);
    gguf_close(g);
}

static void test_gguf_refuses(void **state)
{
    places *s = *state;
    error err = {0};
    const uint64_t odd[1] = {33}, huge[2] = {UINT64_MAX, 32};
    gguf_writer *w = gguf_writer_open(s->other, &err);
    assert_int_equal(gguf_writer_tensor(w, "odd", DTYPE_Q8_0, 1, odd, &err), -1);
    assert_int_equal(gguf_writer_tensor(w, "huge", DTYPE_F32, 2, huge, &err), -1);
    gguf_writer_close(w);
    assert_false(exists(s->other));
}

/* ---- safetensors ------------------------------------------------------------------------------- */

static void test_safetensors(void **state)
{
    places *s = *state;
    error err = {0};
    const uint64_t shape[2] = {2, 3}, vector[1] = {1};
    const float values[7] = {1, 2, 3, 4, 5, 6, 7};
    safetensors_writer *w = safetensors_writer_open(s->file, &err);
    assert_non_null(w);
    assert_int_equal(safetensors_writer_tensor(w, "a.weight", 2, shape, &err), 0);
    assert_int_equal(safetensors_writer_tensor(w, "b", 1, vector, &err), 0);
    assert_int_equal(safetensors_writer_begin(w, &err), 0);
    assert_int_equal(safetensors_writer_data(w, values, 4, &err), 0);
    assert_int_equal(safetensors_writer_finish(w, &err), -1);
    assert_int_equal(safetensors_writer_data(w, values + 4, 3, &err), 0);
    assert_int_equal(safetensors_writer_data(w, values, 1, &err), -1);
    assert_int_equal(safetensors_writer_finish(w, &err), 0);
    safetensors_writer_close(w);
    tensor_list tensors = {0};
    safetensors *t = safetensors_open(s->folder, &tensors, &err);
    assert_non_null(t);
    assert_int_equal(tensors.len, 2);
    const checkpoint_tensor *a = tensor_list_find(&tensors, "a.weight", 8);
    assert_memory_equal(a->data, values, 24);
    tensor_list_release(&tensors);
    safetensors_close(t);
}

/* ---- zip --------------------------------------------------------------------------------------- */

static void put(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

/* An archive of one stored member "x/hello" with the content "hello"; 22 + 46+7 + 30+7 + 5 bytes. */
enum { ZIP = 22 + 53 + 37 + 5 };
static void build_zip(unsigned char z[ZIP])
{
    memset(z, 0, ZIP);
    uint64_t crc = crc32(0, (const unsigned char *)"hello", 5);
    memcpy(z, "PK\3\4", 4);
    put(z + 26, 7, 2);
    memcpy(z + 30, "x/hellohello", 12);
    unsigned char *e = z + 42;
    memcpy(e, "PK\1\2", 4);
    put(e + 16, crc, 4);
    put(e + 20, 5, 4);
    put(e + 24, 5, 4);
    put(e + 28, 7, 2);
    memcpy(e + 46, "x/hello", 7);
    unsigned char *end = e + 53;
    memcpy(end, "PK\5\6", 4);
    put(end + 10, 1, 2);
    put(end + 16, 42, 4);
}

static void test_zip(void **state)
{
    places *s = *state;
    unsigned char z[ZIP];
    error err = {0};
    build_zip(z);
    assert_int_equal(atomic_file_put(s->other, z, ZIP, &err), 0);
    assert_true(zip_is_archive(s->other));
    assert_int_equal(zip_extract(s->other, "hello", s->file, &err), 0);
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(file_read_all(s->file, 100, &text, &len, &err), 0);
    assert_int_equal(len, 5);
    assert_string_equal(text, "hello");
    free(text);
    (void)unlink(s->file);
    assert_int_equal(zip_extract(s->other, "absent", s->file, &err), -1);
    assert_int_equal(err.code, ERROR_LOAD);
}

/* Each byte changed in turn: an error or the same content, never a crash, never a half file. */
static void test_zip_damaged(void **state)
{
    places *s = *state;
    unsigned char z[ZIP];
    for (size_t i = 0; i < ZIP; i++) {
        build_zip(z);
        z[i] ^= 0xff;
        assert_int_equal(atomic_file_put(s->other, z, ZIP, NULL), 0);
        error err = {0};
        if (zip_extract(s->other, "hello", s->file, &err)) {
            assert_int_equal(err.code, ERROR_LOAD);
            assert_false(exists(s->file));
        }
        (void)unlink(s->file);
    }
    for (size_t n = 0; n < ZIP; n++) {
        build_zip(z);
        assert_int_equal(atomic_file_put(s->other, z, n, NULL), 0);
        assert_int_equal(zip_extract(s->other, "hello", s->file, NULL), -1);
    }
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_whole),       IN_FOLDER(test_abandoned), IN_FOLDER(test_linked_part),
        IN_FOLDER(test_gguf),        IN_FOLDER(test_gguf_copy), IN_FOLDER(test_gguf_refuses),
        IN_FOLDER(test_safetensors), IN_FOLDER(test_zip),       IN_FOLDER(test_zip_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
