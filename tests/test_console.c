/* A warning that comes in the middle of an answer, on a terminal that both streams share: it begins a line of
 * its own, the answer goes on below; while a window moves, it waits. With a stream of its own it is only a
 * line, and what is written to standard output is the same bytes in any case.
 */
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../repl/screen/console.h"

typedef void script(console *c);

static void say(console *c, const char *text)
{
    buf b = {0};
    assert_int_equal(buf_text(&b, text, NULL), 0);
    assert_int_equal(console_stream(c, &b, NULL), 0);
    buf_release(&b);
}

static void play(script *s, bool quiet)
{
    console c;
    console_open(&c, NULL, quiet, false, true);
    s(&c);
    _exit(0);
}

/* All that comes out of a terminal, without its carriage returns; apart: standard error is elsewhere. */
static const char *shown(script *s, bool quiet, bool apart)
{
    static char text[4096];
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    int fd, status;
    pid_t child = forkpty(&fd, NULL, NULL, &size);
    assert_true(child >= 0);
    if (!child) {
        if (apart)
            (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        play(s, quiet);
    }
    size_t n = 0;
    char byte;
    while (n + 1 < sizeof text && read(fd, &byte, 1) == 1)
        if (byte != '\r')
            text[n++] = byte;
    text[n] = '\0';
    close(fd);
    waitpid(child, &status, 0);
    return text;
}

static void within_a_line(console *c)
{
    say(c, "An answer of ");
    console_warn(c, "it happened");
    say(c, "many words.\n");
}

static void between_lines(console *c)
{
    say(c, "An answer.\n");
    console_warn(c, "it happened");
    say(c, "Another.\n");
}

static void below_a_window(console *c)
{
    console_hold(c);
    console_hold(c);
    console_warn(c, "one");
    console_warn(c, "two");
    console_let_go(c);
    say(c, "An answer.\n");
    console_let_go(c);
    console_warn(c, "three");
}

static void test_line_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(shown(within_a_line, false, false),
                        "An answer of\nwarning: it happened\nmany words.\n");
    assert_string_equal(shown(between_lines, false, false),
                        "An answer.\nwarning: it happened\nAnother.\n");
}

static void test_other_stream(void **state)
{
    (void)state;
    assert_string_equal(shown(within_a_line, false, true), "An answer of many words.\n");
    assert_string_equal(shown(within_a_line, true, false), "An answer of many words.\n");
}

static void test_waits_for_the_window(void **state)
{
    (void)state;
    assert_string_equal(shown(below_a_window, false, false),
                        "An answer.\nwarning: one\nwarning: two\nwarning: three\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_of_its_own),
        cmocka_unit_test(test_other_stream),
        cmocka_unit_test(test_waits_for_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
