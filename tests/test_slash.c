/* test_slash.c - what a line of the conversation is, the table of commands and its help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../repl/chat/line/line_state.h"
#include "../repl/chat/slash/slash.h"
#include "../repl/system/line_history.h"
#include "scratch.h"

/* ---- lines ------------------------------------------------------------------------------------- */

typedef struct line_case {
    const char *typed;
    slash_kind kind;
    const char *name; /* of the command, or the word */
    const char *rest;
} line_case;

static const line_case LINES[] = {
    {"hello", SLASH_TEXT, NULL, "hello"},
    {"", SLASH_TEXT, NULL, ""},
    {" /help", SLASH_TEXT, NULL, " /help"},
    {"//help", SLASH_TEXT, NULL, "/help"},
    {"/usr/bin", SLASH_TEXT, NULL, "/usr/bin"},
    {"/usr/bin is a folder", SLASH_TEXT, NULL, "/usr/bin is a folder"},
    {"/help/me", SLASH_TEXT, NULL, "/help/me"},
    {"/help", SLASH_COMMAND, "help", ""},
    {"/help  pick ", SLASH_COMMAND, "help", "pick "},
    {"/file /usr/bin/x", SLASH_COMMAND, "file", "/usr/bin/x"},
    {"/help\n", SLASH_COMMAND, "help", ""},
    {"/help pick \r\n \n", SLASH_COMMAND, "help", "pick \r\n \n"},
    {"/hel\n", SLASH_UNKNOWN, "hel", ""},
    {"/quit\nand more", SLASH_TEXT, NULL, "/quit\nand more"},
    {"/quit\n\n\nand more", SLASH_TEXT, NULL, "/quit\n\n\nand more"},
    {"/undo\r\nx", SLASH_TEXT, NULL, "/undo\r\nx"},
    {"/system one\ntwo", SLASH_TEXT, NULL, "/system one\ntwo"},
    {"/nothing\nlike it", SLASH_TEXT, NULL, "/nothing\nlike it"},
    {"/usr/bin/env x\ny", SLASH_TEXT, NULL, "/usr/bin/env x\ny"},
    {"// a comment\nint x;", SLASH_TEXT, NULL, "// a comment\nint x;"},
    {"\n/help", SLASH_TEXT, NULL, "\n/help"},
    {"exit", SLASH_OMITTED, "quit", "exit"},
    {"quit ", SLASH_OMITTED, "quit", "quit "},
    {"Help\n", SLASH_OMITTED, "help", "Help\n"},
    {" exit", SLASH_TEXT, NULL, " exit"},
    {"exit now", SLASH_TEXT, NULL, "exit now"},
    {"exit\nnow", SLASH_TEXT, NULL, "exit\nnow"},
    {"helpful", SLASH_TEXT, NULL, "helpful"},
    {"@coder\nwhy?", SLASH_MENTION, "coder", "why?"},
    {"/exit", SLASH_COMMAND, "quit", ""},
    {"/?", SLASH_COMMAND, "help", ""},
    {"/hel", SLASH_UNKNOWN, "hel", ""},
    {"/", SLASH_UNKNOWN, "", ""},
    {"/HELP", SLASH_UNKNOWN, "HELP", ""},
    {"@coder why?", SLASH_MENTION, "coder", "why?"},
    {"@coder:mask\tx", SLASH_MENTION, "coder:mask", "x"},
    {"@coder", SLASH_MENTION, "coder", ""},
    {"@coder,critic why?", SLASH_MENTION, "coder,critic", "why?"},
    {"@coder @critic why?", SLASH_MENTION, "coder @critic", "why?"},
    {"@coder  @critic,x  why?", SLASH_MENTION, "coder  @critic,x", "why?"},
    {"@coder, why?", SLASH_MENTION, "coder,", "why?"},
    {"@coder\n@property", SLASH_MENTION, "coder", "@property"},
    {"@coder @", SLASH_MENTION, "coder", "@"},
    {"@coder a@b", SLASH_MENTION, "coder", "a@b"},
    {"@a,,b x", SLASH_TEXT, NULL, "@a,,b x"},
    {"@,a x", SLASH_TEXT, NULL, "@,a x"},
    {"@", SLASH_TEXT, NULL, "@"},
    {"@ home", SLASH_TEXT, NULL, "@ home"},
    {"@a.b@c", SLASH_TEXT, NULL, "@a.b@c"},
    {"mail a@b", SLASH_TEXT, NULL, "mail a@b"},
};

