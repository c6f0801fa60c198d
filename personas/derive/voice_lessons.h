/* voice_lessons.h - what a persona says in its lessons, language by language, and which are read.
 *
 * A persona may have a file of lessons for each of its languages. What tells two voices apart must be
 * the voice, not that one of them speaks Russian: so all that are compared are read in the same
 * languages, as many tokens of each. Unless somebody asks for certain ones these are the languages that
 * all of them have. A file that names no language is in that of its first question, by the
 * same rule that chooses an instruction (persona.h).
 *
 * Languages take turns by two lessons: whoever deals samples out to two halves by turns (derive.h)
 * has every language in both.
 */
#ifndef PERSONAS_VOICE_LESSONS_H
#define PERSONAS_VOICE_LESSONS_H

#include "../../engine/base/buf.h"
#include "../lessons/lessons.h"
#include "../measure/measure.h"
#include "../roster/persona.h"
#include "../roster/roster.h"

enum { VOICE_LANGUAGES = 16 };

typedef struct voice_lessons {
    const persona *persona; /* borrowed */
    lessons *files;         /* [persona->lesson_count] */
    const char **languages; /* [persona->lesson_count] borrowed */
    bool needed;            /* the caller's: somebody named it */
    bool left_out;          /* by voice_choose(): it lacks a language that is read */
} voice_lessons;

/* All files of a persona. ERROR_LOAD as lessons_load(); of a file with several faults each is told
 * (fault may be NULL). Release in any case. */
int voice_lessons_load(const persona *p, voice_lessons *out, roster_note *fault, void *user,
                       error *err);
void voice_lessons_release(voice_lessons *v); /* {0} ok */

/* Borrowed from the voices that they were chosen for. */
typedef struct voice_languages {
    const char *v[VOICE_LANGUAGES];
    int len;
    bool told; /* somebody has lessons in several, so that it is worth a word */
} voice_languages;

/* asked: "en" or "en,ru", all of which a voice must have; NULL = those that all have, where whoever lacks
 * the language that most have is left out. ERROR_USAGE when that would be one that is needed. Voices without
 * lessons are neither asked nor left out; when nobody has any, the languages are none. */
int voice_choose(voice_lessons *const *voices, size_t count, const char *asked,
                 voice_languages *out, error *err);
/* Appends "en, ru". */
int voice_languages_list(const voice_languages *l, buf *out, error *err);

typedef struct voice_reading {
    size_t most;     /* predicted tokens in all of the samples, 0 = no limit */
    size_t held;     /* only what is held out of a file, where it is so many lessons; 0 = all */
    bool instructed; /* behind the persona's instruction */
} voice_reading;

/* Appends its lessons in these languages. ERROR_LOAD naming the lesson, or as measure_add_answer(). */
int voice_lessons_add(const voice_lessons *v, const voice_languages *l, const engine *e,
                      const voice_reading *how, measure_samples *out, error *err);

#endif
