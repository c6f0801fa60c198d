/* tokenizer_presets.c - see tokenizer_presets.h.
 *
 * Sources: the tokenizer.json of the models behind each name; the names are those of llama.cpp,
 * src/llama-vocab.cpp. A rule for digits alone (\p{N} before the GPT-2 pattern) is the Digits
 * pre-tokenizer with individual_digits.
 */
#include "tokenizer_presets.h"

#include <string.h>

#define GPT2        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SHORT_WORDS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(digits)                                                                             \
    SHORT_WORDS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define QWEN35                                                                                     \
    SHORT_WORDS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"                                    \
                "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(suffix)                                                                              \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER  \
    "*" suffix
#define TEKKEN CASED("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define GPT4O  CASED(SHORT_WORDS "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define SEED_CODER                                                                                 \
    SHORT_WORDS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES

const char *tokenizer_preset_gpt2(void)
{
    return GPT2;
}

static const tokenizer_preset presets[] = {
    {"gpt-2", false, false, false, {GPT2}},
    {"phi-2", false, false, false, {GPT2}},
    {"olmo", true, false, false, {GPT2}},
    {"mpt", true, false, false, {GPT2}},
    {"smollm", false, false, false, {"\\p{N}", GPT2}},
    {"starcoder", false, false, false, {"\\p{N}", GPT2}},
    {"refact", false, false, false, {"\\p{N}", GPT2}},
    {"command-r", true, false, false, {"\\p{N}", GPT2}},
    {"llama-bpe", false, true, true, {CL100K("\\p{N}{1,3}")}},
    {"llama3", false, true, true, {CL100K("\\p{N}{1,3}")}},
    {"llama-v3", false, true, true, {CL100K("\\p{N}{1,3}")}},
    {"smaug-bpe", false, true, false, {CL100K("\\p{N}{1,3}")}},
    {"dbrx", false, false, false, {CL100K("\\p{N}{1,3}")}},
    {"qwen2", true, false, false, {CL100K("\\p{N}")}},
    {"deepseek-r1-qwen", true, false, false, {CL100K("\\p{N}")}},
    {"megrez", true, false, false, {CL100K("\\p{N}")}},
    {"qwen35", true, false, false, {QWEN35}},
    {"tekken", false, true, true, {TEKKEN}},
    {"gpt-4o", false, false, false, {GPT4O}},
    {"seed-coder", false, false, false, {SEED_CODER}},
    {"deepseek-coder",
     false,
     false,
     false,
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+",
      "\\p{N}"}},
    /* Files older than the key: the rules llama.cpp falls back to. */
    {"default",
     false,
     false,
     false,
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

const tokenizer_preset *tokenizer_preset_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strlen(presets[i].name) == len && memcmp(presets[i].name, name, len) == 0)
            return &presets[i];
    return NULL;
}

static bool splits_by(const tokenizer_preset *p, const char *const *pattern, size_t n)
{
    size_t i = 0;
    while (i < n && i < TOKENIZER_PRESET_PATTERNS && p->pattern[i] && pattern[i] &&
           strcmp(p->pattern[i], pattern[i]) == 0)
        i++;
    return i == n && (i == TOKENIZER_PRESET_PATTERNS || !p->pattern[i]);
}

const tokenizer_preset *tokenizer_preset_like(const char *const *pattern, size_t n, bool nfc,
                                              bool ignore_merges)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (presets[i].nfc == nfc && presets[i].ignore_merges == ignore_merges &&
            splits_by(&presets[i], pattern, n))
            return &presets[i];
    return NULL;
}

int tokenizer_preset_names(buf *out, error *err)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (buf_format(out, err, "%s%s", i ? ", " : "", presets[i].name))
            return -1;
    return 0;
}
