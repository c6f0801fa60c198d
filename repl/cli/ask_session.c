/* ask_session.c - `ask` continues a session and saves what was said. See ask.h.
 *
 * Saving never stands between the user and the answers: what goes wrong is told once, at the end,
 * and makes the exit status 4 where the answers alone would have made it 0. Only a session that was
 * asked for by name and cannot be had is an error, before anything is computed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/sources/sources.h"
#include "ask.h"

/* ---- what the session says --------------------------------------------------------------------- */

/* "a,b,c" */
static char *join(const char *const *names, int n, error *err)
{
    buf b = {0};
    for (int i = 0; i < n; i++)
        if (buf_format(&b, err, "%s%s", i ? "," : "", names[i])) {
            buf_release(&b);
            return NULL;
        }
    return buf_detach(&b);
}

/* A name brings more than the path of its weights, while it is there. */
static bool still_named(const char *name)
{
    char *path = NULL;
    bool there = name && source_resolve(name, &path, NULL) == 0;
    free(path);
    return there;
}

/* The tokenizer that the session's ids are of, where its model runs. */
static void inherit_tokenizer(options *own, const record_setting *s)
{
    char *path = NULL, *whole = NULL;
    bool same = own->model == s->model || own->model == s->model_name;
    if (!same && (own->model ? source_resolve(own->model, &path, NULL)
                             : open_model_built_in_path(&path, NULL)) == 0)
        same = (whole = realpath(path, NULL)) && strcmp(whole, s->model) == 0;
    if (same && !own->tokenizer)
        own->tokenizer = s->tokenizer.path;
    free(path);
    free(whole);
}

/* Who answers in which mode, which model, its tokenizer and the variables of its template, unless the
 * command line or the configuration says so. */
static int inherit(ask *a)
{
    record_setting s;
    options *own = &a->own;
    char *standard = NULL;
    error why = {0};
    if (conversation_setting(a->conversation, &s, &why) < 1) {
        record_setting_release(&s);
        return why.code == ERROR_RUN ? -1 : 0; /* a setting that is lost or damaged says nothing */
    }
    int result = open_model_built_in_path(&standard, a->err);
    if (!result && !own->model && strcmp(s.model, standard) != 0 && access(s.model, F_OK) == 0)
        own->model = still_named(s.model_name) ? s.model_name : s.model;
    if (!result && !own->personas && s.roster.persona_count) {
        a->borrowed_names = join(s.roster.personas, s.roster.persona_count, a->err);
        own->personas = a->borrowed_names;
        a->system = s.roster.system;
        result = a->borrowed_names ? 0 : -1;
        if (!own->control && s.roster.control != CONTROL_OFF)
            own->control = roster_controls[s.roster.control];
        own->no_instruction = own->no_instruction || s.roster.no_instruction;
        own->everyone = own->everyone || s.roster.everyone;
        own->mode = own->mode ? own->mode : s.mode;
    }
    if (!result && s.tokenizer.path)
        inherit_tokenizer(own, &s);
    if (!result && !own->variables.len && s.variable_count) {
        a->variables = s.variables;
        own->variables = (texts){(const char **)(uintptr_t)a->variables, (size_t)s.variable_count,
                                 (size_t)s.variable_count};
        s.variables = NULL;
    }
    free(standard);
    record_setting_release(&s); /* its texts are the past's */
    return result;
}

static void note_repair(ask *a, const transcript_repair *r)
{
    if (r->torn)
        console_loss(a->con,
                     "the session ended in a torn record: its %zu bytes were cut off and lie in %s",
                     r->torn, r->kept);
    if (r->damaged)
        console_loss(a->con,
                     "the session's file has %zu damaged line%s, the first is line %zu; they stay "
                     "where they are and are passed over",
                     r->damaged, r->damaged == 1 ? "" : "s", r->first_damaged);
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* place: the folder, for reading when nothing shall be saved. */
static int open_in(ask *a, const char *place, bool save)
{
    const char *name = a->opt->session, *past = a->opt->resume;
    if (name && !transcript_name_ok(name))
        return error_set(a->err, ERROR_USAGE,
                         "--session: a name has 1 to 64 of A-Z a-z 0-9 _ -, not \"%.64s\"", name);
    if (!past && name && transcript_exists(place, name))
        past = name;
    a->conversation = past ? conversation_resume(place, past, save, a->err)
                           : conversation_new(save ? place : NULL, name, a->err);
    if (!a->conversation)
        return -1;
    note_repair(a, conversation_repair(a->conversation));
    return past ? inherit(a) : 0;
}

static int open_nowhere(ask *a)
{
    a->conversation = conversation_new(NULL, NULL, a->err);
    return a->conversation ? 0 : -1;
}

int ask_session_open(ask *a)
{
    const options *o = a->opt;
    bool save = options_saves(o);
    char *place = NULL;
    error why = {0};
    if (o->session && o->resume)
        return error_set(a->err, ERROR_USAGE, "--session and --resume both name a session");
    if (!save && !o->session && !o->resume)
        return open_nowhere(a);
    if (transcript_folder(&place, &why)) {
        a->unkept = why;
        if (!o->session && !o->resume)
            return open_nowhere(a);
        *a->err = why;
        return -1;
    }
    int result = open_in(a, place, save);
    free(place);
    return result;
}

/* ---- saving ------------------------------------------------------------------------------------ */

/* Nothing is recorded of a question that was not even read. */
void ask_session_saved(ask *a)
{
    bool saved = a->report.turn->n && !conversation_unsaved(a->conversation);
    a->report.session = saved ? conversation_id(a->conversation) : NULL;
}

int ask_session_report(ask *a, int result)
{
    char name[CONVERSATION_NAME];
    const error *unsaved = conversation_unsaved(a->conversation);
    error why = unsaved ? *unsaved : a->unkept;
    if (why.code) {
        (void)error_prefix(&why, "not saved: ");
        console_error(a->con, why.text);
        return result ? result : error_set(a->err, ERROR_PARTIAL, "%s", "");
    }
    conversation_short_name(a->conversation, name);
    if (a->report.session && name[0])
        console_note(a->con, "saved %s", name);
    return result;
}

void ask_session_close(ask *a)
{
    conversation_close(a->conversation);
    free(a->borrowed_names);
    free((void *)(uintptr_t)a->variables);
}
