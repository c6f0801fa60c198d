/* ask_session.c - `ask` continues a session and saves what was said. See ask.h.
 *
 * Saving never stands between the user and the answers: what goes wrong is told once, at the end, and
 * makes the exit status 4 where the answers alone would have made it 0. Only a session that was asked for by name and cannot be had
 * is an error, before anything is computed.
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

/* Who answers, which model and the variables of its template, unless the command line or the configuration says so. */
static int inherit(ask *a)
{
    static const char *const controls[] = {NULL, "none", "prompt", "mask"};
    keeper_setting s = {0};
    options *own = &a->own;
    char *standard = NULL;
    error why = {0};
    const json *setting = history_setting(a->past, a->past->setting_count);
    if (!setting || keeper_setting_read(setting, &s, &why)) {
        keeper_setting_release(&s);
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
        own->control = own->control ? own->control : controls[s.roster.control];
        own->no_instruction = own->no_instruction || s.roster.no_instruction;
    }
    if (!result && !own->variables.len && s.variable_count) {
        a->variables = s.variables;
        own->variables = (texts){(const char **)(uintptr_t)a->variables, (size_t)s.variable_count,
                                 (size_t)s.variable_count};
        s.variables = NULL;
    }
    free(standard);
    keeper_setting_release(&s); /* its texts are the history's */
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

/* Reads it, and takes it for writing unless nothing shall be saved. */
static int open_past(ask *a, const char *place, const char *id, bool save)
{
    if (save) {
        transcript_repair r = {0};
        a->keeper = keeper_resume(place, id, &a->past, &r, a->err);
        note_repair(a, &r);
        transcript_repair_release(&r);
        return a->keeper ? 0 : -1;
    }
    char *whole = NULL, *path = NULL;
    if (transcript_find(place, id, &whole, a->err) == 0)
        path = transcript_file(place, whole, a->err);
    if (path)
        a->past = history_load(path, a->err);
    free(whole);
    free(path);
    return a->past ? 0 : -1;
}

static int open_in(ask *a, const char *place, bool save)
{
    const char *name = a->opt->session;
    if (name && !transcript_name_ok(name))
        return error_set(a->err, ERROR_USAGE,
                         "--session: a name has 1 to 64 of A-Z a-z 0-9 _ -, not \"%.64s\"", name);
    bool there = a->opt->resume || (name && transcript_exists(place, name));
    if (there)
        return open_past(a, place, a->opt->resume ? a->opt->resume : name, save) || inherit(a) ? -1
                                                                                               : 0;
    a->keeper = save ? keeper_new(place, name, a->err) : NULL;
    return save && !a->keeper ? -1 : 0;
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
        return 0;
    if (transcript_folder(&place, &why)) {
        a->unsaved = why;
        if (!o->session && !o->resume)
            return 0;
        *a->err = why;
        return -1;
    }
    int result = open_in(a, place, save);
    free(place);
    return result;
}

int ask_session_restore(ask *a)
{
    if (!a->past)
        return 0;
    if (keeper_restore(a->past, a->dialogue, a->err))
        return -1;
    const struct turn *last = dialogue_last(a->dialogue);
    if (last)
        dialogue_settings(a->dialogue)->context = last->context;
    return 0;
}

/* ---- saving ------------------------------------------------------------------------------------ */

void ask_session_turn(ask *a)
{
    error why = {0};
    if (!a->keeper)
        return;
    if (keeper_turn(a->keeper, a->dialogue, &a->seats, dialogue_last(a->dialogue), &why))
        a->unsaved = why;
    else
        a->unsaved = (error){0};
    a->report.session = a->unsaved.code ? NULL : keeper_id(a->keeper);
}

void ask_session_merge(ask *a)
{
    const struct turn *t = dialogue_last(a->dialogue);
    error why = {0};
    if (!a->keeper || !t->merge_count)
        return;
    a->unsaved = (error){0};
    if (keeper_merge(a->keeper, t, &t->merges[t->merge_count - 1], &why))
        a->unsaved = why;
    a->report.session = a->unsaved.code ? NULL : keeper_id(a->keeper);
}

int ask_session_report(ask *a, int result)
{
    char name[KEEPER_NAME] = "";
    if (a->unsaved.code) {
        (void)error_prefix(&a->unsaved, "not saved: ");
        console_error(a->con, a->unsaved.text);
        return result ? result : error_set(a->err, ERROR_PARTIAL, "%s", "");
    }
    if (a->keeper && a->report.session)
        keeper_short(a->keeper, name);
    if (name[0])
        console_note(a->con, "saved %s", name);
    return result;
}

void ask_session_close(ask *a)
{
    keeper_close(a->keeper);
    history_close(a->past);
    free(a->borrowed_names);
    free((void *)(uintptr_t)a->variables);
}
