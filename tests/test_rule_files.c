/* test_rule_files.c - rules from strangers: what is malformed, too large or leaves no routing is
 * refused when it is loaded, by rule and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/json.h"
#include "routing_support.h"

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

#define RULE(when, more) "[{\"when\":{" when "},\"do\":{\"ban\":\"0\"}" more "}]"

typedef struct refusal {
    const char *rules, *says;
} refusal;

static rule_list *read_rules(const char *text, error *err)
{
    json_document *d = json_parse("rules", text, strlen(text), err);
    rule_list *r = d ? rules_read(json_root(d), err) : NULL;
    json_close(d);
    return r;
}

#define DO(actions) "[{\"when\":{\"token\":[1]},\"do\":{" actions "}}]"
#define OK_RULE     "{\"when\":{\"token\":[1]},\"do\":{\"ban\":\"0\"}}"

static const refusal MALFORMED[] = {
    {"[1]", "rule"},
    {"[{}]", "when"},
    {"[{\"when\":1,\"do\":{\"k\":2}}]", "when"},
    {"[{\"when\":{},\"do\":{\"k\":2}}]", "when"},
    {"[{\"when\":{\"token\":[1],\"tag\":\"\"},\"do\":{\"k\":2}}]", "when"},
    {"[{\"when\":{\"token\":[1],\"time\":\"x\"},\"do\":{\"k\":2}}]", "\"time\" is none of"},
    {"[{\"when\":{\"time\":\"x\"},\"do\":{\"k\":2}}]", "when"},
    {RULE("\"token\":5", ""), "when"},
    {RULE("\"token\":[]", ""), "when.token"},
    {RULE("\"token\":[-1]", ""), "when.token"},
    {RULE("\"token\":[1.5]", ""), "when.token"},
    {RULE("\"token\":[1e300]", ""), "when.token"},
    {RULE("\"token\":[\"1\"]", ""), "when.token"},
    {RULE("\"tag\":[\"x\"]", ""), "when"},
    {RULE("\"tag\":\"\"", ""), "when"},
    {RULE("\"pattern\":\"\"", ""), "when"},
    {RULE("\"role\":\"tool\"", ""), "when.role"},
    {RULE("\"prompt\":0", ""), "when.prompt"},
    {RULE("\"prompt\":-1", ""), "when.prompt"},
    {RULE("\"prompt\":1.5", ""), "when.prompt"},
    {RULE("\"prompt\":1e300", ""), "when.prompt"},
    {RULE("\"prompt\":\"\"", ""), "when.prompt"},
    {RULE("\"prompt\":\"3-2\"", ""), "when.prompt"},
    {RULE("\"prompt\":\"1-2-3\"", ""), "when.prompt"},
    {RULE("\"prompt\":\"1,2\"", ""), "when.prompt"},
    {RULE("\"prompt\":\"9999999\"", ""), "when.prompt"},
    {RULE("\"prompt\":[1]", ""), "when.prompt"},
    {RULE("\"prompt\":true", ""), "when.prompt"},
    {RULE("\"adapter\":\"\"", ""), "when.adapter"},
    {RULE("\"adapter\":\"a/b\"", ""), "when.adapter"},
    {RULE("\"adapter\":1", ""), "when.adapter"},
    {RULE("\"adapter\":null", ""), "when.adapter"},
    {RULE("\"pattern\":\"(\"", ""), "when.pattern"},
    {RULE("\"pattern\":\"[\"", ""), "when.pattern"},
    {RULE("\"pattern\":\"a{99999}\"", ""), "when.pattern"},
    {RULE("\"pattern\":\"\\\\C\"", ""), "when.pattern"},
    {RULE("\"pattern\":\"\\\\p{Xyz}\"", ""), "when.pattern"},
    {RULE("\"pattern\":\"(?<=a*)b\"", ""), "when.pattern"},
    {RULE("\"token\":[1]", ",\"for\":\"ever\""), "for"},
    {RULE("\"token\":[1]", ",\"for\":0"), "for"},
    {RULE("\"token\":[1]", ",\"for\":1.5"), "for"},
    {RULE("\"token\":[1]", ",\"for\":1e99"), "for"},
    {RULE("\"token\":[1]", ",\"layers\":\"x\""), "layers"},
    {RULE("\"token\":[1]", ",\"layers\":3"), "layers"},
    {RULE("\"token\":[1]", ",\"layers\":\"99999\""), "layers"},
    {RULE("\"token\":[1]", ",\"until\":3"), "until"},
    {"[{\"when\":{\"token\":[1]}}]", "do"},
    {DO(""), "do"},
    {DO("\"kill\":\"1\""), "kill"},
    {DO("\"ban\":1"), "do.ban"},
    {DO("\"ban\":\"1-\""), "do.ban"},
    {DO("\"keep\":\"\""), "do.keep"},
    {DO("\"force\":\"-1\""), "do.force"},
    {DO("\"bias\":\"1\""), "do.bias"},
    {DO("\"bias\":{}"), "do.bias"},
    {DO("\"bias\":{\"x\":1}"), "do.bias"},
    {DO("\"bias\":{\"1\":1e7}"), "do.bias"},
    {DO("\"bias\":{\"1\":null}"), "do.bias"},
    {DO("\"k\":0"), "do.k"},
    {DO("\"k\":1.5"), "do.k"},
    {DO("\"k\":\"2\""), "do.k"},
};

static void malformed_rules_are_refused_by_rule_and_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MALFORMED / sizeof *MALFORMED; i++) {
        error err = {0};
        char second[512];
        assert_null(read_rules(MALFORMED[i].rules, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "rules[0]"));
        if (!strstr(err.text, MALFORMED[i].says))
            fail_msg("%s: \"%s\" does not say %s", MALFORMED[i].rules, err.text, MALFORMED[i].says);
        (void)snprintf(second, sizeof second, "[" OK_RULE ",%s", MALFORMED[i].rules + 1);
        assert_null(read_rules(second, &err));
        assert_non_null(strstr(err.text, "rules[1]"));
    }
}

/* Texts too long to write down: a pattern, a tag, nested parentheses, too many rules. */
static void oversized_rules_are_refused(void **state)
{
    (void)state;
    static char text[80000];
    static const struct {
        const char *before, *unit, *after, *says;
        int times;
    } big[] = {
        {"[{\"when\":{\"pattern\":\"", "a", "\"},\"do\":{\"k\":2}}]", "when.pattern", 70000},
        {"[{\"when\":{\"pattern\":\"", "(", "\"},\"do\":{\"k\":2}}]", "when.pattern", 300},
        {"[{\"when\":{\"tag\":\"", "a", "\"},\"do\":{\"k\":2}}]", "when.tag", 257},
        {"[" OK_RULE, "," OK_RULE, "]", "32", 32},
    };
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        error err = {0};
        strcpy(text, big[i].before);
        size_t at = strlen(text), n = strlen(big[i].unit);
        for (int k = 0; k < big[i].times; k++, at += n)
            memcpy(text + at, big[i].unit, n);
        strcpy(text + at, big[i].after);
        assert_null(read_rules(text, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, big[i].says));
    }
}

