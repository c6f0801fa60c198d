/* tokenizer_stages.h - the stages that tokenizer.json describes around its model.
 *
 * normalizer, pre_tokenizer, decoder and post_processor are objects with a "type"; a "Sequence"
 * holds more of them. A type that is not known is refused by name, never skipped: skipping one
 * would change ids in silence.
 *
 * Supported. normalizer: NFC, Prepend, Replace (of a string). pre_tokenizer: ByteLevel (last),
 * Split, Digits, Metaspace. decoder: ByteLevel, Metaspace, Replace U+2581, ByteFallback, Fuse,
 * Strip of one leading space. post_processor: ByteLevel, TemplateProcessing (read for its leading
 * token only). Each may be null or missing.
 */
#ifndef ENGINE_TOKENIZER_STAGES_H
#define ENGINE_TOKENIZER_STAGES_H

#include "../base/json.h"
#include "tokenizer_parts.h"

/* The first three fill t from root's members of the same names; ERROR_LOAD names the field. */
int tokenizer_stages_normalizer(tokenizer *t, const json *root, error *err);
int tokenizer_stages_pretokenizer(tokenizer *t, const json *root, error *err);
int tokenizer_stages_decoder(tokenizer *t, const json *root, error *err);
/* *content: the token that TemplateProcessing puts in front of one text, borrowed; NULL without.
 * *has_template says whether there is a TemplateProcessing at all. */
int tokenizer_stages_template(const json *root, bool *has_template, const char **content,
                              error *err);

#endif
