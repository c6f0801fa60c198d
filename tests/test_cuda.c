/* test_cuda.c - the GPU's backend on the host: whole tiny models against the CPU's.
 *
 * The kernels of kernels/cuda/ are compiled over cuda_host.h, which fails on what a GPU leaves undefined.
 * Their arithmetic is the CPU's, operation by operation, so logits must have the CPU's very bytes: for
 * every architecture, in prefill and in lockstep with other sequences, under masks, and for any order of
 * blocks and threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/engine.h"
#include "../engine/run/expert_store.h"
#include "../engine/run/sampler.h"
#include "cuda_support.h"

enum { LENGTH = 24, PREFILL = 19, STREAMS = 2 };

static const char *const MODELS[] = {"qwen3_moe", "qwen3_moe-bf16", "qwen3_moe-f16", "qwen2_moe",
                                     "mixtral",   "olmoe",          "granitemoe",    "llama",
                                     "qwen2",     "qwen3",          "llama-bias"};

static void must(bool ok, const error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static int token_of(int vocabulary, int stream, int i)
{
    return (i * (7 + 2 * stream) + i / 5 + 3 * stream) % vocabulary;
}

/* Reads two sequences, the second under fewer experts, as a prefill each and then in lockstep, and keeps
 * the logits of all their tokens [STREAMS, LENGTH, vocabulary]. */
static float *read_model(const char *path, backend_options device, dtype kv)
{
    error err = {0};
    engine_options options = {.path = path, .backend = device, .max_rows = 16};
    engine *e = engine_open(&options, &err);
    must(e != NULL, &err);
    int vocabulary = engine_config(e)->vocabulary, ids[STREAMS][LENGTH];
    size_t row = (size_t)vocabulary;
    float *logits = malloc(STREAMS * LENGTH * row * sizeof *logits);
    router_program *fewer = router_program_plain(engine_config(e), 1, &err);
    session *s[STREAMS];
    step steps[STREAMS];
    for (int k = 0; k < STREAMS; k++) {
        s[k] = session_open(e, LENGTH, kv, &err);
        must(s[k] && (k == 0 || session_set_program(s[k], fewer, &err) == 0), &err);
        for (int i = 0; i < LENGTH; i++)
            ids[k][i] = token_of(vocabulary, k, i);
        steps[k] = (step){s[k], ids[k], PREFILL, LOGITS_ALL, logits + (size_t)k * LENGTH * row};
        must(engine_advance(e, &steps[k], 1, &err) == 0, &err);
    }
    for (int i = PREFILL; i < LENGTH; i++) {
        for (int k = 0; k < STREAMS; k++)
            steps[k] = (step){s[k], &ids[k][i], 1, LOGITS_LAST,
                              logits + ((size_t)k * LENGTH + (size_t)i) * row};
        must(engine_advance(e, steps, STREAMS, &err) == 0, &err);
    }
    for (int k = 0; k < STREAMS; k++)
        session_close(s[k]);
    router_program_close(fewer);
    engine_close(e);
    return logits;
}

static size_t bytes_of(const char *path)
{
    error err = {0};
    engine *e = engine_open(&(engine_options){.path = path, .backend = {.name = "cpu"}}, &err);
    must(e != NULL, &err);
    size_t bytes = (size_t)engine_config(e)->vocabulary * STREAMS * LENGTH * sizeof(float);
    engine_close(e);
    return bytes;
}

static void compare(const char *name, dtype kv, int seed)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/models/%s", name);
    size_t bytes = bytes_of(path);
    float *want = read_model(path, (backend_options){.name = "cpu"}, kv);
    cuda_seed(seed);
    float *got = read_model(path, cuda_options(), kv);
    if (memcmp(want, got, bytes) != 0)
        for (size_t i = 0; i < bytes / sizeof *want; i++)
            if (memcmp(&want[i], &got[i], sizeof *want) != 0) {
                fail_msg("%s: logit %zu of %zu is %.9g, not %.9g", name, i, bytes / sizeof *want,
                         (double)got[i], (double)want[i]);
            }
    free(want);
    free(got);
}

static void test_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++)
        compare(MODELS[i], DTYPE_F32, 1 + (int)i);
}

static void test_page_types(void **state)
{
    (void)state;
    compare("qwen3_moe", DTYPE_F16, 7);
}

/* ---- a device that fails ---------------------------------------------------------------------- */

enum { VOICES = 3, PAST = 70, SHARED = 66, TOLD = 6, BREAK_AT = 2 };

static void count_warning(void *user, checkpoint_note note, const char *sentence)
{
    int *count = user;
    if (note != CHECKPOINT_WARNING)
        return;
    assert_non_null(strstr(sentence, "the CPU carries on"));
    ++*count;
}

/* Three sequences tell TOLD tokens in lockstep: a plain one, one that branched off within its second page
 * and goes on under a program, one under that program throughout. The device fails in step BREAK_AT, after
 * so many launches of it; -1 = never. memory: bytes that the CPU may take then, 0 = no bound. Returns their
 * logits [TOLD, VOICES, vocabulary]. */
