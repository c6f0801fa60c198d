/* fuzz_tokenizer.c - any bytes as a tokenizer.json, as GGUF metadata, as a pattern, as text.
 *
 * The first byte of the input chooses. A tokenizer that loads must encode a few texts, give ids that
 * exist and no special one but its unknown token, and spell every id; two runs must agree. A pattern
 * that passes must cut a text into pieces that are the text again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/utf8.h"
#include "../engine/formats/gguf.h"
#include "../engine/text/pretoken.h"
#include "../engine/text/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void try_text(const tokenizer *t, const char *text, size_t len)
{
    tokens ids = {0}, again = {0};
    size_t dropped = 0;
    error err = {0};
    int result = tokenizer_encode(t, text, len, &ids, &dropped, &err);
    must(result == 0 || err.code == ERROR_RUN || !utf8_check(text, len, NULL));
    must(dropped <= 8 * len + 64);
    for (size_t i = 0; i < ids.len; i++) {
        must(ids.v[i] >= 0 && ids.v[i] < tokenizer_count(t));
        must(!tokenizer_is_special(t, ids.v[i]) || ids.v[i] == t->unknown);
    }
    must(tokenizer_encode(t, text, len, &again, NULL, &err) == result && again.len == ids.len);
    must(ids.len == 0 || memcmp(ids.v, again.v, ids.len * sizeof *ids.v) == 0);
    tokens_release(&ids);
    tokens_release(&again);
}

static void try_tokenizer(const tokenizer *t, const char *input, size_t size)
{
    static const char sample[] =
        "Hello  world 123 don't\r\n\t<|im_end|> \xE2\x96\x81 a\xCC\x81 \0<0x41>";
    volatile size_t total = 0; /* keeps the reads */
    for (int id = 0; id < tokenizer_count(t); id++) {
        size_t n;
        tokenizer_first_piece(t, id, &n);
        const char *piece = tokenizer_piece(t, id, &n);
        for (size_t i = 0; i < n; i++)
            total = total + (unsigned char)piece[i];
        const char *content = tokenizer_content(t, id, &n);
        must(n == 0 || tokenizer_find(t, content, n) >= 0);
        if (id < 64)
            try_text(t, content, n);
    }
    try_text(t, sample, sizeof sample - 1);
    try_text(t, input, size < 4096 ? size : 4096);
}

static void as_json(const char *text, size_t len)
{
    error err = {0};
    tokenizer *t = tokenizer_parse("input", text, len, &err);
    must(t || err.code == ERROR_LOAD);
    if (t)
        try_tokenizer(t, text, len);
    tokenizer_close(t);
}

static void as_gguf(const char *bytes, size_t len)
{
    error err = {0};
    tensor_list tensors = {0};
    tokenizer *t = NULL;
    gguf *g = gguf_open_memory("input", bytes, len, &tensors, &err);
    if (g && tokenizer_from_gguf(g, &t, &err))
        must(!t && err.code == ERROR_LOAD);
    if (t)
        try_tokenizer(t, bytes, len);
    tokenizer_close(t);
    gguf_close(g);
    tensor_list_release(&tensors);
}

typedef struct rest {
    const char *text;
    size_t len;
} rest;

static int compare_piece(void *user, const char *piece, size_t len, error *err)
{
    rest *r = user;
    (void)err;
    must(len <= r->len && memcmp(piece, r->text, len) == 0);
    r->text += len;
    r->len -= len;
    return 0;
}

/* A pattern and a text, separated by NUL. */
static void as_pattern(const char *pattern, size_t size, int behavior)
{
    error err = {0};
    const char *end = memchr(pattern, '\0', size);
    size_t len = end ? (size_t)(end - pattern) : size;
    rest r = {pattern + len, size - len};
    pretoken *p = pretoken_open(&err);
    /* All behaviors but REMOVED (0) keep every byte. */
    if (p && utf8_check(pattern, size, NULL) &&
        pretoken_add_split(p, pattern, len, false, (pretoken_behavior)(1 + behavior % 4),
                           behavior & 4, &err) == 0 &&
        pretoken_run(p, r.text, r.len, true, compare_piece, &r, &err) == 0)
        must(r.len == 0);
    pretoken_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *input = (const char *)data + 1;
    if (data[0] % 4 == 0)
        as_gguf(input, size - 1);
    else if (data[0] % 4 == 1)
        as_pattern(input, size - 1, data[0] >> 2);
    else
        as_json(input, size - 1);
    return 0;
}
