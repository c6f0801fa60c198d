/* dialogue_support.h - a dialogue of three personas on the tiny council model, and its oracle: one pass
 * alone, told by hand what it is to remember.
 */
#ifndef TESTS_DIALOGUE_SUPPORT_H
#define TESTS_DIALOGUE_SUPPORT_H

#include "../personas/conversation/dialogue.h"
#include "routing_support.h"
#include "scratch.h"

enum { TABLE_SEATS = 3, TABLE_CONTEXT = 400, HAND_MESSAGES = 100 };

/* The engine, and a folder with the persona files ann (an instruction), bob (an instruction and fewer
 * experts) and cleo (a mask alone, given by an option), and dora, who comes later. */
typedef struct table {
    engine *e;
    atomic_bool cancel;
    char folder[SCRATCH], mask[128];
} table;

int table_setup(void **state);
int table_teardown(void **state);

/* Own memory, 24 tokens an answer, temperature 1, seed 7. */
dialogue_options table_options(void);
/* Seats the personas named in "ann,bob"; returns what dialogue_seat does. */
int table_seat(const table *k, dialogue *d, const char *names, error *err);
/* A dialogue of ann, bob and cleo. */
dialogue *table_dialogue(const table *k, const dialogue_options *o);
/* Asks; fails the test when that fails. only may be NULL. Returns the new turn. */
struct turn *table_ask(dialogue *d, const char *prompt, const char *only);
/* A turn as a transcript would give it back; its texts are those of t. */
struct turn table_copy(const struct turn *t);

void table_equal(const turn_answer *a, const turn_answer *b);
void table_same_merge(const turn_merge *x, const turn_merge *y);

/* Seats in a council of their own, told and asked by hand. Replies are borrowed from the council. */
typedef struct hand {
    const dialogue *d;
    council *c;
    int n, seats[TABLE_SEATS];
    chat_message messages[TABLE_SEATS][HAND_MESSAGES];
    council_request requests[TABLE_SEATS];
    turn_answer replies[TABLE_SEATS];
    council_round round;
    region merges; /* what merges of it hold */
} hand;

/* The seats named, who remember nothing yet; their seeds are the roster's. */
hand hand_of(const dialogue *d, const char *const *of, int count);
void hand_remember(hand *h, int i, const chat_message *messages, size_t n);
/* Only once: h->round is what was asked and replied. */
void hand_ask(hand *h, const char *prompt, size_t len);
void hand_close(hand *h);

/* The named seat alone, with a conversation [n] (user, assistant, ...), asked `prompt` with a seed:
 * must be its current answer in turn t, byte for byte. */
void table_oracle(const dialogue *d, const struct turn *t, const char *name, uint64_t seed,
                  const chat_message *messages, size_t n);
/* The two messages that a turn leaves: its prompt, and the words of `name` (or "merge") in it. */
void table_remembered(const struct turn *t, const char *name, chat_message out[2]);

/* Bytes that are allocated now, by whichever allocator there is. */
size_t table_allocated(void);

#endif
