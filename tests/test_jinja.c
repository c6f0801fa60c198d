/* test_jinja.c - the template interpreter: what it prints, whose that is, and what stops it.
 *
 * fixtures/jinja/cases.jsonl says what jinja2 makes of over a thousand small templates, with the
 * settings of transformers (make_jinja_fixtures.py): the same text must come out, or both refuse.
 * Then 240 texts that look like special tokens go through every operation there is: no character
 * of them may ever count as the template's, and every character of the template must.
 */
#include <pthread.h>
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
#include "../engine/text/jinja/data.h"
#include "../engine/text/jinja/jinja.h"
#include "jinja_support.h"

enum { THEIRS = 7 };

/* The runs cover the text, none is empty, neighbours differ. */
static void check_runs(const jinja_output *out)
{
    size_t sum = 0;
    for (size_t i = 0; i < out->n_runs; i++) {
        const jinja_run *r = &out->runs[i];
        assert_true(r->len > 0);
        if (i > 0 && r[-1].origin == r->origin)
            assert_true(r->origin != JINJA_TEMPLATE &&
                        (r->offset == JINJA_NOWHERE || r[-1].offset == JINJA_NOWHERE ||
                         r->offset != r[-1].offset + r[-1].len));
        sum += r->len;
    }
    assert_int_equal(sum, out->len);
}

/* ---- as jinja2 ---------------------------------------------------------------------------------- */

static value *member(jinja_value *of, const char *name)
{
    return dict_find_name(of->v.u.dict, name, strlen(name));
}

static int check_case(const char *line, size_t len, value *usual)
{
    error err = {0};
    jinja_output out;
    jinja_data *d = jinja_data_open();
    jinja_value *all = jinja_json(d, "case", line, len, THEIRS, &err);
    assert_non_null(all);
    value *source = member(all, "template"), *own = member(all, "context");
    value *expected = member(all, "text");
    jinja_value context = {own ? *own : *usual};
    jinja_set_all(d, &context);
    int failed =
            jinja_support_render(text_bytes(source->u.t), source->u.t.len, d, NULL, &out, &err),
        bad = 0;
    if (expected == NULL) {
        bad = !failed || strncmp(err.text, "chat template, line ", 20) != 0;
    } else if (failed || out.len != expected->u.t.len ||
               memcmp(out.text, text_bytes(expected->u.t), out.len) != 0) {
        bad = 1;
    } else {
        check_runs(&out);
    }
    if (bad)
        print_error("%.*s\n   gave: %s\n", (int)len, line, failed ? err.text : out.text);
    jinja_output_release(&out);
    jinja_data_close(d);
    return bad;
}

static void renders_as_jinja2(void **state)
{
    (void)state;
    buf file = {0};
    char piece[4096];
    FILE *f = fopen("tests/fixtures/jinja/cases.jsonl", "rb");
    assert_non_null(f);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        assert_int_equal(buf_add(&file, piece, n, NULL), 0);
    fclose(f);
    error err = {0};
    char *line = file.v, *stop = strchr(line, '\n');
    jinja_data *first = jinja_data_open();
    jinja_value *head = jinja_json(first, "first", line, (size_t)(stop - line), THEIRS, &err);
    assert_non_null(head);
    int bad = 0, n = 0;
    for (line = stop + 1; (stop = strchr(line, '\n')) != NULL; line = stop + 1, n++)
        bad += check_case(line, (size_t)(stop - line), member(head, "context"));
    assert_true(n > 1000);
    assert_int_equal(bad, 0);
    jinja_data_close(first);
    buf_release(&file);
}

/* ---- whose a character is ----------------------------------------------------------------------- */

static const char *const TOKENS[] = {"<|im_end|>",
                                     "<|im_start|>system\n",
                                     "<|eot_id|>",
                                     "<|start_header_id|>user<|end_header_id|>",
                                     "<|begin_of_text|>",
                                     "<|end_of_text|>",
                                     "[INST]",
                                     "[/INST]",
                                     "</s>",
                                     "<s>",
                                     "<bos>",
                                     "<eos>",
                                     "<start_of_turn>user\n",
                                     "<end_of_turn>",
                                     "<|end|>",
                                     "<|user|>",
                                     "<|assistant|>",
                                     "<|system|>",
                                     "<|START_OF_TURN_TOKEN|>",
                                     "<|END_OF_TURN_TOKEN|>",
                                     "<|endoftext|>",
                                     "<think>",
                                     "</think>",
                                     "<tool_call>",
                                     "</tool_call>",
                                     "<|python_tag|>",
                                     "[TOOL_CALLS]",
                                     "[AVAILABLE_TOOLS]",
                                     "<\xef\xbd\x9c"
                                     "User\xef\xbd\x9c>",
                                     "<\xef\xbd\x9c"
                                     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
                                     "<|channel|>analysis<|message|>",
                                     "<|return|>",
                                     "<<SYS>>",
                                     "<</SYS>>",
                                     "<extra_id_0>",
                                     "<unk>",
                                     "<pad>",
                                     "<mask>",
                                     "{{ bos_token }}",
                                     "{% raw %}<|im_end|>"};

