/* evidence_table.h - what each way of answering was worth on questions with keys: right answers, counted.
 *
 * `consilium eval SET --learn` writes it for one model (model_file.h, "evidence"), one table a set:
 *
 *     {"evidence": 1,
 *      "model": {..},
 *      "verifier": "0000000000000000", "gate": "0000000000000000",
 *      "personas": [{"name": "coder", "program": "0123456789abcdef"}, ..],
 *      "sets": [{"name": "facts", "items": "0123456789abcdef",
 *                "development": {"questions": 80, "blind": 31.3, "any": 55,
 *                                "arms": [{"arm": "coder", "kind": "persona", "right": 30,
 *                                          "squares": 11.2}, ..]},
 *                "rest": {..}}, ..]}
 *
 * The key idea: the development part decides, the rest reports. What `auto` comes to is a function of the
 * development parts of all sets together, and the figures that a merge's line states are those of the rest,
 * on which nothing was chosen. "blind" is what a pick by chance among the personas would get; "squares" is the
 * sum of (right - blind)^2 over the questions, from which comes the interval of the difference.
 *
 * The rule (evidence_choose): of the merges the one with the most right answers, if that is no fewer than the
 * best persona has and more than by chance (its 95 % interval); else the best persona, if more than by chance;
 * else none. Of equals the first, in the order of the file: what costs least stands first. A debate is
 * left out when it has lost right answers in either part. Of a vote more is known: its verifier tells how it picked
 * among the answers to the questions that it was learned from, each by weights that had not seen it. They
 * count as development questions, and so as if the persona that is best there were every persona.
 *
 * The invariant: a table speaks only of the council that it was made with. It holds where exactly its
 * personas answer, under its programs, and a vote goes by its verifier, a blend by its gate (0 = none).
 */
#ifndef PERSONAS_EVIDENCE_TABLE_H
#define PERSONAS_EVIDENCE_TABLE_H

#include "../council/council.h"
#include "model_file.h"
#include "verifier.h"

enum {
    EVIDENCE_ARMS = 32,
    EVIDENCE_SETS = 32,
    EVIDENCE_PERSONAS = 32,
    EVIDENCE_NAME = 80,
    EVIDENCE_BYTES = 256 << 10,
    EVIDENCE_WORDS_MOST = 160,
};

typedef enum evidence_arm_kind {
    EVIDENCE_CONTROL,
    EVIDENCE_PERSONA,
    EVIDENCE_MERGE
} evidence_arm_kind;

/* One way of answering: the plain model, a persona, a merge as --merge writes it. */
typedef struct evidence_arm {
    char name[EVIDENCE_NAME];
    evidence_arm_kind kind;
} evidence_arm;

/* Of the questions that all arms have answered. */
typedef struct evidence_part {
    int questions, any; /* any: some persona is right */
    double blind;       /* expected right answers of a pick by chance */
    int right[EVIDENCE_ARMS];
    double squares[EVIDENCE_ARMS];
} evidence_part;

typedef struct evidence_set {
    char name[EVIDENCE_NAME];
    uint64_t items; /* hash */
    evidence_part development, rest;
} evidence_set;

/* What votes and blends went by; hashes, 0 = nothing learned. */
typedef struct evidence_basis {
    uint64_t verifier, gate;
    verifier_figures learned; /* the verifier's own, not in the file of the table; {0} = none */
} evidence_basis;

typedef struct evidence_table {
    model_identity model;
    evidence_basis by;
    struct {
        char name[EVIDENCE_NAME];
        uint64_t program;
    } personas[EVIDENCE_PERSONAS];
    int persona_count;
    evidence_arm arms[EVIDENCE_ARMS]; /* the same of all sets */
    int arm_count;
    evidence_set sets[EVIDENCE_SETS];
    int set_count;
} evidence_table;

/* From text; `where` stands for the file. ERROR_LOAD by file and field. Caller frees (free()). */
evidence_table *evidence_table_read(const char *where, const char *text, size_t len, error *err);
int evidence_table_write(const evidence_table *t, buf *out, error *err);
/* The one for this model and what a vote goes by today; *out = NULL and 0 when there is none, or when it
 * was made with another verifier or gate. *path (may be NULL) = where it lies. Caller frees both. */
int evidence_table_find(engine *e, evidence_table **out, char **path, error *err);

/* What votes and blends go by today. */
int evidence_made_with(engine *e, evidence_basis *out, error *err);

/* Takes the set of `from`, which has one, into `t`: in place of the one by that name, else behind the
 * others. What `t` holds is dropped first when it is about another council, verifier or arms; returns
 * how many sets that were. ERROR_USAGE when there is no room. */
int evidence_table_add(evidence_table *t, const evidence_table *from, error *err);

/* Whether it speaks of these passes. NULL: no. */
bool evidence_holds(const evidence_table *t, const council *c);
/* Index of an arm, or -1. */
int evidence_arm_of(const evidence_table *t, const char *name);
/* All sets together. */
evidence_part evidence_sum(const evidence_table *t, bool development);
/* What is known of an arm before the rest is looked at: the development parts and, of a vote, what its
 * verifier tells. */
evidence_part evidence_known(const evidence_table *t, int arm);

/* 95 % interval of an arm's share of right answers less that of a pick by chance. */
void evidence_gain(const evidence_part *p, int arm, double *low, double *high);
/* What auto comes to: an arm, a merge or a persona; -1 = none. */
int evidence_choose(const evidence_table *t);
/* The persona with the most right answers on the development part; NULL = none is in it. */
const char *evidence_best_persona(const evidence_table *t);
/* Whether a debate has lost right answers against the best persona, in either part. */
bool evidence_loses(const evidence_table *t, int arm);
/* "62 % of the time on 120 questions (by chance 51 %)" is it right, of the rest; "" where that has none. */
const char *evidence_figure(const evidence_table *t, int arm, char out[EVIDENCE_WORDS_MOST]);
/* "no merge and no persona is right more often than by chance on 120 questions". */
const char *evidence_refusal(const evidence_table *t, char out[EVIDENCE_WORDS_MOST]);

#endif
