/* council.h - several passes of one prompt, advanced in lockstep.
 *
 * A council holds the passes: each has a name, an instruction or none, a router program or none,
 * sampling, and its own conversation and session. council_ask() gives one prompt to all of them:
 * their prompts are read, then every pass that still speaks gains one token per step, all in one
 * batch (one sweep of the shared weights, each distinct expert visited once). A pass that finishes
 * leaves the batch. Its bytes are those it would have written alone: sampling is keyed by
 * (seed, name, position), and a row's numbers do not depend on the rest of its batch.
 *
 * One failed pass does not hide the others: its answer says "error" and why. The caller's cancel
 * flag (engine_options) ends all passes; what they wrote is kept and marked "interrupted".
 *
 * Knows no terminal and no files; events are told by callback while the council works.
 */
#ifndef PERSONAS_COUNCIL_H
#define PERSONAS_COUNCIL_H

#include "../../engine/run/engine.h"
#include "../../engine/run/sampler.h"

typedef struct council council;

typedef enum prefill_mode {
    PREFILL_AUTO,   /* own below 256 prompt tokens, else shared */
    PREFILL_OWN,    /* exact: the program acts from the first token on */
    PREFILL_SHARED, /* the conversation is read once without a program and forked; programs act from
                       the pass's own instruction or the first generated token on, whoever else is
                       in the council */
} prefill_mode;

typedef enum pass_stop {
    STOP_END,         /* it ended itself, or a stop string was met */
    STOP_LENGTH,      /* max_tokens, or the context is full */
    STOP_LOOP,        /* it went round in circles: loop.h */
    STOP_INTERRUPTED, /* cancelled */
    STOP_ERROR,
} pass_stop;
const char *pass_stop_name(pass_stop s); /* "end", "length", "loop", "interrupted", "error" */

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
} council_options;

typedef struct pass_options {
    const char *name;              /* copied */
    const char *instruction;       /* copied; NULL = none */
    const router_program *program; /* borrowed; NULL = none */
    sampling sampling;
} pass_options;

/* What one pass answered; borrowed from the council until the next ask. */
typedef struct answer {
    const char *name;
    const char *text; /* NUL-terminated; may hold broken UTF-8 when cut */
    size_t len;
    const int *tokens; /* generated ids, the end token included when it came */
    size_t token_count;
    const double *logprobs; /* [token_count] ln p of each token, with `keep_logprobs`; else NULL */
    size_t thought;         /* bytes at the start of text that are thinking, marks included */
    int prompt_tokens;
    uint64_t prompt_hash; /* over the ids that were read: FNV-1a, 64 bits */
    pass_stop stop;
    error failure; /* with STOP_ERROR */
    uint64_t seed;
    double seconds, tokens_per_second; /* of decoding */
    const int *allowed; /* [layers] experts its program allows; 0 = a layer without experts */
    const int *used;    /* [layers] distinct experts it used while answering */
    double banned_mass; /* mean over tokens and layers */
} answer;

typedef struct council_timings {
    double prefill, decode;        /* seconds */
    double union_experts_per_step; /* mean distinct experts a layer's batch touched in a step */
    double picks_per_step;         /* mean experts called, counted with repetition */
    bool shared_prefill;           /* which way the prompt was read */
} council_timings;

typedef struct council_events {
    void *user;
    /* Prompt tokens read so far, over all passes. */
    void (*prefill)(void *user, int done, int total);
    /* Bytes that token adds to pass i's text (whole UTF-8 characters); thinking = part of a thought. */
    void (*token)(void *user, int pass, const char *bytes, size_t len, bool thinking);
    /* Pass i has finished. */
    void (*answer)(void *user, int pass, const answer *a);
    /* Of a vote: tokens that the judges have read, of all that they will. */
    void (*judge)(void *user, int done, int total);
} council_events;

council *council_open(engine *e, const council_options *options, error *err);
void council_close(council *c); /* NULL ok */

/* Adds a pass; returns its index, or -1. Names are distinct. */
int council_add(council *c, const pass_options *pass, error *err);
int council_passes(const council *c);

/* Some passes of a council as a council of their own: who [n], distinct. They are borrowed: what is
 * asked of the part and merged in it changes these passes and leaves the others as they are. Close it
 * first. */
council *council_part(council *c, const int *who, int n, error *err);
/* Other passes in place of all there are. One that keeps its name keeps its session, so that nothing
 * is read again that was read under an equal program; newcomers take the sessions of those who leave;
 * conversations are forgotten. On error nothing has changed. */
