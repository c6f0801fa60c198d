/* test_verifier.c - a verifier: its file, what it learns from planted examples, and a vote by it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/hash.h"
#include "../personas/verify/learn.h"
#include "council_support.h"
#include "scratch.h"

enum { F = VOTE_FEATURES, PASSES = 3, MANY = 400 };

#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MODEL                                                                                      \
    "\"model\":{\"architecture\":\"qwen3_moe\",\"width\":8,\"layers\":2,\"fingerprint\":\"" PRINT  \
    "\"}"
#define FIGURES                                                                                    \
    "\"figures\":{\"questions\":400,\"told\":230,\"right\":0.58,\"blind\":0.51,\"best\":0.55,"     \
    "\"any\":0.7,\"low\":0.03,\"high\":0.11}"
#define FEATURE "{\"name\":\"question\",\"scale\":0.5,\"weight\":2}"
#define REST    "\"penalty\":1,\"learned_from\":\"00000000000000ff\""
#define WHOLE                                                                                      \
    "{\"verifier\":1," MODEL ",\"features\":[" FEATURE                                             \
    ",{\"name\":\"length\",\"scale\":2,\"weight\":-1}]," FIGURES "," REST "}"

/* ---- the file ---------------------------------------------------------------------------------- */

static verifier *read_text(const char *text, error *err)
{
    return verifier_read("v.json", text, strlen(text), err);
}

static void a_file_is_read_and_marks_are_its_sums(void **state)
{
    (void)state;
    error err = {0};
    verifier *v = read_text(WHOLE, &err);
    double features[2 * F] = {0}, marks[2];
    assert_non_null(v);
    features[VOTE_QUESTION] = 0.25;
    features[VOTE_LENGTH] = -3;
    features[F + VOTE_QUESTION] = -0.25;
    features[F + VOTE_PEERS] = 1e9; /* it does not look at that */
    verifier_marks(v, features, 2, marks);
    assert_true(marks[0] == 2 * 0.25 / 0.5 + 3.0 / 2 && marks[1] == 2 * -0.25 / 0.5);
    assert_string_equal(verifier_basis(v),
                        "a verifier, right on 58 % of 400 questions (by chance 51 %)");
    assert_true(verifier_hash(v) == hash_bytes(HASH_START, WHOLE, strlen(WHOLE)));
    assert_true(verifier_is(v)->learned_from == 255);
    verifier_close(v);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    verifier_content c = {.model = {"llama", PRINT, 576, 30},
                          .penalty = 0.3,
                          .figures = {9, 8, 0.1, 0.2, 0.3, 0.4, -0.5, 0.6},
                          .learned_from = 77};
    buf text[2] = {{0}};
    error err = {0};
    for (int f = 0; f < F; f++) {
        c.scale[f] = f % 4 ? 1.0 / (f + 3) : 0;
        c.weight[f] = f % 4 ? sin(f) : 0;
    }
    assert_int_equal(verifier_write(&c, &text[0], &err), 0);
    verifier *v = read_text(text[0].v, &err);
    assert_non_null(v);
    assert_int_equal(verifier_write(verifier_is(v), &text[1], &err), 0);
    assert_string_equal(text[0].v, text[1].v);
    assert_memory_equal(verifier_is(v)->weight, c.weight, sizeof c.weight);
    verifier_close(v);
    buf_release(&text[0]);
    buf_release(&text[1]);
}

static void bad_files_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "v.json"},
        {"[]", "is no verifier"},
        {"{}", "verifier: missing"},
        {"{\"verifier\":2}", "form 2"},
        {"{\"verifier\":1,\"colour\":2}", "colour"},
        {"{\"verifier\":1}", "model: missing"},
        {"{\"verifier\":1," MODEL "}", "figures: missing"},
        {"{\"verifier\":1,\"model\":{\"architecture\":\"x\",\"fingerprint\":\"12\",\"width\":1,"
         "\"layers\":1}," FIGURES "}",
         "fingerprint: must be 64"},
        {"{\"verifier\":1," MODEL "," FIGURES "}", "features: missing"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[3]}",
         "features[0]: must be an object"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[{\"name\":\"beauty\",\"scale\":1,"
         "\"weight\":1}]}",
         "knows no such feature"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[" FEATURE "," FEATURE "]}", "twice"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[{\"name\":\"peers\",\"scale\":0,"
         "\"weight\":1}]}",
         "scale"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[{\"name\":\"peers\",\"scale\":1,"
         "\"weight\":1e300}]}",
         "weight"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[" FEATURE "]}", "penalty: missing"},
        {"{\"verifier\":1," MODEL "," FIGURES ",\"features\":[" FEATURE
         "],\"penalty\":1,\"learned_from\":\"zz\"}",
         "learned_from"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        verifier *v = read_text(bad[i].text, &err);
        if (v || err.code != ERROR_LOAD || !strstr(err.text, bad[i].says) ||
            strncmp(err.text, "v.json", 6) != 0)
            fail_msg("%zu: \"%s\", wanted \"%s\"", i, err.text, bad[i].says);
    }
    error err = {0};
    char *large = calloc(1, VERIFIER_BYTES + 2);
    assert_non_null(large);
    memset(large, ' ', VERIFIER_BYTES + 1);
    assert_null(read_text(large, &err));
    assert_non_null(strstr(err.text, "larger"));
    free(large);
}

/* Every cut of a good file is refused, and nothing leaks. */
static void a_cut_file_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < strlen(WHOLE); n++) {
        error err = {0};
        assert_null(verifier_read("v.json", WHOLE, n, &err));
        assert_int_equal(err.code, ERROR_LOAD);
    }
}

