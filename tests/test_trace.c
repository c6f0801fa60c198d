/* test_trace.c - a trace tells what the routers chose, what they had wanted, and changes nothing.
 *
 * What a council records while it speaks is what a session of its own is told of the same tokens. What
 * is wanted is compared with the plain definition over random logits. tensor_read() and routes_read()
 * are counted (see the Makefile): without a trace nothing is copied, also after there was one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/routing/wanted.h"
#include "../personas/trace/route_log.h"
#include "council_support.h"

enum { EVERYONE = 15, READ = 24 };
static const char PROMPT[] = "Is it the code?";

/* ---- counted calls ----------------------------------------------------------------------------- */

typedef struct copy_count {
    int tensors, routes;
} copy_count;

/* NOLINTBEGIN: the linker's names */
static copy_count *counted(void)
{
    static copy_count all;
    return &all;
}

void __real_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);
void __real_routes_read(backend *b, const routes *r, int n, const routes_host *host);
void __wrap_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);
void __wrap_routes_read(backend *b, const routes *r, int n, const routes_host *host);

void __wrap_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    counted()->tensors++;
    __real_tensor_read(b, t, row, rows, dst);
}

void __wrap_routes_read(backend *b, const routes *r, int n, const routes_host *host)
{
    counted()->routes++;
    __real_routes_read(b, r, n, host);
}
/* NOLINTEND */

/* ---- what is wanted ---------------------------------------------------------------------------- */

static float draw(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 20) / 64.0f; /* coarse: there are ties */
}

/* The definition: e is wanted when fewer than k experts come before it. */
static int rank_of(const float *z, int n, int e)
{
    int before = 0;
    for (int i = 0; i < n; i++)
        before += z[i] > z[e] || (z[i] == z[e] && i < e);
    return before;
}

static void wanted_is_the_plain_choice(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 500; round++) {
        enum { MOST = 40, SLOTS = 12 };
        float z[MOST], shares[SLOTS], sum = 0;
        int32_t ids[SLOTS];
        int n = 1 + round % MOST, k = 1 + round % 9;
        uint8_t allowed[MOST] = {1};
        layer_routing r = {.k = k, .allowed = allowed}; /* a mask has no say in it */
        for (int e = 0; e < n; e++)
            z[e] = draw(&seed);
        wanted_experts(&r, z, n, NULL, SLOTS, ids, shares);
        for (int s = 0; s < SLOTS; s++) {
            assert_int_equal(ids[s] >= 0, s < k && s < n);
            assert_true(ids[s] < 0 || rank_of(z, n, ids[s]) == s);
            sum += shares[s];
        }
        assert_true(sum > 0 && sum < 1.0001f && (k < n || sum > 0.9999f));
        z[n - 1] = NAN;
        wanted_experts(&r, z, n, NULL, SLOTS, ids, shares);
        assert_int_equal(ids[0], -1);
    }
}

static void adapters_are_wanted_under_their_own_numbers(void **state)
{
    (void)state;
    const float z[3] = {1, 5, 2}, behind[2] = {9, 3};
    const int32_t score[5] = {0, 3, 2, 4, 1}; /* of expert 1 and of those behind the model's */
    layer_routing r = {.k = 3, .adapter_count = 2, .score = score};
    int32_t ids[3];
    float shares[3];
    wanted_experts(&r, z, 3, behind, 3, ids, shares);
    assert_int_equal(ids[0], 1); /* 9 */
    assert_int_equal(ids[1], 4); /* 5 */
    assert_int_equal(ids[2], 3); /* 3 */
    assert_true(shares[0] > 0.97f);
}

/* ---- a log ------------------------------------------------------------------------------------- */

typedef struct keeper {
    route_log log;
    const council *council;
} keeper;

static void on_route(void *user, int who, const route_trace *t)
{
    keeper *k = user;
    route_log_add(&k->log, who, t);
}

static void on_trace(void *user, const session *s, const route_trace *t)
{
    (void)s;
    on_route(user, 0, t);
}

static void begin(keeper *k, const cast *all, const char *name, int program)
{
    error err = {0};
    int track = route_log_begin(&k->log, name, "", "green", all->programs[program], &err);
    assert_true(track >= 0);
}

/* The same tokens in one go, in a session of their own. */
static void read_alone(const cast *all, const route_track *t, int program, keeper *out)
{
    error err = {0};
    route_log_open(&out->log, all->e);
    begin(out, all, t->name, program);
    engine_trace_wanted(all->e, on_trace, out);
    session *s = support_session(all->e, all->programs[program], 400);
    step st = {s, t->ids.v, t->len, LOGITS_NONE, NULL};
    assert_int_equal(engine_advance(all->e, &st, 1, &err), 0);
    engine_trace(all->e, NULL, NULL);
    session_close(s);
    assert_int_equal(route_log_end(&out->log, 0, t->ids.v, (size_t)t->len, NULL, 0, &err), 0);
}