/* Six disguises of each: 240 texts. */
static const char *const WRAPS[] = {"%s",   "  %s\n", "a%sb%s",
                                    "%s%s", "\"%s\\", "\xc3\xa9%s|'\xf0\x9f\x98\x80"};

/* What the template's own characters must be: before, then `each` once for every `needle` that
 * stands in the text, then `behind`. */
typedef struct path_case {
    const char *source, *before, *needle, *each, *behind;
} path_case;

static const path_case PATHS[] = {
    {"<|{{ x }}|>", "<||>", NULL, NULL, ""},
    {"<|{{ x|trim }}|>", "<||>", NULL, NULL, ""},
    {"{{ '<|' + x.strip() + '|>' }}", "<||>", NULL, NULL, ""},
    {"{{ '<|' ~ x.lstrip().rstrip() ~ x ~ '|>' }}", "<||>", NULL, NULL, ""},
    {"{{ x.strip('<|> \\n') }}", "", NULL, NULL, ""},
    {"{{ x.split('|')|join('~') }}", "", "|", "~", ""},
    {"{{ '~'.join(x.split('|')) }}", "", "|", "~", ""},
    {"{{ '|'.join(x.rsplit('|')) }}", "", "|", "|", ""},
    {"{{ x|replace('|', '<s>') }}", "", "|", "<s>", ""},
    {"{{ x.replace('>', '</s>') }}", "", ">", "</s>", ""},
    {"{{ '<|a|>'.replace('a', x) }}", "<||>", NULL, NULL, ""},
    {"{{ x.replace(x, x) }}", "", NULL, NULL, ""},
    {"{{ x[:3] }}{{ x[3:] }}", "", NULL, NULL, ""},
    {"{{ x[::-1] }}{{ x[1::2] }}{{ x|reverse }}", "", NULL, NULL, ""},
    {"{{ x[0] }}{{ x[-1] }}{{ x|first }}{{ x|last }}", "", NULL, NULL, ""},
    {"{% for c in x %}{{ c }}{% endfor %}", "", NULL, NULL, ""},
    {"{% for c in x|list %}{{ c }}{% endfor %}", "", NULL, NULL, ""},
    {"{{ x|upper }}{{ x.lower() }}{{ x|title }}{{ x.capitalize() }}{{ x.swapcase() }}{{ "
     "x.casefold() }}",
     "", NULL, NULL, ""},
    {"{{ x|tojson }}", "", NULL, NULL, ""},
    {"{{ x|tojson(ensure_ascii=true) }}", "", NULL, NULL, ""},
    {"{{ {'k': x}|tojson }}", "{\"k\": }", NULL, NULL, ""},
    {"{{ {x: 'v'}|tojson }}", "{: \"v\"}", NULL, NULL, ""},
    {"{{ [x]|tojson(indent=1) }}", "[\n \n]", NULL, NULL, ""},
    {"{{ [x] }}{{ {x: 1} }}", "[]{: 1}", NULL, NULL, ""},
    {"{{ (x,) }}{{ [x]|string }}", "(,)[]", NULL, NULL, ""},
    {"{{ '%s' % x }}{{ '<%s>' % (x,) }}{{ '%r' % x }}", "<>", NULL, NULL, ""},
    {"{{ '%(a)s' % {'a': x} }}{{ '<%s>'|format(x) }}", "<>", NULL, NULL, ""},
    {"{{ '<{}|{a}>'.format(x, a=x) }}{{ '{!r}'.format(x) }}", "<|>", NULL, NULL, ""},
    {"{% set y = x %}{{ y }}{% set z %}<{{ y }}>{% endset %}{{ z }}", "<>", NULL, NULL, ""},
    {"{% set ns = namespace(a=x) %}{{ ns.a }}{% set ns.b = ns.a %}{{ ns.b }}", "", NULL, NULL, ""},
    {"{% set ns = namespace(s='<') %}{% set ns.s = ns.s ~ x %}{% set ns.s = ns.s ~ '>' %}{{ ns.s "
     "}}",
     "<>", NULL, NULL, ""},
    {"{% macro f(a, b='|') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(x) }}{{ f('', x) }}", "<|><>", NULL,
     NULL, ""},
    {"{% macro f() %}<{{ caller(x) }}>{% endmacro %}{% call(a) f() %}|{{ a }}{% endcall %}", "<|>",
     NULL, NULL, ""},
    {"{% macro f() %}{{ varargs[0] }}{{ kwargs.k }}{% endmacro %}{{ f(x, k=x) }}", "", NULL, NULL,
     ""},
    {"{% filter trim %}{{ x }}{% endfilter %}{% generation %}{{ x }}{% endgeneration %}", "", NULL,
     NULL, ""},
    {"{% for k in {x: 1} %}{{ k }}{% endfor %}{% for k, v in {'a': x}.items() %}{{ v }}{% endfor "
     "%}",
     "", NULL, NULL, ""},
    {"{{ {x: '!'}.keys()|list|first }}{{ {'a': x}.values()|first }}{{ {'a': x}['a'] }}", "", NULL,
     NULL, ""},
    {"{{ {x: 'own'}[x] }}", "own", NULL, NULL, ""},
    {"{{ [x, 'b']|sort|select('ne', 'b')|first }}{{ [x]|unique|first }}", "", NULL, NULL, ""},
    {"{{ ['<|im_end|>', x]|unique|list|last if x != '<|im_end|>' else '' }}", "", NULL, NULL, ""},
    {"{{ [{'a': x}]|map(attribute='a')|join }}{{ [x]|map('trim')|join }}", "", NULL, NULL, ""},
    {"{{ [{'a': x}]|groupby('a')|map('first')|join }}{{ [x]|max }}{{ [x]|min }}", "", NULL, NULL,
     ""},
    {"{{ [x]|batch(1)|first|first }}{{ [[x]]|sum(start=[])|first }}{{ missing|default(x) }}", "",
     NULL, NULL, ""},
    {"{{ x|default('own') }}{{ x or 'own' }}{{ x and x }}{{ x if x else 'own' }}", "", NULL, NULL,
     ""},
    {"{{ x.partition('|')|join }}{{ x.rpartition('|')[0] }}", "", "|", "", ""},
    {"{{ x * 2 }}{{ 2 * x }}{{ x + x }}{{ x ~ x }}", "", NULL, NULL, ""},
    {"{{ x.center(3) }}{{ x.ljust(2) }}{{ x.zfill(1) }}{{ x.expandtabs() }}", "", NULL, NULL, ""},
    {"{{ x|length }}{{ x|wordcount }}{{ x.count('|') }}{{ x.find('|') }}", "", NULL, NULL, ""},
    {"{{ x|escape }}{{ x|safe }}{{ x|urlencode }}{{ x|forceescape }}", "", NULL, NULL, ""},
    {"{{ ('<'|safe) + x }}{{ x|safe ~ '|>' }}", "<|>", NULL, NULL, ""},
    {"{{ x|truncate(5, true, '') }}{{ x|indent(0) }}", "", NULL, NULL, ""},
    {"{{ x.removeprefix('<').removesuffix('>') }}{{ x|string }}{{ x.splitlines()|join }}", "", NULL,
     NULL, ""},
    {"{% with y = x %}{{ y }}{% endwith %}{{ cycler(x).next() }}{% set j = joiner(x) %}{{ j() }}{{ "
     "j() }}",
     "", NULL, NULL, ""},
    {"{% for y in [x] %}{{ loop.cycle(y) }}{{ y }}{% endfor %}{{ dict(a=x).a }}", "", NULL, NULL,
     ""},
    {"{{ bos_token }}{{ x }}{{ eos_token }}{{ bos_token ~ x }}", "<s></s><s>", NULL, NULL, ""},
    {"{{ m.content }}{{ m['content'] }}{{ m|tojson }}{{ m }}{{ m.n }}{{ m.n + 1 }}{{ m|length }}",
     "", NULL, NULL, ""},
    {"{% for k, v in m|dictsort %}{{ k }}{{ v }}{% endfor %}{{ '%05d' % m.n }}{{ "
     "'{:>4}'.format(m.n) }}",
     "  ", NULL, NULL, ""},
    {"{{ [m.content]|join('<|im_end|>') }}{{ m.get('content') }}{{ m.t }}", "", NULL, NULL, ""},
};

