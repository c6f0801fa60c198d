/* history.c - see history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/json.h"
#include "../base/json_writer.h"
#include "../base/version.h"
#include "../formats/gguf.h"
#include "bank_view.h"

static int hash_rows(const bank_rows *b, fingerprint *f, error *err)
{
    float *row = malloc(b->cols * sizeof *row);
    int result = row ? 0 : error_memory(err, "the fingerprint");
    for (size_t i = 0; result == 0 && i < b->rows; i++) {
        dequantize_row(b->type, b->data + dtype_row_bytes(b->type, b->cols) * i, row, b->cols);
        result = fingerprint_add_f32(f, row, b->cols, err);
    }
    free(row);
    return result;
}

int history_name_model(const checkpoint *c, char hex[FINGERPRINT_TEXT], error *err)
{
    const model_config *config = checkpoint_config(c);
    hex[0] = '\0';
    if (!config->experts)
        return 0;
    fingerprint *f = fingerprint_open(err);
    int result = f ? 0 : -1;
    for (int l = 0; result == 0 && l < config->layers; l++)
        for (int e = 0; result == 0 && config->moe_layer[l] && e < config->experts; e++) {
            bank_rows b = bank_view(c, l, e, BANK_ROUTER);
            result = hash_rows(&b, f, err);
        }
    if (result == 0)
        result = fingerprint_finish(f, hex, err);
    fingerprint_close(f);
    return result;
}

int history_metadata(const checkpoint *c, json_document **out, error *err)
{
    size_t len;
    const char *text = checkpoint_metadata(c, &len);
    *out = text ? json_parse(checkpoint_path(c), text, len, err) : NULL;
    return text && !*out ? -1 : 0;
}

/* The array that c brings; *d stays open for it. NULL when it brings none. */
static int read_history(const checkpoint *c, json_document **d, const json **out, error *err)
{
    const char *text = NULL;
    size_t len = 0;
    *d = NULL;
    *out = NULL;
    if (checkpoint_gguf(c) &&
        gguf_get_string(checkpoint_gguf(c), HISTORY_KEY, &text, &len, err) < 0)
        return -1;
    json_document *around = NULL;
    if (!checkpoint_gguf(c) && history_metadata(c, &around, err))
        return -1;
    text = text ? text : json_text_at(around ? json_root(around) : NULL, HISTORY_KEY);
    len = text && around ? strlen(text) : len;
    if (text)
        *d = json_parse(checkpoint_path(c), text, len, err);
    json_close(around);
    if (!text)
        return 0;
    if (!*d)
        return error_prefix(err, HISTORY_KEY ": ");
    if (json_type(json_root(*d)) != JSON_ARRAY)
        return error_set(err, ERROR_LOAD, "%s: " HISTORY_KEY " is no array", checkpoint_path(c));
    *out = json_root(*d);
    return 0;
}

int history_next(const checkpoint *c, const char *done, buf *out, error *err)
{
    char hex[FINGERPRINT_TEXT];
    json_document *d = NULL;
    const json *before;
    json_writer e = {.out = out, .err = err};
    char *name = checkpoint_name(c, err);
    if (!name || history_name_model(c, hex, err) || read_history(c, &d, &before, err)) {
        json_close(d);
        free(name);
        return -1;
    }
    json_begin_array(&e, NULL);
    for (const json *at = before ? json_first(before) : NULL; at; at = json_next(at))
        json_put_value(&e, NULL, at);
    json_begin_object(&e, NULL);
    json_put_text(&e, "program", "consilium " CONSILIUM_VERSION);
    json_put_text(&e, "from", name);
    json_put_text(&e, "fingerprint", hex[0] ? hex : NULL);
    json_put_text(&e, "done", done);
    json_end(&e);
    json_end(&e);
    json_close(d);
    free(name);
    return json_writer_finish(&e);
}
