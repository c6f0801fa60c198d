/* tokenizer_stages.c - see tokenizer_stages.h.
 *
 * each() walks a stage or, depth first, the members of a Sequence, and hands every one to a
 * reader of its part (normalizer, pre_tokenizer, decoder, post_processor) with its type. A
 * reader adds a step to what the tokenizer already has: to `normal` and `split`, whose steps
 * run in this order, or it sets the one field that a decoder comes down to. The order of the
 * four calls matters in one place: a ByteLevel pre-tokenizer decides how tokens are decoded,
 * whatever the decoder says.
 *
 * Readers compare an option with the few values that have a known meaning; any other is
 * refused, because ids that are nearly right cannot be told from right ones later.
 */
#include "tokenizer_stages.h"

#include <string.h>

#include "../base/printable.h"
#include "spm.h"
#include "tokenizer_presets.h"

typedef int read_stage(tokenizer *t, const json *v, const char *type, error *err);

/* Reads stage v (not NULL) with `read`; a Sequence is a list of stages under `list`. */
static int each(tokenizer *t, const json *v, const char *list, read_stage *read, error *err)
{
    const char *type = NULL;
    const json *inner = NULL;
    if (json_type(v) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "a stage is no object");
    int found = json_get_string(v, "type", &type, err);
    if (found < 0)
        return -1;
    if (!found)
        return error_set(err, ERROR_LOAD, "type is missing");
    if (strcmp(type, "Sequence") != 0)
        return read(t, v, type, err);
    if (json_get_array(v, list, &inner, err) < 0)
        return -1;
    if (!inner)
        return error_set(err, ERROR_LOAD, "a Sequence without %s", list);
    for (const json *i = json_first(inner); i; i = json_next(i))
        if (each(t, i, list, read, err))
            return -1;
    return 0;
}

static int stage(tokenizer *t, const json *root, const char *key, const char *list,
                 read_stage *read, error *err)
{
    const json *v = json_member(root, key);
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    return each(t, v, list, read, err) ? error_prefix(err, "%s: ", key) : 0;
}

static int unsupported(const char *type, error *err)
{
    return error_set(err, ERROR_LOAD, "type \"%s\" is not supported", printable_text(type).text);
}

/* A string member that must be there. */
static int need_string(const json *v, const char *key, const char **out, error *err)
{
    int found = json_get_string(v, key, out, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s is missing", key);
    return found < 0 ? -1 : 0;
}

/* pattern: {"String": ".."} or {"Regex": ".."}. */
static int need_pattern(const json *v, const char **text, bool *literal, error *err)
{
    const json *pattern = NULL;
    if (json_get_object(v, "pattern", &pattern, err) < 0)
        return -1;
    int found = json_get_string(pattern, "String", text, err);
    *literal = found > 0;
    if (found == 0)
        found = json_get_string(pattern, "Regex", text, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "pattern is neither a String nor a Regex");
    return found < 0 ? -1 : 0;
}

/* ---- normalizer ----------------------------------------------------------------------------- */

static int read_normalizer(tokenizer *t, const json *v, const char *type, error *err)
{
    const char *text = "", *content = "";
    bool literal = false;
    if (strcmp(type, "NFC") == 0)
        return normalizer_add_nfc(&t->normal, err);
    if (strcmp(type, "Prepend") == 0) {
        int missing = need_string(v, "prepend", &text, err);
        return missing ? -1 : normalizer_add_prepend(&t->normal, text, strlen(text), err);
    }
    if (strcmp(type, "Replace") != 0)
        return unsupported(type, err);
    if (need_pattern(v, &text, &literal, err) || need_string(v, "content", &content, err))
        return -1;
    if (!literal)
        return error_set(err, ERROR_LOAD, "Replace of a Regex is not supported");
    return normalizer_add_replace(&t->normal, text, strlen(text), content, strlen(content), err);
}

int tokenizer_stages_normalizer(tokenizer *t, const json *root, error *err)
{
    return stage(t, root, "normalizer", "normalizers", read_normalizer, err);
}

/* ---- pre_tokenizer -------------------------------------------------------------------------- */

static int read_split(tokenizer *t, const json *v, error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *pattern = "", *behavior = "";
    bool literal = false, invert = false;
    if (need_pattern(v, &pattern, &literal, err) || need_string(v, "behavior", &behavior, err) ||
        json_get_bool(v, "invert", &invert, err) < 0)
        return -1;
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(behavior, names[i]) == 0)
            return pretoken_add_split(t->split, pattern, strlen(pattern), literal,
                                      (pretoken_behavior)i, invert, err);
    return error_set(err, ERROR_LOAD, "behavior \"%s\" is not supported",
                     printable_text(behavior).text);
}

