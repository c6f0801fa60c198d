/* council.h - several passes, asked together and advanced in lockstep.
 *
 * A council holds the passes: each has a name, a router program or none, sampling and a session. It
 * holds nothing of a conversation: every call is handed a request for each pass (the messages, the
 * instruction, the seed), and whatever is done with answers later (a vote, a merge) is handed the
 * requests and the answers again. A session finds by itself how much of a prompt it has read
 * already.
 *
 * council_ask() reads the prompts; then every pass that still speaks gains one token per step, all
 * in one batch (one sweep of the shared weights, each distinct expert visited once). A pass that
 * finishes leaves the batch. Its bytes are those it would have written alone: sampling is keyed by
 * (seed, name, position), and a row's numbers do not depend on the rest of its batch.
 *
 * One failed pass does not hide the others: its answer says "error" and why. The caller's cancel
 * flag (engine_options) ends all passes; what they wrote is kept and marked "interrupted".
 *
 * Knows no terminal and no files; what happens is told, while it happens, to all who have
 * subscribed.
 */
#ifndef PERSONAS_COUNCIL_H
#define PERSONAS_COUNCIL_H

#include "../../engine/run/engine.h"
#include "../../engine/run/sampler.h"
#include "../../transcripts/turn.h"

typedef struct council council;

typedef enum prefill_mode {
    PREFILL_AUTO,   /* own below 256 prompt tokens, else shared */
    PREFILL_OWN,    /* exact: the program acts from the first token on */
    PREFILL_SHARED, /* the conversation is read once without a program and forked; programs act from
                       the pass's own instruction or the first generated token on, whoever else is
                       in the council */
} prefill_mode;

typedef struct council_options {
    int context; /* positions per pass */
    dtype kv;
    prefill_mode prefill;
    int max_tokens;           /* per answer */
    int reserve;              /* tokens that a prompt must leave for its answer; 0 = 1 */
    const char *const *stops; /* stop strings: an answer ends before the first of them */
    int stop_count;
    int loop;           /* tokens that a cycle must cover to be a loop (loop.h); 0 = never one */
    int think;          /* 0 = no thinking; N = at most N tokens of thought; -1 = unlimited */
    bool raw;           /* no chat format: the prompt is continued */
    bool keep_logprobs; /* ln p of each token of an answer: a vote need not read it again */
    bool keep_logits;   /* the logits of every token come to its pass, not only the token drawn */
} council_options;

typedef struct pass_options {
    const char *name; /* copied */
    const char *key;  /* keys the random numbers, copied; NULL = the name */
    int table; /* several councils may share one batch: names are distinct at each table alone */
    const router_program *program; /* borrowed; NULL = none */
    sampling sampling;             /* its seed gives way to that of each request */
} pass_options;

/* What one pass is asked. Borrowed while the call works, and not kept. The messages are the user's
 * and the assistant's in turns, the question last; bytes of a reply that are no character are read
 * as U+FFFD. */
typedef struct council_request {
    const char *instruction; /* NULL = none */
    const chat_message *messages;
    size_t count; /* of messages, 1 or more */
    uint64_t seed;
} council_request;

/* What a subscriber hears; each may be NULL. pass: an index in the council that it subscribed to;
 * -1 = a chair that merges, or a blend. */
typedef struct council_events {
    void *user;
    /* Prompt tokens read so far, over all passes. */
    void (*prefill)(void *user, int done, int total);
    /* Bytes that a token adds to a pass's text (whole UTF-8 characters); thinking = part of a
     * thought. */
    void (*token)(void *user, int pass, const char *bytes, size_t len, bool thinking);
    /* A pass has finished. */
    void (*answer)(void *user, int pass, const turn_answer *a);
    /* Of a vote: tokens that the judges have read, of all that they will. */
    void (*judge)(void *user, int done, int total);
    /* What the router chose for one token in one layer: its position in the pass's sequence,
     * experts and gates (engine.h). It fires for every generated token that the pass reads, so for
     * all but the one that ends the answer, and for the tokens that council_continue() reads anew;
     * not for prompts, scores, blends and comparisons. Valid during the call. */
    void (*routing)(void *user, int pass, const route_trace *trace);
    /* The same for the tokens of prompts, as far as they are read and not known from before. What
     * is read once for several passes is told of the first of them. */
    void (*reading)(void *user, int pass, const route_trace *trace);
    bool wanted; /* both are to tell what the routers wanted, too */
} council_events;

