/* tokenizer_write.h - a tokenizer written down in either format, from what it is here.
 *
 * What is written gives the same ids when it is read again, here and by the program that the format
 * belongs to; a rule that the format has no words for is refused by name. GGUF names its split
 * rules (tokenizer_presets.h) and has scores in place of SentencePiece's merges. One thing it has
 * no words for is not refused but counted: how white space around an added token is treated
 * (lstrip, rstrip, single_word). It matters in chat templates alone, where such tokens are found.
 */
#ifndef ENGINE_TOKENIZER_WRITE_H
#define ENGINE_TOKENIZER_WRITE_H

#include "../base/buf.h"
#include "../formats/gguf_writer.h"
#include "tokenizer.h"

/* tokenizer.ggml.*, filled up with unused tokens to the rows of the embedding; t NULL: "no_vocab".
 * ERROR_USAGE for what cannot be said. */
int tokenizer_to_gguf(const tokenizer *t, const model_config *c, gguf_writer *w, error *err);
/* Whether that will do. */
int tokenizer_check_gguf(const tokenizer *t, error *err);
/* Added tokens that have one of the three. */
int tokenizer_spaces(const tokenizer *t);

/* Whether tokenizer.json can say it: ERROR_USAGE for two tokens of one text, or one with a NUL. */
int tokenizer_check_json(const tokenizer *t, error *err);
/* Appends the text of tokenizer.json, or of tokenizer_config.json with the chat template (NULL: none). */
int tokenizer_to_json(const tokenizer *t, buf *out, error *err);
int tokenizer_config_to_json(const tokenizer *t, const char *chat_template, int context, buf *out,
                             error *err);

#endif
