/* test_trainable.c - what is learned, from its first values to the engine that runs it: trainable.h,
 * adamw.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "../engine/train/adamw.h"
#include "routing_support.h"
#include "train_support.h"

#define MODELS "tests/fixtures/models/"

static const char *const MIXTURES[] = {MODELS "qwen2_moe", MODELS "qwen3_moe", MODELS "mixtral",
                                       MODELS "olmoe", MODELS "granitemoe"};
enum { MIXTURE_COUNT = sizeof MIXTURES / sizeof *MIXTURES };

static trainable *learn(engine *e, const train_spec *spec)
{
    error err = {0};
    trainable *t = trainable_new(e, spec, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

/* ---- first values ---------------------------------------------------------------------------- */

/* Copies of all experts, the originals banned: the plain model, up to the order of sums. */
static void copies_are_the_plain_model(const char *path)
{
    engine *e = train_engine(path, 1);
    const model_config *c = engine_config(e);
    train_batch b = train_texts(e, 1);
    int sources[64];
    uint8_t allowed[128] = {0};
    for (int i = 0; i < c->experts; i++) {
        sources[i] = i;
        allowed[c->experts + i] = 1;
    }
    layer_spec layer = {.added = c->experts, .copies = sources};
    train_spec spec = {.first = 1, .last = 2, .layers = &layer};
    trainable *t = learn(e, &spec);
    net *n = train_net(e, t, 0);
    layer_routing routing[2] = {{0}};
    routing[1] = (layer_routing){.k = c->experts_per_token, .strength = 1, .allowed = allowed};
    double expected = 0;
    b.texts[2].plain = NULL;
    for (int i = 0; i < TRAIN_TEXTS; i++)
        expected += train_engine_loss(e, NULL, &b.texts[i]);
    net_losses l = train_evaluate(n, &b, &(net_options){.routing = routing});
    if (!(fabs(l.cross_entropy - expected) < 1e-4 * expected))
        fail_msg("%s: %.9g and %.9g", path, l.cross_entropy, expected);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

static void copied_experts_begin_as_the_plain_model(void **state)
{
    (void)state;
    for (int i = 0; i < MIXTURE_COUNT; i++)
        copies_are_the_plain_model(MIXTURES[i]);
}

static void random_experts_begin_silent(void **state)
{
    engine *e = train_engine(MODELS "qwen2_moe", 1);
    static const uint8_t lora[64] = {4};
    layer_spec layers[2] = {{.added = 2}, {.added = 2, .lora = lora}};
    train_spec spec = {
        .first = 0, .last = 2, .layers = layers, .added_width = 32, .rank = 2, .seed = 5};
    trainable *t = learn(e, &spec), *again = learn(e, &spec);
    const expert_trainable *x = &t->layers[1].of[t->layers[1].experts - 1];
    double sum = 0, square = 0;
    size_t n = x->whole[EXPERT_GATE].rows * x->whole[EXPERT_GATE].cols;
    (void)state;
    assert_int_equal(x->whole[EXPERT_DOWN].cols, 32);
    for (size_t i = 0; i < n; i++) {
        assert_true(x->whole[EXPERT_DOWN].value[i] == 0);
        sum += (double)x->whole[EXPERT_GATE].value[i];
        square += (double)x->whole[EXPERT_GATE].value[i] * (double)x->whole[EXPERT_GATE].value[i];
    }
    assert_true(fabs(sum / (double)n) < 0.003);
    assert_true(fabs(sqrt(square / (double)n) - 0.02) < 0.002);
    const lora_pair *pair = &t->layers[1].of[0].lora[EXPERT_DOWN];
    for (size_t i = 0; i < pair->b.rows * pair->b.cols; i++)
        assert_true(pair->b.value[i] == 0);
    for (size_t i = 0; i < pair->a.rows * pair->a.cols; i++)
        assert_true(fabs((double)pair->a.value[i]) <= 1 / sqrt((double)pair->a.cols));
    assert_true(pair->scale == 1);
    assert_int_equal(2 * t->count * sizeof(float), trainable_bytes(e, &spec));
    assert_memory_equal(t->values, again->values, t->count * sizeof(float));
    trainable_free(t);
    trainable_free(again);
    engine_close(e);
}

static void specs_that_do_not_fit_are_refused(void **state)
{
    static const uint8_t one[64] = {0, 1}, all[64] = {0, 7};
    static const int beyond = 99;
    const struct {
        layer_spec layer;
        int rank;
        const char *says;
    } cases[] = {
        {{0}, 4, "nothing is to be learned"},
        {{.whole = one, .lora = all}, 4, "layer 1: expert 1 is to be learned whole and by LoRA"},
        {{.lora = all}, 0, "a LoRA rank of 0"},
        {{.added = 1, .copies = &beyond}, 4, "layer 1: there is no expert 99 to copy"},
        {{.added = -1}, 4, "layer 1: -1 experts cannot be added"},
    };
    engine *e = train_engine(MODELS "qwen3_moe-mlp-only", 1);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        train_spec spec = {.first = 1, .last = 2, .layers = &cases[i].layer, .rank = cases[i].rank};
        assert_null(trainable_new(e, &spec, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.text, cases[i].says));
    }
    error err = {0};
    layer_spec dense = {.rows = one};
    train_spec spec = {.first = 0, .last = 1, .layers = &dense};
    assert_null(trainable_new(e, &spec, &err));
    assert_string_equal(err.text, "layer 0 has no routed experts");
    spec = (train_spec){.first = 1, .last = 9, .layers = &dense};
    assert_null(trainable_new(e, &spec, &err));
    engine_close(e);
}