static size_t count_of(const char *in, const char *needle)
{
    size_t n = 0;
    for (const char *at = in; (at = strstr(at, needle)) != NULL; at += strlen(needle))
        n++;
    return n;
}

static jinja_data *hostile_data(const char *x, uint32_t origin)
{
    error err = {0};
    buf json = {0};
    jinja_data *d = jinja_data_open();
    assert_int_equal(buf_text(&json, "{\"content\": \"<|im_end|>\", \"n\": 12, \"t\": true}", NULL),
                     0);
    jinja_set(d, "x", jinja_text(d, x, strlen(x), origin));
    jinja_set(d, "m", jinja_json(d, "m", json.v, json.len, origin, &err));
    jinja_set(d, "bos_token", jinja_text(d, "<s>", 3, JINJA_TEMPLATE));
    jinja_set(d, "eos_token", jinja_text(d, "</s>", 4, JINJA_TEMPLATE));
    buf_release(&json);
    return d;
}

static void check_path(const path_case *c, const char *x, const jinja_data *theirs,
                       const jinja_data *ours)
{
    jinja_output out, plain;
    error err;
    buf own = {0}, expected = {0};
    if (jinja_support_render(c->source, strlen(c->source), theirs, NULL, &out, &err))
        fail_msg("%s with %s: %s", c->source, x, err.text);
    assert_int_equal(jinja_support_render(c->source, strlen(c->source), ours, NULL, &plain, &err),
                     0);
    check_runs(&out);
    assert_int_equal(out.len, plain.len); /* whose it is changes nothing */
    assert_memory_equal(out.text, plain.text, out.len);
    for (size_t i = 0, at = 0; i < out.n_runs; at += out.runs[i++].len) {
        const jinja_run *r = &out.runs[i];
        if (r->origin == JINJA_TEMPLATE)
            buf_add(&own, out.text + at, r->len, NULL);
        else
            assert_int_equal(r->origin, THEIRS);
    }
    buf_text(&expected, c->before, NULL);
    for (size_t k = c->needle ? count_of(x, c->needle) : 0; k > 0; k--)
        buf_text(&expected, c->each, NULL);
    buf_text(&expected, c->behind, NULL);
    if (own.len != expected.len || (own.len && memcmp(own.v, expected.v, own.len) != 0))
        fail_msg("%s with %s: the template's own is \"%s\"", c->source, x, own.v ? own.v : "");
    buf_release(&own);
    buf_release(&expected);
    jinja_output_release(&out);
    jinja_output_release(&plain);
}

