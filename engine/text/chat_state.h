/* chat_state.h - the inside of a chat format, for the files that make one: chat.c opens and answers,
 * chat_render.c renders, chat_values.c makes what a template is given. */
#ifndef ENGINE_CHAT_STATE_H
#define ENGINE_CHAT_STATE_H

#include <time.h>

#include "chat.h"
#include "chat_builtin.h"
#include "jinja/jinja.h"

struct cJSON; /* json.h */

enum { CHAT_MAX_ENDS = 16 };

/* Origins of rendered characters beside JINJA_TEMPLATE: message i has CHAT_MESSAGE + i. */
enum { CHAT_SETTING = 1, CHAT_MESSAGE = 2 };

typedef struct chat_tag {
    const char *open, *close; /* "<think>", "</think>" */
} chat_tag;

struct chat_format {
    jinja_template *program;
    const chat_builtin *builtin; /* NULL = the model's own template */
    const tokenizer *tokenizer;
    struct tm now;
    char day[16];
    char **variables; /* [variable_count] "KEY=VALUE" */
    int variable_count;
    bool lists; /* the template wants content as a list of parts */
    bool drops_system, can_think, always_thinks;
    const chat_tag *tag; /* of thoughts */
    int think_start, think_end;
    const char *effort_off; /* what reasoning_effort says when no thought is wanted, */
    const char *effort[3];  /* when a short, a middle, a long one is; NULL = it is not set */
    int ends[CHAT_MAX_ENDS];
    int end_count;
};

/* ---- chat.c -------------------------------------------------------------------------------- */

/* True when the text, but for white space behind it, ends with the mark that opens a thought. */
bool chat_leaves_open(const chat_format *f, const char *text, size_t len);

/* ---- chat_values.c ------------------------------------------------------------------------- */

/* ERROR_USAGE for a variable that has no name, or one that is not the user's to set. */
int chat_variable_check(const char *variable, error *err);
/* Sets everything but `messages`. */
void chat_set_variables(const chat_format *f, jinja_data *d, bool generation_prompt, int think);
/* The messages as a list; content as text, or as a list of one part. */
void chat_set_messages(jinja_data *d, const chat_message *messages, size_t n, bool lists);
/* text: the JSON text of `messages`, from which numbers are taken as they are written. */
int chat_set_json(jinja_data *d, const struct cJSON *messages, const char *text, const char *where,
                  error *err);

/* ---- chat_render.c ------------------------------------------------------------------------- */

/* Renders as the messages are, nothing moved. */
int chat_render_text(const chat_format *f, const chat_message *messages, size_t n,
                     bool generation_prompt, int think, jinja_output *out, error *err);
/* True when a character of message i is in the rendering, from offset below `before` of it. */
bool chat_shows(const jinja_output *o, size_t i, size_t before);
/* Tokens of text that a template could have written. */
int chat_encode_trusted(const chat_format *f, const char *text, size_t len, tokens *out,
                        error *err);

#endif
