/* voices_join.c - three adapters become one bank of experts: see voices.h.
 *
 * Two readings give the states that the router's rows are fitted on (voices_rows.h). Each persona's
 * lessons are read under its own program, and at every layer what the router reads of the answers goes
 * into one regression that tells the speakers apart. Then neutral texts and some lessons are read by
 * the plain model, and what its routers read is kept whole, layer by layer, since the fit of the general
 * experts looks at it several times. A text's first token is one of a kind (attention rests on it), so
 * it weighs more there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/mapped_file.h"
#include "../../kernels/dequantize.h"
#include "../measure/measure.h"
#include "voices.h"
#include "voices_file.h"

enum {
    ALL = VOICES * VOICES_EXPERTS, /* experts that have weights */
    ROWS = ALL + VOICES_GENERAL,
    PLAIN_EVERY = 4, /* of the lessons, every fourth is read by the plain model too */
    CONTEXT = 4096
};
static const float FIRST_WEIGHT = 30; /* of a text's first token */

/* What the plain model's routers read, kept. */
typedef struct plain_states {
    float *x[VOICES_LAYERS]; /* [room, VOICES_WIDTH] each */
    float *weight;           /* [room] */
    int len, room;
} plain_states;

typedef struct join {
    const voices_sources *sources;
    engine *engine;
    const placed_adapter *placed[VOICES];
    measure_samples lessons[VOICES]; /* those that are read */
    measure_samples neutral;
    session *session;
    float *rows; /* [VOICES_LAYERS, ROWS, VOICES_WIDTH] */
    ridge *tell[VOICES_LAYERS];
    float *target; /* [rows of a batch, VOICES] what the regressions are to say of the speaker */
    plain_states plain;
    int done, total; /* tokens */

    /* of the reading that is under way */
    int speaker;          /* -1: the plain model */
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

static int add_lesson(join *j, int i, const lesson *l, error *err)
{
    const measure_answer one = {NULL, l->before, l->before_count, l->question, l->answer};
    return measure_add_answer(&j->lessons[i], j->engine, &one, 0, err);
}

/* The first lessons that are learned, none that is held out. */
static int open_lessons(join *j, int i, error *err)
{
    persona *p;
    lessons all = {0};
    size_t most = (size_t)(j->sources->lessons ? j->sources->lessons : VOICES_READ);
    int result = voices_persona(i, &p, &all, err);
    for (size_t k = 0; k < all.len && j->lessons[i].len < most && !result; k++)
        if (!voices_held_out(k))
            result = add_lesson(j, i, &all.v[k], err);
    lessons_release(&all);
    persona_close(p);
    return result;
}

static int open_neutral(join *j, error *err)
{
    static const char between[] = "\n--------\n";
    mapped_file m = {0};
    if (mapped_file_open(&m, j->sources->neutral, err))
        return -1;
    const char *at = (const char *)m.data, *end = at + m.size;
    int result = 0;
    while (at < end && !result) {
        const char *stop = memmem(at, (size_t)(end - at), between, sizeof between - 1);
        size_t len = (size_t)((stop ? stop : end) - at);
        result = measure_add_text(&j->neutral, j->engine, at, len, 0, err);
        at += len + (stop ? sizeof between - 1 : 0);
    }
    mapped_file_close(&m);
    return result;
}

static bool is_plain(size_t i)
{
    return i % PLAIN_EVERY == 0;
}

static int open_plain(join *j, error *err)
{
    size_t n = 0, cell = VOICES_WIDTH * sizeof(float);
    for (size_t i = 0; i < j->neutral.len; i++)
        n += j->neutral.v[i].ids.len;
    for (int p = 0; p < VOICES; p++)
        for (size_t i = 0; i < j->lessons[p].len; i++) {
            j->total += (int)j->lessons[p].v[i].ids.len;
            n += is_plain(i) ? j->lessons[p].v[i].ids.len : 0;
        }
    j->total += (int)n;
    j->plain.room = (int)n;
    j->plain.weight = malloc(n * sizeof(float));
    bool good = j->plain.weight != NULL;
    for (int l = 0; l < VOICES_LAYERS && good; l++) {
        j->plain.x[l] = malloc(n * cell);
        good = j->plain.x[l] != NULL;
    }
    return good ? 0 : error_memory(err, "the plain model's states");
}

static int open_rows(join *j, error *err)
{
    j->rows = calloc((size_t)VOICES_LAYERS * ROWS * VOICES_WIDTH, sizeof *j->rows);
    j->target = calloc((size_t)engine_max_rows(j->engine) * VOICES, sizeof *j->target);
    if (!j->rows || !j->target)
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
        if (add_adapter(j, p, err) || open_lessons(j, p, err))
            return -1;
    if (open_neutral(j, err) || open_plain(j, err) || open_rows(j, err))
        return -1;
    j->session = session_open(j->engine, CONTEXT, DTYPE_F32, err);
    return j->session ? 0 : -1;
}

static void join_close(join *j)
{
    session_close(j->session);
    for (int l = 0; l < VOICES_LAYERS; l++) {
        ridge_close(j->tell[l]);
        free(j->plain.x[l]);
    }
    free(j->plain.weight);
    free(j->rows);
    free(j->target);
    measure_samples_release(&j->neutral);
    for (int p = VOICES; p-- > 0;) {
        measure_samples_release(&j->lessons[p]);
        engine_remove_adapter(j->engine, j->placed[p]);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void keep_plain(join *j, int layer, int n, const float *x)
{
    memcpy(j->plain.x[layer] + (size_t)(j->plain.len + j->at) * VOICES_WIDTH, x,
           (size_t)n * VOICES_WIDTH * sizeof *x);
}

static void add_spoken(join *j, int layer, int n, const float *x)
{
    int skip = j->from > j->at ? j->from - j->at : 0;
    if (skip < n)
        ridge_add(j->tell[layer], x + (size_t)skip * VOICES_WIDTH, j->target, NULL, n - skip);
}

/* Layers come in ascending order, batch by batch. */
static void take_states(void *user, int layer, int n, const float *x)
{
    join *j = user;
    if (layer <= j->layer)
        j->at += j->batch;
    j->layer = layer;
    j->batch = n;
    if (j->speaker < 0)
        keep_plain(j, layer - VOICES_FIRST, n, x);
    else
        add_spoken(j, layer - VOICES_FIRST, n, x);
}

/* Reads a sample under the session's program; what its routers read from token `from` on counts. */
static int read_sample(join *j, const measure_sample *s, int speaker, int from, error *err)
{
    step go = {j->session, s->ids.v, (int)s->ids.len, LOGITS_NONE, NULL};
    j->speaker = speaker;
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

static int read_plain(join *j, const measure_sample *s, error *err)
{
    int n = (int)s->ids.len;
    if (read_sample(j, s, -1, 0, err))
        return -1;
    for (int i = 0; i < n; i++)
        j->plain.weight[j->plain.len + i] = i ? 1 : FIRST_WEIGHT;
    j->plain.len += n;
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
        result = read_sample(j, &l->v[i], speaker, from, err);
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
    for (size_t i = 0; i < j->neutral.len && !result; i++)
        result = read_plain(j, &j->neutral.v[i], err);
    for (int p = 0; p < VOICES; p++)
        for (size_t i = 0; i < j->lessons[p].len && !result; i++)
            if (is_plain(i))
                result = read_plain(j, &j->lessons[p].v[i], err);
    engine_watch_states(j->engine, NULL, NULL);
    out->plain = j->plain.len;
    return result;
}

/* ---- joining ----------------------------------------------------------------------------------- */

static int fit_rows(join *j, voices_result *out, error *err)
{
    for (int l = 0; l < VOICES_LAYERS; l++) {
        voices_router r = {VOICES, VOICES_EXPERTS, VOICES_GENERAL, VOICES_WIDTH, router_of(j, l)};
        if (voices_contrast(&r, j->tell[l], err) ||
            voices_general(&r, j->plain.x[l], j->plain.weight, j->plain.len, VOICES_FIRST + l,
                           &out->lead[l], err))
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
                           VOICES_NARROW, j->rows,      matrices};
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
