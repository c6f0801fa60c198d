/* train_save.c - the chosen checkpoint as files: what was there is kept, then adapter and mask appear
 * together, as a set of file_set.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/file_set.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "train_internal.h"

/* What stands at path stands at path.previous too, and where nothing stands nothing was; a run that was
 * interrupted and goes on has done so already. *kept tells whether there was something. */
static int keep_previous(const char *path, bool *kept, error *err)
{
    char *old = string_format(err, "%s.previous", path);
    char *part = string_format(err, "%s.previous.part", path);
    int result = old && part ? 0 : -1;
    bool there = access(path, F_OK) == 0;
    if (!result && !there && unlink(old) && errno != ENOENT)
        result = error_set(err, ERROR_RUN, "%s: cannot be removed: %s", old, strerror(errno));
    if (!result && there) {
        (void)unlink(part);
        *kept = true;
        if (link(path, part) ? rename(path, old) : rename(part, old))
            result = error_set(err, ERROR_RUN, "%s: cannot be kept as %s: %s", path, old,
                               strerror(errno));
    }
    free(old);
    free(part);
    return result;
}

static const char *what_text(unsigned what, char out[32])
{
    (void)snprintf(out, 32, "%s%s%s", what & TRAIN_EXPERTS ? "experts " : "",
                   what & TRAIN_LORA ? "lora " : "", what & TRAIN_ROUTER ? "router " : "");
    out[strlen(out) - 1] = '\0';
    for (char *at = out; *at; at++)
        if (*at == ' ')
            *at = ',';
    return out;
}

static int write_adapter(trainer *t, file_set *set, uint64_t *bytes, error *err)
{
    const char *place = file_set_place(set, paths_name(t->adapter_path), err);
    adapter *a = place ? trainable_to_adapter(t->learned, t->engine, TRAIN_RESULT_TYPE, err) : NULL;
    char what[32], lessons_hash[17];
    struct stat st;
    if (!a)
        return -1;
    (void)snprintf(lessons_hash, sizeof lessons_hash, "%016llx",
                   (unsigned long long)t->state.samples);
    adapter_provenance about = {.what = what_text(t->options.what, what),
                                .lessons = lessons_hash,
                                .steps = t->state.chosen.step,
                                .rank = t->plan.rank,
                                .seed = t->options.seed,
                                .seeded = true};
    a->provenance = about;
    int result = adapter_write(a, ADAPTER_OWN, place, engine_config(t->engine), err);
    a->provenance = (adapter_provenance){0};
    adapter_close(a);
    *bytes = !result && stat(place, &st) == 0 ? (uint64_t)st.st_size : 0;
    return result;
}

/* Without a mask of its own what was trained is run under the plain choice: one that is there goes. */
static int write_mask(trainer *t, file_set *set, error *err)
{
    buf text = {0};
    const char *name = paths_name(t->mask_path);
    if (!t->routing.masks)
        return file_set_remove(set, name, err);
    int result = train_mask_text(t, &text, err) || file_set_put(set, name, text.v, text.len, err);
    buf_release(&text);
    return result ? -1 : 0;
}

static int write_result(trainer *t, uint64_t *bytes, bool *kept, error *err)
{
    const char *name = paths_name(t->adapter_path);
    char *place = string_format(err, "%.*s", (int)(name - t->adapter_path) - 1, t->adapter_path);
    file_set *set = place ? file_set_open(place, err) : NULL;
    int result = set ? 0 : -1;
    if (!result)
        result = write_adapter(t, set, bytes, err) || write_mask(t, set, err);
    if (!result && !t->state.saved)
        result =
            keep_previous(t->adapter_path, kept, err) || keep_previous(t->mask_path, kept, err);
    if (!result)
        result = file_set_commit(set, err);
    file_set_close(set);
    free(place);
    return result ? -1 : 0;
}

int trainer_save(trainer *t, train_result *out, error *err)
{
    train_state *s = &t->state;
    bool kept = false;
    uint64_t bytes;
    if (!s->has_best)
        return error_set(err, ERROR_RUN,
                         "nothing was learned that predicts the held-out lessons better than the "
                         "plain model does; nothing is written");
    float *now = malloc(s->count * sizeof *now);
    if (!now)
        return error_memory(err, "the best so far");
    memcpy(now, s->values, s->count * sizeof *now);
    memcpy(s->values, s->best, s->count * sizeof *now);
    int result = write_result(t, &bytes, &kept, err);
    memcpy(s->values, now, s->count * sizeof *now);
    free(now);
    if (result) { /* what was learned is not lost with the place for it */
        error full;
        (void)train_state_write(t->state_path, s, &full);
        return -1;
    }
    *out = (train_result){.step = s->chosen.step,
                          .loss = s->chosen.loss,
                          .control = s->control,
                          .voice = s->chosen.voice,
                          .answers = s->chosen.answers,
                          .ended = s->chosen.ended,
                          .looped = s->chosen.looped,
                          .bytes = bytes,
                          .adapter = t->adapter_path,
                          .mask = t->routing.masks ? t->mask_path : NULL,
                          .previous = kept};
    s->saved = true;
    if (t->whole_run)
        return unlink(t->state_path) && errno != ENOENT
                   ? error_set(err, ERROR_RUN, "%s: cannot be removed: %s", t->state_path,
                               strerror(errno))
                   : 0;
    return train_state_write(t->state_path, s, err);
}
