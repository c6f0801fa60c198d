/* test_adapters.c - passes with adapters of all kinds: the same bytes however they are read, on each ISA
 * level; what joins the weights leaves them again; and a past read under one adapter is not reused
 * under another. The model has 8 experts in each of 2 layers, 3 a token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapter_support.h"
#include "routing_support.h"

enum { EXPERTS = 8, TOKENS = 40, PASSES = 4 };

static const int SOME[] = {1, 4, -1}, OTHERS[] = {4, 6, -1}, ALL[] = {0, 1, 2, 3, 4, 5, 6, 7, -1};

/* Passes: the plain model, all kinds in one, updates of all experts, and both of these together. */
static const adapter_kinds MIXED = {2, SOME, OTHERS, SOME, 0.5f};
static const adapter_kinds UPDATES = {.loras = ALL, .scale = -0.25f};

static const placed_adapter *add(engine *e, const adapter_kinds *kinds, uint32_t seed)
{
    error err = {0};
    const placed_adapter *placed = NULL;
    adapter *a = adapter_support_make(kinds, seed, &err);
    if (!a || engine_add_adapter(e, a, &placed, &err))
        fail_msg("%s", err.text);
    return placed;
}

static router_program *program_of(const engine *e, const placed_adapter *const *list, int n,
                                  const char *mask_text)
{
    router_settings s = router_settings_plain();
    s.adapters = list;
    s.adapter_count = n;
    return support_program(e, s, mask_text, NULL);
}

/* An engine with the programs of the passes. */
typedef struct rig {
    engine *e;
    router_program *programs[PASSES];
    size_t row; /* bytes of a row of logits */
} rig;

static rig rig_open(const char *isa, int threads, int max_rows)
{
    error err = {0};
    engine_options options = {.path = COUNCIL_MODEL,
                              .backend = {.name = "cpu", .isa = isa, .threads = threads},
                              .max_rows = max_rows};
    rig r = {.e = engine_open(&options, &err)};
    if (!r.e)
        fail_msg("%s", err.text);
    const placed_adapter *both[2] = {add(r.e, &MIXED, 1), add(r.e, &UPDATES, 2)};
    r.programs[1] = program_of(r.e, both, 1, NULL);
    r.programs[2] = program_of(r.e, both + 1, 1, NULL);
    r.programs[3] = program_of(r.e, both, 2, NULL);
    r.row = (size_t)engine_config(r.e)->vocabulary * sizeof(float);
    return r;
}

static void rig_close(rig *r)
{
    for (int i = 0; i < PASSES; i++)
        router_program_close(r->programs[i]);
    engine_close(r->e);
}

static bool isa_runs(const char *isa)
{
    engine_options options = {.path = COUNCIL_MODEL, .backend = {.name = "cpu", .isa = isa}};
    engine *e = engine_open(&options, NULL);
    engine_close(e);
    return e != NULL;
}

/* ---- the same bytes ------------------------------------------------------------------------------ */

/* The logits of all tokens of all passes, [PASSES, TOKENS, vocabulary], all passes in lockstep: `first`
 * tokens in one go, then one by one. */
static float *read_together(const rig *r, int first)
{
    error err = {0};
    int ids[TOKENS];
    float *out = malloc((size_t)PASSES * TOKENS * r->row);
    session *s[PASSES];
    support_ids(r->e, 3, ids, TOKENS);
    for (int p = 0; p < PASSES; p++)
        s[p] = support_session(r->e, r->programs[p], TOKENS);
    for (int t = 0, n = first; t < TOKENS; t += n, n = 1) {
        step steps[PASSES];
        for (int p = 0; p < PASSES; p++)
            steps[p] = (step){s[p], ids + t, n, LOGITS_ALL,
                              out + ((size_t)p * TOKENS + (size_t)t) * (r->row / sizeof *out)};
        if (engine_advance(r->e, steps, PASSES, &err))
            fail_msg("%s", err.text);
    }
    for (int p = 0; p < PASSES; p++)
        session_close(s[p]);
    return out;
}

/* The same, each pass by itself, all tokens in one go. */
static float *read_alone(const rig *r)
{
    int ids[TOKENS];
    char *out = malloc((size_t)PASSES * TOKENS * r->row);
    support_ids(r->e, 3, ids, TOKENS);
    for (int p = 0; p < PASSES; p++) {
        float *one = support_logits(r->e, r->programs[p], ids, TOKENS);
        memcpy(out + (size_t)p * TOKENS * r->row, one, TOKENS * r->row);
        free(one);
    }
    return (float *)(void *)out;
}

