/* test_expert_store.c - experts that are read as they are called: the same bytes, each read once, none
 * that nobody may call; what is read is what stands in the file.
 *
 * An engine without a bound is the oracle. The bounded ones get a pool of so many slots: four, with which
 * each op goes in waves of two, or more.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/available_memory.h"
#include "../engine/base/mapped_file.h"
#include "../engine/run/expert_reader.h"
#include "../engine/run/expert_store.h"
#include "routing_support.h"

#define MODELS "tests/fixtures/models/"
enum { TOKENS = 40, CONTEXT = 64 };

/* An engine and a pool of so many slots for its experts. */
typedef struct pooled {
    engine *engine;
    expert_store *store;
} pooled;

static pooled open_pooled(const char *path, int max_rows, int slots)
{
    error err = {0};
    pooled p = {.engine = support_engine(path, max_rows, NULL)};
    const weights *w = engine_weights(p.engine);
    p.store = expert_store_open((weights *)(uintptr_t)w, engine_checkpoint(p.engine),
                                engine_backend(p.engine),
                                (uint64_t)slots * expert_store_slot_bytes(w), &err);
    if (!p.store)
        fail_msg("%s", err.text);
    return p;
}

static void close_pooled(pooled *p)
{
    expert_store_close(p->store);
    engine_close(p->engine);
}

static expert_store_figures figures(const pooled *p)
{
    expert_store_figures f;
    expert_store_figures_of(p->store, &f);
    return f;
}

/* An engine that may take so many bytes more, or less, than all that it needs with one session. */
static engine *bounded(int more, bool asked)
{
    error err = {0};
    engine_options opt = {
        .path = COUNCIL_MODEL, .backend = {.name = "cpu", .threads = 2}, .max_rows = 8};
    engine *plain = engine_open(&opt, &err);
    session *s = support_session(plain, NULL, CONTEXT);
    engine_memory_needs need;
    engine_needs(plain, &need);
    opt.memory = need.dense + need.kv + need.batch + need.experts + (uint64_t)(int64_t)more;
    opt.memory_asked = asked;
    session_close(s);
    engine_close(plain);
    engine *e = engine_open(&opt, &err);
    if (!e)
        fail_msg("%s", err.text);
    return e;
}

static bool has_pool(const engine *e)
{
    expert_store_figures f;
    return engine_pool(e, &f);
}

static size_t logit_bytes(const engine *e, int n)
{
    return (size_t)n * (size_t)engine_config(e)->vocabulary * sizeof(float);
}

/* ---- the same bytes ------------------------------------------------------------------------------ */

static void same_logits(const char *path, int max_rows, int slots)
{
    int ids[TOKENS];
    engine *plain = support_engine(path, max_rows, NULL);
    pooled p = open_pooled(path, max_rows, slots);
    support_ids(plain, 3, ids, TOKENS);
    session *s = support_session(plain, NULL, CONTEXT),
            *t = support_session(p.engine, NULL, CONTEXT);
    float *want = support_read(plain, s, ids, TOKENS),
          *got = support_read(p.engine, t, ids, TOKENS);
    if (memcmp(want, got, logit_bytes(plain, TOKENS)) != 0)
        fail_msg("%s: %d rows, %d slots: other logits", path, max_rows, slots);
    expert_store_figures f = figures(&p);
    assert_int_equal(f.slots, slots < (int)f.total ? slots : (int)f.total);
    assert_true(f.reads > 0 && f.reads <= f.calls && f.waited >= 0);
    free(want);
    free(got);
    session_close(s);
    session_close(t);
    engine_close(plain);
    close_pooled(&p);
}

static void test_same_logits(void **state)
{
    static const char *const paths[] = {MODELS "qwen3_moe",
                                        MODELS "olmoe.gguf",
                                        MODELS "granitemoe-fused",
                                        MODELS "mixtral-bf16",
                                        MODELS "mixtral.gguf",
                                        COUNCIL_MODEL,
                                        "tests/fixtures/quantised.gguf"};
    static const int rows[] = {1, 5, 64}, slots[] = {4, 5, 9};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (size_t r = 0; r < 3; r++)
            same_logits(paths[i], rows[r], slots[(i + r) % 3]);
}

/* ---- what is read -------------------------------------------------------------------------------- */

