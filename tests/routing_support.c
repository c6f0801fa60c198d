/* routing_support.c - see routing_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/json.h"
#include "routing_support.h"

engine *support_engine(const char *path, int max_rows, const atomic_bool *cancel)
{
    error err = {0};
    engine_options options = {
        .path = path, .backend = {.threads = 1}, .max_rows = max_rows, .cancel = cancel};
    engine *e = engine_open(&options, &err);
    if (!e)
        fail_msg("%s", err.text);
    return e;
}

mask *support_mask(const char *text)
{
    error err = {0};
    mask *m = mask_read("test.mask.json", text, strlen(text), &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

rule_list *support_rules(const char *text)
{
    error err = {0};
    json_document *d = json_parse("rules", text, strlen(text), &err);
    rule_list *r = d ? rules_read(json_root(d), &err) : NULL;
    json_close(d);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

router_program *support_program(const engine *e, router_settings s, const char *mask_text,
                                const rule_list *rules)
{
    error err = {0};
    mask *m = mask_text ? support_mask(mask_text) : NULL;
    const mask *list[] = {m};
    s.masks = list;
    s.mask_count = m ? 1 : 0;
    s.rules = rules;
    s.tokenizer = engine_tokenizer(e);
    s.chat = engine_chat(e);
    router_program *p = router_program_compile(engine_config(e), NULL, &s, &err);
    mask_close(m);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

session *support_session(engine *e, const router_program *program, int context)
{
    error err = {0};
    session *s = session_open(e, context, DTYPE_F32, &err);
    if (!s || session_set_program(s, program, &err))
        fail_msg("%s", err.text);
    return s;
}

float *support_read(engine *e, session *s, const int *ids, int n)
{
    error err = {0};
    float *logits = calloc((size_t)n * (size_t)engine_config(e)->vocabulary, sizeof *logits);
    step st = {s, ids, n, LOGITS_ALL, logits};
    assert_non_null(logits);
    if (engine_advance(e, &st, 1, &err))
        fail_msg("%s", err.text);
    return logits;
}

float *support_logits(engine *e, const router_program *program, const int *ids, int n)
{
    session *s = support_session(e, program, n);
    float *logits = support_read(e, s, ids, n);
    session_close(s);
    return logits;
}

void support_ids(const engine *e, int seed, int *ids, int n)
{
    unsigned at = 12345u + 977u * (unsigned)seed;
    for (int i = 0; i < n; i++) {
        at = at * 1664525u + 1013904223u;
        ids[i] = (int)((at >> 8) % (unsigned)engine_config(e)->vocabulary);
    }
}
