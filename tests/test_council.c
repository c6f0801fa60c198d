/* test_council.c - passes in lockstep: each writes what it would have written alone, and one that
 * fails, loops, stops or is interrupted leaves the others as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/text/stop_tokens.h"
#include "council_support.h"

enum { EVERYONE = 15 };

/* ---- lockstep equals solo ---------------------------------------------------------------------- */

/* What a pass wrote and computed: every token event's bytes and the logits behind it. */
typedef struct account {
    council *c;
    cast_talk talk;
    council_events events;
    uint64_t logits[CAST];
    buf told[CAST];
    int answers[CAST];
} account;

static void hash_logits(void *user, int i, const char *bytes, size_t len, bool thinking)
{
    account *a = user;
    const pass *p = a->c->passes[i];
    const unsigned char *z = (const unsigned char *)p->logits;
    size_t n = (size_t)engine_config(a->c->engine)->vocabulary * sizeof(float);
    uint64_t hash = a->logits[i] ^ 0xcbf29ce484222325;
    for (size_t at = 0; at < n; at++)
        hash = (hash ^ z[at]) * 0x100000001b3;
    a->logits[i] = hash;
    assert_false(thinking);
    assert_int_equal(buf_add(&a->told[i], bytes, len, NULL), 0);
}

static void count_answer(void *user, int i, const turn_answer *done)
{
    account *a = user;
    a->answers[i]++;
    assert_ptr_equal(done, council_answer(a->c, i));
}

/* Asks prompts[0..turns), and listens to the last. */
static void listen(account *a, council *c, const char *const *prompts, int turns)
{
    error err = {0};
    *a = (account){.c = c, .talk = cast_talk_of(c)};
    for (int i = 0; i < turns - 1; i++)
        cast_talk_ask(&a->talk, prompts[i]);
    a->events = (council_events){.user = a, .token = hash_logits, .answer = count_answer};
    assert_int_equal(council_subscribe(c, &a->events, &err), 0);
    cast_talk_ask(&a->talk, prompts[turns - 1]);
}

static void assert_equal_answers(const account *x, int i, const account *y, int j)
{
    const turn_answer *a = council_answer(x->c, i), *b = council_answer(y->c, j);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->ids.len, b->ids.len);
    assert_memory_equal(a->ids.v, b->ids.v, a->ids.len * sizeof(int));
    assert_int_equal(a->text.len, b->text.len);
    assert_memory_equal(a->text.v, b->text.v, a->text.len);
    assert_int_equal(a->stop, b->stop);
    assert_true(x->logits[i] == y->logits[j]);
    assert_int_equal(x->answers[i], 1);
    assert_int_equal(x->told[i].len, a->text.len);
    assert_memory_equal(x->told[i].v ? x->told[i].v : "", a->text.v, a->text.len);
    const float *p = x->c->passes[i]->logits, *q = y->c->passes[j]->logits;
    assert_memory_equal(p, q, (size_t)engine_config(x->c->engine)->vocabulary * sizeof(float));
}

static void release_account(account *a)
{
    for (int i = 0; i < CAST; i++)
        buf_release(&a->told[i]);
    cast_talk_close(&a->talk);
}

/* So that what stands behind each token can be looked at. */
static council_options kept_options(void)
{
    council_options o = cast_options();
    o.keep_logits = true;
    return o;
}

/* Two turns together, and alone; returns how many different lengths the first answers had. */
static int compare_with_solo(const cast *k, prefill_mode prefill, double temperature)
{
    static const char *const prompts[] = {"Is it ever right to lie?", "and then?"};
    council_options o = kept_options();
    o.prefill = prefill;
    int lengths = 0;
    for (int turns = 1; turns <= 2; turns++) {
        account all;
        listen(&all, cast_council(k, &o, EVERYONE, temperature), prompts, turns);
        for (int i = 0; i < CAST; i++) {
            account solo;
            listen(&solo, cast_council(k, &o, 1u << i, temperature), prompts, turns);
            assert_equal_answers(&all, i, &solo, 0);
            release_account(&solo);
            bool new = turns == 1;
            for (int j = 0; j < i; j++)
                new = new &&council_answer(all.c, i)->ids.len != council_answer(all.c, j)->ids.len;
            lengths += new;
        }
        release_account(&all);
    }
    return lengths;
}

