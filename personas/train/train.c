/* train.c - see train.h: opening and closing, and what is to be learned. */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "train_internal.h"

train_options train_defaults(void)
{
    return (train_options){.what = TRAIN_EXPERTS,
                           .own_first = -1,
                           .own_last = -1,
                           .lora_first = -1,
                           .lora_last = -1,
                           .rows_first = -1,
                           .rows_last = -1,
                           .rank = 8,
                           .first = -1,
                           .last = -1,
                           .batch = 4,
                           .end_weight = 3,
                           .repeat = 0.2,
                           .dropout = 0.1,
                           .balance = 0.01,
                           .decay = 0.01,
                           .near = 10,
                           .seed = 1};
}

static int check_range(const char *name, double v, double least, double most, error *err)
{
    if (v >= least && v <= most)
        return 0;
    return error_set(err, ERROR_USAGE, "--%s %g: must be from %g to %g", name, v, least, most);
}

static int check_options(const train_options *o, const model_config *m, error *err)
{
    if (!(o->what & (TRAIN_EXPERTS | TRAIN_LORA | TRAIN_ROUTER)))
        return error_set(err, ERROR_USAGE, "--what: nothing would learn");
    if (o->first > o->last || o->last >= m->layers)
        return error_set(err, ERROR_USAGE, "--layers %d-%d: the model has layers 0 to %d", o->first,
                         o->last, m->layers - 1);
    return check_range("experts", o->experts, 0, 64, err) ||
                   check_range("rank", o->rank, 1, 256, err) ||
                   check_range("steps", o->steps, 0, 1000000, err) ||
                   check_range("batch", o->batch, 1, 256, err) ||
                   check_range("rate", o->rate, 0, 1, err) ||
                   check_range("repeat", o->repeat, 0, 1, err)
               ? -1
               : 0;
}

static int check_model(const engine *e, error *err)
{
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (!engine_config(e)->experts)
        return error_set(err, ERROR_LOAD, "%s: a dense model has no experts to train", path);
    if (!engine_tokenizer(e))
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer", path);
    return 0;
}

int train_state_path(const persona *p, const char *fingerprint, char **path, error *err)
{
    char *place = NULL;
    *path = NULL;
    if (paths_own(PATHS_STATE, "train", &place, err))
        return -1;
    if (!place)
        return paths_missing(PATHS_STATE, "no place for the state of training: ", err);
    int result = paths_make(place, strlen(place), err);
    if (!result) {
        *path = string_format(err, "%s/%s.%.16s.train", place, p->name, fingerprint);
        result = *path ? 0 : -1;
    }
    free(place);
    return result;
}

/* NAME.FP16.adapter.safetensors beside where the mask would be. */
static int result_paths(trainer *t, error *err)
{
    static const char MASK[] = ".mask.json";
    if (persona_mask_path(t->persona, t->fingerprint, &t->mask_path, err) ||
        train_state_path(t->persona, t->fingerprint, &t->state_path, err))
        return -1;
    size_t n = strlen(t->mask_path) - (sizeof MASK - 1);
    t->adapter_path = string_format(err, "%.*s.adapter.safetensors", (int)n, t->mask_path);
    return t->adapter_path ? 0 : -1;
}

trainer *trainer_open(engine *e, const persona *p, const train_options *options, error *err)
{
    if (check_model(e, err) || check_options(options, engine_config(e), err))
        return NULL;
    const char *fingerprint = engine_fingerprint(e, err);
    trainer *t = fingerprint ? calloc(1, sizeof *t) : NULL;
    if (!t) {
        if (fingerprint)
            (void)error_memory(err, "a trainer");
        return NULL;
    }
    t->engine = e;
    t->lock = -1;
    t->persona = p;
    t->options = *options;
    t->samples = (samples){.engine = e, .end_weight = options->end_weight, .end = -1};
    t->fingerprint = strdup(fingerprint);
    if (t->fingerprint && result_paths(t, err) == 0)
        t->lock = train_state_lock(t->state_path, err);
    if (t->lock >= 0)
        return t;
    trainer_close(t);
    return NULL;
}

void trainer_close(trainer *t)
{
    if (!t)
        return;
    probe_close(t->probe);
    schedule_close(t->schedule);
    hidden_store_close(t->store);
    net_close(t->net);
    adamw_release(&t->moments);
    trainable_free(t->learned);
    train_routing_release(&t->routing);
    train_spec_release(&t->spec);
    survey_release(&t->survey);
    samples_release(&t->samples);
    free(t->candidates);
    free(t->shift);
    free(t->listed);
    free(t->state.checks);
    free(t->state.losses);
    if (t->lock >= 0)
        train_state_unlock(t->state_path, t->lock);
    free(t->best);
    free(t->adapter_path);
    free(t->mask_path);
    free(t->state_path);
    free(t->fingerprint);
    free(t);
}

int trainer_add_lessons(trainer *t, const lessons *l, error *err)
{
    if (t->lessons && t->lessons != l)
        return error_set(err, ERROR_USAGE, "one list of lessons at a time");
    t->lessons = l;
    return samples_add_lessons(&t->samples, l, err);
}

int trainer_add_text(trainer *t, const char *where, const char *text, size_t len, error *err)
{
    return samples_add_text(&t->samples, SAMPLE_TEXT, where, text, len, err);
}

int trainer_keep_near(trainer *t, const char *where, const char *text, size_t len, error *err)
{
    return samples_add_text(&t->samples, SAMPLE_NEAR, where, text, len, err);
}

int trainer_keep_near_lessons(trainer *t, const lessons *l, error *err)
{
    return samples_add_near_lessons(&t->samples, l, err);
}
