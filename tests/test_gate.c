/* test_gate.c - a blend's gate: its file, what it sees, what it learns from planted examples, a blend by it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/verify/gate_learn.h"
#include "council_support.h"

#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { F = GATE_FEATURES, W = GATE_WEIGHTS, TOKENS = 1 };

static double chance(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static gate *gate_of(double size)
{
    uint64_t random = 1;
    gate *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->model = (model_identity){"llama", PRINT, 8, 2};
    g->figures = (gate_figures){30, 60, -4, -3, 0.5, 1.5};
    g->learned_from = 77;
    for (int i = 0; i < W; i++)
        g->weights[i] = size * (2 * chance(&random) - 1);
    return g;
}

static void what_it_sees_is_counted_by_hand(void **state)
{
    (void)state;
    const double p[3][4] = {{0.5, 0.25, 0.125, 0.125}, {0.25, 0.25, 0.25, 0.25}, {9, 9, 9, 9}};
    const double prior[3] = {0.8, 0.2, 0};
    double mean[4], out[3][F];
    gate_features(&p[0][0], prior, 3, 4, 3, mean, &out[0][0]);
    assert_true(fabs(out[0][0] - 1.75 / 2) < 1e-12 && fabs(out[1][0] - 1) < 1e-12);
    assert_true(out[0][1] == 0.5 && out[0][2] == 0.25 && out[0][3] == 0.25);
    assert_true(out[1][1] == 0.25 && out[1][2] == 0.25 && out[1][3] == 0.5);
    /* the mean is 0.375, 0.25, 0.1875, 0.1875 */
    double kl = 0.5 * log(0.5 / 0.375) + 0.25 * log(0.125 / 0.1875);
    assert_true(fabs(out[0][4] - kl / 5) < 1e-12);
    assert_true(fabs(out[0][5] - log(0.8) / 5) < 1e-12 && fabs(out[0][6] - log(4) / 5) < 1e-12);
    assert_true(fabs(out[0][7] - (1.75 / 2 + 1) / 2) < 1e-12 && out[0][7] == out[1][7]);
    for (int f = 0; f < F; f++)
        assert_true(out[2][f] == 0);
    /* A silent pass has no weight; zeros leave the prior; a number for all shifts nothing. */
    gate *g = gate_of(1);
    double w[3];
    gate_mix(g->weights, &out[0][0], prior, 3, w);
    assert_true(w[2] == 0 && fabs(w[0] + w[1] - 1) < 1e-12 && fabs(w[0] - 0.8) > 1e-6);
    memset(g->weights, 0, sizeof g->weights);
    gate_mix(g->weights, &out[0][0], prior, 3, w);
    assert_true(fabs(w[0] - 0.8) < 1e-12 && fabs(w[1] - 0.2) < 1e-12);
    free(g);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"gate\":1", "\"gate\":9", "form 9"},
        {"\"weights\":[", "\"weights\":[1,", "weights: must be 1376 numbers"},
        {"\"weights\":[", "\"weights\":[1e9,", "weights"},
        {"\"questions\":30", "\"questions\":-1", "figures: questions"},
        {"\"figures\"", "\"figure\"", "figure"},
        {"\"learned_from\":\"0", "\"learned_from\":\"x", "learned_from"},
    };
    gate *g = gate_of(1);
    buf text = {0};
    error err = {0};
    assert_int_equal(gate_write(g, &text, &err), 0);
    gate *again = gate_read("g.json", text.v, text.len, &err);
    assert_non_null(again);
    assert_memory_equal(again->weights, g->weights, sizeof g->weights);
    assert_memory_equal(&again->figures, &g->figures, sizeof g->figures);
    assert_true(again->learned_from == 77 && again->hash != 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf bad = {0};
        const char *at = strstr(text.v, cases[i].from);
        assert_non_null(at);
        assert_int_equal(buf_add(&bad, text.v, (size_t)(at - text.v), NULL), 0);
        assert_int_equal(buf_text(&bad, cases[i].to, NULL), 0);
        assert_int_equal(buf_text(&bad, at + strlen(cases[i].from), NULL), 0);
        assert_null(gate_read("g.json", bad.v, bad.len, &err));
        if (err.code != ERROR_LOAD || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].to, err.text);
        buf_release(&bad);
    }
    for (size_t n = 0; n + 1 < text.len; n += 97) {
        char *cut = strndup(text.v, n);
        assert_null(gate_read("g.json", cut, n, &err));
        free(cut);
    }
    buf_release(&text);
    free(again);
    free(g);
}

/* ---- learning ---------------------------------------------------------------------------------- */