static void lockstep_equals_solo_greedy(void **state)
{
    assert_true(compare_with_solo(*state, PREFILL_OWN, 0) >= 2);
}

static void lockstep_equals_solo_by_chance(void **state)
{
    assert_true(compare_with_solo(*state, PREFILL_OWN, 1) >= 2);
}

static void lockstep_equals_solo_with_a_shared_prefill(void **state)
{
    compare_with_solo(*state, PREFILL_SHARED, 0);
    compare_with_solo(*state, PREFILL_SHARED, 1);
}

/* ---- prefill ----------------------------------------------------------------------------------- */

/* The logits that pass i's first token is drawn from, made from its prompt by hand: `program_start`
 * tokens without the program, the rest under it. */
static void assert_first_logits(const cast *k, const account *a, int i, int program_start)
{
    const pass *p = a->c->passes[i];
    error err = {0};
    int n = (int)p->prompt.len;
    size_t row = (size_t)engine_config(k->e)->vocabulary;
    session *s = support_session(k->e, NULL, 400);
    float *z = NULL;
    if (program_start)
        z = support_read(k->e, s, p->prompt.v, program_start);
    assert_int_equal(session_set_program(s, k->programs[i], &err), 0);
    float *rest = program_start < n
                      ? support_read(k->e, s, p->prompt.v + program_start, n - program_start)
                      : z;
    int last = program_start < n ? n - program_start - 1 : n - 1;
    int best = 0;
    for (size_t t = 0; t < row; t++)
        if (rest[(size_t)last * row + t] > rest[(size_t)last * row + (size_t)best])
            best = (int)t;
    assert_int_equal(council_answer(a->c, i)->ids.v[0], best);
    /* And the whole answer, teacher-forced on the same sequence, ends in the same logits. */
    const turn_answer *done = council_answer(a->c, i);
    int more = session_length(p->session) - n;
    assert_true(more >= 0 && more <= (int)done->ids.len);
    if (more) {
        float *end = support_read(k->e, s, done->ids.v, more);
        assert_memory_equal(end + (size_t)(more - 1) * row, p->logits, row * sizeof(float));
        free(end);
    }
    if (rest != z)
        free(rest);
    free(z);
    session_close(s);
}

/* A token is the same whether its logits stay where they were made or come along. */
static void tokens_do_not_depend_on_logits_kept(void **state)
{
    const cast *k = *state;
    council_options kept = kept_options(), not_kept = cast_options();
    account a, b;
    for (int temperature = 0; temperature < 2; temperature++) {
        listen(&a, cast_council(k, &kept, EVERYONE, temperature), (const char *[]){"Is it?"}, 1);
        listen(&b, cast_council(k, &not_kept, EVERYONE, temperature), (const char *[]){"Is it?"},
               1);
        for (int i = 0; i < CAST; i++) {
            const turn_answer *x = council_answer(a.c, i), *y = council_answer(b.c, i);
            assert_int_equal(x->ids.len, y->ids.len);
            assert_memory_equal(x->ids.v, y->ids.v, x->ids.len * sizeof(int));
        }
        release_account(&a);
        release_account(&b);
    }
}

static void own_programs_act_from_the_first_token(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    account a;
    listen(&a, cast_council(k, &o, EVERYONE, 0), (const char *[]){"Is it the code?"}, 1);
    assert_false(council_shared_prefill(a.c));
    for (int i = 0; i < CAST; i++)
        assert_first_logits(k, &a, i, 0);
    release_account(&a);
}

/* In the prompt of pass i the instruction follows "\n\n" behind the last word. */
static int own_words(const cast *k, const pass *p, int i)
{
    if (!cast_instruction(cast_pass(k, i, 0).name))
        return (int)p->prompt.len;
    buf text = {0};
    int at = 0;
    for (size_t len; !text.v || !strstr(text.v, "\n\n"); at++) {
        const char *piece = tokenizer_piece(engine_tokenizer(k->e), p->prompt.v[at], &len);
        assert_int_equal(buf_add(&text, piece, len, NULL), 0);
    }
    buf_release(&text);
    return at - 2; /* two newlines, a token each */
}