static void rules_that_leave_no_routing_are_refused_at_load(void **state)
{
    const engine *e = *state;
#define ON(id, rest) "{\"when\":{\"token\":[" id "]}," rest "}"
    static const refusal bad[] = {
        {"[" ON("1", "\"do\":{\"ban\":\"8\"}") "]", "experts 0 to 7"},
        {"[" ON("1", "\"do\":{\"bias\":{\"9\":1}}") "]", "expert 9"},
        {"[" ON("1", "\"do\":{\"k\":9}") "]", "do.k"},
        {"[" ON("1", "\"layers\":\"2\",\"do\":{\"k\":2}") "]", "layers 0 to 1"},
        {"[" ON("283", "\"do\":{\"k\":2}") "]", "when.token"},
        {"[" ON("1", "\"do\":{\"keep\":\"0-1\"}") "]", "layer 0 is left with 2 experts and 3"},
        {"[" ON("1", "\"layers\":\"1\",\"do\":{\"ban\":\"0-7\"}") "]", "layer 1"},
        {"[" ON("1", "\"do\":{\"force\":\"0-2\"}") "]", "3 experts are forced of 3"},
        {"[" ON("1", "\"do\":{\"force\":\"3\",\"k\":1}") "]", "1 experts are forced of 1"},
        {"[" ON("1", "\"do\":{\"force\":\"3\",\"ban\":\"3\"}") "]", "forced and banned"},
        /* Each alone would do; together they would not. */
        {"[" ON("1", "\"do\":{\"keep\":\"0-3\"}") "," ON("2", "\"do\":{\"keep\":\"4-7\"}") "]",
         "0 experts"},
        {"[" ON("1", "\"do\":{\"force\":\"1\"}") "," ON("2", "\"do\":{\"ban\":\"1\"}") "]",
         "forced and banned"},
        /* All three at once would do, because the last k counts; the first two would not. */
        {"[" ON("1", "\"do\":{\"k\":6}") "," ON("2", "\"do\":{\"ban\":\"0-2\"}") "," ON(
             "3", "\"do\":{\"k\":2}") "]",
         "5 experts and 6"},
        {"[" ON("1", "\"do\":{\"k\":2}") "," ON("2", "\"do\":{\"force\":\"1-2\"}") "," ON(
             "3", "\"do\":{\"k\":4}") "]",
         "2 experts are forced of 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        rule_list *r = support_rules(bad[i].rules);
        router_settings s = router_settings_plain();
        s.rules = r;
        s.tokenizer = engine_tokenizer(e);
        s.chat = engine_chat(e);
        assert_null(router_program_compile(engine_config(e), NULL, &s, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "rules"));
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: \"%s\" does not say %s", bad[i].rules, err.text, bad[i].says);
        rules_close(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_rules_are_refused_by_rule_and_field),
        cmocka_unit_test(oversized_rules_are_refused),
        cmocka_unit_test(rules_that_leave_no_routing_are_refused_at_load),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
