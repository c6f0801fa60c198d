/* test_view_alloc.c - every allocation of an exchange fails once: the view says so or goes on, and
 * neither crashes nor leaks (the sanitized build looks for both). Linked with --wrap for malloc,
 * calloc and realloc. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../repl/screen/view.h"

/* Allocations until one fails; negative: none does. */
static long left = -1;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

/* 0 when all of it was shown. */
static int show(view *v, error *err)
{
    const char *texts[] = {"```c\nx\n```\n- a ", "word **b** `c` 👩‍🚀 "};
    view_prefill(v, 1, 2);
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 3; i++)
            view_token(v, i, texts[round % 5 != 0], strlen(texts[round % 5 != 0]), round < 2);
    for (int i = 0; i < 3; i++)
        view_answer(v, i, i ? "end" : "error", i ? NULL : "why", 20, 1, 1);
    int settled = view_settle(v, err);
    view_merge_progress(v, "synth", 1);
    view_merge_token(v, "all agree", 9);
    int merged = view_merge(v, "synth", NULL, 0, err);
    int footed = view_footer(v, "left", "right", err);
    return settled || merged || footed ? -1 : 0;
}

static int exchange(int fd, view_layout layout, bool linear)
{
    terminal_signals signals = {0};
    console con = {.cancel = &signals.interrupted};
    terminal_capabilities traits = {
        .fd = fd, .columns = 120, .rows = 24, .linear = linear, .color = !linear, .utf8 = true};
    const view_column columns[] = {{"a", "mask", "red", NULL},
                                   {"b", "prompt+mask", "green", "4 of 8 experts"},
                                   {"c", "mask", NULL, NULL}};
    error err = {0};
    terminal *t = terminal_open_as(&con, &signals, &traits, &err);
    view *v = t ? view_open(t, layout, "a", columns, 3, &err) : NULL;
    int result = v ? show(v, &err) : -1;
    view_close(v);
    terminal_close(t);
    return result;
}

/* The n-th allocation fails, for each n, until all succeed. */
static void each_fails_once(view_layout layout, bool linear)
{
    int fd = open("/dev/null", O_WRONLY);
    assert_true(fd >= 0);
    for (long n = 0;; n++) {
        left = n;
        int result = exchange(fd, layout, linear);
        bool failed = left < 0;
        left = -1;
        assert_true(failed || result == 0);
        if (!failed) {
            assert_true(n > 20);
            break;
        }
    }
    close(fd);
}

static void columns_survive(void **state)
{
    (void)state;
    each_fails_once(VIEW_COLS, false);
}

static void a_stack_survives(void **state)
{
    (void)state;
    each_fails_once(VIEW_STACK, false);
}

static void focus_survives(void **state)
{
    (void)state;
    each_fails_once(VIEW_FOCUS, false);
}

static void linear_text_survives(void **state)
{
    (void)state;
    each_fails_once(VIEW_AUTO, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_survive),
        cmocka_unit_test(a_stack_survives),
        cmocka_unit_test(focus_survives),
        cmocka_unit_test(linear_text_survives),
    };
    return cmocka_run_group_tests_name("view_alloc", tests, NULL, NULL);
}