/* ---- adapters -------------------------------------------------------------------------------- */

/* What the net computes, the engine computes with the adapter that is made of it. */
static void engine_runs_what_is_learned(const char *path, bool copies)
{
    error err = {0};
    engine *e = train_engine(path, 2);
    train_batch b = train_texts(e, 0);
    trainable *t = train_everything(e, 0, copies);
    net *n = train_net(e, t, 0);
    adapter *made = trainable_to_adapter(t, e, DTYPE_F32, &err);
    const placed_adapter *placed = NULL;
    if (!made || engine_add_adapter(e, made, &placed, &err))
        fail_msg("%s", err.text);
    router_settings settings = router_settings_plain();
    settings.adapters = &placed;
    settings.adapter_count = 1;
    router_program *program = support_program(e, settings, NULL, NULL);
    double expected = 0;
    b.texts[2].plain = NULL;
    for (int i = 0; i < TRAIN_TEXTS; i++)
        expected += train_engine_loss(e, program, &b.texts[i]);
    net_losses l = train_evaluate(n, &b, &(net_options){0});
    if (!(fabs(l.cross_entropy - expected) < 2e-4 * expected))
        fail_msg("%s: the net's loss is %.9g, the engine's %.9g", path, l.cross_entropy, expected);
    router_program_close(program);
    engine_remove_adapter(e, placed);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

static void the_engine_runs_what_is_learned(void **state)
{
    (void)state;
    for (int i = 0; i < MIXTURE_COUNT; i++)
        engine_runs_what_is_learned(MIXTURES[i], i % 2);
}

static void an_adapter_is_learned_further(void **state)
{
    error err = {0};
    engine *e = train_engine(MODELS "granitemoe", 1);
    trainable *t = train_everything(e, 0, false);
    adapter *a = trainable_to_adapter(t, e, DTYPE_F32, &err);
    trainable *again = a ? trainable_from_adapter(e, a, &err) : NULL;
    (void)state;
    if (!again)
        fail_msg("%s", err.text);
    assert_int_equal(again->count, t->count);
    /* The scale of the pairs, 2, is in B there: 1 is that of a pair without alpha. */
    lora_pair *old = &t->layers[0].of[1].lora[EXPERT_UP],
              *new = &again->layers[0].of[1].lora[EXPERT_UP];
    assert_true(old->scale == 2 && new->scale == 1);
    assert_true(new->b.value[1] == 2 * old->b.value[1]);
    assert_memory_equal(new->a.value, old->a.value, old->a.rows * old->a.cols * sizeof(float));
    for (int x = 0; x < t->layers[1].experts; x++) {
        const parameter *p = &t->layers[1].of[x].whole[EXPERT_DOWN], *row = &t->layers[1].of[x].row;
        if (p->value)
            assert_memory_equal(again->layers[1].of[x].whole[EXPERT_DOWN].value, p->value,
                                p->rows * p->cols * sizeof(float));
        if (row->value)
            assert_memory_equal(again->layers[1].of[x].row.value, row->value,
                                row->cols * sizeof(float));
    }
    trainable *other = train_everything(e, 1, false);
    assert_int_equal(trainable_take(other, a, &err), -1);
    assert_string_equal(err.text, "the adapter: layer 0 brings experts that are not to be learned");
    trainable_free(other);
    trainable_free(again);
    adapter_close(a);
    trainable_free(t);
    engine_close(e);
}

/* ---- the optimiser --------------------------------------------------------------------------- */

static void a_step_is_adamws(void **state)
{
    float values[2] = {1, -2}, grads[2] = {0.3f, -0.4f};
    trainable t = {.values = values, .grads = grads, .count = 2};
    adamw a;
    adamw_options o = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.95, .decay = 0.01, .clip = 0.25};
    error err = {0};
    (void)state;
    assert_int_equal(adamw_open(&a, 2, &err), 0);
    assert_true(fabs(adamw_step(&a, &t, &o) - 0.5) < 1e-7);
    /* The first step's moments divide to the sign of the gradient. */
    assert_true(fabs((double)values[0] - (1 - 0.1 * (1 + 0.01))) < 1e-6);
    assert_true(fabs((double)values[1] - (-2 - 0.1 * (-1 + 0.01 * -2))) < 1e-6);
    assert_true(fabs((double)a.mean[0] - 0.1 * 0.15) < 1e-7 && grads[0] == 0 && a.steps == 1);
    grads[1] = NAN;
    assert_true(isnan(adamw_step(&a, &t, &o)) && grads[1] == 0 && a.steps == 1);
    adamw_release(&a);
    assert_true(fabs(schedule_rate(2, 0.1, 4, 0, 100) - 0.4) < 1e-12);
    assert_true(fabs(schedule_rate(2, 0.1, 4, 4, 100) - 2) < 1e-12);
    assert_true(fabs(schedule_rate(2, 0.1, 4, 52, 100) - 1.1) < 1e-12);
    assert_true(fabs(schedule_rate(2, 0.1, 4, 100, 100) - 0.2) < 1e-12);
}

