/* test_equality.c - promise 2: a pass gives the same bytes whatever its batch and its pieces.
 *
 * Four streams of tokens, each under its own router program, are first read one token at a time by
 * one thread, alone: that is the truth. Then the same streams are read with other thread counts,
 * prefill chunks, batches of one to four sessions with ragged lengths, and with keys and values
 * kept from earlier texts and from forks; every logit must be the same 32 bits. Lengths lie around
 * 256 and 512, where pages, chunks and windows end.
 *
 * A build with -DSPLIT_BY_THREAD cuts attention by threads instead of pages and must fail here
 * (`make test` checks that it does): a test that cannot fail proves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/engine.h"

enum { STREAMS = 4, LENGTH = 520, TAIL = 3 };

/* Where each batch's prefill ends; TAIL tokens more are then decoded in lockstep. */
static const int BATCHES[][STREAMS] = {
    {511},
    {256, 63},
    {257, 33, 65},
    {513, 255, 512, 128},
};

typedef struct subject {
    const char *path, *isa;
    dtype kv;
} subject;

typedef struct rig {
    engine *e;
    router_program *programs[STREAMS]; /* [0] is NULL: the plain model */
    int vocabulary;
} rig;

static int stream_token(const rig *r, int stream, int i)
{
    return (i * (7 + 2 * stream) + i / 5 + 3 * stream) % r->vocabulary;
}

static void must(int ok, const error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static rig rig_open(const subject *s, int threads, int max_rows)
{
    error err = {0};
    rig r = {0};
    engine_options options = {.path = s->path,
                              .backend = {.name = "cpu", .isa = s->isa, .threads = threads},
                              .max_rows = max_rows,
                              .max_slots = STREAMS};
    r.e = engine_open(&options, &err);
    must(r.e != NULL, &err);
    r.vocabulary = engine_config(r.e)->vocabulary;
    for (int i = 1; i < STREAMS; i++) {
        r.programs[i] = router_program_plain(engine_config(r.e), i, &err);
        must(r.programs[i] != NULL, &err);
    }
    return r;
}

static void rig_close(rig *r)
{
    for (int i = 0; i < STREAMS; i++)
        router_program_close(r->programs[i]);
    engine_close(r->e);
}

static session *open_stream(const rig *r, const subject *s, int stream)
{
    error err = {0};
    session *out = session_open(r->e, LENGTH, s->kv, &err);
    must(out != NULL && session_set_program(out, r->programs[stream], &err) == 0, &err);
    return out;
}

/* Logits of all positions of all streams [STREAMS, LENGTH, vocabulary], read token by token. */
static float *read_truth(const subject *s)
{
    error err = {0};
    rig r = rig_open(s, 1, 1);
    size_t row = (size_t)r.vocabulary;
    float *truth = malloc((size_t)STREAMS * LENGTH * row * sizeof *truth);
    assert_non_null(truth);
    for (int k = 0; k < STREAMS; k++) {
        session *one = open_stream(&r, s, k);
        for (int i = 0; i < LENGTH; i++) {
            int token = stream_token(&r, k, i);
            float *out = truth + ((size_t)k * LENGTH + (size_t)i) * row;
            step st = {
                .session = one, .tokens = &token, .n = 1, .want = LOGITS_LAST, .logits = out};
            must(engine_advance(r.e, &st, 1, &err) == 0, &err);
        }
        session_close(one);
    }
    rig_close(&r);
    return truth;
}

static void same_bytes(const rig *r, const float *truth, const float *got, int stream, int from,
                       int n, const char *how)
{
    size_t row = (size_t)r->vocabulary;
    for (int i = 0; i < n; i++) {
        const float *want = truth + ((size_t)stream * LENGTH + (size_t)(from + i)) * row;
        if (memcmp(want, got + (size_t)i * row, row * sizeof *got) != 0)
            fail_msg("stream %d, token %d: other bytes %s", stream, from + i, how);
    }
}

/* A batch of `count` sessions: ragged prefill with all logits, then TAIL tokens in lockstep. */
static void check_batch(const rig *r, const subject *s, const float *truth, int count)
{
    error err = {0};
    const int *ends = BATCHES[count - 1];
    size_t row = (size_t)r->vocabulary;
    float *logits = malloc((size_t)count * LENGTH * row * sizeof *logits);
    int *ids = malloc((size_t)count * LENGTH * sizeof *ids);
    assert_true(logits != NULL && ids != NULL);
    step steps[STREAMS];
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < LENGTH; i++)
            ids[k * LENGTH + i] = stream_token(r, k, i);
        steps[k] = (step){.session = open_stream(r, s, k),
                          .tokens = ids + k * LENGTH,
                          .n = ends[k],
                          .want = LOGITS_ALL,
                          .logits = logits + (size_t)k * LENGTH * row};
    }
    must(engine_advance(r->e, steps, count, &err) == 0, &err);
    for (int k = 0; k < count; k++)
        same_bytes(r, truth, steps[k].logits, k, 0, ends[k], "in prefill");
    for (int t = 0; t < TAIL; t++) {
        for (int k = 0; k < count; k++) {
            steps[k].tokens = ids + k * LENGTH + ends[k] + t;
            steps[k].n = 1;
        }
        must(engine_advance(r->e, steps, count, &err) == 0, &err);
        for (int k = 0; k < count; k++)
            same_bytes(r, truth, steps[k].logits, k, ends[k] + t, 1, "in lockstep");
    }
    for (int k = 0; k < count; k++)
        session_close(steps[k].session);
    free(ids);
    free(logits);
}

