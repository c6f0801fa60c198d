/* talk_session.c - the transcript that a conversation is kept in: begun, resumed, forked. See
 * talk.h.
 *
 * To resume, the record is opened, what its last setting says is set again (the template's
 * variables, who speaks, their masks), and its turns go into a new dialogue; the old one is
 * closed when all of this went well, so that a session that cannot be read costs no turn. /new
 * gives the conversation a new record and an empty dialogue, /fork a new record alone.
 */
#include <stdlib.h>
#include <string.h>

#include "talk.h"
#include "transcript_lookup.h"

void talk_saved(talk *t, int result, const error *err)
{
    if (!result && t->unsaved)
        (void)talk_say(t, "everything is saved again");
    if (result && !t->unsaved) {
        error unsaved = *err;
        (void)error_prefix(&unsaved, "not saved: ");
        talk_error(t, &unsaved);
    }
    t->unsaved = result != 0;
}

/* ---- resuming ---------------------------------------------------------------------------------- */

static void note_repair(talk *t, const transcript_repair *r)
{
    if (r->torn)
        console_loss(t->con, "the last line of the transcript was torn: %zu bytes were cut off%s%s",
                     r->torn, r->kept ? " and lie in " : "", r->kept ? r->kept : "");
    if (r->damaged)
        console_loss(t->con,
                     "%zu line%s of the transcript %s no records (the first is line %zu); what "
                     "belongs to them is missing",
                     r->damaged, r->damaged == 1 ? "" : "s", r->damaged == 1 ? "is" : "are",
                     r->first_damaged);
}

/* Who spoke at the end of the transcript speaks again: personas, control, what all are told. */
static int take_setting(talk *t, options *set, const keeper_setting *then, error *err)
{
    static const char *const controls[] = {[CONTROL_OFF] = NULL,
                                           [CONTROL_NONE] = "",
                                           [CONTROL_PROMPT] = "prompt",
                                           [CONTROL_MASK] = "mask"};
    buf names = {0};
    for (int i = 0; i < then->roster.persona_count; i++)
        if (buf_format(&names, err, "%s%s", i ? "," : "", then->roster.personas[i]))
            return -1;
    const char *kept = names.len ? talk_copy_text(t, names.v, names.len, err) : set->personas;
    bool failed = names.len && !kept;
    set->personas = kept;
    options_mark(set, "personas", SOURCE_SESSION);
    options_mark(set, "control", SOURCE_SESSION);
    buf_release(&names);
    set->control = controls[then->roster.control];
    free(t->system);
    t->system = then->roster.system ? strdup(then->roster.system) : NULL;
    return failed ? -1 : 0;
}

/* Masks that were off or softened are so again. */
static int take_masks(talk *t, const keeper_setting *then, error *err)
{
    const roster_options *o = &then->roster;
    const char **unmasked = calloc((size_t)o->unmasked_count + 1, sizeof *unmasked);
    named_value *softened = calloc((size_t)o->softened_count + 1, sizeof *softened);
    bool whole = unmasked && softened;
    for (int i = 0; whole && i < o->unmasked_count; i++)
        whole =
            (unmasked[i] = talk_copy_text(t, o->unmasked[i], strlen(o->unmasked[i]), err)) != NULL;
    for (int i = 0; whole && i < o->softened_count; i++) {
        const char *name = o->softened[i].name ? o->softened[i].name : "";
        softened[i] =
            (named_value){talk_copy_text(t, name, strlen(name), err), o->softened[i].value};
        whole = softened[i].name != NULL;
    }
    if (!whole) {
        free(unmasked);
        free(softened);
        return error_memory(err, "the masks");
    }
    free(t->unmasked);
    free(t->softened);
    t->unmasked = unmasked;
    t->unmasked_count = o->unmasked_count;
    t->softened = softened;
    t->softened_count = o->softened_count;
    return 0;
}

