/* council_support.c - see council_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "council_support.h"

cast *cast_open(void)
{
    cast *k = calloc(1, sizeof *k);
    assert_non_null(k);
    atomic_init(&k->cancel, false);
    k->e = support_engine(COUNCIL_MODEL, 32, &k->cancel);
    k->rules = support_rules("[{\"when\":{\"pattern\":\"[a-m]\"},\"do\":{\"ban\":\"0-2\"}},"
                             " {\"when\":{\"role\":\"assistant\"},\"layers\":\"1\","
                             "\"do\":{\"force\":\"6\",\"k\":4}}]");
    k->bad_rules = support_rules("[{\"when\":{\"pattern\":\"(x|xx)+[^x]\"},\"do\":{\"k\":2}}]");
    router_settings plain = router_settings_plain(), few = plain;
    few.experts_per_token = 2;
    k->programs[1] = support_program(
        k->e, plain, "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0\":\"0-3\",\"1\":\"2-6\"}}",
        NULL);
    k->programs[2] = support_program(
        k->e, few, "{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"0-1\":{\"1\":1.5,\"6\":-2}}}",
        NULL);
    k->programs[3] = support_program(k->e, plain, NULL, k->rules);
    k->failing = support_program(k->e, plain, NULL, k->bad_rules);
    return k;
}

void cast_close(cast *k)
{
    for (int i = 0; i < CAST; i++)
        router_program_close(k->programs[i]);
    router_program_close(k->failing);
    rules_close(k->rules);
    rules_close(k->bad_rules);
    engine_close(k->e);
    free(k);
}

int cast_setup(void **state)
{
    *state = cast_open();
    return 0;
}

int cast_teardown(void **state)
{
    cast_close(*state);
    return 0;
}

council_options cast_options(void)
{
    return (council_options){
        .context = 400, .kv = DTYPE_F32, .prefill = PREFILL_OWN, .max_tokens = 60};
}

pass_options cast_pass(const cast *k, int i, double temperature)
{
    static const char *const names[CAST] = {"a", "b", "c", "d"};
    pass_options p = {.name = names[i], .program = k->programs[i], .sampling = sampling_defaults()};
    p.sampling.temperature = temperature;
    p.sampling.top_p = 1;
    p.sampling.seed = 7;
    return p;
}

council *cast_council(const cast *k, const council_options *o, unsigned who, double temperature)
{
    error err = {0};
    council *c = council_open(k->e, o, &err);
    for (int i = 0; i < CAST && c; i++) {
        pass_options p = cast_pass(k, i, temperature);
        if (who >> i & 1 && council_add(c, &p, &err) < 0)
            fail_msg("%s", err.text);
    }
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

/* ---- asking ------------------------------------------------------------------------------------ */

const char *cast_instruction(const char *name)
{
    return *name == 'b' ? "You are the coder." : *name == 'c' ? "You are a user." : NULL;
}

static council_request request_of(const council *c, int i, const chat_message *messages, size_t n)
{
    return (council_request){.instruction = cast_instruction(council_name(c, i)),
                             .messages = messages,
                             .count = n,
                             .seed = c->passes[i]->sampling.seed};
}

int cast_try(council *c, const char *prompt, size_t len, error *err)
{
    chat_message question = {CHAT_USER, prompt, len};
    council_request requests[CAST];
    for (int i = 0; i < council_passes(c); i++)
        requests[i] = request_of(c, i, &question, 1);
    return council_ask(c, requests, err);
}

void cast_ask(council *c, const char *prompt, const council_events *events)
{
    error err = {0};
    if (events)
        assert_int_equal(council_subscribe(c, events, &err), 0);
    if (cast_try(c, prompt, strlen(prompt), &err))
        fail_msg("%s", err.text);
    if (events)
        council_unsubscribe(c, events);
}

/* ---- conversations ----------------------------------------------------------------------------- */

static void *copy_of(const void *bytes, size_t n)
{
    char *copy = bytes ? malloc(n + 1) : NULL;
    if (copy) {
        memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

static turn_answer copy_reply(const turn_answer *r)
{
    turn_answer copy = *r;
    copy.text.v = copy_of(r->text.v, r->text.len);
    copy.ids.v = copy_of(r->ids.v, r->ids.len * sizeof *r->ids.v);
    copy.logprobs = copy_of(r->logprobs, r->ids.len * sizeof *r->logprobs);
    return copy;
}

static void drop_reply(turn_answer *r)
{
    free((void *)r->text.v);
    free((void *)r->ids.v);
    free((void *)r->logprobs);
    *r = (turn_answer){0};
}

cast_talk cast_talk_of(council *c)
{
    return (cast_talk){.c = c};
}

/* The replies become messages, and the question follows. */
static void put_question(cast_talk *t, const char *prompt)
{
    for (int i = 0; i < council_passes(t->c); i++) {
        turn_answer *r = &t->replies[i];
        size_t n = t->count;
        if (n)
            t->messages[i][n++] =
                (chat_message){CHAT_ASSISTANT, copy_of(r->text.v, r->text.len), r->text.len};
        t->messages[i][n++] =
            (chat_message){CHAT_USER, copy_of(prompt, strlen(prompt)), strlen(prompt)};
        assert_true(n < 16);
        t->requests[i] = request_of(t->c, i, t->messages[i], n);
        drop_reply(r);
    }
    t->count += t->count ? 2 : 1;
}

void cast_talk_ask(cast_talk *t, const char *prompt)
{
    error err = {0};
    put_question(t, prompt);
    if (council_ask(t->c, t->requests, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < council_passes(t->c); i++) {
        turn_answer r = *council_answer(t->c, i);
        t->replies[i] = copy_reply(&r);
    }
    t->round = (council_round){t->requests, t->replies, council_shared_prefill(t->c)};
}

void cast_talk_adopt(cast_talk *t, const char *prompt, const turn_answer *replies)
{
    assert_int_equal(t->count, 0);
    put_question(t, prompt);
    for (int i = 0; i < council_passes(t->c); i++)
        t->replies[i] = copy_reply(&replies[i]);
    t->round = (council_round){t->requests, t->replies, false};
}

void cast_talk_close(cast_talk *t)
{
    region_release(&t->merges);
    for (int i = 0; i < council_passes(t->c); i++) {
        for (size_t k = 0; k < t->count; k++)
            free((void *)t->messages[i][k].text);
        drop_reply(&t->replies[i]);
    }
    council_close(t->c);
}

void cast_talk_score(cast_talk *t, int i, const char *text, size_t len, double *loglik,
                     double *prompt_nll)
{
    static const int none[1] = {0};
    tokens ids = {0};
    error err = {0};
    assert_int_equal(
        tokenizer_encode(engine_tokenizer(council_engine(t->c)), text, len, &ids, NULL, &err), 0);
    score_request readings[2] = {{.judge = i, .ids = ids.v ? ids.v : none, .n = (int)ids.len},
                                 {.judge = i, .n = council_settings(t->c)->context}};
    if (council_score_batch(t->c, &t->round, readings, prompt_nll ? 2 : 1, NULL, NULL, &err))
        fail_msg("%s", err.text);
    *loglik = readings[0].mean;
    if (prompt_nll)
        *prompt_nll = -readings[1].mean;
    tokens_release(&ids);
}

merge_options cast_merge_options(merge_method method)
{
    return (merge_options){.method = method, .rounds = 1, .seed = 3, .max_tokens = 30};
}

void cast_merge(cast_talk *t, const merge_options *o, turn_merge *out)
{
    error err = {0};
    if (merge_run(t->c, &t->round, o, &t->merges, out, &err))
        fail_msg("%s", err.text);
}
