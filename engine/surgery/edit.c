/* edit.c - see edit.h. */
#include "edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/atomic_file.h"
#include "../base/buf.h"
#include "../base/folder.h"
#include "../base/mapped_file.h"
#include "config_text.h"
#include "history.h"
#include "image_folder.h"

typedef struct description {
    const checkpoint *c;
    int experts, used;
    const dtype_info *type; /* of all matrices, or NULL: as they were */
    const char *history;    /* NULL = as it was */
} description;

/* ---- a GGUF file ------------------------------------------------------------------------------- */

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
        if (d->type && strcmp(key, "general.file_type") == 0) {
            changed = true;
            value = (int)gguf_file_type(d->type);
        }
        if (changed ? gguf_writer_u32(w, key, (uint32_t)value, err) : gguf_writer_copy(w, v, err))
            return -1;
    }
    return d->history ? gguf_writer_text(w, HISTORY_KEY, d->history, err) : 0;
}

/* ---- a folder ---------------------------------------------------------------------------------- */

enum { MOST_FILE = 64 << 20 };

/* Files that go with weights; all else in a folder (other formats' weights, pictures) stays behind. */
static bool goes_with(const char *name)
{
    static const char *const ends[] = {".json", ".jinja", ".txt", ".model", ".md"};
    size_t n = strlen(name), index = strlen(".index.json");
    if (n > index && strcmp(name + n - index, ".index.json") == 0)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return strncmp(name, "LICENSE", 7) == 0 || strncmp(name, "NOTICE", 6) == 0;
}

/* One member of config.json; `always`: also when it is not there. */
static int set(const char *where, buf *text, const char *key, const char *value, bool always,
               error *err)
{
    buf out = {0};
    if (!always && !config_text_has(where, text->v, text->len, key))
        return 0;
    if (config_text_set(where, text->v, text->len, key, value, &out, err)) {
        buf_release(&out);
        return -1;
    }
    buf_release(text);
    *text = out;
    return 0;
}

static int set_type(const description *d, const char *where, buf *text, error *err)
{
    const char *name = d->type->ggml == 0   ? "\"float32\""
                       : d->type->ggml == 1 ? "\"float16\""
                                            : "\"bfloat16\"";
    return set(where, text, "dtype", name, false, err) ||
                   set(where, text, "torch_dtype", name, false, err)
               ? -1
               : 0;
}

/* config.json with other numbers of experts: under the keys that it has, or else the architecture's. */
static int patch(const description *d, const char *where, buf *text, error *err)
{
    static const char *const names[] = {"num_experts", "num_local_experts"};
    const model_config *config = checkpoint_config(d->c);
    bool local = config->arch == ARCH_MIXTRAL || config->arch == ARCH_GRANITE_MOE;
    bool any = config_text_has(where, text->v, text->len, names[0]) ||
               config_text_has(where, text->v, text->len, names[1]);
    char count[16], used[16];
    (void)snprintf(count, sizeof count, "%d", d->experts);
    (void)snprintf(used, sizeof used, "%d", d->used);
    if (d->type && set_type(d, where, text, err))
        return -1;
    if (d->experts != config->experts && (set(where, text, names[0], count, !any && !local, err) ||
                                          set(where, text, names[1], count, !any && local, err)))
        return -1;
    return d->used != config->experts_per_token
               ? set(where, text, "num_experts_per_tok", used, true, err)
               : 0;
}

static int copy_file(const description *d, const char *name, const char *place, error *err)
{
    buf text = {0};
    char *from = string_format(err, "%s/%s", checkpoint_directory(d->c), name);
    char *to = string_format(err, "%s/%s", place, name);
    int result = from && to ? file_read_all(from, MOST_FILE, &text.v, &text.len, err) : -1;
    text.cap = text.len + 1;
    if (!result && strcmp(name, "config.json") == 0)
        result = patch(d, from, &text, err);
    if (!result)
        result = atomic_file_put(to, text.v, text.len, err);
    if (text.v)
        buf_release(&text);
    free(from);
    free(to);
    return result;
}

static int fill(void *user, const char *place, error *err)
{
    const description *d = user;
    folder names;
    int result = folder_read(checkpoint_directory(d->c), &names, err);
    for (size_t i = 0; !result && i < names.len; i++)
        if (goes_with(names.v[i]))
            result = copy_file(d, names.v[i], place, err);
    folder_release(&names);
    return result;
}

/* ---- both -------------------------------------------------------------------------------------- */

/* What most matrices are, for the metadata; NULL = as before. */
static const dtype_info *of_all(const image_types *types)
{
    return types && types->rest != DTYPE_COUNT ? dtype_describe(types->rest) : NULL;
}

int edit_write(const bank_plan *plan, int used, const image_options *o, const char *path,
               error *err)
{
    const model_config *config = checkpoint_config(plan->c);
    int n = bank_plan_count(plan, err);
    buf history = {0};
    image m = {0};
    if (n < 0)
        return -1;
    bool changed =
        !bank_plan_is_same(plan) || o->types || (used && used != config->experts_per_token);
    int result = o->done && changed ? history_next(plan->c, o->done, &history, err) : 0;
    if (result == 0)
        result = image_of_plan(&m, plan, err);
    if (result == 0 && o->types)
        result = image_retype(&m, o->types, checkpoint_gguf(plan->c) != NULL, err);
    description d = {plan->c, n, used ? used : config->experts_per_token, of_all(o->types),
                     history.v};
    image_folder f = {plan->c, history.v, fill, &d, o->over};
    if (result == 0)
        result = checkpoint_gguf(plan->c)
                     ? image_write_gguf(&m, plan->c, describe, &d, path, &o->watch, err)
                     : image_write_folder(&m, &f, path, &o->watch, err);
    image_release(&m);
    buf_release(&history);
    return result;
}
