/* slash_derive.c - /derive: a persona's mask, made and measured on the conversation's model.
 *
 * It runs here, on the engine that the answers come from: nothing of the conversation is touched, and
 * the persona is seated anew when there is a mask to speak by. The file is written by the broker.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../personas/derive/gather.h"
#include "../../../personas/derive/report.h"
#include "../../screen/human.h"
#include "slash_commands.h"

typedef struct task {
    talk *talk;
    const char *name;
    derivation *derivation;
    gathering voices;
    derive_report report;
    buf mask;
    bool trying; /* it was read */
    double start;
} task;

static void on_progress(void *user, int done, int total)
{
    task *t = user;
    char left[HUMAN_TEXT];
    const char *now = t->trying ? "trying masks" : "reading";
    double spent = console_seconds() - t->start;
    if (done > 0 && total > 0)
        console_progress(t->talk->con, "%s: %d %%, %s left", now, (int)(100.0 * done / total),
                         human_seconds(left, spent / done * (total - done)));
}

static int find(task *t, const char *mode, error *err)
{
    gather_wish wish = {.names = t->name, .note = console_sentence, .user = t->talk->con};
    wish.fault = console_sentence;
    derive_wish tried = derive_wish_plain();
    t->derivation = derive_open(t->talk->engine, err);
    if (!t->derivation || gather_voices(t->derivation, &wish, &t->voices, err))
        return -1;
    if (t->voices.languages.len)
        console_note(t->talk->con, "lessons are read in %s", t->voices.languages.v);
    const gathered *one = &t->voices.v[0];
    gather_modes(one->persona, mode, &tried);
    t->start = console_seconds();
    int result = derive_read(t->derivation, on_progress, t, err);
    t->trying = true;
    t->start = console_seconds();
    if (!result)
        result = derive_find(t->derivation, one->source, &tried, &t->report, &t->mask, on_progress,
                             t, err);
    console_progress_end(t->talk->con);
    return result;
}

static int show(task *t, error *err)
{
    buf text = {0};
    int result =
        report_text(t->name, &t->report, &text, err) || talk_dim(t->talk, &text, err) ? -1 : 0;
    buf_release(&text);
    return result;
}

/* Beside the persona in the user's own folder. */
static int keep(task *t, error *err)
{
    talk *k = t->talk;
    char *own = NULL, *path = NULL;
    const char *fingerprint = engine_fingerprint(k->engine, err);
    int result = !fingerprint || slash_own_persona(k, t->name, &own, err) ? -1 : 0;
    persona *p = result ? NULL : persona_find(t->name, err);
    if (!p || persona_mask_path(p, fingerprint, &path, err) ||
        broker_write(k->broker, path, true, t->mask.v, t->mask.len, err) ||
        talk_say(k, "written: %s", path) || slash_use_persona(k, t->name, err))
        result = -1;
    persona_close(p);
    free(own);
    free(path);
    return result;
}

int slash_derive(talk *t, const char *rest, char *const *words, int count, error *err)
{
    static const char *const modes[] = {"auto", "ban", "bias", "keep"};
    bool known = count == 1;
    (void)rest;
    for (size_t i = 0; i < sizeof modes / sizeof *modes && count == 2; i++)
        known = known || strcmp(words[1], modes[i]) == 0;
    if (!known || strchr(words[0], ','))
        return error_set(err, ERROR_USAGE, "/derive NAME, /derive NAME ban, bias, keep or auto");
    task d = {.talk = t, .name = words[0]};
    int result = find(&d, count == 2 ? words[1] : NULL, err) || show(&d, err) ? -1 : 0;
    if (!result && d.report.found)
        result = keep(&d, err);
    gathering_release(&d.voices);
    derive_close(d.derivation);
    buf_release(&d.mask);
    return result;
}