static void shared_programs_act_from_their_own_words(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    o.prefill = PREFILL_SHARED;
    account a;
    listen(&a, cast_council(k, &o, EVERYONE, 0), (const char *[]){"Is it the code?"}, 1);
    assert_true(council_shared_prefill(a.c));
    for (int i = 0; i < CAST; i++)
        assert_first_logits(k, &a, i, own_words(k, a.c->passes[i], i));
    release_account(&a);
}

/* Who comes later is asked what the others were asked before: their prompts begin with all of its own. */
static void what_all_begin_with_may_be_a_whole_prompt(void **state)
{
    static const chat_message past[] = {
        {CHAT_USER, "Is it?", 6}, {CHAT_ASSISTANT, "It is.", 6}, {CHAT_USER, "Is it?", 6}};
    const cast *k = *state;
    council_options o = kept_options();
    o.prefill = PREFILL_SHARED;
    account a = {.c = cast_council(k, &o, 3, 0)};
    council_request requests[] = {{.messages = past, .count = 3}, {.messages = past, .count = 1}};
    error err = {0};
    assert_int_equal(council_ask(a.c, requests, &err), 0);
    for (int i = 0; i < 2; i++)
        assert_first_logits(k, &a, i, (int)a.c->passes[i]->prompt.len);
    council_close(a.c);
}

static void a_long_prompt_is_shared_by_itself(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    o.prefill = PREFILL_AUTO;
    o.max_tokens = 2;
    char prompt[301];
    memset(prompt, 'x', 300);
    prompt[300] = '\0';
    council *c = cast_council(k, &o, EVERYONE, 0);
    cast_ask(c, prompt, NULL);
    assert_true(council_shared_prefill(c));
    prompt[100] = '\0';
    cast_ask(c, prompt, NULL);
    assert_false(council_shared_prefill(c));
    council_close(c);
}

/* ---- how answers end --------------------------------------------------------------------------- */

static void answers_end_as_they_say(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    o.loop = 8;
    int seen[5] = {0};
    for (int round = 0; round < 12; round++) {
        char prompt[] = "no? a";
        prompt[4] = (char)('a' + round);
        council *c = cast_council(k, &o, EVERYONE, round % 2);
        cast_ask(c, prompt, NULL);
        for (int i = 0; i < CAST; i++) {
            const turn_answer *a = council_answer(c, i);
            bool ended = stop_tokens_have(engine_stops(k->e), a->ids.v[a->ids.len - 1]);
            seen[a->stop]++;
            assert_int_equal(a->stop == STOP_END, ended);
            assert_true(a->stop != STOP_LENGTH || a->ids.len == 60);
            assert_true(a->ids.len <= 60);
            assert_int_equal(a->prompt_tokens, c->passes[i]->prompt.len);
        }
        council_close(c);
    }
    assert_true(seen[STOP_END] > 0 && seen[STOP_LENGTH] > 0 && seen[STOP_LOOP] > 0);
}

/* ---- stop strings ------------------------------------------------------------------------------ */

static void stop_strings_end_an_answer_across_tokens(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    account free_run;
    listen(&free_run, cast_council(k, &o, 1, 1), (const char *[]){"a thing"}, 1);
    const turn_answer *whole = council_answer(free_run.c, 0);
    /* Bytes 6 to 8 of what it says: they come in two or three tokens. */
    assert_true(whole->text.len > 12);
    char stop[4] = {0}, never[] = "a stop that never comes";
    memcpy(stop, whole->text.v + 6, 3);
    assert_null(memchr(stop, 0, 3));
    size_t where =
        (size_t)((char *)memmem(whole->text.v, whole->text.len, stop, 3) - whole->text.v);
    const char *stops[] = {never, stop};
    o.stops = stops;
    o.stop_count = 2;
    account a;
    listen(&a, cast_council(k, &o, 1, 1), (const char *[]){"a thing"}, 1);
    const turn_answer *cut = council_answer(a.c, 0);
    assert_int_equal(cut->stop, STOP_END);
    assert_int_equal(cut->text.len, where);
    assert_memory_equal(cut->text.v, whole->text.v, where);
    assert_int_equal(a.told[0].len, where); /* not a byte of the stop string was ever told */
    assert_true(cut->ids.len < whole->ids.len);
    release_account(&a);
    release_account(&free_run);
}