static void a_line_is_text_unless_it_is_a_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        const slash_command *command = NULL;
        const char *word = NULL, *rest = NULL;
        size_t n = 0;
        slash_kind kind =
            slash_classify(LINES[i].typed, strlen(LINES[i].typed), &command, &word, &n, &rest);
        if (kind != LINES[i].kind)
            fail_msg("\"%s\" is %d, not %d", LINES[i].typed, (int)kind, (int)LINES[i].kind);
        assert_string_equal(rest, LINES[i].rest);
        if (kind == SLASH_COMMAND || kind == SLASH_OMITTED)
            assert_string_equal(command->name, LINES[i].name);
        else if (LINES[i].name) {
            assert_int_equal(n, strlen(LINES[i].name));
            assert_memory_equal(word, LINES[i].name, n);
        }
    }
}

static void a_typo_gets_its_neighbour(void **state)
{
    (void)state;
    error err = {0};
    assert_int_equal(slash_unknown("retyr", 5, &err), -1);
    assert_non_null(strstr(err.text, "did you mean /retry?"));
    assert_non_null(strstr(err.text, "//retyr"));
    assert_int_equal(slash_unknown("xyzzyx", 6, &err), -1);
    assert_null(strstr(err.text, "did you mean"));
}

/* ---- the table --------------------------------------------------------------------------------- */

static void what_other_programs_call_it_is_understood(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"export", "did you mean /save FILE.md?"},
        {"clear", "did you mean /new?"},
        {"regenerate", "did you mean /retry?"},
        {"more", "did you mean /continue NAME?"},
        {"log", "did you mean /history?"},
        {"load", "did you mean /resume ID?"},
        {"temperature", "did you mean /set temperature VALUE?"},
        {"asking", "did you mean /help asking?"},
        {"stop", "Ctrl-C stops an answer"},
        {"EXPORT", "did you mean /save FILE.md?"},
        {"edti", "did you mean /edit?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        assert_int_equal(slash_unknown(cases[i][0], strlen(cases[i][0]), &err), -1);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("/%s: %s", cases[i][0], err.text);
    }
}

/* A meaning that is a command must be one. */
static void a_guess_is_a_command(void **state)
{
    (void)state;
    static const char *const words[] = {"export", "write", "dump",   "print",  "reset", "redo",
                                        "back",   "find",  "read",   "add",    "who",   "models",
                                        "prompt", "temp",  "cols",   "choose", "rank",  "join",
                                        "mix",    "usage", "branch", "list",   "change"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        error err = {0};
        (void)slash_unknown(words[i], strlen(words[i]), &err);
        const char *meant = strstr(err.text, "did you mean /");
        assert_non_null(meant);
        meant += strlen("did you mean /");
        if (!slash_find(meant, strcspn(meant, " ?")))
            fail_msg("/%s: %s", words[i], err.text);
    }
}

enum { SCREEN = 24 };

static size_t count_rows(const buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++)
        n += text->v[i] == '\n';
    return n;
}

/* With the line that asked for it and the prompt below. */
static void a_section_fits_a_screen_and_each_command_has_one(void **state)
{
    (void)state;
    size_t sections, count;
    const slash_section *s = slash_sections(&sections);
    const slash_command *table = slash_table(&count), *c;
    int *seen = calloc(count, sizeof *seen);
    buf out = {0};
    assert_int_equal(slash_help_sections(&out, NULL), 0);
    assert_true(count_rows(&out) <= SCREEN - 2);
    for (size_t i = 0; i < sections; i++) {
        assert_non_null(strstr(out.v, s[i].name));
        buf one = {0};
        size_t listed = 0;
        assert_int_equal(slash_help_about(s[i].name, &one, NULL), 0);
        if (count_rows(&one) > SCREEN - 2)
            fail_msg("%s has %zu rows", s[i].name, count_rows(&one));
        for (const char *at = s[i].commands; (c = slash_next(&at)) != NULL; listed++)
            seen[c - table]++;
        size_t words = 1;
        for (const char *at = s[i].commands; *at; at++)
            words += *at == ' ';
        assert_int_equal(listed, words);
        buf_release(&one);
    }
    for (size_t i = 0; i < count; i++)
        if (seen[i] != 1)
            fail_msg("/%s is in %d sections", table[i].name, seen[i]);
    free(seen);
    buf_release(&out);
}

