/* test_modes.c - mode files from strangers: read as they say, or refused by file and field; where they are
 * found; which mode a prompt asks for, by tag, words and marks; what a mode is as options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../repl/options/mode_options.h"
#include "scratch.h"

static char root[SCRATCH], modes[160];

static int open_home(void **state)
{
    char folder[128];
    (void)state;
    scratch_folder(root, "modes");
    (void)snprintf(folder, sizeof folder, "%s/consilium", root);
    (void)snprintf(modes, sizeof modes, "%s/consilium/modes", root);
    (void)mkdir(folder, 0700);
    (void)mkdir(modes, 0700);
    return setenv("XDG_CONFIG_HOME", root, 1);
}

static int close_home(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void path_of(char *path, size_t size, const char *name)
{
    (void)snprintf(path, size, "%s/%s.json", modes, name);
}

static void write_mode(const char *name, const char *text)
{
    char path[256];
    path_of(path, sizeof path, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_mode(const char *name)
{
    char path[256];
    path_of(path, sizeof path, name);
    assert_int_equal(remove(path), 0);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static const char whole[] =
    "{\"mode\":1,\"name\":\"mine\",\"about\":\"a\",\"personas\":[\"coder\",\"critic\"],\"merge\":"
    "\"debate:2\",\"experts\":8,\"norm_width\":\"1.5x\",\"adaptive\":{\"min\":2,\"ratio\":0.25},"
    "\"thinking\":300,\"context\":2048,\"budget\":128,\"sampling\":{\"temperature\":0.3,\"top_k\":"
    "5},"
    "\"fast\":{\"experts\":\"0.5x\",\"thinking\":false},\"deep\":{\"budget\":4096},"
    "\"auto\":{\"tags\":[\"#mine\"],\"bias\":-1,\"marks\":{\"code\":2},\"words\":{\"sail*\":1.5},"
    "\"personas\":{\"coder\":0.5},\"fast_words\":4,\"deep_words\":90}}";

static void every_field_is_read(void **state)
{
    char path[256];
    error err = {0};
    (void)state;
    write_mode("mine", whole);
    path_of(path, sizeof path, "mine");
    mode_file *m = mode_load(path, &err);
    assert_string_equal(err.text, "");
    assert_non_null(m);
    assert_int_equal(m->persona_count, 2);
    assert_string_equal(m->personas[1], "critic");
    assert_string_equal(m->merge, "debate:2");
    mode_knobs usual = mode_at(m, DEPTH_USUAL), fast = mode_at(m, DEPTH_FAST);
    mode_knobs deep = mode_at(m, DEPTH_DEEP);
    assert_true(usual.experts.value == 8 && !usual.experts.times);
    assert_true(usual.norm_width.value == 1.5 && usual.norm_width.times);
    assert_int_equal(usual.adaptive_min, 2);
    assert_true(usual.adaptive_ratio == 0.25);
    assert_int_equal(usual.thinking, 300);
    assert_int_equal(usual.context, 2048);
    assert_int_equal(usual.budget, 128);
    assert_true(fast.experts.value == 0.5 && fast.experts.times);
    assert_int_equal(fast.thinking, 0);
    assert_int_equal(fast.budget, 128);
    assert_int_equal(deep.budget, 4096);
    assert_true(deep.experts.value == 8);
    assert_true(m->sampling.temperature == 0.3 && m->sampling.top_k == 5);
    assert_true(m->signs.given && m->signs.bias == -1 && m->signs.marks[MARK_CODE] == 2);
    assert_int_equal(m->signs.words.n, 1);
    assert_string_equal(m->signs.profile.v[0].text, "coder");
    assert_int_equal(m->signs.fast_words, 4);
    assert_int_equal(m->signs.deep_words, 90);
    mode_close(m);
    remove_mode("mine");
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[]", "it must say \"mode\": 1"},
        {"{\"mode\":2,\"name\":\"m\"}", "mode"},
        {"{\"mode\":1}", "name: missing"},
        {"{\"mode\":1,\"name\":\"auto\"}", "name: \"auto\""},
        {"{\"mode\":1,\"name\":\"../m\"}", "name"},
        {"{\"mode\":1,\"name\":\"m\",\"expert\":2}", "expert: no such field"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":0}", "experts"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":2.5}", "experts"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":\"2\"}", "experts: \"2\" is no multiple"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":\"0x\"}", "experts: \"0x\" is no multiple"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":\"x\"}", "experts: \"x\" is no multiple"},
        {"{\"mode\":1,\"name\":\"m\",\"experts\":\"1e9x\"}", "experts: \"1e9x\" is no multiple"},
        {"{\"mode\":1,\"name\":\"m\",\"norm_width\":\"99x\"}", "norm_width: \"99x\""},
        {"{\"mode\":1,\"name\":\"m\",\"adaptive\":{\"min\":2}}", "adaptive: needs both"},
        {"{\"mode\":1,\"name\":\"m\",\"adaptive\":{\"min\":2,\"ratio\":2}}", "adaptive: ratio"},
        {"{\"mode\":1,\"name\":\"m\",\"thinking\":\"yes\"}", "thinking"},
        {"{\"mode\":1,\"name\":\"m\",\"budget\":0}", "budget"},
        {"{\"mode\":1,\"name\":\"m\",\"context\":-5}", "context"},
        {"{\"mode\":1,\"name\":\"m\",\"merge\":\"sum\"}", "sum"},
        {"{\"mode\":1,\"name\":\"m\",\"personas\":[1]}", "personas"},
        {"{\"mode\":1,\"name\":\"m\",\"personas\":[\"a/b\"]}", "personas: \"a/b\""},
        {"{\"mode\":1,\"name\":\"m\",\"sampling\":{\"heat\":1}}", "sampling: heat"},
        {"{\"mode\":1,\"name\":\"m\",\"sampling\":{\"temperature\":-1}}", "sampling: temperature"},
        {"{\"mode\":1,\"name\":\"m\",\"sampling\":{\"top_k\":1.5}}", "sampling: top_k"},
        {"{\"mode\":1,\"name\":\"m\",\"fast\":{\"merge\":\"vote\"}}", "fast: merge"},
        {"{\"mode\":1,\"name\":\"m\",\"deep\":{\"experts\":9999}}", "deep: experts"},
        {"{\"mode\":1,\"name\":\"m\",\"auto\":{\"tags\":[\"code\"]}}", "auto: tags: \"code\""},
        {"{\"mode\":1,\"name\":\"m\",\"auto\":{\"marks\":{\"loud\":1}}}", "auto: marks: loud"},
        {"{\"mode\":1,\"name\":\"m\",\"auto\":{\"words\":{\"a\":\"b\"}}}", "auto: words: a"},
        {"{\"mode\":1,\"name\":\"m\",\"auto\":{\"words\":{\"\":1}}}", "auto: words: \"\""},
        {"{\"mode\":1,\"name\":\"m\",\"auto\":{\"bias\":1e9}}", "auto: bias"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[256];
        error err = {0};
        write_mode("m", bad[i].text);
        path_of(path, sizeof path, "m");
        assert_null(mode_load(path, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        if (!strstr(err.text, bad[i].why) || strncmp(err.text, path, strlen(path)) != 0)
            fail_msg("%s: \"%s\" lacks \"%s\"", bad[i].text, err.text, bad[i].why);
    }
    remove_mode("m");
}

/* ---- where they lie ------------------------------------------------------------------------------ */

