/* history_record.c - one record becomes a part of a turn. See history_memory.h.
 *
 * An answer whose prompt was in a line that is lost gets a turn of its own, with an empty prompt: what
 * was said is shown, and so is what is missing.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history_memory.h"
#include "records.h"

typedef struct reader {
    history *h;
    history_memory *m;
    const json *record;
    error *err;
    bool failed; /* out of memory */
} reader;

/* ---- fields ------------------------------------------------------------------------------------ */

static int int_of(const json *v, const char *key, int standard)
{
    int64_t n = standard;
    (void)json_get_int(v, key, INT_MIN, INT_MAX, &n, NULL);
    return (int)n;
}

static uint64_t count_of(const json *v, const char *key)
{
    int64_t n = 0;
    (void)json_get_int(v, key, 0, (int64_t)1 << 53, &n, NULL);
    return (uint64_t)n;
}

static double number_of(const json *v, const char *key)
{
    double x = 0;
    (void)json_get_number(v, key, -HUGE_VAL, HUGE_VAL, &x, NULL);
    return x;
}

static bool bool_of(const json *v, const char *key)
{
    return json_true(json_member(v, key));
}

/* A copy in the pool, or NULL where there is no text. */
static const char *copy_of(reader *r, const json *text)
{
    if (!text || json_type(text) != JSON_STRING)
        return NULL;
    const char *out = history_copy(r->m, json_string(text), strlen(json_string(text)), r->err);
    r->failed = r->failed || !out;
    return out;
}

static const char *name_of(reader *r, const json *v, const char *key, const char *standard)
{
    const char *out = copy_of(r, json_member(v, key));
    return out ? out : standard;
}

static history_text text_of(reader *r, const json *v, const char *key)
{
    char *bytes;
    size_t n;
    int got = records_read_text(v, key, &bytes, &n, r->err);
    const char *copy = got == 1 ? history_copy(r->m, bytes, n, r->err) : NULL;
    free(bytes);
    r->failed = r->failed || got < 0 || (got == 1 && !copy);
    return copy ? (history_text){copy, n} : (history_text){"", 0};
}

static const json *list_of(const json *v, const char *key, size_t *count)
{
    const json *list = json_member(v, key);
    bool is = list && json_type(list) == JSON_ARRAY;
    *count = is ? json_count(list) : 0;
    return is ? list : NULL;
}

/* [count] ints; NULL when the member is no list of such. */
static const int *ints_of(reader *r, const json *v, const char *key, size_t *count)
{
    const json *list = list_of(v, key, count);
    int *out = list ? history_take(r->m, (*count + 1) * sizeof *out, r->err) : NULL;
    r->failed = r->failed || (list && !out);
    size_t n = 0;
    for (const json *i = out ? json_first(list) : NULL; i; i = json_next(i)) {
        double x = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
        if (!(x >= INT_MIN && x <= INT_MAX)) {
            *count = 0;
            return NULL;
        }
        out[n++] = (int)x;
    }
    *count = n;
    return out;
}

/* count doubles from a list, NaN for null; false when it has another length. */
static bool fill(const json *list, double *out, size_t count)
{
    if (!list || json_type(list) != JSON_ARRAY || json_count(list) != count)
        return false;
    for (const json *i = json_first(list); i; i = json_next(i))
        *out++ = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
    return true;
}

static double *room_for(reader *r, size_t count)
{
    double *out = history_take(r->m, (count + 1) * sizeof *out, r->err);
    r->failed = r->failed || !out;
    return out;
}

static const double *numbers_of(reader *r, const char *key, size_t count)
{
    const json *list = json_member(r->record, key);
    double *out = list ? room_for(r, count) : NULL;
    return out && fill(list, out, count) ? out : NULL;
}