static void keeps_240_hostile_texts_apart(void **state)
{
    (void)state;
    const size_t tokens = sizeof TOKENS / sizeof *TOKENS, wraps = sizeof WRAPS / sizeof *WRAPS;
    assert_int_equal(tokens * wraps, 240);
    for (size_t i = 0; i < tokens * wraps; i++) {
        char x[256];
        const char *token = TOKENS[i / wraps];
        const char *wrap = WRAPS[i % wraps];
        const char *second = strstr(strstr(wrap, "%s") + 2, "%s");
        size_t first = (size_t)(strstr(wrap, "%s") - wrap);
        snprintf(x, sizeof x, "%.*s%s%.*s%s%s", (int)first, wrap, token,
                 second ? (int)(second - wrap - (ptrdiff_t)first - 2) : 99, wrap + first + 2,
                 second ? token : "", second ? second + 2 : "");
        jinja_data *theirs = hostile_data(x, THEIRS), *ours = hostile_data(x, JINJA_TEMPLATE);
        for (size_t k = 0; k < sizeof PATHS / sizeof *PATHS; k++)
            check_path(&PATHS[k], x, theirs, ours);
        jinja_data_close(theirs);
        jinja_data_close(ours);
    }
}

/* Offsets say where in the given text a character stood. */
static void tells_offsets(void **state)
{
    (void)state;
    jinja_data *d = jinja_data_open();
    jinja_output out;
    error err;
    jinja_set(d, "x", jinja_text(d, "  abc|def  ", 11, 3));
    jinja_set(d, "y", jinja_text(d, "Y", 1, 4));
    const char *source = "<{{ x|trim|replace('|', '-') }}{{ x[3:5] }}{{ y }}{{ x[2]|upper }}";
    assert_int_equal(jinja_support_render(source, strlen(source), d, NULL, &out, &err), 0);
    assert_string_equal(out.text, "<abc-defbcYA");
    const jinja_run expected[] = {
        {1, 0, JINJA_NOWHERE}, {3, 3, 2}, {1, 0, JINJA_NOWHERE}, {3, 3, 6}, {2, 3, 3}, {1, 4, 0},
        {1, 3, JINJA_NOWHERE}};
    assert_int_equal(out.n_runs, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(out.runs[i].len, expected[i].len);
        assert_int_equal(out.runs[i].origin, expected[i].origin);
        assert_int_equal(out.runs[i].offset, expected[i].offset);
    }
    jinja_output_release(&out);
    jinja_data_close(d);
}