/* The variables of the chat template, unless the user said others in this run. *anew: they differ. */
static int take_template(talk *t, options *set, const keeper_setting *then, bool *anew, error *err)
{
    option_source said = options_source(set, "template");
    size_t count = (size_t)then->variable_count, same = 0;
    if (said != SOURCE_DEFAULT && said != SOURCE_SESSION)
        return 0;
    while (same < count && same < set->variables.len &&
           strcmp(set->variables.v[same], then->variables[same]) == 0)
        same++;
    *anew = same < count || same < set->variables.len;
    if (!*anew)
        return 0;
    if (options_reset(set, t->opt, "template", err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *kept = talk_copy_text(t, then->variables[i], strlen(then->variables[i]), err);
        if (!kept || options_set(set, "template", kept, err))
            return -1;
    }
    options_mark(set, "template", count ? SOURCE_SESSION : SOURCE_DEFAULT);
    return 0;
}

/* What cannot be seated any more is told, and who speaks now goes on. who_too: else the template alone. */
static void seat_as_then(talk *t, const history *h, bool who_too)
{
    bool anew = false;
    keeper_setting then = {0};
    options set;
    error why = {0};
    const json *setting = history_setting(h, h->setting_count);
    if (!setting || options_copy(&set, &t->set, NULL))
        return;
    options before = t->set;
    int result = keeper_setting_read(setting, &then, &why);
    if (!result)
        result = take_template(t, &set, &then, &anew, &why);
    if (!result && who_too)
        result = take_setting(t, &set, &then, &why) || take_masks(t, &then, &why) ? -1 : 0;
    bool changes = who_too || anew;
    if (!result && changes) {
        t->set = set;
        result = anew ? talk_open_dialogue(t, true, &why) : talk_seat(t, &why);
        t->set = result ? before : t->set;
    }
    if (result && changes)
        console_note(t->con, "%s; who speaks now goes on", why.text);
    options_release(result || !changes ? &set : &before);
    keeper_setting_release(&then);
}

/* The old turns leave this process; their transcript has them. */
static int replace_turns(talk *t, history *h, error *err)
{
    dialogue *old = t->dialogue;
    t->dialogue = NULL;
    if (talk_open_dialogue(t, false, err) == 0 && keeper_restore(h, t->dialogue, err) == 0) {
        dialogue_settings(t->dialogue)->context = dialogue_settings(old)->context;
        dialogue_close(old);
        return 0;
    }
    dialogue_close(t->dialogue);
    t->dialogue = old;
    return -1;
}

static void show_past(talk *t, const history *h)
{
    const struct turn *last = dialogue_last(t->dialogue);
    buf text = {0};
    int turns = 0;
    for (int i = 0; i < dialogue_turns(t->dialogue); i++)
        turns += !dialogue_at(t->dialogue, i)->undone;
    if (!last || buf_format(&text, NULL, "%s goes on after %d turn%s; the last was: ", h->id, turns,
                            turns == 1 ? "" : "s"))
        (void)talk_say(t, "%s goes on; nothing was asked in it", h->id);
    else if (talk_excerpt(t, last->prompt.v, 200, &text, NULL) == 0)
        (void)talk_say(t, "%s", text.v);
    buf_release(&text);
}

/* as_then: unless the command line says who speaks. */
static int resume(talk *t, const char *prefix, bool as_then, error *err)
{
    history *h = NULL;
    transcript_repair repair = {0};
    keeper *k = NULL;
    if (t->opt->no_save)
        h = transcript_lookup(prefix, t->con, err);
    else
        k = keeper_resume(t->folder, prefix, &h, &repair, err);
    if (h)
        seat_as_then(t, h, as_then);
    int result = h ? replace_turns(t, h, err) : -1;
    if (!result) {
        keeper_close(t->keeper);
        t->keeper = k;
        t->unsaved = false;
        note_repair(t, &repair);
        show_past(t, h);
    } else {
        keeper_close(k);
    }
    transcript_repair_release(&repair);
    history_close(h);
    return result;
}

int talk_resume(talk *t, const char *prefix, error *err)
{
    return resume(t, prefix, true, err);
}

/* ---- beginning --------------------------------------------------------------------------------- */

int talk_begin_session(talk *t, error *err)
{
    const options *opt = t->opt;
    if (transcript_folder(&t->folder, err))
        return -1;
    if (opt->resume)
        return resume(t, opt->resume, !opt->personas && !opt->control, err);
    if (opt->session && !transcript_name_ok(opt->session))
        return error_set(err, ERROR_USAGE,
                         "--session: a name has 1 to 64 of A-Z a-z 0-9 _ -, not \"%.64s\"",
                         opt->session);
    if (opt->session && transcript_exists(t->folder, opt->session))
        return resume(t, opt->session, !opt->personas && !opt->control, err);
    if (!options_saves(opt))
        return 0;
    t->keeper = keeper_new(t->folder, opt->session, err);
    return t->keeper ? 0 : -1;
}

/* ---- beginning anew ---------------------------------------------------------------------------- */

/* A seed that nobody asked for. */
static bool seed_was_drawn(const talk *t)
{
    return options_source(&t->set, "seed") == SOURCE_DEFAULT;
}

int talk_new(talk *t, error *err)
{
    dialogue *old = t->dialogue;
    long long seed = t->set.seed;
    keeper *k = t->keeper ? keeper_new(t->folder, NULL, err) : NULL;
    if (t->keeper && !k)
        return -1;
    if (seed_was_drawn(t))
        t->set.seed = -1;
    t->dialogue = NULL;
    if (talk_open_dialogue(t, false, err)) {
        t->dialogue = old;
        t->set.seed = seed;
        keeper_close(k);
        return -1;
    }
    dialogue_settings(t->dialogue)->context = dialogue_settings(old)->context;
    dialogue_close(old);
    talk_forget_blind(t);
    keeper_close(t->keeper);
    t->keeper = k;
    t->unsaved = false;
    return t->keeper && t->blind ? keeper_note(t->keeper, "blind", "on", err) : 0;
}

/* ---- forking ----------------------------------------------------------------------------------- */

static int copy_turn(talk *t, keeper *k, const struct turn *turn, error *err)
{
    if (keeper_turn(k, t->dialogue, &t->seats, turn, err))
        return -1;
    for (int i = 0; i < turn->merge_count; i++)
        if (keeper_merge(k, turn, &turn->merges[i], err))
            return -1;
    return turn->picked ? keeper_pick(k, turn, err) : 0;
}

int talk_record(talk *t, keeper *k, error *err)
{
    for (int i = 0; i < dialogue_turns(t->dialogue); i++) {
        const struct turn *turn = dialogue_at(t->dialogue, i);
        if (!turn->undone && copy_turn(t, k, turn, err))
            return -1;
    }
    return 0;
}

int talk_fork(talk *t, error *err)
{
    keeper *k = keeper_fork(t->keeper, err);
    if (!k)
        return -1;
    keeper_close(t->keeper);
    t->keeper = k;
    t->unsaved = false;
    return 0;
}
