/* tokenizer_file.h - a tokenizer that is named by itself, and by what two of them are compared.
 *
 * Tokens of different tokenizers are not of one size, so neither is a loss for each of them. Two figures
 * are: how many tokens a text has, and the loss for each byte of it.
 */
#ifndef ENGINE_TOKENIZER_FILE_H
#define ENGINE_TOKENIZER_FILE_H

#include "tokenizer.h"

/* The tokenizer of `path` (a tokenizer.json, a folder with one, or a GGUF file, whose weights are not looked
 * at) to be used in place of `own`: NULL for a model that brings none. warn is told how many tokens
 * differ. Caller owns. ERROR_LOAD, also when it has not as many tokens as own, or without that more than
 * rows (of its vocabulary). */
int tokenizer_open_other(const char *path, const tokenizer *own, int rows, checkpoint_warn *warn,
                         void *user, tokenizer **out, error *err);

/* Bytes of text that the tokens stand for: what a sum of losses over them is divided by. */
size_t tokenizer_bytes(const tokenizer *t, const int *ids, size_t n);

#endif
