/* convert.c - see convert.h. */
#include "convert.h"

#include <stdlib.h>

#include "../text/tokenizer_write.h"
#include "history.h"
#include "image_folder.h"
#include "other_image.h"
#include "other_parts.h"
#include "other_rope.h"

typedef struct conversion {
    const checkpoint *c;
    const convert_options *o;
    bool to_gguf;
    rope_config rope; /* as the other format says it */
    float *divisors;  /* [rope.dim / 2] for GGUF, or NULL */
    tokenizer *words;
    buf history;
    image m;
} conversion;

static void release(conversion *x)
{
    free(x->divisors);
    tokenizer_close(x->words);
    buf_release(&x->history);
    image_release(&x->m);
}

/* ---- what can be said -------------------------------------------------------------------------- */

static int take_rope(conversion *x, error *err)
{
    x->rope = checkpoint_config(x->c)->rope;
    if (x->to_gguf && x->rope.kind == ROPE_LLAMA3) {
        x->divisors = calloc((size_t)x->rope.dim, sizeof *x->divisors);
        if (!x->divisors)
            return error_memory(err, "the frequencies");
        rope_divisors(&x->rope, x->divisors);
    }
    if (x->to_gguf || !x->rope.factors || rope_from_divisors(&x->rope, &x->rope) == 0)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "%s: tensor rope_freqs.weight divides frequencies in a way that is not Llama "
                     "3's, and a config.json cannot say it",
                     checkpoint_path(x->c));
}

static int take_words(conversion *x, error *err)
{
    if (x->o->no_words)
        return 0;
    if (tokenizer_open(x->c, &x->words, err) ||
        (x->words && (x->to_gguf ? tokenizer_check_gguf : tokenizer_check_json)(x->words, err)))
        return error_prefix(err, "%s (--no-tokenizer leaves it out): ", checkpoint_path(x->c));
    *x->o->spaces = x->words && x->to_gguf ? tokenizer_spaces(x->words) : 0;
    return 0;
}

/* Safetensors hold no blocks. */
static int check_types(const conversion *x, error *err)
{
    for (size_t i = 0; i < x->m.len && !x->to_gguf; i++) {
        const image_tensor *t = &x->m.v[i];
        if (dtype_describe(t->type)->block > 1)
            return error_set(err, ERROR_USAGE,
                             "tensor %s is %s, which safetensors do not hold: choose --type f32, "
                             "f16 or bf16",
                             t->name, dtype_describe(t->type)->name);
    }
    return 0;
}

static int prepare(conversion *x, error *err)
{
    const model_config *config = checkpoint_config(x->c);
    if ((x->to_gguf ? other_gguf_check : other_folder_check)(config, err))
        return error_prefix(err, "%s: ", checkpoint_path(x->c));
    if (take_rope(x, err) || take_words(x, err) ||
        image_of_other(&x->m, x->c, x->to_gguf, x->divisors, err))
        return -1;
    if (x->o->image.types && image_retype(&x->m, x->o->image.types, x->to_gguf, err))
        return -1;
    if (check_types(x, err))
        return -1;
    return x->o->image.done ? history_next(x->c, x->o->image.done, &x->history, err) : 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

int convert_write(const checkpoint *c, const convert_options *o, const char *path, error *err)
{
    conversion x = {.c = c, .o = o, .to_gguf = checkpoint_gguf(c) == NULL};
    int result = prepare(&x, err);
    if (!result) { /* the embedding's type is that of most: it is the first tensor */
        other_description d = {c, x.words, &x.rope, x.m.v[0].type, x.history.v};
        const image_folder f = {c, x.history.v, other_folder_fill, &d, o->image.over};
        result = x.to_gguf ? image_write_gguf(&x.m, c, other_gguf_describe, &d, path,
                                              &o->image.watch, err)
                           : image_write_folder(&x.m, &f, path, &o->image.watch, err);
    }
    release(&x);
    return result;
}
