/* talk_seats.c - from what the user has set to the passes that speak. See talk.h.
 *
 * Every change is tried on a copy of the options: the words are read, the personas' files looked
 * into, the seats taken; only when all of it went well does the copy take the place of what was set.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/paths.h"
#include "../../personas/modes/mode_listener.h"
#include "../../personas/modes/persona_choice.h"
#include "../options/open_model.h"
#include "../options/template_notes.h"
#include "talk.h"

const char *talk_copy_text(talk *t, const char *text, size_t len, error *err)
{
    char **grown = realloc(t->words, (t->word_count + 1) * sizeof *grown);
    if (grown) {
        t->words = grown;
        grown[t->word_count] = strndup(text, len);
        if (grown[t->word_count])
            return grown[t->word_count++];
    }
    error_memory(err, "what was set");
    return NULL;
}

const char *talk_path(talk *t, const char *path, size_t n, error *err)
{
    buf whole = {0};
    if (n < 2 || path[0] != '~' || path[1] != '/')
        return talk_copy_text(t, path, n, err);
    const char *kept = NULL;
    if (buf_text(&whole, paths_account_home(), err) == 0 &&
        buf_add(&whole, path + 1, n - 1, err) == 0)
        kept = talk_copy_text(t, whole.v, whole.len, err);
    buf_release(&whole);
    return kept;
}

/* What was said once about the seats is not said again at every change. */
static void print_note(void *user, const char *sentence)
{
    talk *t = user;
    if (t->note && strcmp(t->note, sentence) == 0)
        return;
    free(t->note);
    t->note = strdup(sentence);
    console_note(t->con, "%s", sentence);
}

/* What a dialogue can be told between two turns. */
static void adjust(dialogue *d, const options *set, const ask_options *how,
                   const council_options *now)
{
    dialogue_options *o = dialogue_settings(d);
    o->council.max_tokens = now->max_tokens;
    o->council.prefill = now->prefill;
    o->council.loop = now->loop;
    o->council.think = now->think;
    o->council.keep_logprobs = now->keep_logprobs;
    o->memory = set->recall;
    o->mode = set->mode && strcmp(set->mode, "off") != 0 ? set->mode : NULL;
    o->overflow_stop = set->overflow && strcmp(set->overflow, "stop") == 0;
    o->unread_none = true;
    o->seed = how->seed;
}

/* What was set for a persona waits while it does not speak; a name that is no persona's is refused
 * by the roster. */
static bool waits(const ask_options *how, const char *name)
{
    bool there = false;
    for (int i = 0; i < how->persona_count; i++)
        if (!name || strcmp(how->personas[i], name) == 0)
            return false;
    return name && !persona_tree_has(how->personas, how->persona_count, name) &&
           persona_exists(name, &there, NULL) == 0 && there;
}

static const char *first_waiting(const ask_options *how)
{
    const routing_options *r = &how->routing;
    for (int i = 0; i < r->mask_count; i++)
        if (waits(how, r->masks[i].name))
            return r->masks[i].name;
    for (int i = 0; i < r->adapter_count; i++)
        if (waits(how, r->adapters[i].name))
            return r->adapters[i].name;
    for (int i = 0; i < r->expert_count; i++)
        if (waits(how, r->experts[i].name))
            return r->experts[i].name;
    for (int i = 0; i < r->strength_count; i++)
        if (waits(how, r->strengths[i].name))
            return r->strengths[i].name;
    return NULL;
}

/* What /mask says of those who speak: lists of who's own, so that a change that fails leaves those of
 * the seats that stay. */
static int take_masks(const talk *t, const ask_options *how, roster_options *seats, error *err)
{
    const char **unmasked = calloc((size_t)t->unmasked_count + 1, sizeof *unmasked);
    named_value *penalties = calloc((size_t)t->mask_penalty_count + 1, sizeof *penalties);
    seats->unmasked = unmasked;
    seats->mask_penalties = penalties;
    if (!unmasked || !penalties)
        return error_memory(err, "the masks");
    for (int i = 0; i < t->unmasked_count; i++)
        if (!waits(how, t->unmasked[i]))
            unmasked[seats->unmasked_count++] = t->unmasked[i];
    for (int i = 0; i < t->mask_penalty_count; i++)
        if (!waits(how, t->mask_penalties[i].name))
            penalties[seats->mask_penalty_count++] = t->mask_penalties[i];
    return 0;
}

void talk_release_seats(ask_options *how, roster_options *seats)
{
    free((void *)(uintptr_t)seats->unmasked);
    free((void *)(uintptr_t)seats->mask_penalties);
    *seats = (roster_options){0};
    ask_options_release(how);
}

