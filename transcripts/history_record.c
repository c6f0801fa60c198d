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
    bool odd;    /* a field's value cannot be */
} reader;

static const double TIME_MOST = 1e11, FIGURE_MOST = 1e9;
static const double SHARE_MOST = 1.01; /* a sum of floats may be a little above 1 */

/* ---- fields ------------------------------------------------------------------------------------ */

static int int_of(reader *r, const json *v, const char *key, int least, int most, int standard)
{
    int64_t n = standard;
    if (json_get_int(v, key, least, most, &n, NULL) < 0)
        r->odd = true;
    return (int)n;
}

static uint64_t seed_of(reader *r, const json *v)
{
    int64_t n = 0;
    if (json_get_int(v, "seed", 0, (int64_t)1 << 53, &n, NULL) < 0)
        r->odd = true;
    return (uint64_t)n;
}

/* 0 to `most`. */
static double number_of(reader *r, const json *v, const char *key, double most)
{
    double x = 0;
    if (json_get_number(v, key, 0, most, &x, NULL) < 0)
        r->odd = true;
    return x;
}

static bool bool_of(reader *r, const json *v, const char *key)
{
    bool is = false;
    if (json_get_bool(v, key, &is, NULL) < 0)
        r->odd = true;
    return is;
}

/* A copy in the pool, or NULL where there is no text. */
static const char *copy_of(reader *r, const json *text)
{
    if (!text || json_type(text) == JSON_NULL)
        return NULL;
    if (json_type(text) != JSON_STRING) {
        r->odd = true;
        return NULL;
    }
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
    const json *there = got == 0 ? json_member(v, key) : NULL;
    r->odd = r->odd || (there && json_type(there) != JSON_NULL);
    r->failed = r->failed || got < 0 || (got == 1 && !copy);
    return copy ? (history_text){copy, n} : (history_text){"", 0};
}

static const json *list_of(reader *r, const json *v, const char *key, size_t *count)
{
    const json *list = NULL;
    if (json_get_array(v, key, &list, NULL) < 0)
        r->odd = true;
    *count = list ? json_count(list) : 0;
    return list;
}

/* [count] ints of 0 to `most`; NULL when the member is no list of such. */
static const int *ints_of(reader *r, const json *v, const char *key, int most, size_t *count)
{
    const json *list = list_of(r, v, key, count);
    int *out = list ? history_take(r->m, (*count + 1) * sizeof *out, r->err) : NULL;
    r->failed = r->failed || (list && !out);
    size_t n = 0;
    for (const json *i = out ? json_first(list) : NULL; i; i = json_next(i)) {
        double x = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
        if (!(x >= 0 && x <= most && x == floor(x))) {
            r->odd = true;
            *count = 0;
            return NULL;
        }
        out[n++] = (int)x;
    }
    *count = n;
    return out;
}

/* count doubles from a list, NaN for null; false when it has another length. */
static bool fill(reader *r, const json *list, double *out, size_t count)
{
    if (!list || json_type(list) != JSON_ARRAY || json_count(list) != count) {
        r->odd = r->odd || (list && json_type(list) != JSON_NULL);
        return false;
    }
    for (const json *i = json_first(list); i; i = json_next(i)) {
        double x = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
        bool good = fabs(x) <= FIGURE_MOST;
        r->odd = r->odd || (!good && json_type(i) != JSON_NULL);
        *out++ = good ? x : NAN;
    }
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
    return out && fill(r, list, out, count) ? out : NULL;
}

