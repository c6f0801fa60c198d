/* compare.h - one prompt under several configurations, side by side, and what each was worth.
 *
 * A column (setup.h) becomes an engine, a seat and a pass. Columns that share a model, and say the same
 * of context, cache, length, thought and loops, sit in one council and gain a token each in one batch;
 * the others follow one after another, as all do where the caller wants the seconds of each alone. That
 * is a matter of time, never of bytes: a pass writes what it would have written by itself
 * (council.h), and its random numbers are keyed by who speaks, not by what the column is called. So a
 * column is the same text in any company, and two columns that come to the same setting say the same.
 *
 * Behind the answers each column reads all of them, its own too, as if it had given them: how likely
 * it finds them (loss, nats a token; nats a byte where the vocabularies are not one). And each answer is read once more
 * by the model as its file has it, under the same instruction: how far the column's distributions lie
 * from it, sum p_own (ln p_own - ln p_column) in nats a token.
 *
 * Knows no terminal and opens no model: engines come from the caller.
 */
#ifndef PERSONAS_COMPARE_H
#define PERSONAS_COMPARE_H

#include "../roster/roster.h"
#include "setup.h"

enum { COMPARE_COLUMNS = 16 };

typedef struct compare compare;

/* Where models and what holds for all columns come from. */
typedef struct compare_source {
    void *user;
    /* Another model, or the same by another tokenizer or with other angles, positions or layers; model
     * NULL = the one at hand, tokenizer NULL = the usual one. Owned by the comparison. NULL = there is
     * but the one. */
    engine *(*open)(void *user, const char *model, const char *words, const model_tweaks *tweaks,
                    error *err);
    /* What a column runs with where it does not say otherwise; texts are borrowed. seats: of a plain
     * model or a persona, without any of routing. */
    int (*defaults)(void *user, const engine *e, council_options *council, roster_options *seats,
                    error *err);
    roster_note *note; /* may be NULL */
    /* The most positions that a question and its template will take: no more are kept ready than that and
     * the answer need, however many a column may have. 0 = not known. */
    int room;
} compare_source;

typedef struct compare_column {
    const compare_setup *setup;
    const seat *seat;
    const engine *engine, *own; /* own: the model as its file has it */
    int batch;                  /* columns of one batch answer in lockstep */
    int context, max_tokens;    /* that it has */
    bool as_it_is;              /* what it says of routing comes to the model's own */
} compare_column;

/* setups [count], borrowed, with names that differ. e: the model at hand, borrowed. apart: each column
 * answers alone. Caller owns. ERROR_USAGE, ERROR_LOAD by column and key. */
compare *compare_open(engine *e, const compare_setup *setups, int count, bool apart,
                      const compare_source *source, error *err);
void compare_close(compare *c); /* NULL ok */

int compare_columns(const compare *c);
const compare_column *compare_column_at(const compare *c, int i);
/* All columns are of one vocabulary, so losses by token can be held against each other. Else they are
 * by byte of the answers' texts, which each column reads as its own tokenizer cuts them. */
bool compare_one_vocabulary(const compare *c);

/* What is asked: turns that came before, user and assistant, and the question, last. */
typedef struct compare_question {
    const chat_message *messages;
    size_t count;
} compare_question;

/* While it works. column: index. */
typedef struct compare_events {
    void *user;
    void (*prefill)(void *user, int done, int total);
    void (*token)(void *user, int column, const char *bytes, size_t len, bool thinking);
    void (*answer)(void *user, int column, const turn_answer *a);
    void (*measure)(void *user, int done, int total); /* tokens, or answers, that are read again */
} compare_events;

typedef struct compare_result {
    int count;
    turn_answer *answers; /* [count]; one that could not begin is STOP_ERROR and says why */
    double *loss;      /* [count * count] of column i on answer j, nats a token, or a byte where the
                        vocabularies differ; NAN = not known */
    int *text_tokens;  /* [count] that column i's tokenizer makes of all answers' texts; where the
                         vocabularies differ, else 0 */
    size_t text_bytes; /* of those texts */
    double *kl;        /* [count] nats a token; NAN = not known */
    int *experts;      /* [count] distinct ones that were called, over all layers */
    uint64_t *bytes;   /* [count] weights that were read, and keys and values that were kept */
    region memory;
} compare_result;

/* Asks all columns. measure: loss and KL, too. 0 when at least one answered. *out is the caller's, on
 * failure too. ERROR_CANCELLED keeps what was said, marked. */
int compare_ask(compare *c, const compare_question *q, bool measure, const compare_events *events,
                compare_result *out, error *err);
void compare_result_release(compare_result *r); /* {0} ok */
/* The mean loss of the others on answer i: how unlikely they find it; NAN = not known. */
double compare_foreign_loss(const compare_result *r, int i);

#endif
