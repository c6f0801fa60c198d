/* test_jinja_alloc.c - a template whose memory runs out ends in an error, whichever allocation it
 * is: never a crash, a leak or half an output.
 *
 * The linker puts the wrappers in place of malloc and its family (Makefile: --wrap). Each template
 * is parsed, its data built and rendered with the N-th allocation failing, N = 1, 2, ... until one
 * run needs fewer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/text/jinja/jinja.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

/* Wrappers have no argument to hang state on. */
static struct {
    bool on;
    long fail_at, live; /* the call from now that fails; what was allocated and not freed */
} heap;

static bool refuses(void)
{
    return heap.on && heap.fail_at > 0 && --heap.fail_at == 0;
}

static void *born(void *p)
{
    heap.live += heap.on && p != NULL;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return refuses() ? NULL : born(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuses() ? NULL : born(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (refuses())
        return NULL;
    return p == NULL ? born(__real_realloc(p, n)) : __real_realloc(p, n);
}

void __wrap_free(void *p)
{
    heap.live -= heap.on && p != NULL;
    __real_free(p);
}

static const char JSON[] = "[{\"role\": \"user\", \"content\": \"hi \\u00e9\", \"n\": 1.5}]";

/* One whole use of the interpreter; 0 when it went well, with *out set. */
static int use(const char *source, jinja_output *out, error *err)
{
    jinja_template *t = NULL;
    jinja_data *d = jinja_data_open();
    int failed = jinja_parse(source, strlen(source), &t, err);
    if (!failed && d != NULL) {
        jinja_value *m = jinja_json(d, "m", JSON, sizeof JSON - 1, 1, err);
        jinja_set(d, "messages", m);
        jinja_set(d, "bos_token", jinja_text(d, "<s>", 3, JINJA_TEMPLATE));
    }
    failed = failed || jinja_render(t, d, NULL, NULL, out, err);
    jinja_close(t);
    jinja_data_close(d);
    return failed ? -1 : 0;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "plain",
        "{% for m in messages %}{{ bos_token ~ m.role ~ m['content']|trim }}{% endfor %}",
        "{% macro f(a, b=2) %}{{ a|tojson(indent=2) }}{{ kwargs }}{% endmacro %}{{ f(messages, "
        "c=1) }}",
        "{% set ns = namespace(s='') %}{% for i in range(3000) %}{% set ns.s = ns.s ~ i ~ "
        "messages[0].content %}"
        "{% endfor %}{{ ns.s.split('1')|map('upper')|join('-')|length }}{{ ns.s }}",
        "{{ range(5000)|list|sort(reverse=true)|batch(3)|list }}{{ '%5.1f {}'.format(1) % 2 }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int failed = -1;
        for (long n = 1; failed; n++) {
            error err = {0};
            jinja_output out = {0};
            heap.live = 0;
            heap.fail_at = n;
            heap.on = true;
            failed = use(sources[i], &out, &err);
            const long left = heap.fail_at;
            jinja_output_release(&out);
            heap.on = false;
            assert_int_equal(heap.live, 0);
            if (!failed)
                assert_true(left > 0);
            else
                assert_int_equal(err.code, ERROR_RUN);
            assert_true(n < 3000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
