/* command_personas_pack.c - `personas pack` and `personas add`: a persona as one file.
 *
 * What is added comes from a stranger, so the rights are given up before a byte of it is read: with
 * a model at hand opening that does so, else it is done for its own sake. The pack is checked whole
 * (pack.h), installed, and then seated on the model, to say what it acts by there.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../personas/pack/pack.h"
#include "../options/sandbox_policy.h"
#include "../screen/human.h"
#include "../system/output_file.h"
#include "commands.h"
#include "personas_model.h"

/* ---- what it holds ----------------------------------------------------------------------------- */

static size_t count(const pack *p, pack_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++)
        n += p->files[i].kind == kind;
    return n;
}

static size_t count_lessons(const pack *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++)
        n += p->files[i].lessons;
    return n;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void tell_content(const pack *p, console *con)
{
    size_t lessons = count_lessons(p), masks = count(p, PACK_MASK),
           adapters = count(p, PACK_ADAPTER);
    console_note(con, "%s: %zu lesson%s, %zu mask%s, %zu adapter%s", p->name, lessons,
                 plural(lessons), masks, plural(masks), adapters, plural(adapters));
}

/* The models that its masks and adapters are for, each once. */
static void tell_models(const pack *p, const char *here, console *con)
{
    bool fits = false, any = false;
    for (size_t i = 0; i < p->len; i++) {
        const char *model = p->files[i].model;
        bool told = !*model;
        for (size_t k = 0; k < i && !told; k++)
            told = strcmp(p->files[k].model, model) == 0;
        if (told)
            continue;
        bool same = here && strncmp(here, model, PACK_FINGERPRINT) == 0;
        fits = fits || same;
        any = true;
        console_note(con, "made for model %s%s", model, same ? ", the one at hand" : "");
    }
    if (any && here && !fits)
        console_note(con, "nothing in it was made for the model at hand, %.16s", here);
}

/* ---- pack -------------------------------------------------------------------------------------- */

static int write_pack(const options *opt, const pack *p, console *con, error *err)
{
    buf archive = {0};
    char size[HUMAN_TEXT];
    char *usual = string_format(err, "%s.zip", p->name);
    const char *path = opt->output ? opt->output : usual;
    int result = usual ? output_file_check(path, opt->force, err) : -1;
    if (!result)
        result = pack_write(p, &archive, err) ||
                         output_file_put(con, path, opt->force, archive.v, archive.len, err) ||
                         console_line(con, path, err)
                     ? -1
                     : 0;
    if (!result) {
        tell_content(p, con);
        tell_models(p, NULL, con);
        console_note(con, "%s; `consilium personas add %s` adds it elsewhere",
                     human_bytes(size, archive.len), path);
    }
    buf_release(&archive);
    free(usual);
    return result;
}

int command_personas_pack(const options *opt, console *con, error *err)
{
    persona *who = persona_find(opt->words[0], err);
    bool group = who && who->group;
    if (group)
        (void)error_set(err, ERROR_USAGE, "%s is a group: pack its members, as %s", who->name,
                        who->group->members[0]);
    pack *p = who && !group ? pack_collect(who, err) : NULL;
    int result = p ? write_pack(opt, p, con, err) : -1;
    pack_close(p);
    persona_close(who);
    return result;
}

/* ---- add --------------------------------------------------------------------------------------- */

static int tell_seat(engine *e, const pack *p, console *con)
{
    error why = {0};
    persona *who = persona_find(p->name, &why);
    roster *r = who ? personas_seat(e, who, console_sentence, con, &why) : NULL;
    if (r)
        console_note(con, "on the model at hand it acts by %s", roster_seat(r, 0)->acts_by);
    else
        console_note(con, "it cannot speak on the model at hand: %s", why.text);
    roster_close(r);
    persona_close(who);
    return 0;
}

static int install(const options *opt, const pack *p, engine *e, console *con, error *err)
{
    char *path = NULL;
    const char *here = e && engine_config(e)->experts ? engine_fingerprint(e, err) : NULL;
    if (e && engine_config(e)->experts && !here)
        return -1;
    if (persona_new_path(p->name, &path, err))
        return -1;
    char *place = strndup(path, strlen(path) - strlen(p->files[0].name) - 1);
    int result = place ? pack_install(p, place, opt->force, err) : error_memory(err, "a path");
    if (!result)
        result = console_line(con, path, err);
    if (!result) {
        tell_content(p, con);
        tell_models(p, here, con);
        if (e)
            tell_seat(e, p, con);
        console_note(con, "`consilium ask PROMPT -p %s` asks it", p->name);
    }
    free(place);
    free(path);
    return result;
}

int command_personas_add(const options *opt, console *con, error *err)
{
    engine *e = NULL;
    if (opt->as && !persona_name_ok(opt->as))
        return error_set(err, ERROR_USAGE, "--as: \"%.64s\" is no persona's name", opt->as);
    int result = personas_model(opt, con, &e, err);
    if (!result && !e)
        result = sandbox_policy_enter(opt, "", con, err);
    pack *p = result ? NULL : pack_load(opt->words[0], err);
    result = p ? 0 : -1;
    if (!result && opt->as && strcmp(opt->as, p->name) != 0)
        result = pack_rename(p, opt->as, err);
    if (!result)
        result = install(opt, p, e, con, err);
    pack_close(p);
    engine_close(e);
    return result;
}
