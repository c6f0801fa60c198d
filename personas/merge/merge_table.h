/* merge_table.h - the ways of joining answers: one row each.
 *
 * The enumeration, the parser, what --merge and /merge accept and complete, and what a merge needs
 * come from these rows. A new way is a file merge_NAME.c with its run function, a row here and a test.
 */
#ifndef PERSONAS_MERGE_TABLE_H
#define PERSONAS_MERGE_TABLE_H

/* What the callers of a merge must know of it. */
enum {
    MERGE_BY_CHAIR = 1,     /* a chair writes it, whose instruction is looked up */
    MERGE_BY_JUDGES = 2,    /* passes judge each other: a control takes no part */
    MERGE_BY_ROUNDS = 4,    /* the passes speak again, N rounds: "NAME:N" */
    MERGE_READS_SCORES = 8, /* answers are judged as they were given: their logprobs are kept */
    MERGE_TAKES_ONE = 16,   /* its text is one of the answers, as it stands there */
};

/* ROW(enumerator, name, how it is written, run function, what it needs); FIRST and LAST are ROWs too,
 * apart for lists that are written out. */
#define MERGE_TABLE(FIRST, ROW, LAST)                                                              \
    FIRST(MERGE_SYNTH, "synth", "synth", merge_synth, MERGE_BY_CHAIR)                              \
    ROW(MERGE_VOTE, "vote", "vote", merge_vote,                                                    \
        MERGE_BY_JUDGES | MERGE_READS_SCORES | MERGE_TAKES_ONE)                                    \
    ROW(MERGE_BEST, "best", "best", merge_best, MERGE_TAKES_ONE)                                   \
    ROW(MERGE_DEBATE, "debate", "debate[:N]", merge_debate, MERGE_BY_JUDGES | MERGE_BY_ROUNDS)     \
    LAST(MERGE_BLEND, "blend", "blend", merge_blend, 0)

#define MERGE_WRITTEN(id, name, written, run, needs)  written
#define MERGE_COMMA(id, name, written, run, needs)    ", " written
#define MERGE_OR(id, name, written, run, needs)       " or " written
#define MERGE_BAR(id, name, written, run, needs)      "|" written
#define MERGE_BAR_NAME(id, name, written, run, needs) "|" name

/* "synth, vote, ... or blend" */
#define MERGE_WAYS MERGE_TABLE(MERGE_WRITTEN, MERGE_COMMA, MERGE_OR)
/* All that may be said, as in a usage, and for completion. */
#define MERGE_VALUES "auto" MERGE_TABLE(MERGE_BAR, MERGE_BAR, MERGE_BAR) "|none"
#define MERGE_NAMES  "auto|none" MERGE_TABLE(MERGE_BAR_NAME, MERGE_BAR_NAME, MERGE_BAR_NAME)

#endif
