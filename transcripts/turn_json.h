/* turn_json.h - a turn's parts as JSON: every field's name and type, written once and read once.
 *
 * Three documents hold them: the transcript's records (records.h), the object that `ask
 * --format json` prints, and the JSON export. They differ in which fields stand and in what
 * order; turn_json.c has a table of the fields, and of each document one line that lists them.
 */
#ifndef TRANSCRIPTS_TURN_JSON_H
#define TRANSCRIPTS_TURN_JSON_H

#include "../engine/base/json.h"
#include "../engine/base/json_writer.h"
#include "turn.h"

typedef enum turn_form { TURN_RECORD, TURN_REPORT, TURN_EXPORT } turn_form;

/* The members alone; the caller opens and ends the object. A report's merge is a spread one. */
void turn_json_prompt(json_writer *e, turn_form form, const struct turn *t); /* not TURN_REPORT */
void turn_json_answer(json_writer *e, turn_form form, const turn_answer *a);
void turn_json_merge(json_writer *e, turn_form form, const turn_merge *m);

/* Reading a record's members. A value that cannot be is passed over and noted as odd. */
typedef struct turn_reader {
    const json *record;
    region *memory; /* takes what is read */
    error *err;
    bool failed; /* out of memory */
    bool odd;
} turn_reader;

/* Fill what the record says and leave the rest as it is; t->number is known already. */
void turn_read_prompt(turn_reader *r, struct turn *t);
void turn_read_answer(turn_reader *r, turn_answer *out);
void turn_read_merge(turn_reader *r, turn_merge *out);
/* One member: an int within a range, a text (NULL = absent). */
int turn_read_int(turn_reader *r, const char *key, int least, int most, int standard);
const char *turn_read_word(turn_reader *r, const char *key);

#endif