static int add_pattern(tokenizer *t, const char *pattern, error *err)
{
    return pretoken_add_split(t->split, pattern, strlen(pattern), false, PRETOKEN_ISOLATED, false,
                              err);
}

static int read_bytelevel(tokenizer *t, const json *v, error *err)
{
    bool prefix = true, pattern = true;
    if (json_get_bool(v, "add_prefix_space", &prefix, err) < 0 ||
        json_get_bool(v, "use_regex", &pattern, err) < 0)
        return -1;
    t->byte_level = true;
    t->drop_first_space = prefix;
    if (prefix && pretoken_add_spaces(t->split, " ", 1, PRETOKEN_PREFIX_ALWAYS, err))
        return -1;
    return pattern ? add_pattern(t, tokenizer_preset_gpt2(), err) : 0;
}

static int read_scheme(const json *v, pretoken_prefix *out, error *err)
{
    static const char *const names[] = {"never", "first", "always"};
    const char *scheme = "always";
    bool prefix = true;
    if (json_get_string(v, "prepend_scheme", &scheme, err) < 0 ||
        json_get_bool(v, "add_prefix_space", &prefix, err) < 0)
        return -1;
    if (!prefix)
        scheme = "never";
    for (int i = 0; i < 3; i++)
        if (strcmp(scheme, names[i]) == 0) {
            *out = (pretoken_prefix)i;
            return 0;
        }
    return error_set(err, ERROR_LOAD, "prepend_scheme \"%s\" is not supported",
                     printable_text(scheme).text);
}

static int read_metaspace(tokenizer *t, const json *v, error *err)
{
    const char *space = "";
    pretoken_prefix prefix = PRETOKEN_PREFIX_ALWAYS;
    bool split = true;
    if (need_string(v, "replacement", &space, err) || read_scheme(v, &prefix, err) ||
        json_get_bool(v, "split", &split, err) < 0 ||
        pretoken_add_spaces(t->split, space, strlen(space), prefix, err))
        return -1;
    if (!split)
        return 0;
    return pretoken_add_split(t->split, space, strlen(space), true, PRETOKEN_MERGED_WITH_NEXT,
                              false, err);
}

static int read_pretokenizer(tokenizer *t, const json *v, const char *type, error *err)
{
    bool individual = false;
    if (t->byte_level)
        return error_set(err, ERROR_LOAD, "a %s behind ByteLevel is not supported",
                         printable_text(type).text);
    if (strcmp(type, "Split") == 0)
        return read_split(t, v, err);
    if (strcmp(type, "ByteLevel") == 0)
        return read_bytelevel(t, v, err);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(t, v, err);
    if (strcmp(type, "Digits") != 0)
        return unsupported(type, err);
    if (json_get_bool(v, "individual_digits", &individual, err) < 0)
        return -1;
    return add_pattern(t, individual ? "\\p{N}" : "\\p{N}+", err);
}

int tokenizer_stages_pretokenizer(tokenizer *t, const json *root, error *err)
{
    return stage(t, root, "pre_tokenizer", "pretokenizers", read_pretokenizer, err);
}

/* ---- decoder -------------------------------------------------------------------------------- */

static int read_decoder_replace(tokenizer *t, const json *v, error *err)
{
    const char *text = "", *content = "";
    bool literal = false;
    if (need_pattern(v, &text, &literal, err) || need_string(v, "content", &content, err))
        return -1;
    if (!literal || strcmp(text, SPM_SPACE) != 0 || strcmp(content, " ") != 0)
        return error_set(err, ERROR_LOAD, "only a Replace of U+2581 by a space is supported");
    t->decoder = TOKENIZER_DECODE_SPM;
    return 0;
}