/* With room for all, each is read once, whatever happens later. */
static void test_each_is_read_once(void **state)
{
    int ids[TOKENS];
    (void)state;
    pooled p = open_pooled(COUNCIL_MODEL, 8, 16);
    support_ids(p.engine, 5, ids, TOKENS);
    session *s = support_session(p.engine, NULL, CONTEXT);
    for (int i = 0; i < 3; i++) {
        session_rewind(s, 0);
        free(support_read(p.engine, s, ids, TOKENS));
        assert_true(figures(&p).reads <= 16);
    }
    assert_true(figures(&p).calls > 48);
    session_close(s);
    close_pooled(&p);
}

/* Masks leave 3 experts of one layer and 5 of the other, as many as there are slots: no other is ever
 * read, and none of these twice, for a layer that needs fewer leaves the rest of its share. */
static void test_a_mask_is_a_budget(void **state)
{
    int ids[TOKENS];
    (void)state;
    pooled p = open_pooled(COUNCIL_MODEL, 8, 8);
    support_ids(p.engine, 7, ids, TOKENS);
    router_program *program = support_program(p.engine, router_settings_plain(),
                                              "{\"mask\":1,\"model\":null,\"mode\":\"keep\","
                                              "\"layers\":{\"0\":\"0-2\",\"1\":\"3-7\"}}",
                                              NULL);
    session *s = support_session(p.engine, program, CONTEXT);
    for (int i = 0; i < 4; i++) {
        session_rewind(s, 0);
        free(support_read(p.engine, s, ids, TOKENS));
    }
    assert_in_range(figures(&p).reads, 6, 8);
    session_close(s);
    router_program_close(program);
    close_pooled(&p);
}

/* Rows of several sessions that call the same expert share one read. */
static void test_passes_share_a_read(void **state)
{
    int ids[TOKENS];
    error err = {0};
    (void)state;
    pooled p = open_pooled(COUNCIL_MODEL, 8, 8);
    support_ids(p.engine, 9, ids, TOKENS);
    session *s[3];
    step steps[3];
    for (int i = 0; i < 3; i++) {
        s[i] = support_session(p.engine, NULL, CONTEXT);
        steps[i] = (step){s[i], ids, 1, LOGITS_NONE, NULL};
    }
    assert_int_equal(engine_advance(p.engine, steps, 3, &err), 0);
    assert_int_equal(figures(&p).reads, 2 * 3); /* the same token three times: k of each layer */
    for (int i = 0; i < 3; i++)
        session_close(s[i]);
    close_pooled(&p);
}

/* A smaller pool keeps working, a larger one keeps what it has. */
static void test_resize(void **state)
{
    int ids[TOKENS];
    (void)state;
    pooled p = open_pooled(COUNCIL_MODEL, 8, 16);
    uint64_t slot = expert_store_slot_bytes(engine_weights(p.engine));
    support_ids(p.engine, 1, ids, TOKENS);
    session *s = support_session(p.engine, NULL, CONTEXT);
    float *want = support_read(p.engine, s, ids, TOKENS);
    for (uint64_t slots = 12; slots >= 4; slots -= 4) {
        expert_store_resize(p.store, slots * slot);
        assert_int_equal(figures(&p).slots, slots);
        session_rewind(s, 0);
        float *got = support_read(p.engine, s, ids, TOKENS);
        assert_memory_equal(want, got, logit_bytes(p.engine, TOKENS));
        free(got);
    }
    expert_store_resize(p.store, 99 * slot);
    assert_int_equal(figures(&p).slots, 16);
    session_rewind(s, 0);
    free(support_read(p.engine, s, ids, TOKENS));
    uint64_t reads = figures(&p).reads;
    session_rewind(s, 0);
    free(support_read(p.engine, s, ids, TOKENS));
    assert_int_equal(figures(&p).reads, reads);
    free(want);
    session_close(s);
    close_pooled(&p);
}

/* A file that cannot be read any more ends the step with its name, and nothing else: when it can be read
 * again, everything is as it was. */