/* ---- learning ---------------------------------------------------------------------------------- */

/* Uniform in [-1, 1): splitmix64 (Steele, Lea, Flood 2014). */
static double draw(uint64_t seed, uint64_t i)
{
    uint64_t z = (seed << 32) + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
}

/* Answers whose logit of being right is `weight` times one feature; everything else is noise. */
static verify_examples plant(double weight, uint64_t seed)
{
    verify_examples x = {.v = calloc(MANY, sizeof *x.v), .len = MANY, .cap = MANY};
    uint64_t at = 0;
    assert_non_null(x.v);
    for (size_t i = 0; i < MANY; i++) {
        verify_example *e = &x.v[i];
        *e = (verify_example){.id = hash_bytes(HASH_START, &i, sizeof i), .passes = PASSES};
        e->features = region_take(&x.memory, sizeof(double) * PASSES * F, NULL);
        e->right = region_take(&x.memory, PASSES, NULL);
        e->barred = region_take(&x.memory, PASSES, NULL);
        int right = 0;
        for (int a = 0; a < PASSES; a++) {
            for (int f = 0; f < F; f++)
                e->features[a * F + f] = f == VOTE_SHORT ? 0 : draw(seed, at++);
            double logit = weight * e->features[a * F + VOTE_QUESTION];
            e->right[a] = (draw(seed, at++) + 1) / 2 < 1 / (1 + exp(-logit));
            right += e->right[a];
        }
        e->told = right > 0 && right < PASSES;
    }
    return x;
}

static void what_was_planted_is_found(void **state)
{
    (void)state;
    verify_examples x = plant(3, 1);
    verifier_content c[2];
    error err = {0};
    memset(c, 0, sizeof c);
    for (int i = 0; i < 2; i++)
        assert_int_equal(learn_verifier(&x, &c[i], &err), 0);
    assert_memory_equal(&c[0], &c[1], sizeof c[0]); /* the same bytes */
    double unit = c[0].weight[VOTE_QUESTION] / c[0].scale[VOTE_QUESTION];
    assert_true(unit > 2 && unit < 4);
    for (int f = 0; f < F; f++)
        assert_true(f == VOTE_QUESTION || fabs(c[0].weight[f]) < 0.35);
    assert_true(c[0].scale[VOTE_SHORT] == 0 && c[0].weight[VOTE_SHORT] == 0);
    assert_true(c[0].figures.low > 0.1 && c[0].figures.high > c[0].figures.low);
    assert_true(c[0].figures.right < c[0].figures.any && c[0].figures.questions == MANY);
    verify_examples_release(&x);
}

/* Where there is nothing to find its picks are no better than chance, far more often than not. */
static void nothing_is_found_where_nothing_is(void **state)
{
    (void)state;
    int better = 0;
    for (uint64_t seed = 2; seed < 10; seed++) {
        verify_examples x = plant(0, seed);
        verifier_content c = {0};
        error err = {0};
        assert_int_equal(learn_verifier(&x, &c, &err), 0);
        better += c.figures.low > 0;
        verify_examples_release(&x);
    }
    assert_true(better <= 1);
}

static double loss_of(const verify_examples *x, const double *scale, const double *w,
                      double penalty)
{
    double loss = 0;
    for (int f = 0; f < F; f++)
        loss += penalty / 2 * w[f] * w[f];
    for (size_t i = 0; i < x->len; i++) {
        const verify_example *e = &x->v[i];
        double sum = 0;
        int pairs = 0;
        for (int r = 0; r < PASSES; r++) {
            for (int s = 0; s < PASSES; s++) {
                double z = 0;
                if (!e->right[r] || e->right[s])
                    continue;
                for (int f = 0; f < F; f++)
                    if (scale[f] > 0)
                        z += w[f] * (e->features[r * F + f] - e->features[s * F + f]) / scale[f];
                sum += log(1 + exp(-z));
                pairs++;
            }
        }
        loss += pairs ? sum / pairs : 0;
    }
    return loss;
}

/* The weights are where the loss, written down once more, is least. */
static void weights_minimise_the_loss(void **state)
{
    (void)state;
    verify_examples x = plant(2, 5);
    double scale[F], w[F];
    error err = {0};
    assert_int_equal(learn_weights(&x, NULL, 0.3, scale, w, &err), 0);
    double least = loss_of(&x, scale, w, 0.3);
    for (int f = 0; f < F; f++) {
        double kept = w[f];
        for (int side = -1; side <= 1; side += 2) {
            w[f] = kept + side * 0.01;
            assert_true(loss_of(&x, scale, w, 0.3) > least);
        }
        w[f] = kept;
    }
    verify_examples_release(&x);
}

