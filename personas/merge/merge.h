/* merge.h - joining the answers, the originals kept.
 *
 *   vote      each pass scores each answer by its mean token log-likelihood under its own program, and
 *             the plain model how well it foretells the question; a verifier learned for the model
 *             makes marks of all that, or a plain rule does (merge_reading.h); a looping answer cannot win;
 *             extractable answers (a choice, a number, yes or no) are counted. The whole matrix is
 *             reported, and a tie is said.
 *   synth     a chair, the plain model unless one is named, reads the answers, anonymised and
 *             shuffled by the seed, and says where they agree, where they differ and what it
 *             dropped. The prompt fits the context by a rule that is told, never by silent cutting.
 *             Below 1B parameters, unless a chair is named, nothing is written: what the answers
 *             agree in and the best sentence of each are quoted (merge_quotes.c).
 *   debate:N  each pass revises its answer after reading the others, N rounds in lockstep; a vote
 *             follows. Quoted answers fit the context by the same rule; a round that does not fit
 *             even so ends the debate, and that is told.
 *   blend     token by token: a mixture of the passes' distributions, weighed by how well each foretells
 *             the question, by a gate that was learned for the model (gate.h), or as told; or a contrast.
 *   best      the answer of the persona that is right most often by the evidence (evidence_table.h)
 *   auto      what the evidence for this model and these personas shows to be best: a merge, the best
 *             persona, or nothing. Without evidence vote for models below 1B parameters, and for raw
 *             text, which has no chair; else synth.
 */
#ifndef PERSONAS_MERGE_H
#define PERSONAS_MERGE_H

/* Who is joined are parties: what each said, and the passes that stand behind it. Of a pass with its own
 * answer that is the pass; of a group of personas, whose answer was joined of its members' before, the
 * members' passes with weights, so that a group of five has one voice as a pass has:
 *
 *   vote      a group judges with the mean of what its members find of the others' answers
 *   synth     its text is read like any other
 *   blend     its distribution is the mixture of theirs
 *   debate    its answer stands: the others read it and revise, it may win, and it judges nobody
 */
#include "../../engine/base/buf.h"
#include "../council/council.h"
#include "evidence_table.h"
#include "merge_table.h"

#define MERGE_ENUMERATOR(id, name, written, run, needs) id,
typedef enum merge_method {
    MERGE_AUTO,
    MERGE_NONE,
    MERGE_TABLE(MERGE_ENUMERATOR, MERGE_ENUMERATOR, MERGE_ENUMERATOR)
} merge_method;

/* What MERGE_AUTO comes to for the passes of c: MERGE_NONE when the evidence (NULL = none) shows no way
 * of joining to be worth it. *rounds of a debate. */
merge_method merge_chosen(const council *c, const evidence_table *evidence, int *rounds);
/* Whether a method has one of the needs of merge_table.h; auto has those of all that it may come to. */
bool merge_needs(merge_method m, int need);
/* "vote", "debate:2", ... ERROR_USAGE with the list. *rounds is 1 unless given. */
int merge_parse(const char *text, merge_method *method, int *rounds, error *err);
const char *merge_name(merge_method m);
/* Whether a merge that was made by a method of this name took one answer as it is. */
bool merge_took_one(const char *name);

typedef struct merge_backing {
    int pass;      /* of the council */
    double weight; /* those of one party sum to 1 */
} merge_backing;

typedef struct merge_party {
    const char *name;
    const turn_answer *reply; /* its text and stop count */
    const merge_backing
        *behind; /* [count], passes of no other party; 0 = a text and nothing else */
    int count;
} merge_party;

typedef struct merge_options {
    merge_method method;
    int rounds;        /* debate */
    bool whole;        /* debate: a round that does not fit as it is is ERROR_CONTEXT */
    uint64_t seed;     /* shuffles the order in which the chair reads; a blend's draws */
    const char *chair; /* the chair's instruction, or NULL for the built-in one */
    const char *by;    /* the chair's name, NULL = "chair" */
    const router_program *program; /* the chair's, borrowed; NULL = the plain model */
    const merge_party
        *parties; /* [party_count] borrowed; NULL = each pass of the council by its own reply */
    int party_count;
    const double *weights; /* blend: [parties], NULL = by what they foretell */
    double contrast;       /* blend: beta >= 0; 0 = mixture */
    int max_tokens;
    const struct verifier
        *verifier;           /* of a vote (verifier.h), borrowed; NULL = the model's, if any */
    const struct gate *gate; /* of a blend (gate.h), borrowed; NULL = the model's, if any */
    const evidence_table *evidence; /* borrowed; NULL = none is known */
} merge_options;

/* Joins what the passes of a council, or the parties behind which they stand, replied to the requests.
 * 0 and *out, whose "passes" are the parties, filled from `memory`,
 * but for what a merge does not know (n, of, answers, seed); or -1. Blend and debate speak again:
 * council_answer() then holds other text. Whoever has subscribed to the council hears of it: a
 * chair and a blend speak as pass -1. */
int merge_run(council *c, const council_round *round, const merge_options *options, region *memory,
              turn_merge *out, error *err);
/* "ahead by 0.32" of a vote's winner, in older records "2 of 3 votes, by
 * philosopher and critic; ahead by 0.32"; nothing where nobody voted. called: [passes] how to call each; between: what stands for the semicolon. */
int merge_tally(const turn_merge *r, const char *const *called, const char *between, buf *out,
                error *err);
/* The built-in instruction of a chair. */
const char *merge_chair(void);

#endif