/* Who is to speak; `seats` borrows from `how`, and that from `now`. */
typedef struct seating {
    options now; /* as set, with the mode over it */
    ask_options how;
    roster_options seats;
    council_options limits;
} seating;

static void release_seating(seating *s)
{
    talk_release_seats(&s->how, &s->seats);
    options_release(&s->now);
}

/* As `set` and the mode say, on e. release_seating() in any case. */
static int read_seats(talk *t, const options *set, engine *e, seating *s, error *err)
{
    ask_options *how = &s->how;
    *s = (seating){.limits = s->limits};
    if (options_copy(&s->now, set, err) || mode_options_apply(&t->mode, &s->now, err) ||
        ask_options_read(how, &s->now, err) || ask_options_prepare(how, err) ||
        ask_options_council(how, &s->now, e, &s->limits, err))
        return -1;
    if (how->candidate_count && t->chosen[0])
        (void)ask_options_settle(how, t->chosen);
    ask_options_adopt(how, &s->now, e);
    for (const char *name; (name = first_waiting(how));)
        routing_options_remove(&how->routing, name);
    if (ask_options_roster(how, &s->now, e, &s->seats, err))
        return -1;
    s->seats.groups = true;
    s->seats.system = t->system;
    return take_masks(t, how, &s->seats, err);
}

/* They speak now. The seed is drawn once: /set tells it, and the next turn keeps it. */
static void take_seats(talk *t, options *set, const seating *s)
{
    set->seed = (long long)s->how.seed;
    adjust(t->dialogue, &s->now, &s->how, &s->limits);
    talk_release_seats(&t->how, &t->seats);
    options_release(&t->now);
    t->now = s->now;
    t->now.seed = set->seed;
    t->how = s->how;
    t->seats = s->seats;
}

static int seat_options(talk *t, options *set, error *err)
{
    seating s = {0};
    if (read_seats(t, set, t->engine, &s, err) ||
        conversation_seat(t->conversation, &s.seats, print_note, t, err)) {
        release_seating(&s);
        return -1;
    }
    take_seats(t, set, &s);
    return 0;
}

int talk_seat(talk *t, error *err)
{
    return seat_options(t, &t->set, err);
}

/* A mask is as its file says, off, or a penalty: one of the three. nats: 0 = no penalty. */
static int change_mask(talk *t, const char *name, bool off, double nats, error *err)
{
    const char *kept = talk_copy_text(t, name, strlen(name), err);
    const char **unmasked = calloc((size_t)t->unmasked_count + 1, sizeof *unmasked);
    named_value *penalties = calloc((size_t)t->mask_penalty_count + 1, sizeof *penalties);
    talk before = *t;
    if (!kept || !unmasked || !penalties) {
        free(unmasked);
        free(penalties);
        return error_memory(err, "a mask");
    }
    t->unmasked = unmasked;
    t->mask_penalties = penalties;
    t->unmasked_count = t->mask_penalty_count = 0;
    for (int i = 0; i < before.unmasked_count; i++)
        if (strcmp(before.unmasked[i], name) != 0)
            unmasked[t->unmasked_count++] = before.unmasked[i];
    for (int i = 0; i < before.mask_penalty_count; i++)
        if (strcmp(before.mask_penalties[i].name, name) != 0)
            penalties[t->mask_penalty_count++] = before.mask_penalties[i];
    if (off)
        unmasked[t->unmasked_count++] = kept;
    if (nats > 0)
        penalties[t->mask_penalty_count++] = (named_value){kept, nats};
    int result = talk_seat(t, err);
    if (result) {
        t->unmasked = before.unmasked;
        t->unmasked_count = before.unmasked_count;
        t->mask_penalties = before.mask_penalties;
        t->mask_penalty_count = before.mask_penalty_count;
    }
    free(result ? unmasked : before.unmasked);
    free(result ? penalties : before.mask_penalties);
    return result;
}

static bool has_penalty(const talk *t, const char *name)
{
    for (int i = 0; i < t->mask_penalty_count; i++)
        if (strcmp(t->mask_penalties[i].name, name) == 0)
            return true;
    return false;
}

static bool is_off(const talk *t, const char *name)
{
    for (int i = 0; i < t->unmasked_count; i++)
        if (strcmp(t->unmasked[i], name) == 0)
            return true;
    return false;
}

int talk_unmask(talk *t, const char *name, bool off, error *err)
{
    if (off ? is_off(t, name) : !is_off(t, name) && !has_penalty(t, name))
        return error_set(err, ERROR_USAGE, "%s speaks %s its mask already", name,
                         off ? "without" : "with");
    return change_mask(t, name, off, 0, err);
}

