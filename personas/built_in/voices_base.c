/* voices_base.c - the base that voices are trained on: see voices.h.
 *
 * What the dense blocks read is told by the program's own engine, which tells it of layers that route. So
 * the recipe first makes a model of any slices, of which a token calls all: the dense model, but for
 * rounding. It reads, the blocks are cut by what it read, and the recipe makes the base.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/formats/checkpoint.h"
#include "../../kernels/dequantize.h"
#include "builtin.h"
#include "voices_file.h"
#include "voices_plain.h"
#include "voices_slices.h"

enum { CUT = VOICES_GENERAL * VOICES_NARROW };

typedef struct base {
    const char *smollm2;
    checkpoint *dense;
    gemm *gemm;
    voices_plain plain;
    float *neurons, *rows; /* [VOICES_LAYERS, CUT], [VOICES_LAYERS, VOICES_GENERAL, VOICES_WIDTH] */
    float *matrix[3];      /* gate, up, down of one layer */
    size_t ffn;
} base;

static void base_close(base *b)
{
    checkpoint_close(b->dense);
    gemm_close(b->gemm);
    voices_plain_release(&b->plain);
    free(b->neurons);
    free(b->rows);
    for (int m = 0; m < 3; m++)
        free(b->matrix[m]);
}

/* Any slices, the first neurons; their rows are zero, so a token that calls all calls them alike. */
static int base_open(base *b, error *err)
{
    b->dense = checkpoint_open(b->smollm2, NULL, NULL, err);
    if (!b->dense)
        return -1;
    b->ffn = (size_t)checkpoint_config(b->dense)->ffn_width;
    b->neurons = malloc((size_t)VOICES_LAYERS * CUT * sizeof(float));
    b->rows = calloc((size_t)VOICES_LAYERS * VOICES_GENERAL * VOICES_WIDTH, sizeof(float));
    for (int m = 0; m < 3; m++)
        b->matrix[m] = malloc(b->ffn * VOICES_WIDTH * sizeof(float));
    if (!b->neurons || !b->rows || !b->matrix[0] || !b->matrix[1] || !b->matrix[2])
        return error_memory(err, "a base");
    for (int i = 0; i < VOICES_LAYERS * CUT; i++)
        b->neurons[i] = (float)(i % CUT);
    return 0;
}

static int make(const base *b, int used, const char *bank, const char *model, error *err)
{
    const builtin_progress nobody = {0};
    const voices_bank v = {.general = VOICES_GENERAL,
                           .used = used,
                           .first = VOICES_FIRST,
                           .layers = VOICES_LAYERS,
                           .width = VOICES_WIDTH,
                           .expert_width = VOICES_NARROW,
                           .rows = b->rows,
                           .neurons = b->neurons};
    return voices_file_write(&v, bank, err) || builtin_make(b->smollm2, bank, model, &nobody, err)
               ? -1
               : 0;
}

/* ---- cutting ----------------------------------------------------------------------------------- */

/* The recipe has checked the shapes. */
static void open_matrices(base *b, int layer)
{
    static const char *const names[] = {"ffn_gate", "ffn_up", "ffn_down"};
    for (int m = 0; m < 3; m++) {
        char name[64];
        checkpoint_tensor t;
        (void)snprintf(name, sizeof name, "blk.%d.%s.weight", layer, names[m]);
        checkpoint_at(b->dense, checkpoint_index(b->dense, name), &t);
        size_t cols = (size_t)t.shape[1], bytes = dtype_row_bytes(t.type, cols);
        for (size_t r = 0; r < t.shape[0]; r++)
            dequantize_row(t.type, (const char *)t.data + r * bytes, b->matrix[m] + r * cols, cols);
    }
}

static int cut_layer(base *b, int l, error *err)
{
    int neurons[CUT];
    open_matrices(b, VOICES_FIRST + l);
    const slice_source s = {b->matrix[0], b->matrix[1], b->matrix[2], b->plain.x[l],
                            (int)b->ffn,  VOICES_WIDTH, b->plain.n};
    if (voices_slice(b->gemm, &s, VOICES_GENERAL, VOICES_NARROW, neurons,
                     b->rows + (size_t)l * VOICES_GENERAL * VOICES_WIDTH, err))
        return error_prefix(err, "layer %d: ", VOICES_FIRST + l);
    for (int i = 0; i < CUT; i++)
        b->neurons[(size_t)l * CUT + (size_t)i] = (float)neurons[i];
    return 0;
}

static int read_model(base *b, const char *model, const char *neutral, int threads,
                      voices_listener *listener, void *user, error *err)
{
    const engine_options o = {.path = model, .backend = {.threads = threads}};
    engine *e = engine_open(&o, err);
    int result =
        e ? voices_plain_read(&b->plain, e, neutral, VOICES_READ, listener, user, err) : -1;
    if (!result)
        result = (b->gemm = gemm_open(backend_isa(engine_backend(e)), err)) ? 0 : -1;
    engine_close(e);
    return result;
}

static int cut_all(base *b, const char *neutral, const char *where, int threads,
                   voices_listener *listener, void *user, error *err)
{
    char *bank = string_format(err, "%s/whole.experts.gguf", where);
    char *model = bank ? string_format(err, "%s/whole.gguf", where) : NULL;
    int result = model ? make(b, VOICES_GENERAL, bank, model, err) : -1;
    if (!result)
        result = read_model(b, model, neutral, threads, listener, user, err);
    for (int l = 0; l < VOICES_LAYERS && !result; l++)
        result = cut_layer(b, l, err);
    if (model)
        (void)(unlink(model) + unlink(bank));
    free(bank);
    free(model);
    return result;
}

/* ---- the base ---------------------------------------------------------------------------------- */

void voices_base_release(voices_base_files *f)
{
    free(f->model);
    free(f->bank);
    *f = (voices_base_files){0};
}

int voices_base(const char *smollm2, const char *neutral, const char *where, int threads,
                voices_listener *listener, void *user, voices_base_files *out, error *err)
{
    base b = {.smollm2 = smollm2};
    *out = (voices_base_files){0};
    out->bank = string_format(err, "%s/base.experts.gguf", where);
    out->model = out->bank ? string_format(err, "%s/base.gguf", where) : NULL;
    int result = out->model ? base_open(&b, err) : -1;
    if (!result)
        result = cut_all(&b, neutral, where, threads, listener, user, err);
    if (!result)
        result = make(&b, VOICES_USED, out->bank, out->model, err);
    base_close(&b);
    return result;
}
