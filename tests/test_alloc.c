/* test_alloc.c - memory that runs out is an error, never a crash or a leak; decoding takes none.
 *
 * The linker puts the wrappers below in place of malloc and its family for everything that is
 * linked statically (Makefile: --wrap). They count, fail the N-th call on demand, and remember what
 * is live. engine_open and session_open run with N = 1, 2, 3, ... failing until one run needs fewer
 * allocations than N: each earlier run must end in an error with a sentence and give everything
 * back. Then, after a prompt of three tokens (scratch memory grows with the first batch), two
 * sessions decode in lockstep over page borders and the count must not move.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/sources/sources.h"
#include "adapter_support.h"
#include "routing_support.h"
#include "scratch.h"
#include "train_support.h"

/* ---- the wrappers ------------------------------------------------------------------------------ */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
int __real_posix_memalign(void **p, size_t alignment, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *p, size_t n);
void __real_free(void *p);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
int __wrap_posix_memalign(void **p, size_t alignment, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *p, size_t n);
void __wrap_free(void *p);

enum { LIVE_MAX = 1 << 16 };

/* Wrappers have no argument to hang state on: the one place where this repository needs a global. */
static struct {
    pthread_mutex_t lock;
    long calls, fail_at; /* the fail_at-th call from now fails; 0 = none */
    void *live[LIVE_MAX];
    size_t live_count;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Counts one call; true when it is to fail. */
static bool heap_refuses(void)
{
    pthread_mutex_lock(&heap.lock);
    heap.calls++;
    bool refuses = heap.fail_at > 0 && --heap.fail_at == 0;
    pthread_mutex_unlock(&heap.lock);
    return refuses;
}

static void *heap_born(void *p)
{
    pthread_mutex_lock(&heap.lock);
    if (p != NULL && heap.live_count < LIVE_MAX)
        heap.live[heap.live_count++] = p;
    pthread_mutex_unlock(&heap.lock);
    return p;
}

/* What libraries allocated is not on the list and passes. */
static void heap_died(const void *p)
{
    pthread_mutex_lock(&heap.lock);
    for (size_t i = heap.live_count; p != NULL && i-- > 0;) {
        if (heap.live[i] == p) {
            heap.live[i] = heap.live[--heap.live_count];
            break;
        }
    }
    pthread_mutex_unlock(&heap.lock);
}

void *__wrap_malloc(size_t n)
{
    return heap_refuses() ? NULL : heap_born(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return heap_refuses() ? NULL : heap_born(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (heap_refuses())
        return NULL;
    heap_died(p);
    return heap_born(__real_realloc(p, n));
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return heap_refuses() ? NULL : heap_born(__real_aligned_alloc(alignment, n));
}

int __wrap_posix_memalign(void **p, size_t alignment, size_t n)
{
    if (heap_refuses())
        return 12; /* ENOMEM */
    int rc = __real_posix_memalign(p, alignment, n);
    if (rc == 0)
        heap_born(*p);
    return rc;
}

char *__wrap_strdup(const char *s)
{
    return heap_refuses() ? NULL : heap_born(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
    return heap_refuses() ? NULL : heap_born(__real_strndup(s, n));
}

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (heap_refuses())
        return MAP_FAILED;
    void *p = __real_mmap(at, n, protection, flags, fd, offset);
    return p == MAP_FAILED ? p : heap_born(p);
}

int __wrap_munmap(void *p, size_t n)
{
    heap_died(p);
    return __real_munmap(p, n);
}

void __wrap_free(void *p)
{
    heap_died(p);
    __real_free(p);
}

/* ---- the tests --------------------------------------------------------------------------------- */

static const char *const MODELS[] = {
    "tests/fixtures/models/qwen3_moe-sharded",
    "tests/fixtures/models/qwen3_moe-sharded-00001-of-00003.gguf",
    "tests/fixtures/models/qwen2_moe-bf16",
    "tests/fixtures/models/llama-llama3.gguf",
    "tests/fixtures/models/granitemoe.gguf",
};
enum { MODEL_COUNT = sizeof MODELS / sizeof *MODELS };

static engine_options options_of(const char *path)
{
    return (engine_options){.path = path, .backend = {.name = "cpu", .threads = 2}, .max_rows = 8};
}

static void must_explain(const error *err, const char *path, long n)
{
    if (err->code == ERROR_NONE || err->text[0] == '\0')
        fail_msg("%s: allocation %ld failed without a sentence", path, n);
}

static void must_be_empty(size_t before, const char *path, long n)
{
    if (heap.live_count != before)
        fail_msg("%s: %zu blocks are left after allocation %ld failed", path,
                 heap.live_count - before, n);
}

/* The number of allocations that engine_open makes. */
static long break_open(const char *path)
{
    engine_options options = options_of(path);
    for (long n = 1;; n++) {
        error err = {0};
        size_t before = heap.live_count;
        heap.fail_at = n;
        engine *e = engine_open(&options, &err);
        long left = heap.fail_at;
        heap.fail_at = 0;
        if (e == NULL)
            must_explain(&err, path, n);
        engine_close(e);
        must_be_empty(before, path, n);
        if (e != NULL && left > 0)
            return n - 1;
    }
}

/* The same for a session, a fork of it and a first token, on an engine that stays. */
static long break_session(engine *e, const char *path, dtype kv)
{
    for (long n = 1;; n++) {
        error err = {0};
        int token = 3;
        heap.fail_at = n;
        session *one = session_open(e, 200, kv, &err);
        session *two = one != NULL ? session_fork(one, &err) : NULL;
        step st = {.session = two, .tokens = &token, .n = 1, .want = LOGITS_NONE};
        bool read = two != NULL && engine_advance(e, &st, 1, &err) == 0;
        long left = heap.fail_at;
        heap.fail_at = 0;
        if (!read)
            must_explain(&err, path, n);
        session_close(two);
        session_close(one);
        if (read && left > 0)
            return n - 1;
        assert_true(n < 10000);
    }
}

static void test_open_survives_every_failure(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++)
        assert_true(break_open(MODELS[i]) > 10);
}

static void test_session_survives_every_failure(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        error err = {0};
        size_t before = heap.live_count;
        engine_options options = options_of(MODELS[i]);
        engine *e = engine_open(&options, &err);
        assert_non_null(e);
        assert_true(break_session(e, MODELS[i], DTYPE_F16) > 0);
        assert_true(break_session(e, MODELS[i], DTYPE_F32) > 0);
        engine_close(e);
        must_be_empty(before, MODELS[i], 0);
    }
}

/* What is learned, a net, and a batch forward and back. */
static bool train_once(engine *e, const train_batch *b, error *err)
{
    static const uint8_t lora[64] = {0, 7}, rows[64] = {0, 1};
    layer_spec layers[2] = {{.added = 1, .rows = rows}, {.lora = lora}};
    train_spec spec = {.first = 0, .last = 2, .layers = layers, .rank = 2};
    net_losses losses;
    trainable *t = trainable_new(e, &spec, err);
    net *n = t ? net_open(e, t, 64, 0, err) : NULL;
    bool done =
        n && net_forward_backward(n, b->texts, TRAIN_TEXTS, &(net_options){0}, &losses, err) == 0;
    adapter *a = done ? trainable_to_adapter(t, e, DTYPE_F16, err) : NULL;
    adapter_close(a);
    net_close(n);
    trainable_free(t);
    return a != NULL;
}

static void test_training_survives_every_failure(void **state)
{
    (void)state;
    const char *path = "tests/fixtures/models/qwen2_moe-bf16";
    engine *e = train_engine(path, 2);
    train_batch b = train_texts(e, 0);
    for (long n = 1;; n++) {
        error err = {0};
        size_t before = heap.live_count;
        heap.fail_at = n;
        bool done = train_once(e, &b, &err);
        long left = heap.fail_at;
        heap.fail_at = 0;
        if (!done)
            must_explain(&err, path, n);
        must_be_empty(before, path, n);
        if (done && left > 0)
            break;
        assert_true(n < 2000);
    }
    train_texts_free(&b);
    engine_close(e);
}

static void test_decoding_allocates_nothing(void **state)
{
    (void)state;
    error err = {0};
    engine_options options = options_of("tests/fixtures/quantised.gguf");
    engine *e = engine_open(&options, &err);
    assert_non_null(e);
    float *logits = malloc((size_t)engine_config(e)->vocabulary * sizeof *logits);
    session *one = session_open(e, 200, DTYPE_F16, &err);
    session *two = session_fork(one, &err);
    assert_true(logits != NULL && one != NULL && two != NULL);
    int prompt[3] = {5, 6, 7};
    step read = {one, prompt, 3, LOGITS_LAST, logits};
    assert_int_equal(engine_advance(e, &read, 1, &err), 0);
    long before = heap.calls;
    for (int i = 0; i < 197; i++) {
        int token = i % 60;
        step steps[2] = {{one, &token, 1, LOGITS_LAST, logits},
                         {two, &token, 1, LOGITS_NONE, NULL}};
        assert_int_equal(engine_advance(e, steps, 2, &err), 0);
        if (i == 100)
            session_rewind(two, 90);
    }
    assert_int_equal(heap.calls - before, 0);
    session_close(two);
    session_close(one);
    free(logits);
    engine_close(e);
}

/* Two adapters: a file's added experts, and one of all kinds. NULL = memory ran out. */
static bool add_adapters(engine *e, const char *file, const placed_adapter *placed[2], error *err)
{
    static const int some[] = {0, 3, -1};
    static const adapter_kinds kinds = {1, some, some, some, 0.5f};
    adapter *own = adapter_open(file, err);
    if (!own || engine_add_adapter(e, own, &placed[0], err))
        return false;
    own = adapter_support_make(&kinds, 2, err);
    if (own && engine_add_adapter(e, own, &placed[1], err) == 0)
        return true;
    engine_remove_adapter(e, placed[0]);
    return false;
}

/* A reading of one token under a program that has adapters; false when memory ran out. */
static bool read_with_own(engine *e, const char *file, float *logits, error *err)
{
    const placed_adapter *placed[2] = {NULL, NULL};
    router_settings s = router_settings_plain();
    int token = 3;
    if (!add_adapters(e, file, placed, err))
        return false;
    s.adapters = placed;
    s.adapter_count = 2;
    router_program *p = router_program_compile(engine_config(e), NULL, &s, err);
    session *one = p ? session_open(e, 64, DTYPE_F32, err) : NULL;
    step st = {one, &token, 1, LOGITS_LAST, logits};
    bool done = one && session_set_program(one, p, err) == 0 && engine_advance(e, &st, 1, err) == 0;
    session_close(one);
    router_program_close(p);
    for (int i = 0; i < 2; i++)
        engine_remove_adapter(e, placed[i]);
    return done;
}

/* Adapters that could not be added whole are added by the next attempt, as if nothing had been. */
static void test_own_experts_survive_every_failure(void **state)
{
    (void)state;
    char file[SCRATCH];
    engine_options options = options_of(COUNCIL_MODEL);
    float *expected = NULL;
    (void)close(scratch_file(file, "own"));
    adapter_support_write(&(adapter_plan){file, 3, 2, 8}, 1);
    bool done = false;
    for (long n = 0; !done; n++) {
        error err = {0};
        size_t before = heap.live_count;
        engine *e = engine_open(&options, &err);
        size_t bytes = (size_t)engine_config(e)->vocabulary * sizeof(float);
        float *logits = malloc(bytes);
        heap.fail_at = n; /* 0: no failure, for what is expected */
        bool read = read_with_own(e, file, logits, &err);
        done = n > 0 && heap.fail_at > 0;
        heap.fail_at = 0;
        if (!read)
            must_explain(&err, file, n);
        if (!read && !read_with_own(e, file, logits, &err))
            fail_msg("after allocation %ld failed: %s", n, err.text);
        if (expected)
            assert_memory_equal(logits, expected, bytes);
        engine_close(e);
        if (expected)
            free(logits);
        else
            expected = logits;
        must_be_empty(before + (n == 0), file, n);
        assert_true(n < 1000);
    }
    free(expected);
    assert_int_equal(unlink(file), 0);
}

/* ---- names ------------------------------------------------------------------------------------- */

#define MODEL "0000000000000000000000000000000000000000000000000000000000000000"
#define WISH  "1111111111111111111111111111111111111111111111111111111111111111"
#define LAYER(type, digest)                                                                        \
    "{\"mediaType\":\"application/vnd.ollama.image." type "\",\"digest\":\"sha256:" digest "\"}"

/* What lies in the folder of models, parents first; a text makes a file. */
static const struct {
    const char *name, *text;
} shelf[] = {
    {"blobs", NULL},
    {"manifests", NULL},
    {"manifests/registry.ollama.ai", NULL},
    {"manifests/registry.ollama.ai/library", NULL},
    {"manifests/registry.ollama.ai/library/x", NULL},
    {"manifests/registry.ollama.ai/library/x/t",
     "{\"layers\":[" LAYER("model", MODEL) "," LAYER("system", WISH) "," LAYER("params",
                                                                               WISH) "]}"},
    {"blobs/sha256-" MODEL, "x"},
    {"blobs/sha256-" WISH, "{\"temperature\":1,\"stop\":[\"a\",\"b\"]}"},
};

enum { SHELF = sizeof shelf / sizeof *shelf };

static void make_shelf(const char *place)
{
    for (size_t i = 0; i < SHELF; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", place, shelf[i].name);
        FILE *f = shelf[i].text ? fopen(path, "wb") : NULL;
        assert_true(f ? fputs(shelf[i].text, f) >= 0 && fclose(f) == 0 : mkdir(path, 0700) == 0);
    }
}

static void remove_shelf(const char *place)
{
    for (size_t i = SHELF; i-- > 0;) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", place, shelf[i].name);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(remove(place), 0);
}

static void break_name(const char *name, int expected)
{
    long left = 0;
    for (long n = 1; left == 0; n++) {
        error err = {0};
        source_found found;
        size_t before = heap.live_count;
        heap.fail_at = n;
        int result = source_find(name, &found, &err);
        left = heap.fail_at;
        heap.fail_at = 0;
        if (result && !err.text[0])
            fail_msg("%s: allocation %ld failed without a sentence", name, n);
        if (left > 0)
            assert_int_equal(result, expected);
        source_found_release(&found);
        must_be_empty(before, name, n);
        assert_true(n < 1000);
    }
}

/* A name of Ollama's with a system message and parameters, by its scheme and without; and others. */
static void test_names_survive_every_failure(void **state)
{
    (void)state;
    char place[SCRATCH];
    scratch_folder(place, "names");
    make_shelf(place);
    setenv("OLLAMA_MODELS", place, 1);
    setenv("HF_HUB_CACHE", place, 1);
    setenv("HOME", place, 1);
    break_name("ollama:x:t", 0);
    break_name("x:t", 0);
    break_name("ollama:x", -1);
    break_name("hf:a/b:Q4_0", -1);
    break_name(place, -1);
    remove_shelf(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_survives_every_failure),
        cmocka_unit_test(test_session_survives_every_failure),
        cmocka_unit_test(test_training_survives_every_failure),
        cmocka_unit_test(test_own_experts_survive_every_failure),
        cmocka_unit_test(test_decoding_allocates_nothing),
        cmocka_unit_test(test_names_survive_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
