/* history_record.c - one record becomes a part of a turn. See history_memory.h.
 *
 * An answer whose prompt was in a line that is lost gets a turn of its own, with an empty prompt:
 * what was said is shown, and so is what is missing.
 */
#include <string.h>

#include "history_memory.h"
#include "records.h"
#include "turn_json.h"

typedef struct reader {
    history *h;
    history_memory *m;
    turn_reader fields;
    error *err;
} reader;

static int int_of(reader *r, const char *key, int least, int most, int standard)
{
    return turn_read_int(&r->fields, key, least, most, standard);
}

/* In the turn's memory from now on. */
static turn_reader *fields_of(reader *r, struct turn *t)
{
    r->fields.memory = &t->memory;
    return &r->fields;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static struct turn *turn_of_record(const history *h, int n)
{
    int i = history_index_get(&h->memory->by_record, n);
    return i >= 0 ? &h->turns[i] : NULL;
}

static int parent_of(reader *r)
{
    return int_of(r, "parent", 0, RECORDS_MOST, 0);
}

/* The number of the turn that was added last, or 0. */
static int last_number(const history *h)
{
    return h->turns && h->turn_count ? h->turns[h->turn_count - 1].number : 0;
}

/* A turn that goes on from the one numbered `previous` (0 = none). One whose number is lost gets the
 * next. n: its prompt's record, 0 when that is lost. */
static struct turn *add_turn(reader *r, int previous, int n)
{
    history *h = r->h;
    int number = int_of(r, "turn", 1, TURN_NUMBER_MOST, previous + 1);
    int follows = history_index_get(&r->m->by_number, previous), own = h->turn_count;
    struct turn *t = region_add(&r->m->texts, &h->turns, &h->turn_count, 1, sizeof *t, r->err);
    if (!t || history_index_put(&r->m->by_number, number, own, r->err) ||
        (n && history_index_put(&r->m->by_record, n, own, r->err))) {
        r->fields.failed = true;
        return NULL;
    }
    *t = (struct turn){.number = number,
                       .n = n,
                       .lost = true,
                       .parent = previous,
                       .follows = follows,
                       .root = follows >= 0 ? h->turns[follows].root : number,
                       .prompt = {"", 0},
                       .from = number,
                       .blind = r->m->blind,
                       .setting = h->setting_count};
    h->last_turn = number > h->last_turn ? number : h->last_turn;
    return t;
}

/* The turn that a record belongs to; made when its prompt is lost. */
static struct turn *turn_of(reader *r)
{
    int parent = parent_of(r);
    struct turn *t = turn_of_record(r->h, parent);
    return t ? t : add_turn(r, last_number(r->h), parent);
}

static int record_number(reader *r)
{
    return int_of(r, "n", 1, RECORDS_MOST, 0); /* records_parse() has seen it */
}

static void read_prompt(reader *r)
{
    int parent = parent_of(r);
    const struct turn *followed = turn_of_record(r->h, parent);
    int previous = followed ? followed->number : parent > 0 ? last_number(r->h) : 0;
    struct turn *t = add_turn(r, previous, record_number(r));
    if (!t)
        return;
    turn_read_prompt(fields_of(r, t), t);
    t->blind = t->blind || r->m->blind;
    t->lost = false;
}

static void read_answer(reader *r)
{
    turn_answer a = {
        .n = record_number(r), .name = "", .acts_by = "none", .setting = r->h->setting_count};
    struct turn *t = turn_of(r);
    if (!t)
        return;
    turn_read_answer(fields_of(r, t), &a);
    r->fields.failed = turn_add_answers(t, &a, 1, r->err) || r->fields.failed;
}

static void read_merge(reader *r)
{
    turn_merge m = {.n = record_number(r), .method = "none"};
    struct turn *t = turn_of(r);
    if (!t)
        return;
    turn_read_merge(fields_of(r, t), &m);
    m.answers = t->answer_count;
    r->fields.failed = turn_add_merge(t, &m, r->err) || r->fields.failed;
}

static void read_pick(reader *r)
{
    struct turn *t = turn_of(r);
    turn_pick *p =
        t ? region_add(&t->memory, &t->picks, &t->pick_count, 1, sizeof *p, r->err) : NULL;
    if (!p) {
        r->fields.failed = true;
        return;
    }
    const json *name = json_member(r->fields.record, "name");
    bool off = name && json_type(name) == JSON_NULL;
    const char *picked = turn_read_word(fields_of(r, t), "name");
    *p = (turn_pick){record_number(r), off ? NULL : picked ? picked : ""};
    t->picked = off || picked ? picked : t->picked;
}

static void read_undo(reader *r)
{
    struct turn *t = turn_of_record(r->h, parent_of(r));
    if (!t)
        return; /* what it took back is lost already */
    t->undone = true;
    t->undone_n = record_number(r);
}

static void read_title(reader *r)
{
    const char *title = turn_read_word(&r->fields, "title");
    r->h->title = title && *title ? title : NULL;
}

static void read_setting(reader *r)
{
    const json *record = r->fields.record, *blind = json_member(record, "blind");
    if (json_member(record, "seats")) {
        const json **place = region_add(&r->m->texts, &r->h->settings, &r->h->setting_count, 1,
                                        sizeof(const json *), r->err);
        r->fields.failed = r->fields.failed || !place;
        if (place)
            *place = record;
    }
    if (json_member(record, "forked"))
        r->h->copied = record_number(r);
    if (blind && json_type(blind) == JSON_STRING)
        r->m->blind = strcmp(json_string(blind), "on") == 0;
}

int history_record(history *h, const json *record, bool *keep, bool *odd, error *err)
{
    static const struct {
        const char *type;
        void (*read)(reader *r);
    } kinds[] = {
        {"setting", read_setting}, {"prompt", read_prompt}, {"answer", read_answer},
        {"merge", read_merge},     {"pick", read_pick},     {"undo", read_undo},
        {"title", read_title},
    };
    reader r = {.h = h, .m = h->memory, .err = err};
    r.fields = (turn_reader){.record = record, .memory = &h->memory->texts, .err = err};
    const char *type = json_string(json_member(record, "type"));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i].type) == 0)
            kinds[i].read(&r);
    *keep = strcmp(type, "setting") == 0;
    *odd = r.fields.odd;
    return r.fields.failed ? -1 : 0;
}
