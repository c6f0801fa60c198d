/* setup.h - one column of a comparison in words: "deep:experts=12,norm_width=16,temperature=0".
 *
 * A column is a way to run a model: who speaks, how many experts are called and how they are weighed,
 * which may be called at all, how tokens are drawn, how far and how deep the model reaches, or which
 * model it is. What a column does not say is as the command has it: without a persona the plain model
 * answers. Keys are read from one table (setup.c), which the help is made of too; a key that is not in
 * it is refused by name. Counts of experts may be given as a share of the model's own ("2x", "0.5x",
 * "all"), so that one column, or a preset, means the same on any model.
 *
 * Words are taken apart here without a model; whether they fit one is said when it is opened.
 */
#ifndef PERSONAS_SETUP_H
#define PERSONAS_SETUP_H

#include "../../engine/base/buf.h"
#include "../../engine/run/sampler.h"

enum { SETUP_NAME = 65, SETUP_FILES = 8, SETUP_LAYERS = 16, SETUP_PERSONAS = 16 };

/* "8"; "2x" = twice the trained number; "all". {0} = not said. */
typedef struct setup_count {
    double v;
    bool times;
} setup_count;
/* From 1 on; what is a share of the trained number is not above `most`. 0 = not said. */
int setup_count_of(const setup_count *c, int trained, int most);

typedef struct setup_layers { /* "8@0-9": so many experts in these layers */
    const char *layers;
    setup_count experts;
} setup_layers;

/* Texts are borrowed from `text`. A number that is NAN, an int that is -1 and a text that is NULL were not
 * said. */
typedef struct compare_setup {
    char name[SETUP_NAME];
    char *text; /* owned: the words, cut in pieces */
    char *said; /* owned: the words as they were given, without the name */

    const char *persona, *instruction; /* instruction: on, off */
    const char *everyone[SETUP_PERSONAS];
    setup_count experts, norm_width, adaptive_min; /* adaptive_min.v -1 = off */
    setup_layers by_layer[SETUP_LAYERS];
    double adaptive_ratio, tail_gain, strength, soften;
    const char *masks[SETUP_FILES], *adapters[SETUP_FILES], *rules;
    int everyone_count, by_layer_count, mask_count, adapter_count;

    sampling sampling;
    unsigned given; /* bits of sampling_fields that are said */
    int max_tokens, context, positions;
    double seed;
    const char *think, *loop, *kv;

    const char *model, *tokenizer, *rope_scaling, *skip;
    double rope_theta;
} compare_setup;

/* "NAME:KEY=VALUE,...", "NAME:PRESET", "PRESET", or a number of experts, "8". compare_setup_release in
 * any case. ERROR_USAGE with the column, the key and what would be right. */
int compare_setup_read(const char *word, compare_setup *out, error *err);
void compare_setup_release(compare_setup *s);

#endif
