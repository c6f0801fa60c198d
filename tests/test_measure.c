/* test_measure.c - losses, divergences, random programs and intervals, against sums done here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/measure/measure.h"
#include "routing_support.h"

enum { PROGRAMS = 3 };
static const char *const keep = "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":"
                                "{\"0\":\"0-3\",\"1\":\"2-7\"}}";
static const char *const bias = "{\"mask\":1,\"model\":null,\"mode\":\"bias\",\"layers\":"
                                "{\"0\":{\"1\":1.5,\"6\":-2},\"1\":{\"3\":0.5}}}";

typedef struct bench {
    engine *e;
    measure_samples samples;
    router_program *keep, *bias;
    const router_program *programs[PROGRAMS]; /* the plain model, keep, bias */
} bench;

static void add_text(bench *b, const char *text, size_t most)
{
    error err = {0};
    if (measure_add_text(&b->samples, b->e, text, strlen(text), most, &err))
        fail_msg("%s", err.text);
}

static void add_answer(bench *b, const char *instruction, const char *question, const char *answer)
{
    error err = {0};
    measure_answer a = {.instruction = instruction, .question = question, .answer = answer};
    if (measure_add_answer(&b->samples, b->e, &a, 0, &err))
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    b->e = support_engine(COUNCIL_MODEL, 64, NULL);
    b->keep = support_program(b->e, router_settings_plain(), keep, NULL);
    b->bias = support_program(b->e, router_settings_plain(), bias, NULL);
    b->programs[1] = b->keep;
    b->programs[2] = b->bias;
    add_text(b, "the code and the code is no code. Yes, and in the end", 0);
    add_answer(b, NULL, "Why?", "the code is in the end no other code");
    add_answer(b, "Be short.", "And?", "no");
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    measure_samples_release(&b->samples);
    router_program_close(b->keep);
    router_program_close(b->bias);
    engine_close(b->e);
    free(b);
    return 0;
}

