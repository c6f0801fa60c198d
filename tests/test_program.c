/* test_program.c - router programs on running models: exact off states, and bans that hold.
 *
 * Every knob has a value at which it must not change a byte; every comparison is memcmp over all
 * logits. The models differ in architecture and in whether gates are renormalised.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routing_support.h"

#define MODEL(name) "tests/fixtures/models/" name
static const char *const MODELS[] = {MODEL("qwen3_moe"),         MODEL("qwen3_moe-raw-gates"),
                                     MODEL("qwen2_moe"),         MODEL("qwen2_moe-norm"),
                                     MODEL("mixtral"),           MODEL("olmoe"),
                                     MODEL("olmoe-norm"),        MODEL("granitemoe"),
                                     MODEL("qwen3_moe-mlp-only")};
enum { MODEL_COUNT = sizeof MODELS / sizeof *MODELS, TOKENS = 20 };

/* A model with its tokens and what it says to them without a program. */
typedef struct subject {
    engine *e;
    const model_config *c;
    int ids[TOKENS];
    float *plain;
    size_t bytes;
} subject;

static subject open_subject(const char *path)
{
    subject s = {.e = support_engine(path, 16, NULL)};
    s.c = engine_config(s.e);
    support_ids(s.e, 1, s.ids, TOKENS);
    s.plain = support_logits(s.e, NULL, s.ids, TOKENS);
    s.bytes = (size_t)TOKENS * (size_t)s.c->vocabulary * sizeof(float);
    return s;
}

static void close_subject(subject *s)
{
    free(s->plain);
    engine_close(s->e);
}

/* Logits under settings and a mask; freed by the caller. */
static float *under(const subject *s, router_settings settings, const char *mask_text)
{
    router_program *p = support_program(s->e, settings, mask_text, NULL);
    float *logits = support_logits(s->e, p, s->ids, TOKENS);
    router_program_close(p);
    return logits;
}

/* Do two programs compute the same bytes? Frees both. */
static bool same(const subject *s, float *a, float *b)
{
    bool equal = memcmp(a, b, s->bytes) == 0;
    free(a);
    free(b);
    return equal;
}

static bool is_plain(const subject *s, router_settings settings, const char *mask_text)
{
    float *got = under(s, settings, mask_text);
    bool equal = memcmp(got, s->plain, s->bytes) == 0;
    free(got);
    return equal;
}

/* {"mask":1,"mode":MODE,"layers":{"0-LAST":EXPERTS}} for all layers. */
static const char *all_layers(const subject *s, const char *mode, const char *experts,
                              char text[256])
{
    (void)snprintf(text, 256, "{\"mask\":1,\"mode\":\"%s\",\"layers\":{\"0-%d\":%s}}", mode,
                   s->c->layers - 1, experts);
    return text;
}

