/* chat_support.c - see chat_support.h. */
#include "chat_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/base/mapped_file.h"
#include "scratch.h"

#define MODEL     "tests/fixtures/models/qwen3_moe/"
#define FIXTURE   "tests/fixtures/chat.json"
#define TEMPLATES "tests/fixtures/templates/"

static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json",
                                    "tokenizer_config.json", "chat_template.jinja"};
enum { FILES = sizeof files / sizeof files[0] };

/* ---- the model folder ---------------------------------------------------------------------- */

static void in_folder(const fixture *f, const char *name, char out[128])
{
    assert_in_range(snprintf(out, 128, "%s/%s", f->dir, name), 1, 127);
}

void chat_put_file(const fixture *f, const char *name, const char *text)
{
    char path[128];
    in_folder(f, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void write_json(const json *v, buf *out);

static void write_members(const json *v, buf *out, bool keys)
{
    for (const json *m = json_first(v); m; m = json_next(m)) {
        if (m != json_first(v))
            buf_text(out, ",", NULL);
        if (keys) {
            json_quote(out, json_key(m), strlen(json_key(m)), NULL);
            buf_text(out, ":", NULL);
        }
        write_json(m, out);
    }
}

static void write_json(const json *v, buf *out)
{
    switch (json_type(v)) {
    case JSON_OBJECT:
        buf_text(out, "{", NULL);
        write_members(v, out, true);
        buf_text(out, "}", NULL);
        break;
    case JSON_ARRAY:
        buf_text(out, "[", NULL);
        write_members(v, out, false);
        buf_text(out, "]", NULL);
        break;
    case JSON_STRING:
        json_quote(out, json_string(v), strlen(json_string(v)), NULL);
        break;
    case JSON_NUMBER:
        buf_format(out, NULL, "%.17g", json_number(v));
        break;
    default:
        buf_text(out, json_type(v) == JSON_NULL ? "null" : json_true(v) ? "true" : "false", NULL);
    }
}

/* The vocabulary "plain" or "thinking", which has <think> and [THINK] as tokens. */
void chat_put_words(const fixture *f, const char *name)
{
    buf text = {0};
    write_json(json_member(json_root(f->document), name), &text);
    chat_put_file(f, "tokenizer.json", text.v);
    buf_release(&text);
}

int chat_make_folder(void **state)
{
    static fixture f;
    error err = {0};
    f.document = json_load(FIXTURE, 1 << 24, &err);
    if (!f.document)
        return -1;
    scratch_folder(f.dir, "chat");
    for (size_t i = 0; i < 2; i++) {
        char from[128], to[128], *real;
        snprintf(from, sizeof from, MODEL "%s", files[i]);
        in_folder(&f, files[i], to);
        real = realpath(from, NULL);
        if (!real || symlink(real, to))
            return -1;
        free(real);
    }
    chat_put_file(&f, "tokenizer_config.json",
                  "{\"bos_token\":\"<|begin|>\",\"eos_token\":\"<|endoftext|>\"}");
    *state = &f;
    return 0;
}

int chat_remove_folder(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < FILES; i++) {
        char path[128];
        in_folder(f, files[i], path);
        unlink(path);
    }
    json_close(f->document);
    return rmdir(f->dir);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* template: NULL = none. Returns what chat_open returned. */
int chat_open_text(const fixture *f, const char *template, const chat_options *o, chat *c,
                   error *err)
{
    char path[128];
    in_folder(f, "chat_template.jinja", path);
    unlink(path);
    if (template)
        chat_put_file(f, "chat_template.jinja", template);
    *c = (chat){0};
    c->model = checkpoint_open(f->dir, NULL, NULL, err);
    if (!c->model || tokenizer_open(c->model, &c->words, err))
        fail_msg("%s", err->text);
    return chat_open(c->model, c->words, o, &c->format, err);
}

int chat_open_named(const fixture *f, const char *name, const chat_options *o, chat *c, error *err)
{
    char path[128], *text;
    size_t len;
    snprintf(path, sizeof path, TEMPLATES "%s.jinja", name);
    if (file_read_all(path, 1 << 20, &text, &len, err))
        fail_msg("%s", err->text);
    int result = chat_open_text(f, text, o, c, err);
    free(text);
    return result;
}

void chat_close_all(chat *c)
{
    chat_close(c->format);
    tokenizer_close(c->words);
    checkpoint_close(c->model);
}

/* A template of the fixtures, in the vocabulary that knows thoughts. */
void chat_open_good(const fixture *f, const char *name, chat *c)
{
    error err = {0};
    chat_put_words(f, "thinking");
    if (chat_open_named(f, name, &(chat_options){.day = "2024-02-09"}, c, &err))
        fail_msg("%s: %s", name, err.text);
    assert_non_null(c->format);
}

int chat_id_of(const chat *c, const char *content)
{
    int id = tokenizer_find(c->words, content, strlen(content));
    assert_true(id >= 0);
    return id;
}

chat_message chat_say(chat_role role, const char *text)
{
    return (chat_message){role, text, strlen(text)};
}

tokens chat_rendered(const chat *c, const chat_message *m, size_t n, bool reply, int think)
{
    tokens out = {0};
    error err = {0};
    if (chat_render(c->format, m, n, reply, think, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

/* What the tokens say, special ones by name; the caller frees. */
char *chat_spelled(const chat *c, const tokens *ids)
{
    buf text = {0};
    assert_int_equal(buf_text(&text, "", NULL), 0);
    for (size_t i = 0; i < ids->len; i++) {
        size_t n;
        const char *piece = tokenizer_is_special(c->words, ids->v[i])
                                ? tokenizer_content(c->words, ids->v[i], &n)
                                : tokenizer_piece(c->words, ids->v[i], &n);
        assert_int_equal(buf_add(&text, piece, n, NULL), 0);
    }
    return buf_detach(&text);
}

void chat_spells(const chat *c, tokens ids, const char *text)
{
    char *got = chat_spelled(c, &ids);
    assert_string_equal(got, text);
    free(got);
    tokens_release(&ids);
}
