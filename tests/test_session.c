/* test_session.c - sequences of a tiny model: batching, forking, rewinding, reuse, refusal.
 *
 * Every comparison is memcmp: a sequence's logits are the same bytes however it came to be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/engine.h"
#include "../kernels/dequantize.h"

#define MODEL "tests/fixtures/models/qwen3_moe"
enum { LONG = 150 };

typedef struct fixture {
    engine *engine;
    int vocabulary;
    int ids[LONG];
    atomic_bool cancel;
} fixture;

static int open_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    atomic_init(&f->cancel, false);
    engine_options opt = {
        .path = MODEL, .backend = {.threads = 2}, .max_rows = 16, .cancel = &f->cancel};
    error err = {0};
    f->engine = engine_open(&opt, &err);
    if (!f->engine) {
        print_error("%s\n", err.text);
        return -1;
    }
    f->vocabulary = engine_config(f->engine)->vocabulary;
    for (int i = 0; i < LONG; i++)
        f->ids[i] = (i * 37 + i * i * 11 + 5) % f->vocabulary;
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    engine_close(f->engine);
    free(f);
    return 0;
}

static session *new_session(const fixture *f, int context)
{
    error err = {0};
    session *s = session_open(f->engine, context, DTYPE_F32, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

static float *new_logits(const fixture *f, int rows)
{
    return calloc((size_t)rows * (size_t)f->vocabulary, sizeof(float));
}

static void read_all(const fixture *f, session *s, const int *ids, int n, float *logits)
{
    error err = {0};
    step st = {s, ids, n, logits ? LOGITS_LAST : LOGITS_NONE, logits};
    if (engine_advance(f->engine, &st, 1, &err))
        fail_msg("%s", err.text);
}

static void assert_same(const fixture *f, const float *a, const float *b, int rows)
{
    assert_memory_equal(a, b, (size_t)rows * (size_t)f->vocabulary * sizeof(float));
}

/* The logits of position n - 1 by a session of its own. */
static void solo_logits(const fixture *f, const int *ids, int n, float *logits)
{
    session *s = new_session(f, LONG);
    read_all(f, s, ids, n, logits);
    session_close(s);
}

static void one_read_equals_many(void **state)
{
    const fixture *f = *state;
    float *all = new_logits(f, LONG), *one = new_logits(f, 1);
    session *s = new_session(f, LONG);
    error err = {0};
    step st = {s, f->ids, LONG, LOGITS_ALL, all};
    assert_int_equal(engine_advance(f->engine, &st, 1, &err), 0);
    session *t = new_session(f, LONG);
    for (int i = 0; i < LONG; i++) {
        read_all(f, t, f->ids + i, 1, one);
        assert_same(f, one, all + (size_t)i * (size_t)f->vocabulary, 1);
    }
    assert_int_equal(session_length(t), LONG);
    session_close(s);
    session_close(t);
    free(all);
    free(one);
}

static void a_fork_goes_its_own_way(void **state)
{
    const fixture *f = *state;
    float *got = new_logits(f, 1), *want = new_logits(f, 1);
    int other[LONG];
    memcpy(other, f->ids, sizeof other);
    for (int i = 70; i < LONG; i++)
        other[i] = (f->ids[i] + 1) % f->vocabulary;

    session *a = new_session(f, LONG);
    read_all(f, a, f->ids, 70, NULL);
    error err = {0};
    session *b = session_fork(a, &err);
    assert_non_null(b);
    read_all(f, b, other + 70, 40, NULL); /* the fork writes first, into the shared page */
    read_all(f, a, f->ids + 70, 40, got);
    solo_logits(f, f->ids, 110, want);
    assert_same(f, got, want, 1);
    session_close(a); /* the fork lives on without its origin */
    read_all(f, b, other + 110, 40, got);
    solo_logits(f, other, 150, want);
    assert_same(f, got, want, 1);
    session_close(b);
    free(got);
    free(want);
}