/* Syncs `one` to stream 1's first `length` tokens and compares the logits of the last. */
static void check_sync(const rig *r, session *one, const float *truth, int length, const char *how)
{
    error err = {0};
    int ids[LENGTH];
    for (int i = 0; i < length; i++)
        ids[i] = stream_token(r, 1, i);
    float *logits = malloc((size_t)r->vocabulary * sizeof *logits);
    assert_non_null(logits);
    must(session_sync(one, ids, length, 0, logits, NULL, NULL, &err) == 0, &err);
    same_bytes(r, truth, logits, 1, length - 1, 1, how);
    free(logits);
}

/* Keys and values of an earlier text, of a fork and of the same text under another program. */
static void check_reuse(const rig *r, const subject *s, const float *truth)
{
    error err = {0};
    session *one = open_stream(r, s, 1);
    check_sync(r, one, truth, 512, "from nothing");
    check_sync(r, one, truth, 512, "with the whole text kept");
    check_sync(r, one, truth, 257, "after a rewind into a page");
    check_sync(r, one, truth, 513, "with a prefix kept");
    session *two = session_fork(one, &err);
    must(two != NULL, &err);
    check_sync(r, two, truth, 256, "in a fork that rewinds");
    int other[2] = {0, 1};
    step st = {.session = two, .tokens = other, .n = 2, .want = LOGITS_NONE};
    must(engine_advance(r->e, &st, 1, &err) == 0, &err);
    check_sync(r, one, truth, LENGTH, "after its fork wrote elsewhere");
    check_sync(r, two, truth, 511, "in a fork that left and came back");
    must(session_set_program(two, r->programs[2], &err) == 0, &err);
    session_rewind(two, 100);
    st.session = two;
    must(engine_advance(r->e, &st, 1, &err) == 0, &err);
    must(session_set_program(two, r->programs[1], &err) == 0, &err);
    check_sync(r, two, truth, 255, "after tokens of another program");
    session_close(two);
    session_close(one);
}

static void check_setup(const subject *s, const float *truth, int threads, int chunk)
{
    print_message("# %s, %s: %d threads, chunks of %d\n", s->path, dtype_describe(s->kv)->name,
                  threads, chunk);
    rig r = rig_open(s, threads, chunk);
    for (int count = 1; count <= STREAMS; count++)
        check_batch(&r, s, truth, count);
    check_reuse(&r, s, truth);
    rig_close(&r);
}

/* Every thread count with every chunk, or each of them once, or, under the sanitizers, one pair. */
static void check_subject(const subject *s, bool all)
{
    static const int THREADS[] = {1, 2, 3, 8}, CHUNKS[] = {7, 64, 1, 512};
    bool sanitized = getenv("SANITIZED") != NULL;
    float *truth = read_truth(s);
    for (int t = 0; t < 4; t++)
        for (int c = 0; c < 4; c++)
            if (sanitized ? t == 1 && c == 1 : t == c || all)
                check_setup(s, truth, THREADS[t], CHUNKS[c]);
    free(truth);
}

static const char *const TINY = "tests/fixtures/models/qwen3_moe-bf16";
static const char *const QUANTISED = "tests/fixtures/quantised.gguf";
static const char *const BOOKS = "tests/fixtures/quantised-iq.gguf";

static void test_bf16_weights(void **state)
{
    (void)state;
    check_subject(&(subject){TINY, "auto", DTYPE_F32}, false);
}

static void test_every_weight_type(void **state)
{
    (void)state;
    check_subject(&(subject){QUANTISED, "auto", DTYPE_F16}, true);
}

static void test_code_books(void **state)
{
    (void)state;
    check_subject(&(subject){BOOKS, "auto", DTYPE_F16}, false);
}

static void test_q8_0_cache(void **state)
{
    (void)state;
    check_subject(&(subject){QUANTISED, "auto", DTYPE_Q8_0}, false);
}

static void test_baseline(void **state)
{
    (void)state;
    check_subject(&(subject){QUANTISED, "baseline", DTYPE_F16}, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16_weights), cmocka_unit_test(test_every_weight_type),
        cmocka_unit_test(test_code_books),   cmocka_unit_test(test_q8_0_cache),
        cmocka_unit_test(test_baseline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
