/* tokenizer_write_json.c - see tokenizer_write.h: tokenizer.json and tokenizer_config.json.
 *
 * Added tokens that follow the others without a gap are listed as such alone: the library gives them the
 * ids behind the model's vocabulary, one after the other. Any other stands in the vocabulary too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/json_writer.h"
#include "spm.h"
#include "tokenizer_write.h"
#include "tokenizer_write_merges.h"

/* ---- stages ------------------------------------------------------------------------------------ */

static void put_type(json_writer *e, const char *key, const char *type)
{
    json_begin_object(e, key);
    json_put_text(e, "type", type);
}

static void put_pattern(json_writer *e, const char *kind, const char *text)
{
    json_begin_object(e, "pattern");
    json_put_text(e, kind, text);
    json_end(e);
}

static void put_replace(json_writer *e, const char *from, const char *to)
{
    put_type(e, NULL, "Replace");
    put_pattern(e, "String", from);
    json_put_text(e, "content", to);
    json_end(e);
}

static void put_step(json_writer *e, const normalize_step *s)
{
    char from[NORMALIZE_MAX_TEXT + 1] = "", to[NORMALIZE_MAX_TEXT + 1] = "";
    memcpy(from, s->from, s->from_len);
    memcpy(to, s->to, s->to_len);
    if (s->kind == NORMALIZE_REPLACE) {
        put_replace(e, from, to);
        return;
    }
    put_type(e, NULL, s->kind == NORMALIZE_NFC ? "NFC" : "Prepend");
    if (s->kind == NORMALIZE_PREPEND)
        json_put_text(e, "prepend", to);
    json_end(e);
}

static void put_normalizer(json_writer *e, const normalizer *n)
{
    if (!n->steps) {
        json_put_null(e, "normalizer");
        return;
    }
    put_type(e, "normalizer", "Sequence");
    json_begin_array(e, "normalizers");
    for (size_t i = 0; i < n->steps; i++)
        put_step(e, &n->step[i]);
    json_end(e);
    json_end(e);
}

static void put_bytelevel(json_writer *e, const char *key)
{
    put_type(e, key, "ByteLevel");
    json_put_bool(e, "add_prefix_space", false);
    json_put_bool(e, "trim_offsets", true);
    json_put_bool(e, "use_regex", false);
    json_end(e);
}

static void put_pretokenizer(json_writer *e, const tokenizer *t)
{
    if (!t->byte_level) {
        json_put_null(e, "pre_tokenizer");
        return;
    }
    put_type(e, "pre_tokenizer", "Sequence");
    json_begin_array(e, "pretokenizers");
    for (size_t i = 0; i < pretoken_steps(t->split); i++) {
        put_type(e, NULL, "Split");
        put_pattern(e, "Regex", pretoken_pattern(t->split, i));
        json_put_text(e, "behavior", "Isolated");
        json_put_bool(e, "invert", false);
        json_end(e);
    }
    put_bytelevel(e, NULL);
    json_end(e);
    json_end(e);
}

/* U+2581 becomes a space, bytes characters; the space that encoding put in front goes. */
static void put_decoder(json_writer *e, const tokenizer *t)
{
    if (t->byte_level) {
        put_bytelevel(e, "decoder");
        return;
    }
    put_type(e, "decoder", "Sequence");
    json_begin_array(e, "decoders");
    put_replace(e, SPM_SPACE, " ");
    put_type(e, NULL, "ByteFallback");
    json_end(e);
    put_type(e, NULL, "Fuse");
    json_end(e);
    if (t->drop_first_space) {
        put_type(e, NULL, "Strip");
        json_put_text(e, "content", " ");
        json_put_int(e, "start", 1);
        json_put_int(e, "stop", 0);
        json_end(e);
    }
    json_end(e);
    json_end(e);
}

static void put_piece(json_writer *e, const char *kind, const char *id, int type)
{
    json_begin_object(e, NULL);
    json_begin_object(e, kind);
    json_put_text(e, "id", id);
    json_put_int(e, "type_id", type);
    json_end(e);
    json_end(e);
}