static void assert_same_track(const route_log *log, const route_track *a, const route_track *b)
{
    size_t cells = (size_t)a->len * (size_t)log->model->layers, wide = cells * (size_t)a->slots;
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->slots, b->slots);
    assert_memory_equal(a->experts, b->experts, wide * sizeof *a->experts);
    assert_memory_equal(a->wanted, b->wanted, wide * sizeof *a->wanted);
    assert_memory_equal(a->gates, b->gates, wide * sizeof *a->gates);
    assert_memory_equal(a->shares, b->shares, wide * sizeof *a->shares);
    assert_memory_equal(a->margin, b->margin, cells * sizeof *a->margin);
    assert_memory_equal(a->entropy, b->entropy, cells * sizeof *a->entropy);
    assert_memory_equal(a->banned, b->banned, cells * sizeof *a->banned);
}

static keeper record_all(const cast *all, council *c)
{
    static const char *const names[CAST] = {"a", "b", "c", "d"};
    keeper k = {.council = c};
    error err = {0};
    route_log_open(&k.log, all->e);
    for (int i = 0; i < CAST; i++)
        begin(&k, all, names[i], i);
    council_events events = {.user = &k, .routing = on_route, .reading = on_route, .wanted = true};
    cast_ask(c, PROMPT, &events);
    for (int i = 0; i < CAST; i++) {
        const tokens *prompt = &c->passes[i]->prompt;
        const turn_answer *a = council_answer(c, i);
        assert_int_equal(
            route_log_end(&k.log, i, prompt->v, prompt->len, a->ids.v, a->ids.len, &err), 0);
        assert_int_equal(k.log.v[i].len, session_length(c->passes[i]->session));
    }
    return k;
}

static void a_council_records_what_a_session_is_told(void **state)
{
    const cast *all = *state;
    council_options o = cast_options();
    council *c = cast_council(all, &o, EVERYONE, 1);
    keeper k = record_all(all, c);
    for (int i = 0; i < CAST; i++) {
        keeper own = {0};
        read_alone(all, &k.log.v[i], i, &own);
        assert_same_track(&k.log, &k.log.v[i], &own.log.v[0]);
        route_log_release(&own.log);
    }
    route_log_release(&k.log);
    council_close(c);
}

static void denied_and_stood_in_follow_from_the_mask(void **state)
{
    const cast *all = *state;
    council_options o = cast_options();
    council *c = cast_council(all, &o, EVERYONE, 1);
    keeper k = record_all(all, c);
    const route_track *plain = &k.log.v[0], *masked = &k.log.v[1];
    int ranks[8], denied = 0;
    for (int t = 0; t < plain->len; t++)
        for (int l = 0; l < 2; l++) {
            route_cell cell = route_track_cell(&k.log, plain, t, l);
            assert_memory_equal(cell.experts, cell.wanted, 3 * sizeof(int32_t));
            assert_int_equal(route_cell_denied(&cell, plain->slots, ranks), 0);
        }
    for (int t = 0; t < masked->len; t++) {
        route_cell cell = route_track_cell(&k.log, masked, t, 0); /* keeps 0 to 3 */
        int n = route_cell_denied(&cell, masked->slots, ranks);
        denied += n;
        for (int i = 0; i < n; i++)
            assert_true(cell.wanted[ranks[i]] > 3);
        assert_int_equal(route_cell_stood_in(&cell, masked->slots, ranks), n);
        for (int s = 0; s < masked->slots; s++)
            assert_true(cell.experts[s] >= 0 && cell.experts[s] <= 3);
    }
    route_figures f, g;
    error err = {0};
    assert_true(denied > 0);
    assert_int_equal(route_track_figures(&k.log, plain, &f, &err), 0);
    assert_int_equal(route_track_figures(&k.log, masked, &g, &err), 0);
    assert_true(f.denied == 0 && f.banned == 0 && g.denied > 0 && g.banned > 0);
    assert_true(g.distinct <= 4.5 && f.layers == 2 && f.tokens == plain->len);
    route_log_release(&k.log);
    council_close(c);
}

static void ignore(void *user, const session *s, const route_trace *t)
{
    (void)user, (void)s, (void)t;
}

/* The logits of READ tokens, and how much was copied for them. */
static float *read_counted(const cast *all, copy_count *out)
{
    int ids[READ];
    support_ids(all->e, 3, ids, READ);
    *counted() = (copy_count){0};
    float *logits = support_logits(all->e, all->programs[1], ids, READ);
    *out = *counted();
    return logits;
}

static void off_costs_nothing_and_on_changes_nothing(void **state)
{
    const cast *all = *state;
    size_t bytes = READ * (size_t)engine_config(all->e)->vocabulary * sizeof(float);
    copy_count before, with, after;
    float *a = read_counted(all, &before);
    engine_trace_wanted(all->e, ignore, NULL);
    float *b = read_counted(all, &with);
    engine_trace(all->e, NULL, NULL);
    float *c = read_counted(all, &after);
    assert_memory_equal(a, b, bytes);
    assert_memory_equal(a, c, bytes);
    assert_int_equal(before.routes, 0);
    assert_int_equal(before.tensors, READ); /* the logits */
    assert_int_equal(after.routes, before.routes);
    assert_int_equal(after.tensors, before.tensors);
    assert_true(with.routes > 0 && with.tensors == READ + with.routes);
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_is_the_plain_choice),
        cmocka_unit_test(adapters_are_wanted_under_their_own_numbers),
        cmocka_unit_test(a_council_records_what_a_session_is_told),
        cmocka_unit_test(denied_and_stood_in_follow_from_the_mask),
        cmocka_unit_test(off_costs_nothing_and_on_changes_nothing),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