static void test_a_read_that_fails(void **state)
{
    int ids[TOKENS];
    error err = {0};
    struct rlimit files, none = {0};
    (void)state;
    pooled p = open_pooled(COUNCIL_MODEL, 8, 4);
    const weights *w = engine_weights(p.engine);
    const mapped_file *m =
        checkpoint_file(engine_checkpoint(p.engine), tensor_host(w->layers[0].expert_gate[0]));
    int kept = dup(m->fd), blind = open(m->path, O_PATH); /* has a size, gives no bytes */
    support_ids(p.engine, 4, ids, TOKENS);
    session *s = support_session(p.engine, NULL, CONTEXT);
    step st = {s, ids, TOKENS, LOGITS_NONE, NULL};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    none.rlim_max = files.rlim_max;
    assert_true(dup2(blind, m->fd) >= 0 && setrlimit(RLIMIT_NOFILE, &none) == 0);
    int failed = engine_advance(p.engine, &st, 1, &err);
    assert_true(setrlimit(RLIMIT_NOFILE, &files) == 0 && dup2(kept, m->fd) >= 0);
    assert_int_equal(failed, -1);
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "model.safetensors: cannot read"));
    assert_int_equal(session_length(s), 0);
    float *got = support_read(p.engine, s, ids, TOKENS);
    engine *plain = support_engine(COUNCIL_MODEL, 8, NULL);
    session *t = support_session(plain, NULL, CONTEXT);
    float *want = support_read(plain, t, ids, TOKENS);
    assert_memory_equal(want, got, logit_bytes(plain, TOKENS));
    free(got);
    free(want);
    close(kept);
    close(blind);
    session_close(s);
    session_close(t);
    engine_close(plain);
    close_pooled(&p);
}

/* ---- bounds -------------------------------------------------------------------------------------- */

/* What fits is left as it was; keys and values of more sessions may end that. */
static void test_pool_follows_sessions(void **state)
{
    int ids[TOKENS];
    (void)state;
    engine *e = bounded(0, false);
    support_ids(e, 2, ids, TOKENS);
    session *s = support_session(e, NULL, CONTEXT);
    assert_false(has_pool(e));
    float *before = support_read(e, s, ids, TOKENS);
    session *more = support_session(e, NULL, CONTEXT);
    assert_true(has_pool(e));
    session_rewind(s, 0);
    float *after = support_read(e, s, ids, TOKENS);
    assert_memory_equal(before, after, logit_bytes(e, TOKENS));
    free(before);
    free(after);
    session_close(more);
    session_close(s);
    engine_close(e);
}

static void test_too_little(void **state)
{
    error err = {0};
    (void)state;
    engine *e = bounded(-1, true);
    for (int i = 0; i < 2; i++) { /* asking again changes nothing */
        err = (error){0};
        assert_null(session_open(e, CONTEXT, DTYPE_F32, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.text, "too little for this model"));
    }
    engine_close(e);
    e = bounded(-1, false); /* nobody asked: the least is taken */
    session *s = support_session(e, NULL, CONTEXT);
    assert_true(has_pool(e));
    session_close(s);
    engine_close(e);
}

static engine *open_beside(engine *e)
{
    error err = {0};
    engine_options opt = {.path = COUNCIL_MODEL,
                          .backend = {.name = "cpu", .threads = 2},
                          .max_rows = 8,
                          .memory_asked = true, /* not its to say */
                          .beside = e};
    engine *other = engine_open(&opt, &err);
    if (!other)
        fail_msg("%s", err.text);
    return other;
}

/* What one model alone has room for, two share. */
static void test_models_share(void **state)
{
    int ids[TOKENS];
    (void)state;
    engine *e = bounded(0, false), *other = open_beside(e);
    session *s = support_session(e, NULL, CONTEXT);
    assert_true(has_pool(e)); /* the other's weights count at once */
    engine_close(other);
    session_close(s);
    engine_close(e);
    e = bounded(0, false);
    s = support_session(e, NULL, CONTEXT);
    support_ids(e, 2, ids, TOKENS);
    float *want = support_read(e, s, ids, TOKENS);
    assert_false(has_pool(e));
    other = open_beside(e);
    session *t = support_session(other, NULL, CONTEXT);
    assert_true(has_pool(other) && engine_memory(other) == engine_memory(e));
    session *of[] = {s, t, s};
    for (int i = 0; i < 3; i++) {
        session_rewind(of[i], 0);
        float *got = support_read(i == 1 ? other : e, of[i], ids, TOKENS);
        assert_memory_equal(want, got, logit_bytes(e, TOKENS));
        free(got);
        if (i == 1) {
            assert_true(has_pool(e));
            session_close(t);
            engine_close(other);
        }
    }
    free(want);
    session_close(s);
    engine_close(e);
}

