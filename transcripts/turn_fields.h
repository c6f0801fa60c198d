/* turn_fields.h - the fields of a turn's parts, and which document has which. Private to
 * turn_json.h.
 *
 * A field is a row: its key, what kind of value it has and where it stands in its struct. A
 * record is read in the order of rows, but for those of most -1, which only have another name
 * or stand in exports alone. A document is a list of keys: one that ends in '?' is left out
 * where it says nothing.
 */
#ifndef TRANSCRIPTS_TURN_FIELDS_H
#define TRANSCRIPTS_TURN_FIELDS_H

#include "turn_json.h"

typedef enum field_kind {
    WORD,       /* const char *, null when NULL */
    BYTES,      /* turn_text */
    NUMBER,     /* int from 0 to most */
    FROM,       /* a turn's oldest remembered one: 1 to its number */
    SEED,       /* uint64_t below 2^53 */
    HASH,       /* uint64_t as 16 hex digits */
    FIGURE,     /* double from 0 to most */
    FLAG,       /* bool */
    PREFILL,    /* bool: "shared" or "own" */
    STOP,       /* pass_stop */
    CONTEXT,    /* context_policy */
    IDS,        /* turn_ids, each from 0 to most */
    ROUTING,    /* three fields of an answer, in an object */
    TIMINGS,    /* four of a turn */
    PICKS,      /* a turn's */
    CURRENT,    /* of an answer */
    NAMES,      /* a merge's: of and passes */
    WINNER,     /* ... -1 to passes - 1 */
    SCORES,     /* ... [passes][passes] */
    SHARES,     /* ... [passes] */
    DIVERGENCE, /* ... [ids.len] */
    REVISED,    /* ... [passes] */
    JOINED      /* a merge, of a group's answer */
} field_kind;

typedef struct field {
    const char *key;
    field_kind kind;
    size_t at;
    double most; /* -1: the row is not read */
} field;

typedef struct field_table {
    const field *rows;
    size_t count;
    const char *forms[3]; /* by turn_form */
} field_table;

typedef enum turn_part {
    PART_PROMPT,
    PART_TIMINGS, /* of a prompt */
    PART_ANSWER,
    PART_ROUTING, /* of an answer */
    PART_MERGE,
    PART_FAILED_MERGE, /* in a record */
    PART_JOINED, /* a merge as a part of a group's answer, which has its text, ids, stop and seed */
} turn_part;
const field_table *turn_fields(turn_part part);

#endif