static void figures_are_counted_by_hand(void **state)
{
    (void)state;
    verify_examples x = plant(1, 7);
    verifier_content c = {0};
    error err = {0};
    double blind = 0, any = 0;
    int each[PASSES] = {0}, told = 0, best = 0;
    x.v[0].barred[1] = true;
    assert_int_equal(learn_verifier(&x, &c, &err), 0);
    for (size_t i = 0; i < x.len; i++) {
        const verify_example *e = &x.v[i];
        int right = 0, can = 0;
        for (int a = 0; a < PASSES; a++) {
            right += e->right[a] && !e->barred[a];
            can += !e->barred[a];
            each[a] += e->right[a];
        }
        blind += (double)right / can;
        any += e->right[0] || e->right[1] || e->right[2];
        told += e->told;
    }
    for (int a = 0; a < PASSES; a++)
        best = each[a] > best ? each[a] : best;
    assert_true(fabs(c.figures.blind - blind / MANY) < 1e-9);
    assert_true(fabs(c.figures.any - any / MANY) < 1e-9);
    assert_true(fabs(c.figures.best - (double)best / MANY) < 1e-9);
    assert_int_equal(c.figures.told, told);
    x.len = 20; /* too few */
    assert_int_equal(learn_verifier(&x, &c, &err), -1);
    assert_non_null(strstr(err.text, "at least 20 are needed"));
    x.len = MANY;
    verify_examples_release(&x);
}

/* ---- a vote by it ------------------------------------------------------------------------------ */

static void put_file(const char *path, const verifier_content *c)
{
    buf text = {0};
    assert_int_equal(verifier_write(c, &text, NULL), 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.v, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    buf_release(&text);
}

/* What lies beside the user's personas is found for this model, marks by it, and is recorded; one that
 * says to be another model's is refused, and so is a broken one. */
static void a_vote_goes_by_the_verifier_of_its_model(void **state)
{
    const cast *k = *state;
    error err = {0};
    char home[SCRATCH], folder[160], path[256];
    scratch_folder(home, "verifier");
    (void)snprintf(folder, sizeof folder, "%s/consilium", home);
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)snprintf(folder, sizeof folder, "%s/consilium/personas", home);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", home, 1), 0);
    const char *print = engine_fingerprint(k->e, &err);
    (void)snprintf(path, sizeof path, "%s/council.%.16s.verifier.json", folder, print);
    verifier_content c = {.model = {"x", "", 1, 1}};
    (void)snprintf(c.model.fingerprint, sizeof c.model.fingerprint, "%s", print);
    c.scale[VOTE_LENGTH] = 1;
    council_options o = cast_options();
    cast_talk t = cast_talk_of(cast_council(k, &o, 15, 0.7));
    turn_answer replies[CAST];
    static const char *const texts[] = {"the code", "q", "and is it the code?", "no no"};
    for (int i = 0; i < CAST; i++)
        replies[i] = (turn_answer){.text = {texts[i], strlen(texts[i])}};
    cast_talk_adopt(&t, "who?", replies);
    merge_options vote = cast_merge_options(MERGE_VOTE);
    turn_merge r;
    for (int sign = -1; sign <= 1; sign += 2) {
        c.weight[VOTE_LENGTH] = sign;
        put_file(path, &c);
        cast_merge(&t, &vote, &r);
        assert_int_equal(r.winner, sign > 0 ? 2 : 1);
        verifier *v = NULL;
        char *found = NULL;
        assert_int_equal(verifier_find(k->e, &v, &found, &err), 0);
        assert_string_equal(found, path);
        assert_true(r.verifier == verifier_hash(v) && r.verifier != 0);
        assert_string_equal(r.basis, verifier_basis(v));
        verifier_close(v);
        free(found);
    }
    c.model.fingerprint[0] = c.model.fingerprint[0] == '0' ? '1' : '0';
    put_file(path, &c);
    assert_int_equal(merge_run(t.c, &t.round, &vote, &t.merges, &r, &err), -1);
    assert_true(err.code == ERROR_LOAD && strstr(err.text, "is for the model"));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(merge_run(t.c, &t.round, &vote, &t.merges, &r, &err), -1);
    assert_int_equal(unlink(path), 0);
    cast_merge(&t, &vote, &r);
    assert_true(r.verifier == 0 && strcmp(r.basis, "fit to the question") == 0);
    cast_talk_close(&t);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    assert_int_equal(rmdir(folder), 0);
    (void)snprintf(folder, sizeof folder, "%s/consilium", home);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(home), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_and_marks_are_its_sums),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(bad_files_are_refused_by_field),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(what_was_planted_is_found),
        cmocka_unit_test(nothing_is_found_where_nothing_is),
        cmocka_unit_test(weights_minimise_the_loss),
        cmocka_unit_test(figures_are_counted_by_hand),
        cmocka_unit_test(a_vote_goes_by_the_verifier_of_its_model),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
