/* test_jinja_bounds.c - templates made to be slow, deep or large: each is stopped within a second, with
 * its place, and leaves nothing behind.
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

#include "../engine/base/buf.h"
#include "../engine/text/jinja/jinja.h"
#include "jinja_support.h"

/* ---- bounds ------------------------------------------------------------------------------------- */

static const char *const BOMBS[] = {
    "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(100) %}{% set ns.s = ns.s ~ "
    "ns.s %}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{{ "
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 100 }}{% endfor %}",
    "{{ 'a' * 10000000000 }}",
    "{{ [0] * 10000000000 }}",
    "{{ ([0] * 1000000)|join('aaaaaaaaaaaaaaaa') }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'x'.center(999999999) }}",
    "{{ 'x'|indent(999999999, true) }}",
    "{{ [1]|tojson(indent=999999999) }}",
    "{{ [1]|batch(999999999, 0)|list|length }}",
    "{{ [1]|slice(999999999)|list|length }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{{ f(n + 1) ~ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x }}",
    "{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x|tojson }}",
    "{% set ns = namespace(x=[], y=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% set "
    "ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
    "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}",
    "{% set ns = namespace(x=[]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor "
    "%}{{ ns.x == ns.x|list }}{{ ns.x }}",
    "{% set ns = namespace(s='ab') %}{% for i in range(30) %}{% set ns.s = ns.s.replace('a', "
    "'aaaa').replace('', '-') %}{% endfor %}",
    "{% set s = 'ab' * 100000 %}{% for i in range(100000) %}{{ 'zz' in s }}{% endfor %}",
    "{% set s = 'ab' * 500000 %}{{ s.count('a') }}{% for c in s %}{{ s.split('a')|length }}{% "
    "endfor %}",
    "{% set s = 'a' * 500000 %}{% for c in s %}{{ s.strip('b') }}{% endfor %}",
    "{% set s = '\xc3\xa9' * 500000 %}{% for c in s %}{{ s[-1] }}{% endfor %}",
    "{% set s = 'a' * 300000 %}{{ s.rfind('b' * 100000) }}{% for i in range(100000) %}{{ "
    "s.rfind('a' * 1000 ~ 'b') }}{% endfor %}",
    "{% for i in range(100000) recursive %}{{ loop(range(100000)) }}{% endfor %}",
    "{% set ns = namespace(d={}) %}{% for i in range(100000) %}{% set ns.d = dict(ns.d, **{'k' ~ "
    "i: i}) %}{% endfor %}",
    "{{ range(100000)|sort|map('string')|list|sort|unique|list|batch(1)|list }}{{ "
    "range(100000)|list * 40 }}",
    "{{ ('a,' * 100000).split(',')|sort(attribute='x.y.z') }}{% for i in range(100000) %}{{ "
    "range(100000)|list|length }}{% endfor %}",
    "{% set s = 'a' * 200000 %}{% set s = s * 20 %}{{ s.rfind(s[:100000] ~ 'b') }}",
    "{% set s = 'a' * 200000 %}{% set s = s * 20 %}{{ s.rpartition(s[:100000] ~ 'b')|list }}",
    "{% set s = 'a' * 200000 %}{% set s = s * 20 %}{{ s.rsplit(s[:100000] ~ 'b') }}",
    "{% set s = 'a' * 200000 %}{% for i in range(100000) %}{% if s|int %}{% endif %}{% endfor %}",
    "{% set s = 'a' * 200000 %}{% for i in range(100000) %}{% if s % () %}{% endif %}{% endfor %}",
    "{% set s = '%' ~ '0' * 200000 ~ 'd' %}{% for i in range(100000) %}{% if s % 1 %}{% endif "
    "%}{% endfor %}",
    "{% set s = '{' ~ '0' * 200000 ~ '}' %}{% for i in range(100000) %}{% if s.format(1) %}{% "
    "endif %}{% endfor %}",
    "{% set s = ('a',) * 40000 %}{% for i in range(100000) %}{% if {}[s] %}{% endif %}{% endfor %}",
    "{% set s = ('a' * 100000,) %}{% for i in range(100000) %}{% if s in {s: 1} %}{% endif %}{% "
    "endfor %}",
    "{% set s = 'a' * 200000 %}{% for i in [1] * 100000 %}{% set x = [1]|map(attribute=s)|list "
    "%}{% endfor %}",
    "{{ 'x'.center(9223372036854775807) }}",
    "{{ '%*d' % (-9223372036854775807 - 1, 1) }}",
    "{{ range(0, 2 ** 60, 2 ** 59)[::2 ** 40] }}",
    "{% set s = '{}' * 100000 %}{% for i in range(1000) %}{{ s.format(*range(100000)) }}{% endfor "
    "%}",
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check_bomb(const char *source, size_t len)
{
    jinja_output out;
    error err;
    jinja_data *d = jinja_data_open();
    double begin = seconds();
    if (jinja_support_render(source, len, d, NULL, &out, &err) == 0)
        fail_msg("%.200s came to an end", source);
    double took = seconds() - begin;
    if (took > (getenv("SANITIZED") ? 10 : 1))
        fail_msg("%.200s took %.2f s: %s", source, took, err.text);
    assert_int_equal(strncmp(err.text, "chat template, line ", 20), 0);
    assert_null(out.text);
    jinja_data_close(d);
}

static void stops_bombs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BOMBS / sizeof *BOMBS; i++)
        check_bomb(BOMBS[i], strlen(BOMBS[i]));
}

/* The same piece many times over. */
static void check_tower(const char *before, const char *piece, size_t times, const char *behind)
{
    buf b = {0};
    buf_text(&b, before, NULL);
    for (size_t i = 0; i < times; i++)
        buf_text(&b, piece, NULL);
    buf_text(&b, behind, NULL);
    check_bomb(b.v, b.len);
    buf_release(&b);
}

static void stops_towers(void **state)
{
    (void)state;
    check_tower("{{ ", "(", 100000, "");
    check_tower("{{ ", "[", 200, " }}");
    check_tower("{{ ", "not ", 100000, "1 }}");
    check_tower("{{ ", "-", 100000, "1 }}");
    check_tower("{{ 1", "+1", 100000, " }}");
    check_tower("{{ x", ".a", 100000, " }}");
    check_tower("{{ x", "|trim", 100000, " }}");
    check_tower("{{ x", "[0]", 100000, " }}");
    check_tower("{{ x", "()", 100000, " }}");
    check_tower("{{ x", " if x", 100000, " }}");
    check_tower("{{ ", "x if x else ", 100000, "1 }}");
    check_tower("{{ ", "{1:", 200, " }}");
    check_tower("", "{% if x %}", 100000, "");
    check_tower("", "{% for x in y %}", 100000, "");
    check_tower("", "{% macro f() %}", 100000, "");
    check_tower("{% set ", "(", 100000, "");
}

static void obeys_limits(void **state)
{
    (void)state;
    jinja_data *d = jinja_data_open();
    jinja_output out;
    error err;
    const char *source = "{% for i in range(1000) %}0123456789{% endfor %}";
    assert_int_equal(jinja_support_render(source, strlen(source), d, NULL, &out, &err), 0);
    assert_int_equal(out.len, 10000);
    jinja_output_release(&out);
    const jinja_limits small[] = {{.steps = 500}, {.memory = 8192}, {.output = 9999}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(jinja_support_render(source, strlen(source), d, &small[i], &out, &err),
                         -1);
    jinja_data_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_bombs),
        cmocka_unit_test(stops_towers),
        cmocka_unit_test(obeys_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
