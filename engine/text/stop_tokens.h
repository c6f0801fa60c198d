/* stop_tokens.h - the tokens that end what a model writes: one set, for chats and for plain text.
 *
 * A token ends a text when a file says so (eos, eot, eom; the lists of generation_config.json and
 * config.json; eos_token of tokenizer_config.json) or when it is a control token whose name says so,
 * as "<|endoftext|>": base models end a document with it while their file names "<|im_end|>", or
 * nothing. Only control tokens count by name: a text that merely spells "</s>" in an ordinary token
 * goes on.
 *
 * Source of the names: the vocabularies of published models; llama.cpp, src/llama-vocab.cpp, knows
 * end-of-generation tokens in the same way.
 */
#ifndef ENGINE_STOP_TOKENS_H
#define ENGINE_STOP_TOKENS_H

#include "../formats/model_config.h"
#include "tokenizer.h"

/* Appends the set to *out, each id once. t may be NULL: then what the configuration says. */
int stop_tokens_collect(const model_config *c, const tokenizer *t, tokens *out, error *err);
bool stop_tokens_have(const tokens *set, int id);

#endif
