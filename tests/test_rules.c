/* test_rules.c - rules by token, tag, pattern and role: when they act, what they do, and that the
 * way a sequence came to be never changes it. The model is the tiny one that can be talked to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "routing_support.h"

enum { LONG = 200, LAYERS = 2, EXPERTS = 8, K = 3 };

static int open_model(void **state)
{
    *state = support_engine(COUNCIL_MODEL, 16, NULL);
    return 0;
}

static int close_model(void **state)
{
    engine_close(*state);
    return 0;
}

/* ---- when: which tokens a rule acts on --------------------------------------------------------- */

/* '1' for each token that the first rule acts on, in out [n + 1]. */
static void acts_on(const engine *e, const char *rules, const int *ids, int n, char *out)
{
    error err = {0};
    rule_list *r = support_rules(rules);
    rule_triggers *m = rule_triggers_open(r, 0, engine_tokenizer(e), engine_chat(e), &err);
    rule_state s = {0};
    assert_non_null(m);
    for (int i = 0; i < n; i++) {
        uint32_t active = 0;
        assert_int_equal(rules_step(r, m, &s, ids[i], &active, &err), 0);
        out[i] = active & 1 ? '1' : '.';
    }
    out[n] = '\0';
    rule_triggers_close(m);
    rules_close(r);
}

/* The same for a text of bytes, each a token of its own. */
static void assert_acts(const engine *e, const char *rules, const char *text, const char *want)
{
    int ids[LONG];
    char got[LONG + 1];
    int n = (int)strlen(text);
    for (int i = 0; i < n; i++)
        ids[i] = (unsigned char)text[i];
    acts_on(e, rules, ids, n, got);
    assert_string_equal(got, want);
}

#define RULE(when, more) "[{\"when\":{" when "},\"do\":{\"ban\":\"0\"}" more "}]"
#define DO(actions)      "[{\"when\":{\"token\":[1]},\"do\":{" actions "}}]"

static void tokens_and_tags_are_found_in_the_text(void **state)
{
    const engine *e = *state;
    assert_acts(e, RULE("\"token\":[98,100]", ""), "abcdab", ".1.1.1");
    assert_acts(e, RULE("\"token\":[98]", ",\"for\":3"), "abcdefbb", ".111..11");
    assert_acts(e, RULE("\"token\":[98]", ",\"for\":\"turn\""), "abcdef", ".11111");
    assert_acts(e, RULE("\"tag\":\"code\"", ",\"for\":2"), "a code is coded", ".....11......11");
    assert_acts(e, RULE("\"tag\":\"\xc3\xa9\"", ""), "e\xc3\xa9\xa9", "..1.");
}

static void a_tag_is_text_or_the_special_token_of_that_content(void **state)
{
    const engine *e = *state;
    const char *rule = RULE("\"tag\":\"<|im_end|>\"", "");
    assert_acts(e, rule, "a<|im_end|>b", "..........1.");
    int special = tokenizer_find(engine_tokenizer(e), "<|im_end|>", 10);
    int ids[] = {97, special, 98}, other[] = {97, special - 1, 98};
    char got[4];
    acts_on(e, rule, ids, 3, got);
    assert_string_equal(got, ".1.");
    acts_on(e, rule, other, 3, got);
    assert_string_equal(got, "...");
}

static void patterns_see_the_last_256_bytes(void **state)
{
    const engine *e = *state;
    assert_acts(e, RULE("\"pattern\":\"\\\\d\\\\d$\"", ""), "a12b345", "..1..11");
    assert_acts(e, RULE("\"pattern\":\"(?i)CODE\"", ""), "a code", ".....1");
    assert_acts(e, RULE("\"pattern\":\"^x\"", ""), "xyz", "111");
    int ids[300];
    char got[301];
    for (int i = 0; i < 300; i++)
        ids[i] = i == 0 ? 'x' : 'y';
    acts_on(e, RULE("\"pattern\":\"x\"", ""), ids, 300, got);
    for (int i = 0; i < 300; i++)
        assert_int_equal(got[i], i < RULE_TEXT_BYTES ? '1' : '.');
}

