/* dialogue.h - a conversation with a council: turns, versions of answers, and what is remembered.
 *
 * The key idea: what a pass remembers is a pure function of the turns and the context policy. It
 * is put together anew before every question, so undoing, retrying, picking, resuming and
 * replaying are edits of the list of turns and nothing else; sessions find by themselves how much
 * of it they have already read. Under "own" a pass remembers the turns that it answered, with its
 * own answer (after a debate, the revised one); under "merged" and "picked" every pass remembers
 * the joined or picked answer where a turn has one, and its own where it has none. An answer
 * without a word is not remembered, thoughts never are.
 *
 * When the context is full the oldest whole turns leave the memory (or the question is
 * refused), a few at once, so that a quarter of the context is free again and the next
 * questions need no new reading; turn.from says where memory begins, and what has left does not
 * come back. The dialogue knows no terminal and no files: the REPL shows what it tells by
 * events, and a transcript keeps its turns.
 */
#ifndef PERSONAS_DIALOGUE_H
#define PERSONAS_DIALOGUE_H

#include "../merge/merge.h"
#include "../roster/roster.h"

typedef struct dialogue dialogue;

typedef struct dialogue_options {
    council_options council; /* stops are copied */
    context_policy context;
    int memory; /* most tokens of a prompt with what is remembered; 0 = all that fits. Turns that are left out
                   for it come back when there is room again */
    bool overflow_stop; /* a full context is an error instead of forgetting */
    bool unread_none;   /* interrupted while the prompt is read, a question leaves no turn */
    const char *
        mode; /* for the record alone: what chose some of these settings; NULL = nothing. Borrowed */
    uint64_t seed; /* of the conversation; a turn's passes use seed + 1000003 * (turn - 1) */
} dialogue_options;

/* Events, with the pass's index in the roster; -1 = a chair or a blend. */
typedef struct dialogue_events {
    void *user;
    /* Of answering: prompt tokens read so far, over all passes; bytes that a token adds to a pass's
     * text (whole UTF-8 characters); thinking = part of a thought. */
    void (*prefill)(void *user, int done, int total);
    void (*token)(void *user, int pass, const char *bytes, size_t n, bool thinking);
    /* A pass has finished, or a group, whose index is that of its seat; *a stays as long as the turn
     * that it will be of. */
    void (*answer)(void *user, int pass, const turn_answer *a);
    /* The answers within a group are being joined; what is told of a merge until its answer is told
     * is of that. */
    void (*join)(void *user, int group, merge_method method);
    void (*forgot)(void *user, int from, int to); /* turns that left the memory, both included */
    void (*merge_token)(void *user, int pass, const char *bytes, size_t n, bool thinking);
    /* Of a debate: a pass has revised its answer. */
    void (*merge_answer)(void *user, int pass, const turn_answer *a);
    /* Of a vote: tokens that the judges have read, of all that they will. */
    void (*merge_judge)(void *user, int done, int total);
} dialogue_events;

dialogue *dialogue_open(engine *e, const dialogue_options *options, error *err);
void dialogue_close(dialogue *d); /* NULL ok */

/* Who speaks from now on: opens a roster, and seats it. What a pass of the same name and
 * program has read is not read again. On error the old one stays. */
int dialogue_seat(dialogue *d, const roster_options *options, roster_note *note, void *user,
                  error *err);
const roster *dialogue_roster(const dialogue *d);
/* Index of a seat, be it a group's (roster.h), or -1. */
int dialogue_find(const dialogue *d, const char *name);
engine *dialogue_engine(const dialogue *d);
/* For traces to subscribe to, any number: they hear of all that is asked and merged, a seat by
 * its index. */
council *dialogue_council(const dialogue *d);
/* What may change between turns: max_tokens, loop, think, prefill, context policy, overflow,
 * seed. */
dialogue_options *dialogue_settings(dialogue *d);

/* Asks all seats, or those named: "coder", "coder,critic". A new turn is added when anybody
 * answered or was interrupted, be it while the prompt was read (unless settings say
 * unread_none: ERROR_CANCELLED); its answers hold an entry for each pass that was asked. 0, or
 * -1 as council_ask (no turn is added). The cancel flag stays as it is: it is the caller's to
 * clear. */
int dialogue_ask(dialogue *d, const char *prompt, size_t len, const char *only,
                 const dialogue_events *events, error *err);
