/* test_persona.c - persona files from strangers: read as they say, or refused by file and field; the
 * search path; and what a persona acts by once it is seated on a model.
 */
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

#include "../personas/roster/roster.h"
#include "routing_support.h"
#include "scratch.h"

/* A configuration folder of its own, with personas/ in it. */
typedef struct home {
    char root[SCRATCH], personas[160];
} home;

static int open_home(void **state)
{
    home *h = calloc(1, sizeof *h);
    char folder[128];
    scratch_folder(h->root, "persona");
    (void)snprintf(folder, sizeof folder, "%s/consilium", h->root);
    (void)snprintf(h->personas, sizeof h->personas, "%s/consilium/personas", h->root);
    (void)mkdir(folder, 0700);
    (void)mkdir(h->personas, 0700);
    setenv("XDG_CONFIG_HOME", h->root, 1);
    setenv("XDG_CACHE_HOME", h->root, 1);
    *state = h;
    return 0;
}

static int close_home(void **state)
{
    home *h = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", h->root);
    int result = system(command);
    free(h);
    return result;
}

static void write_file(const home *h, const char *name, const char *text, size_t len)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", h->personas, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static persona *load(const home *h, const char *text, error *err)
{
    char path[256];
    write_file(h, "test.json", text, strlen(text));
    (void)snprintf(path, sizeof path, "%s/test.json", h->personas);
    return persona_load(path, err);
}

