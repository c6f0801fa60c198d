/* merge_state.h - the merges behind merge.h, one file each. */
#ifndef PERSONAS_MERGE_STATE_H
#define PERSONAS_MERGE_STATE_H

#include "merge.h"

/* An answer to be judged: text without its thought, well-formed UTF-8. */
typedef struct merge_candidate {
    const char *text;
    size_t len;
    bool barred; /* looping, empty or failed: cannot win */
} merge_candidate;

/* How much of a vote's texts is read, so that a vote takes about a third of the time that the answers
 * took: of what was written 12 rows for each 20 tokens, of the prompts 6. Most goes to what decides
 * (vote_use). Each judge reads its own answer besides where that is not known. */
typedef enum vote_use {
    VOTE_BY_FIT, /* the rule without a verifier: the plain model reads all but the judges' least */
    VOTE_BY_FEATURES, /* half to the plain model, the rest to the judges */
    VOTE_BY_PEERS,    /* the judges alone */
} vote_use;
typedef struct vote_budget {
    int question; /* tokens at the end of the question, foretold behind each answer */
    int answer;   /* tokens at the beginning of each answer that foretell it */
    int judged;   /* tokens at the beginning of each answer that the others judge */
    bool whole;   /* no answer is longer than what the decision rests on */
} vote_budget;
typedef struct vote_sizes {
    const int *lengths; /* [passes] tokens of the answers, 0 = it is not judged */
    int passes, judges; /* answers, and passes that judge them */
    int prompts;        /* tokens of all prompts together */
    int question;       /* of the question */
    int frame;          /* of what else the plain model reads with an answer */
    vote_use use;
} vote_sizes;
vote_budget merge_vote_budget(const vote_sizes *v);

/* What a merge is made of. */
typedef struct merging {
    council *council;
    const council_round *round;
    const merge_options *options;
    region *memory;               /* of what comes of it */
    const chat_message *question; /* that was asked in the beginning; NULL = none */
    const merge_party *parties;   /* [count] */
    int count;
    merge_party *own; /* where they are the passes themselves: merge_each_pass() */
} merging;

/* Each pass is a party by its own reply; merge_release(). */
int merge_each_pass(merging *m, error *err);
void merge_release(merging *m);
/* What is known of each pass becomes what is known of each party: the mean of those behind it by their
 * weights, NaN aside. passes [council_passes()]; of a pass by itself its own number, to the bit. */
void merge_by_party(const merging *m, const double *passes, double *parties);

/* Each fills *out, which knows its method and the number of passes. */
#define MERGE_RUN(id, name, written, run, needs)                                                   \
    int run(const merging *m, turn_merge *out, error *err);
MERGE_TABLE(MERGE_RUN, MERGE_RUN, MERGE_RUN)

/* A vote of the passes, behind the prompts of the round, on candidates [parties]: scores, shares,
 * winner, by, text, tie, note. */
int merge_vote_on(const merging *m, const merge_candidate *candidates, turn_merge *out, error *err);
/* The parties' replies as candidates [parties], which borrow from *texts; caller frees both. */
merge_candidate *merge_candidates(const merging *m, buf *texts, error *err);
/* Sets out->text to a copy. */
int merge_set_text(const merging *m, turn_merge *out, const char *text, size_t len, error *err);
int merge_set_note(const merging *m, turn_merge *out, error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Answers that are quoted fit the context by one rule: each gets the same `most` bytes, is cut at the
 * end of a sentence (else of a word) and then says "[cut]"; while the prompt does not fit, most
 * becomes four fifths of itself, down to MERGE_SHORTEST. */
enum { MERGE_SHORTEST = 80 };
/* Appends what stays of text; *cut counts those that were shortened. */
int merge_quote(buf *out, const char *text, size_t len, size_t most, int *cut, error *err);
/* Room that a prompt leaves: for all that may be written, but at most a quarter of the context. */
int merge_reserve(const council *c, int max_tokens);
/* Below 1B parameters: what such a model writes about answers goes round in circles. */
bool merge_small(const council *c);
/* merge_quotes.c: the synthesis of a small model, quoted and not written. */
int merge_quotes(const merging *m, turn_merge *out, error *err);
/* How well each party foretells the question of the round, as weights of the passes: [passes], sum 1; one
 * that failed has 0. */
int merge_foretelling(const merging *m, double *weights, error *err);
/* The weight of each party [parties] goes to the passes behind it; one that failed (INFINITY or NaN in
 * `able`, which may be NULL) leaves its own to the others. */
void merge_weigh_passes(const merging *m, const double *parties, const double *able,
                        double *passes);
/* softmax(-nll) in place: how much each pass is worth by how well it predicts the question. */
void merge_weights(double *nll, int n);

#endif