static void empty_programs_are_the_plain_model(void **state)
{
    (void)state;
    for (int m = 0; m < MODEL_COUNT; m++) {
        subject s = open_subject(MODELS[m]);
        char text[256], every[32];
        router_settings plain = router_settings_plain(), same_k = plain, width = plain;
        (void)snprintf(every, sizeof every, "\"0-%d\"", s.c->experts - 1);
        same_k.experts_per_token = s.c->experts_per_token;
        width.norm_width = s.c->experts_per_token;
        assert_true(is_plain(&s, plain, NULL));
        assert_true(is_plain(&s, plain, all_layers(&s, "keep", every, text)));
        assert_true(is_plain(&s, same_k, all_layers(&s, "keep", every, text)));
        assert_true(is_plain(&s, plain, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{}}"));
        assert_true(is_plain(&s, plain, all_layers(&s, "bias", "{\"0-3\":0}", text)));
        assert_true(is_plain(&s, width, NULL));
        close_subject(&s);
    }
}

static void knobs_have_exact_off_states(void **state)
{
    (void)state;
    for (int m = 0; m < MODEL_COUNT; m++) {
        subject s = open_subject(MODELS[m]);
        char text[256];
        const char *leaning = all_layers(&s, "bias", "{\"0\":0.5,\"2\":-1}", text);
        router_settings plain = router_settings_plain(), s1 = plain, adaptive = plain, tail = plain;
        s1.strength = 1;
        adaptive.adaptive_min = s.c->experts_per_token;
        adaptive.adaptive_ratio = 1;
        tail.tail_gain = 0.25; /* no rank stands beyond the trained k */
        assert_true(same(&s, under(&s, s1, leaning), under(&s, plain, leaning)));
        assert_false(is_plain(&s, s1, leaning));
        assert_true(is_plain(&s, adaptive, NULL));
        adaptive.adaptive_min = 1;
        adaptive.adaptive_ratio = 1e-30;
        assert_true(is_plain(&s, adaptive, NULL));
        adaptive.adaptive_ratio = 1;
        assert_false(is_plain(&s, adaptive, NULL));
        assert_true(is_plain(&s, tail, NULL));
        close_subject(&s);
    }
}

/* More experts whose gates are 0 are no more experts. */
static void a_silent_tail_is_the_trained_number(void **state)
{
    (void)state;
    int renormalising = 0;
    for (int m = 0; m < MODEL_COUNT; m++) {
        subject s = open_subject(MODELS[m]);
        renormalising += s.c->renormalise;
        for (int k = s.c->experts_per_token + 1; k <= s.c->experts; k++) {
            router_settings wide = router_settings_plain();
            wide.experts_per_token = k;
            assert_false(is_plain(&s, wide, NULL));
            wide.tail_gain = 0;
            assert_true(is_plain(&s, wide, NULL));
        }
        close_subject(&s);
    }
    assert_true(renormalising > 2 && renormalising < MODEL_COUNT - 2);
}

static void norm_width_counts_only_where_gates_are_renormalised(void **state)
{
    (void)state;
    for (int m = 0; m < MODEL_COUNT; m++) {
        subject s = open_subject(MODELS[m]);
        router_settings one = router_settings_plain(), wide;
        one.experts_per_token = 1;
        wide = one;
        wide.norm_width = 1;
        assert_true(same(&s, under(&s, one, NULL), under(&s, wide, NULL)));
        wide.norm_width = s.c->experts;
        assert_int_equal(same(&s, under(&s, one, NULL), under(&s, wide, NULL)), !s.c->renormalise);
        close_subject(&s);
    }
}

/* Of a model that renormalises, the gates of one expert over the whole width are those of a model
 * that does not: both are the softmax itself. */
static void the_whole_width_is_no_renormalisation(void **state)
{
    (void)state;
    subject norm = open_subject(MODEL("qwen3_moe")),
            raw = open_subject(MODEL("qwen3_moe-raw-gates"));
    router_settings wide = router_settings_plain();
    wide.norm_width = norm.c->experts;
    float *got = under(&norm, wide, NULL);
    double difference = 0, size = 0;
    for (size_t i = 0; i < norm.bytes / sizeof *got; i++) {
        double d = (double)got[i] - (double)raw.plain[i];
        difference += d * d;
        size += (double)raw.plain[i] * (double)raw.plain[i];
    }
    assert_true(size > 0 && difference / size < 1e-10);
    free(got);
    close_subject(&norm);
    close_subject(&raw);
}

/* ---- the trace: what really ran ---------------------------------------------------------------- */

typedef struct watch {
    const router_program *program; /* without rules */
    const uint8_t *banned;         /* [layers][experts], or NULL: what the program allows */
    const model_config *c;
    int k; /* the most experts a token; 0 = the rule's */
    long tokens, calls, sunk;
    int used[MODEL_MAX_EXPERTS];
} watch;

static void look(void *user, const session *s, const route_trace *t)
{
    watch *w = user;
    (void)s;
    const layer_routing *r = &router_program_routing(w->program)[t->layer];
    int calls = 0;
    for (int i = 0; i < t->slots; i++) {
        int id = t->ids[i];
        if (id < 0) {
            assert_true(t->gates[i] == 0);
            continue;
        }
        assert_true(id < w->c->experts && t->gates[i] > 0);
        assert_true(!r->allowed || r->allowed[id]);
        assert_true(!w->banned || !w->banned[t->layer * w->c->experts + id]);
        w->used[id] = 1;
        calls++;
    }
    assert_true(calls <= (w->k ? w->k : r->k));
    w->sunk += t->banned > 0;
    w->calls += calls;
    w->tokens += t->layer == w->c->layers - 1;
}

/* Reads n tokens in chunks under the program. */
static void read_watched(const subject *s, watch *w, int seed, int n)
{
    int *ids = malloc((size_t)n * sizeof *ids);
    support_ids(s->e, seed, ids, n);
    session *one = support_session(s->e, w->program, n);
    error err = {0};
    step st = {one, ids, n, LOGITS_NONE, NULL};
    engine_trace(s->e, look, w);
    assert_int_equal(engine_advance(s->e, &st, 1, &err), 0);
    engine_trace(s->e, NULL, NULL);
    session_close(one);
    free(ids);
}

/* Of a token's outputs: their sizes, and what the plain trace says, too. */
typedef struct sizes {
    int slots, told;
    float gates, norms, peaks;
} sizes;

static void look_at_sizes(void *user, const session *s, const route_trace *t)
{
    sizes *z = user;
    (void)s;
    for (int i = 0; i < t->slots; i++) {
        z->gates += t->gates[i];
        z->slots += t->ids[i] >= 0;
        if (!t->norms)
            continue;
        assert_true(t->ids[i] < 0 ? t->norms[i] == 0 && t->peaks[i] == 0
                                  : t->norms[i] >= t->peaks[i] && t->peaks[i] > 0);
        z->told++;
        z->norms += t->norms[i];
        z->peaks += t->peaks[i];
    }
}

/* Reads the subject's tokens in steps of `chunk`; out [vocabulary] logits of the last. */
static sizes read_sizes(const subject *s, bool outputs, int chunk, float *out)
{
    enum { N = 40 };
    int ids[N];
    sizes z = {0};
    error err = {0};
    support_ids(s->e, 3, ids, N);
    session *one = support_session(s->e, NULL, N);
    (outputs ? engine_trace_outputs : engine_trace)(s->e, look_at_sizes, &z);
    for (int at = 0; at < N; at += chunk) {
        step st = {one, ids + at, chunk, LOGITS_LAST, out};
        assert_int_equal(engine_advance(s->e, &st, 1, &err), 0);
    }
    engine_trace(s->e, NULL, NULL);
    session_close(one);
    return z;
}

static void a_trace_of_outputs_changes_nothing(void **state)
{
    (void)state;
    for (int m = 0; m < MODEL_COUNT - 1; m++) {
        subject s = open_subject(MODELS[m]);
        size_t bytes = (size_t)s.c->vocabulary * sizeof(float);
        float *a = malloc(bytes), *b = malloc(bytes);
        sizes plain = read_sizes(&s, false, 40, a), whole = read_sizes(&s, true, 40, b);
        assert_memory_equal(a, b, bytes);
        assert_true(plain.told == 0 && whole.told >= whole.slots && whole.slots == plain.slots);
        assert_true(plain.gates == whole.gates && whole.norms > whole.peaks && whole.peaks > 0);
        sizes single = read_sizes(&s, true, 1, b);
        assert_memory_equal(a, b, bytes);
        assert_true(fabsf(single.norms - whole.norms) < 1e-3f * whole.norms);
        free(a);
        free(b);
        close_subject(&s);
    }
}

static void no_banned_expert_ever_runs(void **state)
{
    (void)state;
    static const char *const modes[] = {"keep", "ban"};
    long seen = 0;
    for (int m = 0; m < MODEL_COUNT - 1; m++) {
        subject s = open_subject(MODELS[m]);
        for (int mode = 0; mode < 2; mode++) {
            char text[256];
            router_settings few = router_settings_plain();
            few.experts_per_token = s.c->experts; /* capped: 2 of 7 */
            few.cap_experts = true;
            all_layers(&s, modes[mode], mode ? "\"0,2-3\"" : "\"1,4\"", text);
            router_program *p = support_program(s.e, few, text, NULL);
            watch w = {.program = p, .c = s.c};
            int left = mode ? s.c->experts - 3 : 2;
            for (int i = 0; i < 2; i++)
                read_watched(&s, &w, 10 * m + i, 320);
            for (int e = 0; e < s.c->experts; e++)
                assert_int_equal(w.used[e], (e == 1 || e == 4) || (mode && e > 3));
            assert_int_equal(router_program_routing(p)[0].k, left);
            assert_int_equal(w.calls, w.tokens * s.c->layers * left);
            assert_int_equal(w.sunk,
                             w.tokens * s.c->layers); /* of their softmax, all lost a part */
            seen += w.tokens;
            router_program_close(p);
        }
        close_subject(&s);
    }
    assert_true(seen > 10000);
    print_message("# %ld tokens under masks\n", seen);
}

static void no_expert_that_a_rule_bans_runs(void **state)
{
    (void)state;
    subject s = open_subject(COUNCIL_MODEL);
    /* The role never changes in this text, so rules by pattern and token carry all bans. */
    rule_list *rules = support_rules(
        "[{\"when\":{\"pattern\":\"(?s)\"},\"layers\":\"0\",\"do\":{\"ban\":\"5\"},\"for\":"
        "\"turn\"},"
        " {\"when\":{\"pattern\":\"(?s)\"},\"layers\":\"1\",\"do\":{\"keep\":\"0-4\",\"k\":2}}]");
    router_program *p =
        support_program(s.e, router_settings_plain(),
                        "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"0-1\":\"0\"}}", rules);
    uint8_t banned[16] = {[0] = 1, [5] = 1, [8] = 1, [13] = 1, [14] = 1, [15] = 1};
    watch w = {.program = p, .c = s.c, .banned = banned, .k = 3};
    int ids[600];
    support_ids(s.e, 5, ids, 600);
    for (int i = 0; i < 600; i++)
        ids[i] %= 256; /* bytes: every one is text */
    session *one = support_session(s.e, p, 600);
    error err = {0};
    step st = {one, ids, 600, LOGITS_NONE, NULL};
    engine_trace(s.e, look, &w);
    assert_int_equal(engine_advance(s.e, &st, 1, &err), 0);
    engine_trace(s.e, NULL, NULL);
    assert_int_equal(w.tokens, 600);
    assert_int_equal(w.calls, 600 * (3 + 2));
    session_close(one);
    router_program_close(p);
    rules_close(rules);
    close_subject(&s);
}

/* A program may call more experts than any before it, while sequences of every kind are alive. */
static void room_for_more_experts_is_made(void **state)
{
    (void)state;
    subject s = open_subject(MODEL("olmoe"));
    static const dtype kinds[] = {DTYPE_F32, DTYPE_F16};
    router_settings all = router_settings_plain(), more = all;
    all.experts_per_token = s.c->experts;
    more.experts_per_token = s.c->experts_per_token + 1;
    router_program *p[] = {support_program(s.e, more, NULL, NULL),
                           support_program(s.e, all, NULL, NULL)};
    session *alive[2], *old = support_session(s.e, NULL, TOKENS);
    error err = {0};
    free(support_read(s.e, old, s.ids, 5));
    for (int i = 0; i < 2; i++) {
        alive[i] = session_open(s.e, TOKENS, kinds[i], &err);
        assert_non_null(alive[i]);
        free(support_read(s.e, alive[i], s.ids, 5));
        assert_int_equal(session_set_program(alive[i], p[i], &err), 0);
        free(support_read(s.e, alive[i], s.ids + 5, 5));
    }
    size_t from = 5 * (size_t)s.c->vocabulary;
    float *rest = support_read(s.e, old, s.ids + 5, TOKENS - 5);
    assert_memory_equal(rest, s.plain + from, s.bytes - from * sizeof(float));
    free(rest);
    float *got = support_logits(s.e, p[1], s.ids, TOKENS);
    engine *wide = support_engine(MODEL("olmoe"), 16, NULL);
    router_program *q = support_program(wide, all, NULL, NULL);
    float *want = support_logits(wide, q, s.ids, TOKENS);
    assert_memory_equal(got, want, s.bytes);
    free(got);
    free(want);
    router_program_close(q);
    engine_close(wide);
    session_close(old);
    for (int i = 0; i < 2; i++) {
        session_close(alive[i]);
        router_program_close(p[i]);
    }
    close_subject(&s);
}

/* ---- strength ---------------------------------------------------------------------------------- */

static void sum_gates(void *user, const session *s, const route_trace *t)
{
    double *sums = user; /* in layer 0: of expert 1 and of the others */
    (void)s;
    if (t->layer != 0)
        return;
    for (int i = 0; i < t->slots; i++)
        sums[t->ids[i] == 1 ? 0 : 1] += t->ids[i] >= 0 ? (double)t->gates[i] : 0;
}

static void strength_scales_the_named_experts_alone(void **state)
{
    (void)state;
    subject s = open_subject(MODEL("olmoe"));
    double sums[3][2] = {{0}};
    const double strengths[3] = {1, 0.5, 0};
    for (int i = 0; i < 3; i++) {
        router_settings r = router_settings_plain();
        r.strength = strengths[i];
        router_program *p = support_program(
            s.e, r, "{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"0\":{\"1\":9}}}", NULL);
        session *one = support_session(s.e, p, TOKENS);
        engine_trace(s.e, sum_gates, sums[i]);
        free(support_read(s.e, one, s.ids, 1)); /* one token: layer 0 sees the same state */
        engine_trace(s.e, NULL, NULL);
        session_close(one);
        router_program_close(p);
    }
    assert_true(sums[0][0] > 0);
    assert_true(sums[1][0] == sums[0][0] / 2 && sums[2][0] == 0);
    assert_true(sums[1][1] == sums[0][1] && sums[2][1] == sums[0][1] && sums[0][1] > 0);
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_programs_are_the_plain_model),
        cmocka_unit_test(knobs_have_exact_off_states),
        cmocka_unit_test(a_silent_tail_is_the_trained_number),
        cmocka_unit_test(norm_width_counts_only_where_gates_are_renormalised),
        cmocka_unit_test(the_whole_width_is_no_renormalisation),
        cmocka_unit_test(a_trace_of_outputs_changes_nothing),
        cmocka_unit_test(no_banned_expert_ever_runs),
        cmocka_unit_test(no_expert_that_a_rule_bans_runs),
        cmocka_unit_test(room_for_more_experts_is_made),
        cmocka_unit_test(strength_scales_the_named_experts_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