/* What a pattern says is its owner's, even where it only stands for something. */
static void patterns_stay_their_owners(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{{ x % () }}", "a%%b", "a%b"},
        {"{{ x % 5 }}", "%%n%%", NULL},
        {"{{ x.format() }}", "{{}}", "{}"},
        {"{{ strftime_now(x) }}", "%%%Y%n", "%2026\n"},
        {"{{ x.expandtabs(4) }}", "a\tb", "a   b"},
        {"{{ x|indent(0) }}", "a\nb\r\n\nc", "a\nb\n\nc"},
        {"{{ x.partition('=')|join }}", "a=b", "a=b"},
        {"{{ x.zfill(4) }}", "-7", "-007"},
        {"{{ [x]|map('int')|map('string')|join }}", " 12 ", "12"},
        {"{{ '%c' % (x|int) }}", "60", "<"},
        {"{{ x|batch(1)|list|length }}", "1234567", "7"},
        {"{{ x|map('upper')|list|length }}{{ x|select|list|length }}", "abc", "33"},
        {"{{ x|sort|length }}{{ x|unique|list|length }}{{ x|reverse|list|length }}", "a", "111"},
        {"{{ '%c' % (x|slice(2)|first|length + 59) }}", "ab", "<"},
        {"{{ x.center(-9223372036854775807 - 1) }}{{ x.zfill(-9223372036854775807 - 1) }}", "a",
         "aa"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jinja_output out;
        error err;
        jinja_data *d = hostile_data(cases[i][1], THEIRS);
        int failed = jinja_support_render(cases[i][0], strlen(cases[i][0]), d, NULL, &out, &err);
        assert_int_equal(failed, cases[i][2] ? 0 : -1);
        if (!failed)
            assert_string_equal(out.text, cases[i][2]);
        for (size_t k = 0; k < out.n_runs; k++)
            assert_int_equal(out.runs[k].origin, THEIRS);
        jinja_output_release(&out);
        jinja_data_close(d);
    }
}

/* ---- errors ------------------------------------------------------------------------------------- */

static void names_line_and_column(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a\n  {{ 1 + }}", "chat template, line 2, column 10: expected an expression"},
        {"{% frob %}", "chat template, line 1, column 4: unknown tag 'frob'"},
        {"\xc3\xa9{{ x|frob }}",
         "chat template, line 1, column 7: no filter or test named 'frob' is supported"},
        {"{{ x is frob }}",
         "chat template, line 1, column 9: no filter or test named 'frob' is supported"},
        {"{% include 'x' %}",
         "chat template, line 1, column 4: the tag 'include' is not supported"},
        {"\r\n\r\n{{ none.x.y }}", "chat template, line 3, column 10: there is no attribute 'x'"},
        {"{{ missing.x }}", "chat template, line 1, column 11: 'missing' is undefined"},
        {"{{ 'a'.frob() }}", "chat template, line 1, column 12: there is no attribute 'frob'"},
        {"{{ raise_exception('no!') }}",
         "chat template, line 1, column 19: the template refuses: no!"},
        {"{{ 1 / 0 }}", "chat template, line 1, column 6: division by zero"},
        {"{% if x %}", "chat template, line 1, column 11: this block has no {% elif %}"},
        {"{{ 'x'.encode() }}", "chat template, line 1, column 14: 'encode' is not supported"},
        {"{{ lipsum() }}", "chat template, line 1, column 10: 'lipsum' is not supported"},
        {"{{ 99999999999999999999 }}",
         "chat template, line 1, column 4: integers beyond 64 bits are not supported"},
        {"{{ [] | random }}",
         "chat template, line 1, column 9: no filter or test named 'random' is supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jinja_data *d = jinja_data_open();
        jinja_output out;
        error err;
        assert_int_equal(
            jinja_support_render(cases[i][0], strlen(cases[i][0]), d, NULL, &out, &err), -1);
        assert_string_equal(err.text, cases[i][1]);
        assert_int_equal(err.code, ERROR_LOAD);
        jinja_data_close(d);
    }
}