static void run(bench *b, measure_depth depth, measure_figures out[PROGRAMS])
{
    error err = {0};
    if (measure_programs(b->e, &b->samples, b->programs, PROGRAMS, depth, out, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void release(measure_figures v[PROGRAMS])
{
    for (int i = 0; i < PROGRAMS; i++)
        measure_figures_release(&v[i]);
}

/* ---- samples ----------------------------------------------------------------------------------- */

static void a_text_is_cut_into_windows(void **state)
{
    bench b = {.e = ((bench *)*state)->e};
    char text[1201];
    memset(text, 'q', sizeof text - 1); /* one token a letter */
    text[sizeof text - 1] = '\0';
    add_text(&b, text, 0);
    assert_int_equal(b.samples.len, 5);
    assert_int_equal(b.samples.tokens, 1200 - 5);
    assert_true(b.samples.v[0].ids.len == MEASURE_WINDOW && b.samples.v[0].from == 1);
    measure_samples_release(&b.samples);
    add_text(&b, text, 300); /* no more is predicted than was asked for */
    assert_true(b.samples.len == 2 && b.samples.tokens == 300);
    add_text(&b, text, 300);
    assert_int_equal(b.samples.tokens, 300);
    measure_samples_release(&b.samples);
    add_text(&b, "q", 0); /* one token predicts nothing */
    add_text(&b, "", 0);
    assert_int_equal(b.samples.len, 0);
    error err = {0};
    assert_int_equal(measure_add_text(&b.samples, b.e, "a\xff", 2, 0, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
}

static void only_the_answer_counts_and_its_end(void **state)
{
    bench *b = *state;
    const measure_sample *s = &b->samples.v[1];
    tokens answer = {0};
    error err = {0};
    const char *text = "the code is in the end no other code";
    assert_int_equal(
        tokenizer_encode(engine_tokenizer(b->e), text, strlen(text), &answer, NULL, &err), 0);
    assert_int_equal(s->ids.len, s->from + answer.len + 1);
    assert_memory_equal(s->ids.v + s->from, answer.v, answer.len * sizeof *answer.v);
    assert_true(chat_is_end(engine_chat(b->e), s->ids.v[s->ids.len - 1]));
    tokens_release(&answer);
}

/* ---- figures ----------------------------------------------------------------------------------- */

/* Of one program, by its own logits: sums in double, one whole sample at a time. */
static void expect(const bench *b, int program, const measure_figures *f)
{
    int n = engine_config(b->e)->vocabulary;
    double loss = 0, divergence = 0, same = 0;
    for (size_t i = 0; i < b->samples.len; i++) {
        const measure_sample *s = &b->samples.v[i];
        double sum = 0;
        float *plain = support_logits(b->e, NULL, s->ids.v, (int)s->ids.len);
        float *own = support_logits(b->e, b->programs[program], s->ids.v, (int)s->ids.len);
        for (size_t at = s->from - 1; at + 1 < s->ids.len; at++) {
            const float *z = plain + at * (size_t)n, *w = own + at * (size_t)n;
            double zs = 0, ws = 0, kl = 0;
            int best_z = 0, best_w = 0;
            for (int j = 0; j < n; j++) {
                zs += exp((double)z[j]);
                ws += exp((double)w[j]);
                best_z = z[j] > z[best_z] ? j : best_z;
                best_w = w[j] > w[best_w] ? j : best_w;
            }
            for (int j = 0; j < n; j++)
                kl += exp((double)z[j]) / zs * ((double)z[j] - log(zs) - (double)w[j] + log(ws));
            sum += log(ws) - (double)w[s->ids.v[at + 1]];
            divergence += kl;
            same += best_z == best_w;
        }
        assert_true(fabs(f->sums[i] - sum) < 1e-5 * (double)s->ids.len);
        loss += sum;
        free(plain);
        free(own);
    }
    double count = (double)b->samples.tokens;
    assert_true(fabs(f->loss - loss / count) < 1e-6);
    assert_true(fabs(f->kl - divergence / count) < 1e-6);
    assert_true(fabs(f->agreement - same / count) < 1e-12);
}

static void figures_are_those_of_the_logits(void **state)
{
    bench *b = *state;
    measure_figures v[PROGRAMS];
    run(b, MEASURE_ALL, v);
    for (int i = 0; i < PROGRAMS; i++)
        expect(b, i, &v[i]);
    assert_true(v[0].kl == 0 && v[0].kl_p99 == 0 && v[0].agreement == 1 && v[0].banned == 0);
    assert_true(v[1].kl > 0 && v[1].kl_p99 >= v[1].kl && v[1].banned > 0 && v[1].banned < 1);
    assert_true(v[2].kl > 0 && v[2].banned == 0); /* a bias bans nobody */
    release(v);
}

static void losses_alone_are_the_same_losses(void **state)
{
    bench *b = *state;
    measure_figures all[PROGRAMS], loss[PROGRAMS];
    run(b, MEASURE_ALL, all);
    run(b, MEASURE_LOSS, loss);
    for (int i = 0; i < PROGRAMS; i++)
        for (size_t j = 0; j < b->samples.len; j++)
            assert_true(all[i].sums[j] == loss[i].sums[j]);
    release(all);
    release(loss);
}

/* More than fit into a batch: they take turns, and the figures stay. */
static void many_programs_take_turns(void **state)
{
    enum { MANY = 2 * MEASURE_TOGETHER + 1 };
    bench *b = *state;
    const router_program *programs[MANY] = {NULL};
    for (int i = 1; i < MANY; i++)
        programs[i] = i % 2 ? b->keep : b->bias;
    measure_figures few[PROGRAMS], many[MANY];
    error err = {0};
    run(b, MEASURE_ALL, few);
    for (int depth = MEASURE_LOSS; depth <= MEASURE_ALL; depth++) {
        assert_int_equal(measure_programs(b->e, &b->samples, programs, MANY, (measure_depth)depth,
                                          many, NULL, NULL, &err),
                         0);
        for (int i = 0; i < MANY; i++) {
            const measure_figures *f = &few[i == 0 ? 0 : i % 2 ? 1 : 2];
            assert_true(many[i].loss == f->loss);
            assert_true(depth == MEASURE_LOSS ||
                        (many[i].kl == f->kl && many[i].agreement == f->agreement &&
                         many[i].banned == f->banned && many[i].kl_p99 == f->kl_p99));
            measure_figures_release(&many[i]);
        }
    }
    release(few);
}

static void told(void *user, int done, int total)
{
    int *last = user;
    assert_true(done >= *last && done <= total);
    *last = done;
}

static void progress_reaches_its_end_and_nothing_is_refused(void **state)
{
    bench *b = *state;
    measure_figures v[PROGRAMS];
    error err = {0};
    int last = 0;
    size_t all = 0;
    for (size_t i = 0; i < b->samples.len; i++)
        all += b->samples.v[i].ids.len;
    assert_int_equal(measure_programs(b->e, &b->samples, b->programs, PROGRAMS, MEASURE_LOSS, v,
                                      told, &last, &err),
                     0);
    assert_int_equal(last, PROGRAMS * all);
    release(v);
    measure_samples none = {0};
    assert_int_equal(
        measure_programs(b->e, &none, b->programs, PROGRAMS, MEASURE_ALL, v, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    release(v);
}

static void a_cancel_ends_it(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    bench b = {.e = support_engine(COUNCIL_MODEL, 64, &cancel)};
    measure_figures v[PROGRAMS];
    error err = {0};
    add_text(&b, "the code and the code", 0);
    assert_int_equal(
        measure_programs(b.e, &b.samples, b.programs, PROGRAMS, MEASURE_ALL, v, NULL, NULL, &err),
        -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    release(v);
    measure_samples_release(&b.samples);
    engine_close(b.e);
}

/* ---- random programs --------------------------------------------------------------------------- */

static void a_random_program_has_the_same_size(void **state)
{
    bench *b = *state;
    error err = {0};
    int differ = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        router_program *r = measure_random_program(b->keep, seed, &err);
        router_program *again = measure_random_program(b->keep, seed, &err);
        router_program *other = measure_random_program(b->bias, seed, &err);
        assert_true(r && again && other);
        assert_true(router_program_hash(r) == router_program_hash(again));
        differ += router_program_hash(r) != router_program_hash(b->keep);
        assert_int_equal(router_program_allowed(r, 0), 4);
        assert_int_equal(router_program_allowed(r, 1), 6);
        float sum = 0, squares = 0;
        for (int e = 0; e < 8; e++) {
            float v = router_program_routing(other)[0].bias[e];
            sum += v;
            squares += v * v;
        }
        assert_true(sum == -0.5f && squares == 6.25f);
        assert_null(router_program_routing(other)[0].allowed);
        router_program_close(r);
        router_program_close(again);
        router_program_close(other);
    }
    assert_true(differ >= 7);
    router_settings s = router_settings_plain();
    s.experts_per_token = 2;
    router_program *p = support_program(b->e, s, NULL, NULL);
    router_program *r = measure_random_program(p, 1, &err);
    assert_true(r && router_program_hash(r) == router_program_hash(p)); /* nothing to deal out */
    router_program_close(p);
    router_program_close(r);
}

static void every_expert_is_dealt_out_equally(void **state)
{
    enum { DRAWS = 4000 };
    bench *b = *state;
    int times[8] = {0};
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        router_program *r = measure_random_program(b->bias, seed, NULL);
        assert_non_null(r);
        for (int e = 0; e < 8; e++)
            times[e] += router_program_routing(r)[1].bias[e] != 0;
        router_program_close(r);
    }
    for (int e = 0; e < 8; e++) /* five standard deviations of DRAWS / 8 */
        assert_true(abs(times[e] - DRAWS / 8) < 105);
}

/* ---- intervals --------------------------------------------------------------------------------- */

static void quantiles_lie_between_ranks(void **state)
{
    (void)state;
    double v[] = {4, 1, 3, 2};
    assert_true(measure_quantile(v, 4, 0) == 1 && measure_quantile(v, 4, 1) == 4);
    assert_true(measure_quantile(v, 4, 0.5) == 2.5 && measure_quantile(v, 1, 0.3) == 1);
    assert_true(measure_quantile(v, 0, 0.5) == 0);
}

static void intervals_hold_the_mean_and_shrink(void **state)
{
    (void)state;
    enum { MOST = 400 };
    static measure_sample v[MOST];
    static double zero[MOST], gains[MOST], drops[MOST];
    error err = {0};
    for (int i = 0; i < MOST; i++) { /* of 10 tokens: 1 nat a token better or 0.5 worse by turns */
        v[i] = (measure_sample){{NULL, 11, 0}, 1};
        gains[i] = i % 2 ? -10 : 5;
        drops[i] = 10 * 0.25;
    }
    measure_figures plain = {.sums = zero}, better = {.sums = gains}, worse = {.sums = drops};
    double width = 10;
    for (size_t n = 16; n <= MOST; n *= 5) {
        measure_samples s = {v, n, n, 10 * n};
        measure_pair own = {&s, &plain, &better}, other = {&s, &plain, &worse};
        measure_interval gain, gap, again;
        assert_int_equal(measure_gain(&own, 7, &gain, &err), 0);
        assert_int_equal(measure_gain(&own, 7, &again, &err), 0);
        assert_int_equal(measure_gap(&own, &other, 7, &gap, &err), 0);
        assert_memory_equal(&gain, &again, sizeof gain);
        assert_true(fabs(gain.value - 0.25) < 1e-12 && fabs(gap.value - 0.5) < 1e-12);
        assert_true(gain.low < 0.25 && gain.high > 0.25 && gain.high - gain.low < width);
        /* 0.75 nats of spread: 1.96 standard errors to each side, a fifth of it for the resamples */
        assert_true(fabs((gain.high - gain.low) / (2 * 1.96 * 0.75 / sqrt((double)n)) - 1) < 0.2);
        width = gain.high - gain.low;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_cut_into_windows),
        cmocka_unit_test(only_the_answer_counts_and_its_end),
        cmocka_unit_test(figures_are_those_of_the_logits),
        cmocka_unit_test(losses_alone_are_the_same_losses),
        cmocka_unit_test(many_programs_take_turns),
        cmocka_unit_test(progress_reaches_its_end_and_nothing_is_refused),
        cmocka_unit_test(a_cancel_ends_it),
        cmocka_unit_test(a_random_program_has_the_same_size),
        cmocka_unit_test(every_expert_is_dealt_out_equally),
        cmocka_unit_test(quantiles_lie_between_ranks),
        cmocka_unit_test(intervals_hold_the_mean_and_shrink),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
