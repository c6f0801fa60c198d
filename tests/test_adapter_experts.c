/* test_adapter_experts.c - experts that a persona brings along: who may call them, and that nobody else
 * notices. The model has 8 experts in each of 2 layers; two files bring 3 more and 2 more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapter_support.h"
#include "routing_support.h"
#include "scratch.h"

enum { EXPERTS = 8, TOKENS = 48, BOTH = 3, SECOND = 2 };

typedef struct places {
    char folder[SCRATCH], first[128], second[128];
} places;

/* ---- files --------------------------------------------------------------------------------------- */

static int write_files(void **state)
{
    places *at = calloc(1, sizeof *at);
    assert_non_null(at);
    scratch_folder(at->folder, "own");
    (void)snprintf(at->first, sizeof at->first, "%s/first.safetensors", at->folder);
    (void)snprintf(at->second, sizeof at->second, "%s/second.safetensors", at->folder);
    adapter_support_write(&(adapter_plan){at->first, BOTH, 3, 12}, 1);
    adapter_support_write(&(adapter_plan){at->second, SECOND, 2, 20}, 2);
    *state = at;
    return 0;
}

static int remove_files(void **state)
{
    places *at = *state;
    int left = unlink(at->first) || unlink(at->second) || rmdir(at->folder);
    free(at);
    return left;
}

static const placed_adapter *add(engine *e, const char *path)
{
    error err = {0};
    const placed_adapter *placed = NULL;
    adapter *file = adapter_open(path, &err);
    if (!file || engine_add_adapter(e, file, &placed, &err))
        fail_msg("%s", err.text);
    return placed;
}

static router_program *program_of(const engine *e, const placed_adapter *own, const char *mask_text)
{
    router_settings s = router_settings_plain();
    s.adapters = &own;
    s.adapter_count = own != NULL;
    return support_program(e, s, mask_text, NULL);
}

/* The logits of TOKENS ids under a program. */
static float *read_all(engine *e, const router_program *p)
{
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    return support_logits(e, p, ids, TOKENS);
}

static size_t logit_bytes(const engine *e)
{
    return (size_t)TOKENS * (size_t)engine_config(e)->vocabulary * sizeof(float);
}

/* ---- who calls them ------------------------------------------------------------------------------ */

typedef struct calls {
    int model, adapter; /* picks of the model's experts, and of those behind them */
    int per_layer[2];
} calls;

static void count_calls(void *user, const session *s, const route_trace *t)
{
    calls *c = user;
    (void)s;
    for (int i = 0; i < t->slots; i++) {
        c->model += t->ids[i] >= 0 && t->ids[i] < EXPERTS;
        c->adapter += t->ids[i] >= EXPERTS;
        c->per_layer[t->layer] += t->ids[i] >= EXPERTS;
    }
}

static calls calls_of(engine *e, const router_program *p)
{
    calls c = {0};
    engine_trace(e, count_calls, &c);
    free(read_all(e, p));
    engine_trace(e, NULL, NULL);
    return c;
}

static void only_their_owner_calls_them(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *first = add(e, at->first), *second = add(e, at->second);
    router_program *mine = program_of(e, first, NULL), *yours = program_of(e, second, NULL);
    router_program *masked = program_of(e, NULL,
                                        "{\"mask\":1,\"mode\":\"keep\","
                                        "\"layers\":{\"0-1\":\"2-7\"}}");
    calls c = calls_of(e, NULL);
    assert_int_equal(c.adapter, 0);
    assert_int_equal(calls_of(e, masked).adapter, 0);
    c = calls_of(e, mine);
    assert_true(c.per_layer[0] > 0 && c.per_layer[1] > 0 && c.model > 0);
    c = calls_of(e, yours);
    assert_int_equal(c.per_layer[0], 0);
    assert_true(c.per_layer[1] > 0);
    assert_int_equal(engine_max_experts(e), EXPERTS + 5);
    router_program_close(mine);
    router_program_close(yours);
    router_program_close(masked);
    engine_close(e);
}

/* A reading with everything that a trace tells. */
typedef struct reading {
    float *logits;
    double told;
} reading;

static void add_up(void *user, const session *s, const route_trace *t)
{
    reading *r = user;
    (void)s;
    r->told = r->told * 1.0001 + (double)t->banned + 2 * (double)t->entropy;
    for (int i = 0; i < t->slots; i++)
        r->told += t->ids[i] + (double)t->gates[i];
}

static reading traced(engine *e, const router_program *p)
{
    reading r = {0};
    engine_trace(e, add_up, &r);
    r.logits = read_all(e, p);
    engine_trace(e, NULL, NULL);
    return r;
}