static persona *good(const home *h, const char *text)
{
    error err = {0};
    persona *p = load(h, text, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void every_field_is_read(void **state)
{
    persona *p = good(
        *state,
        "{\"persona\":1,\"name\":\"test\",\"about\":\"a\",\"instruction\":\"Be <|im_end|> %n%s.\","
        "\"sampling\":{\"temperature\":0.2,\"top_p\":0.9,\"top_k\":5,\"min_p\":0.1,"
        "\"repeat_penalty\":1.1,\"presence_penalty\":-1,\"frequency_penalty\":2},"
        "\"router\":{\"mode\":\"bias\",\"experts_per_token\":8,\"norm_width\":8,\"tail_gain\":0.5,"
        "\"strength\":0.75,\"adaptive\":{\"min\":4,\"ratio\":0.2},"
        "\"rules\":[{\"when\":{\"role\":\"user\"},\"do\":{\"k\":2}}]},"
        "\"lessons\":\"test.lessons.jsonl\",\"experts\":\"test.safetensors\",\"color\":\"green\"}");
    assert_string_equal(p->name, "test");
    assert_string_equal(p->about, "a");
    assert_string_equal(persona_instruction(p, "x", 1), "Be <|im_end|> %n%s.");
    assert_int_equal(p->given, 127);
    assert_true(p->sampling.temperature == 0.2 && p->sampling.top_p == 0.9);
    assert_true(p->sampling.top_k == 5 && p->sampling.min_p == 0.1);
    assert_true(p->sampling.repeat_penalty == 1.1 && p->sampling.presence_penalty == -1);
    assert_true(p->sampling.frequency_penalty == 2);
    assert_int_equal(p->mode, ROUTER_BIAS);
    assert_int_equal(p->router.experts_per_token, 8);
    assert_int_equal(p->router.norm_width, 8);
    assert_true(p->router.tail_gain == 0.5 && p->router.strength == 0.75);
    assert_true(p->router.adaptive_min == 4 && p->router.adaptive_ratio == 0.2);
    assert_int_equal(rules_count(p->rules), 1);
    assert_int_equal(p->lesson_count, 1);
    assert_non_null(strstr(p->lessons[0].text, "/consilium/personas/test.lessons.jsonl"));
    assert_non_null(strstr(p->experts, "/consilium/personas/test.safetensors"));
    assert_string_equal(p->color, "green");
    persona_close(p);
}

static void all_but_the_name_is_optional(void **state)
{
    persona *p = good(*state, "{\"persona\":1,\"name\":\"a-Z_9\",\"about\":null}");
    assert_null(p->about);
    assert_null(persona_instruction(p, "x", 1));
    assert_int_equal(p->given, 0);
    assert_int_equal(p->mode, ROUTER_AUTO);
    assert_true(p->router.tail_gain == 1 && p->router.strength == 1);
    assert_null(p->rules);
    persona_close(p);
    p = good(*state, "{\"persona\":1,\"name\":\"x\",\"instruction\":\"\"}");
    assert_null(persona_instruction(p, "x", 1)); /* an empty instruction is none */
    persona_close(p);
}

static void the_script_of_the_prompt_chooses_the_language(void **state)
{
    persona *p = good(*state, "{\"persona\":1,\"name\":\"x\","
                              "\"instruction\":{\"en\":\"English\",\"ru\":\"Russian\"}}");
    static const struct {
        const char *prompt, *language;
    } cases[] = {{"Why?", "English"},
                 {"Почему?", "Russian"},
                 {"Что делает команда git rebase?", "Russian"},
                 {"Explain слово please", "English"},
                 {"12 + 30", "English"},
                 {"", "English"},
                 {"\xff\xfe", "English"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(persona_instruction(p, cases[i].prompt, strlen(cases[i].prompt)),
                            cases[i].language);
    persona_close(p);
}

/* Every persona has the tag of its name, and its own experts count unless it weighs some itself. */
static void what_asks_for_a_persona_is_read(void **state)
{
    error err = {0};
    persona *p = load(*state, "{\"persona\":1,\"name\":\"plain\"}", &err);
    assert_non_null(p);
    assert_int_equal(p->asks.tag_count, 1);
    assert_string_equal(p->asks.tags[0], "#plain");
    assert_string_equal(p->asks.profile.v[0].text, "plain");
    assert_true(p->asks.given && p->asks.profile.v[0].weight == 1);
    persona_close(p);
    p = load(*state,
             "{\"persona\":1,\"name\":\"lawyer\",\"auto\":{\"tags\":[\"#law\"],\"words\":{\"clause*"
             "\":2},"
             "\"marks\":{\"long\":0.5},\"personas\":{\"critic\":0.3,\"lawyer\":2}}}",
             &err);
    assert_non_null(p);
    assert_int_equal(p->asks.tag_count, 2);
    assert_string_equal(p->asks.tags[1], "#lawyer");
    assert_int_equal(p->asks.profile.n, 2);
    assert_true(p->asks.words.v[0].weight == 2 && p->asks.marks[MARK_LONG] == 0.5);
    persona_close(p);
}

/* ---- refusing ---------------------------------------------------------------------------------- */

#define WITH(fields)     "{\"persona\":1,\"name\":\"x\"," fields "}"
#define SAMPLING(fields) WITH("\"sampling\":{" fields "}")
#define ROUTER(fields)   WITH("\"router\":{" fields "}")

/* Files, and the field or words that the refusal names. */
static const struct {
    const char *text, *says;
} MALFORMED[] = {
    {"", "offset"},
    {"{", "offset"},
    {"{\"persona\":1,\"name\":\"x\"} x", "offset"},
    {"{\"persona\":1,\"name\":\"x\",\"name\":\"y\"}", "name"},
    {"[]", "\"persona\": 1"},
    {"{}", "\"persona\": 1"},
    {"{\"persona\":2,\"name\":\"x\"}", "\"persona\": 1"},
    {"{\"persona\":\"1\",\"name\":\"x\"}", "\"persona\": 1"},
    {"{\"persona\":1}", "name"},
    {"{\"persona\":1,\"name\":5}", "name"},
    {"{\"persona\":1,\"name\":\"\"}", "name"},
    {"{\"persona\":1,\"name\":\".\"}", "name"},
    {"{\"persona\":1,\"name\":\"/\"}", "name"},
    {"{\"persona\":1,\"name\":\"../../.ssh/x\"}", "name"},
    {"{\"persona\":1,\"name\":\"merge\"}", "reserved"},
    {"{\"persona\":1,\"name\":\"control\"}", "reserved"},
    {"{\"persona\":1,\"name\":\"none\"}", "reserved"},
    {"{\"persona\":1,\"name\":\"a b\"}", "name"},
    {"{\"persona\":1,\"name\":\"a\\u001b]52;c;x\\u0007\"}", "name"},
    {"{\"persona\":1,\"name\":\"a\\u202eb\"}", "name"},
    {"{\"persona\":1,\"name\":\"a\\u0000b\"}", "offset"},
    {"{\"persona\":1,\"name\":\"<script>\"}", "name"},
    {"{\"persona\":1,\"name\":\"%n%s\"}", "%n%s"},
    {"{\"persona\":1,\"name\":\"<|im_end|>\"}", "name"},
    {WITH("\"mood\":1"), "mood"},
    {WITH("\"about\":7"), "about"},
    {WITH("\"color\":\"mauve\""), "color"},
    {WITH("\"color\":\"\\u001b[31m\""), "color"},
    {WITH("\"instruction\":7"), "instruction"},
    {WITH("\"instruction\":{\"english\":\"a\"}"), "instruction"},
    {WITH("\"instruction\":{\"en\":7}"), "instruction"},
    {WITH("\"sampling\":7"), "sampling"},
    {SAMPLING("\"heat\":1"), "heat"},
    {SAMPLING("\"temperature\":-1"), "temperature"},
    {SAMPLING("\"temperature\":NaN"), "offset"},
    {SAMPLING("\"temperature\":1e400"), ""},
    {SAMPLING("\"temperature\":\"hot\""), "temperature"},
    {SAMPLING("\"top_p\":0"), "top_p"},
    {SAMPLING("\"top_p\":2"), "top_p"},
    {SAMPLING("\"top_k\":-1"), "top_k"},
    {SAMPLING("\"top_k\":1.5"), "top_k"},
    {SAMPLING("\"top_k\":9223372036854775808"), "top_k"},
    {SAMPLING("\"min_p\":2"), "min_p"},
    {SAMPLING("\"repeat_penalty\":0"), "repeat_penalty"},
    {WITH("\"max_tokens\":-1"), "max_tokens"},
    {WITH("\"router\":[]"), "router"},
    {ROUTER("\"mask\":1"), "router: mask"},
    {ROUTER("\"mode\":\"kill\""), "router: mode"},
    {ROUTER("\"experts_per_token\":0"), "router: experts_per_token"},
    {ROUTER("\"experts_per_token\":1.5"), "router: experts_per_token"},
    {ROUTER("\"experts_per_token\":1e9"), "router: experts_per_token"},
    {ROUTER("\"norm_width\":-1"), "router: norm_width"},
    {ROUTER("\"tail_gain\":1.5"), "router: tail_gain"},
    {ROUTER("\"strength\":5"), "router: strength"},
    {ROUTER("\"strength\":\"1\""), "router: strength"},
    {ROUTER("\"adaptive\":{\"min\":2}"), "router: adaptive"},
    {ROUTER("\"adaptive\":{\"min\":2,\"ratio\":2}"), "router: ratio"},
    {ROUTER("\"adaptive\":{\"min\":2,\"ratio\":0.5,\"max\":3}"), "router: max"},
    {ROUTER("\"rules\":{}"), "rules"},
    {ROUTER("\"rules\":[{\"when\":{\"pattern\":\"(\"},\"do\":{\"k\":1}}]"),
     "rules[0]: when.pattern"},
    {WITH("\"auto\":1"), "auto"},
    {WITH("\"auto\":{\"word\":{}}"), "auto: word"},
    {WITH("\"auto\":{\"words\":{\"law\":\"1\"}}"), "auto: words: law"},
    {WITH("\"auto\":{\"tags\":[\"law\"]}"), "auto: tags: \"law\""},
    {WITH("\"auto\":{\"marks\":{\"loud\":1}}"), "auto: marks: loud"},
    {WITH("\"auto\":{\"bias\":1e9}"), "auto: bias"},
    {WITH("\"lessons\":7"), "lessons"},
    {WITH("\"lessons\":\"../x\""), "lessons"},
    {WITH("\"lessons\":\"/etc/passwd\""), "lessons"},
    {WITH("\"lessons\":{\"en\":\".hidden\"}"), "lessons"},
    {WITH("\"experts\":\"..\""), "experts"},
    {WITH("\"experts\":\"a/b\""), "experts"},
};

static void malformed_files_are_refused_by_field(void **state)
{
    for (size_t i = 0; i < sizeof MALFORMED / sizeof *MALFORMED; i++) {
        error err = {0};
        persona *p = load(*state, MALFORMED[i].text, &err);
        if (p)
            fail_msg("%s: was taken", MALFORMED[i].text);
        if (err.code != ERROR_LOAD || !strstr(err.text, "test.json") ||
            !strstr(err.text, MALFORMED[i].says))
            fail_msg("%s: %d \"%s\" does not say %s", MALFORMED[i].text, err.code, err.text,
                     MALFORMED[i].says);
    }
}

static void oversized_and_broken_files_are_refused(void **state)
{
    const home *h = *state;
    enum { BIG = 2 << 20 };
    char *text = malloc(BIG), path[256];
    error err = {0};
    memset(text, 'x', BIG);
    memcpy(text, "{\"persona\":1,\"name\":\"", 21);
    text[5021] = '"';
    text[5022] = '}';
    text[5023] = '\0';
    assert_null(load(h, text, &err)); /* a name of 5000 letters */
    assert_non_null(strstr(err.text, "name"));
    text[5021] = text[5022] = text[5023] = 'x';
    memcpy(text + BIG - 2, "\"}", 2);
    write_file(h, "test.json", text, BIG);
    (void)snprintf(path, sizeof path, "%s/test.json", h->personas);
    assert_null(persona_load(path, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    write_file(h, "test.json", "{\"persona\":1,\"name\":\"\xff\"}", 24);
    assert_null(persona_load(path, &err));
    assert_non_null(strstr(err.text, "test.json"));
    assert_null(persona_load(h->personas, &err)); /* a folder */
    assert_int_equal(err.code, ERROR_LOAD);
    assert_null(persona_load("nowhere.json", &err));
    assert_int_equal(err.code, ERROR_LOAD);
    free(text);
}

/* ---- the search path --------------------------------------------------------------------------- */

static void write_text(const home *h, const char *name, const char *text)
{
    write_file(h, name, text, strlen(text));
}

static void the_users_own_file_comes_first(void **state)
{
    const home *h = *state;
    error err = {0};
    write_text(h, "coder.json", "{\"persona\":1,\"name\":\"coder\",\"about\":\"mine\"}");
    persona *p = persona_find("coder", &err);
    assert_non_null(p);
    assert_string_equal(p->about, "mine");
    persona_close(p);
    write_text(h, "other.json", "{\"persona\":1,\"name\":\"coder\"}");
    assert_null(persona_find("other", &err)); /* file and name must agree */
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "other.json"));
    assert_null(persona_find("nobody", &err));
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "coder"));
    static const char *const wild[] = {"../coder", "/etc/passwd", ".", "", "coder.json", "a/b"};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        assert_null(persona_find(wild[i], &err));
        assert_int_equal(err.code, ERROR_USAGE);
    }
}

static void lists_are_sorted_and_hold_only_personas(void **state)
{
    const home *h = *state;
    error err = {0};
    persona_list all = {0};
    write_text(h, "zebra.json", "{");
    write_text(h, "apple.json", "{}");
    write_text(h, "apple.0123456789abcdef.mask.json", "{}");
    write_text(h, "a b.json", "{}");
    write_text(h, "none.json", "{}");
    assert_int_equal(persona_list_all(&all, &err), 0);
    int found = 0;
    for (size_t i = 0; i < all.len; i++) {
        assert_true(i == 0 || strcmp(all.names[i - 1], all.names[i]) < 0);
        assert_true(persona_name_ok(all.names[i]) && strcmp(all.names[i], "none") != 0);
        found += !strcmp(all.names[i], "zebra") || !strcmp(all.names[i], "apple");
    }
    assert_int_equal(found, 2);
    persona_list_release(&all);
}

/* ---- seats ------------------------------------------------------------------------------------- */

static int notes;

static void count_notes(void *user, const char *sentence)
{
    (void)user;
    assert_non_null(strstr(sentence, "derive"));
    notes++;
}

/* What a persona "seated" with these fields acts by, on the tiny model. */
static const char *acts_by(const home *h, engine *e, const char *fields, bool instruct)
{
    char text[512];
    error err = {0};
    const char *names[] = {"seated"};
    roster_options o = {.personas = names,
                        .persona_count = 1,
                        .no_instruction = !instruct,
                        .sampling = sampling_defaults(),
                        .prompt = "x",
                        .prompt_len = 1};
    (void)snprintf(text, sizeof text, "{\"persona\":1,\"name\":\"seated\"%s}", fields);
    write_text(h, "seated.json", text);
    notes = 0;
    roster *r = roster_open(e, &o, count_notes, NULL, &err);
    if (!r)
        fail_msg("%s", err.text);
    assert_int_equal(roster_seats(r), 1);
    static char by[64];
    (void)snprintf(by, sizeof by, "%s", roster_seat(r, 0)->acts_by);
    assert_int_equal(roster_seat(r, 0)->instruction != NULL, strstr(by, "prompt") != NULL);
    roster_close(r);
    return by;
}

static void the_header_says_what_a_persona_acts_by(void **state)
{
    const home *h = *state;
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    error err = {0};
    const char *fingerprint = engine_fingerprint(e, &err);
    static const char SPEAKS[] = ",\"instruction\":\"Be brief.\"";
    char file[128], text[256];
    assert_string_equal(acts_by(h, e, SPEAKS, true), "prompt");
    assert_int_equal(notes, 1);
    assert_string_equal(acts_by(h, e, SPEAKS, false), "none");
    assert_string_equal(acts_by(h, e, "", true), "none");
    struct {
        const char *router, *by;
    } knobs[] = {{"\"experts_per_token\":2", "experts 2"},
                 {"\"experts_per_token\":3", "none"}, /* as trained */
                 {"\"experts_per_token\":5,\"tail_gain\":0", "none"},
                 {"\"experts_per_token\":5,\"tail_gain\":0.5", "experts 5"},
                 {"\"norm_width\":4", "router"},
                 {"\"adaptive\":{\"min\":1,\"ratio\":0.5}", "router"},
                 {"\"strength\":0.5", "none"}, /* of no expert */
                 {"\"rules\":[{\"when\":{\"token\":[5]},\"do\":{\"ban\":\"0\"}}]", "mask"}};
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
        char fields[256], by[64];
        (void)snprintf(fields, sizeof fields, ",\"router\":{%s}", knobs[i].router);
        assert_string_equal(acts_by(h, e, fields, true), knobs[i].by);
        (void)snprintf(fields, sizeof fields, "%s,\"router\":{%s}", SPEAKS, knobs[i].router);
        (void)snprintf(by, sizeof by, "prompt%s%s", strcmp(knobs[i].by, "none") ? "+" : "",
                       strcmp(knobs[i].by, "none") ? knobs[i].by : "");
        assert_string_equal(acts_by(h, e, fields, true), by);
    }
    (void)snprintf(file, sizeof file, "seated.%.16s.mask.json", fingerprint);
    static const char *const modes[] = {"bias", "ban", "keep"};
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"mask\":1,\"model\":\"%s\",\"mode\":\"%s\",\"layers\":{\"0-1\":%s}}",
                       fingerprint, modes[i], i ? "\"0-3\"" : "{\"1\":2}");
        write_text(h, file, text);
        /* Only models made for pools bear a keep-mask, and it needs no instruction. */
        assert_string_equal(acts_by(h, e, SPEAKS, true), i == 2 ? "mask" : "prompt+mask");
        assert_int_equal(notes, 0);
        assert_string_equal(acts_by(h, e, ",\"router\":{\"mode\":\"none\"}", true), "none");
    }
    write_text(h, "seated.json", "{\"persona\":1,\"name\":\"seated\"}");
    write_text(h, file, "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":{\"0\":\"1\"}}");
    const char *names[] = {"seated"};
    roster_options o = {.personas = names, .persona_count = 1, .sampling = sampling_defaults()};
    assert_null(roster_open(e, &o, NULL, NULL, &err)); /* fewer than it calls */
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, file));
    engine_close(e);
}