static void check_bytes(rig r, const float *truth, int first)
{
    float *got = first ? read_together(&r, first) : read_alone(&r);
    assert_memory_equal(truth, got, (size_t)PASSES * TOKENS * r.row);
    free(got);
    rig_close(&r);
}

static void every_way_to_read_gives_the_same_bytes(void **state)
{
    static const char *const isas[] = {"baseline", "avx2", "avx512"};
    static const int threads[] = {1, 2, 3}, rows[] = {1, 7, 160};
    (void)state;
    rig r = rig_open("baseline", 1, 1);
    float *truth = read_alone(&r);
    size_t pass = TOKENS * r.row;
    for (int p = 0; p < PASSES; p++)
        for (int q = 0; q < p; q++)
            assert_true(memcmp((char *)truth + (size_t)p * pass, (char *)truth + (size_t)q * pass,
                               pass) != 0);
    rig_close(&r);
    for (int i = 0; i < 3; i++) {
        if (!isa_runs(isas[i])) {
            print_message("# no %s here: not compared\n", isas[i]);
            continue;
        }
        for (int k = 0; k < 3; k++) {
            check_bytes(rig_open(isas[i], threads[k], rows[k]), truth, 1);
            check_bytes(rig_open(isas[i], threads[2 - k], rows[k]), truth, TOKENS / 2);
            check_bytes(rig_open(isas[i], threads[k], rows[k]), truth, 0);
        }
    }
    free(truth);
}

/* ---- routing ------------------------------------------------------------------------------------- */

typedef struct watch {
    int banned, replaced, added, calls;
} watch;

static void look(void *user, const session *s, const route_trace *t)
{
    watch *w = user;
    (void)s;
    for (int i = 0; i < t->slots; i++) {
        if (t->ids[i] < 0) {
            assert_int_equal(t->seen[i], -1);
            continue;
        }
        w->calls++;
        w->banned += t->seen[i] == 4 || t->seen[i] == EXPERTS;
        w->added += t->seen[i] >= EXPERTS;
        w->replaced += t->seen[i] < EXPERTS && t->seen[i] != t->ids[i];
        assert_true(t->seen[i] != 1 || t->ids[i] >= EXPERTS);
        assert_true(t->seen[i] < EXPERTS + 2);
    }
}

/* Masks speak of what a program sees, wherever it lies: 4 is replaced and has a row of its own. */
static void no_banned_expert_runs_in_another_shape(void **state)
{
    static const char BAN[] = "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"0-1\":\"4,8\"}}";
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    const placed_adapter *list[] = {add(e, &UPDATES, 2), add(e, &MIXED, 1)};
    for (int i = 0; i < 2; i++) {
        watch w = {0};
        router_program *p = program_of(e, list, 2, i ? BAN : NULL);
        engine_trace(e, look, &w);
        free(support_logits(e, p, ids, TOKENS));
        engine_trace(e, NULL, NULL);
        assert_true(w.calls == 2 * 3 * TOKENS && w.replaced > 0 && w.added > 0);
        assert_true(i ? w.banned == 0 : w.banned > 0);
        router_program_close(p);
    }
    engine_close(e);
}

/* ---- hashes and pasts ---------------------------------------------------------------------------- */

static uint64_t hash_of(const engine *e, const placed_adapter *const *list, int n)
{
    router_program *p = program_of(e, list, n, NULL);
    uint64_t hash = router_program_hash(p);
    router_program_close(p);
    return hash;
}

static void programs_hash_what_they_compute(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    engine *other = support_engine(COUNCIL_MODEL, 32, NULL);
    adapter_kinds silent = UPDATES, loud = UPDATES;
    silent.scale = 0;
    loud.scale = -0.5f;
    const placed_adapter *a[] = {add(e, &MIXED, 1), add(e, &UPDATES, 2)};
    const placed_adapter *turned[] = {a[1], a[0]}, *off = add(e, &silent, 2);
    const placed_adapter *more = add(e, &loud, 2);
    const placed_adapter *there[] = {add(other, &UPDATES, 2), add(other, &MIXED, 1)};
    uint64_t all[] = {hash_of(e, a, 1), hash_of(e, a + 1, 1), hash_of(e, a, 2),
                      hash_of(e, turned, 2), hash_of(e, &more, 1)};
    assert_int_equal(hash_of(e, &off, 1), 0);
    for (int i = 0; i < 5; i++) {
        assert_true(all[i] != 0);
        for (int k = 0; k < i; k++)
            assert_true(all[i] != all[k]);
    }
    /* Where they lie in a bank changes nothing. */
    assert_true(hash_of(other, there + 1, 1) == all[0] && hash_of(other, there, 1) == all[1]);
    engine_close(e);
    engine_close(other);
}