static float *tell_on(backend_options device, int launches, uint64_t memory, int *warnings)
{
    error err = {0};
    engine_options options = {.path = "tests/fixtures/models/qwen3_moe",
                              .backend = device,
                              .max_rows = 16,
                              .memory = memory,
                              .memory_asked = true,
                              .warn = count_warning,
                              .warn_user = warnings};
    engine *e = engine_open(&options, &err);
    must(e != NULL, &err);
    int vocabulary = engine_config(e)->vocabulary, ids[VOICES][PAST + TOLD];
    float *logits = malloc((size_t)TOLD * VOICES * (size_t)vocabulary * sizeof *logits);
    router_program *fewer = router_program_plain(engine_config(e), 1, &err);
    session *s[VOICES] = {session_open(e, PAST + TOLD, DTYPE_F16, &err)};
    for (int k = 0; k < VOICES; k++)
        for (int i = 0; i < PAST + TOLD; i++)
            ids[k][i] = token_of(vocabulary, k, i);
    step first = {s[0], ids[0], PAST, LOGITS_NONE, NULL};
    must(engine_advance(e, &first, 1, &err) == 0, &err);
    s[1] = session_branch(s[0], SHARED, TOLD, fewer, &err);
    s[2] = session_open(e, PAST, DTYPE_F16, &err);
    must(s[1] && s[2] && session_set_program(s[2], fewer, &err) == 0, &err);
    for (int i = 0; i < TOLD; i++) {
        step steps[VOICES];
        for (int k = 0; k < VOICES; k++)
            steps[k] = (step){s[k], &ids[k][i], 1, LOGITS_LAST,
                              logits + (size_t)(i * VOICES + k) * (size_t)vocabulary};
        if (i == BREAK_AT && launches >= 0)
            cuda_break(launches);
        must(engine_advance(e, steps, VOICES, &err) == 0, &err);
    }
    cuda_break(-1);
    size_t bytes = (size_t)TOLD * VOICES * (size_t)vocabulary * sizeof *logits;
    for (int k = 0; k < VOICES; k++)
        session_close(s[k]);
    router_program_close(fewer);
    assert_string_equal(backend_name(engine_backend(e)), launches >= 0 ? "cpu" : device.name);
    expert_store_figures pool;
    assert_true(engine_pool(e, &pool) == (memory > 0));
    engine_close(e);
    return realloc(logits, bytes);
}

enum { DRAWN = 8 };

/* Tokens that three sequences go on with, drawn by the batches, [DRAWN, VOICES], and their likelihoods. The
 * device is lost after so many launches; -1 = never. */
static void draw_on(backend_options device, int launches, double *out)
{
    error err = {0};
    int none = 0;
    engine_options options = {.path = "tests/fixtures/models/qwen3_moe",
                              .backend = device,
                              .warn = count_warning,
                              .warn_user = &none};
    engine *e = engine_open(&options, &err);
    must(e != NULL, &err);
    size_t vocabulary = (size_t)engine_config(e)->vocabulary;
    session *s[VOICES];
    sampler *samplers[VOICES];
    int ids[VOICES][DRAWN + 1];
    for (int k = 0; k < VOICES; k++) {
        sampling how = {k, k == 2 ? 0.8 : 1, 0, k == 1 ? 5 : 0, 1.1, 0.1, 0, 7};
        s[k] = session_open(e, DRAWN + 1, DTYPE_F16, &err);
        samplers[k] = sampler_open(engine_backend(e), &how, "voice", (int)vocabulary, &err);
        must(s[k] && samplers[k], &err);
        ids[k][0] = 3 + k;
    }
    cuda_break(launches);
    for (int i = 0; i < DRAWN; i++) {
        step steps[VOICES];
        sample_row rows[VOICES], *draws[VOICES];
        for (int k = 0; k < VOICES; k++) {
            steps[k] = (step){s[k], &ids[k][i], 1, LOGITS_NONE, NULL};
            rows[k] = sampler_row(samplers[k], NULL, ids[k], (size_t)i + 1, (uint64_t)i + 1, NULL);
            rows[k].vocabulary = vocabulary;
            draws[k] = &rows[k];
        }
        must(engine_draw(e, steps, draws, VOICES, &err) == 0, &err);
        for (int k = 0; k < VOICES; k++) {
            must(sampler_result(&rows[k], &ids[k][i + 1], &err) == 0, &err);
            *out++ = ids[k][i + 1];
            *out++ = rows[k].logprob;
        }
    }
    cuda_break(-1);
    assert_int_equal(none, launches >= 0);
    for (int k = 0; k < VOICES; k++) {
        sampler_close(samplers[k]);
        session_close(s[k]);
    }
    engine_close(e);
}

/* Tokens and likelihoods are the CPU's, with a device that is lost on the way too. */
static void test_draws(void **state)
{
    const int launches[] = {-1, 0, 47, 300};
    double want[2 * DRAWN * VOICES], got[2 * DRAWN * VOICES];
    (void)state;
    draw_on((backend_options){.name = "cpu"}, -1, want);
    for (size_t i = 0; i < (cuda_on_host() ? 4 : 1); i++) {
        draw_on(cuda_options(), launches[i], got);
        assert_memory_equal(want, got, sizeof want);
    }
}

/* The device is lost in the middle: at once, within a layer, later. What follows has the bytes that the
 * CPU's past would have given it, and the user is told once. The last has too little memory on the host, and
 * the experts are read as they are called from then on. */
static void test_carries_on(void **state)
{
    const int launches[] = {0, 7, 31};
    int none = 0;
    (void)state;
    size_t bytes = bytes_of("tests/fixtures/models/qwen3_moe") / (STREAMS * LENGTH) * TOLD * VOICES;
    float *want = tell_on((backend_options){.name = "cpu"}, -1, 0, &none);
    for (size_t i = 0; i < 3 && cuda_on_host(); i++) {
        int warnings = 0;
        float *got = tell_on(cuda_options(), launches[i], i == 2, &warnings);
        assert_int_equal(warnings, 1);
        assert_memory_equal(want, got, bytes);
        free(got);
    }
    assert_int_equal(none, 0);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_page_types),
        cmocka_unit_test(test_carries_on),
        cmocka_unit_test(test_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
