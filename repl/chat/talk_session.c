/* talk_session.c - the transcript that a conversation is kept in: begun, resumed, forked. See
 * talk.h.
 *
 * To resume, the conversation is opened, what its last setting says is set again (the tokenizer, the
 * template's variables, who speaks, their masks, the mode), and it is given the model; it takes the place of the old one when
 * all of this went well, so that a session that cannot be read costs no turn. /new does the same with
 * a conversation without a past.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/run/engine_tokenizer.h"
#include "talk.h"
#include "transcript_lookup.h"

void talk_saved(talk *t)
{
    const error *why = conversation_unsaved(t->conversation);
    if (!why && t->unsaved)
        (void)talk_say(t, "everything is saved again");
    if (why && !t->unsaved) {
        error unsaved = *why;
        (void)error_prefix(&unsaved, "not saved: ");
        talk_error(t, &unsaved);
    }
    t->unsaved = why != NULL;
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
static int take_setting(talk *t, options *set, const record_setting *then, error *err)
{
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
    control_kind control = then->roster.control;
    set->control = control == CONTROL_OFF    ? NULL
                   : control == CONTROL_NONE ? ""
                                             : roster_controls[control];
    options_mark(set, "everyone", SOURCE_SESSION);
    set->everyone = then->roster.everyone;
    free(t->system);
    t->system = then->roster.system ? strdup(then->roster.system) : NULL;
    return failed ? -1 : 0;
}

/* Masks that were off, or logit biases instead, are so again. */
static int take_masks(talk *t, const record_setting *then, error *err)
{
    const roster_options *o = &then->roster;
    const char **unmasked = calloc((size_t)o->unmasked_count + 1, sizeof *unmasked);
    named_value *penalties = calloc((size_t)o->mask_penalty_count + 1, sizeof *penalties);
    bool whole = unmasked && penalties;
    for (int i = 0; whole && i < o->unmasked_count; i++)
        whole =
            (unmasked[i] = talk_copy_text(t, o->unmasked[i], strlen(o->unmasked[i]), err)) != NULL;
    for (int i = 0; whole && i < o->mask_penalty_count; i++) {
        const char *name = o->mask_penalties[i].name ? o->mask_penalties[i].name : "";
        penalties[i] =
            (named_value){talk_copy_text(t, name, strlen(name), err), o->mask_penalties[i].value};
        whole = penalties[i].name != NULL;
    }
    if (!whole) {
        free(unmasked);
        free(penalties);
        return error_memory(err, "the masks");
    }
    free(t->unmasked);
    free(t->mask_penalties);
    t->unmasked = unmasked;
    t->unmasked_count = o->unmasked_count;
    t->mask_penalties = penalties;
    t->mask_penalty_count = o->mask_penalty_count;
    return 0;
}

/* The variables of the chat template, unless the user said others in this run. *anew: they differ. */
static int take_template(talk *t, options *set, const record_setting *then, bool *anew, error *err)
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

