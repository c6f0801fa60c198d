/* replay.c - see replay.h.
 *
 * Turns are taken in the order of the record, and of a turn those answers together that were
 * asked for together. For each such group: the setting's model and seats are opened unless they
 * stand already (use_setting), the dialogue is brought to where the record was just before
 * (put_turns), the passes answer (again), and tokens are compared (compare).
 *
 * A dialogue is brought there by differences. A turn that it holds as it was before record n
 * stays as it is (as_of, until: which records it stands for), and of a conversation with
 * branches only the turns between the old tip and the new one change their mark (lead_to). So
 * the time goes into answers, however long the past.
 */
#include "replay.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/run/engine_tokenizer.h"

typedef struct replay {
    const history *h;
    const replay_options *o;
    replay_result *out;
    error *err;

    const json *record; /* the setting in use */
    record_setting s;
    recorded_seat *seats; /* [s.seat_count] */
    engine *engine;
    char *opened_for; /* what of the setting the engine was opened for */
    dialogue *d;
    int turns;  /* of the history that the dialogue holds */
    int *as_of; /* [turns of the history] the record before which it holds them; 0 = anew, please */
    int *until; /* [the same] its first record from there on: until then nothing changes */
    bool *leads; /* [the same] whether it leads to `tip`, or is it */
    int tip;     /* -1 at first */
    bool other;  /* this setting cannot be had again as it was */
    bool enough;
} replay;

static void add_note(const replay *r, const error *sentence)
{
    r->o->note(r->o->user, sentence->text);
}

/* ---- the model --------------------------------------------------------------------------------- */

static char *key_of(const record_setting *s, error *err)
{
    buf b = {0};
    const char *parts[] = {s->model, s->isa, s->chat_format, s->day, s->tokenizer.path};
    int result = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !result; i++)
        result = buf_format(&b, err, "%s\n", parts[i] ? parts[i] : "");
    for (int i = 0; i < s->variable_count && !result; i++)
        result = buf_format(&b, err, "%s\n", s->variables[i]);
    if (result) {
        buf_release(&b);
        return NULL;
    }
    return buf_detach(&b);
}

static void close_model(replay *r)
{
    dialogue_close(r->d);
    engine_close(r->engine);
    free(r->opened_for);
    r->d = NULL;
    r->engine = NULL;
    r->opened_for = NULL;
}

static int open_model_of(replay *r)
{
    char *key = key_of(&r->s, r->err);
    if (!key)
        return -1;
    if (r->engine && strcmp(key, r->opened_for) == 0) {
        free(key);
        return 0;
    }
    close_model(r);
    r->opened_for = key;
    if (!(r->engine = r->o->open(r->o->user, &r->s, r->err)))
        return -1;
    if (strcmp(backend_isa(engine_backend(r->engine)), r->s.isa) != 0) {
        error message;
        (void)error_set(&message, ERROR_NONE,
                        "recorded with %s instructions, replayed with %s: bytes may differ",
                        r->s.isa, backend_isa(engine_backend(r->engine)));
        add_note(r, &message);
    }
    return 0;
}

/* ---- seats ------------------------------------------------------------------------------------- */

/* Instructions and sampling as recorded, unless the model is another one: there a persona acts as it
 * does there. */
static int record_seats(replay *r, bool same_model, roster_options *o)
{
    free(r->seats);
    r->seats = calloc((size_t)r->s.seat_count + 1, sizeof *r->seats);
    if (!r->seats)
        return error_memory(r->err, "the personas");
    for (int i = 0; i < r->s.seat_count; i++)
        r->seats[i] =
            (recorded_seat){r->s.seats[i].name, r->s.seats[i].instruction, r->s.seats[i].sampling};
    *o = r->s.roster;
    o->recorded = r->seats;
    o->recorded_count = same_model ? r->s.seat_count : 0;
    return 0;
}

static void compare_file(replay *r, const record_file *was, const char *now)
{
    error message;
    if (!was->hash[0] || strcmp(was->hash, now) == 0)
        return;
    r->other = true;
    (void)error_set(&message, ERROR_NONE,
                    "%s: another file than was recorded: SHA-256 %.16s, then %.16s", was->path, now,
                    was->hash);
    add_note(r, &message);
}

/* Ids are another text's where the tokenizer is another. */
static void compare_tokenizer(replay *r)
{
    static const char own[] = "the model's own tokenizer";
    const char *then = r->s.tokenizer.path, *now = engine_tokenizer_path(r->engine);
    const char *hash = engine_tokenizer_hash(r->engine);
    error message;
    if (!then && !now)
        return;
    if (then && now && *hash && *r->s.tokenizer.hash) {
        compare_file(r, &r->s.tokenizer, hash);
        return;
    }
    if (then && now && strcmp(then, now) == 0)
        return;
    r->other = true;
    (void)error_set(&message, ERROR_NONE, "recorded with %.120s, replayed with %.120s",
                    then ? then : own, now ? now : own);
    add_note(r, &message);
}