static void test_too_little_for_two(void **state)
{
    error err = {0};
    (void)state;
    engine *e = bounded(0, true);
    session *s = support_session(e, NULL, CONTEXT);
    engine *other = open_beside(e);
    assert_null(session_open(other, CONTEXT, DTYPE_F32, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "too little for these models"));
    session_close(s);
    engine_close(other);
    engine_close(e);
}

/* ---- the reader ---------------------------------------------------------------------------------- */

enum { FILE_BYTES = 3 * READER_PAGE + 777, PARTS = 5 };

typedef struct seen {
    atomic_int count;
    error failure[PARTS];
} seen;

static void note(void *user, int ticket, const error *why)
{
    seen *s = user;
    if (why)
        s->failure[ticket] = *why;
    atomic_fetch_add(&s->count, 1);
}

/* Parts that begin and end anywhere, cached and not, and one behind the end. */
static void test_reader(void **state)
{
    static const struct {
        uint64_t offset, bytes;
    } parts[PARTS] = {{0, 100}, {4095, 2}, {4097, 8000}, {12288, 777}, {12288, 4000}};
    char path[] = "/tmp/test_expert_store.XXXXXX";
    unsigned char bytes[FILE_BYTES];
    error err = {0};
    (void)state;
    int fd = mkstemp(path);
    for (int i = 0; i < FILE_BYTES; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    assert_int_equal(write(fd, bytes, FILE_BYTES), FILE_BYTES);
    assert_int_equal(fsync(fd), 0);
    mapped_file m;
    assert_int_equal(mapped_file_open(&m, path, &err), 0);
    for (int round = 0; round < 2; round++) {
        seen s = {0};
        char *room[PARTS];
        if (round)
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        expert_reader *r = reader_open(PARTS, note, &s, &err);
        assert_non_null(r);
        for (int i = 0; i < PARTS; i++) {
            reader_part part = {&m, parts[i].offset, parts[i].bytes};
            room[i] = aligned_alloc(READER_PAGE, reader_room(part.bytes));
            reader_ask(r, &part, room[i], i);
        }
        reader_close(r);
        assert_int_equal(atomic_load(&s.count), PARTS);
        for (int i = 0; i + 1 < PARTS; i++)
            assert_memory_equal(room[i] + parts[i].offset % READER_PAGE, bytes + parts[i].offset,
                                parts[i].bytes);
        assert_int_equal(s.failure[PARTS - 1].code, ERROR_RUN);
        assert_non_null(strstr(s.failure[PARTS - 1].text, "cut while in use"));
        for (int i = 0; i < PARTS; i++)
            free(room[i]);
    }
    mapped_file_close(&m);
    close(fd);
    unlink(path);
}

/* ---- what is left -------------------------------------------------------------------------------- */

static void put_file(const char *root, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        (void)mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void test_available_memory(void **state)
{
    char root[] = "/tmp/test_available.XXXXXX", command[64];
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_true(available_memory(root) == UINT64_MAX);
    put_file(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
    assert_int_equal(available_memory(root), 8000 * 1024);
    put_file(root, "proc/self/cgroup", "4:memory:/a/b\n1:cpu:/\n0::/c/d\n");
    assert_int_equal(available_memory(root), 8000 * 1024);
    /* version 1: a group above has the limit; pages of files are not counted */
    put_file(root, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put_file(root, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000000\n");
    put_file(root, "sys/fs/cgroup/memory/a/memory.usage_in_bytes", "3000000\n");
    put_file(root, "sys/fs/cgroup/memory/a/memory.stat", "cache 1\ntotal_cache 2900000\n");
    assert_int_equal(available_memory(root), 4900000);
    /* version 2 */
    put_file(root, "sys/fs/cgroup/c/d/memory.max", "max\n");
    put_file(root, "sys/fs/cgroup/c/memory.max", "4000000\n");
    put_file(root, "sys/fs/cgroup/c/memory.current", "1000000\n");
    put_file(root, "sys/fs/cgroup/c/memory.stat", "anon 5\nfile 400000\nfile_mapped 9\n");
    assert_int_equal(available_memory(root), 3400000);
    assert_int_equal(available_in_groups(root), 3400000);
    (void)snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_logits),
        cmocka_unit_test(test_each_is_read_once),
        cmocka_unit_test(test_a_mask_is_a_budget),
        cmocka_unit_test(test_passes_share_a_read),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_a_read_that_fails),
        cmocka_unit_test(test_pool_follows_sessions),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_models_share),
        cmocka_unit_test(test_too_little_for_two),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_available_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
