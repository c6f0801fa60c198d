/* test_options.c - the tables are whole, the command line is read as GNU programs read it, and every
 * refusal names the option, the value and what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../repl/cli/commands.h"

/* ---- the tables ------------------------------------------------------------------------------- */

static void every_row_is_documented(void **state)
{
    (void)state;
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++) {
        const option_info *r = &rows[i];
        assert_true(strlen(r->name) > 1 && strlen(r->help) > 5);
        assert_true(r->commands != 0 && r->commands <= COMMAND_EVERY);
        assert_int_equal(r->kind == OPTION_FLAG, r->argument == NULL);
        assert_true(r->field < sizeof(options));
        if (r->kind == OPTION_CHOICE)
            assert_non_null(strchr(r->argument, '|'));
        if (r->kind == OPTION_NUMBER || r->kind == OPTION_NUMBERS)
            assert_true(r->min < r->max && r->max <= INT32_MAX);
    }
}

static void rows_of_one_name_agree(void **state)
{
    (void)state;
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            bool same = strcmp(rows[i].name, rows[j].name) == 0;
            if (same) {
                assert_int_equal(rows[i].commands & rows[j].commands, 0);
                assert_int_equal(rows[i].letter, rows[j].letter);
                /* Another kind of value is kept elsewhere. */
                if (rows[i].kind == rows[j].kind)
                    assert_int_equal(rows[i].field, rows[j].field);
            } else {
                assert_true(!rows[i].letter || rows[i].letter != rows[j].letter);
                assert_int_not_equal(rows[i].field, rows[j].field);
            }
        }
}

static void help_shows_what_a_command_takes(void **state)
{
    (void)state;
    size_t count;
    const option_info *rows = options_table(&count);
    for (int c = 0; c < COMMAND_COUNT; c++) {
        const command_info *command = &options_commands()[c];
        buf out = {0};
        assert_int_equal(options_help(command, &out, NULL), 0);
        assert_non_null(strstr(out.v, command->name));
        assert_non_null(strstr(out.v, command->example[0]));
        assert_non_null(command_function((command_id)c));
        for (size_t i = 0; i < count; i++) {
            bool takes = options_find(rows[i].name, strlen(rows[i].name), (command_id)c) != NULL;
            char entry[64], lettered[64];
            (void)snprintf(entry, sizeof entry, "\n      --%s ", rows[i].name);
            (void)snprintf(lettered, sizeof lettered, "\n  -%c, --%s ",
                           rows[i].letter ? rows[i].letter : '?', rows[i].name);
            bool shown = strstr(out.v, entry) || strstr(out.v, lettered);
            assert_int_equal(takes, shown);
        }
        buf_release(&out);
    }
}