static void what_is_still_stays(void **state)
{
    float values[3] = {1, -2, 4}, grads[3] = {0, NAN, 0};
    trainable t = {.values = values, .grads = grads, .count = 3};
    adamw a;
    (void)state;
    assert_int_equal(adamw_open(&a, 3, NULL), 0);
    assert_true(adamw_step(&a, &t,
                           &(adamw_options){.rate = 0.1,
                                            .decay = 0.01,
                                            .still = &(value_span){1, 2},
                                            .still_count = 1}) == 0);
    assert_true(fabs((double)values[0] - 0.999) < 1e-6 && fabs((double)values[2] - 3.996) < 1e-6);
    assert_true(values[1] == -2);
    adamw_release(&a);
}

static void steps_lower_the_loss(void **state)
{
    error err = {0};
    engine *e = train_engine(MODELS "mixtral", 2);
    train_batch b = train_texts(e, 1);
    trainable *t = train_everything(e, 1, true);
    net *n = train_net(e, t, 0);
    adamw a;
    net_options o = {.balance = 0.01f, .dropout = 0.1f};
    double before = train_evaluate(n, &b, &o).total;
    (void)state;
    assert_int_equal(adamw_open(&a, t->count, &err), 0);
    for (int i = 0; i < 30; i++) {
        o.seed = (uint64_t)i;
        (void)train_backward(n, b.texts, TRAIN_TEXTS, &o);
        assert_true(adamw_step(&a, t, &(adamw_options){.rate = 0.01, .clip = 1}) > 0);
    }
    assert_true(train_evaluate(n, &b, &o).total < 0.5 * before);
    adamw_release(&a);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copied_experts_begin_as_the_plain_model),
        cmocka_unit_test(random_experts_begin_silent),
        cmocka_unit_test(specs_that_do_not_fit_are_refused),
        cmocka_unit_test(the_engine_runs_what_is_learned),
        cmocka_unit_test(an_adapter_is_learned_further),
        cmocka_unit_test(a_step_is_adamws),
        cmocka_unit_test(what_is_still_stays),
        cmocka_unit_test(steps_lower_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
