/* compare_state.h - what the files of a comparison share behind compare.h. */
#ifndef PERSONAS_COMPARE_STATE_H
#define PERSONAS_COMPARE_STATE_H

#include "../council/council_state.h"
#include "compare.h"

/* A model that is open: the one at hand, or one that a column asked for. */
typedef struct place {
    const char *model;     /* NULL = the one at hand */
    const char *tokenizer; /* that it reads and writes by; NULL = as the command has it */
    model_tweaks tweaks;
    engine *engine;
    bool owned;
    session *plain; /* reads answers as its file has it; NULL until it is needed */
    dtype plain_kv;
} place;

typedef struct column {
    compare_column shown;
    place *place, *own; /* own: without tweaks */
    roster *roster;
    int *by_layer; /* [layers] or NULL */
    rule_list *rules;
    council_options council;
    int at;   /* its seat in the roster, the last one */
    int seat; /* its pass in its batch */
} column;

typedef struct batch {
    council *council;
    int columns[COMPARE_COLUMNS];
    int count;
    bool asked; /* its last question was answered by somebody */
} batch;

struct compare {
    const compare_source *source;
    place places[2 * COMPARE_COLUMNS + 1];
    int place_count;
    column columns[COMPARE_COLUMNS];
    int count;
    batch batches[COMPARE_COLUMNS];
    int batch_count;
    bool one_vocabulary;
};

/* The request of a column for a question. */
council_request compare_request(const column *c, const compare_question *q);

/* compare_columns.c: engines and seats of c->count columns whose setups are set. */
int compare_seat_all(compare *c, error *err);
void compare_unseat_all(compare *c);

/* compare_measure.c: fills loss and kl of *out, whose answers are there. */
int compare_measure(compare *c, const compare_question *q, const compare_events *events,
                    compare_result *out, error *err);

#endif