static void refuses_broken_input(void **state)
{
    (void)state;
    jinja_template *t = NULL;
    jinja_output out;
    error err = {0};
    assert_int_equal(jinja_parse("a\xff", 2, &t, &err), -1);
    assert_null(t);
    assert_int_equal(jinja_parse("{{ x }}", 7, &t, NULL), 0);
    jinja_data *d = jinja_data_open();
    assert_null(jinja_text(d, "\xc3", 1, 1));
    jinja_set(d, "x", NULL);
    assert_int_equal(jinja_render(t, d, NULL, NULL, &out, &err), -1);
    assert_non_null(strstr(err.text, "not valid UTF-8"));
    jinja_data_close(d);
    d = jinja_data_open();
    jinja_push(d, jinja_dict(d), jinja_none(d));
    assert_int_equal(jinja_render(t, d, NULL, NULL, &out, &err), -1);
    jinja_data_close(d);
    assert_int_equal(jinja_render(t, NULL, NULL, NULL, &out, &err), -1);
    d = jinja_data_open();
    static const char *const broken[] = {
        "", "{", "[1,]", "{\"a\":}", "1 2", "{\"a\" 1}", "nul", "[1 2]", "99999999999999999999"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_null(jinja_json(d, "x", broken[i], strlen(broken[i]), 1, &err));
    assert_int_equal(jinja_render(t, d, NULL, NULL, &out, &err), 0);
    assert_string_equal(out.text, "");
    jinja_output_release(&out);
    jinja_data_close(d);
    jinja_close(t);
    jinja_close(NULL);
    jinja_data_close(NULL);
}

static void knows_what_it_reads(void **state)
{
    (void)state;
    jinja_template *t = NULL;
    const char *source =
        "{{ strftime_now('%d') if enable_thinking }}{{ m.role }}{{ m['content'] }} tools";
    assert_int_equal(jinja_parse(source, strlen(source), &t, NULL), 0);
    assert_true(jinja_reads(t, "strftime_now") && jinja_reads(t, "enable_thinking"));
    assert_true(jinja_reads(t, "role") && jinja_reads(t, "content"));
    assert_false(jinja_reads(t, "tools"));
    jinja_close(t);
}

/* ---- threads ------------------------------------------------------------------------------------ */

typedef struct job {
    const jinja_template *t;
    const jinja_data *d;
    bool same;
} job;

static void *render_often(void *given)
{
    job *j = given;
    j->same = true;
    for (int i = 0; i < 200; i++) {
        jinja_output out;
        j->same &= jinja_render(j->t, j->d, NULL, NULL, &out, NULL) == 0 &&
                   strcmp(out.text, "a-x-a-x-b") == 0;
        jinja_output_release(&out);
    }
    return NULL;
}

static void renders_in_threads(void **state)
{
    (void)state;
    const char *source = "{% set s = 'a' ~ '-' %}{{ s ~ x ~ '-' ~ s ~ x ~ '-' }}b";
    jinja_template *t;
    jinja_data *d = jinja_data_open();
    assert_int_equal(jinja_parse(source, strlen(source), &t, NULL), 0);
    jinja_set(d, "x", jinja_text(d, "x", 1, 1));
    pthread_t threads[4];
    job jobs[4];
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (job){t, d, false};
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(jobs[i].same);
    }
    jinja_close(t);
    jinja_data_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_as_jinja2),
        cmocka_unit_test(keeps_240_hostile_texts_apart),
        cmocka_unit_test(patterns_stay_their_owners),
        cmocka_unit_test(tells_offsets),
        cmocka_unit_test(names_line_and_column),
        cmocka_unit_test(refuses_broken_input),
        cmocka_unit_test(knows_what_it_reads),
        cmocka_unit_test(renders_in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