static const double *matrix_of(reader *r, const char *key, size_t side)
{
    size_t n;
    const json *rows = list_of(r, r->record, key, &n);
    if (!rows || n != side) {
        r->odd = r->odd || rows;
        return NULL;
    }
    double *out = room_for(r, side * side), *at = out;
    for (const json *row = out ? json_first(rows) : NULL; row; row = json_next(row), at += side)
        if (!fill(r, row, at, side))
            return NULL;
    return out;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static history_turn *turn_of_record(const history *h, int n)
{
    int i = history_index_get(&h->memory->by_record, n);
    return i >= 0 ? &h->turns[i] : NULL;
}

static int parent_of(reader *r)
{
    return int_of(r, r->record, "parent", 0, RECORDS_MOST, 0);
}

/* The number of the turn that was added last, or 0. */
static int last_number(const history *h)
{
    return h->turns && h->turn_count ? h->turns[h->turn_count - 1].turn : 0;
}

/* A turn that goes on from the one numbered `previous` (0 = none). One whose number is lost gets the
 * next. n: its prompt's record, 0 when that is lost. */
static history_turn *add_turn(reader *r, int previous, int n)
{
    history *h = r->h;
    int number = int_of(r, r->record, "turn", 1, HISTORY_TURNS_MOST, previous + 1);
    int follows = history_index_get(&r->m->by_number, previous), own = h->turn_count;
    history_turn *t = history_add(r->m, &h->turns, &h->turn_count, sizeof *t, r->err);
    if (!t || history_index_put(&r->m->by_number, number, own, r->err) ||
        (n && history_index_put(&r->m->by_record, n, own, r->err))) {
        r->failed = true;
        return NULL;
    }
    *t = (history_turn){.turn = number,
                        .n = n,
                        .parent = previous,
                        .follows = follows,
                        .root = follows >= 0 ? h->turns[follows].root : number,
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
    int parent = parent_of(r);
    history_turn *t = turn_of_record(r->h, parent);
    return t ? t : add_turn(r, last_number(r->h), parent);
}

static int record_number(reader *r)
{
    return int_of(r, r->record, "n", 1, RECORDS_MOST, 0); /* records_parse() has seen it */
}

static void read_prompt(reader *r)
{
    const json *v = r->record, *timings = json_member(v, "timings");
    int parent = parent_of(r);
    const history_turn *followed = turn_of_record(r->h, parent);
    int previous = followed ? followed->turn : parent > 0 ? last_number(r->h) : 0;
    history_turn *t = add_turn(r, previous, record_number(r));
    if (!t)
        return;
    t->time = number_of(r, v, "time", TIME_MOST);
    t->prompt = text_of(r, v, "text");
    t->context = name_of(r, v, "context", "own");
    t->only = name_of(r, v, "only", NULL);
    t->from = int_of(r, v, "from", 1, t->turn, t->turn);
    t->shared = bool_of(r, v, "shared");
    t->blind = t->blind || bool_of(r, v, "blind");
    t->record = v;
    t->seed = seed_of(r, v);
    t->timings = (history_timings){number_of(r, timings, "prefill", FIGURE_MOST),
                                   number_of(r, timings, "decode", FIGURE_MOST),
                                   number_of(r, timings, "union_experts_per_step", FIGURE_MOST),
                                   number_of(r, timings, "picks_per_step", FIGURE_MOST)};
}

/* An answer that is given anew was not picked, nor was the merge that joined the old one; one that
 * goes on is what it was. */
static void take_off_pick(history_turn *t, const history_answer *a, const json *record)
{
    bool merge = t->picked && strcmp(t->picked, "merge") == 0;
    if (merge ||
        (t->picked && strcmp(t->picked, a->persona) == 0 && !json_member(record, "continued")))
        t->picked = NULL;
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
        .n = record_number(r),
        .persona = name_of(r, v, "persona", ""),
        .acts_by = name_of(r, v, "acts_by", "none"),
        .color = name_of(r, v, "color", NULL),
        .stop = name_of(r, v, "stop", "end"),
        .failure = name_of(r, v, "failure", NULL),
        .program = name_of(r, v, "program", "0000000000000000"),
        .prompt_hash = name_of(r, v, "prompt_hash", NULL),
        .text = text_of(r, v, "text"),
        .thought = text_of(r, v, "thought"),
        .prompt_tokens = int_of(r, v, "prompt_tokens", 0, HISTORY_TOKENS_MOST, 0),
        .seed = seed_of(r, v),
        .seconds = number_of(r, v, "seconds", FIGURE_MOST),
        .tokens_per_second = number_of(r, v, "tokens_per_second", FIGURE_MOST),
        .asked_experts = int_of(r, v, "asked_experts", 0, HISTORY_EXPERTS_MOST, 0),
        .least_allowed = int_of(r, v, "least_allowed", 0, HISTORY_EXPERTS_MOST, 0),
        .setting = r->h->setting,
        .banned_mass = number_of(r, routing, "banned_mass", SHARE_MOST),
    };
    take_off_pick(t, a, v);
    a->tokens = ints_of(r, v, "tokens", HISTORY_TOKENS_MOST, &a->token_count);
    int continued = int_of(r, v, "continued", 0, HISTORY_TOKENS_MOST, 0);
    a->continued = (size_t)continued <= a->token_count ? continued : 0;
    a->allowed = ints_of(r, routing, "allowed", HISTORY_EXPERTS_MOST, &allowed);
    a->used = ints_of(r, routing, "used", HISTORY_EXPERTS_MOST, &used);
    a->layers = (int)(allowed < used ? allowed : used);
}

static const char *const *names_of(reader *r, int *count)
{
    size_t n;
    const json *list = list_of(r, r->record, "of", &n);
    if (n > HISTORY_PASSES_MOST) {
        r->odd = true;
        list = NULL;
        n = 0;
    }
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
    const json *list = list_of(r, r->record, "revised", &n);
    if (!list || n != (size_t)passes) {
        r->odd = r->odd || list;
        return NULL;
    }
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
        .n = record_number(r),
        .method = name_of(r, v, "method", "none"),
        .by = name_of(r, v, "by", NULL),
        .note = name_of(r, v, "note", NULL),
        .failure = name_of(r, v, "failure", NULL),
        .stop = name_of(r, v, "stop", NULL),
        .text = text_of(r, v, "text"),
        .tie = bool_of(r, v, "tie"),
        .seconds = number_of(r, v, "seconds", FIGURE_MOST),
        .seed = seed_of(r, v),
    };
    g->of = names_of(r, &g->passes);
    g->winner = int_of(r, v, "winner", -1, g->passes - 1, -1);
    g->tokens = ints_of(r, v, "tokens", HISTORY_TOKENS_MOST, &g->token_count);
    g->scores = matrix_of(r, "scores", (size_t)g->passes);
    g->shares = numbers_of(r, "shares", (size_t)g->passes);
    g->divergence = numbers_of(r, "divergence", g->token_count);
    g->revised = revised_of(r, g->passes);
}

