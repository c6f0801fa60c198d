/* chat.h - roles and turns to token ids.
 *
 * A model's chat template is a program in a file from strangers: it is never executed. Instead the
 * few formats below are written here in C, and a template is recognised by what it says: every
 * stretch of text that it could print must be one that the format prints. Special tokens are pushed
 * by id; a message's content is encoded as plain text, so "<|im_end|>" typed by a user, or quoted
 * by one persona from another, stays text. Rendering equals transformers' apply_chat_template,
 * default system message and thoughts included; an instruction takes the system message's place.
 *
 * Two things a template may do are done at chat_open: a default system message is read from it, and
 * a date that it asks the clock for (Llama 3.2, Granite 3.1 and later) is today's, as in the
 * reference; so the same words may make other tokens tomorrow, and a replay names the recorded day.
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

/* Recognises the checkpoint's template, or takes the format named by `name` (NULL = recognise); of
 * a format that is named and is the template's too, the template gives the details. *out = NULL and
 * 0 when the model has no template and none was named. ERROR_LOAD for a template that is not known
 * (the message lists the known names and the option) or a vocabulary without the special tokens;
 * ERROR_USAGE for an unknown name. day: "2026-11-22", what a template that asks the clock is told;
 * NULL = today. Caller owns *out; `t` must outlive it. */
int chat_open(const checkpoint *c, const tokenizer *t, const char *name, const char *day,
              chat_format **out, error *err);
void chat_close(chat_format *f); /* NULL ok */

const char *chat_name(const chat_format *f); /* "chatml" */
const char *chat_names(void);                /* "chatml, llama3, mistral, ..." */
const char *chat_day(const chat_format *f);  /* the day in its text; NULL when there is none */
bool chat_can_think(const chat_format *f);

/* Appends the whole conversation; messages[0] may be a system message (an instruction), otherwise
 * the template's default system message is rendered. With open_reply the header of the assistant's
 * answer follows (add_generation_prompt). think: a thinking model's thought is left open, else it
 * is closed at once as its template does with enable_thinking = false (one whose template knows no
 * closed thought gets the same). Earlier answers lose their thoughts where the template cuts them.
 * On failure *out is as it was. */
int chat_render(const chat_format *f, const chat_message *messages, size_t n, bool open_reply,
                bool think, tokens *out, error *err);

/* Pieces of the same rendering for a session that grows. chat_close_reply is what stands between a
 * generated answer and the next message: its end token, which the session must not hold yet, and
 * what follows it. chat_render(all) == the concatenation, but for what a template only says of a
 * conversation's end: Mistral from v3 on moves the system message to the last question (here it
 * stays where it was; chat_append of one is ERROR_RUN in every Mistral format), and Qwen3 puts an
 * empty thought before an answer that comes last. */
int chat_close_reply(const chat_format *f, tokens *out, error *err);
int chat_append(const chat_format *f, const chat_message *message, tokens *out, error *err);
int chat_open_reply(const chat_format *f, bool think, tokens *out, error *err);

/* True for ids that end an answer in this format. */
bool chat_is_end(const chat_format *f, int id);
/* Thinking: the id that ends a thought, or -1; the tokens that close one by force. */
int chat_think_end(const chat_format *f);
int chat_close_thought(const chat_format *f, tokens *out, error *err);

#endif
