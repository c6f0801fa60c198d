/* command_personas_adapter.c - `personas adapter`: what an adapter brings, and the same in another
 * format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/ranges.h"
#include "../../engine/routing/adapter.h"
#include "../../personas/roster/persona.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "commands.h"
#include "personas_model.h"

enum { LAYERS_TEXT = 4 * MODEL_MAX_LAYERS };

/* ---- which file ---------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* All files that a persona would bring to this model: what was trained for it, "experts", "adapters". */
typedef struct brought {
    char *trained;
    const char *only; /* of all */
    double scale;
    int count;
} brought;

static void count_file(brought *b, const char *path, double scale)
{
    b->only = path;
    b->scale = scale;
    b->count += path != NULL;
}

/* The one adapter of a persona. */
static adapter *open_of_persona(const persona *p, engine *e, uint64_t most, error *err)
{
    brought b = {0};
    const char *mine = e ? engine_fingerprint(e, err) : NULL;
    if ((e && !mine) || (mine && persona_find_adapter(p, mine, &b.trained, err)))
        return NULL;
    for (int i = 0; i < p->adapter_count; i++)
        count_file(&b, p->adapters[i].path, p->adapters[i].scale);
    if (p->experts)
        count_file(&b, p->experts, 1);
    if (b.trained)
        count_file(&b, b.trained, 1);
    adapter *a = NULL;
    if (b.count == 1)
        a = adapter_open_within(b.only, most, err);
    else if (b.count == 0)
        (void)error_set(err, ERROR_USAGE,
                        "%s brings no adapter%s: name a persona that does, or an adapter's file or "
                        "folder",
                        p->name, e ? " to this model" : "");
    else
        (void)error_set(err, ERROR_USAGE, "%s brings %d adapters; name the file of one, as %s",
                        p->name, b.count, b.only);
    if (a && adapter_scale(a, b.scale, err)) {
        adapter_close(a);
        a = NULL;
    }
    free(b.trained);
    return a;
}

/* A word that is a file or folder, or else a persona's name. */
static bool is_file(const char *word)
{
    return access(word, F_OK) == 0 || !persona_name_ok(word);
}

static adapter *open_word(const char *word, engine *e, uint64_t most, error *err)
{
    if (is_file(word))
        return adapter_open_within(word, most, err);
    persona *p = persona_find(word, err);
    adapter *a = p ? open_of_persona(p, e, most, err) : NULL;
    persona_close(p);
    return a;
}

/* ---- what it brings ------------------------------------------------------------------------------ */

typedef struct tally {
    uint8_t layers[MODEL_MAX_LAYERS];
    int count, least, most; /* of what; ranks of updates */
} tally;

static void count_in(tally *t, int layer, int n)
{
    t->layers[layer] |= n > 0;
    t->count += n;
}

static int tell(buf *b, const tally *t, const char *what, error *err)
{
    char layers[LAYERS_TEXT], rank[48] = "";
    if (!t->count)
        return 0;
    (void)ranges_write(t->layers, MODEL_MAX_LAYERS, layers, sizeof layers);
    if (t->most)
        (void)snprintf(rank, sizeof rank, " of rank %d", t->most);
    if (t->least < t->most)
        (void)snprintf(rank, sizeof rank, " of rank %d to %d", t->least, t->most);
    return buf_format(b, err, "  %d %s%s%s in layers %s\n", t->count, what,
                      t->count == 1 ? "" : "s", rank, layers);
}

static int describe(const adapter *a, buf *b, error *err)
{
    tally added = {0}, replaced = {0}, rows = {0}, updates = {.least = ADAPTER_MAX_RANK};
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        count_in(&added, l->layer, l->added_count);
        count_in(&replaced, l->layer, l->replaced_count);
        count_in(&rows, l->layer, l->row_count);
        count_in(&updates, l->layer, l->lora_count);
        for (int k = 0; k < l->lora_count; k++) {
            int rank = l->loras[k].a.rows;
            updates.least = rank < updates.least ? rank : updates.least;
            updates.most = rank > updates.most ? rank : updates.most;
        }
    }
    if (a->layer_count == 0)
        return buf_text(b, "  nothing: every update is zero\n", err);
    return tell(b, &added, "added expert", err) || tell(b, &replaced, "replaced expert", err) ||
                   tell(b, &rows, "router row", err) || tell(b, &updates, "low-rank update", err)
               ? -1
               : 0;
}