/* planted: who has the larger feature 1 finds the token likely; else it is a matter of chance. */
static gate_examples examples(int questions, bool planted)
{
    gate_examples x = {0};
    error err = {0};
    uint64_t random = 5;
    for (int q = 0; q < questions; q++) {
        uint64_t id = (uint64_t)(chance(&random) * 9e15);
        for (int t = 0; t < TOKENS; t++) {
            gate_example *e = gate_examples_add(&x, id, 3, &err);
            assert_non_null(e);
            int best = 0;
            for (int i = 0; i < 3; i++) {
                for (int f = 0; f < F; f++)
                    e->features[i * F + f] = chance(&random);
                best = e->features[i * F + 1] > e->features[best * F + 1] ? i : best;
                e->prior[i] = 1.0 / 3;
            }
            int likely = planted ? best : (int)(chance(&random) * 3);
            for (int i = 0; i < 3; i++)
                e->p[i] = i == likely ? 0.5 : 0.01;
        }
    }
    return x;
}

static void the_gradient_is_that_of_the_loss(void **state)
{
    (void)state;
    gate_examples x = examples(1, false);
    gate *g = gate_of(0.5);
    double *gradient = calloc(W, sizeof *gradient);
    assert_non_null(gradient);
    x.v[0].prior[1] = 0;
    (void)learn_gate_loss(&x.v[0], g->weights, gradient);
    for (int i = 0; i < W; i += 7) {
        const double h = 1e-5;
        double was = g->weights[i];
        g->weights[i] = was + h;
        double above = learn_gate_loss(&x.v[0], g->weights, NULL);
        g->weights[i] = was - h;
        double below = learn_gate_loss(&x.v[0], g->weights, NULL);
        g->weights[i] = was;
        double want = (above - below) / (2 * h);
        assert_true(fabs(want - gradient[i]) <= 1e-7 + 1e-5 * fabs(want));
    }
    free(gradient);
    free(g);
    gate_examples_release(&x);
}

static void what_was_planted_is_found_and_nothing_else(void **state)
{
    (void)state;
    gate *g[2] = {gate_of(0), gate_of(0)};
    error err = {0};
    for (int planted = 1; planted >= 0; planted--) {
        gate_examples x = examples(40, planted);
        assert_int_equal(learn_gate(&x, g[0], &err), 0);
        if (planted)
            assert_int_equal(learn_gate(&x, g[1], &err), 0);
        if (planted)
            assert_memory_equal(g[0]->weights, g[1]->weights, sizeof g[0]->weights);
        assert_true(g[0]->figures.questions == 40 && g[0]->figures.tokens == 40 * TOKENS);
        /* without a gate ln (0.52 / 3) */
        assert_true(fabs(g[0]->figures.plain - log(0.52 / 3)) < 1e-9);
        if (planted)
            assert_true(g[0]->figures.low > 0.3);
        else
            assert_true(g[0]->figures.low < 0);
        gate_examples_release(&x);
    }
    gate_examples few = examples(GATE_LEAST - 1, true);
    assert_int_equal(learn_gate(&few, g[0], &err), -1);
    gate_examples_release(&few);
    free(g[0]);
    free(g[1]);
}

/* ---- a blend by it ----------------------------------------------------------------------------- */

static bool same_words(const turn_merge *a, const turn_merge *b)
{
    return a->text.len == b->text.len && memcmp(a->text.v, b->text.v, a->text.len) == 0;
}

static bool same_divergence(const turn_merge *a, const turn_merge *b)
{
    size_t n = a->ids.len < b->ids.len ? a->ids.len : b->ids.len;
    return memcmp(a->divergence, b->divergence, n * sizeof *a->divergence) == 0;
}

static void a_blend_goes_by_its_gate(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    cast_talk t = cast_talk_of(cast_council(k, &o, 15, 0));
    cast_talk_ask(&t, "who?");
    merge_options blend = cast_merge_options(MERGE_BLEND);
    turn_merge plain, gated, again, zeros;
    cast_merge(&t, &blend, &plain);
    assert_null(plain.note);
    gate *g = gate_of(1.5);
    g->hash = 0x123456789abcdef0;
    blend.gate = g;
    cast_merge(&t, &blend, &gated);
    cast_merge(&t, &blend, &again);
    assert_true(same_words(&gated, &again) && same_divergence(&gated, &again));
    assert_false(same_divergence(&gated, &plain));
    assert_string_equal(gated.note, "weighed by the learned gate 12345678");
    /* Weights that were given win. */
    const double weights[CAST] = {1, 1, 1, 1};
    blend.weights = weights;
    cast_merge(&t, &blend, &again);
    assert_null(again.note);
    blend.weights = NULL;
    memset(g->weights, 0, sizeof g->weights);
    cast_merge(&t, &blend, &zeros);
    assert_true(same_words(&zeros, &plain));
    free(g);
    cast_talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_sees_is_counted_by_hand),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_gradient_is_that_of_the_loss),
        cmocka_unit_test(what_was_planted_is_found_and_nothing_else),
        cmocka_unit_test(a_blend_goes_by_its_gate),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