static void numbers_beyond_the_model_are_the_files_fault(void **state)
{
    const home *h = *state;
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    static const struct {
        const char *router, *says;
    } bad[] = {{"\"experts_per_token\":9", "experts per token 9"},
               {"\"norm_width\":9", "norm_width 9"},
               {"\"norm_width\":2", "norm_width 2"},
               {"\"adaptive\":{\"min\":9,\"ratio\":0.5}", "adaptive min 9"},
               {"\"rules\":[{\"when\":{\"token\":[1]},\"do\":{\"ban\":\"8\"}}]", "rules[0]"},
               {"\"rules\":[{\"when\":{\"token\":[1]},\"do\":{\"keep\":\"1\"}}]", "rules"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        error err = {0};
        const char *names[] = {"beyond"};
        roster_options o = {.personas = names, .persona_count = 1, .sampling = sampling_defaults()};
        (void)snprintf(text, sizeof text, "{\"persona\":1,\"name\":\"beyond\",\"router\":{%s}}",
                       bad[i].router);
        write_text(h, "beyond.json", text);
        assert_null(roster_open(e, &o, NULL, NULL, &err));
        if (err.code != ERROR_LOAD || !strstr(err.text, "beyond.json") ||
            !strstr(err.text, bad[i].says))
            fail_msg("%d \"%s\" does not say %s", err.code, err.text, bad[i].says);
    }
    engine_close(e);
}

static void names_and_options_must_meet(void **state)
{
    const home *h = *state;
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    write_text(h, "one.json", "{\"persona\":1,\"name\":\"one\",\"instruction\":\"Be one.\"}");
    write_text(h, "two.json",
               "{\"persona\":1,\"name\":\"two\","
               "\"sampling\":{\"temperature\":0.1}}");
    const char *names[] = {"one", "two"}, *twice[] = {"one", "one"};
    named_value experts[] = {{NULL, 2}, {"two", 4}}, stranger[] = {{"three", 2}};
    roster_options o = {.personas = names,
                        .persona_count = 2,
                        .control = CONTROL_NONE,
                        .experts = experts,
                        .expert_count = 2,
                        .sampling = sampling_defaults(),
                        .prompt = ""};
    error err = {0};
    roster *r = roster_open(e, &o, NULL, NULL, &err);
    assert_non_null(r);
    assert_int_equal(roster_seats(r), 3);
    assert_int_equal(router_program_slots(roster_seat(r, 0)->program), 2);
    assert_int_equal(router_program_slots(roster_seat(r, 1)->program), 4);
    assert_null(roster_seat(r, 2)->program); /* control is for nobody's options */
    assert_string_equal(roster_seat(r, 2)->acts_by, "none");
    assert_string_equal(roster_seat(r, 0)->acts_by, "prompt+experts 2");
    assert_true(roster_seat(r, 1)->sampling.temperature == 0.1);
    assert_true(roster_seat(r, 0)->sampling.temperature == 0.7);
    roster_close(r);
    o.given = GIVEN_TEMPERATURE; /* an option wins over the file */
    o.control = CONTROL_PROMPT;
    r = roster_open(e, &o, NULL, NULL, &err);
    assert_non_null(r);
    assert_int_equal(roster_seats(r), 4);
    assert_string_equal(roster_seat(r, 1)->acts_by, "prompt");
    assert_true(roster_seat(r, 2)->sampling.temperature == 0.7);
    roster_close(r);
    o.experts = stranger;
    o.expert_count = 1;
    assert_null(roster_open(e, &o, NULL, NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "three"));
    o.expert_count = 0;
    o.personas = twice;
    assert_null(roster_open(e, &o, NULL, NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(all_but_the_name_is_optional),
        cmocka_unit_test(the_script_of_the_prompt_chooses_the_language),
        cmocka_unit_test(what_asks_for_a_persona_is_read),
        cmocka_unit_test(malformed_files_are_refused_by_field),
        cmocka_unit_test(oversized_and_broken_files_are_refused),
        cmocka_unit_test(the_users_own_file_comes_first),
        cmocka_unit_test(lists_are_sorted_and_hold_only_personas),
        cmocka_unit_test(the_header_says_what_a_persona_acts_by),
        cmocka_unit_test(numbers_beyond_the_model_are_the_files_fault),
        cmocka_unit_test(names_and_options_must_meet),
    };
    return cmocka_run_group_tests(tests, open_home, close_home);
}
