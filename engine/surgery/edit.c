/* edit.c - see edit.h. */
#include "edit.h"

#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "history.h"

typedef struct description {
    const checkpoint *c;
    int experts, used;
    const char *history; /* NULL = as it was */
} description;

/* Keys that speak of files as they lay on the disk; what is written is one file, aligned to 32. */
static bool is_of_layout(const char *key)
{
    return strncmp(key, "split.", 6) == 0 || strcmp(key, "general.alignment") == 0;
}

/* The source's metadata in its order, with another number of experts. */
static int describe(void *user, gguf_writer *w, error *err)
{
    const description *d = user;
    const gguf *g = checkpoint_gguf(d->c);
    const char *arch = architecture_gguf_name(checkpoint_config(d->c)->arch);
    char count[64], used[64];
    (void)snprintf(count, sizeof count, "%s.expert_count", arch);
    (void)snprintf(used, sizeof used, "%s.expert_used_count", arch);
    for (size_t i = 0; i < gguf_count(g); i++) {
        const gguf_value *v = gguf_at(g, i);
        const char *key = gguf_key(v);
        bool ours = d->history && strcmp(key, HISTORY_KEY) == 0;
        int64_t number = 0;
        if (is_of_layout(key) || ours)
            continue;
        bool changed =
            (strcmp(key, count) == 0 && gguf_integer(v, 0, &number) && number != d->experts) ||
            (strcmp(key, used) == 0 && gguf_integer(v, 0, &number) && number != d->used);
        int value = strcmp(key, count) == 0 ? d->experts : d->used;
        if (changed ? gguf_writer_u32(w, key, (uint32_t)value, err) : gguf_writer_copy(w, v, err))
            return -1;
    }
    return d->history ? gguf_writer_text(w, HISTORY_KEY, d->history, err) : 0;
}

int edit_write(const bank_plan *plan, const edit_options *o, const char *path, error *err)
{
    const model_config *config = checkpoint_config(plan->c);
    int n = bank_plan_count(plan, err);
    buf history = {0};
    image m = {0};
    if (n < 0)
        return -1;
    bool changed = !bank_plan_is_same(plan) || (o->used && o->used != config->experts_per_token);
    int result = o->done && changed ? history_next(plan->c, o->done, &history, err) : 0;
    if (result == 0)
        result = image_of_plan(&m, plan, err);
    description d = {plan->c, n, o->used ? o->used : config->experts_per_token, history.v};
    if (result == 0)
        result = image_write_gguf(&m, plan->c, describe, &d, path, &o->watch, err);
    image_release(&m);
    buf_release(&history);
    return result;
}