int talk_soften(talk *t, const char *name, double nats, error *err)
{
    if (nats <= 0 && !has_penalty(t, name))
        return error_set(err, ERROR_USAGE, "the mask of %s is not softened", name);
    return change_mask(t, name, false, nats, err);
}

/* ---- the model and the dialogue ---------------------------------------------------------------- */

/* c goes on with the model and the seats of `set`, and is the talk's conversation from then on. */
static int reopen(talk *t, options *set, bool anew, conversation *c, error *err)
{
    seating s = {0};
    dialogue_options o = {0};
    engine *e = anew || !t->engine ? open_model(set, t->con, err) : t->engine;
    int result = e ? read_seats(t, set, e, &s, err) : -1;
    o.council = s.limits;
    if (t->dialogue)
        o.context = dialogue_settings(t->dialogue)->context;
    if (!result)
        result = conversation_load(c, e, &o, &s.seats, print_note, t, err);
    if (result) {
        release_seating(&s);
        if (e != t->engine)
            engine_close(e);
        return -1;
    }
    t->dialogue = conversation_dialogue(c);
    set->memory_found = set->memory.given ? set->memory_found : engine_memory(e);
    if (e != t->engine)
        template_notes(e, dialogue_roster(t->dialogue), &o.council, t->con);
    if (c != t->conversation)
        conversation_close(t->conversation);
    talk_forget_listener(t);
    if (e != t->engine)
        engine_close(t->engine);
    t->engine = e;
    t->conversation = c;
    take_seats(t, set, &s);
    return 0;
}

int talk_open_dialogue(talk *t, bool anew, error *err)
{
    return reopen(t, &t->set, anew, t->conversation, err);
}

int talk_take(talk *t, conversation *c, error *err)
{
    if (reopen(t, &t->set, false, c, err))
        return -1;
    t->unsaved = false;
    return 0;
}

/* ---- what the prompt decides --------------------------------------------------------------------- */

static int tell_mode(talk *t, error *err)
{
    buf line = {0};
    int result = mode_options_line(&t->mode, &line, err);
    if (!result && line.len)
        result = talk_dim(t, &line, err);
    buf_release(&line);
    return result;
}

void talk_forget_listener(talk *t)
{
    mode_listener_close(t->listener);
    t->listener = NULL;
}

/* Whose experts the plain model calls counts too. The first time everyday prompts are read, to compare. */
static int listen_too(talk *t, const char *prompt, size_t len, error *err)
{
    guess_calls calls = {0};
    int result = 0;
    console_progress(t->con, "listening to whose experts the prompt calls");
    if (!t->listener)
        t->listener = mode_listener_open(t->engine, &t->mode.all, err);
    if (!t->listener || mode_listener_read(t->listener, prompt, len, &calls, err))
        result = -1;
    console_progress_end(t->con);
    if (result || !calls.n)
        return result;
    return mode_options_decide(&t->mode, prompt, len, &calls, err);
}

int talk_choose_mode(talk *t, const char **prompt, size_t *len, error *err)
{
    guessed before = t->mode.guess;
    const guessed *g = &t->mode.guess;
    if (!t->mode.on)
        return 0;
    if (mode_options_decide(&t->mode, *prompt, *len, NULL, err))
        return -1;
    if (t->mode.fixed < 0 && !g->tagged && listen_too(t, *prompt, *len, err)) {
        t->mode.guess = before;
        return -1;
    }
    bool other = g->choice != before.choice || g->depth != before.depth;
    if (other && talk_seat(t, err)) {
        t->mode.guess = before;
        return -1;
    }
    *len = g->to - g->from;
    *prompt += g->from;
    return other || t->mode.fixed < 0 ? tell_mode(t, err) : 0;
}

/* He speaks now; nothing changes when he cannot be seated. */
static int seat_chosen(talk *t, const char *name, error *err)
{
    char before[sizeof t->chosen];
    if (strcmp(t->chosen, name) == 0 && t->how.persona_count == 1)
        return 0;
    strcpy(before, t->chosen);
    strcpy(t->chosen, name);
    if (!talk_seat(t, err))
        return 0;
    strcpy(t->chosen, before);
    return -1;
}

int talk_choose_persona(talk *t, const char **prompt, size_t *len, error *err)
{
    guessed g;
    buf line = {0};
    const ask_options *k = &t->how;
    if (!k->candidate_count)
        return 0;
    persona_choice *c = persona_choice_open(t->engine, k->candidates, k->candidate_count, err);
    int result = c ? persona_choice_make(c, CHOICE_BY_ALL, *prompt, *len, &g, err) : -1;
    if (!result)
        result = persona_choice_line(c, &g, &line, err) ||
                         seat_chosen(t, k->candidates[g.choice], err) || talk_dim(t, &line, err)
                     ? -1
                     : 0;
    if (!result) {
        *len = g.to - g.from;
        *prompt += g.from;
    }
    buf_release(&line);
    persona_choice_close(c);
    return result;
}