/* A conversation's tokens, and where "<|im_start|>ROLE\n" of each message ends. */
static int conversation(const engine *e, int *ids, int ends[4])
{
    static const chat_message m[] = {{CHAT_SYSTEM, "be the coder", 12},
                                     {CHAT_USER, "assistant\nyes", 13},
                                     {CHAT_ASSISTANT, "user\nno", 7},
                                     {CHAT_USER, "and then", 8}};
    tokens all = {0};
    error err = {0};
    int start = tokenizer_find(engine_tokenizer(e), "<|im_start|>", 12), found = 0;
    assert_int_equal(chat_render(engine_chat(e), m, 4, true, 0, &all, &err), 0);
    assert_true(all.len < LONG);
    memcpy(ids, all.v, all.len * sizeof *ids);
    int n = (int)all.len;
    tokens_release(&all);
    for (int i = 0; i < n; i++) {
        if (ids[i] != start || found == 5)
            continue;
        int at = i + 1;
        for (size_t len; *tokenizer_piece(engine_tokenizer(e), ids[at], &len) != '\n';)
            at++;
        if (found < 4)
            ends[found] = at;
        found++;
    }
    assert_int_equal(found, 5);
    return n;
}

static void roles_last_from_their_opening_to_the_next(void **state)
{
    const engine *e = *state;
    int ids[LONG], ends[4];
    char got[LONG + 1];
    int n = conversation(e, ids, ends);
    acts_on(e, RULE("\"role\":\"system\"", ""), ids, n, got);
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', i >= ends[0] && i < ends[1]);
    acts_on(e, RULE("\"role\":\"user\"", ""), ids, n, got);
    for (int i = 0; i < n - 1; i++)
        assert_int_equal(got[i] == '1', (i >= ends[1] && i < ends[2]) || i >= ends[3]);
    assert_int_equal(got[n - 1], '.'); /* the reply is open */
    acts_on(e, RULE("\"role\":\"assistant\"", ""), ids, n, got);
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', (i >= ends[2] && i < ends[3]) || i == n - 1);
}

static void a_turn_ends_where_the_next_user_speaks(void **state)
{
    const engine *e = *state;
    int ids[LONG], ends[4];
    char got[LONG + 1];
    int n = conversation(e, ids, ends);
    acts_on(e, RULE("\"tag\":\"be\"", ",\"for\":\"turn\""), ids, n, got);
    int first = 0;
    while (got[first] != '1')
        first++;
    assert_true(first > ends[0] && first < ends[1]);
    for (int i = first; i < n; i++)
        assert_int_equal(got[i] == '1', i < ends[1]);
    acts_on(e, RULE("\"tag\":\"no\"", ",\"for\":\"turn\""), ids, n, got);
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', i >= ends[3] - 4 - 3 && i < ends[3] && got[i] == '1');
    assert_non_null(strchr(got, '1'));
    assert_int_equal(got[ends[3]], '.');
    assert_int_equal(got[ends[3] - 1], '1');
}

static void a_prompt_lasts_from_the_user_to_the_next_one(void **state)
{
    const engine *e = *state;
    int ids[LONG], ends[4];
    char got[LONG + 1];
    int n = conversation(e, ids, ends);
    static const struct {
        const char *rule;
        int from, to; /* of ends; 4 = to the end of all */
    } cases[] = {
        {RULE("\"prompt\":1", ""), 1, 3},      {RULE("\"prompt\":\"1\"", ""), 1, 3},
        {RULE("\"prompt\":2", ""), 3, 4},      {RULE("\"prompt\":\"1-2\"", ""), 1, 4},
        {RULE("\"prompt\":\"2-\"", ""), 3, 4}, {RULE("\"prompt\":3", ""), 4, 4},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        acts_on(e, cases[c].rule, ids, n, got);
        int from = cases[c].from < 4 ? ends[cases[c].from] : n;
        int to = cases[c].to < 4 ? ends[cases[c].to] : n;
        for (int i = 0; i < n; i++)
            assert_int_equal(got[i] == '1', i >= from && i < to);
    }
    assert_acts(e, RULE("\"prompt\":\"1-\"", ""), "no chat", ".......");
}

static void where_several_are_named_all_must_hold(void **state)
{
    const engine *e = *state;
    int ids[LONG], ends[4];
    char got[LONG + 1];
    int n = conversation(e, ids, ends);
    acts_on(e, RULE("\"role\":\"assistant\",\"prompt\":1", ""), ids, n, got);
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', i >= ends[2] && i < ends[3]);
    acts_on(e, RULE("\"prompt\":2,\"token\":[100]", ""), ids, n, got); /* "and then" */
    int first = ends[3];
    while (ids[first] != 100)
        first++;
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', i > ends[3] && ids[i] == 100);
    assert_acts(e, RULE("\"tag\":\"ab\",\"pattern\":\"x\"", ",\"for\":2"), "ab xab", ".....1");
    assert_acts(e, RULE("\"token\":[97],\"pattern\":\"(?i)B.$\"", ""), "abaBa", "..1.1");
    acts_on(e, RULE("\"token\":[100],\"role\":\"user\"", ",\"for\":\"turn\""), ids, n, got);
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i] == '1', i >= first);
}