/* Files that were given, by what they held: only for these can be said which is another one. */
static void compare_files(replay *r)
{
    for (int i = 0; i < r->s.roster.mask_count; i++) {
        char now[DIGEST_TEXT];
        digest_files(&r->s.masks[i].path, 1, now);
        compare_file(r, &r->s.masks[i], now);
    }
    for (int i = 0; i < r->s.roster.adapter_count; i++)
        compare_file(r, &r->s.adapters[i], roster_adapter_digest(dialogue_roster(r->d), i));
}

static void compare_programs(replay *r)
{
    for (int i = 0; i < r->s.seat_count; i++) {
        int at = dialogue_find(r->d, r->s.seats[i].name);
        const seat *s = at < 0 ? NULL : roster_seat(dialogue_roster(r->d), at);
        char now[17] = "";
        error message;
        if (s)
            (void)snprintf(now, sizeof now, "%016llx",
                           (unsigned long long)(s->program ? router_program_hash(s->program) : 0));
        if (strcmp(now, r->s.seats[i].program) == 0)
            continue;
        r->other = true;
        if (s)
            (void)error_set(&message, ERROR_NONE,
                            "%s: recorded under router program %s, which is %s today: a mask, an "
                            "adapter or rules of it changed",
                            s->name, r->s.seats[i].program, now);
        else
            (void)error_set(&message, ERROR_NONE, "%s does not sit here today", r->s.seats[i].name);
        add_note(r, &message);
    }
}

static int compare_groups(replay *r, const json *record)
{
    bool equal;
    error message;
    if (record_groups_equal(record, dialogue_roster(r->d), &equal, r->err))
        return -1;
    if (equal)
        return 0;
    r->other = true;
    (void)error_set(&message, ERROR_NONE,
                    "a group had other members or another merge when this was recorded");
    add_note(r, &message);
    return 0;
}

static int open_dialogue_of(replay *r, const json *record, bool same_model)
{
    roster_options o;
    dialogue_options d = r->s.dialogue;
    int context = engine_config(r->engine)->context;
    d.council.kv = r->o->kv ? *r->o->kv : d.council.kv;
    if (d.council.context > context)
        d.council.context = context;
    dialogue_close(r->d);
    r->turns = 0;
    r->d = dialogue_open(r->engine, &d, r->err);
    if (!r->d || record_seats(r, same_model, &o) || dialogue_seat(r->d, &o, NULL, NULL, r->err))
        return -1;
    compare_tokenizer(r);
    compare_files(r);
    if (same_model)
        compare_programs(r);
    return compare_groups(r, record);
}