static void a_rewound_session_does_not_disturb_its_fork(void **state)
{
    const fixture *f = *state;
    float *got = new_logits(f, 1), *want = new_logits(f, 1);
    session *a = new_session(f, LONG);
    read_all(f, a, f->ids, 100, NULL);
    error err = {0};
    session *b = session_fork(a, &err);
    assert_non_null(b);
    session_rewind(a, 66);
    int junk[30] = {0};
    read_all(f, a, junk, 30, NULL);
    read_all(f, b, f->ids + 100, 20, got);
    solo_logits(f, f->ids, 120, want);
    assert_same(f, got, want, 1);
    session_close(a);
    session_close(b);
    free(got);
    free(want);
}

/* Counts the tokens that a sync really read. */
static void count_progress(void *user, int done, int total)
{
    int *v = user;
    if (v[0] < 0)
        v[0] = done;
    v[1] = done;
    v[2] = total;
}

static void sync_reads_only_what_is_new(void **state)
{
    const fixture *f = *state;
    float *got = new_logits(f, 1), *want = new_logits(f, 1);
    session *s = new_session(f, LONG);
    error err = {0};
    assert_int_equal(session_sync(s, f->ids, 100, 0, got, NULL, NULL, &err), 0);
    int seen[3] = {-1, 0, 0};
    assert_int_equal(session_sync(s, f->ids, 108, 0, got, count_progress, seen, &err), 0);
    assert_int_equal(seen[0], 108); /* one chunk of 8, not 108 tokens in chunks of 16 */
    assert_int_equal(seen[2], 108);
    solo_logits(f, f->ids, 108, want);
    assert_same(f, got, want, 1);
    /* The same text again: its last token is read again for the logits. */
    memset(got, 0, sizeof(float));
    assert_int_equal(session_sync(s, f->ids, 108, 0, got, NULL, NULL, &err), 0);
    assert_same(f, got, want, 1);
    /* A text that parts in the middle. */
    int other[LONG];
    memcpy(other, f->ids, sizeof other);
    other[50] = (other[50] + 1) % f->vocabulary;
    assert_int_equal(session_sync(s, other, 90, 0, got, NULL, NULL, &err), 0);
    assert_int_equal(session_length(s), 90);
    solo_logits(f, other, 90, want);
    assert_same(f, got, want, 1);
    session_close(s);
    free(got);
    free(want);
}

static void pages_of_another_program_are_not_reused(void **state)
{
    const fixture *f = *state;
    float *got = new_logits(f, 1), *plain = new_logits(f, 1), *want = new_logits(f, 1);
    error err = {0};
    router_program *p = router_program_plain(engine_config(f->engine), 1, &err);
    assert_non_null(p);
    session *s = new_session(f, LONG), *t = new_session(f, LONG);
    assert_int_equal(session_sync(s, f->ids, 80, 0, plain, NULL, NULL, &err), 0);
    assert_int_equal(session_set_program(s, p, &err), 0);
    assert_int_equal(session_sync(s, f->ids, 80, 0, got, NULL, NULL, &err), 0);
    assert_int_equal(session_set_program(t, p, &err), 0);
    read_all(f, t, f->ids, 80, want);
    assert_same(f, got, want, 1);
    assert_memory_not_equal(got, plain, (size_t)f->vocabulary * sizeof(float));
    /* Shared prefill: 60 tokens without the program, the rest under it. */
    assert_int_equal(session_sync(s, f->ids, 80, 60, got, NULL, NULL, &err), 0);
    session_rewind(t, 0);
    assert_int_equal(session_set_program(t, NULL, &err), 0);
    read_all(f, t, f->ids, 60, NULL);
    assert_int_equal(session_set_program(t, p, &err), 0);
    read_all(f, t, f->ids + 60, 20, want);
    assert_same(f, got, want, 1);
    session_close(s);
    session_close(t);
    router_program_close(p);
    free(got);
    free(plain);
    free(want);
}