static int read_decoder_strip(tokenizer *t, const json *v, error *err)
{
    const char *content = "";
    int64_t start = 0, stop = 0;
    if (need_string(v, "content", &content, err) ||
        json_get_int(v, "start", 0, 1, &start, err) < 0 ||
        json_get_int(v, "stop", 0, 0, &stop, err) < 0)
        return -1;
    if (strcmp(content, " ") != 0)
        return error_set(err, ERROR_LOAD, "only a Strip of spaces is supported");
    t->drop_first_space = start == 1;
    return 0;
}

static int read_decoder_metaspace(tokenizer *t, const json *v, error *err)
{
    const char *space = "";
    pretoken_prefix prefix = PRETOKEN_PREFIX_ALWAYS;
    if (need_string(v, "replacement", &space, err) || read_scheme(v, &prefix, err))
        return -1;
    if (strcmp(space, SPM_SPACE) != 0)
        return error_set(err, ERROR_LOAD, "only a Metaspace of U+2581 is supported");
    t->decoder = TOKENIZER_DECODE_SPM;
    t->drop_first_space = prefix != PRETOKEN_PREFIX_NEVER;
    return 0;
}

static int read_decoder(tokenizer *t, const json *v, const char *type, error *err)
{
    if (strcmp(type, "ByteLevel") == 0) {
        t->decoder = TOKENIZER_DECODE_BYTELEVEL;
        return 0;
    }
    if (strcmp(type, "Fuse") == 0)
        return 0;
    if (strcmp(type, "ByteFallback") == 0) {
        t->decoder = TOKENIZER_DECODE_SPM;
        return 0;
    }
    if (strcmp(type, "Metaspace") == 0)
        return read_decoder_metaspace(t, v, err);
    if (strcmp(type, "Replace") == 0)
        return read_decoder_replace(t, v, err);
    if (strcmp(type, "Strip") == 0)
        return read_decoder_strip(t, v, err);
    return unsupported(type, err);
}

int tokenizer_stages_decoder(tokenizer *t, const json *root, error *err)
{
    /* Words that start as bytes can only be read back as bytes. */
    if (t->byte_level)
        t->decoder = TOKENIZER_DECODE_BYTELEVEL;
    return stage(t, root, "decoder", "decoders", read_decoder, err);
}

/* ---- post_processor ------------------------------------------------------------------------- */

static int read_processor(tokenizer *t, const json *v, const char *type, error *err)
{
    const json *single = NULL;
    (void)t;
    if (strcmp(type, "ByteLevel") == 0)
        return 0;
    if (strcmp(type, "TemplateProcessing") != 0)
        return unsupported(type, err);
    return json_get_array(v, "single", &single, err) < 0 ? -1 : 0;
}

/* The TemplateProcessing in v, or NULL; v has passed read_processor. */
static const json *find_template(const json *v)
{
    const json *type = json_member(v, "type");
    if (strcmp(json_string(type), "TemplateProcessing") == 0)
        return v;
    for (const json *i = json_first(json_member(v, "processors")); i; i = json_next(i)) {
        const json *found = find_template(i);
        if (found)
            return found;
    }
    return NULL;
}

int tokenizer_stages_template(const json *root, bool *has_template, const char **content,
                              error *err)
{
    *has_template = false;
    *content = NULL;
    if (stage(NULL, root, "post_processor", "processors", read_processor, err))
        return -1;
    const json *v = json_member(root, "post_processor");
    const json *found = v && json_type(v) == JSON_OBJECT ? find_template(v) : NULL;
    if (!found)
        return 0;
    *has_template = true;
    const json *first = json_first(json_member(found, "single"));
    const json *special = first ? json_member(first, "SpecialToken") : NULL;
    if (special && json_get_string(special, "id", content, err) < 0)
        return error_prefix(err, "post_processor: SpecialToken: ");
    return 0;
}