static void nobody_else_notices(void **state)
{
    const places *at = *state;
    static const char KEEP[] = "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0-1\":\"2-7\"}}";
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    router_program *masked = program_of(e, NULL, KEEP);
    const router_program *programs[2] = {NULL, masked};
    for (int i = 0; i < 2; i++) {
        engine *other = support_engine(COUNCIL_MODEL, 32, NULL);
        reading before = traced(other, programs[i]);
        add(other, at->first);
        add(other, at->second);
        reading after = traced(other, programs[i]);
        assert_memory_equal(before.logits, after.logits, logit_bytes(other));
        assert_true(before.told == after.told);
        free(before.logits);
        free(after.logits);
        engine_close(other);
    }
    router_program_close(masked);
    engine_close(e);
}

/* ---- in a batch ---------------------------------------------------------------------------------- */

/* Three sequences in one batch: the first file's owner, the second's, and nobody. */
static void company_changes_nothing(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 64, NULL);
    router_program *programs[3] = {program_of(e, add(e, at->first), NULL),
                                   program_of(e, add(e, at->second), NULL), NULL};
    int ids[TOKENS];
    size_t row = (size_t)engine_config(e)->vocabulary;
    float *solo[3], *together = calloc(3 * TOKENS * row, sizeof *together);
    session *s[3];
    support_ids(e, 3, ids, TOKENS);
    for (int i = 0; i < 3; i++) {
        solo[i] = support_logits(e, programs[i], ids, TOKENS);
        s[i] = support_session(e, programs[i], TOKENS);
    }
    for (int t = 0; t < TOKENS; t++) {
        step steps[3];
        for (int i = 0; i < 3; i++)
            steps[i] = (step){s[i], &ids[t], 1, LOGITS_LAST,
                              together + ((size_t)i * TOKENS + (size_t)t) * row};
        assert_int_equal(engine_advance(e, steps, 3, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(solo[i], together + (size_t)i * TOKENS * row, logit_bytes(e));
        session_close(s[i]);
        free(solo[i]);
        router_program_close(programs[i]);
    }
    free(together);
    engine_close(e);
}

/* Where in the bank they lie changes nothing, nor does adding a file twice. */
static void order_changes_nothing(void **state)
{
    const places *at = *state;
    float *logits[2];
    uint64_t hash[2];
    size_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
        if (i == 1)
            add(e, at->first);
        const placed_adapter *own = add(e, at->second);
        assert_ptr_equal(add(e, at->second), own);
        assert_int_equal(engine_max_experts(e), EXPERTS + 2 + 3 * i);
        router_program *p = program_of(e, own, NULL);
        hash[i] = router_program_hash(p);
        logits[i] = read_all(e, p);
        bytes = logit_bytes(e);
        router_program_close(p);
        engine_close(e);
    }
    assert_memory_equal(logits[0], logits[1], bytes);
    assert_true(hash[0] == hash[1] && hash[0] != 0);
    free(logits[0]);
    free(logits[1]);
}

/* Experts that come while sessions live: what the sessions hold stays, and goes on. */
static void sessions_outlive_an_addition(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    int ids[TOKENS];
    support_ids(e, 3, ids, TOKENS);
    float *whole = support_logits(e, NULL, ids, TOKENS);
    session *s = support_session(e, NULL, TOKENS);
    float *half = support_read(e, s, ids, TOKENS / 2);
    add(e, at->first);
    float *rest = support_read(e, s, ids + TOKENS / 2, TOKENS / 2);
    assert_memory_equal(whole, half, logit_bytes(e) / 2);
    assert_memory_equal((char *)whole + logit_bytes(e) / 2, rest, logit_bytes(e) / 2);
    free(whole);
    free(half);
    free(rest);
    session_close(s);
    engine_close(e);
}

/* ---- masks and rules ----------------------------------------------------------------------------- */

static void assert_allowed(const engine *e, const placed_adapter *own, const char *mask_text,
                           const char *expected)
{
    router_program *p = program_of(e, own, mask_text);
    const layer_routing *r = &router_program_routing(p)[1];
    char text[EXPERTS + 4] = "";
    for (int i = 0; i < router_program_experts(p, 1); i++)
        text[i] = !r->allowed || r->allowed[i] ? '1' : '0';
    assert_string_equal(text, expected);
    router_program_close(p);
}

static void masks_speak_of_them_by_number(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *own = add(e, at->first);
    assert_allowed(e, own, NULL, "11111111111");
    /* What names none of them leaves them all; what names some means those. */
    assert_allowed(e, own, "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"1\":\"0-3\"}}",
                   "11110000111");
    assert_allowed(e, own, "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"1\":\"0-3,9\"}}",
                   "11110000010");
    assert_allowed(e, own, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"0,10\"}}",
                   "01111111110");
    assert_allowed(e, NULL, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"0\"}}", "01111111");
    engine_close(e);
}