/* ---- interrupt and failure --------------------------------------------------------------------- */

typedef struct cutter {
    atomic_bool *cancel;
    int tokens;
} cutter;

static void cut_after(void *user, int i, const char *bytes, size_t len, bool thinking)
{
    cutter *c = user;
    (void)i, (void)bytes, (void)len, (void)thinking;
    if (--c->tokens == 0)
        atomic_store(c->cancel, true);
}

static void an_interrupt_keeps_what_was_written(void **state)
{
    cast *k = *state;
    council_options o = kept_options();
    error err = {0};
    cast_talk whole = cast_talk_of(cast_council(k, &o, EVERYONE, 1));
    cast_talk cut = cast_talk_of(cast_council(k, &o, EVERYONE, 1));
    cutter user = {&k->cancel, 12};
    council_events events = {.user = &user, .token = cut_after};
    assert_int_equal(council_subscribe(cut.c, &events, &err), 0);
    cast_talk_ask(&whole, "Is it?");
    cast_talk_ask(&cut, "Is it?");
    atomic_store(&k->cancel, false);
    int interrupted = 0, before[CAST];
    for (int i = 0; i < CAST; i++) {
        const turn_answer *a = council_answer(cut.c, i), *b = council_answer(whole.c, i);
        assert_true(a->ids.len <= b->ids.len && a->text.len <= b->text.len);
        assert_memory_equal(a->text.v, b->text.v, a->text.len);
        interrupted += a->stop == STOP_INTERRUPTED && a->text.len > 0;
        before[i] = a->prompt_tokens + (int)a->text.len;
    }
    assert_true(interrupted >= 2);
    /* The council goes on, and says what it says with that past. */
    cast_talk_ask(&cut, "and?");
    for (int i = 0; i < CAST; i++)
        assert_true(council_answer(cut.c, i)->stop != STOP_ERROR &&
                    council_answer(cut.c, i)->prompt_tokens > before[i]);
    cast_talk_close(&whole);
    cast_talk_close(&cut);
}