/* ---- do: what a rule does ---------------------------------------------------------------------- */

typedef struct record {
    int32_t ids[LONG][LAYERS][EXPERTS];
    float gates[LONG][LAYERS][EXPERTS];
    int calls[LONG][LAYERS];
} record;

static void keep_record(void *user, const session *s, const route_trace *t)
{
    record *r = user;
    (void)s;
    r->calls[t->position][t->layer] = 0;
    for (int i = 0; i < t->slots; i++) {
        r->ids[t->position][t->layer][i] = t->ids[i];
        r->gates[t->position][t->layer][i] = t->gates[i];
        r->calls[t->position][t->layer] += t->ids[i] >= 0;
    }
}

/* What ran for ids[0..n) under rules; freed by the caller. */
static record *run_rules(engine *e, const char *text, const int *ids, int n)
{
    record *r = calloc(1, sizeof *r);
    rule_list *rules = text ? support_rules(text) : NULL;
    router_program *p = support_program(e, router_settings_plain(), NULL, rules);
    engine_trace(e, keep_record, r);
    free(support_logits(e, p, ids, n));
    engine_trace(e, NULL, NULL);
    router_program_close(p);
    rules_close(rules);
    return r;
}

static bool ran(const record *r, int position, int layer, int expert)
{
    for (int i = 0; i < r->calls[position][layer]; i++)
        if (r->ids[position][layer][i] == expert)
            return true;
    return false;
}

static void a_forced_expert_comes_first_with_the_largest_gate(void **state)
{
    engine *e = *state;
    int ids[60];
    for (int i = 0; i < 60; i++)
        ids[i] = 'a' + i % 4;
    record *plain = run_rules(e, NULL, ids, 60);
    record *forced = run_rules(
        e, "[{\"when\":{\"token\":[98]},\"layers\":\"0\",\"do\":{\"force\":\"5,7\"}}]", ids, 60);
    int changed = 0;
    for (int i = 0; i < 60; i++) {
        assert_int_equal(forced->calls[i][0], K);
        if (ids[i] != 'b') {
            assert_memory_equal(forced->ids[i][0], plain->ids[i][0], K * sizeof(int32_t));
            continue;
        }
        const float *g = forced->gates[i][0];
        assert_true(ran(forced, i, 0, 5) && ran(forced, i, 0, 7));
        assert_true(forced->ids[i][0][0] == 5 || forced->ids[i][0][0] == 7);
        assert_true(g[0] == g[1] && g[1] >= g[2] && g[2] > 0);
        assert_true(g[0] + g[1] + g[2] > 0.9999f && g[0] + g[1] + g[2] < 1.0001f);
        changed += !ran(plain, i, 0, 5) || !ran(plain, i, 0, 7);
    }
    assert_true(changed > 0);
    free(plain);
    free(forced);
}

static void keep_ban_bias_and_k_act_on_their_layers(void **state)
{
    engine *e = *state;
    int ids[60];
    for (int i = 0; i < 60; i++)
        ids[i] = 'a' + i % 4;
    record *r = run_rules(e,
                          "[{\"when\":{\"token\":[97]},\"layers\":\"1\",\"do\":{\"keep\":\"1-4\"}},"
                          " {\"when\":{\"token\":[98]},\"do\":{\"ban\":\"0-1\"}},"
                          " {\"when\":{\"token\":[99]},\"do\":{\"bias\":{\"6\":1000}}},"
                          " {\"when\":{\"token\":[100]},\"layers\":\"0\",\"do\":{\"k\":1}}]",
                          ids, 60);
    int free_zero = 0;
    for (int i = 0; i < 60; i++) {
        for (int x = 0; x < EXPERTS; x++)
            assert_false(ids[i] == 'a' && (x < 1 || x > 4) && ran(r, i, 1, x));
        for (int layer = 0; layer < LAYERS; layer++) {
            assert_false(ids[i] == 'b' && (ran(r, i, layer, 0) || ran(r, i, layer, 1)));
            assert_true(ids[i] != 'c' || r->ids[i][layer][0] == 6);
            assert_int_equal(r->calls[i][layer], ids[i] == 'd' && layer == 0 ? 1 : K);
            free_zero += ran(r, i, layer, 0);
        }
    }
    assert_true(free_zero > 0);
    free(r);
}

/* ---- however the sequence came to be ----------------------------------------------------------- */