/* Nobody said in this run what it is, so that the session may. */
static bool unsaid(const options *set, const char *name)
{
    option_source said = options_source(set, name);
    return said == SOURCE_DEFAULT || said == SOURCE_SESSION;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The tokenizer that the session's ids are of, where it is the model's of then that runs. *anew: it is
 * another one than now. */
static int take_tokenizer(talk *t, options *set, const record_setting *then, bool *anew, error *err)
{
    const char *path = then->tokenizer.path;
    char *model = realpath(checkpoint_path(engine_checkpoint(t->engine)), NULL);
    bool same_model = model && strcmp(model, then->model) == 0;
    free(model);
    if (!same_model || !unsaid(set, "tokenizer") ||
        same_text(path, engine_tokenizer_path(t->engine)))
        return 0;
    const char *kept = path ? talk_copy_text(t, path, strlen(path), err) : NULL;
    if (path ? !kept || options_set(set, "tokenizer", kept, err)
             : options_reset(set, t->opt, "tokenizer", err))
        return -1;
    options_mark(set, "tokenizer", path ? SOURCE_SESSION : SOURCE_DEFAULT);
    *anew = true;
    return 0;
}

/* It may have changed since; that is for the user to know. */
static void note_tokenizer(const talk *t, const record_setting *then)
{
    const char *now = engine_tokenizer_hash(t->engine);
    if (*now && *then->tokenizer.hash && strcmp(now, then->tokenizer.hash) != 0)
        console_note(t->con,
                     "%s is another tokenizer than it was: its SHA-256 is %.16s, then %.16s",
                     engine_tokenizer_path(t->engine), now, then->tokenizer.hash);
}

enum { NOT_TAKEN = -2 }; /* no mode took the place of another */

/* The mode of then, over what was set. One that is not there any more is told, and none holds. *before:
 * what held, for who must go back; released by the caller. */
static int take_mode(talk *t, options *set, const record_setting *then, mode_options *before,
                     error *err)
{
    error why = {0};
    if (!unsaid(set, "mode") || same_text(set->mode, then->mode))
        return 0;
    const char *kept = then->mode ? talk_copy_text(t, then->mode, strlen(then->mode), err) : NULL;
    mode_options mode = {0};
    if (then->mode && !kept)
        return -1;
    if (mode_options_open(&mode, kept, &why)) {
        mode_options_release(&mode);
        console_note(t->con, "the mode of then is left out: %s", why.text);
        kept = NULL;
        (void)mode_options_open(&mode, NULL, NULL);
    }
    talk_forget_listener(t);
    *before = t->mode;
    t->mode = mode;
    set->mode = kept;
    options_mark(set, "mode", kept ? SOURCE_SESSION : SOURCE_DEFAULT);
    return 0;
}

static int take_speakers(talk *t, options *set, const record_setting *then, mode_options *before,
                         error *err)
{
    return take_setting(t, set, then, err) || take_masks(t, then, err) ||
                   take_mode(t, set, then, before, err)
               ? -1
               : 0;
}

/* Of the two modes the one that holds stays. */
static void settle_mode(talk *t, mode_options *before, bool back)
{
    if (before->fixed == NOT_TAKEN)
        return;
    if (back) {
        mode_options now = t->mode;
        t->mode = *before;
        *before = now;
        talk_forget_listener(t);
    }
    mode_options_release(before);
}

/* What cannot be seated any more is told, and who speaks now goes on. who_too: else what ids mean alone. */
static void seat_as_then(talk *t, const conversation *c, bool who_too)
{
    bool anew = false;
    record_setting then;
    options set;
    error why = {0};
    int found = conversation_setting(c, &then, &why);
    if (!found || options_copy(&set, &t->set, NULL)) {
        record_setting_release(&then);
        return;
    }
    options before = t->set;
    mode_options mode = {.fixed = NOT_TAKEN};
    int result = found < 0 ? -1 : 0;
    if (!result)
        result = take_template(t, &set, &then, &anew, &why) ||
                         take_tokenizer(t, &set, &then, &anew, &why) ||
                         (who_too && take_speakers(t, &set, &then, &mode, &why))
                     ? -1
                     : 0;
    bool changes = who_too || anew;
    if (!result && changes) {
        t->set = set;
        result = anew ? talk_open_dialogue(t, true, &why) : talk_seat(t, &why);
        t->set = result ? before : t->set;
    }
    settle_mode(t, &mode, result != 0);
    if (!result && then.tokenizer.path)
        note_tokenizer(t, &then);
    if (result && changes)
        console_note(t->con, "%s; who speaks now goes on", why.text);
    options_release(result || !changes ? &set : &before);
    record_setting_release(&then);
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

/* The old turns leave this process; their transcript has them. as_then: unless the command line says who
 * speaks. */
static int resume(talk *t, const char *prefix, bool as_then, error *err)
{
    conversation *c = conversation_resume(t->folder, prefix, !t->opt->no_save, err);
    if (!c)
        return -1;
    if (t->opt->no_save)
        note_damage(conversation_past(c), t->con);
    seat_as_then(t, c, as_then);
    if (talk_take(t, c, err)) {
        conversation_close(c);
        return -1;
    }
    note_repair(t, conversation_repair(c));
    show_past(t, conversation_past(c));
    return 0;
}

int talk_resume(talk *t, const char *prefix, error *err)
{
    return resume(t, prefix, true, err);
}

/* ---- beginning --------------------------------------------------------------------------------- */

int talk_begin(talk *t, error *err)
{
    const options *opt = t->opt;
    const char *name = opt->session, *past = opt->resume;
    if (transcript_folder(&t->folder, err))
        return -1;
    if (!past && name && !transcript_name_ok(name))
        return error_set(err, ERROR_USAGE,
                         "--session: a name has 1 to 64 of A-Z a-z 0-9 _ -, not \"%.64s\"", name);
    if (!past && name && transcript_exists(t->folder, name))
        past = name;
    bool keeps = !past && options_saves(opt);
    t->conversation = conversation_new(keeps ? t->folder : NULL, name, err);
    if (!t->conversation || talk_open_dialogue(t, false, err))
        return -1;
    return past ? resume(t, past, !opt->personas && !opt->control, err) : 0;
}

/* ---- beginning anew ---------------------------------------------------------------------------- */

/* A seed that nobody asked for. */
static bool seed_was_drawn(const talk *t)
{
    return options_source(&t->set, "seed") == SOURCE_DEFAULT;
}

int talk_new(talk *t, error *err)
{
    long long seed = t->set.seed;
    const char *folder = conversation_keeps(t->conversation) ? t->folder : NULL;
    conversation *c = conversation_new(folder, NULL, err);
    if (!c)
        return -1;
    if (seed_was_drawn(t))
        t->set.seed = -1;
    if (talk_take(t, c, err)) {
        t->set.seed = seed;
        conversation_close(c);
        return -1;
    }
    talk_forget_blind(t);
    if (t->blind)
        conversation_note(c, "blind", "on");
    return 0;
}
