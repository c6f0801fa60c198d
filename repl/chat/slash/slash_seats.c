/* slash_seats.c - commands about who speaks, and how.
 *
 * All but /system end in talk_set(): what was said is put into the words of an option (+NAME
 * into the list of --personas, NAME=K into that of --experts), and is so checked and recorded as
 * that option. Then who speaks is listed as it is now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../options/open_model.h"
#include "../../options/template_notes.h"
#include "../../screen/human.h"
#include "../report.h"
#include "slash_commands.h"

/* ---- /personas --------------------------------------------------------------------------------- */

/* "  team           vote of team/coder, team/critic" */
static int list_groups(const roster *r, buf *out, error *err)
{
    int seats = roster_seats(r), columns = seats + roster_groups(r);
    for (int g = 0; g < columns - seats; g++) {
        const char *between = " of";
        if (buf_format(out, err, "  %-14s %s", roster_seat(r, seats + g)->name,
                       merge_name(roster_group(r, g)->merge)))
            return -1;
        for (int i = 0; i < columns; i++) {
            const seat *s = roster_seat(r, i);
            if (s->group != g || seat_is_control(s))
                continue;
            if (buf_format(out, err, "%s %s", between, s->name))
                return -1;
            between = ",";
        }
        if (buf_text(out, "\n", err))
            return -1;
    }
    return 0;
}

static int list_seats(talk *t, buf *out, error *err)
{
    const roster *r = dialogue_roster(t->dialogue);
    const model_config *m = engine_config(t->engine);
    for (int i = 0; i < roster_seats(r); i++) {
        const seat *s = roster_seat(r, i);
        if (buf_format(out, err, "  %-14s ", s->name) || report_acts_by(s, out, err) ||
            (report_tells_experts(s->acts_by, s->asked_experts) &&
             (buf_text(out, ", ", err) ||
              report_experts(s->asked_experts, seat_least_allowed(s, m), out, err))) ||
            buf_text(out, "\n", err))
            return -1;
    }
    return list_groups(r, out, err);
}

bool slash_is_seated(const talk *t, const char *name)
{
    for (int i = 0; i < t->how.persona_count; i++)
        if (strcmp(t->how.personas[i], name) == 0)
            return true;
    return false;
}

static int list_personas(talk *t, error *err)
{
    buf out = {0};
    persona_list all = {0};
    int others = 0;
    bool chosen = t->how.candidate_count > 0;
    int result =
        buf_text(&out, chosen ? "auto: the prompt chooses; now:\n" : "these speak:\n", err);
    if (!result)
        result = list_seats(t, &out, err);
    if (!result)
        result = persona_list_all(&all, err);
    for (size_t i = 0; i < all.len && !result; i++)
        if (!slash_is_seated(t, all.names[i]))
            result = buf_format(&out, err, "%s%s", others++ ? ", " : "others: ", all.names[i]);
    if (!result && others)
        result = buf_text(&out, " (/personas +NAME)\n", err);
    if (!result)
        result = talk_write(t, &out, err);
    persona_list_release(&all);
    buf_release(&out);
    return result;
}

/* The list behind +NAME and -NAME: what speaks now with the changes made, or the names without a sign. */
static int change_list(const talk *t, char *const *words, int count, buf *out, error *err)
{
    bool anew = words[0][0] != '+' && words[0][0] != '-';
    for (int i = 0; i < t->how.persona_count && !anew; i++) {
        bool gone = false;
        for (int w = 0; w < count; w++)
            gone = gone || (words[w][0] == '-' && strcmp(words[w] + 1, t->how.personas[i]) == 0);
        if (!gone && buf_format(out, err, "%s%s", out->len ? "," : "", t->how.personas[i]))
            return -1;
    }
    for (int w = 0; w < count; w++) {
        const char *name = words[w] + (words[w][0] == '+');
        if (words[w][0] == '-' && !slash_is_seated(t, words[w] + 1))
            return error_set(err, ERROR_USAGE, "%.64s does not speak", words[w] + 1);
        if (words[w][0] == '+' && slash_is_seated(t, name))
            return error_set(err, ERROR_USAGE, "%.64s speaks already", name);
        if (words[w][0] != '-' && buf_format(out, err, "%s%s", out->len ? "," : "", name))
            return -1;
    }
    return out->len ? 0 : error_set(err, ERROR_USAGE, "somebody must speak");
}

static int show_seats(talk *t, error *err)
{
    buf out = {0};
    int result = list_seats(t, &out, err) || talk_write(t, &out, err) ? -1 : 0;
    buf_release(&out);
    return result;
}

int slash_personas(talk *t, const char *rest, char *const *words, int count, error *err)
{
    buf names = {0};
    (void)rest;
    if (!count)
        return list_personas(t, err);
    if (strcmp(words[0], "edit") == 0)
        return count == 2 ? slash_edit_persona(t, words[1], err)
                          : error_set(err, ERROR_USAGE, "/personas edit needs one name");
    int result = change_list(t, words, count, &names, err) || talk_set(t, "personas", names.v, err)
                     ? -1
                     : show_seats(t, err);
    buf_release(&names);
    return result;
}

