/* command_personas_derive.c - masks made from lessons or texts, and masks brought from elsewhere.
 *
 * All voices are read once (gather.h, derive.h); then each persona that was asked for gets its search,
 * its verdict and, when there is an effect, its mask, which is read back before it is written, beside
 * the persona or into the cache. Standard output has the paths, or with --format json all that was
 * measured; the tables go to standard error. One persona without an effect does not keep the others
 * from theirs, but the command then ends with 1.
 */
#include <stdlib.h>
#include <string.h>

#include "../../personas/derive/gather.h"
#include "../../personas/derive/import.h"
#include "../../personas/derive/report.h"
#include "../screen/human.h"
#include "../system/input.h"
#include "commands.h"
#include "personas_model.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    engine *engine;
    derivation *derivation;
    gathering voices;
    json_writer json; /* with --format json */
    const char *now;  /* what is going on */
    double start;
    error refused; /* the first persona without an effect */
} task;

/* ---- gathering --------------------------------------------------------------------------------- */

static int add_text_file(task *t, const char *name)
{
    buf text = {0};
    int result = input_read(name, &text, t->con, t->err);
    if (!result && derive_add_text(t->derivation, t->voices.v[0].source, text.v ? text.v : "",
                                   text.len, t->err))
        result = error_prefix(t->err, "%s: ", name);
    buf_release(&text);
    return result;
}

static void tell_fault(void *user, const char *sentence)
{
    console_loss(user, "%s", sentence);
}

static int gather(task *t)
{
    const options *opt = t->opt;
    gather_wish wish = {.names = opt->word_count ? opt->words[0] : NULL,
                        .against = opt->against,
                        .lang = opt->lang,
                        .note = console_sentence,
                        .fault = tell_fault,
                        .user = t->con,
                        .texts = opt->lesson_texts.len > 0};
    if (!wish.texts && opt->word_count > 1)
        return error_set(t->err, ERROR_USAGE,
                         "several names are joined by commas: %s,%s; texts come behind --text",
                         opt->words[0], opt->words[1]);
    if (wish.texts && (!wish.names || strchr(wish.names, ',')))
        return error_set(t->err, ERROR_USAGE, "--text needs one NAME, whose texts they are");
    if (gather_voices(t->derivation, &wish, &t->voices, t->err))
        return -1;
    if (t->voices.languages.len)
        console_note(t->con, "lessons are read in %s", t->voices.languages.v);
    for (size_t i = 0; i < opt->lesson_texts.len; i++)
        if (add_text_file(t, opt->lesson_texts.v[i]))
            return -1;
    for (size_t i = 1; i < opt->word_count; i++)
        if (add_text_file(t, opt->words[i]))
            return -1;
    return 0;
}

/* ---- what is tried ------------------------------------------------------------------------------- */

/* --mode, or else the persona's own. */
static derive_wish wish_for(const task *t, const persona *p)
{
    const options *opt = t->opt;
    derive_wish w = derive_wish_plain();
    gather_modes(p, opt->derive_coverage.given ? "keep" : opt->derive_mode, &w);
    if (opt->derive_coverage.given)
        w.coverage = opt->derive_coverage.v;
    if (opt->derive_damage.given)
        w.damage = opt->derive_damage.v;
    return w;
}

static int check_wish(const options *opt, error *err)
{
    bool keeps = !opt->derive_mode || strcmp(opt->derive_mode, "keep") == 0;
    if (opt->derive_coverage.given && !keeps)
        return error_set(err, ERROR_USAGE, "--coverage is for --mode keep, not for %s",
                         opt->derive_mode);
    return 0;
}

/* ---- reading and writing ----------------------------------------------------------------------- */

static void on_progress(void *user, int done, int total)
{
    task *t = user;
    char left[HUMAN_TEXT];
    double spent = console_seconds() - t->start;
    if (done == 0 || total == 0)
        console_progress(t->con, "%s", t->now);
    else
        console_progress(t->con, "%s: %d %%, %s left", t->now, (int)(100.0 * done / total),
                         human_seconds(left, spent / done * (total - done)));
}

/* The mask must pass what every mask passes before it takes the place of another. */
static int check_mask(task *t, const char *path, const buf *text)
{
    mask *m = mask_read(path, text->v, text->len, t->err);
    mask_close(m);
    return m ? 0 : -1;
}