static void an_interrupt_while_reading_changes_nothing(void **state)
{
    cast *k = *state;
    council_options o = kept_options();
    council *c = cast_council(k, &o, EVERYONE, 0), *fresh = cast_council(k, &o, EVERYONE, 0);
    error err = {0};
    atomic_store(&k->cancel, true);
    assert_int_equal(cast_try(c, "Is it?", 6, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    atomic_store(&k->cancel, false);
    cast_ask(c, "Is it?", NULL);
    cast_ask(fresh, "Is it?", NULL);
    for (int i = 0; i < CAST; i++)
        assert_string_equal(council_answer(c, i)->text.v, council_answer(fresh, i)->text.v);
    council_close(c);
    council_close(fresh);
}

/* The prompt makes the pattern of the failing pass give up, at once or only later. */
static void one_failed_pass_does_not_hide_the_others(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    for (int temperature = 0; temperature < 2; temperature++) {
        council *c = cast_council(k, &o, 7, temperature), *without;
        pass_options p = cast_pass(k, 3, temperature);
        error err = {0};
        p.program = k->failing;
        assert_int_equal(council_add(c, &p, &err), 3);
        without = cast_council(k, &o, 7, temperature);
        const char *prompt = "why xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        account a;
        listen(&a, c, &prompt, 1);
        cast_ask(without, prompt, NULL);
        const turn_answer *failed = council_answer(c, 3);
        assert_int_equal(failed->stop, STOP_ERROR);
        assert_non_null(strstr(failed->failure, "rules[0]"));
        for (int i = 0; i < 3; i++) {
            const turn_answer *x = council_answer(c, i), *y = council_answer(without, i);
            assert_int_equal(x->stop, y->stop);
            assert_int_equal(x->ids.len, y->ids.len);
            assert_memory_equal(x->ids.v, y->ids.v, x->ids.len * sizeof(int));
        }
        release_account(&a);
        council_close(without);
    }
}

/* A letter that an answer has late, its beginning not, nor its prompt; 0 when there is none. */
static char late_letter(const turn_answer *a, const char *prompt)
{
    for (size_t i = 4; i < a->text.len; i++) {
        char c = a->text.v[i];
        if (((c >= 'A' && c <= 'Z') || (c >= 'b' && c <= 'z')) && !strchr(prompt, c) &&
            !strchr("<|im_startuserassistantend|>", c) && !memchr(a->text.v, c, i))
            return c;
    }
    return 0;
}

/* Reads its prompt well, and fails on a letter that it writes itself: only then the pattern is tried
 * on the many x. */
static void a_pass_that_fails_while_it_speaks_is_ended_once(void **state)
{
    static const char prompt[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const cast *k = *state;
    council_options o = kept_options();
    error err = {0};
    pass_options p = cast_pass(k, 0, 1);
    char letter = 0, text[128];
    for (p.sampling.seed = 1; !letter; p.sampling.seed += !letter) {
        council *free_run = cast_council(k, &o, 0, 1);
        assert_int_equal(council_add(free_run, &p, &err), 0);
        cast_ask(free_run, prompt, NULL);
        letter = late_letter(council_answer(free_run, 0), prompt);
        council_close(free_run);
    }
    (void)snprintf(text, sizeof text, "[{\"when\":{\"pattern\":\"(x|xx)+%c\"},\"do\":{\"k\":2}}]",
                   letter);
    rule_list *rules = support_rules(text);
    router_program *program = support_program(k->e, router_settings_plain(), NULL, rules);
    p.program = program;
    council *c = cast_council(k, &o, 6, 1);
    assert_int_equal(council_add(c, &p, &err), 2);
    account a;
    listen(&a, c, (const char *[]){prompt}, 1);
    const turn_answer *failed = council_answer(c, 2);
    assert_int_equal(failed->stop, STOP_ERROR);
    assert_true(failed->ids.len > 4 && failed->text.v[failed->text.len - 1] == letter);
    assert_int_equal(a.answers[2], 1);
    assert_int_equal(a.answers[0] + a.answers[1], 2);
    assert_true(council_answer(c, 0)->stop != STOP_ERROR);
    release_account(&a);
    router_program_close(program);
    rules_close(rules);
}

static void when_all_fail_the_council_fails(void **state)
{
    const cast *k = *state;
    council_options o = kept_options();
    council *c = cast_council(k, &o, 0, 0);
    pass_options p = cast_pass(k, 0, 0);
    error err = {0};
    p.program = k->failing;
    assert_int_equal(council_add(c, &p, &err), 0);
    const char *prompt = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    assert_int_equal(cast_try(c, prompt, strlen(prompt), &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    council_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lockstep_equals_solo_greedy),
        cmocka_unit_test(lockstep_equals_solo_by_chance),
        cmocka_unit_test(lockstep_equals_solo_with_a_shared_prefill),
        cmocka_unit_test(tokens_do_not_depend_on_logits_kept),
        cmocka_unit_test(own_programs_act_from_the_first_token),
        cmocka_unit_test(shared_programs_act_from_their_own_words),
        cmocka_unit_test(what_all_begin_with_may_be_a_whole_prompt),
        cmocka_unit_test(a_long_prompt_is_shared_by_itself),
        cmocka_unit_test(answers_end_as_they_say),
        cmocka_unit_test(stop_strings_end_an_answer_across_tokens),
        cmocka_unit_test(an_interrupt_keeps_what_was_written),
        cmocka_unit_test(an_interrupt_while_reading_changes_nothing),
        cmocka_unit_test(one_failed_pass_does_not_hide_the_others),
        cmocka_unit_test(a_pass_that_fails_while_it_speaks_is_ended_once),
        cmocka_unit_test(when_all_fail_the_council_fails),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
