/* compare_set.h - questions for a comparison: one JSON object a line, and what an answer should recall.
 *
 *     {"id":"s1","level":"simple","question":"What is a noun?"}
 *     {"id":"d1","level":"dialogue","before":[["My cat is called Pim.","Noted."]],
 *      "question":"What is my cat called?","facts":["Pim"]}
 *     {"id":"g1","level":"guide","guide":15000,"question":"Who keeps the light?","facts":["Marlow"]}
 *
 * "before" are turns of the conversation, what the user said and what was answered. "facts" are words
 * that stood early and that an answer should say again; each is looked for by itself. "guide" puts a
 * manual of about so many tokens before the question, of one that can be made to any length
 * (compare_guide.h). "id" and "level" may be left out. All faults of a file are told at once (jsonl.h).
 */
#ifndef PERSONAS_COMPARE_SET_H
#define PERSONAS_COMPARE_SET_H

#include "../../engine/base/jsonl.h"
#include "../../engine/base/region.h"
#include "compare.h"

enum {
    COMPARE_ITEMS = 10000,
    COMPARE_TURNS = 64, /* of an item, before its question */
    COMPARE_FACTS = 32,
    COMPARE_LEVELS = 16, /* that are told apart */
};

typedef struct compare_item {
    const char *id, *level; /* level "" = none */
    const char *question;
    chat_message *before; /* [before_count] user and assistant in turns */
    int before_count;
    const char *facts[COMPARE_FACTS];
    int fact_count;
    int guide; /* tokens; 0 = none */
} compare_item;

/* {0} is valid and empty. */
typedef struct compare_set {
    compare_item *v;
    int len;
    buf faults; /* what is wrong with the file that was read, one a line */
    size_t fault_count;
    region memory;
} compare_set;

/* ERROR_LOAD with the first fault; out->faults has them all. compare_set_release in any case. */
int compare_set_load(const char *path, compare_set *out, error *err);
void compare_set_release(compare_set *s);

/* How many of an item's facts the answer says, as words (eval_match.h). -1 only without memory. */
int compare_recall(const compare_item *item, const char *text, size_t len, int *found, error *err);

#endif
