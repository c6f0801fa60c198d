/* test_profile.c - ops under the clock: the same bytes, every op counted, the same faults. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/weights.h"
#include "../kernels/backend_profile.h"
#include "routing_support.h"

enum { TOKENS = 24, CHUNK = 16, K = 3 };

static const char *name_of(void *user, int layer, const tensor *weight)
{
    const weights *w = engine_weights(user);
    if (layer < 0)
        return weight == w->output ? "output" : "stray";
    return weight == w->layers[layer].q        ? "q k v"
           : weight == w->layers[layer].router ? "router"
                                               : "o";
}

static backend_profile *watch(engine *e)
{
    error err = {0};
    profile_options opt = {.max_rows = CHUNK, .slots = K, .name = name_of, .user = e};
    backend_profile *p = backend_profile_open(engine_backend(e), &opt, &err);
    assert_non_null(p);
    return p;
}

static const profile_part *part(const backend_profile *p, const char *name)
{
    int n;
    const profile_part *parts = backend_profile_parts(p, &n);
    for (int i = 0; i < n; i++)
        if (strcmp(parts[i].name, name) == 0)
            return &parts[i];
    fail_msg("no part %s", name);
    return NULL;
}

static double bytes_of(const tensor *t)
{
    return (double)tensor_rows(t) * (double)dtype_row_bytes(tensor_type(t), tensor_cols(t));
}

static void the_bytes_are_the_same(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, CHUNK, NULL);
    int ids[TOKENS];
    support_ids(e, 5, ids, TOKENS);
    size_t bytes = (size_t)TOKENS * (size_t)engine_config(e)->vocabulary * sizeof(float);
    float *plain = support_logits(e, NULL, ids, TOKENS);
    backend_profile *p = watch(e);
    float *watched = support_logits(e, NULL, ids, TOKENS);
    backend_profile_close(p);
    float *after = support_logits(e, NULL, ids, TOKENS);
    assert_memory_equal(plain, watched, bytes);
    assert_memory_equal(plain, after, bytes);
    free(plain);
    free(watched);
    free(after);
    engine_close(e);
}

/* What a step reads: each matrix once, of experts those that are called. */
static void a_step_is_counted(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, CHUNK, NULL);
    const model_config *c = engine_config(e);
    const weights *w = engine_weights(e);
    int ids[TOKENS];
    support_ids(e, 5, ids, TOKENS);
    session *s = support_session(e, NULL, TOKENS);
    free(support_read(e, s, ids, TOKENS - 1));
    backend_profile *p = watch(e);
    free(support_read(e, s, ids + TOKENS - 1, 1));
    assert_int_equal(part(p, "q k v")->calls, c->layers);
    assert_int_equal(part(p, "output")->calls, 1);
    assert_true(part(p, "output")->bytes == bytes_of(w->output));
    assert_true(part(p, "output")->operations == 2.0 * c->vocabulary * c->width);
    const layer_weights *l = &w->layers[0];
    double expert =
        bytes_of(l->expert_gate[0]) + bytes_of(l->expert_up[0]) + bytes_of(l->expert_down[0]);
    assert_true(part(p, "experts")->bytes == K * c->layers * expert);
    double position = 2.0 * c->kv_heads *
                      (double)dtype_row_bytes(part(p, "attention")->type, (size_t)c->head_dim);
    assert_true(part(p, "attention")->bytes == TOKENS * c->layers * position);
    assert_true(part(p, "attention")->seconds > 0);
    backend_profile_reset(p);
    session_rewind(s, 0);
    free(support_read(e, s, ids, CHUNK));
    const profile_part *many = part(p, "experts");
    assert_true(many->operations == 2.0 * CHUNK * K * c->layers * 3 * c->expert_width * c->width);
    assert_true(many->bytes > K * c->layers * expert);
    assert_true(many->bytes <= c->experts * c->layers * expert);
    backend_profile_close(p);
    session_close(s);
    engine_close(e);
}

/* A fault of an op is told by the next sync, as without a clock. */
static void faults_are_told(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, CHUNK, NULL);
    backend *b = engine_backend(e);
    error err = {0};
    backend_profile *p = watch(e);
    float bad[2] = {1, NAN}, one[2] = {1, 1};
    tensor *x = tensor_new(b, DTYPE_F32, 1, 2, &err),
           *weight = tensor_new(b, DTYPE_F32, 1, 2, &err);
    tensor_write(b, x, 0, 1, bad);
    tensor_write(b, weight, 0, 1, one);
    op_layer(b, 7);
    op_rmsnorm(b, x, x, weight, 1e-5f, 1);
    assert_int_equal(backend_sync(b, &err), -1);
    assert_string_equal(err.text, "layer 7: activations are not finite");
    assert_int_equal(backend_sync(b, &err), 0);
    tensor_free(x);
    tensor_free(weight);
    backend_profile_close(p);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_the_same),
        cmocka_unit_test(a_step_is_counted),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
