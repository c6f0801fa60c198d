/* dialogue_support.c - see dialogue_support.h. */
#include <limits.h>
#include <malloc.h>
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

#include "dialogue_support.h"
#include "scratch.h"

/* There only under AddressSanitizer, where malloc's own figures say nothing. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* ---- the table --------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *const FILES[][2] = {
    {"ann", "{\"persona\":1,\"name\":\"ann\",\"instruction\":{\"en\":\"You are Ann.\","
            "\"ru\":\"\xd0\xa2\xd1\x8b \xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0.\"}}"},
    {"bob", "{\"persona\":1,\"name\":\"bob\",\"instruction\":\"You are the coder.\","
            "\"router\":{\"experts_per_token\":2}}"},
    {"cleo", "{\"persona\":1,\"name\":\"cleo\"}"},
    {"dora", "{\"persona\":1,\"name\":\"dora\",\"instruction\":\"You are Dora.\"}"},
};

static void persona_path(const table *k, const char *name, char path[256])
{
    (void)snprintf(path, 256, "%s/consilium/personas/%s.json", k->folder, name);
}

int table_setup(void **state)
{
    table *k = calloc(1, sizeof *k);
    assert_non_null(k);
    scratch_folder(k->folder, "dialogue");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/consilium", k->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/consilium/personas", k->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        persona_path(k, FILES[i][0], path);
        write_file(path, FILES[i][1]);
    }
    (void)snprintf(k->mask, sizeof k->mask, "%s/cleo.mask.json", k->folder);
    write_file(k->mask, "{\"mask\":1,\"model\":null,\"mode\":\"keep\","
                        "\"layers\":{\"0\":\"0-3\",\"1\":\"2-6\"}}");
    setenv("XDG_CONFIG_HOME", k->folder, 1);
    setenv("XDG_CACHE_HOME", k->folder, 1);
    atomic_init(&k->cancel, false);
    k->e = support_engine(COUNCIL_MODEL, 32, &k->cancel);
    *state = k;
    return 0;
}

int table_teardown(void **state)
{
    table *k = *state;
    char path[256];
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        persona_path(k, FILES[i][0], path);
        (void)unlink(path);
    }
    (void)unlink(k->mask);
    (void)snprintf(path, sizeof path, "%s/consilium/personas", k->folder);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/consilium", k->folder);
    (void)rmdir(path);
    (void)rmdir(k->folder);
    engine_close(k->e);
    free(k);
    return 0;
}

dialogue_options table_options(void)
{
    return (dialogue_options){.council = {.context = TABLE_CONTEXT,
                                          .kv = DTYPE_F32,
                                          .prefill = PREFILL_OWN,
                                          .max_tokens = 24},
                              .context = CONTEXT_OWN,
                              .seed = 7};
}

int table_seat(const table *k, dialogue *d, const char *names, error *err)
{
    char copy[128], *rest = copy;
    const char *list[8];
    int n = 0;
    bool cleo = false;
    (void)snprintf(copy, sizeof copy, "%s", names);
    for (char *name; (name = strsep(&rest, ",")) != NULL; cleo = cleo || !strcmp(name, "cleo"))
        list[n++] = name;
    named_mask given = {"cleo", k->mask};
    roster_options o = {.personas = list,
                        .persona_count = n,
                        .masks = &given,
                        .mask_count = cleo,
                        .given = GIVEN_TEMPERATURE | GIVEN_TOP_P,
                        .sampling = sampling_defaults()};
    o.sampling.temperature = 1;
    o.sampling.top_p = 1;
    return dialogue_seat(d, &o, NULL, NULL, err);
}

dialogue *table_dialogue(const table *k, const dialogue_options *o)
{
    error err = {0};
    dialogue *d = dialogue_open(k->e, o, &err);
    if (!d || table_seat(k, d, "ann,bob,cleo", &err))
        fail_msg("%s", err.text);
    return d;
}

struct turn *table_ask(dialogue *d, const char *prompt, const char *only)
{
    error err = {0};
    if (dialogue_ask(d, prompt, strlen(prompt), only, NULL, &err))
        fail_msg("%s", err.text);
    return dialogue_last(d);
}

struct turn table_copy(const struct turn *t)
{
    struct turn copy;
    assert_int_equal(turn_before(t, INT_MAX, &copy, NULL), 0);
    return copy;
}

/* ---- comparing --------------------------------------------------------------------------------- */

static void assert_same_text(const char *name, const char *a, size_t n, const char *b, size_t m)
{
    if (n != m || memcmp(a, b, n) != 0)
        fail_msg("%s says \"%.*s\", not \"%.*s\"", name, (int)n, a, (int)m, b);
}

