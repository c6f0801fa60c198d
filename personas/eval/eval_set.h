/* eval_set.h - a set of questions whose answers can be checked: what `eval` asks.
 *
 * One JSON object a line. What is right depends on the kind:
 *
 *     {"id":"f1","kind":"exact","question":"What is the capital of Peru?","keys":["Lima"],"topic":"places"}
 *     {"id":"c1","kind":"choice","question":"..","choices":["..",".."],"right":0}
 *     {"id":"p1","kind":"program","question":"Write a function double(x).","check":"assert double(2) == 4"}
 *     {"id":"r1","kind":"rubric","question":"..","keys":[["cost","price"],["risk"]],"need":1}
 *
 *   exact    a text that holds one of the keys (eval_match.h says what that means)
 *   choice   the choice that the model finds likeliest; `right` counts from 0
 *   program  the answer's first block of code, with `check` behind it, runs without a fault
 *   rubric   words of at least `need` of the groups stand in the answer
 *
 * "id" and "topic" may be left out: an item is then called by the number of its line. Unknown
 * fields, fields of another kind, and ids that stand twice are refused, all faults at once
 * (jsonl.h).
 *
 * Every set falls into two parts by the hash of the ids: about two fifths are for development, on
 * which rules and parameters may be chosen; what is claimed is measured on the rest.
 */
#ifndef PERSONAS_EVAL_SET_H
#define PERSONAS_EVAL_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "../../engine/base/jsonl.h"
#include "../../engine/base/region.h"

enum {
    EVAL_SET_BYTES = 64 << 20,
    EVAL_SET_ITEMS = 100000,
    EVAL_KEYS = 64,    /* of an item, or of a group; groups of an item */
    EVAL_CHOICES = 26, /* of an item */
};

typedef enum eval_kind { EVAL_EXACT, EVAL_CHOICE, EVAL_PROGRAM, EVAL_RUBRIC } eval_kind;
enum { EVAL_KINDS = 4 };

typedef struct eval_words { /* keys, or choices */
    const char *const *v;
    int len;
} eval_words;

/* Borrowed texts, NUL-terminated UTF-8. */
typedef struct eval_item {
    const char *id;       /* as given, else the number of its line */
    const char *question; /* never empty */
    const char *topic;    /* "" when the set gives none */
    eval_kind kind;
    eval_words keys;          /* exact */
    eval_words choices;       /* choice */
    int right;                /* choice: index */
    const char *check;        /* program */
    const eval_words *groups; /* rubric: [group_count] */
    int group_count, need;
    bool development; /* else it belongs to the rest */
} eval_item;

/* {0} is valid and empty. */
typedef struct eval_set {
    eval_item *v;
    size_t len, cap;
    size_t of_kind[EVAL_KINDS];
    uint64_t hash; /* over all lines that hold items */
    buf faults;    /* what is wrong with the file that was read, one a line */
    size_t fault_count;
    region memory;
} eval_set;

/* ERROR_LOAD with the first fault, "facts.jsonl:3: keys: missing (the first of 5)"; out->faults has
 * them all. eval_set_release in any case. */
int eval_set_load(const char *path, eval_set *out, error *err);
/* The same from text in memory; `where` stands for the file. */
int eval_set_read(const char *where, const char *text, size_t len, eval_set *out, error *err);
void eval_set_release(eval_set *s);

typedef enum eval_split { EVAL_ALL, EVAL_DEVELOPMENT, EVAL_REST } eval_split;
bool eval_split_has(eval_split s, const eval_item *item);
/* "all", "dev", "rest"; ERROR_USAGE. */
int eval_split_parse(const char *text, eval_split *out, error *err);
const char *eval_split_name(eval_split s);

/* Appends an item as a line of such a file. Only the fields of its kind are read. */
int eval_set_write(const eval_item *item, buf *out, error *err);

#endif