static void read_pick(reader *r)
{
    history_turn *t = turn_of(r);
    history_pick *p = t ? history_add(r->m, &t->picks, &t->pick_count, sizeof *p, r->err) : NULL;
    if (!p) {
        r->failed = true;
        return;
    }
    const json *name = json_member(r->record, "name");
    bool off = name && json_type(name) == JSON_NULL;
    *p = (history_pick){record_number(r), off ? NULL : name_of(r, r->record, "name", "")};
    t->picked = off ? NULL : p->name[0] ? p->name : t->picked;
}

static void read_undo(reader *r)
{
    history_turn *t = turn_of_record(r->h, parent_of(r));
    if (!t)
        return; /* what it took back is lost already */
    t->undone = true;
    t->undone_n = record_number(r);
}

static void read_title(reader *r)
{
    const char *title = name_of(r, r->record, "title", "");
    r->h->title = *title ? title : NULL;
}

static void read_setting(reader *r)
{
    const json *blind = json_member(r->record, "blind");
    if (json_member(r->record, "seats"))
        r->h->setting = r->record;
    if (json_member(r->record, "forked"))
        r->h->copied = record_number(r);
    if (blind && json_type(blind) == JSON_STRING)
        r->m->blind = strcmp(json_string(blind), "on") == 0;
}

int history_record(history *h, const json *record, bool *keep, bool *odd, error *err)
{
    static const struct {
        const char *type;
        void (*read)(reader *r);
        bool keep;
    } kinds[] = {
        {"setting", read_setting, true}, {"prompt", read_prompt, true},
        {"answer", read_answer, false},  {"merge", read_merge, false},
        {"pick", read_pick, false},      {"undo", read_undo, false},
        {"title", read_title, false},
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
    *odd = r.odd;
    return r.failed ? -1 : 0;
}

/* ---- versions ---------------------------------------------------------------------------------- */

/* By persona, then in order of time. */
static int by_persona(const void *a, const void *b)
{
    const history_answer *x = *(history_answer *const *)a, *y = *(history_answer *const *)b;
    int order = strcmp(x->persona, y->persona);
    return order ? order : (x > y) - (x < y);
}

static void link_turn(history_turn *t, history_answer **sorted)
{
    for (int i = 0; i < t->answer_count; i++)
        sorted[i] = &t->answers[i];
    qsort(sorted, (size_t)t->answer_count, sizeof(history_answer *), by_persona);
    for (int i = 0; i < t->answer_count; i++) {
        history_answer *a = sorted[i], *before = i ? sorted[i - 1] : NULL;
        bool again = before && strcmp(before->persona, a->persona) == 0;
        a->first = again ? before->first : (int)(a - t->answers);
        t->answers[a->first].last = (int)(a - t->answers);
        a->earlier = again ? before->earlier + 1 : 0;
        if (again)
            before->next = (int)(a - t->answers);
    }
}

int history_link_versions(history *h, error *err)
{
    int most = 0;
    for (int i = 0; i < h->turn_count; i++)
        most = h->turns[i].answer_count > most ? h->turns[i].answer_count : most;
    history_answer **sorted = calloc((size_t)most + 1, sizeof(history_answer *));
    if (!sorted)
        return error_memory(err, "a transcript");
    for (int i = 0; i < h->turn_count; i++)
        link_turn(&h->turns[i], sorted);
    free(sorted);
    return 0;
}
