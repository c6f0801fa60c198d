/* personas_measure.c - gathering texts and programs, and measuring: see personas_measure.h.
 *
 * Of lessons those are read that training holds out, when there are enough of them, and both sides in the
 * same languages (voice_lessons.h). A side of several personas' lessons
 * gives each the same number of tokens.
 */
#include "personas_measure.h"

#include <stdlib.h>
#include <string.h>

#include "../../personas/derive/voice_lessons.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/input.h"
#include "personas_model.h"

enum {
    HELD_LEAST = 4,                     /* where there are so many of them */
    MOST_OTHERS = MEASURE_TOGETHER - 2, /* personas beside control and the persona itself */
};

typedef struct work {
    const options *opt;
    console *con;
    engine *engine;
    const persona *persona;
    measured *out;
    error *err;
    size_t most;       /* tokens of a side */
    const char *stage; /* of the progress line */
    double start;
    persona *others[MOST_OTHERS];
    voice_lessons said[MOST_OTHERS + 1]; /* by the others, and by the persona */
    voice_languages languages;
    int other_count;
} work;

bool personas_measure_wanted(const options *opt)
{
    return opt->measure || opt->lesson_texts.len || opt->against || opt->measured_tokens;
}

/* ---- texts ------------------------------------------------------------------------------------- */

/* Appends somebody's lessons, held-out ones where they are enough. */
static int add_lessons(work *w, const voice_lessons *v, bool instructed, size_t most,
                       measure_samples *out)
{
    const voice_reading how = {.most = most, .held = HELD_LEAST, .instructed = instructed};
    return voice_lessons_add(v, &w->languages, w->engine, &how, out, w->err);
}

/* " in en, ru", where there was something to choose. */
static int add_languages(work *w, buf *from)
{
    if (!w->languages.told)
        return 0;
    return buf_text(from, " in ", w->err) || voice_languages_list(&w->languages, from, w->err) ? -1
                                                                                               : 0;
}

static voice_lessons *own_lessons(work *w)
{
    return &w->said[w->other_count];
}

/* A file of somebody else's that cannot be read is told, and left out. */
static int load_theirs(work *w, int i)
{
    voice_lessons *v = &w->said[i];
    v->needed = w->opt->against != NULL;
    if (!voice_lessons_load(w->others[i], v, NULL, NULL, w->err))
        return 0;
    if (w->err->code != ERROR_LOAD)
        return -1;
    console_note(w->con, "%s is not compared with: %s", w->others[i]->name, w->err->text);
    *w->err = (error){0};
    voice_lessons_release(v);
    return 0;
}

static int tell_left_out(work *w)
{
    buf list = {0};
    int result = voice_languages_list(&w->languages, &list, w->err);
    for (int i = 0; i < w->other_count && !result; i++)
        if (w->said[i].left_out)
            console_note(w->con, "the lessons of %s are not read: it has none in %s",
                         w->others[i]->name, list.v);
    buf_release(&list);
    return result;
}

/* Everybody's lessons that will be read, and the languages. Of a text's persona the first is taken: what
 * the text is in, nobody knows. */
static int load_lessons(work *w)
{
    const texts *given = &w->opt->lesson_texts;
    voice_lessons *all[MOST_OTHERS + 1];
    bool theirs = given->len < 2 && (!given->len || w->opt->against);
    for (int i = 0; i < w->other_count && theirs; i++)
        if (load_theirs(w, i))
            return -1;
    own_lessons(w)->needed = !given->len;
    if (voice_lessons_load(w->persona, own_lessons(w), NULL, NULL, w->err))
        return -1;
    for (int i = 0; i <= w->other_count; i++)
        all[i] = &w->said[i];
    if (voice_choose(all, (size_t)w->other_count + 1, w->opt->lang, &w->languages, w->err))
        return -1;
    if (given->len && !w->opt->lang && w->languages.len > 1)
        w->languages.len = 1;
    return tell_left_out(w);
}

static int add_text(work *w, const char *path, size_t most, measure_samples *out, buf *from)
{
    buf text = {0};
    size_t before = out->tokens;
    int result = input_read(path, &text, w->con, w->err);
    if (!result && measure_add_text(out, w->engine, text.v ? text.v : "", text.len, most, w->err))
        result = error_prefix(w->err, "%s: ", path);
    if (!result && out->tokens == before && before < most)
        result = error_set(w->err, ERROR_USAGE, "%s: there is nothing in it to predict", path);
    buf_release(&text);
    if (!result)
        result = buf_format(from, w->err, "%s%s", from->len ? ", " : "", path);
    return result ? -1 : 0;
}

