/* test_cuda_memory.c - a GPU's memory: the plan against what is taken, only the experts that may be called,
 * a refusal that says what would fit.
 *
 * The GPU is the host's (cuda_host.h), which counts its memory and can have little.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/engine_memory.h"
#include "cuda_support.h"
#include "routing_support.h"

enum { CONTEXT = 2050, ROWS = 64, PASSES = 2, SAID = 34 };

static const char KEEP[] =
    "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0\":\"0-3\",\"1\":\"2-5\"}}";

static engine *open_on(const char *path, backend_options device, checkpoint_warn *warn, void *user,
                       error *err)
{
    engine_options options = {
        .path = path, .backend = device, .max_rows = ROWS, .warn = warn, .warn_user = user};
    return engine_open(&options, err);
}

/* What PASSES sessions take, with a batch of ROWS rows and one of PASSES; program NULL = plain. */
static unsigned long take(const char *path, const char *keep)
{
    error err = {0};
    (void)cuda_memory_taken();
    engine *e = open_on(path, cuda_options(), NULL, NULL, &err);
    if (!e)
        fail_msg("%s", err.text);
    router_program *program = keep ? support_program(e, router_settings_plain(), keep, NULL) : NULL;
    session *s[PASSES];
    int ids[SAID];
    step steps[PASSES];
    support_ids(e, 3, ids, SAID);
    size_t vocabulary = (size_t)engine_config(e)->vocabulary;
    float *logits = malloc(SAID * vocabulary * sizeof *logits);
    for (int i = 0; i < PASSES; i++) {
        s[i] = session_open(e, CONTEXT, DTYPE_F16, &err);
        assert_non_null(s[i]);
        assert_int_equal(session_set_program(s[i], program, &err), 0);
        steps[i] = (step){s[i], ids, SAID - 1, LOGITS_LAST, logits + (size_t)i * vocabulary};
    }
    sample_row row = {.candidates = vocabulary, .repeat_penalty = 1, .temperature = 1, .top_p = 1};
    sample_row rows[PASSES] = {row, row}, *draws[PASSES] = {&rows[0], &rows[1]};
    assert_int_equal(engine_draw(e, steps, draws, PASSES, &err), 0);
    for (int i = 0; i < PASSES; i++)
        session_close(s[i]);
    router_program_close(program);
    engine_close(e);
    free(logits);
    return cuda_memory_taken();
}

/* The plan for that, made on the CPU. */
static memory_plan plan(const char *path, const char *keep)
{
    error err = {0};
    engine *e = open_on(path, (backend_options){.name = "cpu"}, NULL, NULL, &err);
    assert_non_null(e);
    router_program *program = keep ? support_program(e, router_settings_plain(), keep, NULL) : NULL;
    const router_program *programs[] = {program};
    memory_ask ask = engine_memory_ask(e, PASSES, CONTEXT, DTYPE_F16);
    ask.programs = programs;
    ask.program_count = keep ? 1 : 0;
    memory_plan p = memory_plan_of(&ask);
    router_program_close(program);
    engine_close(e);
    return p;
}

static void check_plan(const char *path, const char *keep)
{
    memory_plan p = plan(path, keep);
    uint64_t planned = memory_plan_total(&p), taken = take(path, keep);
    /* A model of a few KiB is mostly small things, of which the plan speaks generously. */
    if (planned < taken || planned > taken + taken / 4 + (256u << 10))
        fail_msg("%s: %llu bytes are planned, %llu taken", path, (unsigned long long)planned,
                 (unsigned long long)taken);
}

static void test_plan(void **state)
{
    (void)state;
    check_plan(COUNCIL_MODEL, NULL);
    check_plan(COUNCIL_MODEL, KEEP);
    check_plan("tests/fixtures/models/qwen2_moe", NULL);
    check_plan("tests/fixtures/models/llama", NULL);
}

/* Of the experts only those that a program may call are there: half of them here. */
static void test_called_experts(void **state)
{
    (void)state;
    memory_plan all = plan(COUNCIL_MODEL, NULL), half = plan(COUNCIL_MODEL, KEEP);
    assert_true(half.experts <= all.experts / 2);
    assert_true(take(COUNCIL_MODEL, NULL) - take(COUNCIL_MODEL, KEEP) >=
                all.experts / 2 - all.experts / 8);
}

static void keep_warning(void *user, checkpoint_note note, const char *sentence)
{
    if (note == CHECKPOINT_WARNING)
        strncpy(user, sentence, sizeof(error) - 1);
}

/* A GPU without room for the model: --backend cuda is refused, auto is the CPU and says so. */
static void test_refused(void **state)
{
    error err = {0};
    char said[sizeof(error)] = "";
    backend_options any = cuda_options();
    (void)state;
    any.name = "auto";
    cuda_memory_kib(64);
    assert_null(open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "GPU memory"));
    engine *e = open_on(COUNCIL_MODEL, any, keep_warning, said, &err);
    assert_non_null(e);
    assert_string_equal(backend_name(engine_backend(e)), "cpu");
    assert_non_null(strstr(said, "the CPU computes; the model takes"));
    engine_close(e);
    cuda_memory_kib(0);
}