static int use_setting(replay *r, const json *record)
{
    if (record == r->record)
        return 0;
    record_setting_release(&r->s);
    r->record = NULL;
    if (record_setting_read(record, &r->s, r->err) || open_model_of(r))
        return -1;
    const char *now = engine_fingerprint(r->engine, r->err);
    if (!now)
        return -1;
    bool same = strcmp(now, r->s.fingerprint) == 0;
    r->other = !same || r->o->other_model;
    if (!same) {
        error message;
        (void)error_set(
            &message, ERROR_NONE, "recorded with model %.16s (%s), replayed with %.16s (%s)",
            r->s.fingerprint, r->s.model, now, checkpoint_path(engine_checkpoint(r->engine)));
        add_note(r, &message);
    }
    if (open_dialogue_of(r, record, same))
        return -1;
    r->record = record;
    r->out->other = r->out->other || r->other;
    return 0;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static void note_record(int record, int n, int *next)
{
    if (record >= n && record < *next)
        *next = record;
}

/* The turn's first record that is not before n, or INT_MAX. */
static int next_record(const struct turn *t, int n)
{
    int next = INT_MAX;
    note_record(t->undone_n, n, &next);
    for (int i = 0; i < t->answer_count; i++)
        note_record(t->answers[i].n, n, &next);
    for (int i = 0; i < t->merge_count; i++)
        note_record(t->merges[i].n, n, &next);
    for (int i = 0; i < t->pick_count; i++)
        note_record(t->picks[i].n, n, &next);
    return next;
}

static int plan(replay *r)
{
    size_t n = (size_t)r->h->turn_count + 1;
    r->as_of = calloc(n, sizeof *r->as_of);
    r->until = calloc(n, sizeof *r->until);
    r->leads = calloc(n, sizeof *r->leads);
    r->tip = -1;
    return r->as_of && r->until && r->leads ? 0 : error_memory(r->err, "the turns");
}

static void set_leading(replay *r, int i, bool leads)
{
    r->leads[i] = leads;
    if (i < r->turns)
        dialogue_at(r->d, i)->undone = !leads;
}

/* Marks the turns that lead to turn `last`: only the ways from the old tip and to the new one are
 * walked, up to where they meet. */
static void lead_to(replay *r, int last)
{
    const struct turn *turns = r->h->turns;
    int fork = last;
    while (fork >= 0 && !r->leads[fork])
        fork = turns[fork].follows;
    for (int i = r->tip; i != fork; i = turns[i].follows)
        set_leading(r, i, false);
    for (int i = last; i != fork; i = turns[i].follows)
        set_leading(r, i, true);
    r->tip = last;
}

/* Whether the dialogue holds turn i as it was before record n: none of its records came between. */
static bool holds(const replay *r, int i, int n)
{
    return i < r->turns && r->as_of[i] && r->as_of[i] <= n && n <= r->until[i];
}

static int put_turn(replay *r, int i, int n)
{
    struct turn t;
    if (turn_before(&r->h->turns[i], n, &t, r->err))
        return -1;
    conversation_fit(&t, r->engine);
    t.undone = !r->leads[i];
    if (i < r->turns) {
        struct turn *there = dialogue_at(r->d, i);
        turn_release(there);
        turn_move(there, &t);
    } else if (dialogue_restore(r->d, &t, r->err)) {
        return -1;
    } else {
        r->turns++;
    }
    r->as_of[i] = n;
    r->until[i] = next_record(&r->h->turns[i], n);
    return 0;
}

/* The dialogue holds turns 0..last as they were before record n; those that it held already are left. */
static int put_turns(replay *r, int last, int n)
{
    lead_to(r, last);
    for (int i = 0; i <= last; i++)
        if (!holds(r, i, n) && put_turn(r, i, n))
            return -1;
    r->as_of[last] = 0; /* it gets new answers now */
    return 0;
}

/* NaN is equal to NaN: nobody was judged there, then and now. */
static bool same_numbers(const double *a, const double *b, size_t n)
{
    if (!a || !b)
        return a == b;
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* As a record can hold them: bytes that are no character are U+FFFD there. */
static bool same_text(const turn_text *a, const turn_text *b)
{
    buf x = {0}, y = {0};
    bool same = buf_mend(&x, a->v ? a->v : "", a->len, NULL) == 0 &&
                buf_mend(&y, b->v ? b->v : "", b->len, NULL) == 0 && x.len == y.len &&
                (!x.len || memcmp(x.v, y.v, x.len) == 0);
    buf_release(&x);
    buf_release(&y);
    return same;
}

static bool joined_alike(const turn_answer *was, const turn_answer *now)
{
    const turn_merge *a = was->joined, *b = now->joined;
    if (!a || !b)
        return a == b;
    size_t n = (size_t)a->passes;
    bool same = strcmp(a->method, b->method) == 0 && a->passes == b->passes &&
                a->winner == b->winner && was->stop == now->stop &&
                same_text(&was->text, &now->text) && was->ids.len == now->ids.len &&
                !a->revised == !b->revised;
    for (size_t i = 0; same && a->revised && i < n; i++)
        same = same_text(&a->revised[i], &b->revised[i]);
    return same && same_numbers(a->scores, b->scores, n * n) &&
           same_numbers(a->shares, b->shares, n) &&
           same_numbers(a->divergence, b->divergence, was->ids.len);
}

static int compare(replay *r, const struct turn *t, const turn_answer *was)
{
    const turn_answer *now = turn_answer_of(dialogue_last(r->d), was->name);
    if (!now) { /* no seat of the setting bears that name */
        r->out->lost++;
        return 0;
    }
    replay_answer a = {.turn = t,
                       .was = was,
                       .now = now,
                       .words = engine_tokenizer(r->engine),
                       .other = r->other,
                       .joined_alike = joined_alike(was, now),
                       .read_alike = !was->prompt_hash || was->prompt_hash == now->prompt_hash};
    while (a.alike < was->ids.len && a.alike < now->ids.len &&
           was->ids.v[a.alike] == now->ids.v[a.alike])
        a.alike++;
    a.equal = a.alike == was->ids.len && (a.read_alike || was->ids.len == 0) && a.joined_alike;
    r->out->answers++;
    r->out->equal += a.equal;
    r->out->tokens += was->ids.len;
    int result = r->o->each(r->o->user, &a, r->err);
    r->enough = result == 1;
    return result < 0 ? -1 : 0;
}

/* An answer that went on goes on again behind what it had then; with another model it has nothing to go
 * on from, and is given anew. */
static int again(const replay *r, const turn_answer *v, bool all)
{
    int more = (int)v->ids.len - v->continued;
    if (v->continued && !r->other)
        return dialogue_continue(r->d, v->name, more > 0 ? more : 1, NULL, r->err);
    return dialogue_retry(r->d, all ? NULL : v->name, v->seed, NULL, r->err);
}

/* The passes of a setting that a turn was asked of. */
static size_t seats_asked(const json *setting, const struct turn *t)
{
    size_t n = 0;
    for (const json *s = json_first(json_member(setting, "seats")); s; s = json_next(s)) {
        const char *name = json_text_at(s, "name");
        n += name && turn_asked(t->only, name);
    }
    return n;
}

/* Answers v[0..n) were asked for at once: all passes, those of `only`, or one. */
static int replay_answers(replay *r, int turn, const turn_answer *v, int n, bool all)
{
    const struct turn *t = &r->h->turns[turn];
    size_t longest = 1;
    for (int i = 0; i < n; i++)
        longest = v[i].ids.len > longest ? v[i].ids.len : longest;
    if (use_setting(r, history_setting(r->h, v->setting)))
        return -1;
    const char *asked = all ? t->only : v->name;
    if (asked && !dialogue_sit(r->d, asked, NULL)) {
        r->out->lost += n;
        return 0;
    }
    if (put_turns(r, turn, v->n))
        return -1;
    council_options *o = &dialogue_settings(r->d)->council;
    o->max_tokens = r->other || longest > INT_MAX ? r->s.dialogue.council.max_tokens : (int)longest;
    if (r->o->progress)
        r->o->progress(r->o->user, t->number, r->h->last_turn);
    int result = again(r, v, all);
    if (r->o->progress)
        r->o->progress(r->o->user, 0, r->h->last_turn);
    if (!result && r->o->cancel && atomic_load(r->o->cancel))
        return error_set(r->err, ERROR_CANCELLED, "interrupted");
    if (result)
        return r->err->code == ERROR_CANCELLED ? -1 : error_prefix(r->err, "turn %d: ", t->number);
    for (int i = 0; i < n && !result && !r->enough; i++)
        result = compare(r, t, &v[i]);
    return result;
}

/* How many answers from v on came of one question to all seats; 1 for anything else. */
static int asked_together(const struct turn *t, const turn_answer *v, size_t seats)
{
    const turn_answer *end = t->answers + t->answer_count;
    int wanted = seats && seats <= TURN_PASSES_MOST ? (int)seats : 1, n = 1;
    if (v->continued)
        return 1;
    while (v + n < end && n < wanted && !v[n].continued && !v[n].joined && v[n].seed == v->seed &&
           v[n].setting == v->setting)
        n++;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(v[i].name, v[k].name) == 0)
                return 1;
    return n == wanted ? n : 1;
}

/* A group's: nothing came of one that was interrupted. */
static int replay_joined(replay *r, int turn, const turn_answer *v)
{
    const struct turn *t = &r->h->turns[turn];
    if (v->stop == STOP_INTERRUPTED && !v->text.len)
        return 0;
    if (use_setting(r, history_setting(r->h, v->setting)))
        return -1;
    if (dialogue_find(r->d, v->name) < roster_seats(dialogue_roster(r->d))) {
        r->out->lost++;
        return 0;
    }
    if (put_turns(r, turn, v->n))
        return -1;
    dialogue_settings(r->d)->council.max_tokens = r->s.dialogue.council.max_tokens;
    if (dialogue_join_again(r->d, v->name, r->err))
        return error_prefix(r->err, "turn %d: ", t->number);
    if (r->o->cancel && atomic_load(r->o->cancel))
        return error_set(r->err, ERROR_CANCELLED, "interrupted");
    return compare(r, t, v);
}

static int replay_turn(replay *r, int turn)
{
    const struct turn *t = &r->h->turns[turn];
    for (int i = 0; i < t->answer_count && !r->enough;) {
        const turn_answer *v = &t->answers[i];
        if (!v->setting || t->lost) {
            r->out->lost++;
            i++;
            continue;
        }
        if (v->joined) {
            if (replay_joined(r, turn, v))
                return -1;
            i++;
            continue;
        }
        size_t seats = seats_asked(history_setting(r->h, v->setting), t);
        int n = asked_together(t, v, seats);
        bool all = n > 1 || seats == 1;
        if (replay_answers(r, turn, v, n, all))
            return -1;
        i += n;
    }
    return 0;
}

int replay_run(const history *h, const replay_options *options, replay_result *out, error *err)
{
    error own = {0};
    replay r = {.h = h, .o = options, .out = out, .err = err ? err : &own};
    *out = (replay_result){0};
    int result = plan(&r);
    for (int i = 0; i < h->turn_count && !result && !r.enough; i++)
        result = replay_turn(&r, i);
    close_model(&r);
    record_setting_release(&r.s);
    free(r.seats);
    free(r.as_of);
    free(r.until);
    free(r.leads);
    return result;
}