int council_reseat(council *c, const pass_options *passes, int n, error *err);
/* What may change between two asks: prefill, max_tokens, reserve, loop, think, keep_logprobs. */
void council_adjust(council *c, const council_options *options);
/* A pass's seed, and its instruction (copied; NULL = none), from the next ask on. */
int council_instruct(council *c, int pass, const char *instruction, uint64_t seed, error *err);

engine *council_engine(const council *c);
const council_options *council_settings(const council *c);

/* Gives the prompt to all passes. 0 when at least one pass answered (look at each stop); -1 when
 * none could begin: too long (ERROR_CONTEXT, with both token counts, nothing changed), no chat
 * format (ERROR_LOAD). Afterwards each pass's conversation holds the prompt and its own answer,
 * broken bytes of which are remembered as U+FFFD. */
int council_ask(council *c, const char *prompt, size_t len, const council_events *events,
                error *err);

/* The same with a prompt for each pass: prompts [council_passes()], roles ignored. */
int council_ask_each(council *c, const chat_message *prompts, const council_events *events,
                     error *err);

/* What a pass has written so far of an answer that goes on. Borrowed. */
typedef struct partial_answer {
    const int *tokens; /* [token_count], its thought included */
    size_t token_count;
    const char *thought, *text; /* what they are as text */
    size_t thought_len, len;
} partial_answer;
/* A council of one pass asks the same again and takes what was said as drawn: the answer goes on behind
 * it, to max_tokens in all. Its figures are those of the new tokens. ERROR_USAGE when the tokens are
 * not that text here: another model wrote them. Otherwise as council_ask. */
int council_continue(council *c, const char *prompt, size_t len, const partial_answer *said,
                     const council_events *events, error *err);

/* *longest = tokens of the longest prompt that asking this would make; nothing is asked. */
int council_longest(council *c, const char *prompt, size_t len, int *longest, error *err);

/* For callbacks: the pass ends at its next token as "interrupted", the others go on. */
void council_stop(council *c, int pass);

const answer *council_answer(const council *c, int pass);
const council_timings *council_times(const council *c);

/* The conversation of a pass, for callers that decide what it remembers. */
size_t council_turns(const council *c, int pass);
const chat_message *council_turn(const council *c, int pass, size_t i);
/* Replaces the last reply in what a pass remembers ("merged" and "picked" contexts). */
int council_remember(council *c, int pass, const char *text, size_t len, error *err);
/* Replaces all that a pass remembers; replies that are broken text are mended. */
int council_recall(council *c, int pass, const chat_message *messages, size_t n, error *err);
/* An answer from elsewhere: a transcript, an earlier version. */
typedef struct adopted_answer {
    const char *text; /* without its thought */
    size_t len;
    pass_stop stop;
    /* How likely each of its tokens was, when that is known: it counts if the pass reads the same
     * prompt under the same program again, and no thought came before. */
    const int *tokens;
    const double *logprobs;
    size_t token_count;
    uint64_t prompt_hash, program; /* router_program_hash, 0 = none */
} adopted_answer;
/* Takes answers [council_passes()] as if they had just been given to this prompt, on what the passes
 * remember: merges and scores then work as after an ask. Nothing is drawn, and nothing is read before
 * it is needed. shared: how the prompt was read (council_timings). ERROR_CONTEXT as council_ask. */
int council_adopt(council *c, const char *prompt, size_t len, bool shared,
                  const adopted_answer *answers, error *err);
/* Forgets the last prompt and reply of every pass (undo), or everything. */
void council_forget_turn(council *c);
void council_forget(council *c);

/* A text that a pass judges: how likely it finds each token, as its own answer to the last prompt,
 * under its own program and instruction, teacher-forced. */
typedef struct score_request {
    int judge;      /* pass */
    const int *ids; /* [n] the text's tokens; NULL = the last question, its last n tokens at most */
    int n;          /* what does not fit behind the pass's prompt is not read */
    double mean;    /* ln p per token; 0 when there is none. Set by council_score_batch */
} score_request;
/* Reads them all in common batches; sessions stay as they are. ERROR_CANCELLED. */
int council_score_batch(council *c, score_request *requests, int n, const council_events *events,
                        error *err);

/* One text. Mean log-likelihood per token (nats) of `text` as pass's answer to the last prompt, under its own
 * program and instruction, teacher-forced; the session is left as it was. Of a text that does not
 * fit behind the pass's own prompt, what fits is judged. *prompt_nll (may be NULL)
 * is the mean negative log-likelihood of the last question's tokens, whatever came before them. */
int council_score(council *c, int pass, const char *text, size_t len, double *loglik,
                  double *prompt_nll, error *err);

/* Monotonic seconds, for the figures. */
double council_clock(void);

#endif
