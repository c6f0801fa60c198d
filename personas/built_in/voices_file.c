/* voices_file.c - see voices_file.h. */
#include "voices_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/buf.h"
#include "../../engine/base/folder.h"
#include "../../engine/formats/gguf_writer.h"
#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"

static const struct stack {
    const char *name;
    dtype type;
} STACKS[VOICES_MATRICES] = {
    {"ffn_gate_exps", DTYPE_Q5_0}, {"ffn_up_exps", DTYPE_Q5_0}, {"ffn_down_exps", DTYPE_Q8_0}};

static size_t count_of(const voices_bank *b)
{
    return (size_t)b->name_count * (size_t)b->experts;
}

static size_t rows_of(const voices_bank *b)
{
    return count_of(b) + (size_t)b->general;
}

/* ---- the experts file -------------------------------------------------------------------------- */

static int put_names(const voices_bank *b, gguf_writer *w, error *err)
{
    buf text = {0};
    int result = buf_text(&text, "", err);
    for (int i = 0; i < b->name_count && !result; i++)
        result = buf_format(&text, err, "%s%s", i ? ", " : "", b->names[i]);
    if (!result)
        result = gguf_writer_text(w, "consilium.personas", text.v ? text.v : "", err);
    buf_release(&text);
    return result;
}

static int put_metadata(const voices_bank *b, gguf_writer *w, error *err)
{
    const struct {
        const char *key;
        size_t value;
    } numbers[] = {
        {"consilium.first_layer", (size_t)b->first},
        {"consilium.layers", (size_t)b->layers},
        {"consilium.persona_experts", count_of(b)},
        {"consilium.general_experts", (size_t)b->general},
        {"consilium.experts_per_token", (size_t)b->used},
        {"consilium.expert_width", (size_t)b->expert_width},
        {"consilium.width", (size_t)b->width},
    };
    if (gguf_writer_text(w, "general.architecture", "consilium-experts", err) ||
        gguf_writer_text(w, "general.name", "experts of the built-in model", err) ||
        gguf_writer_text(w, "general.license", "apache-2.0", err) || put_names(b, w, err))
        return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (gguf_writer_u32(w, numbers[i].key, (uint32_t)numbers[i].value, err))
            return -1;
    return 0;
}

static int declare(const voices_bank *b, gguf_writer *w, error *err)
{
    uint64_t width = (uint64_t)b->width, narrow = (uint64_t)b->expert_width;
    const uint64_t router[2] = {rows_of(b), width}, slices[2] = {(uint64_t)b->general, narrow};
    const uint64_t shapes[VOICES_MATRICES][3] = {
        {count_of(b), narrow, width}, {count_of(b), narrow, width}, {count_of(b), width, narrow}};
    char name[64];
    for (int l = 0; l < b->layers; l++) {
        (void)snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.weight", b->first + l);
        if (gguf_writer_tensor(w, name, DTYPE_F32, 2, router, err))
            return -1;
        (void)snprintf(name, sizeof name, "blk.%d.ffn_slices.weight", b->first + l);
        if (gguf_writer_tensor(w, name, DTYPE_F32, 2, slices, err))
            return -1;
        for (int m = 0; m < VOICES_MATRICES && b->name_count; m++) {
            (void)snprintf(name, sizeof name, "blk.%d.%s.weight", b->first + l, STACKS[m].name);
            if (gguf_writer_tensor(w, name, STACKS[m].type, 3, shapes[m], err))
                return -1;
        }
    }
    return 0;
}

/* One matrix in the file's type: values and packed have room for it. */
static int put_matrix(const voices_bank *b, gguf_writer *w, const voices_matrix *from, int m,
                      float *values, void *packed, error *err)
{
    size_t cols = (size_t)(m == VOICES_DOWN ? b->expert_width : b->width);
    size_t rows = (size_t)(m == VOICES_DOWN ? b->width : b->expert_width);
    size_t bytes = dtype_row_bytes(STACKS[m].type, cols),
           stored = dtype_row_bytes(from->type, cols);
    for (size_t r = 0; r < rows; r++) {
        dequantize_row(from->type, (const char *)from->data + r * stored, values, cols);
        quantize_row(STACKS[m].type, values, packed, cols);
        if (gguf_writer_data(w, packed, bytes, err))
            return -1;
    }
    return 0;
}