static int save(task *t, const persona *p, const buf *text, char **path)
{
    const char *fingerprint = engine_fingerprint(t->engine, t->err);
    if (!fingerprint || persona_mask_path(p, fingerprint, path, t->err))
        return -1;
    return check_mask(t, *path, text) || derive_save(*path, text, t->err) ? -1 : 0;
}

static int print(task *t, const persona *p, const derive_report *r, const char *path)
{
    if (options_want_json(t->opt)) {
        report_put(&t->json, p->name, r, path);
        return 0;
    }
    buf text = {0};
    int result = report_text(p->name, r, &text, t->err);
    if (!result && !t->con->quiet)
        console_say(t->con, &text);
    buf_release(&text);
    if (!result && path)
        result = console_line(t->con, path, t->err);
    return result;
}

static int derive(task *t, const gathered *g)
{
    derive_wish wish = wish_for(t, g->persona);
    derive_report r;
    buf text = {0}, now = {0};
    char *path = NULL;
    t->start = console_seconds();
    int result = buf_format(&now, t->err, "trying masks for %s", g->persona->name);
    t->now = now.v;
    if (!result)
        result = derive_find(t->derivation, g->source, &wish, &r, &text, on_progress, t, t->err);
    console_progress_end(t->con);
    if (!result && r.found)
        result = save(t, g->persona, &text, &path);
    if (!result)
        result = print(t, g->persona, &r, path);
    if (!result && !r.found && t->refused.code == 0)
        (void)error_set(&t->refused, ERROR_RUN, "%s: %s", g->persona->name, r.why);
    free(path);
    buf_release(&now);
    buf_release(&text);
    return result;
}

static int derive_all(task *t)
{
    buf out = {0};
    t->json = (json_writer){.out = &out, .err = t->err};
    t->start = console_seconds();
    t->now = "reading";
    int result = derive_read(t->derivation, on_progress, t, t->err);
    console_progress_end(t->con);
    json_begin_object(&t->json, NULL);
    json_put_text(&t->json, "languages", t->voices.languages.v);
    json_begin_array(&t->json, "personas");
    for (size_t i = 0; i < t->voices.len && !result; i++)
        result = derive(t, &t->voices.v[i]);
    json_end(&t->json);
    json_end(&t->json);
    if (!result && options_want_json(t->opt))
        result = console_json(t->con, &t->json, t->err);
    buf_release(&out);
    if (!result && t->refused.code) {
        *t->err = t->refused;
        result = -1;
    }
    return result;
}

/* ---- brought from elsewhere ---------------------------------------------------------------------- */

static int bring(task *t, const persona *p)
{
    buf text = {0};
    import_figures f;
    char *path = NULL;
    int result = import_mask(t->engine, t->opt->import, t->opt->import_most, &text, &f, t->err) ||
                         save(t, p, &text, &path) || console_line(t->con, path, t->err)
                     ? -1
                     : 0;
    if (!result)
        console_note(t->con,
                     "%d experts in %d layers, from %s; what it does, nobody has measured: "
                     "consilium personas check %s --measure",
                     f.named, f.layers, f.ranking ? "a ranking" : "a steering file", p->name);
    free(path);
    buf_release(&text);
    return result;
}

static int import(task *t)
{
    if (t->opt->word_count != 1 || strchr(t->opt->words[0], ','))
        return error_set(t->err, ERROR_USAGE, "--import needs one NAME, whose mask it becomes");
    persona *p = persona_find(t->opt->words[0], t->err);
    t->engine = p ? open_model(t->opt, t->con, t->err) : NULL;
    int result = t->engine && !gather_untrained(t->engine, p, t->err) ? bring(t, p) : -1;
    persona_close(p);
    return result;
}

int command_personas_derive(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    int result = check_wish(opt, err);
    if (!result && opt->import) {
        result = import(&t);
    } else if (!result) {
        t.engine = open_model(opt, con, err);
        t.derivation = t.engine ? derive_open(t.engine, err) : NULL;
        result = t.derivation && !gather(&t) ? derive_all(&t) : -1;
    }
    gathering_release(&t.voices);
    derive_close(t.derivation);
    engine_close(t.engine);
    return result;
}