/* A session too many is refused with what would fit; those that are there go on. */
static void test_session_refused(void **state)
{
    enum { MOST = 64, LONG = 4096 };
    error err = {0};
    (void)state;
    memory_plan p = plan(COUNCIL_MODEL, NULL);
    cuda_memory_kib((int)(memory_plan_total(&p) >> 10) + 256);
    engine *e = open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err);
    assert_non_null(e);
    session *s = session_open(e, CONTEXT, DTYPE_F16, &err);
    assert_non_null(s);
    assert_null(session_open(e, LONG * MOST, DTYPE_F16, &err));
    assert_non_null(strstr(err.text, "would fit: a context of "));
    int id = 3;
    step st = {s, &id, 1, LOGITS_NONE, NULL};
    assert_int_equal(engine_advance(e, &st, 1, &err), 0);
    session_close(s);
    engine_close(e);
    cuda_memory_kib(0);
}

static void advance(engine *e, session *s, bool works, error *err)
{
    int id = 3;
    step st = {s, &id, 1, LOGITS_NONE, NULL};
    assert_int_equal(engine_advance(e, &st, 1, err), works ? 0 : -1);
}

static void must_say_takes(const char *text)
{
    if (!strstr(text, "the model takes") || !strstr(text, "for 1 x 2050 tokens") ||
        !strstr(text, "are all that it has"))
        fail_msg("%s", text);
}

/* A program whose experts have no room is refused in the same words, and the session keeps what it has; so is
 * the plain model, which asks for its experts with the first token. */
static void test_program_refused(void **state)
{
    error err = {0};
    (void)state;
    engine *e = open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err);
    assert_non_null(e);
    router_program *keep = support_program(e, router_settings_plain(), KEEP, NULL);
    router_program *all = router_program_plain(engine_config(e), 0, &err);
    session *s = session_open(e, CONTEXT, DTYPE_F16, &err);
    assert_non_null(s);
    assert_int_equal(session_set_program(s, keep, &err), 0);
    cuda_memory_kib(1);
    assert_int_equal(session_set_program(s, all, &err), -1);
    must_say_takes(err.text);
    cuda_memory_kib(0);
    advance(e, s, true, &err);
    cuda_memory_kib(1);
    assert_int_equal(session_set_program(s, NULL, &err), 0);
    advance(e, s, false, &err);
    must_say_takes(err.text);
    cuda_memory_kib(0);
    advance(e, s, true, &err);
    assert_string_equal(backend_name(engine_backend(e)), "cuda");
    session_close(s);
    router_program_close(keep);
    router_program_close(all);
    engine_close(e);
}

/* A program is refused when some of its experts are copied already; one that wants those alone finds them. */
static void test_copied_in_part(void **state)
{
    error err = {0};
    (void)state;
    engine *e = open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err);
    assert_non_null(e);
    router_program *keep = support_program(e, router_settings_plain(), KEEP, NULL);
    session *s = session_open(e, CONTEXT, DTYPE_F16, &err);
    assert_non_null(s);
    (void)cuda_memory_taken();
    cuda_memory_kib((int)(cuda_memory_taken() >> 10) + 14);
    advance(e, s, false, &err);
    cuda_memory_kib(0);
    assert_int_equal(session_set_program(s, keep, &err), 0);
    advance(e, s, true, &err);
    assert_string_equal(backend_name(engine_backend(e)), "cuda");
    session_close(s);
    router_program_close(keep);
    engine_close(e);
}

/* Where the plan has room and others took it, the device's own words stand: a keep-mask's session, the first of
 * its engine, is not told of all experts. */
static void test_others_took_it(void **state)
{
    error err = {0};
    (void)state;
    memory_plan half = plan(COUNCIL_MODEL, KEEP);
    engine *other = open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err);
    engine *e = open_on(COUNCIL_MODEL, cuda_options(), NULL, NULL, &err);
    assert_true(other && e);
    session *theirs = session_open(other, 8 * CONTEXT, DTYPE_F16, &err);
    session *s = session_open(e, CONTEXT, DTYPE_F16, &err);
    assert_true(theirs && s);
    router_program *keep = support_program(e, router_settings_plain(), KEEP, NULL);
    cuda_memory_kib((int)(memory_plan_total(&half) >> 10));
    assert_int_equal(session_set_program(s, keep, &err), -1);
    if (!strstr(err.text, "layer 0: experts that may be called: "))
        fail_msg("%s", err.text);
    cuda_memory_kib(0);
    session_close(theirs);
    session_close(s);
    router_program_close(keep);
    engine_close(e);
    engine_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_called_experts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_session_refused),
        cmocka_unit_test(test_program_refused),
        cmocka_unit_test(test_copied_in_part),
        cmocka_unit_test(test_others_took_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