/* The token that begins every text, if one does. */
static void put_template(json_writer *e, const char *bos, int id)
{
    put_type(e, "post_processor", "TemplateProcessing");
    json_begin_array(e, "single");
    put_piece(e, "SpecialToken", bos, 0);
    put_piece(e, "Sequence", "A", 0);
    json_end(e);
    json_begin_array(e, "pair");
    put_piece(e, "SpecialToken", bos, 0);
    put_piece(e, "Sequence", "A", 0);
    put_piece(e, "SpecialToken", bos, 1);
    put_piece(e, "Sequence", "B", 1);
    json_end(e);
    json_begin_object(e, "special_tokens");
    json_begin_object(e, bos);
    json_put_text(e, "id", bos);
    json_begin_array(e, "ids");
    json_put_int(e, NULL, id);
    json_end(e);
    json_begin_array(e, "tokens");
    json_put_text(e, NULL, bos);
    json_end(e);
    json_end(e);
    json_end(e);
    json_end(e);
}

/* ---- words ------------------------------------------------------------------------------------- */

/* An id without a token, or one that only fills the table. */
static bool is_filler(const tokenizer *t, int id)
{
    size_t len;
    char gap[32];
    const char *text = vocabulary_content(&t->vocabulary, id, &len);
    (void)snprintf(gap, sizeof gap, "[PAD%d]", id);
    return len == 0 || (t->vocabulary.entry[id].kind == TOKEN_UNUSED && len == strlen(gap) &&
                        memcmp(text, gap, len) == 0);
}

/* The content of a token as text; "" when out of memory, and the writer has failed. */
static const char *content_of(const tokenizer *t, int id, buf *scratch, json_writer *e)
{
    size_t len;
    const char *text = vocabulary_content(&t->vocabulary, id, &len);
    scratch->len = 0;
    if (buf_add(scratch, text, len, e->err) == 0 && buf_add(scratch, "", 1, e->err) == 0)
        return scratch->v;
    e->failed = true;
    return "";
}

/* Two ids of one content, or a content with a NUL, cannot stand in an object. */
int tokenizer_check_json(const tokenizer *t, error *err)
{
    for (int id = 0; id < t->vocabulary.count; id++) {
        size_t len;
        const char *text = vocabulary_content(&t->vocabulary, id, &len);
        int first = len ? vocabulary_find(&t->vocabulary, text, len) : id;
        if (first != id || (len && memchr(text, 0, len)))
            return error_set(err, ERROR_USAGE,
                             first == id ? "token %d holds a NUL, which tokenizer.json cannot say"
                                         : "tokens %d and %d are the same text, which "
                                           "tokenizer.json cannot say",
                             id, first);
    }
    return 0;
}

static void put_added(json_writer *e, const tokenizer *t, buf *scratch)
{
    json_begin_array(e, "added_tokens");
    for (int id = 0; id < t->vocabulary.count; id++) {
        token_kind kind = t->vocabulary.entry[id].kind;
        if (kind != TOKEN_ADDED && kind != TOKEN_SPECIAL)
            continue;
        const char *text = content_of(t, id, scratch, e);
        bool space = kind == TOKEN_ADDED && tokenizer_is_white_space(text, strlen(text));
        json_begin_object(e, NULL);
        json_put_int(e, "id", id);
        json_put_text(e, "content", text);
        json_put_bool(e, "single_word", false);
        json_put_bool(e, "lstrip", false);
        json_put_bool(e, "rstrip", false);
        json_put_bool(e, "normalized", space);
        json_put_bool(e, "special", kind == TOKEN_SPECIAL);
        json_end(e);
    }
    json_end(e);
}

