/* council_pass.h - one pass while it speaks: tokens become text, and the end is noticed.
 *
 * Private to the council. A pass owns its session, its sampler and what it has written for the request
 * at hand. Text is streamed as far as it is stable: whole UTF-8 characters, and never the beginning of
 * what may turn out to be a stop string.
 */
#ifndef PERSONAS_COUNCIL_PASS_H
#define PERSONAS_COUNCIL_PASS_H

#include "../../engine/base/buf.h"
#include "council.h"
#include "loop.h"

typedef struct pass {
    char *name;
    int table;
    const router_program *program;
    sampling sampling;
    session *session;
    sampler *sampler;
    float *logits; /* [vocabulary] of the last token read; with a draw, only if they are kept */

    tokens prompt;     /* of the request at hand */
    int program_start; /* tokens of it that are read without the program */
    tokens out;        /* generated in this turn */
    loop_detector cycles;
    buf logprobs; /* with `keep_logprobs`: [out.len] doubles, ln p of each token */
    buf text;
    size_t streamed; /* bytes of text already told by events */
    size_t thought;  /* bytes of text that are thinking */
    size_t thought_tokens;
    tokens queued;      /* to be forced on it (a thought that must end) */
    sample_row *row;    /* the draw of its next token; NULL: a queued one is next */
    sample_row ahead;   /* where the batch leaves a draw that it made itself */
    bool drawn;         /* it did: `logits` are older than that */
    bool thinking;      /* inside a thought */
    bool maybe_thought; /* the text may be the beginning of the mark that opens a thought */
    bool active;        /* still speaks in this turn */
    bool stopping;      /* ends at its next token */
    bool failed;        /* could not begin: answer.stop is STOP_ERROR */

    uint8_t *touched; /* [layers * max_experts] 1 = used; NULL before the first answer */
    int max_experts;  /* experts of the largest layer */
    size_t layers;
    int *used, *allowed; /* [layers] */
    double banned_sum;
    size_t banned_count;
    error why; /* it failed */
    turn_answer answer;
} pass;

/* What a pass needs to know of its council to take a token. */
typedef struct pass_rules {
    const tokenizer *tokenizer;
    const tokens *stops;     /* what ends an answer, with raw too */
    const chat_format *chat; /* NULL with raw */
    const model_config *model;
    const council_options *options;
} pass_rules;

/* Caller owns. A session that is given is used as it is: its past and its program are
 * left alone. */
pass *pass_open(engine *e, const council_options *options, const pass_options *wanted,
                session *given, error *err);
void pass_close(pass *p); /* NULL ok */

/* What answer.prompt_hash is for the prompt at hand. */
uint64_t pass_prompt_hash(const pass *p);
/* Begins an answer: everything of the last one is emptied; `open_thought` when the prompt leaves
 * a thought open. */
void pass_begin(pass *p, bool open_thought);
/* Takes a token the sampler drew, or one forced on the pass. Sets p->active = false and
 * p->answer.stop when the answer ends with it. */
int pass_accept(pass *p, const pass_rules *rules, int id, error *err);
/* Tokens that the pass has written before, as if they had just been drawn; it goes on speaking. Nothing
 * in them ends the answer. ERROR_USAGE for an id that is none. */
int pass_accept_prefix(pass *p, const pass_rules *rules, const int *ids, size_t n, error *err);
/* Bytes of text that no later token can change: what is streamed next ends there. all = the answer
 * is over. */
size_t pass_stable_prefix(const pass *p, const pass_rules *rules, bool all);
/* Ends the answer: its figures are made. */
void pass_end(pass *p, const pass_rules *rules, pass_stop stop, double seconds);

#endif