static int put_layer(const voices_bank *b, gguf_writer *w, int layer, float *room, error *err)
{
    size_t count = count_of(b), cells = rows_of(b) * (size_t)b->width;
    size_t most = (size_t)(b->width > b->expert_width ? b->width : b->expert_width);
    size_t cut = (size_t)b->general * (size_t)b->expert_width;
    if (gguf_writer_data(w, b->rows + (size_t)layer * cells, cells * sizeof(float), err) ||
        gguf_writer_data(w, b->neurons + (size_t)layer * cut, cut * sizeof(float), err))
        return -1;
    for (int m = 0; m < VOICES_MATRICES; m++)
        for (size_t e = 0; e < count; e++) {
            size_t at = ((size_t)layer * count + e) * VOICES_MATRICES + (size_t)m;
            if (put_matrix(b, w, &b->matrices[at], m, room, room + most, err))
                return -1;
        }
    return 0;
}

int voices_file_write(const voices_bank *b, const char *path, error *err)
{
    size_t most = (size_t)(b->width > b->expert_width ? b->width : b->expert_width);
    float *room = malloc(2 * most * sizeof *room);
    gguf_writer *w = room ? gguf_writer_open(path, err) : NULL;
    int result = room ? 0 : error_memory(err, "a row");
    if (!result)
        result =
            w ? put_metadata(b, w, err) || declare(b, w, err) || gguf_writer_begin(w, err) : -1;
    for (int l = 0; l < b->layers && !result; l++)
        result = put_layer(b, w, l, room, err);
    if (!result)
        result = gguf_writer_finish(w, err);
    gguf_writer_close(w);
    free(room);
    return result ? -1 : 0;
}

/* ---- the masks --------------------------------------------------------------------------------- */

int voices_fingerprint(const voices_bank *b, char hex[FINGERPRINT_TEXT], error *err)
{
    fingerprint *f = fingerprint_open(err);
    size_t n = (size_t)b->layers * rows_of(b) * (size_t)b->width;
    int result =
        f && fingerprint_add_f32(f, b->rows, n, err) == 0 && fingerprint_finish(f, hex, err) == 0
            ? 0
            : -1;
    fingerprint_close(f);
    return result;
}

static int put_mask(const voices_bank *b, const char *path, int persona, const char *mark,
                    error *err)
{
    buf text = {0};
    int result = buf_format(&text, err,
                            "{\n \"mask\": 1,\n \"model\": \"%s\",\n \"mode\": \"keep\",\n"
                            " \"layers\": {\n  \"%d-%d\": \"%d-%d\"\n }\n}\n",
                            mark, b->first, b->first + b->layers - 1, persona * b->experts,
                            (persona + 1) * b->experts - 1);
    if (!result)
        result = atomic_file_put(path, text.v, text.len, err);
    buf_release(&text);
    return result;
}

/* "NAME." 16 hex digits ".mask.json", of another model than `mark`. */
static bool is_stale(const char *file, const char *name, const char *mark)
{
    size_t n = strlen(name);
    return strncmp(file, name, n) == 0 && file[n] == '.' && strlen(file + n) == 27 &&
           strspn(file + n + 1, "0123456789abcdef") == 16 &&
           strcmp(file + n + 17, ".mask.json") == 0 && strncmp(file + n + 1, mark, 16) != 0;
}

static int remove_stale(const voices_bank *b, const char *where, const char *mark, error *err)
{
    folder files = {0};
    int result = folder_read(where, &files, err);
    for (size_t i = 0; i < files.len && !result; i++)
        for (int p = 0; p < b->name_count && !result; p++) {
            if (!is_stale(files.v[i], b->names[p], mark))
                continue;
            char *path = string_format(err, "%s/%s", where, files.v[i]);
            result = path ? 0 : -1;
            if (path && unlink(path))
                result = error_set(err, ERROR_RUN, "%s: cannot be removed", path);
            free(path);
        }
    folder_release(&files);
    return result;
}

int voices_file_masks(const voices_bank *b, const char *where, const char *mark, error *err)
{
    for (int i = 0; i < b->name_count; i++) {
        char *path = string_format(err, "%s/%s.%.16s.mask.json", where, b->names[i], mark);
        int result = path ? put_mask(b, path, i, mark, err) : -1;
        free(path);
        if (result)
            return -1;
    }
    return remove_stale(b, where, mark, err);
}