/* ---- the layout -------------------------------------------------------------------------------- */

int talk_view(talk *t, view_layout layout, const char *focus, error *err)
{
    if (layout == VIEW_FOCUS && !focus)
        focus = roster_seat(dialogue_roster(t->dialogue), 0)->name;
    else if (layout != VIEW_FOCUS)
        focus = "";
    int at = *focus ? dialogue_find(t->dialogue, focus) : 0;
    if (at < 0)
        return error_set(err, ERROR_USAGE, "%.64s does not speak", focus);
    if (at >= roster_seats(dialogue_roster(t->dialogue)))
        return error_set(err, ERROR_USAGE, "%.64s is a group: name one of its members", focus);
    if (strlen(focus) >= sizeof t->focus)
        return error_set(err, ERROR_USAGE, "\"%.64s\" is too long a name", focus);
    strcpy(t->focus, focus);
    t->layout = layout;
    return 0;
}

/* ---- /set -------------------------------------------------------------------------------------- */

typedef enum reach { REACH_SEATS, REACH_DIALOGUE, REACH_ENGINE, REACH_VIEW, REACH_NOTHING } reach;

/* How much must be made anew for an option. */
static reach reach_of(const char *name)
{
    static const struct {
        const char *name;
        reach how;
    } far[] = {
        {"stop", REACH_DIALOGUE},      {"raw", REACH_DIALOGUE},       {"kv", REACH_DIALOGUE},
        {"context", REACH_DIALOGUE},   {"model", REACH_ENGINE},       {"threads", REACH_ENGINE},
        {"backend", REACH_ENGINE},     {"isa", REACH_ENGINE},         {"chat-format", REACH_ENGINE},
        {"view", REACH_VIEW},          {"session", REACH_NOTHING},    {"resume", REACH_NOTHING},
        {"no-save", REACH_NOTHING},    {"plain", REACH_NOTHING},      {"no-color", REACH_NOTHING},
        {"help", REACH_NOTHING},       {"version", REACH_NOTHING},    {"quiet", REACH_NOTHING},
        {"max-adapter", REACH_ENGINE}, {"template", REACH_ENGINE},    {"verbose", REACH_NOTHING},
        {"max-input", REACH_NOTHING},  {"no-sandbox", REACH_NOTHING}, {"tokenizer", REACH_ENGINE},
        {"memory", REACH_ENGINE}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        if (strcmp(name, far[i].name) == 0)
            return far[i].how;
    return REACH_SEATS;
}

bool talk_may_set(const char *name)
{
    return reach_of(name) != REACH_NOTHING;
}

/* Another mode, of which nothing is left when it cannot be seated. */
static int try_mode(talk *t, options *trial, error *err)
{
    mode_options before = t->mode;
    if (mode_options_open(&t->mode, trial->mode, err) || seat_options(t, trial, err)) {
        mode_options_release(&t->mode);
        t->mode = before;
        return -1;
    }
    mode_options_release(&before);
    talk_forget_listener(t);
    return 0;
}

static int try_value(talk *t, options *trial, const char *name, const char *value, error *err)
{
    bool back = strcmp(value, "default") == 0;
    const char *kept = back ? value : talk_copy_text(t, value, strlen(value), err);
    if (!kept ||
        (back ? options_reset(trial, t->opt, name, err) : options_set(trial, name, kept, err)))
        return -1;
    if (strcmp(name, "mode") == 0)
        return try_mode(t, trial, err);
    switch (reach_of(name)) {
    case REACH_SEATS:
        return seat_options(t, trial, err);
    case REACH_DIALOGUE:
        return reopen(t, trial, false, t->conversation, err);
    case REACH_ENGINE:
        return reopen(t, trial, true, t->conversation, err);
    case REACH_VIEW: {
        view_layout layout;
        (void)view_layout_parse(trial->view, &layout); /* one of its choices */
        return talk_view(t, layout, NULL, err);
    }
    case REACH_NOTHING:
        break;
    }
    return error_set(err, ERROR_USAGE, "%s is settled when the program starts", name);
}

int talk_set(talk *t, const char *name, const char *value, error *err)
{
    options trial;
    if (options_copy(&trial, &t->set, err))
        return -1;
    if (try_value(t, &trial, name, value, err)) {
        options_release(&trial);
        if (err && strncmp(err->text, "--", 2) == 0) /* an option as it is called here */
            memmove(err->text, err->text + 2, strlen(err->text) - 1);
        return -1;
    }
    /* what was seated borrows texts, which stay, and no list */
    options_release(&t->set);
    t->set = trial;
    return 0;
}