static const char MIXED[] =
    "[{\"when\":{\"pattern\":\"[aeiou][b-d]$\"},\"do\":{\"ban\":\"0-3\"},\"for\":5},"
    " {\"when\":{\"prompt\":\"2-\",\"adapter\":false},\"do\":{\"bias\":{\"4\":1}}},"
    " {\"when\":{\"role\":\"user\"},\"layers\":\"1\",\"do\":{\"bias\":{\"2\":2,\"6\":-2}}},"
    " {\"when\":{\"tag\":\"e\"},\"layers\":\"0\",\"do\":{\"force\":\"5\",\"k\":4},\"for\":\"turn\"}"
    ","
    " {\"when\":{\"token\":[110,256]},\"do\":{\"k\":2}}]";

static int mixed_ids(const engine *e, int *ids)
{
    int ends[4], n = conversation(e, ids, ends);
    for (int i = n; i < 120; i++)
        ids[i] = 'a' + i * i % 23;
    return 120;
}

static void chunks_do_not_change_rules(void **state)
{
    engine *e = *state;
    int ids[LONG], n = mixed_ids(e, ids);
    size_t bytes = (size_t)n * (size_t)engine_config(e)->vocabulary * sizeof(float);
    rule_list *rules = support_rules(MIXED);
    router_program *p = support_program(e, router_settings_plain(), NULL, rules);
    float *want = support_logits(e, p, ids, n), *plain = support_logits(e, NULL, ids, n);
    assert_memory_not_equal(want, plain, bytes);
    const int chunks[] = {1, 7, 64};
    for (int i = 0; i < 3; i++) {
        engine *other = support_engine(COUNCIL_MODEL, chunks[i], NULL);
        router_program *q = support_program(other, router_settings_plain(), NULL, rules);
        float *got = support_logits(other, q, ids, n);
        assert_memory_equal(got, want, bytes);
        free(got);
        router_program_close(q);
        engine_close(other);
    }
    free(want);
    free(plain);
    router_program_close(p);
    rules_close(rules);
}