static void refuse_mask(const engine *e, const placed_adapter *own, const char *text,
                        const char *why)
{
    error err = {0};
    mask *m = support_mask(text);
    const mask *list[] = {m};
    router_settings s = router_settings_plain();
    s.adapters = &own;
    s.adapter_count = own != NULL;
    s.masks = list;
    s.mask_count = 1;
    assert_null(router_program_compile(engine_config(e), NULL, &s, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    mask_close(m);
}

static void masks_name_only_what_is_there(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *second = add(e, at->second);
    refuse_mask(e, NULL, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"8\"}}", "expert");
    refuse_mask(e, second, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"10\"}}", "expert");
    refuse_mask(e, second, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"0-1\":\"8\"}}",
                "layer 0 has no expert 8");
    engine_close(e);
}

static void strength_reaches_them(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    router_settings s = router_settings_plain();
    const placed_adapter *own = add(e, at->first);
    s.adapters = &own;
    s.adapter_count = 1;
    s.strength = 0;
    router_program *silent = support_program(e, s, NULL, NULL);
    assert_int_equal(calls_of(e, silent).adapter, 0);
    router_program_close(silent);
    engine_close(e);
}

/* A ban that is softened leans away from them instead; where they are not, nothing appears. */
static void a_softened_ban_leans_away_from_them(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    router_settings s = router_settings_plain();
    const placed_adapter *own = add(e, at->second);
    s.adapters = &own;
    s.adapter_count = 1;
    s.mask_penalty = 3;
    router_program *p =
        support_program(e, s, "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"0,8\"}}", NULL);
    const layer_routing *r = router_program_routing(p);
    assert_true(!r[0].allowed && !r[0].bias && r[0].adapter_count == 0);
    assert_true(!r[1].allowed && r[1].bias && r[1].adapter_count == 2);
    assert_true(r[1].bias[0] == -3 && r[1].bias[8] == -3 && r[1].bias[9] == 0);
    assert_true(calls_of(e, p).adapter > 0);
    router_program_close(p);
    engine_close(e);
}

static void rules_force_and_ban_them(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    const placed_adapter *own = add(e, at->first);
    rule_list *force =
        support_rules("[{\"when\":{\"pattern\":\"(?s).\"},\"do\":{\"force\":\"9\"}}]");
    rule_list *ban =
        support_rules("[{\"when\":{\"pattern\":\"(?s).\"},\"do\":{\"ban\":\"8-10\"}}]");
    rule_list *beyond = support_rules("[{\"when\":{\"pattern\":\".\"},\"do\":{\"ban\":\"11\"}}]");
    router_settings s = router_settings_plain();
    s.adapters = &own;
    s.adapter_count = 1;
    router_program *forced = support_program(e, s, NULL, force);
    router_program *banned = support_program(e, s, NULL, ban);
    assert_true(calls_of(e, forced).adapter >= 2 * (TOKENS - 3)); /* special tokens have no text */
    assert_true(calls_of(e, banned).adapter <= 2 * 3 * 3);
    error err = {0};
    s.rules = beyond;
    s.tokenizer = engine_tokenizer(e);
    assert_null(router_program_compile(engine_config(e), NULL, &s, &err));
    assert_non_null(strstr(err.text, "expert 11"));
    router_program_close(forced);
    router_program_close(banned);
    rules_close(force);
    rules_close(ban);
    rules_close(beyond);
    engine_close(e);
}

/* ---- the model's name ----------------------------------------------------------------------------- */

static void the_fingerprint_is_the_models(void **state)
{
    const places *at = *state;
    engine *e = support_engine(COUNCIL_MODEL, 32, NULL);
    engine *other = support_engine(COUNCIL_MODEL, 32, NULL);
    add(e, at->first);
    assert_string_equal(engine_fingerprint(e, NULL), engine_fingerprint(other, NULL));
    engine_close(e);
    engine_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_their_owner_calls_them),
        cmocka_unit_test(nobody_else_notices),
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(order_changes_nothing),
        cmocka_unit_test(sessions_outlive_an_addition),
        cmocka_unit_test(masks_speak_of_them_by_number),
        cmocka_unit_test(masks_name_only_what_is_there),
        cmocka_unit_test(strength_reaches_them),
        cmocka_unit_test(a_softened_ban_leans_away_from_them),
        cmocka_unit_test(rules_force_and_ban_them),
        cmocka_unit_test(the_fingerprint_is_the_models),
    };
    return cmocka_run_group_tests(tests, write_files, remove_files);
}