void table_equal(const turn_answer *a, const turn_answer *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_string_equal(a->name, b->name);
    assert_same_text(a->name, a->text.v, a->text.len, b->text.v, b->text.len);
    assert_int_equal(a->ids.len, b->ids.len);
    assert_memory_equal(a->ids.v, b->ids.v, a->ids.len * sizeof(int));
    assert_int_equal(a->prompt_tokens, b->prompt_tokens);
    assert_int_equal(a->stop, b->stop);
    assert_true(a->seed == b->seed && a->program == b->program);
}

void table_same_merge(const turn_merge *x, const turn_merge *y)
{
    size_t n = (size_t)x->passes;
    assert_int_equal(x->passes, y->passes);
    assert_string_equal(x->method, y->method);
    assert_int_equal(x->winner, y->winner);
    assert_same_text("the merge", x->text.v, x->text.len, y->text.v, y->text.len);
    assert_int_equal(x->ids.len, y->ids.len);
    if (y->ids.len)
        assert_memory_equal(x->ids.v, y->ids.v, y->ids.len * sizeof(int));
    assert_int_equal(!x->scores, !y->scores);
    if (y->scores)
        assert_memory_equal(x->scores, y->scores, n * n * sizeof(double));
    assert_int_equal(!x->revised, !y->revised);
    for (size_t i = 0; y->revised && i < n; i++)
        assert_string_equal(x->revised[i].v, y->revised[i].v);
    assert_true(!x->by == !y->by && (!x->by || strcmp(x->by, y->by) == 0));
}

/* ---- by hand ----------------------------------------------------------------------------------- */

hand hand_of(const dialogue *d, const char *const *of, int count)
{
    error err = {0};
    council_options o = dialogue_settings((dialogue *)(uintptr_t)d)->council;
    hand h = {.d = d, .c = council_open(dialogue_engine(d), &o, &err), .n = count};
    assert_non_null(h.c);
    for (int i = 0; i < count; i++) {
        h.seats[i] = dialogue_find(d, of[i]);
        pass_options p = roster_pass(dialogue_roster(d), h.seats[i]);
        assert_int_equal(council_add(h.c, &p, &err), i);
        h.requests[i].seed = p.sampling.seed;
    }
    return h;
}

void hand_remember(hand *h, int i, const chat_message *messages, size_t n)
{
    assert_true(n < HAND_MESSAGES);
    if (n)
        memcpy(h->messages[i], messages, n * sizeof *messages);
    h->requests[i].count = n;
}

void hand_ask(hand *h, const char *prompt, size_t len)
{
    error err = {0};
    for (int i = 0; i < h->n; i++) {
        council_request *r = &h->requests[i];
        r->instruction = roster_instruction(dialogue_roster(h->d), h->seats[i], prompt, len);
        r->messages = h->messages[i];
        h->messages[i][r->count++] = (chat_message){CHAT_USER, prompt, len};
    }
    if (council_ask(h->c, h->requests, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < h->n; i++)
        h->replies[i] = *council_answer(h->c, i);
    h->round = (council_round){h->requests, h->replies, council_shared_prefill(h->c)};
}

void hand_close(hand *h)
{
    region_release(&h->merges);
    council_close(h->c);
}

void table_oracle(const dialogue *d, const struct turn *t, const char *name, uint64_t seed,
                  const chat_message *messages, size_t n)
{
    hand h = hand_of(d, &name, 1);
    h.requests[0].seed = seed;
    hand_remember(&h, 0, messages, n);
    hand_ask(&h, t->prompt.v, t->prompt.len);
    const turn_answer *a = council_answer(h.c, 0);
    const turn_answer *k = turn_answer_of(t, name);
    assert_non_null(k);
    assert_int_equal(k->prompt_tokens, a->prompt_tokens);
    assert_same_text(name, k->text.v, k->text.len, a->text.v, a->text.len);
    assert_int_equal(k->ids.len, a->ids.len);
    assert_memory_equal(k->ids.v, a->ids.v, a->ids.len * sizeof(int));
    hand_close(&h);
}

void table_remembered(const struct turn *t, const char *name, chat_message out[2])
{
    const turn_merge *m = turn_merged(t);
    out[0] = (chat_message){CHAT_USER, t->prompt.v, t->prompt.len};
    out[1] = (chat_message){.role = CHAT_ASSISTANT};
    if (strcmp(name, "merge") == 0) {
        assert_non_null(m);
        out[1].text = m->text.v;
        out[1].len = m->text.len;
    } else {
        turn_text words;
        assert_true(turn_words(t, name, &words));
        out[1].text = words.v;
        out[1].len = words.len;
    }
}

size_t table_allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