council *council_open(engine *e, const council_options *options, error *err);
void council_close(council *c); /* NULL ok */

/* Adds a pass; returns its index, or -1. Names are distinct (pass_options.table). */
int council_add(council *c, const pass_options *pass, error *err);
int council_passes(const council *c);
const char *council_name(const council *c, int pass);

/* Some passes of a council, or of a part of one, as a council of their own: who [n], distinct. They
 * are borrowed: close the part first. Who has subscribed to the whole hears of the part too, under
 * the whole's indices. */
council *council_part(council *c, const int *who, int n, error *err);
/* Other passes in place of all there are. One that keeps its name keeps its session, so that
 * nothing is read again that was read under an equal program; newcomers take the sessions of those
 * who leave. On error nothing has changed. */
int council_reseat(council *c, const pass_options *passes, int n, error *err);
/* What may change between two asks: prefill, max_tokens, reserve, loop, think, keep_logprobs. */
void council_adjust(council *c, const council_options *options);

engine *council_engine(const council *c);
const council_options *council_settings(const council *c);

/* Tells everything that happens from now on; borrowed until it is unsubscribed or the council
 * closed, any number at once. Not to be called by a subscriber. */
int council_subscribe(council *c, const council_events *events, error *err);
void council_unsubscribe(council *c, const council_events *events);

/* Asks all passes: requests [council_passes()]. 0 when at least one pass answered (look at each
 * stop); -1 when none could begin: too long (ERROR_CONTEXT, with both token counts, no answer has
 * changed), no chat format (ERROR_LOAD). */
int council_ask(council *c, const council_request *requests, error *err);

/* A council of one pass is asked the same again and takes what it said then as drawn: the answer
 * goes on behind it, to max_tokens in all. Its figures are those of the new tokens. ERROR_USAGE
 * when the tokens are not that text here: another model wrote them. Otherwise as council_ask. */
int council_continue(council *c, const council_request *request, const turn_answer *said,
                     error *err);

/* *longest = tokens of the longest prompt that asking this would make. */
int council_longest(const council *c, const council_request *requests, int *longest, error *err);

/* For callbacks: the pass ends at its next token as "interrupted", the others go on. */
void council_stop(council *c, int pass);

/* What a pass answered last; borrowed until the next ask. Its thought has no NUL behind it. What a
 * seat is (acts_by, color, asked_experts, least_allowed) a council does not know. */
const turn_answer *council_answer(const council *c, int pass);
const turn_timings *council_times(const council *c);
bool council_shared_prefill(const council *c); /* the prompts were read once for all */

/* What all passes were asked and replied, here just now or elsewhere (a transcript, an earlier
 * version), for what is made of it later. Borrowed. Of a reply its text, stop and ids count, and
 * its logprobs where the pass reads the same prompt under the same program and no thought came
 * before. */
typedef struct council_round {
    const council_request *requests; /* [passes] */
    const turn_answer *replies;      /* [passes] */
    bool shared;                     /* how the prompts were read (council_shared_prefill) */
} council_round;
/* ERROR_CONTEXT, as council_ask, when a prompt of the round leaves no room here. */
int council_check_round(const council *c, const council_round *round, error *err);

/* A text that is judged: how likely each token is. A pass finds so as its own answer to its request,
 * under its own program and instruction, teacher-forced; SCORE_PLAIN is the plain model, which reads
 * nothing before the text: its first token is there to be followed, and is not judged. */
enum { SCORE_PLAIN = -1 };
typedef struct score_request {
    int judge;      /* pass, or SCORE_PLAIN */
    const int *ids; /* [n] the text's tokens; NULL = the question, its last n tokens at most */
    int n;          /* what does not fit behind the pass's prompt is not read */
    double *each;   /* [n] ln p of each token, as far as it is read; or NULL. Of SCORE_PLAIN, which
                       judges one fewer, [n - 1] */
    double mean;    /* ln p per token; 0 when there is none. Set by council_score_batch, as */
    int read;       /* how many tokens were judged */
} score_request;
/* Reads them all in common batches; sessions stay as they are. progress may be NULL.
 * ERROR_CANCELLED. */
int council_score_batch(council *c, const council_round *round, score_request *requests, int n,
                        progress_fn *progress, void *user, error *err);

/* Monotonic seconds, for the figures. */
double council_clock(void);

#endif