static void every_command_is_complete_and_its_help_fits(void **state)
{
    (void)state;
    size_t count;
    buf out = {0};
    const slash_command *table = slash_table(&count);
    assert_true(count >= 30);
    assert_int_equal(slash_help_about("all", &out, NULL), 0);
    assert_int_equal(slash_help_sections(&out, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(table[i].run);
        assert_ptr_equal(slash_find(table[i].name, strlen(table[i].name)), &table[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(table[i].name, table[k].name);
        char head[64] = "  /";
        strcat(head, table[i].name);
        assert_non_null(strstr(out.v, head));
        assert_int_equal(slash_help_text(&table[i], &out, NULL), 0);
    }
    for (const char *row = out.v; *row;) {
        size_t n = strcspn(row, "\n");
        if (n > 80)
            fail_msg("wider than 80 columns: %.*s", (int)n, row);
        assert_true(n == 0 || row[n - 1] != ' ');
        row += n + (row[n] == '\n');
    }
    buf_release(&out);
}

/* ---- history and pastes ------------------------------------------------------------------------ */

static char *loaded[8];
static size_t loaded_count;

static void take(const char *text)
{
    loaded[loaded_count++] = strdup(text);
}

static void history_brings_back_what_it_was_given(void **state)
{
    (void)state;
    static const char *const entries[] = {"one", "two\nlines", "a\\nb\\", "\\\\",
                                          "tab\tand \xe2\x80\xba"};
    enum { COUNT = sizeof entries / sizeof *entries };
    char path[SCRATCH];
    int fd = scratch_file(path, "history");
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(line_history_append(path, entries[i], NULL), 0);
    assert_int_equal(line_history_load(path, take, NULL), 0);
    assert_int_equal(loaded_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(loaded[i], entries[i]);
        free(loaded[i]);
    }
    assert_int_equal(unlink(path), 0);
    (void)close(fd);
    assert_int_equal(line_history_load(path, take, NULL), 0);
    assert_false(line_history_wants(" secret", NULL));
    assert_false(line_history_wants("same", "same"));
    assert_false(line_history_wants("", NULL));
    assert_true(line_history_wants("x", "y"));
}

/* A note stands for its text wherever it was moved, and as often as it stands there. */
static void notes_become_their_texts(void **state)
{
    (void)state;
    line_editor *l = calloc(1, sizeof *l);
    buf text = {0}, out = {0};
    assert_int_equal(buf_text(&text, "short\npaste", NULL), 0);
    assert_string_equal(line_paste_note(l, &text, NULL), "short\npaste");
    buf_clear(&text);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_text(&text, "x", NULL), 0);
    const char *note = line_paste_note(l, &text, NULL);
    assert_string_equal(note, "[pasted text 1: 2.93 KiB, 1 line]");
    assert_null(text.v);
    assert_int_equal(buf_format(&text, NULL, "a %s b %s", note, note), 0);
    assert_int_equal(line_paste_expand(l, text.v, &out, NULL), 0);
    assert_int_equal(out.len, 2 + 3000 + 3 + 3000);
    assert_memory_equal(out.v, "a xx", 4);
    line_paste_forget(l);
    buf_clear(&out);
    assert_int_equal(line_paste_expand(l, text.v, &out, NULL), 0);
    assert_string_equal(out.v, text.v);
    free(l->pastes);
    free(l);
    buf_release(&text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_text_unless_it_is_a_command),
        cmocka_unit_test(a_typo_gets_its_neighbour),
        cmocka_unit_test(what_other_programs_call_it_is_understood),
        cmocka_unit_test(a_guess_is_a_command),
        cmocka_unit_test(a_section_fits_a_screen_and_each_command_has_one),
        cmocka_unit_test(every_command_is_complete_and_its_help_fits),
        cmocka_unit_test(history_brings_back_what_it_was_given),
        cmocka_unit_test(notes_become_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
