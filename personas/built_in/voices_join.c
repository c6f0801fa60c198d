/* voices_join.c - three adapters become one bank of experts: see voices.h.
 *
 * Two readings give the states that the router's rows are fitted on (voices_rows.h). Each persona's
 * lessons are read under its own program, and at every layer what the router reads of the answers goes
 * into one regression that tells the speakers apart. Then the plain model reads (voices_plain.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../kernels/dequantize.h"
#include "builtin_source.h"
#include "voices_file.h"
#include "voices_plain.h"

enum {
    ALL = VOICES * VOICES_EXPERTS, /* experts that have weights */
    ROWS = ALL + VOICES_GENERAL,
    CONTEXT = 4096
};

typedef struct join {
    const voices_sources *sources;
    engine *engine;
    const placed_adapter *placed[VOICES];
    measure_samples lessons[VOICES]; /* those that are read */
    session *session;
    float *rows; /* [VOICES_LAYERS, ROWS, VOICES_WIDTH] */
    ridge *tell[VOICES_LAYERS];
    float *target; /* [rows of a batch, VOICES] what the regressions are to say of the speaker */
    builtin_bank base; /* of the model that the voices were trained on: its slices */
    float *neurons;    /* [VOICES_LAYERS, VOICES_GENERAL, VOICES_NARROW] */
    voices_plain plain;
    int done, total; /* tokens */

    /* of the reading that is under way */
    int from;             /* the first token that counts */
    int layer, batch, at; /* what is told now: its layer, its rows, and where they begin */
} join;