static void pasts_are_not_mixed(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *a[] = {add(e, &MIXED, 1), add(e, &UPDATES, 2)};
    router_program *mixed = program_of(e, a, 1, NULL), *updates = program_of(e, a + 1, 1, NULL);
    router_program *again = program_of(e, a, 1, NULL);
    int ids[TOKENS];
    error err = {0};
    support_ids(e, 3, ids, TOKENS);
    session *s = support_session(e, mixed, TOKENS);
    assert_int_equal(session_sync(s, ids, TOKENS, 0, NULL, NULL, NULL, &err), 0);
    assert_int_equal(session_common_prefix(s, ids, TOKENS, 0), TOKENS);
    assert_int_equal(session_set_program(s, again, &err), 0);
    assert_int_equal(session_common_prefix(s, ids, TOKENS, 0), TOKENS);
    assert_int_equal(session_set_program(s, updates, &err), 0);
    assert_int_equal(session_common_prefix(s, ids, TOKENS, 0), 0);
    assert_int_equal(session_set_program(s, NULL, &err), 0);
    assert_int_equal(session_common_prefix(s, ids, TOKENS, 0), 0);
    session_close(s);
    router_program_close(mixed);
    router_program_close(updates);
    router_program_close(again);
    engine_close(e);
}

/* ---- rules that ask for adapters --------------------------------------------------------------------- */

static router_program *program_with(const engine *e, const placed_adapter *one, const char *file,
                                    const rule_list *rules)
{
    router_settings s = router_settings_plain();
    s.adapters = &one;
    s.adapter_files = &file;
    s.adapter_count = one != NULL;
    return support_program(e, s, NULL, rules);
}

/* A rule acts as if it said nothing of adapters where the one it asks for is there, and is not there
 * where it is not, whatever experts it speaks of. */
static void rules_know_the_adapters_of_their_pass(void **state)
{
    static const struct {
        const char *when, *file; /* NULL = no adapter */
        bool met;
    } cases[] = {
        {"true", "a/math.safetensors", true},
        {"true", NULL, false},
        {"false", "a/math.safetensors", false},
        {"false", NULL, true},
        {"\"math\"", "a/math.safetensors", true},
        {"\"math\"", "math", true},
        {"\"math\"", "/b/a.b/math/", true},
        {"\"math\"", "math.0f.adapter.gguf", true},
        {"\"math\"", "a/maths.safetensors", false},
        {"\"math\"", "math/other", false},
        {"\"math.gguf\"", "a/math.safetensors", false},
        {"\"math\"", NULL, false},
    };
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *one = add(e, &MIXED, 1);
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[160];
        const char *file = cases[i].file, *does = file ? "\"ban\":\"8\"" : "\"ban\":\"2\"";
        (void)snprintf(
            text, sizeof text,
            "[{\"when\":{\"token\":[0,%d],\"adapter\":%s},\"do\":{%s},\"for\":\"turn\"}]", ids[4],
            cases[i].when, cases[i].met ? does : "\"ban\":\"99\"");
        rule_list *asking = support_rules(text);
        (void)snprintf(text, sizeof text,
                       "[{\"when\":{\"token\":[0,%d]},\"do\":{%s},\"for\":\"turn\"}]", ids[4],
                       does);
        rule_list *plain = support_rules(text);
        const placed_adapter *there = file ? one : NULL;
        router_program *got = program_with(e, there, file, asking);
        router_program *want = program_with(e, there, file, cases[i].met ? plain : NULL);
        router_program *other = program_with(e, there, file, cases[i].met ? NULL : plain);
        size_t bytes = TOKENS * (size_t)engine_config(e)->vocabulary * sizeof(float);
        float *a = support_logits(e, got, ids, TOKENS), *b = support_logits(e, want, ids, TOKENS);
        float *c = support_logits(e, other, ids, TOKENS);
        assert_memory_equal(a, b, bytes);
        assert_memory_not_equal(a, c, bytes);
        assert_int_equal(router_program_has_rules(got), cases[i].met);
        if (!cases[i].met)
            assert_true(router_program_hash(got) == router_program_hash(want));
        free(a);
        free(b);
        free(c);
        router_program_close(got);
        router_program_close(want);
        router_program_close(other);
        rules_close(asking);
        rules_close(plain);
    }
    engine_close(e);
}

/* Two files of one content, of which a rule names one: not the same program. */
static void programs_hash_what_their_rules_ask_for(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *one = add(e, &MIXED, 1);
    rule_list *rules =
        support_rules("[{\"when\":{\"token\":[1]},\"do\":{\"k\":2}},"
                      " {\"when\":{\"prompt\":\"1-\",\"adapter\":\"math\"},\"do\":{\"k\":1}}]");
    router_program *a = program_with(e, one, "math.gguf", rules);
    router_program *b = program_with(e, one, "other.gguf", rules);
    assert_true(router_program_hash(a) != router_program_hash(b));
    router_program_close(a);
    router_program_close(b);
    rules_close(rules);
    engine_close(e);
}