static void assert_narrow(const char *text)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 80)
            fail_msg("wider than 80 columns: %.*s", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static void help_fits_eighty_columns(void **state)
{
    (void)state;
    buf out = {0};
    assert_int_equal(options_help(NULL, &out, NULL), 0);
    assert_int_equal(options_usage(&out, NULL), 0);
    for (int c = 0; c < COMMAND_COUNT; c++) {
        assert_non_null(strstr(out.v, options_commands()[c].name));
        assert_int_equal(options_help(&options_commands()[c], &out, NULL), 0);
    }
    assert_narrow(out.v);
    buf_release(&out);
}

/* Whatever the table calls a file, a folder or a model. */
static void an_empty_name_is_refused(void **state)
{
    (void)state;
    size_t count, tried = 0;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++) {
        const char *thing = rows[i].argument ? strrchr(rows[i].argument, ']') : NULL;
        thing = thing ? thing + 1 : rows[i].argument ? rows[i].argument : "";
        if (strcmp(thing, "FILE") != 0 && strcmp(thing, "DIR") != 0 && strcmp(thing, "MODEL") != 0)
            continue;
        char name[64], wanted[96], words[64];
        char *argv[] = {"consilium", words, NULL, NULL, NULL};
        int argc = 2, id = __builtin_ctzll(rows[i].commands); /* a command that takes it */
        (void)snprintf(words, sizeof words, "%s", options_commands()[id].name);
        char *second = strchr(words, ' ');
        if (second) {
            *second = '\0';
            argv[argc++] = second + 1;
        }
        (void)snprintf(name, sizeof name, "--%s=", rows[i].name);
        (void)snprintf(wanted, sizeof wanted, "--%s: \"\" names no %s", rows[i].name, thing);
        argv[argc++] = name;
        options opt;
        error err = {0};
        assert_int_equal(options_parse(&opt, argc, argv, &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_string_equal(err.text, wanted);
        options_release(&opt);
        tried++;
    }
    assert_in_range(tried, 9, count);
}

static void examples_of_the_help_are_right(void **state)
{
    (void)state;
    for (int c = 0; c < COMMAND_COUNT; c++)
        for (int i = 0; i < 3 && options_commands()[c].example[i]; i++) {
            char line[128], *argv[16];
            const char *start = strstr(options_commands()[c].example[i], "consilium");
            assert_non_null(start);
            if (strcmp(start, "consilium") == 0)
                continue; /* main.c says what it stands for */
            (void)snprintf(line, sizeof line, "%s", start);
            line[strcspn(line, "|>")] = '\0'; /* the shell's */
            int argc = 0;
            for (char *at = line; at && *at && argc < 16;) {
                char *end = *at == '\'' ? strchr(++at, '\'') : strchr(at, ' ');
                if (*at)
                    argv[argc++] = at;
                if (end)
                    *end++ = '\0';
                at = end ? end + (*end == ' ') : NULL;
            }
            options opt;
            error err = {0};
            if (options_parse(&opt, argc, argv, &err))
                fail_msg("%s: %s", options_commands()[c].example[i], err.text);
            if (c == COMMAND_HELP) /* of the command behind it */
                assert_true(opt.help && opt.command);
            else if (c != COMMAND_TALK ||
                     opt.command) /* main.c names it when there is a terminal */
                assert_ptr_equal(opt.command, &options_commands()[c]);
            options_release(&opt);
        }
}

/* ---- parsing ---------------------------------------------------------------------------------- */

#define PARSE(opt, err, ...)                                                                       \
    options_parse((opt), (int)(sizeof((char *[]){"consilium", __VA_ARGS__}) / sizeof(char *)),     \
                  (char *[]){"consilium", __VA_ARGS__}, (err))

static void values_are_read_in_every_spelling(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "-v", "--threads=3", "logits", "--context", "64", "-mfile",
                           "--tokens", "5,0,17", "--experts=2", "-o", "-", "--kv=q8_0", "-q"),
                     0);
    assert_string_equal(opt.command->name, "logits");
    assert_string_equal(opt.model, "file");
    assert_string_equal(opt.output, "-");
    assert_string_equal(opt.kv, "q8_0");
    assert_int_equal(opt.threads, 3);
    assert_int_equal(opt.context, 64);
    assert_string_equal(opt.named_experts, "2");
    assert_true(opt.verbose && opt.quiet && !opt.no_color && !opt.help);
    assert_int_equal(opt.ids.len, 3);
    assert_int_equal(opt.ids.v[0], 5);
    assert_int_equal(opt.ids.v[1], 0);
    assert_int_equal(opt.ids.v[2], 17);
    assert_int_equal(opt.word_count, 0);
    options_release(&opt);
}

static void letters_cluster(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "tokenize", "-qvm", "x", "text"), 0);
    assert_true(opt.quiet && opt.verbose);
    assert_string_equal(opt.model, "x");
    assert_string_equal(opt.words[0], "text");
    options_release(&opt);
}

static void the_last_of_a_repeated_option_wins(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(
        PARSE(&opt, &err, "bench", "--passes=1,2,3", "--passes", "4", "--prompt=7", "--prompt=9"),
        0);
    assert_int_equal(opt.passes.len, 1);
    assert_int_equal(opt.passes.v[0], 4);
    assert_int_equal(opt.prompt, 9);
    options_release(&opt);
}

/* Two names are flags to one command and take an argument with another: they stand behind theirs. */
static void a_name_may_take_an_argument_in_one_command_alone(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "personas", "new", "--lessons", "nurse"), 0);
    assert_true(opt.new_lessons);
    assert_string_equal(opt.words[0], "nurse");
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "train", "nurse", "--lessons", "file", "--resume"), 0);
    assert_string_equal(opt.lessons, "file");
    assert_true(opt.go_on && opt.word_count == 1);
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "ask", "--resume", "id", "text"), 0);
    assert_string_equal(opt.resume, "id");
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "--lessons", "train", "nurse"), -1);
    assert_string_equal(err.text, "--lessons goes behind `train`");
    options_release(&opt);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "tokenize", "-q", "--", "--help"), 0);
    assert_false(opt.help);
    assert_string_equal(opt.words[0], "--help");
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "tokenize", "-"), 0);
    assert_string_equal(opt.words[0], "-");
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "tokenize", ""), 0);
    assert_int_equal(opt.word_count, 1);
    options_release(&opt);
}

static void commands_of_two_words(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "model", "-v", "list"), 0);
    assert_string_equal(opt.command->name, "model list");
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "model", "--format", "json"), 0);
    assert_string_equal(opt.command->name, "model info");
    assert_true(options_want_json(&opt));
    options_release(&opt);
}

static void help_needs_nothing_else(void **state)
{
    (void)state;
    options opt;
    error err = {0};
    assert_int_equal(PARSE(&opt, &err, "perplexity", "--help"), 0);
    assert_true(opt.help);
    options_release(&opt);
    assert_int_equal(PARSE(&opt, &err, "--version"), 0);
    assert_true(opt.version && !opt.command);
    options_release(&opt);
    assert_int_equal(options_parse(&opt, 1, (char *[]){"consilium"}, &err), 0);
    assert_null(opt.command);
    options_release(&opt);
}