static float *router_of(const join *j, int layer)
{
    return j->rows + (size_t)layer * ROWS * VOICES_WIDTH;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int check_base(const join *j, error *err)
{
    const model_config *m = engine_config(j->engine);
    bool good = m->layers == VOICES_FIRST + VOICES_LAYERS && m->width == VOICES_WIDTH &&
                m->experts == VOICES_GENERAL && m->expert_width == VOICES_NARROW;
    return good ? 0
                : error_set(err, ERROR_LOAD, "%s: is not the base that voices are trained on",
                            checkpoint_path(engine_checkpoint(j->engine)));
}

static bool expert_fits(const adapter_expert *x)
{
    const adapter_tensor *m = x->matrix;
    return m[EXPERT_GATE].rows == VOICES_NARROW && m[EXPERT_UP].rows == VOICES_NARROW &&
           m[EXPERT_DOWN].cols == VOICES_NARROW;
}

static int check_adapter(const adapter *a, error *err)
{
    for (int l = 0; l < VOICES_LAYERS; l++) {
        const adapter_layer *layer = adapter_at(a, VOICES_FIRST + l);
        bool good = layer && layer->added_count == VOICES_EXPERTS && !layer->replaced_count &&
                    !layer->row_count && !layer->lora_count;
        for (int e = 0; good && e < VOICES_EXPERTS; e++)
            good = expert_fits(&layer->added[e]);
        if (!good)
            return error_set(err, ERROR_LOAD,
                             "%s: layer %d: a voice is %d new experts, %d wide, and nothing else",
                             a->path, VOICES_FIRST + l, VOICES_EXPERTS, VOICES_NARROW);
    }
    return 0;
}

static int add_adapter(join *j, int i, error *err)
{
    adapter *a = adapter_open(j->sources->adapters[i], err);
    if (!a || check_adapter(a, err)) {
        adapter_close(a);
        return -1;
    }
    return engine_add_adapter(j->engine, a, &j->placed[i], err);
}

static size_t lesson_count(const join *j)
{
    return (size_t)(j->sources->lessons ? j->sources->lessons : VOICES_READ);
}

/* The general experts' part of router and bank is the base's. */
static void take_slices(join *j, int layer)
{
    const builtin_bank *b = &j->base;
    size_t cut = VOICES_GENERAL * VOICES_NARROW, rows = VOICES_GENERAL * VOICES_WIDTH;
    const checkpoint_tensor *list = builtin_bank_tensor(b, VOICES_FIRST + layer, "ffn_slices");
    const checkpoint_tensor *router = builtin_bank_tensor(b, VOICES_FIRST + layer, "ffn_gate_inp");
    memcpy(j->neurons + (size_t)layer * cut, list->data, cut * sizeof(float));
    memcpy(router_of(j, layer) + (size_t)ALL * VOICES_WIDTH, router->data, rows * sizeof(float));
}

static int open_slices(join *j, error *err)
{
    const builtin_bank *b = &j->base;
    if (builtin_bank_open(&j->base, j->sources->bank, err))
        return -1;
    if (b->first != VOICES_FIRST || b->layers != VOICES_LAYERS || b->personas ||
        b->general != VOICES_GENERAL || b->expert_width != VOICES_NARROW ||
        b->width != VOICES_WIDTH)
        return error_set(err, ERROR_LOAD, "%s: is not the bank of the voices' base", b->path);
    for (int l = 0; l < VOICES_LAYERS; l++)
        take_slices(j, l);
    return 0;
}

static int open_rows(join *j, error *err)
{
    j->rows = calloc((size_t)VOICES_LAYERS * ROWS * VOICES_WIDTH, sizeof *j->rows);
    j->target = calloc((size_t)engine_max_rows(j->engine) * VOICES, sizeof *j->target);
    j->neurons = calloc((size_t)VOICES_LAYERS * VOICES_GENERAL * VOICES_NARROW, sizeof *j->neurons);
    if (!j->rows || !j->target || !j->neurons)
        return error_memory(err, "a router");
    for (int l = 0; l < VOICES_LAYERS; l++) {
        if (!(j->tell[l] = ridge_open(VOICES_WIDTH, VOICES, err)))
            return -1;
        for (int p = 0; p < VOICES; p++) {
            const adapter_tensor *own =
                &adapter_at(j->placed[p]->file, VOICES_FIRST + l)->added_rows;
            dequantize_row(own->type, own->data,
                           router_of(j, l) + (size_t)p * VOICES_EXPERTS * VOICES_WIDTH,
                           (size_t)VOICES_EXPERTS * VOICES_WIDTH);
        }
    }
    return 0;
}

static int join_open(join *j, error *err)
{
    if (check_base(j, err))
        return -1;
    for (int p = 0; p < VOICES; p++)
        if (add_adapter(j, p, err) ||
            voices_lessons(&j->lessons[p], j->engine, p, lesson_count(j), err))
            return -1;
    if (open_rows(j, err) || open_slices(j, err))
        return -1;
    for (int p = 0; p < VOICES; p++)
        for (size_t i = 0; i < j->lessons[p].len; i++)
            j->total += (int)j->lessons[p].v[i].ids.len;
    j->session = session_open(j->engine, CONTEXT, DTYPE_F32, err);
    return j->session ? 0 : -1;
}

static void join_close(join *j)
{
    session_close(j->session);
    for (int l = 0; l < VOICES_LAYERS; l++)
        ridge_close(j->tell[l]);
    voices_plain_release(&j->plain);
    builtin_bank_close(&j->base);
    free(j->rows);
    free(j->neurons);
    free(j->target);
    for (int p = VOICES; p-- > 0;) {
        measure_samples_release(&j->lessons[p]);
        engine_remove_adapter(j->engine, j->placed[p]);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Layers come in ascending order, batch by batch. */
static void take_states(void *user, int layer, int n, const float *x)
{
    join *j = user;
    if (layer <= j->layer)
        j->at += j->batch;
    j->layer = layer;
    j->batch = n;
    int skip = j->from > j->at ? j->from - j->at : 0;
    if (skip < n)
        ridge_add(j->tell[layer - VOICES_FIRST], x + (size_t)skip * VOICES_WIDTH, j->target, NULL,
                  n - skip);
}

/* Reads a sample under the session's program; what its routers read from token `from` on counts. */
static int read_sample(join *j, const measure_sample *s, int from, error *err)
{
    step go = {j->session, s->ids.v, (int)s->ids.len, LOGITS_NONE, NULL};
    j->from = from;
    j->layer = -1;
    j->batch = j->at = 0;
    session_rewind(j->session, 0);
    if (engine_advance(j->engine, &go, 1, err))
        return -1;
    j->done += (int)s->ids.len;
    if (j->sources->listener)
        j->sources->listener(j->sources->user, j->done, j->total);
    return 0;
}

/* A program that keeps the experts which one adapter adds. */
static router_program *keep_added(const join *j, int speaker, error *err)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":{\"%d-%d\":\"%d-%d\"}}",
                   VOICES_FIRST, VOICES_FIRST + VOICES_LAYERS - 1, VOICES_GENERAL,
                   VOICES_GENERAL + VOICES_EXPERTS - 1);
    mask *keep = mask_read("the mask of a voice", text, strlen(text), err);
    const mask *masks[] = {keep};
    router_settings s = router_settings_plain();
    s.masks = masks;
    s.mask_count = 1;
    s.adapters = &j->placed[speaker];
    s.adapter_count = 1;
    router_program *program =
        keep ? router_program_compile(engine_config(j->engine), NULL, &s, err) : NULL;
    mask_close(keep);
    return program;
}

static int read_spoken(join *j, int speaker, int *read, error *err)
{
    const measure_samples *l = &j->lessons[speaker];
    router_program *program = keep_added(j, speaker, err);
    int result = program ? session_set_program(j->session, program, err) : -1;
    for (int i = 0; i < engine_max_rows(j->engine) * VOICES; i++)
        j->target[i] = (i % VOICES == speaker) - 1.0f / VOICES;
    for (size_t i = 0; i < l->len && !result; i++) {
        int from = (int)l->v[i].from - 1; /* whose state the answer's first token is told by */
        result = read_sample(j, &l->v[i], from, err);
        *read += (int)l->v[i].ids.len - from;
    }
    session_rewind(j->session, 0);
    if (!result)
        result = session_set_program(j->session, NULL, err);
    router_program_close(program);
    return result;
}

static int read_all(join *j, voices_result *out, error *err)
{
    int result = 0;
    engine_watch_states(j->engine, take_states, j);
    for (int p = 0; p < VOICES && !result; p++)
        result = read_spoken(j, p, &out->spoken, err);
    engine_watch_states(j->engine, NULL, NULL);
    if (!result)
        result = voices_plain_read(&j->plain, j->engine, j->sources->neutral, lesson_count(j),
                                   j->sources->listener, j->sources->user, err);
    out->plain = j->plain.n;
    return result;
}

/* ---- joining ----------------------------------------------------------------------------------- */

static int fit_rows(join *j, voices_result *out, error *err)
{
    for (int l = 0; l < VOICES_LAYERS; l++) {
        voices_router r = {VOICES, VOICES_EXPERTS, VOICES_GENERAL, VOICES_WIDTH, router_of(j, l)};
        if (voices_contrast(&r, j->tell[l], err) ||
            voices_general(&r, j->plain.x[l], j->plain.weight, j->plain.n, &out->lead[l], err))
            return error_prefix(err, "layer %d: ", VOICES_FIRST + l);
    }
    return 0;
}

static void take_matrices(const join *j, voices_matrix *out)
{
    for (int l = 0; l < VOICES_LAYERS; l++)
        for (int p = 0; p < VOICES; p++) {
            const adapter_layer *layer = adapter_at(j->placed[p]->file, VOICES_FIRST + l);
            for (int e = 0; e < VOICES_EXPERTS; e++)
                for (int m = 0; m < VOICES_MATRICES; m++) {
                    const adapter_tensor *t = &layer->added[e].matrix[m];
                    *out++ = (voices_matrix){t->type, t->data};
                }
        }
}

static int write_result(const join *j, const char *where, voices_result *out, error *err)
{
    const char *const names[VOICES] = {voices_name(0), voices_name(1), voices_name(2)};
    voices_matrix *matrices =
        calloc((size_t)VOICES_LAYERS * ALL * VOICES_MATRICES, sizeof *matrices);
    char *path = matrices ? string_format(err, "%s/built-in.experts.gguf", where) : NULL;
    if (!matrices)
        return error_memory(err, "experts");
    take_matrices(j, matrices);
    const voices_bank b = {names,         VOICES,       VOICES_EXPERTS, VOICES_GENERAL,
                           VOICES_USED,   VOICES_FIRST, VOICES_LAYERS,  VOICES_WIDTH,
                           VOICES_NARROW, j->rows,      j->neurons,     matrices};
    int result = path ? voices_fingerprint(&b, out->fingerprint, err) ||
                            voices_file_write(&b, path, err) ||
                            voices_file_masks(&b, where, out->fingerprint, err)
                      : -1;
    free(path);
    free(matrices);
    return result ? -1 : 0;
}

int voices_join(engine *base, const voices_sources *s, const char *where, voices_result *out,
                error *err)
{
    join j = {.sources = s, .engine = base};
    *out = (voices_result){0};
    int result = join_open(&j, err) || read_all(&j, out, err) || fit_rows(&j, out, err) ||
                         write_result(&j, where, out, err)
                     ? -1
                     : 0;
    join_close(&j);
    return result;
}