static void ragged_sessions_share_a_batch(void **state)
{
    const fixture *f = *state;
    enum { N = 4 };
    const int lengths[N] = {1, 33, 64, 7};
    session *s[N];
    step st[N];
    float *got = new_logits(f, N), *want = new_logits(f, 1);
    for (int i = 0; i < N; i++) {
        s[i] = new_session(f, LONG);
        st[i] = (step){s[i], f->ids + i, lengths[i], LOGITS_LAST,
                       got + (size_t)i * (size_t)f->vocabulary};
    }
    error err = {0};
    assert_int_equal(engine_advance(f->engine, st, N, &err), 0);
    for (int i = 0; i < N; i++) {
        solo_logits(f, f->ids + i, lengths[i], want);
        assert_same(f, st[i].logits, want, 1);
        session_close(s[i]);
    }
    free(got);
    free(want);
}

static void refusals_change_nothing(void **state)
{
    fixture *f = *state;
    session *a = new_session(f, 100), *b = new_session(f, LONG);
    read_all(f, a, f->ids, 90, NULL);
    read_all(f, b, f->ids, 40, NULL);
    error err = {0};
    step full[2] = {{b, f->ids + 40, 10, LOGITS_NONE, NULL}, {a, f->ids, 11, LOGITS_NONE, NULL}};
    assert_int_equal(engine_advance(f->engine, full, 2, &err), -1);
    assert_int_equal(err.code, ERROR_CONTEXT);
    int wild[2] = {0, f->vocabulary}, negative[1] = {-1};
    step bad[] = {{b, wild, 2, LOGITS_NONE, NULL}, {b, negative, 1, LOGITS_NONE, NULL}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_advance(f->engine, &bad[i], 1, &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
    }
    step twice[2] = {{b, f->ids + 40, 1, LOGITS_NONE, NULL},
                     {b, f->ids + 41, 1, LOGITS_NONE, NULL}};
    assert_int_equal(engine_advance(f->engine, twice, 2, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    atomic_store(&f->cancel, true);
    step good = {b, f->ids + 40, 30, LOGITS_NONE, NULL};
    assert_int_equal(engine_advance(f->engine, &good, 1, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    atomic_store(&f->cancel, false);
    assert_int_equal(session_length(a), 90);
    assert_int_equal(session_length(b), 40);
    float *got = new_logits(f, 1), *want = new_logits(f, 1);
    read_all(f, b, f->ids + 40, 30, got);
    solo_logits(f, f->ids, 70, want);
    assert_same(f, got, want, 1);
    session_close(a);
    session_close(b);
    free(got);
    free(want);
}

typedef struct trace_count {
    int rows, chosen, last_layer;
    double gates;
} trace_count;

static void count_trace(void *user, const session *s, const route_trace *t)
{
    trace_count *c = user;
    (void)s;
    c->rows++;
    c->last_layer = t->layer;
    for (int i = 0; i < t->slots; i++) {
        if (t->ids[i] < 0)
            continue;
        c->chosen++;
        c->gates += (double)t->gates[i];
    }
}

static void the_trace_tells_every_choice(void **state)
{
    const fixture *f = *state;
    const model_config *c = engine_config(f->engine);
    trace_count count = {0};
    session *s = new_session(f, LONG);
    engine_trace(f->engine, count_trace, &count);
    read_all(f, s, f->ids, 40, NULL);
    engine_trace(f->engine, NULL, NULL);
    read_all(f, s, f->ids, 5, NULL);
    assert_int_equal(count.rows, 40 * c->layers);
    assert_int_equal(count.chosen, 40 * c->layers * c->experts_per_token);
    assert_int_equal(count.last_layer, c->layers - 1);
    assert_true(c->renormalise);
    double mean = count.gates / (40 * c->layers);
    assert_true(mean > 0.9999 && mean < 1.0001);
    session_close(s);
}

/* The states of layer 0 that were told, and the best expert that the trace told. */
typedef struct seen_states {
    int rows, calls, width, best[40];
    float x[40 * 128];
} seen_states;

static void keep_best(void *user, const session *s, const route_trace *t)
{
    seen_states *seen = user;
    (void)s;
    if (t->layer == 0)
        seen->best[t->position] = t->ids[0];
}

static void keep_states(void *user, int layer, int n, const float *x)
{
    seen_states *seen = user;
    seen->calls++;
    if (layer > 0)
        return;
    memcpy(seen->x + seen->rows * seen->width, x, (size_t)n * (size_t)seen->width * sizeof(float));
    seen->rows += n;
}

/* The expert whose router row gives the largest product with x. */
static int best_by_hand(const checkpoint_tensor *t, const float *x)
{
    int best = 0;
    double most = -1e30;
    for (uint64_t e = 0; e < t->shape[0]; e++) {
        float row[128];
        double sum = 0;
        dequantize_row(t->type, (const char *)t->data + e * dtype_row_bytes(t->type, t->shape[1]),
                       row, t->shape[1]);
        for (uint64_t i = 0; i < t->shape[1]; i++)
            sum += (double)row[i] * (double)x[i];
        if (sum > most) {
            most = sum;
            best = (int)e;
        }
    }
    return best;
}

/* What is told is what the router read: its rows times it put the chosen expert first. */
static void states_are_what_the_router_reads(void **state)
{
    const fixture *f = *state;
    const model_config *c = engine_config(f->engine);
    seen_states seen = {.width = c->width};
    assert_true(c->width <= 128);
    session *s = new_session(f, LONG);
    engine_trace(f->engine, keep_best, &seen);
    engine_watch_states(f->engine, keep_states, &seen);
    read_all(f, s, f->ids, 40, NULL);
    engine_trace(f->engine, NULL, NULL);
    engine_watch_states(f->engine, NULL, NULL);
    read_all(f, s, f->ids, 5, NULL);
    assert_int_equal(seen.rows, 40);
    assert_int_equal(seen.calls, 3 * c->layers); /* 16 rows at a time */
    const checkpoint *file = engine_checkpoint(f->engine);
    checkpoint_tensor router;
    checkpoint_at(file, checkpoint_index(file, "model.layers.0.mlp.gate.weight"), &router);
    for (int i = 0; i < 40; i++)
        assert_int_equal(best_by_hand(&router, seen.x + i * seen.width), seen.best[i]);
    session_close(s);
}

static void kv_types_are_refused_or_close(void **state)
{
    const fixture *f = *state;
    error err = {0};
    assert_null(session_open(f->engine, 10, DTYPE_Q4_0, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(session_open(f->engine, 0, DTYPE_F32, &err));
    session *s = session_open(f->engine, LONG, DTYPE_F16, &err);
    assert_non_null(s);
    float *got = new_logits(f, 1), *want = new_logits(f, 1);
    read_all(f, s, f->ids, LONG, got);
    solo_logits(f, f->ids, LONG, want);
    double difference = 0, size = 0;
    for (int i = 0; i < f->vocabulary; i++) {
        difference += (double)(got[i] - want[i]) * (double)(got[i] - want[i]);
        size += (double)want[i] * (double)want[i];
    }
    assert_true(size > 0);
    assert_true(difference / size < 1e-4 && difference > 0);
    session_close(s);
    free(got);
    free(want);
}

/* ln softmax(z)[id] by its definition. */
static double by_definition(const float *z, int n, int id)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)z[i] - (double)z[0]);
    return (double)z[id] - (double)z[0] - log(sum);
}

/* Branches of two sequences in one batch, read in pieces: the likelihoods are those of their logits,
 * and the same bytes in any batch. */
static void branches_are_judged_in_one_batch(void **state)
{
    enum { SHARED = 70, REST = 40 };
    const fixture *f = *state;
    session *s = new_session(f, LONG);
    float *all = new_logits(f, REST);
    double alone[REST], both[2][REST];
    error err = {0};
    read_all(f, s, f->ids, SHARED, NULL);
    session *fork = session_fork(s, &err);
    step st = {fork, f->ids + SHARED, REST, LOGITS_ALL, all};
    assert_int_equal(engine_advance(f->engine, &st, 1, &err), 0);
    session *one = session_branch(s, SHARED, REST, NULL, &err);
    step whole = {one, f->ids + SHARED, REST, LOGITS_NONE, NULL};
    step_score asked = {f->ids + SHARED + 1, alone};
    assert_int_equal(engine_score(f->engine, &whole, &asked, 1, &err), 0);
    for (int i = 0; i < REST; i++) {
        double want = by_definition(all + (size_t)i * (size_t)f->vocabulary, f->vocabulary,
                                    f->ids[SHARED + i + 1]);
        assert_true(fabs(alone[i] - want) < 1e-6);
    }
    session *pair[2] = {session_branch(s, SHARED, REST, NULL, &err),
                        session_branch(s, SHARED - 7, REST + 7, NULL, &err)};
    read_all(f, pair[1], f->ids + SHARED - 7, 7, NULL);
    for (int at = 0; at < REST; at += 8) {
        step steps[2];
        step_score each[2];
        for (int k = 0; k < 2; k++) {
            steps[k] = (step){pair[k], f->ids + SHARED + at, 8, LOGITS_NONE, NULL};
            each[k] = (step_score){f->ids + SHARED + at + 1, both[k] + at};
        }
        assert_int_equal(engine_score(f->engine, steps, each, 2, &err), 0);
    }
    assert_memory_equal(alone, both[0], sizeof alone);
    assert_memory_equal(alone, both[1], sizeof alone);
    assert_int_equal(session_length(s), SHARED);
    session_close(one);
    session_close(pair[0]);
    session_close(pair[1]);
    session_close(fork);
    session_close(s);
    free(all);
}

static void a_branch_has_no_more_than_its_room(void **state)
{
    const fixture *f = *state;
    session *s = new_session(f, LONG);
    error err = {0};
    double logprob[2];
    int strange[2] = {0, f->vocabulary};
    read_all(f, s, f->ids, 100, NULL);
    assert_null(session_branch(s, 101, 1, NULL, &err));
    assert_null(session_branch(s, 100, LONG, NULL, &err));
    session *b = session_branch(s, 64, 2, NULL, &err);
    step st = {b, f->ids, 3, LOGITS_NONE, NULL};
    assert_int_equal(engine_advance(f->engine, &st, 1, &err), -1);
    assert_int_equal(err.code, ERROR_CONTEXT);
    step two = {b, f->ids, 2, LOGITS_NONE, NULL};
    step_score asked = {strange, logprob};
    assert_int_equal(engine_score(f->engine, &two, &asked, 1, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    asked.next = f->ids;
    assert_int_equal(engine_score(f->engine, &two, &asked, 1, &err), 0);
    session_close(b);
    session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_read_equals_many),
        cmocka_unit_test(a_fork_goes_its_own_way),
        cmocka_unit_test(a_rewound_session_does_not_disturb_its_fork),
        cmocka_unit_test(sync_reads_only_what_is_new),
        cmocka_unit_test(pages_of_another_program_are_not_reused),
        cmocka_unit_test(ragged_sessions_share_a_batch),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(the_trace_tells_every_choice),
        cmocka_unit_test(states_are_what_the_router_reads),
        cmocka_unit_test(kv_types_are_refused_or_close),
        cmocka_unit_test(branches_are_judged_in_one_batch),
        cmocka_unit_test(a_branch_has_no_more_than_its_room),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
