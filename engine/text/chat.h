/* chat.h - roles and turns to token ids.
 *
 * A model's chat template is a program in a file from strangers. It is run by an interpreter of our
 * own (jinja/jinja.h) that can do nothing but make text, with what transformers' apply_chat_template
 * passes to it; the rendering equals the reference's character by character, and its ids are those
 * of the model's own tokenizer over the whole rendering. Formats for models without a template are
 * templates too (chat_builtin.h): one way, not two.
 *
 * The promise: text that looks like a special token is text, in every role. Each character of a
 * rendering knows whether the template wrote it (or it belongs to bos_token, eos_token and their
 * like) or a message did, and an added token is found only where the template wrote all of it:
 * "<|im_end|>" typed by a user, answered by a model or quoted by one persona from another stays
 * text, also when it meets half a token of the template, or the template trims, cuts, splits,
 * replaces and joins it. Everything between two special tokens is encoded in one piece, whoever
 * wrote it, because that is how the reference sees it. Other added tokens ("<think>") in a message
 * stay text as well; there the reference would find them.
 *
 * Where a template leaves out or refuses a system message, chat_render puts its text in front of
 * the first question (the last, where the first is left out too), so that an instruction is never
 * lost; chat_render_json renders what it is given and nothing else.
 *
 * A template has the interpreter's bounds (jinja/jinja.h: 2,000,000 steps, 40 MiB of memory, 8 MiB
 * of text) and, for each byte that the messages hold, one step, 16 bytes of memory and 4 of text
 * more: it cannot take much by itself, and a long prompt is never too long for it.
 *
 * A template that asks for the date is told the day of chat_open, so the same words may make other
 * tokens tomorrow, and a replay names the recorded day.
 */
#ifndef ENGINE_CHAT_H
#define ENGINE_CHAT_H

#include "tokenizer.h"

typedef struct chat_format chat_format;

typedef enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT } chat_role;

typedef struct chat_message {
    chat_role role;
    const char *text;
    size_t len;
} chat_message;

typedef struct chat_options {
    const char *name;     /* of a built-in format; NULL = the model's own template */
    bool prefer_template; /* the name is only for a model without a template */
    const char *day;      /* "2026-11-22", what a template that asks is told; NULL = today */
    /* [variable_count] "KEY=VALUE": variables of the template, each a JSON value or else a string.
     * They win over what `think` sets. */
    const char *const *variables;
    int variable_count;
} chat_options;

/* Reads the model's template, or takes the built-in format of that name, and tries it out: *out =
 * NULL and 0 when the model has no template and none was named. ERROR_LOAD with line and column for
 * a template that cannot be run, one that shows no message, or a vocabulary without the tokens of
 * the named format; ERROR_USAGE for an unknown name, day or variable. opt is copied. Caller owns
 * *out; `t` must outlive it. */
int chat_open(const checkpoint *c, const tokenizer *t, const chat_options *opt, chat_format **out,
              error *err);
void chat_close(chat_format *f); /* NULL ok */

const char *chat_name(const chat_format *f); /* "chatml"; "template" = the model's own */
const char *chat_names(void);                /* of the built-in formats: "chatml, llama3, ..." */
const char *chat_day(const chat_format *f);  /* the day, if the template asks for it; else NULL */
/* The i-th variable "KEY=VALUE" that was given, or NULL. */
const char *chat_variable(const chat_format *f, int i);
/* True when the template mentions this name at all. */
bool chat_reads(const chat_format *f, const char *name);
/* True when the template leaves out or refuses a system message. */
bool chat_drops_system(const chat_format *f);

/* Appends the whole conversation; messages[0] may be a system message (an instruction), otherwise
 * the template may put its own. With generation_prompt the header of the assistant's answer follows
 * (add_generation_prompt). think: 0 = no thought, -1 = one as long as it takes, N = of N tokens: it
 * sets the variables that templates have for it (enable_thinking, reasoning_effort and others). A
 * thought that the template opens although none is wanted is closed at once. ERROR_RUN with the
 * template's words for a conversation that it refuses, ERROR_USAGE for text that is no UTF-8. On
 * failure *out is as it was. */
int chat_render(const chat_format *f, const chat_message *messages, size_t n,
                bool generation_prompt, int think, tokens *out, error *err);

/* The same for JSON text[0..len), a list of {"role", "content"} and any other members, for the
 * reference's very ids: nothing is moved. where: what to call it in errors. ERROR_USAGE with the
 * offset or the message's number when it has not that form. */
int chat_render_json(const chat_format *f, const char *text, size_t len, const char *where,
                     bool generation_prompt, int think, tokens *out, error *err);

/* The tokens, the last of them at most `most`, that open a message of this role wherever it stands,
 * found by rendering; none when there are no such tokens. */
int chat_role_header(const chat_format *f, chat_role role, size_t most, tokens *out, error *err);

/* True for ids that end an answer in this format. */
bool chat_is_end(const chat_format *f, int id);

/* Whether `think` makes any difference: the template asks for it, or the model opens thoughts. */
bool chat_can_think(const chat_format *f);
/* True when the template begins an answer inside a thought even though none is wanted. */
bool chat_always_thinks(const chat_format *f);
/* True when a prompt of these tokens ends inside a thought. */
bool chat_opens_thought(const chat_format *f, const int *ids, size_t n);
/* Whether an answer's first token opens one, and whether the thought `text`, of which id is the last
 * token, is over. The marks are single tokens where the vocabulary has them, else text. */
bool chat_starts_thought(const chat_format *f, int id);
/* The same for marks that are text, which many tokens may spell, of an answer that begins with
 * text[0..len): 1 = a thought has begun, 0 = more must be read, -1 = it is none. */
int chat_begins_thought(const chat_format *f, const char *text, size_t len);
bool chat_ends_thought(const chat_format *f, int id, const char *text, size_t len);
/* Appends what closes a thought by force. */
int chat_close_thought(const chat_format *f, tokens *out, error *err);

#endif
