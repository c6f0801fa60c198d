/* test_events.c - who has subscribed to a council hears of it: several at once, and of a part under the
 * indices of the whole. What they hear of routing is what a session of their own is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "council_support.h"

enum { EVERYONE = 15 };
static const char PROMPT[] = "Is it the code?";

/* What the router chose, as bytes: for each token and layer the numbers, the experts, the gates. */
typedef struct account {
    buf of[CAST];
    int calls[CAST];
    int answers;
} account;

static void add_route(account *r, int i, const route_trace *t)
{
    int head[3] = {t->layer, t->position, t->slots};
    size_t n = (size_t)t->slots;
    assert_int_equal(buf_add(&r->of[i], head, sizeof head, NULL), 0);
    assert_int_equal(buf_add(&r->of[i], t->ids, n * sizeof *t->ids, NULL), 0);
    assert_int_equal(buf_add(&r->of[i], t->gates, n * sizeof *t->gates, NULL), 0);
    r->calls[i]++;
}

static void on_routing(void *user, int i, const route_trace *t)
{
    add_route(user, i, t);
}

static void on_answer(void *user, int i, const turn_answer *a)
{
    account *r = user;
    (void)i, (void)a;
    r->answers++;
}

static void on_trace(void *user, const session *s, const route_trace *t)
{
    (void)s;
    add_route(user, 0, t);
}

static void assert_same_routes(const buf *a, const buf *b)
{
    assert_int_equal(a->len, b->len);
    if (a->len)
        assert_memory_equal(a->v, b->v, a->len);
}

static void release_routes(account *r)
{
    for (int i = 0; i < CAST; i++)
        buf_release(&r->of[i]);
}

/* The same tokens in a session of their own: the prompt unshown, then what was said, token by token. */
static account own_routes(const cast *k, const council *c, int i)
{
    const tokens *prompt = &c->passes[i]->prompt;
    const turn_answer *a = council_answer(c, i);
    session *s = support_session(k->e, k->programs[i], 400);
    account r = {0};
    free(support_read(k->e, s, prompt->v, (int)prompt->len));
    engine_trace(k->e, on_trace, &r);
    for (int t = 0; t < session_length(c->passes[i]->session) - (int)prompt->len; t++)
        free(support_read(k->e, s, &a->ids.v[t], 1));
    engine_trace(k->e, NULL, NULL);
    session_close(s);
    return r;
}

static int layers_with_experts(const engine *e)
{
    int n = 0;
    for (int i = 0; i < engine_config(e)->layers; i++)
        n += engine_config(e)->moe_layer[i];
    return n;
}

static void two_subscribers_hear_the_same_routing(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 1);
    account heard[2];
    memset(heard, 0, sizeof heard);
    error err = {0};
    council_events events[2];
    for (int i = 0; i < 2; i++) {
        events[i] = (council_events){.user = &heard[i], .answer = on_answer, .routing = on_routing};
        assert_int_equal(council_subscribe(c, &events[i], &err), 0);
    }
    cast_ask(c, PROMPT, NULL);
    assert_int_equal(heard[0].answers, CAST);
    assert_int_equal(heard[1].answers, CAST);
    for (int i = 0; i < CAST; i++) {
        account own = own_routes(k, c, i);
        int read = (int)council_answer(c, i)->ids.len - 1; /* the last is never read */
        assert_true(read > 0);
        assert_int_equal(heard[0].calls[i], read * layers_with_experts(k->e));
        assert_same_routes(&heard[0].of[i], &own.of[0]);
        assert_same_routes(&heard[1].of[i], &own.of[0]);
        release_routes(&own);
    }
    release_routes(&heard[0]);
    release_routes(&heard[1]);
    council_close(c);
}

/* The figures of an answer do not depend on who else listens. */
static void figures_are_one_subscriber_of_many(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 1), *unheard = cast_council(k, &o, EVERYONE, 1);
    account heard = {0};
    council_events events = {.user = &heard, .routing = on_routing};
    cast_ask(c, PROMPT, &events);
    cast_ask(unheard, PROMPT, NULL);
    size_t layers = (size_t)engine_config(k->e)->layers;
    assert_true(council_times(c)->union_experts_per_step ==
                council_times(unheard)->union_experts_per_step);
    assert_true(council_times(c)->picks_per_step > 0);
    for (int i = 0; i < CAST; i++) {
        const turn_answer *a = council_answer(c, i), *b = council_answer(unheard, i);
        assert_memory_equal(a->used.v, b->used.v, layers * sizeof(int));
        assert_true(a->banned_mass == b->banned_mass);
    }
    /* Who has left hears nothing. */
    int calls = heard.calls[0];
    cast_ask(c, PROMPT, NULL);
    assert_int_equal(heard.calls[0], calls);
    release_routes(&heard);
    council_close(c);
    council_close(unheard);
}

static void a_part_is_heard_by_the_whole_and_by_its_own(void **state)
{
    static const int who[] = {3, 1};
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 1);
    account whole = {0}, own = {0};
    council_events of_whole = {.user = &whole, .answer = on_answer, .routing = on_routing};
    council_events of_part = {.user = &own, .answer = on_answer, .routing = on_routing};
    error err = {0};
    assert_int_equal(council_subscribe(c, &of_whole, &err), 0);
    council *part = council_part(c, who, 2, &err);
    assert_non_null(part);
    assert_int_equal(council_subscribe(part, &of_part, &err), 0);
    cast_ask(part, PROMPT, NULL);
    assert_int_equal(whole.answers, 2);
    assert_int_equal(own.answers, 2);
    assert_true(own.of[0].len > 0 && own.of[1].len > 0);
    assert_same_routes(&whole.of[3], &own.of[0]);
    assert_same_routes(&whole.of[1], &own.of[1]);
    assert_int_equal(whole.of[0].len + whole.of[2].len, 0);
    council_close(part);
    council_close(c);
    release_routes(&whole);
    release_routes(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_subscribers_hear_the_same_routing),
        cmocka_unit_test(figures_are_one_subscriber_of_many),
        cmocka_unit_test(a_part_is_heard_by_the_whole_and_by_its_own),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