static int print_description(const adapter *a, console *con, error *err)
{
    buf b = {0};
    char size[HUMAN_TEXT];
    int result = console_quote(con, &b, a->path, err) ||
                 buf_format(&b, err, ": an adapter, %s\n", human_bytes(size, a->bytes)) ||
                 describe(a, &b, err);
    if (!result)
        result = a->fingerprint[0]
                     ? buf_format(&b, err, "  made for the model %s\n", a->fingerprint)
                     : buf_text(&b, "  names no model\n", err);
    if (!result && a->provenance.what)
        result = buf_text(&b, "  trained: ", err) ||
                 console_quote(con, &b, a->provenance.what, err) ||
                 buf_format(&b, err, ", %lld steps\n", (long long)a->provenance.steps);
    if (!result)
        result = console_text(con, &b, err);
    buf_release(&b);
    return result ? -1 : 0;
}

/* ---- another format ------------------------------------------------------------------------------ */

static adapter_format format_of(const options *opt)
{
    static const char *const names[] = {
        [ADAPTER_OWN] = "own", [ADAPTER_PEFT] = "peft", [ADAPTER_GGUF] = "gguf"};
    for (int i = 0; opt->to && i < 3; i++)
        if (strcmp(opt->to, names[i]) == 0)
            return (adapter_format)i;
    return ends_with(opt->output, ".gguf")          ? ADAPTER_GGUF
           : ends_with(opt->output, ".safetensors") ? ADAPTER_OWN
                                                    : ADAPTER_PEFT;
}

/* Only a model says how many experts its tensors are for. One that is at hand is held against the
 * adapter, and its fingerprint written down. */
static int write_for(adapter *a, engine *e, const options *opt, error *err)
{
    if (!e)
        return adapter_write(a, ADAPTER_OWN, opt->output, NULL, err);
    const char *mine = engine_fingerprint(e, err);
    if (!mine || adapter_fit(a, engine_config(e), mine, err))
        return -1;
    (void)snprintf(a->fingerprint, sizeof a->fingerprint, "%s", mine);
    return adapter_write(a, format_of(opt), opt->output, engine_config(e), err);
}

/* Other programs know no masks: what a persona is by both is not what it is by its adapter alone. */
static int tell_written(const options *opt, engine *e, console *con, error *err)
{
    static const char *const formats[] = {[ADAPTER_OWN] = "in the program's own format",
                                          [ADAPTER_PEFT] = "as a folder of PEFT",
                                          [ADAPTER_GGUF] = "as a GGUF adapter"};
    const char *mine = e ? engine_fingerprint(e, err) : NULL;
    persona *p = mine && !is_file(opt->words[0]) ? persona_find(opt->words[0], err) : NULL;
    char *own = NULL;
    int result = p ? persona_find_mask(p, mine, &own, err) : 0;
    console_note(con, "%s is written, %s", opt->output, formats[e ? format_of(opt) : ADAPTER_OWN]);
    if (!result && own)
        console_note(con,
                     "the mask of %s stays here and is no part of it: where the adapter runs "
                     "without it, %s may not sound as it does here",
                     p->name, p->name);
    free(own);
    persona_close(p);
    return result;
}

static int check_words(const options *opt, error *err)
{
    if ((opt->to || opt->force) && !opt->output)
        return error_set(err, ERROR_USAGE, "--%s: -o PATH says where to write",
                         opt->to ? "to" : "force");
    if (opt->output && format_of(opt) != ADAPTER_PEFT && !opt->force &&
        access(opt->output, F_OK) == 0)
        return error_set(err, ERROR_USAGE, "%s: exists already; --force writes over it",
                         opt->output);
    return 0;
}

/* *e: the model, when it is needed or named; a persona is looked at on one that is at hand. */
static int open_engine(const options *opt, console *con, engine **e, error *err)
{
    *e = NULL;
    bool needed = opt->model || (opt->output && format_of(opt) != ADAPTER_OWN);
    if (!needed)
        return is_file(opt->words[0]) ? 0 : personas_model(opt, con, e, err);
    *e = open_model(opt, con, err);
    return *e ? 0 : -1;
}

int command_personas_adapter(const options *opt, console *con, error *err)
{
    engine *e = NULL;
    adapter *a = NULL;
    int result = check_words(opt, err) || open_engine(opt, con, &e, err) ? -1 : 0;
    if (!result && !(a = open_word(opt->words[0], e, open_model_adapter_bytes(opt), err)))
        result = -1;
    if (!result && opt->output)
        result = write_for(a, e, opt, err);
    else if (!result)
        result = print_description(a, con, err);
    if (!result && opt->output)
        result = tell_written(opt, e, con, err);
    adapter_close(a);
    engine_close(e);
    return result;
}