/* ---- one word each ----------------------------------------------------------------------------- */

int slash_control(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (count != 1)
        return error_set(err, ERROR_USAGE, "/control needs on, off, prompt or mask");
    return talk_set(t, "control", words[0], err) ? -1 : show_seats(t, err);
}

int slash_think(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (count && (talk_set(t, "think", strcmp(words[0], "0") == 0 ? "off" : words[0], err)))
        return -1;
    int n = dialogue_settings(t->dialogue)->council.think;
    const char *why =
        n ? template_notes_thinking(t->engine, &dialogue_settings(t->dialogue)->council) : NULL;
    if (why)
        return talk_say(t, "%s", why);
    if (n < 0)
        return talk_say(t, "models that can think may think as long as they want");
    return n ? talk_say(t, "models that can think may think for %d tokens", n)
             : talk_say(t, "no thinking");
}

/* "coder=4,critic=2" without what is said of one persona, and with it said anew. NULL name: for all,
 * and nothing else. */
static int change_named(const char *old, const char *name, const char *value, buf *out, error *err)
{
    size_t n = name ? strlen(name) : 0;
    while (name && old && *old) {
        size_t len = strcspn(old, ",");
        if (!(len > n && memcmp(old, name, n) == 0 && old[n] == '=') &&
            buf_format(out, err, "%s%.*s", out->len ? "," : "", (int)len, old))
            return -1;
        old += len + (old[len] == ',');
    }
    if (!name)
        return buf_text(out, value, err);
    return buf_format(out, err, "%s%s=%s", out->len ? "," : "", name, value);
}

static int set_named(talk *t, const char *option, const char *old, const char *name,
                     const char *value, error *err)
{
    buf text = {0};
    int result = strcmp(value, "default") == 0 && !name
                     ? buf_text(&text, value, err)
                     : change_named(old, name, value, &text, err);
    if (!result)
        result = talk_set(t, option, text.v, err);
    buf_release(&text);
    return result ? -1 : show_seats(t, err);
}

int slash_experts(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (!count)
        return show_seats(t, err);
    if (count > 2)
        return error_set(err, ERROR_USAGE, "/experts K, or NAME=K");
    if (count == 2)
        return set_named(t, "experts", t->set.named_experts, words[0], words[1], err);
    char *equals = strchr(words[0], '=');
    if (equals)
        *equals = '\0';
    return set_named(t, "experts", t->set.named_experts, equals ? words[0] : NULL,
                     equals ? equals + 1 : words[0], err);
}

static bool number(const char *word)
{
    return *word && word[strspn(word, ".0123456789")] == '\0';
}

int slash_strength(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (!count)
        return talk_say(t, "strength: %s",
                        t->set.named_strengths ? t->set.named_strengths : "1 for all, as trained");
    if (count > 2)
        return error_set(err, ERROR_USAGE, "/strength NAME X");
    if (count == 1 && !number(words[0]) && strcmp(words[0], "default") != 0)
        return talk_say(t, "strength: %s (/strength %s X)",
                        t->set.named_strengths ? t->set.named_strengths : "1 for all", words[0]);
    return set_named(t, "strength", t->set.named_strengths, count == 2 ? words[0] : NULL,
                     words[count - 1], err);
}

/* ---- /system, /model --------------------------------------------------------------------------- */

int slash_system(talk *t, const char *rest, char *const *words, int count, error *err)
{
    if (!count)
        return t->system ? talk_say(t, "every pass is told: %.800s", t->system)
                         : talk_say(t, "no instruction for every pass; /system TEXT gives one");
    bool off = count == 1 && strcmp(words[0], "off") == 0;
    char *old = t->system, *text = off ? NULL : strdup(rest);
    if (!off && !text)
        return error_memory(err, "an instruction");
    t->system = text;
    if (talk_seat(t, err)) {
        t->system = old;
        free(text);
        return -1;
    }
    free(old);
    return off ? talk_say(t, "no instruction for every pass")
               : talk_say(t, "every pass is told so from now on");
}

int slash_model(talk *t, const char *rest, char *const *words, int count, error *err)
{
    char weights[HUMAN_TEXT];
    (void)rest;
    if (count > 1)
        return error_set(err, ERROR_USAGE,
                         "/model takes one name; `consilium model list` has them");
    if (count && talk_set(t, "model", words[0], err))
        return -1;
    const model_config *m = engine_config(t->engine);
    return talk_say(t, "%s: %d layers, %d experts, %d a token, %s of weights, context %d",
                    open_model_title(&t->set, t->engine), m->layers, m->experts,
                    m->experts_per_token, human_bytes(weights, engine_weight_bytes(t->engine)),
                    dialogue_settings(t->dialogue)->council.context);
}