static int add_own(work *w)
{
    const texts *given = &w->opt->lesson_texts;
    const persona *p = w->persona;
    if (given->len)
        return add_text(w, given->v[0], w->most, &w->out->own, &w->out->own_from);
    if (!p->lesson_count)
        return error_set(w->err, ERROR_LOAD, "%s: lessons: none; give --text FILE", p->path);
    w->out->own_lessons = true;
    if (add_lessons(w, own_lessons(w), false, w->most, &w->out->own))
        return -1;
    if (!w->out->own.len)
        return error_set(w->err, ERROR_LOAD, "%s: there is no lesson in it", p->lessons[0].text);
    return buf_text(&w->out->own_from, "its lessons", w->err) || add_languages(w, &w->out->own_from)
               ? -1
               : 0;
}

/* ---- the other personas ------------------------------------------------------------------------ */

/* A broken file of somebody else's stands in nobody's way unless it was asked for. */
static int add_other(work *w, const char *name, bool asked)
{
    error why = {0};
    if (strcmp(name, w->persona->name) == 0)
        return asked ? error_set(w->err, ERROR_USAGE,
                                 "--against: %s cannot be compared with itself", name)
                     : 0;
    if (w->other_count == MOST_OTHERS) {
        console_note(w->con, "%s is not compared with: at most %d others are", name, MOST_OTHERS);
        return 0;
    }
    persona *p = persona_find(name, &why);
    if (p)
        w->others[w->other_count++] = p;
    if (!p && asked)
        *w->err = why;
    return p || !asked ? 0 : -1;
}

static int add_named_others(work *w)
{
    char *names = strdup(w->opt->against), *rest = names;
    int result = names ? 0 : error_memory(w->err, "the personas");
    for (const char *name; !result && (name = strsep(&rest, ","));)
        result = add_other(w, name, true);
    free(names);
    return result;
}

/* Those of --against, or all. */
static int find_others(work *w)
{
    persona_list all;
    if (w->opt->against)
        return add_named_others(w);
    if (persona_list_all(&all, w->err))
        return -1;
    int result = 0;
    for (size_t i = 0; i < all.len && !result; i++)
        result = add_other(w, all.names[i], false);
    persona_list_release(&all);
    return result;
}

static bool is_read(const work *w, int i)
{
    return w->said[i].files && w->others[i]->lesson_count && !w->said[i].left_out;
}

static int add_their_lessons(work *w)
{
    size_t with = 0; /* personas that have some */
    buf *from = &w->out->other_from;
    for (int i = 0; i < w->other_count; i++)
        with += is_read(w, i);
    for (int i = 0; i < w->other_count; i++) {
        size_t before = w->out->other.tokens, most = before + w->most / (with ? with : 1);
        if (!is_read(w, i))
            continue;
        if (add_lessons(w, &w->said[i], false, most, &w->out->other))
            return -1;
        if (w->out->other.tokens > before &&
            buf_format(from, w->err, "%s%s", from->len ? ", " : "the lessons of ",
                       w->others[i]->name))
            return -1;
    }
    return from->len ? add_languages(w, from) : 0;
}

static int add_texts(work *w)
{
    const texts *given = &w->opt->lesson_texts;
    if (add_own(w))
        return -1;
    if (given->len > 1) {
        size_t each = w->most / (given->len - 1);
        for (size_t i = 1; i < given->len; i++)
            if (add_text(w, given->v[i], i * (each ? each : 1), &w->out->other,
                         &w->out->other_from))
                return -1;
        return 0;
    }
    /* Lessons are answers in a chat: beside a plain text they would be compared with another kind. */
    return given->len && !w->opt->against ? 0 : add_their_lessons(w);
}

/* ---- programs ---------------------------------------------------------------------------------- */

static int add_program(work *w, const char *name, roster *r, const router_program *program)
{
    measured_program *p = &w->out->programs[w->out->count++];
    *p = (measured_program){.name = strdup(name), .roster = r, .program = program};
    return p->name ? 0 : error_memory(w->err, "the programs");
}

/* The other personas' programs, where they have one that differs from the plain model. */
static int add_their_programs(work *w)
{
    for (int i = 0; i < w->other_count; i++) {
        error why = {0};
        roster *r = personas_seat(w->engine, w->others[i], NULL, NULL, &why);
        const router_program *program = r ? roster_seat(r, 0)->program : NULL;
        if (!r)
            console_note(w->con, "%s is not compared with: %s", w->others[i]->name, why.text);
        if (!program || !router_program_hash(program))
            roster_close(r);
        else if (add_program(w, w->others[i]->name, r, program))
            return -1;
    }
    return 0;
}

/* ---- measuring --------------------------------------------------------------------------------- */

