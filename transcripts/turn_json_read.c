/* turn_json_read.c - reading. See turn_json.h; turn_fields.c has the tables that this walks along.
 *
 * Whoever edited a transcript may have put anything anywhere. So each value is looked at by
 * itself: one of another type or beyond its range counts as absent and makes the record odd,
 * and no value can make another unreadable. Lengths are taken from the file only where memory
 * is already spent on what they count. Running out of memory is the one failure; it is kept in
 * the reader and looked at once, at the end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "turn_fields.h"
#include "turn_json.h"

static const double FIGURE_MOST = 1e9;

static int int_of(turn_reader *r, const json *v, const char *key, int least, int most, int standard)
{
    int64_t n = standard;
    if (json_get_int(v, key, least, most, &n, NULL) < 0)
        r->odd = true;
    return (int)n;
}

int turn_read_int(turn_reader *r, const char *key, int least, int most, int standard)
{
    return int_of(r, r->record, key, least, most, standard);
}

static void *take(turn_reader *r, size_t size)
{
    void *out = region_take(r->memory, size, r->err);
    r->failed = r->failed || !out;
    return out;
}

/* The member's text, or NULL where there is none. */
static const char *text_at(turn_reader *r, const json *text)
{
    if (!text || json_type(text) == JSON_NULL)
        return NULL;
    if (json_type(text) == JSON_STRING)
        return json_string(text);
    r->odd = true;
    return NULL;
}

static const char *word_of(turn_reader *r, const json *text)
{
    const char *word = text_at(r, text), *out = region_keep_text(r->memory, word, r->err);
    r->failed = r->failed || (word && !out);
    return out;
}

const char *turn_read_word(turn_reader *r, const char *key)
{
    return word_of(r, json_member(r->record, key));
}

static turn_text bytes_of(turn_reader *r, const json *v, const char *key)
{
    char *bytes;
    size_t n;
    int got = records_read_text(v, key, &bytes, &n, r->err);
    const char *copy = got == 1 ? region_keep(r->memory, bytes, n, r->err) : NULL;
    free(bytes);
    const json *there = got == 0 ? json_member(v, key) : NULL;
    r->odd = r->odd || (there && json_type(there) != JSON_NULL);
    r->failed = r->failed || got < 0 || (got == 1 && !copy);
    return copy ? (turn_text){copy, n} : (turn_text){"", 0};
}

/* The index of a word among names[n); 0 where there is none. */
static int choice_of(turn_reader *r, const json *v, const char *key, const char *(*name)(int),
                     int n)
{
    const char *word = text_at(r, json_member(v, key));
    for (int i = 0; word && i < n; i++)
        if (strcmp(word, name(i)) == 0)
            return i;
    r->odd = r->odd || word;
    return 0;
}

static const char *stop_named(int i)
{
    return pass_stop_name((pass_stop)i);
}

static const char *context_named(int i)
{
    return context_policy_name((context_policy)i);
}

static uint64_t hash_of(turn_reader *r, const json *v, const char *key)
{
    const char *digits = text_at(r, json_member(v, key));
    size_t n = digits ? strlen(digits) : 0;
    if (n && n <= 16 && strspn(digits, "0123456789abcdef") == n)
        return strtoull(digits, NULL, 16);
    r->odd = r->odd || digits;
    return 0;
}

static const json *list_of(turn_reader *r, const json *v, const char *key, size_t *count)
{
    const json *list = NULL;
    if (json_get_array(v, key, &list, NULL) < 0)
        r->odd = true;
    *count = list ? json_count(list) : 0;
    return list;
}

/* Whole numbers of 0 to `most`; none when the member is no list of such. */
static turn_ids ids_of(turn_reader *r, const json *v, const char *key, double most)
{
    turn_ids none = {NULL, 0};
    size_t count, n = 0;
    const json *list = list_of(r, v, key, &count);
    int *out = list ? take(r, (count + 1) * sizeof *out) : NULL;
    for (const json *i = out ? json_first(list) : NULL; i; i = json_next(i)) {
        double x = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
        if (!(x >= 0 && x <= most && x == floor(x))) {
            r->odd = true;
            return none;
        }
        out[n++] = (int)x;
    }
    return out ? (turn_ids){out, n} : none;
}

/* count doubles from a list, NaN for null; false when it has another length. */
static bool fill(turn_reader *r, const json *list, double *out, size_t count)
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

static const double *numbers_of(turn_reader *r, const json *v, const char *key, size_t count)
{
    const json *list = json_member(v, key);
    double *out = list ? take(r, (count + 1) * sizeof *out) : NULL;
    return out && fill(r, list, out, count) ? out : NULL;
}

static const double *matrix_of(turn_reader *r, const json *v, const char *key, size_t side)
{
    size_t n;
    const json *rows = list_of(r, v, key, &n);
    if (!rows || n != side) {
        r->odd = r->odd || rows;
        return NULL;
    }
    double *out = take(r, (side * side + 1) * sizeof *out), *at = out;
    for (const json *row = out ? json_first(rows) : NULL; row; row = json_next(row), at += side)
        if (!fill(r, row, at, side))
            return NULL;
    return out;
}

static void names_of(turn_reader *r, const json *v, const char *key, turn_merge *m)
{
    size_t n;
    const json *list = list_of(r, v, key, &n);
    if (n > TURN_PASSES_MOST) {
        r->odd = true;
        list = NULL;
        n = 0;
    }
    const char **out = take(r, (n + 1) * sizeof *out);
    m->passes = 0;
    for (const json *i = out && list ? json_first(list) : NULL; i; i = json_next(i)) {
        const char *name = word_of(r, i);
        out[m->passes++] = name ? name : "";
    }
    m->of = out;
}

