/* mode.h - a way of working: how many experts are called, how answers are drawn, how long they may be,
 * how much of the conversation is read, who speaks and how that is joined, under one name.
 *
 * A mode is a file like a persona's: JSON from anybody, strictly scanned, every field checked,
 * unknown ones refused by name; it holds numbers and names, nothing that could run. All but "mode"
 * and "name" may be left out, and what is left out stays as it is. Experts are counted, or are a
 * multiple of what the model calls by itself ("0.5x"), so that one file serves any model. The two
 * depths, fast and deep, change some of the numbers; a tag in the prompt asks for one of them
 * (#fast, #deep), or the number of words does.
 *
 * "auto" says which prompts ask for the mode: tags, words, marks of the text, and whose experts the
 * plain model calls while it reads the prompt. guess.h decides by it among all modes there are.
 */
#ifndef PERSONAS_MODE_H
#define PERSONAS_MODE_H

#include <stdbool.h>

#include "../../engine/run/sampler.h"
#include "../../kernels/error.h"
#include "../signs/guess.h"

enum { MODE_UNSAID = -2 }; /* of thinking: the file does not say */

/* A number, or a multiple of the model's own. value 0 = not said. */
typedef struct mode_count {
    double value;
    bool times;
} mode_count;

/* What a depth may change. 0 = not said. */
typedef struct mode_knobs {
    mode_count experts, norm_width;
    char *
        layers; /* experts of single layers, as --experts has them: "2@0-9+0.5x@10-29"; NULL = none */
    int adaptive_min;
    double adaptive_ratio;
    int thinking; /* tokens; 0 = none, -1 = as many as it likes, MODE_UNSAID */
    int context;  /* most tokens of a prompt with what is remembered: whole turns are left out */
    int budget;   /* tokens of an answer */
} mode_knobs;

typedef struct mode_file {
    char *name, *about, *path; /* about may be NULL */
    char **personas;           /* [persona_count]; 0 = who speaks stays */
    int persona_count;
    char *merge;    /* a word of --merge, or NULL */
    unsigned given; /* GIVEN_* bits of sampling (persona.h) */
    sampling sampling;
    mode_knobs knobs[DEPTHS];
    signs signs;
} mode_file;

/* Caller owns. ERROR_LOAD naming file and field. */
mode_file *mode_load(const char *path, error *err);
void mode_close(mode_file *m); /* NULL ok */
/* As at a depth: what that does not say is as usual. Texts are m's. */
mode_knobs mode_at(const mode_file *m, guess_depth depth);

/* ---- where they lie (mode_find.c) --------------------------------------------------------------- */

/* NAME.json in $XDG_CONFIG_HOME/consilium/modes, else in the folder "modes" of what came with the
 * program. ERROR_LOAD with the names that there are; ERROR_USAGE for what is no name. */
mode_file *mode_find(const char *name, error *err);

typedef struct mode_list {
    mode_file **v; /* by name; the user's own wins over one that came with the program */
    int n;
} mode_list;
/* All modes there are. broken: called for a file that cannot be read, which is left out; NULL = an
 * error. */
int mode_list_load(mode_list *out, void (*broken)(void *user, const error *why), void *user,
                   error *err);
void mode_list_release(mode_list *l); /* {0} ok */

#endif
