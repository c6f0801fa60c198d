/* test_paths.c - where files lie: the XDG variables as their specification reads them, the program's own
 * folders, and making one. */
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

#include "../engine/base/search_path.h"
#include "scratch.h"

static const struct {
    paths_kind kind;
    const char *variable, *below_home;
} all[] = {{PATHS_CONFIG, "XDG_CONFIG_HOME", ".config"},
           {PATHS_DATA, "XDG_DATA_HOME", ".local/share"},
           {PATHS_STATE, "XDG_STATE_HOME", ".local/state"},
           {PATHS_CACHE, "XDG_CACHE_HOME", ".cache"}};

static void set(const char *name, const char *value)
{
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void expect(paths_kind kind, const char *below, const char *wanted)
{
    char *path = NULL;
    assert_int_equal(paths_own(kind, below, &path, NULL), 0);
    if (wanted)
        assert_string_equal(path, wanted);
    else
        assert_null(path);
    free(path);
}

static void the_variable_comes_first(void **state)
{
    (void)state;
    set("HOME", "/home/ada");
    for (size_t i = 0; i < PATHS_KINDS; i++) {
        set(all[i].variable, "/elsewhere");
        expect(all[i].kind, "masks", "/elsewhere/consilium/masks");
        expect(all[i].kind, NULL, "/elsewhere/consilium");
    }
}

/* Unset, empty and relative are one. */
static void else_it_lies_below_home(void **state)
{
    static const char *const values[] = {NULL, "", "relative", "./here", "~/config"};
    (void)state;
    set("HOME", "/home/ada");
    for (size_t i = 0; i < PATHS_KINDS; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            char wanted[128];
            (void)snprintf(wanted, sizeof wanted, "/home/ada/%s/consilium/x", all[i].below_home);
            set(all[i].variable, values[k]);
            expect(all[i].kind, "x", wanted);
        }
}

static void without_home_there_is_no_place(void **state)
{
    static const char *const homes[] = {NULL, "", "ada"};
    (void)state;
    for (size_t k = 0; k < sizeof homes / sizeof *homes; k++) {
        set("HOME", homes[k]);
        assert_null(paths_home());
        assert_int_equal(paths_account_home()[0], '/');
        for (size_t i = 0; i < PATHS_KINDS; i++) {
            error err = {0};
            char wanted[128];
            set(all[i].variable, k ? "relative" : NULL);
            expect(all[i].kind, "x", NULL);
            (void)snprintf(wanted, sizeof wanted, "no: neither %s nor HOME is set",
                           all[i].variable);
            assert_int_equal(paths_missing(all[i].kind, "no: ", &err), -1);
            assert_string_equal(err.text, wanted);
            assert_int_equal(err.code, ERROR_RUN);
            set(all[i].variable, "/elsewhere");
            expect(all[i].kind, "x", "/elsewhere/consilium/x");
        }
    }
}

static void others_may_share_the_cache(void **state)
{
    char *path;
    (void)state;
    set("HOME", "/home/ada");
    set("XDG_CACHE_HOME", "/fast");
    assert_int_equal(paths_of(PATHS_CACHE, "huggingface/hub", &path, NULL), 0);
    assert_string_equal(path, "/fast/huggingface/hub");
    free(path);
    set("XDG_CACHE_HOME", "relative");
    assert_int_equal(paths_of(PATHS_CACHE, NULL, &path, NULL), 0);
    assert_string_equal(path, "/home/ada/.cache");
    free(path);
}

/* This test lies in BUILD/tests, as an installed program in PREFIX/bin. */
static void what_came_with_the_program_lies_around_it(void **state)
{
    char program[PATH_MAX], wanted[PATH_MAX + 64], *places[PATHS_SHIPPED];
    (void)state;
    paths_program(program);
    char *slash = strrchr(program, '/');
    assert_non_null(slash);
    assert_string_equal(slash, "/tests");
    *slash = '\0';
    assert_int_equal(paths_shipped(places, NULL), 0);
    (void)snprintf(wanted, sizeof wanted, "%s/share/consilium/personas", program);
    assert_string_equal(places[0], wanted);
    (void)snprintf(wanted, sizeof wanted, "%s/personas/shipped", program);
    assert_string_equal(places[1], wanted);
    *strrchr(program, '/') = '\0';
    (void)snprintf(wanted, sizeof wanted, "%s/personas/shipped", program);
    assert_string_equal(places[2], wanted);
    paths_shipped_release(places);
    assert_null(places[0]);
}

/* The program's own personas lie two folders up from here, as beside a build. */
static void the_first_file_of_a_name_wins(void **state)
{
    (void)state;
    char place[SCRATCH], own[160], *path;
    search_path s;
    assert_int_equal(shipped_file("sets/facts.jsonl", &path, NULL), 0);
    assert_non_null(path);
    assert_non_null(strstr(path, "/personas/shipped/sets/facts.jsonl"));
    free(path);
    assert_int_equal(shipped_file("sets", &path, NULL), 0);
    assert_null(path); /* a folder is none */
    scratch_folder(place, "paths");
    assert_int_equal(setenv("XDG_CONFIG_HOME", place, 1), 0);
    (void)snprintf(own, sizeof own, "%s/consilium/sets/facts.jsonl", place);
    assert_int_equal(paths_make(own, strlen(own) - strlen("/facts.jsonl"), NULL), 0);
    assert_int_equal(search_path_open(&s, "sets", "sets", NULL), 0);
    assert_int_equal(search_path_find(&s, "facts.jsonl", &path, NULL), 0);
    assert_true(path && strcmp(path, own) != 0);
    free(path);
    FILE *f = fopen(own, "w");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(search_path_find(&s, "facts.jsonl", &path, NULL), 0);
    assert_string_equal(path, own);
    free(path);
    assert_int_equal(search_path_find(&s, "absent.jsonl", &path, NULL), 0);
    assert_null(path);
    search_path_close(&s);
    (void)unlink(own);
    for (int i = 0; i < 3; i++) {
        *strrchr(own, '/') = '\0';
        (void)rmdir(own);
    }
}

static void what_is_missing_is_made_for_the_user_alone(void **state)
{
    char place[SCRATCH], path[160];
    error err = {0};
    struct stat st;
    (void)state;
    scratch_folder(place, "paths");
    (void)snprintf(path, sizeof path, "%s/a/b/file", place);
    for (int again = 0; again < 2; again++)
        assert_int_equal(paths_make(path, strlen(path) - strlen("/file"), &err), 0);
    assert_int_equal(stat(path, &st), -1);
    *strrchr(path, '/') = '\0';
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    (void)snprintf(path, sizeof path, "%s/a/f", place);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    strcat(path, "/below");
    assert_int_equal(paths_make(path, strlen(path), &err), -1);
    assert_non_null(strstr(err.text, "/a/f/below: Not a directory"));
    (void)snprintf(path, sizeof path, "rm -r %s", place);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_variable_comes_first),
        cmocka_unit_test(else_it_lies_below_home),
        cmocka_unit_test(without_home_there_is_no_place),
        cmocka_unit_test(others_may_share_the_cache),
        cmocka_unit_test(what_came_with_the_program_lies_around_it),
        cmocka_unit_test(the_first_file_of_a_name_wins),
        cmocka_unit_test(what_is_missing_is_made_for_the_user_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