static const turn_text *revised_of(turn_reader *r, const json *v, const char *key, int passes)
{
    size_t n, k = 0;
    const json *list = list_of(r, v, key, &n);
    if (!list || n != (size_t)passes) {
        r->odd = r->odd || list;
        return NULL;
    }
    turn_text *out = take(r, (n + 1) * sizeof *out);
    for (const json *i = out ? json_first(list) : NULL; i; i = json_next(i))
        out[k++] = bytes_of(r, i, "text");
    return out;
}

static void read_members(turn_reader *r, const json *v, const field_table *t, void *object);

static void read_merge_field(turn_reader *r, const json *v, const field *f, turn_merge *m)
{
    size_t passes = (size_t)m->passes;
    if (f->kind == NAMES)
        names_of(r, v, f->key, m);
    else if (f->kind == WINNER)
        m->winner = int_of(r, v, f->key, -1, m->passes - 1, -1);
    else if (f->kind == SCORES)
        m->scores = matrix_of(r, v, f->key, passes);
    else if (f->kind == SHARES)
        m->shares = numbers_of(r, v, f->key, passes);
    else if (f->kind == DIVERGENCE)
        m->divergence = numbers_of(r, v, f->key, m->ids.len);
    else if (f->kind == REVISED)
        m->revised = revised_of(r, v, f->key, m->passes);
}

static void read_simple(turn_reader *r, const json *v, const field *f, void *at)
{
    int64_t seed = 0;
    if (f->kind == SEED) {
        r->odd |= json_get_int(v, f->key, 0, (int64_t)1 << 53, &seed, NULL) < 0;
        *(uint64_t *)at = (uint64_t)seed;
    } else if (f->kind == FIGURE) {
        *(double *)at = 0;
        r->odd |= json_get_number(v, f->key, 0, f->most, at, NULL) < 0;
    } else if (f->kind == FLAG) {
        r->odd |= json_get_bool(v, f->key, at, NULL) < 0;
    } else if (f->kind == STOP) {
        *(pass_stop *)at = (pass_stop)choice_of(r, v, f->key, stop_named, STOP_ERROR + 1);
    } else {
        *(context_policy *)at =
            (context_policy)choice_of(r, v, f->key, context_named, CONTEXT_PICKED + 1);
    }
}

/* What the answer has of it already is read by now. */
static const turn_merge *joined_of(turn_reader *r, const json *v, const char *key,
                                   const turn_answer *a)
{
    const json *merge = NULL;
    if (json_get_object(v, key, &merge, NULL) < 0)
        r->odd = true;
    turn_merge *out = merge ? take(r, sizeof *out) : NULL;
    if (!out)
        return NULL;
    *out = (turn_merge){.method = "", .winner = -1};
    out->ids = a->ids; /* as many divergences as these */
    read_members(r, merge, turn_fields(PART_JOINED), out);
    out->text = a->text;
    out->stop = a->stop;
    out->seed = a->seed;
    out->seconds = a->seconds;
    out->failure = a->failure;
    return out;
}

static void read_field(turn_reader *r, const json *v, const field *f, void *object)
{
    void *at = (char *)object + f->at;
    const char *word;
    switch (f->kind) {
    case WORD:
        if ((word = word_of(r, json_member(v, f->key))))
            *(const char **)at = word;
        break;
    case BYTES:
        *(turn_text *)at = bytes_of(r, v, f->key);
        break;
    case NUMBER:
        *(int *)at = int_of(r, v, f->key, 0, (int)f->most, 0);
        break;
    case FROM: {
        int number = ((const struct turn *)object)->number;
        *(int *)at = int_of(r, v, f->key, 1, number, number);
        break;
    }
    case HASH:
        *(uint64_t *)at = hash_of(r, v, f->key);
        break;
    case IDS:
        *(turn_ids *)at = ids_of(r, v, f->key, f->most);
        break;
    case ROUTING:
        read_members(r, json_member(v, f->key), turn_fields(PART_ROUTING), object);
        break;
    case TIMINGS:
        read_members(r, json_member(v, f->key), turn_fields(PART_TIMINGS), at);
        break;
    case JOINED:
        *(const turn_merge **)at = joined_of(r, v, f->key, object);
        break;
    case SEED:
    case FIGURE:
    case FLAG:
    case STOP:
    case CONTEXT:
        read_simple(r, v, f, at);
        break;
    default:
        read_merge_field(r, v, f, object);
        break;
    }
}

static void read_members(turn_reader *r, const json *v, const field_table *t, void *object)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].most >= 0)
            read_field(r, v, &t->rows[i], object);
}

void turn_read_prompt(turn_reader *r, struct turn *t)
{
    read_members(r, r->record, turn_fields(PART_PROMPT), t);
}

void turn_read_answer(turn_reader *r, turn_answer *out)
{
    read_members(r, r->record, turn_fields(PART_ANSWER), out);
    if ((size_t)out->continued > out->ids.len)
        out->continued = 0;
    size_t layers = out->allowed.len < out->used.len ? out->allowed.len : out->used.len;
    out->allowed.len = out->used.len = layers;
}

void turn_read_merge(turn_reader *r, turn_merge *out)
{
    read_members(r, r->record, turn_fields(PART_MERGE), out);
}