/* ---- joining and leaving ------------------------------------------------------------------------- */

static void assert_plain(engine *e, const float *plain)
{
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    float *now = support_logits(e, NULL, ids, TOKENS);
    assert_memory_equal(plain, now, TOKENS * (size_t)engine_config(e)->vocabulary * sizeof *now);
    free(now);
}

/* Whatever order they leave in, those that stay compute what they did, and at last nothing is left. */
static void what_joins_leaves(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    float *plain = support_logits(e, NULL, ids, TOKENS);
    size_t bytes = TOKENS * (size_t)engine_config(e)->vocabulary * sizeof *plain;
    uint64_t weights = engine_weight_bytes(e);
    for (int i = 0; i < 4; i++) {
        const placed_adapter *a[] = {add(e, &MIXED, 1), add(e, &UPDATES, 2), add(e, &MIXED, 3)};
        router_program *p[3];
        float *before[3];
        assert_int_equal(engine_max_experts(e), EXPERTS + 2 * 4);
        assert_true(engine_weight_bytes(e) > weights);
        for (int k = 0; k < 3; k++) {
            p[k] = program_of(e, &a[k], 1, NULL);
            before[k] = support_logits(e, p[k], ids, TOKENS);
        }
        for (int k = 0; k < 3; k++) {
            for (int stays = k; stays < 3; stays++) {
                float *now = support_logits(e, p[orders[i][stays]], ids, TOKENS);
                assert_memory_equal(before[orders[i][stays]], now, bytes);
                free(now);
            }
            router_program_close(p[orders[i][k]]);
            engine_remove_adapter(e, a[orders[i][k]]);
            assert_plain(e, plain);
        }
        assert_int_equal(engine_max_experts(e), EXPERTS);
        assert_true(engine_weight_bytes(e) == weights);
        for (int k = 0; k < 3; k++)
            free(before[k]);
    }
    free(plain);
    engine_close(e);
}

/* Added twice, it is there once, until it was removed twice. */
static void content_is_counted(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *one = add(e, &MIXED, 1);
    uint64_t bytes = engine_weight_bytes(e);
    assert_ptr_equal(add(e, &MIXED, 1), one);
    assert_true(engine_weight_bytes(e) == bytes);
    engine_remove_adapter(e, one);
    assert_int_equal(engine_max_experts(e), EXPERTS + 4);
    engine_remove_adapter(e, one);
    assert_int_equal(engine_max_experts(e), EXPERTS);
    engine_remove_adapter(e, NULL);
    engine_close(e);
}

/* Sessions with caches of two types, opened before anything joined. */
static void every_kind_of_cache_has_room(void **state)
{
    (void)state;
    static const dtype kinds[] = {DTYPE_F32, DTYPE_F16};
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    error err = {0};
    session *s[2];
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    for (int i = 0; i < 2; i++) {
        s[i] = session_open(e, TOKENS, kinds[i], &err);
        free(support_read(e, s[i], ids, 4));
    }
    const placed_adapter *list[] = {add(e, &MIXED, 1), add(e, &UPDATES, 2)};
    router_program *p = program_of(e, list, 2, NULL);
    for (int i = 0; i < 2; i++) {
        session_rewind(s[i], 0);
        assert_int_equal(session_set_program(s[i], p, &err), 0);
        float *got = support_read(e, s[i], ids, TOKENS);
        session *fresh = session_open(e, TOKENS, kinds[i], &err);
        assert_int_equal(session_set_program(fresh, p, &err), 0);
        float *want = support_read(e, fresh, ids, TOKENS);
        assert_memory_equal(want, got, TOKENS * (size_t)engine_config(e)->vocabulary * sizeof *got);
        free(got);
        free(want);
        session_close(fresh);
        session_close(s[i]);
    }
    router_program_close(p);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_read_gives_the_same_bytes),
        cmocka_unit_test(no_banned_expert_runs_in_another_shape),
        cmocka_unit_test(programs_hash_what_they_compute),
        cmocka_unit_test(pasts_are_not_mixed),
        cmocka_unit_test(rules_know_the_adapters_of_their_pass),
        cmocka_unit_test(programs_hash_what_their_rules_ask_for),
        cmocka_unit_test(what_joins_leaves),
        cmocka_unit_test(content_is_counted),
        cmocka_unit_test(every_kind_of_cache_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