static void rewinding_forking_and_sharing_route_as_a_fresh_run(void **state)
{
    engine *e = *state;
    int ids[LONG], n = mixed_ids(e, ids);
    size_t row = (size_t)engine_config(e)->vocabulary;
    error err = {0};
    rule_list *rules = support_rules(MIXED);
    router_program *p = support_program(e, router_settings_plain(), NULL, rules);
    float *want = support_logits(e, p, ids, n), *got;
    session *s = support_session(e, p, n), *t = support_session(e, p, n);
    free(support_read(e, s, ids, n));
    const int cuts[] = {119, 64, 63, 40, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int at = cuts[i];
        size_t rest = (size_t)(n - at) * row * sizeof(float);
        session_rewind(s, at);
        session *fork = session_fork(s, &err);
        assert_non_null(fork);
        assert_int_equal(session_share_prefix(t, s, at, &err), 0);
        session *all[] = {s, fork, t};
        for (int k = 0; k < 3; k++) {
            got = support_read(e, all[k], ids + at, n - at);
            assert_memory_equal(got, want + (size_t)at * row, rest);
            free(got);
        }
        session_close(fork);
    }
    session_close(s);
    session_close(t);
    free(want);
    router_program_close(p);
    rules_close(rules);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void a_pattern_that_gives_up_is_an_error_each_time(void **state)
{
    engine *e = *state;
    enum { N = 40 };
    int ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = 'a';
    ids[0] = 'b'; /* so that the beginning is read well */
    rule_list *rules = support_rules("[{\"when\":{\"token\":[0]},\"do\":{\"k\":2}},"
                                     " {\"when\":{\"pattern\":\"(a|aa)+[^ab]\"},"
                                     "\"do\":{\"k\":2}}]");
    router_program *p = support_program(e, router_settings_plain(), NULL, rules);
    session *s = support_session(e, p, N);
    error err = {0};
    for (int i = 0; i < 2; i++) {
        step st = {s, ids, N, LOGITS_NONE, NULL};
        assert_int_equal(engine_advance(e, &st, 1, &err), -1);
        assert_int_equal(err.code, ERROR_RUN);
        assert_non_null(strstr(err.text, "rules[1]"));
        assert_int_equal(session_length(s), 0);
    }
    /* Read without the program, walked again with it: the same failure, each time. */
    assert_int_equal(session_set_program(s, NULL, &err), 0);
    free(support_read(e, s, ids, N - 1));
    assert_int_equal(session_set_program(s, p, &err), 0);
    for (int i = 0; i < 3; i++) {
        step st = {s, ids, 1, LOGITS_NONE, NULL};
        assert_int_equal(engine_advance(e, &st, 1, &err), -1);
        assert_int_equal(err.code, ERROR_RUN);
    }
    session_close(s);
    router_program_close(p);
    rules_close(rules);
}

/* Known ways to make a matcher work for ever. */
static const char *const SLOW[] = {"(a+)+$",
                                   "(a|a)*c",
                                   "(?:a|aa)*b",
                                   "(a*)*b",
                                   "(a|a?)+$",
                                   "([a-z]+)*[0-9]",
                                   "(.*a){20}$",
                                   "(.*)*(.*)*x",
                                   "^(a?){30}a{30}$",
                                   "(\\\\w+\\\\s?)*$",
                                   "(a+){10}b",
                                   "(?:(?:a*)*)*b",
                                   "(x+x+)+y",
                                   "^(.*?,){25}P",
                                   "((a+)(a+))+b",
                                   "(a|b|ab)*bc",
                                   "(?R)?a+b",
                                   "(a(?R)?)*c",
                                   "(?:.|\\\\n)*(?:.|\\\\n)*q",
                                   "(?=(a+))a*b\\\\1",
                                   "((.*)(.*)(.*)(.*))*z",
                                   "(?>a+)+b",
                                   "(a++)*+c",
                                   "^(([a-z])+.)+[A-Z]([a-z])+$",
                                   "(.+)+(.+)+(.+)+!"};

static void slow_patterns_end_soon(void **state)
{
    engine *e = *state;
    int gave_up = 0;
    for (size_t i = 0; i < sizeof SLOW / sizeof *SLOW; i++) {
        char text[256];
        error err = {0};
        (void)snprintf(text, sizeof text, RULE("\"pattern\":\"%s\"", ""), SLOW[i]);
        rule_list *r = support_rules(text);
        rule_triggers *m = rule_triggers_open(r, 0, engine_tokenizer(e), engine_chat(e), &err);
        rule_state s = {0};
        uint32_t active;
        /* All of the text at once: only the last look is timed. */
        memset(s.text, 'a', RULE_TEXT_BYTES);
        s.text_len = RULE_TEXT_BYTES;
        clock_t start = clock();
        int result = rules_step(r, m, &s, 'a', &active, &err);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        assert_true(result == 0 || err.code == ERROR_RUN);
        gave_up += result != 0;
        if (seconds > 0.2)
            fail_msg("%s took %.2f s", SLOW[i], seconds);
        rule_triggers_close(m);
        rules_close(r);
    }
    assert_true(gave_up >= 3);
    print_message("# %d of %d slow patterns gave up\n", gave_up, (int)(sizeof SLOW / sizeof *SLOW));
}

static void programs_with_rules_are_told_apart(void **state)
{
    const engine *e = *state;
    static const char *const texts[] = {DO("\"k\":2"), DO("\"k\":1"), DO("\"ban\":\"2\""),
                                        RULE("\"token\":[2]", ""), "[]"};
    uint64_t hashes[5];
    for (int i = 0; i < 5; i++) {
        rule_list *r = support_rules(texts[i]);
        router_program *p = support_program(e, router_settings_plain(), NULL, r);
        hashes[i] = router_program_hash(p);
        for (int k = 0; k < i; k++)
            assert_true(hashes[i] != hashes[k]);
        assert_int_equal(router_program_has_rules(p), i < 4);
        router_program_close(p);
        rules_close(r);
    }
    assert_true(hashes[4] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_and_tags_are_found_in_the_text),
        cmocka_unit_test(a_tag_is_text_or_the_special_token_of_that_content),
        cmocka_unit_test(patterns_see_the_last_256_bytes),
        cmocka_unit_test(roles_last_from_their_opening_to_the_next),
        cmocka_unit_test(a_turn_ends_where_the_next_user_speaks),
        cmocka_unit_test(a_prompt_lasts_from_the_user_to_the_next_one),
        cmocka_unit_test(where_several_are_named_all_must_hold),
        cmocka_unit_test(a_forced_expert_comes_first_with_the_largest_gate),
        cmocka_unit_test(keep_ban_bias_and_k_act_on_their_layers),
        cmocka_unit_test(chunks_do_not_change_rules),
        cmocka_unit_test(rewinding_forking_and_sharing_route_as_a_fresh_run),
        cmocka_unit_test(a_pattern_that_gives_up_is_an_error_each_time),
        cmocka_unit_test(slow_patterns_end_soon),
        cmocka_unit_test(programs_with_rules_are_told_apart),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