static const double *matrix_of(reader *r, const char *key, size_t side)
{
    const json *rows = json_member(r->record, key);
    if (!rows || json_type(rows) != JSON_ARRAY || json_count(rows) != side)
        return NULL;
    double *out = room_for(r, side * side), *at = out;
    for (const json *row = out ? json_first(rows) : NULL; row; row = json_next(row), at += side)
        if (!fill(row, at, side))
            return NULL;
    return out;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static history_turn *turn_of_record(const history *h, int n)
{
    for (int i = h->turn_count; i-- > 0 && n > 0;)
        if (h->turns[i].n == n)
            return &h->turns[i];
    return NULL;
}

static history_turn *add_turn(reader *r, int number, int n)
{
    history *h = r->h;
    history_turn *t = history_add(r->m, &h->turns, &h->turn_count, sizeof *t, r->err);
    if (!t) {
        r->failed = true;
        return NULL;
    }
    *t = (history_turn){.turn = number,
                        .n = n,
                        .prompt = {"", 0},
                        .context = "own",
                        .from = number,
                        .blind = r->m->blind,
                        .setting = h->setting};
    h->last_turn = number > h->last_turn ? number : h->last_turn;
    return t;
}

/* The turn that a record belongs to; made when its prompt is lost. */
static history_turn *turn_of(reader *r)
{
    int parent = int_of(r->record, "parent", 0);
    history_turn *t = turn_of_record(r->h, parent);
    if (t)
        return t;
    int number = int_of(r->record, "turn", 0);
    int previous = r->h->turn_count ? r->h->turns[r->h->turn_count - 1].turn : 0;
    t = add_turn(r, number > 0 ? number : previous + 1, parent);
    if (t)
        t->parent = previous;
    return t;
}

static void read_prompt(reader *r)
{
    const json *v = r->record, *timings = json_member(v, "timings");
    int parent = int_of(v, "parent", 0);
    const history_turn *followed = turn_of_record(r->h, parent);
    int previous = followed                         ? followed->turn
                   : parent > 0 && r->h->turn_count ? r->h->turns[r->h->turn_count - 1].turn
                                                    : 0;
    int number = int_of(v, "turn", 0);
    history_turn *t = add_turn(r, number > 0 ? number : previous + 1, int_of(v, "n", 0));
    if (!t)
        return;
    t->parent = previous;
    t->time = number_of(v, "time");
    t->prompt = text_of(r, v, "text");
    t->context = name_of(r, v, "context", "own");
    t->only = name_of(r, v, "only", NULL);
    t->from = int_of(v, "from", t->turn);
    t->shared = bool_of(v, "shared");
    t->blind = t->blind || bool_of(v, "blind");
    t->record = v;
    t->seed = count_of(v, "seed");
    t->timings = (history_timings){number_of(timings, "prefill"), number_of(timings, "decode"),
                                   number_of(timings, "union_experts_per_step"),
                                   number_of(timings, "picks_per_step")};
}

static void read_answer(reader *r)
{
    const json *v = r->record, *routing = json_member(v, "routing");
    size_t allowed, used;
    history_turn *t = turn_of(r);
    history_answer *a =
        t ? history_add(r->m, &t->answers, &t->answer_count, sizeof *a, r->err) : NULL;
    if (!a) {
        r->failed = true;
        return;
    }
    *a = (history_answer){
        .n = int_of(v, "n", 0),
        .persona = name_of(r, v, "persona", ""),
        .acts_by = name_of(r, v, "acts_by", "none"),
        .color = name_of(r, v, "color", NULL),
        .stop = name_of(r, v, "stop", "end"),
        .failure = name_of(r, v, "failure", NULL),
        .program = name_of(r, v, "program", "0000000000000000"),
        .prompt_hash = name_of(r, v, "prompt_hash", NULL),
        .text = text_of(r, v, "text"),
        .thought = text_of(r, v, "thought"),
        .prompt_tokens = int_of(v, "prompt_tokens", 0),
        .seed = count_of(v, "seed"),
        .seconds = number_of(v, "seconds"),
        .tokens_per_second = number_of(v, "tokens_per_second"),
        .asked_experts = int_of(v, "asked_experts", 0),
        .least_allowed = int_of(v, "least_allowed", 0),
        .setting = r->h->setting,
        .banned_mass = number_of(routing, "banned_mass"),
    };
    a->tokens = ints_of(r, v, "tokens", &a->token_count);
    a->allowed = ints_of(r, routing, "allowed", &allowed);
    a->used = ints_of(r, routing, "used", &used);
    a->layers = (int)(allowed < used ? allowed : used);
}

static const char *const *names_of(reader *r, int *count)
{
    size_t n;
    const json *list = list_of(r->record, "of", &n);
    const char **out = history_take(r->m, (n + 1) * sizeof *out, r->err);
    r->failed = r->failed || !out;
    *count = 0;
    for (const json *i = out && list ? json_first(list) : NULL; i; i = json_next(i)) {
        const char *name = copy_of(r, i);
        out[(*count)++] = name ? name : "";
    }
    return out;
}

static const history_text *revised_of(reader *r, int passes)
{
    size_t n;
    const json *list = list_of(r->record, "revised", &n);
    if (!list || n != (size_t)passes)
        return NULL;
    history_text *out = history_take(r->m, (n + 1) * sizeof *out, r->err);
    r->failed = r->failed || !out;
    size_t k = 0;
    for (const json *i = out ? json_first(list) : NULL; i; i = json_next(i))
        out[k++] = text_of(r, i, "text");
    return out;
}

static void read_merge(reader *r)
{
    const json *v = r->record;
    history_turn *t = turn_of(r);
    history_merge *g = t ? history_add(r->m, &t->merges, &t->merge_count, sizeof *g, r->err) : NULL;
    if (!g) {
        r->failed = true;
        return;
    }
    *g = (history_merge){
        .n = int_of(v, "n", 0),
        .method = name_of(r, v, "method", "none"),
        .by = name_of(r, v, "by", NULL),
        .note = name_of(r, v, "note", NULL),
        .failure = name_of(r, v, "failure", NULL),
        .stop = name_of(r, v, "stop", NULL),
        .text = text_of(r, v, "text"),
        .winner = int_of(v, "winner", -1),
        .tie = bool_of(v, "tie"),
        .seconds = number_of(v, "seconds"),
        .seed = count_of(v, "seed"),
    };
    g->of = names_of(r, &g->passes);
    g->tokens = ints_of(r, v, "tokens", &g->token_count);
    g->scores = matrix_of(r, "scores", (size_t)g->passes);
    g->shares = numbers_of(r, "shares", (size_t)g->passes);
    g->divergence = numbers_of(r, "divergence", g->token_count);
    g->revised = revised_of(r, g->passes);
    if (g->winner >= g->passes)
        g->winner = -1;
}

static void read_pick(reader *r)
{
    history_turn *t = turn_of(r);
    history_pick *p = t ? history_add(r->m, &t->picks, &t->pick_count, sizeof *p, r->err) : NULL;
    if (!p) {
        r->failed = true;
        return;
    }
    *p = (history_pick){int_of(r->record, "n", 0), name_of(r, r->record, "name", "")};
    t->picked = p->name[0] ? p->name : t->picked;
}

static void read_undo(reader *r)
{
    history_turn *t = turn_of_record(r->h, int_of(r->record, "parent", 0));
    if (!t)
        return; /* what it took back is lost already */
    t->undone = true;
    t->undone_n = int_of(r->record, "n", 0);
}

static void read_setting(reader *r)
{
    const json *blind = json_member(r->record, "blind");
    if (json_member(r->record, "seats"))
        r->h->setting = r->record;
    if (blind && json_type(blind) == JSON_STRING)
        r->m->blind = strcmp(json_string(blind), "on") == 0;
}

int history_record(history *h, const json *record, bool *keep, error *err)
{
    static const struct {
        const char *type;
        void (*read)(reader *r);
        bool keep;
    } kinds[] = {
        {"setting", read_setting, true}, {"prompt", read_prompt, true},
        {"answer", read_answer, false},  {"merge", read_merge, false},
        {"pick", read_pick, false},      {"undo", read_undo, false},
    };
    reader r = {.h = h, .m = h->memory, .record = record, .err = err};
    const char *type = json_string(json_member(record, "type"));
    *keep = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        kinds[i].read(&r);
        *keep = kinds[i].keep;
    }
    return r.failed ? -1 : 0;
}