/* The last turn again, on what was remembered then: for all passes that were asked or the one
 * named, as new versions of their answers; merges of older versions are no longer current, and
 * a pick of what was replaced is taken off. Interrupted while the prompt is read, nothing is
 * added: ERROR_CANCELLED. */
int dialogue_retry(dialogue *d, const char *name, uint64_t seed, const dialogue_events *events,
                   error *err);

/* The answer of `name` to the last turn goes on behind its recorded tokens, with at most `more`
 * new ones, and becomes a new version of itself (turn_answer.continued). ERROR_USAGE when it
 * did not end by "length" or "interrupted", or another model wrote it; ERROR_CANCELLED when it
 * was interrupted before it gained a token. Then nothing is added. */
int dialogue_continue(dialogue *d, const char *name, int more, const dialogue_events *events,
                      error *err);

/* Gives an answer to each group that has none in the last turn, or whose members have answered anew since,
 * the innermost first; a group that fewer than two of its members answered in has none. One whose
 * members were interrupted is interrupted too; with cut_too these are joined as well. 0, also where a merge
 * failed, which the answer then tells; -1 without memory. */
int dialogue_join(dialogue *d, bool cut_too, const dialogue_events *events, error *err);
/* The answer of one group anew, whether its members have changed or not. ERROR_USAGE when it is none. */
int dialogue_join_again(dialogue *d, const char *name, error *err);
/* Whether each name of "coder,team" has a seat; else ERROR_USAGE with those that there are. */
bool dialogue_sit(const dialogue *d, const char *names, error *err);
/* Joins the current answers of the last turn, as they were given (a debate's revisions are that
 * merge's own). of: [count] names, or NULL for all who answered and sit here but controls,
 * which never take part in a vote (so not in a debate either: ERROR_USAGE); by: the seat or
 * persona whose instruction and program lead a synthesis, or NULL: then the plain model does,
 * with the options' instruction, else the persona "chair"'s, else a built-in one.
 * options->weights belong to `of`, in order; max_tokens 0 = the settings'. Answers may come
 * from a transcript: nothing needs to have been generated in this process. 0: a version was
 * added to the turn. -1: ERROR_USAGE adds nothing; a merge that fails otherwise is kept as
 * failed. */
int dialogue_merge(dialogue *d, const merge_options *options, const char *const *of, int count,
                   const char *by, const dialogue_events *events, error *err);
/* What a merge of the last turn by this method will be: MERGE_AUTO is decided, for `of` as above.
 * MERGE_NONE: the evidence shows that none is worth it; *why [EVIDENCE_WORDS_MOST] says so. Evidence is
 * looked for once; what is wrong with it, dialogue_merge() tells. */
merge_method dialogue_merge_method(dialogue *d, merge_method wanted, const char *const *of,
                                   int count, char *why);
/* Whether a debate may be hinted at: not where the evidence that was looked for does not show that it loses
 * nothing. */
bool dialogue_hints_debate(const dialogue *d);
/* How many answers of the turn a merge of all would join; a group's is one. */
int dialogue_joined(const dialogue *d, const struct turn *t);
int dialogue_pick(dialogue *d, const char *name, error *err); /* a pass or "merge" */
int dialogue_undo(dialogue *d, error *err);                   /* the last turn */

/* Ends one pass's answer, or all with -1, at the next token; for callbacks. */
void dialogue_stop(dialogue *d, int pass);

/* The seed of the answers to turn `number`, and of its merges unless another is wanted. */
uint64_t dialogue_seed(const dialogue *d, int number);

/* The turns, undone ones too. */
int dialogue_turns(const dialogue *d);
struct turn *dialogue_at(const dialogue *d, int i);
struct turn *dialogue_last(const dialogue *d); /* not undone; NULL when there is none */
/* Number of the oldest turn that what follows t may remember. */
int dialogue_reach(const struct turn *t);
/* Tokens of the fullest pass after the last turn, for "context 212/8192". */
int dialogue_context_used(const dialogue *d);
/* A turn from elsewhere; takes over what *t owns, also on error. Numbers must grow. */
int dialogue_restore(dialogue *d, struct turn *t, error *err);
/* All turns of another dialogue, which has none afterwards; `to` has none before. Turns know nothing of the
 * model that spoke them: the passes of `to` read them when they are asked. Cannot fail. */
void dialogue_move_turns(dialogue *to, dialogue *from);

#endif