/* ---- refusals --------------------------------------------------------------------------------- */

/* The command line is refused as usage, and the sentence says all the words given. */
#define REFUSED(say, ...)                                                                          \
    do {                                                                                           \
        options opt_;                                                                              \
        error err_ = {0};                                                                          \
        assert_int_equal(PARSE(&opt_, &err_, __VA_ARGS__), -1);                                    \
        assert_int_equal(err_.code, ERROR_USAGE);                                                  \
        if (!strstr(err_.text, say))                                                               \
            fail_msg("\"%s\" does not say \"%s\"", err_.text, say);                                \
        options_release(&opt_);                                                                    \
    } while (0)

static void numbers_are_strict(void **state)
{
    (void)state;
    REFUSED("--threads: \"4x\" is no whole number", "bench", "--threads", "4x");
    REFUSED("--threads: \"\" is no whole number", "bench", "--threads=");
    REFUSED("--threads: \" 4\" is no whole number", "bench", "--threads", " 4");
    REFUSED("--threads: \"0x10\" is no whole number", "bench", "--threads", "0x10");
    REFUSED("--threads: \"1e3\" is no whole number", "bench", "--threads", "1e3");
    REFUSED("--threads: \"+4\" is no whole number", "bench", "--threads", "+4");
    REFUSED("--threads: 0 is outside 1..1024", "bench", "--threads", "0");
    REFUSED("--threads: -1 is outside 1..1024", "bench", "--threads", "-1");
    REFUSED("--context: 99999999999999999999 is outside 1..16777216", "bench", "--context",
            "99999999999999999999");
    REFUSED("--tokens: \"\" is no whole number", "logits", "--tokens", "1,,2");
    REFUSED("--tokens: \"\" is no whole number", "logits", "--tokens", "1,2,");
    REFUSED("--tokens: -1 is outside", "logits", "--tokens=1,-1");
    REFUSED("--tokens: 2147483648 is outside 0..2147483647", "logits", "--tokens=2147483648");
    REFUSED("--passes: 65 is outside 1..64", "bench", "--passes", "1,65");
}

static void choices_are_listed(void **state)
{
    (void)state;
    REFUSED("--kv: \"f8\" is none of f16|f32|q8_0", "bench", "--kv", "f8");
    REFUSED("--format: \"\" is none of text|json", "bench", "--format=");
    REFUSED("--isa: \"avx\" is none of", "bench", "--isa", "avx");
}

static void misspellings_are_guessed(void **state)
{
    (void)state;
    REFUSED("unknown option --thread; did you mean --threads?", "bench", "--thread", "4");
    REFUSED("unknown option --moddel; did you mean --model?", "bench", "--moddel=4");
    REFUSED("unknown option --zzzzz", "bench", "--zzzzz");
    REFUSED("unknown command \"tokenise\"; did you mean \"tokenize\"?", "tokenise", "text");
    REFUSED("unknown command \"perp\"; did you mean \"perplexity\"?", "perp");
    REFUSED("unknown command \"model lst\"; did you mean \"model list\"?", "model", "lst");
    REFUSED("unknown command \"modle\"; did you mean \"model\"?", "modle");
    REFUSED("unknown command \"frobnicate\"", "frobnicate");
    REFUSED("unknown option -x", "bench", "-x");
    assert_null(options_nearest("frobnicate", (const char *[]){"bench", "logits"}, 2));
}

static void misplaced_things_are_named(void **state)
{
    (void)state;
    REFUSED("tokenize takes no --tokens; it belongs to: personas check, logits", "tokenize",
            "--tokens", "1", "x");
    REFUSED("model list takes no --model", "model", "list", "-m", "x");
    REFUSED("--model needs a value: MODEL", "bench", "--model");
    REFUSED("-m needs a value: MODEL", "bench", "-qm");
    REFUSED("--quiet takes no value", "bench", "--quiet=1");
    REFUSED("perplexity needs FILE", "perplexity");
    REFUSED("takes no argument, but there is \"5\"", "bench", "5");
    REFUSED("there is also \"b\"", "tokenize", "a", "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_documented),
        cmocka_unit_test(rows_of_one_name_agree),
        cmocka_unit_test(help_shows_what_a_command_takes),
        cmocka_unit_test(help_fits_eighty_columns),
        cmocka_unit_test(examples_of_the_help_are_right),
        cmocka_unit_test(an_empty_name_is_refused),
        cmocka_unit_test(values_are_read_in_every_spelling),
        cmocka_unit_test(letters_cluster),
        cmocka_unit_test(the_last_of_a_repeated_option_wins),
        cmocka_unit_test(a_name_may_take_an_argument_in_one_command_alone),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(commands_of_two_words),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(choices_are_listed),
        cmocka_unit_test(misspellings_are_guessed),
        cmocka_unit_test(misplaced_things_are_named),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
