/* persona.h - who speaks: one persona file, and where such files are found.
 *
 * A persona is a name, perhaps an instruction, sampling settings and a router program. The file is
 * JSON from a stranger: strictly scanned, every field checked, unknown fields refused by name.
 * All but "persona" and "name" are optional. Instruction and lessons may be given per language
 * ({"en": "..", "ru": ".."}); the language of a prompt is chosen by its script.
 *
 * A persona may be a group of others instead: {"persona": 1, "name": "team", "group": {"members":
 * ["coder", "critic"], "merge": "vote"}}. Its members answer, their answers are joined by its merge, and
 * that is what it says (persona_tree.h has the rules). It then has nothing of what a single pass has.
 *
 * What a persona's experts mean depends on the model, so its mask is a separate file,
 * NAME.FP16.mask.json (16 hex digits of the model's fingerprint), beside the persona or in the
 * cache; so is what was trained for it, NAME.FP16.adapter.safetensors. Names are
 * [A-Za-z0-9_-]{1,64}; "none", "merge", "control", "auto" are reserved; a name is never used as a path
 * before that check.
 */
#ifndef PERSONAS_PERSONA_H
#define PERSONAS_PERSONA_H

#include <stdbool.h>

#include "../../engine/routing/rules.h"
#include "../../engine/run/engine.h"
#include "../../engine/run/sampler.h"
#include "../merge/merge.h"
#include "../signs/signs.h"

/* How the persona wants its mask derived and used on a model it was not made for. */
typedef enum router_mode {
    ROUTER_AUTO, /* bias on stock models, keep on models trained for pools */
    ROUTER_KEEP,
    ROUTER_BAN,
    ROUTER_BIAS,
    ROUTER_NONE,
} router_mode;

typedef struct persona_text {
    char language[8]; /* "en"; "" when the file gives one text for all */
    char *text;
} persona_text;

/* "FILE", or {"file": "FILE", "scale": 0.5}. */
typedef struct persona_adapter {
    char *path;   /* beside the persona file */
    double scale; /* of its low-rank updates */
} persona_adapter;

/* {"members": ["coder", "critic"], "merge": "debate:2", "by": "critic"}; merge: MERGE_NONE = they are only
 * called together by one name. */
typedef struct persona_group {
    char **members; /* [count] names of personas, each once */
    int count;      /* 2 or more */
    merge_method merge;
    int rounds; /* of a debate */
    char *by;   /* the persona that writes a synthesis; NULL = nobody is named */
} persona_group;

/* Bits of persona.given: sampling fields that the file sets, in the order of sampling_fields. */
enum {
    GIVEN_TEMPERATURE = 1,
    GIVEN_TOP_P = 2,
    GIVEN_TOP_K = 4,
    GIVEN_MIN_P = 8,
    GIVEN_REPEAT = 16,
    GIVEN_PRESENCE = 32,
    GIVEN_FREQUENCY = 64,
};

typedef struct persona {
    char *name, *about, *color; /* about and color may be NULL */
    char *path;                 /* the file */
    persona_text *instructions; /* [instruction_count] */
    int instruction_count;
    persona_text *lessons; /* file names, resolved beside the persona file; one that names none
                              has NAME.lessons.jsonl, once it is there */
    int lesson_count;
    char *experts;             /* path of an adapter, or NULL: "adapters" for one file */
    persona_adapter *adapters; /* [adapter_count] of the field "adapters" */
    int adapter_count;
    unsigned given;
    sampling sampling; /* only the given fields mean something */
    router_mode mode;
    router_settings router; /* without masks */
    rule_list *rules;       /* NULL when the file has none */
    signs asks;             /* which prompts ask for it */
    persona_group *group;   /* NULL = it speaks by itself */
} persona;

/* Caller owns. ERROR_LOAD naming file and field. */
persona *persona_load(const char *path, error *err);
/* Finds NAME.json in the search path: $XDG_CONFIG_HOME/consilium/personas, the folder
 * share/consilium/personas beside the program's, the build's own personas/. ERROR_LOAD with the
 * places and the nearest name when there is none. */
persona *persona_find(const char *name, error *err);
void persona_close(persona *p); /* NULL ok */
/* *there = whether persona_find() would find a file of that name, good or bad. */
int persona_exists(const char *name, bool *there, error *err);
/* Where a persona of the user's own is to be written; its folder is made when missing (0700). Caller
 * frees *path. */
int persona_new_path(const char *name, char **path, error *err);

bool persona_name_ok(const char *name);

/* The language whose script most letters of a text have, "ru" or else "en". */
const char *persona_language(const char *text, size_t len);
/* The instruction for a prompt, by its script; NULL when the persona has none. */
const char *persona_instruction(const persona *p, const char *prompt, size_t len);
/* The file of its lessons in a prompt's language, else the first; NULL when it has none. */
const char *persona_lessons(const persona *p, const char *prompt, size_t len);

/* *path = the persona's mask file for a model, or NULL when there is none; 0, or -1 on error. */
int persona_find_mask(const persona *p, const char *fingerprint, char **path, error *err);
/* The same of the adapter that was trained for it. */
int persona_find_adapter(const persona *p, const char *fingerprint, char **path, error *err);
/* Where a derived mask is written: beside the persona when its folder is the user's own, else in
 * $XDG_CACHE_HOME/consilium/masks (made when missing). Caller frees *path. */
int persona_mask_path(const persona *p, const char *fingerprint, char **path, error *err);

/* Takes back what was trained for a persona on a model: of its adapter there and the mask that came with
 * it, those that were there before (PATH.previous) return, else both go. ERROR_USAGE when nothing was
 * trained. */
int persona_untrain(const char *name, const char *fingerprint, error *err);

/* Undoes or finishes what a process that was killed left in the user's folders of personas and masks
 * (file_set.h): before anything is read there. */
void persona_settle(void);

/* A list of personas, or of a persona's masks (names are then fingerprints, 16 digits). */
typedef struct persona_list {
    char **names; /* sorted, each once (the first in the search path wins) */
    char **paths;
    size_t len, cap;
} persona_list;
int persona_list_all(persona_list *out, error *err);
int persona_list_masks(const persona *p, persona_list *out, error *err);
/* The same of the adapters that were trained for it. */
int persona_list_adapters(const persona *p, persona_list *out, error *err);
void persona_list_release(persona_list *l);

#endif
