/* model_defaults.h - what a model's maker wants it to be run with, beside its weights.
 *
 * Ollama keeps more than weights under a name: a system message, sampling and other parameters, a
 * beginning of a conversation. A model that is named so is run as its maker meant: each of these is
 * honoured where this program has the same thing, weaker than what a user or a persona says, and
 * what cannot be honoured is listed by name, so that nothing is dropped in silence.
 */
#ifndef ENGINE_MODEL_DEFAULTS_H
#define ENGINE_MODEL_DEFAULTS_H

#include <stdint.h>

#include "../../kernels/error.h"
#include "../base/buf.h"
#include "../base/json.h"

typedef struct model_defaults {
    char *name;   /* "ollama:qwen3:8b": what must be named to be given these defaults again */
    char *system; /* said to a pass that has no instruction; NULL = nothing */
    char **stops; /* [stop_count] */
    int stop_count;
    double temperature, top_p, min_p, repeat_penalty; /* NAN = not given */
    double presence_penalty, frequency_penalty;
    int64_t top_k, context, max_tokens, seed; /* -1 = not given */
    bool own_template; /* a chat template in Ollama's language, which is not run */
    bool projector;    /* a vision part, which is not used */
    buf honoured;      /* "SYSTEM, PARAMETER temperature, stop": for people; may be empty */
    buf left_out;      /* what is not: "MESSAGE, PARAMETER mirostat" */
} model_defaults;

model_defaults *model_defaults_new(error *err); /* nothing given */
void model_defaults_close(model_defaults *m);   /* NULL ok */

/* Takes the object {"temperature": 0.6, "stop": ["x"], ...} with Ollama's names. ERROR_LOAD for a
 * value of another type or beyond its range. */
int model_defaults_parameters(model_defaults *m, const json *object, error *err);
/* Adds a word to one of the two lists. */
int model_defaults_note(buf *list, const char *word, error *err);

#endif