static void on_progress(void *user, int done, int total)
{
    work *w = user;
    char left[HUMAN_TEXT];
    double spent = console_seconds() - w->start;
    if (done == 0)
        console_progress(w->con, "%s", w->stage);
    else
        console_progress(w->con, "%s: %d %%, %s left", w->stage,
                         total ? (int)(100.0 * done / total) : 100,
                         human_seconds(left, spent / done * (total - done)));
}

static void begin_stage(work *w, const char *stage)
{
    w->stage = stage;
    w->start = console_seconds();
}

static int measure_side(work *w, const measure_samples *s, bool other)
{
    const router_program *programs[MEASURE_TOGETHER];
    measure_figures figures[MEASURE_TOGETHER];
    measured *m = w->out;
    for (int i = 0; i < m->count; i++)
        programs[i] = m->programs[i].program;
    begin_stage(w, other ? "reading the texts of others" : "reading its own texts");
    int result = measure_programs(w->engine, s, programs, m->count, MEASURE_ALL, figures,
                                  on_progress, w, w->err);
    for (int i = 0; i < m->count; i++)
        *(other ? &m->programs[i].other : &m->programs[i].own) = figures[i];
    return result;
}

static int judge(work *w)
{
    measured *m = w->out;
    const measured_program *control = &m->programs[0], *own = &m->programs[1];
    measure_pair a = {&m->own, &control->own, &own->own},
                 b = {&m->other, &control->other, &own->other};
    begin_stage(w, "reading under random programs");
    return trial_judge(w->engine, own->program, &a, m->other.len ? &b : NULL, MEASURED_SEED,
                       &m->trial, on_progress, w, w->err);
}

static int answer(work *w)
{
    measured *m = w->out;
    const router_program *both[2] = {NULL, m->programs[1].program};
    begin_stage(w, "answering");
    return answers_measure(w->engine, &m->own, MEASURED_ANSWERS, both, 2, m->answers, on_progress,
                           w, w->err);
}

/* Loss on its own lessons with and without instruction and program. */
static int measure_square(work *w)
{
    measured *m = w->out;
    const persona *p = w->persona;
    const router_program *both[2] = {NULL, m->programs[1].program};
    if (!p->lesson_count || !p->instruction_count || !engine_chat(w->engine))
        return 0;
    begin_stage(w, "reading with the instruction");
    for (int instructed = 0; instructed < 2; instructed++) {
        measure_samples s = {0};
        measure_figures f[2] = {{0}};
        int result = add_lessons(w, own_lessons(w), instructed, w->most, &s);
        if (!result && s.len)
            result =
                measure_programs(w->engine, &s, both, 2, MEASURE_LOSS, f, on_progress, w, w->err);
        m->square_tokens = s.tokens;
        for (int i = 0; i < 2; i++) {
            m->square[instructed][i] = f[i].loss;
            measure_figures_release(&f[i]);
        }
        measure_samples_release(&s);
        if (result)
            return -1;
    }
    return 0;
}

static int measure_all(work *w, const router_program *program)
{
    measured *m = w->out;
    if (find_others(w) || load_lessons(w) || add_texts(w) ||
        add_program(w, "control", NULL, NULL) || add_program(w, w->persona->name, NULL, program) ||
        add_their_programs(w))
        return -1;
    if (measure_side(w, &m->own, false) || (m->other.len && measure_side(w, &m->other, true)))
        return -1;
    return judge(w) || answer(w) || measure_square(w) ? -1 : 0;
}

int personas_measure(const options *opt, console *con, engine *e, const persona *p,
                     const router_program *program, measured *out, error *err)
{
    work w = {.opt = opt,
              .con = con,
              .engine = e,
              .persona = p,
              .out = out,
              .err = err,
              .most = opt->measured_tokens ? (size_t)opt->measured_tokens : MEASURED_TOKENS};
    *out = (measured){0};
    if (!engine_config(e)->experts)
        return error_set(err, ERROR_LOAD,
                         "%s: a dense model has no experts: there is no program to measure",
                         checkpoint_path(engine_checkpoint(e)));
    int result = measure_all(&w, program);
    console_progress_end(con);
    for (int i = 0; i <= w.other_count; i++)
        voice_lessons_release(&w.said[i]);
    for (int i = 0; i < w.other_count; i++)
        persona_close(w.others[i]);
    return result;
}

void measured_release(measured *m)
{
    measure_samples_release(&m->own);
    measure_samples_release(&m->other);
    buf_release(&m->own_from);
    buf_release(&m->other_from);
    for (int i = 0; i < m->count; i++) {
        measure_figures_release(&m->programs[i].own);
        measure_figures_release(&m->programs[i].other);
        roster_close(m->programs[i].roster);
        free(m->programs[i].name);
    }
    *m = (measured){0};
}
