/* chat_support.h - a tiny model with any chat template, in a temporary folder: what the tests of chat.h
 * share. The vocabularies and the reference's ids are those of fixtures/chat.json. */
#ifndef TESTS_CHAT_SUPPORT_H
#define TESTS_CHAT_SUPPORT_H

#include "../engine/base/json.h"
#include "../engine/text/chat.h"
#include "scratch.h"

typedef struct fixture {
    json_document *document;
    char dir[SCRATCH];
} fixture;

/* One opened model. */
typedef struct chat {
    checkpoint *model;
    tokenizer *words;
    chat_format *format;
} chat;

/* Group setup and teardown; *state is a fixture. */
int chat_make_folder(void **state);
int chat_remove_folder(void **state);

/* The vocabulary "plain" or "thinking", which has <think> and [THINK] as tokens. */
void chat_put_words(const fixture *f, const char *name);
void chat_put_file(const fixture *f, const char *name, const char *text);

/* Return what chat_open returned. A text (NULL = no template), or a file of fixtures/templates. */
int chat_open_text(const fixture *f, const char *template, const chat_options *o, chat *c,
                   error *err);
int chat_open_named(const fixture *f, const char *name, const chat_options *o, chat *c, error *err);
/* One that opens, on 9 February 2024, in the vocabulary that knows thoughts. */
void chat_open_good(const fixture *f, const char *name, chat *c);
void chat_close_all(chat *c);

int chat_id_of(const chat *c, const char *content);
chat_message chat_say(chat_role role, const char *text);
tokens chat_rendered(const chat *c, const chat_message *m, size_t n, bool reply, int think);
/* What the tokens say, special ones by name; the caller frees. */
char *chat_spelled(const chat *c, const tokens *ids);
/* Compares that, and releases the ids. */
void chat_spells(const chat *c, tokens ids, const char *text);

#endif