static int find(const mode_list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i]->name, name) == 0)
            return i;
    return -1;
}

static void count_broken(void *user, const error *why)
{
    (void)why;
    ++*(int *)user;
}

static void the_users_own_come_first(void **state)
{
    mode_list l = {0};
    error err = {0};
    int broken = 0;
    (void)state;
    assert_int_equal(mode_list_load(&l, NULL, NULL, &err), 0);
    assert_true(find(&l, "code") >= 0 && find(&l, "think") >= 0 && find(&l, "dialog") >= 0);
    assert_true(l.v[find(&l, "code")]->persona_count == 2);
    mode_list_release(&l);

    write_mode("code", "{\"mode\":1,\"name\":\"code\",\"about\":\"my own\"}");
    mode_file *m = mode_find("code", &err);
    assert_non_null(m);
    assert_string_equal(m->about, "my own");
    mode_close(m);
    write_mode("other", "{\"mode\":1,\"name\":\"another\"}");
    assert_null(mode_find("other", &err));
    assert_non_null(strstr(err.text, "file and name must agree"));
    assert_int_equal(mode_list_load(&l, count_broken, &broken, &err), 0);
    assert_int_equal(broken, 1);
    assert_string_equal(l.v[find(&l, "code")]->about, "my own");
    mode_list_release(&l);
    assert_int_equal(mode_list_load(&l, NULL, NULL, &err), -1);
    remove_mode("other");
    remove_mode("code");

    assert_null(mode_find("nobody", &err));
    assert_non_null(strstr(err.text, "there are: code, dialog, think"));
    assert_null(mode_find("../code", &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

/* ---- guessing ---------------------------------------------------------------------------------- */

static const char *guess(const mode_list *l, int fixed, const char *prompt, guessed *g)
{
    assert_int_equal(mode_guess_make(l, fixed, prompt, strlen(prompt), NULL, g, NULL), 0);
    return g->choice < 0 ? "" : l->v[g->choice]->name;
}

static void tags_decide_and_are_not_asked(void **state)
{
    static const struct {
        const char *prompt, *mode, *asked;
        guess_depth depth;
    } cases[] = {
        {"#code Hello!", "code", "Hello!", DEPTH_USUAL},
        {"Hello! #THINK #deep", "think", "Hello!", DEPTH_DEEP},
        {"#deep #code  Why?  ", "code", "Why?  ", DEPTH_DEEP},
        {"Hello there, my friend. #deep", "dialog", "Hello there, my friend.", DEPTH_DEEP},
        {"#fast\n#define X 1\nint main(void) { return X; }\n", "code",
         "#define X 1\nint main(void) { return X; }\n", DEPTH_FAST},
        {"#code", "dialog", "#code", DEPTH_FAST},         /* nothing else is asked */
        {"#chat #think", "dialog", "#think", DEPTH_FAST}, /* the first of two modes */
    };
    mode_list l = {0};
    (void)state;
    assert_int_equal(mode_list_load(&l, NULL, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        guessed g;
        const char *name = guess(&l, -1, cases[i].prompt, &g);
        const char *rest = cases[i].prompt + g.from;
        if (strcmp(name, cases[i].mode) != 0 || g.depth != cases[i].depth ||
            g.to - g.from != strlen(cases[i].asked) ||
            memcmp(rest, cases[i].asked, g.to - g.from) != 0)
            fail_msg("%s: %s, %s, \"%.*s\"", cases[i].prompt, name, guess_depths[g.depth],
                     (int)(g.to - g.from), rest);
    }
    guessed g;
    assert_string_equal(guess(&l, find(&l, "think"), "Hi", &g), "think");
    assert_string_equal(guess(&l, find(&l, "think"), "#code Hi", &g), "code");
    mode_list_release(&l);
}

static void marks_are_what_they_say(void **state)
{
    double m[SIGN_MARKS];
    int words;
    (void)state;
    static const char code[] = "for (int i = 0; i < n; i++) total += a[i];";
    guess_marks(code, strlen(code), m, &words);
    assert_true(m[MARK_CODE] == 1);
    static const char plain[] = "Would you like a cup of tea (or coffee)?";
    guess_marks(plain, strlen(plain), m, &words);
    assert_true(m[MARK_CODE] == 0 && m[MARK_QUESTION] == 1 && words == 9);
    static const char russian[] = "Привет!";
    guess_marks(russian, strlen(russian), m, &words);
    assert_true(m[MARK_FOREIGN] == 1 && m[MARK_CALL] == 1 && words == 1);
    guess_marks("", 0, m, &words);
    assert_int_equal(words, 0);
    char *large = malloc(1 << 20);
    assert_non_null(large);
    memset(large, 'a', 1 << 20);
    mode_list l = {0};
    guessed g;
    assert_int_equal(mode_list_load(&l, NULL, NULL, NULL), 0);
    assert_int_equal(mode_guess_make(&l, -1, large, 1 << 20, NULL, &g, NULL), 0);
    assert_int_equal(g.to, 1 << 20);
    mode_list_release(&l);
    free(large);
}

static void words_are_whole_and_folded(void **state)
{
    mode_list l = {0};
    guessed g;
    (void)state;
    write_mode("sail",
               "{\"mode\":1,\"name\":\"sail\",\"auto\":{\"words\":{\"sail*\":9,\"hard a lee\":9,"
               "\"яхт*\":9}}}");
    assert_int_equal(mode_list_load(&l, NULL, NULL, NULL), 0);
    assert_string_equal(guess(&l, -1, "SAILING today", &g), "sail");
    assert_string_equal(g.why, "\"sail*\"");
    assert_string_equal(guess(&l, -1, "Now hard-a-lee, please.", &g), "sail");
    assert_string_equal(guess(&l, -1, "Моя ЯХТА стоит у берега", &g), "sail");
    assert_string_not_equal(guess(&l, -1, "I assail nobody", &g), "sail");
    guess_calls calls = {&(guess_call){"coder", 50}, 1};
    assert_int_equal(mode_guess_make(&l, -1, "Hm.", 3, &calls, &g, NULL), 0);
    assert_string_equal(l.v[g.choice]->name, "code"); /* by whose experts are called */
    mode_list_release(&l);
    remove_mode("sail");
}

/* ---- as options -------------------------------------------------------------------------------- */

static void what_was_said_wins_over_a_mode(void **state)
{
    char *argv[] = {"consilium", "ask", "hi", "--mode", "mine", "--temperature", "0.9"};
    options opt, now;
    mode_options m;
    error err = {0};
    (void)state;
    write_mode("mine", whole);
    assert_int_equal(options_parse(&opt, 7, argv, &err), 0);
    assert_int_equal(mode_options_open(&m, opt.mode, &err), 0);
    assert_int_equal(mode_options_decide(&m, "Why is it so, my dear old friend?", 33, NULL, &err),
                     0);
    assert_int_equal(options_copy(&now, &opt, &err), 0);
    assert_int_equal(mode_options_apply(&m, &now, &err), 0);
    assert_true(now.sampling.temperature.v == 0.9);
    assert_int_equal(now.sampling.top_k, 5);
    assert_string_equal(now.personas, "coder,critic");
    assert_string_equal(now.named_experts, "8");
    assert_string_equal(now.think, "300");
    assert_string_equal(now.merge, "debate:2");
    assert_int_equal(now.max_tokens, 128);
    assert_int_equal(now.recall, 2048);
    assert_int_equal(options_source(&now, "experts"), SOURCE_MODE);
    assert_int_equal(options_source(&now, "temperature"), SOURCE_COMMAND);
    assert_null(opt.personas);
    options_release(&now);
    mode_options_release(&m);
    options_release(&opt);
    remove_mode("mine");
    assert_int_equal(mode_options_open(&m, "mine", &err), -1);
    assert_non_null(strstr(err.text, "no mode is called mine"));
    mode_options_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(the_users_own_come_first),
        cmocka_unit_test(tags_decide_and_are_not_asked),
        cmocka_unit_test(marks_are_what_they_say),
        cmocka_unit_test(words_are_whole_and_folded),
        cmocka_unit_test(what_was_said_wins_over_a_mode),
    };
    return cmocka_run_group_tests(tests, open_home, close_home);
}
