/* tokenizer_presets.h - the split rules that GGUF files name instead of writing them down.
 *
 * tokenizer.ggml.pre is a name given by llama.cpp's converter, which recognised a tokenizer.json by
 * the ids it makes. The table here gives each name the rules of those tokenizer.json files
 * themselves: normalization, patterns in their own language, and two switches.
 */
#ifndef ENGINE_TOKENIZER_PRESETS_H
#define ENGINE_TOKENIZER_PRESETS_H

#include <stdbool.h>

#include "../../kernels/error.h"
#include "../base/buf.h"

enum { TOKENIZER_PRESET_PATTERNS = 5 };

/* The pattern of GPT-2, which ByteLevel pre-tokenizers apply with use_regex. */
const char *tokenizer_preset_gpt2(void);

typedef struct tokenizer_preset {
    const char *name; /* of tokenizer.ggml.pre */
    bool nfc;
    bool ignore_merges; /* a whole piece that is a token is that token */
    bool adds_bos;      /* when the file does not say */
    const char *pattern[TOKENIZER_PRESET_PATTERNS]; /* isolating splits, in order; NULL ends */
} tokenizer_preset;

/* NULL when the name is unknown. name need not end in NUL. */
const tokenizer_preset *tokenizer_preset_find(const char *name, size_t len);
/* The first that splits by these patterns [n] and has the same two switches; NULL when there is none. */
const tokenizer_preset *tokenizer_preset_like(const char *const *pattern, size_t n, bool nfc,
                                              bool ignore_merges);
/* All names, separated by ", ". */
int tokenizer_preset_names(buf *out, error *err);

#endif