/* Where the tokens begin that are only added; the vocabulary's end when there are gaps before. */
static int first_added(const tokenizer *t)
{
    int end = t->vocabulary.count, gaps = 0;
    while (end > 0 && is_filler(t, end - 1))
        end--;
    int first = end;
    while (first > 0 && (t->vocabulary.entry[first - 1].kind == TOKEN_ADDED ||
                         t->vocabulary.entry[first - 1].kind == TOKEN_SPECIAL))
        first--;
    for (int id = 0; id < first; id++)
        gaps += is_filler(t, id);
    return gaps ? t->vocabulary.count : first;
}

static void put_vocabulary(json_writer *e, const tokenizer *t, buf *scratch)
{
    int end = first_added(t);
    json_begin_object(e, "vocab");
    for (int id = 0; id < end; id++) {
        if (!is_filler(t, id))
            json_put_int(e, content_of(t, id, scratch, e), id);
    }
    json_end(e);
}

static int put_merges(json_writer *e, const tokenizer *t, buf *scratch)
{
    merge_list list;
    if (merge_list_open(&t->merges, &list, e->err))
        return -1;
    json_begin_array(e, "merges");
    for (size_t i = 0; i < list.len; i++) {
        const int pair[2] = {(int)list.v[i].left, (int)list.v[i].right};
        json_begin_array(e, NULL);
        for (int k = 0; k < 2; k++)
            json_put_text(e, NULL, content_of(t, pair[k], scratch, e));
        json_end(e);
    }
    json_end(e);
    merge_list_release(&list);
    return 0;
}

static int put_model(json_writer *e, const tokenizer *t, buf *scratch)
{
    put_type(e, "model", "BPE");
    json_put_null(e, "dropout");
    json_put_text(e, "unk_token",
                  t->unknown >= 0 && !t->byte_level ? content_of(t, t->unknown, scratch, e) : NULL);
    json_put_null(e, "continuing_subword_prefix");
    json_put_null(e, "end_of_word_suffix");
    json_put_bool(e, "fuse_unk", t->fuse_unknown);
    json_put_bool(e, "byte_fallback", t->byte_fallback);
    json_put_bool(e, "ignore_merges", t->ignore_merges);
    put_vocabulary(e, t, scratch);
    int result = put_merges(e, t, scratch);
    json_end(e);
    return result;
}

int tokenizer_to_json(const tokenizer *t, buf *out, error *err)
{
    buf scratch = {0};
    json_writer e = {.out = out, .err = err};
    if (tokenizer_check_json(t, err))
        return -1;
    json_begin_object(&e, NULL);
    json_put_text(&e, "version", "1.0");
    json_put_null(&e, "truncation");
    json_put_null(&e, "padding");
    put_added(&e, t, &scratch);
    put_normalizer(&e, &t->normal);
    put_pretokenizer(&e, t);
    if (t->adds_bos)
        put_template(&e, content_of(t, t->bos, &scratch, &e), t->bos);
    else if (t->byte_level)
        put_bytelevel(&e, "post_processor");
    else
        json_put_null(&e, "post_processor");
    put_decoder(&e, t);
    int result = put_model(&e, t, &scratch);
    json_end(&e);
    buf_release(&scratch);
    return json_writer_finish(&e) || result ? -1 : buf_text(out, "\n", err);
}

int tokenizer_config_to_json(const tokenizer *t, const char *chat_template, int context, buf *out,
                             error *err)
{
    json_writer e = {.out = out, .err = err};
    const char *name, *text;
    json_begin_object(&e, NULL);
    json_put_text(&e, "tokenizer_class", "PreTrainedTokenizerFast");
    json_put_bool(&e, "add_bos_token", t->adds_bos);
    for (size_t i = 0; text = tokenizer_named(t, i, &name), name; i++)
        if (text)
            json_put_text(&e, name, text);
    json_put_bool(&e, "clean_up_tokenization_spaces", false);
    json_put_int(&e, "model_max_length", context);
    if (chat_template)
        json_put_text(&e, "chat_template", chat_template);
    json_end(&e);
    return json_writer_finish(&e) ? -1 : buf_text(out, "\n", err);
}
