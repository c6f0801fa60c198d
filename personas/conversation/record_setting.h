/* record_setting.h - what a conversation runs under, as its transcript says it: the model, the
 * template, who speaks and how. Enough to seat the same passes again. */
#ifndef PERSONAS_RECORD_SETTING_H
#define PERSONAS_RECORD_SETTING_H

#include "../../transcripts/records.h"
#include "dialogue.h"

/* A seat as a setting record has it. */
typedef struct record_seat {
    const char *name;
    const char *instruction; /* NULL = none */
    const char *program;     /* router_program_hash, 16 hex digits */
    sampling sampling;
} record_seat;

/* A mask or adapter that was given, and the SHA-256 (64 hex digits) of what it held; "" = not known. */
typedef struct record_file {
    const char *path, *hash;
} record_file;

/* What a setting record says about how passes came about: enough to seat them again. Texts are
 * the record's (the history's); lists are owned. */
typedef struct record_setting {
    const char *model, *fingerprint, *isa; /* path of the model */
    const char *model_name;                /* "ollama:NAME:TAG"; NULL = found by its path */
    const char *chat_format, *day;         /* NULL = the model's own template; none */
    bool name_is_kind;                     /* chat_format only names the kind of that template */
    const char *const *variables;          /* [variable_count] of the template, "KEY=VALUE" */
    int variable_count;
    roster_options roster; /* without the prompt */
    dialogue_options dialogue;
    record_seat *seats;
    int seat_count;
    record_file *masks;    /* [roster.mask_count] */
    record_file *adapters; /* [roster.adapter_count] */
    router_knobs *knobs;   /* of roster, and what they point to; NULL = none */
    int *by_layer;
    record_file tokenizer; /* that is not the model's own; path NULL = none */
    const char *mode; /* the word that chose it, "auto" too; NULL = none. What it set stands here */
} record_setting;
/* ERROR_LOAD naming the field. record_setting_release in any case. */
int record_setting_read(const json *record, record_setting *out, error *err);
void record_setting_release(record_setting *s); /* {0} ok */

/* Whether the groups of a setting record are those of the roster: members, merge, who writes. */
int record_groups_equal(const json *record, const roster *r, bool *equal, error *err);

/* A model as records and reports have it; texts are the engine's. */
int record_model(engine *e, transcript_model *out, error *err);
/* The members of the setting record that turn t runs under. */
void record_setting_write(json_writer *e, const dialogue *d, const roster_options *seats,
                          const struct turn *t);

#endif
