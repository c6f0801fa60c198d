/* history.h - what a transcript says, read back: turns with prompts, answers, merges and picks.
 *
 * Reading never fails because of one bad line: a line that is no record is counted and skipped, and
 * what belongs to it is shown as missing. The same holds for one field: a number outside of its range,
 * or of another type, counts as damage and is read as if it were absent, so that whoever goes on from
 * a history need not look again. Everything that a reader needs (exports, statistics,
 * search, resuming, replay) is here as plain C; fields this version does not know are kept out of
 * the way. Memory belongs to the history; texts are UTF-8 and NUL-terminated. A text that held
 * U+0000, which JSON readers refuse, was written with U+FFFD in its place and its bytes in "exact"
 * (base64); here `text` and `len` are the bytes.
 */
#ifndef TRANSCRIPTS_HISTORY_H
#define TRANSCRIPTS_HISTORY_H

#include "../engine/base/json.h"

/* Ranges of what is read; turn and record numbers leave room to count on from them. A merge joins no
 * more passes than a council seats. */
enum {
    HISTORY_TURNS_MOST = 1 << 24,
    HISTORY_PASSES_MOST = 256,
    HISTORY_TOKENS_MOST = 1 << 24, /* counts, and token ids, of any model */
    HISTORY_EXPERTS_MOST = 1 << 16
};

typedef struct history_text {
    const char *v;
    size_t len;
} history_text;

typedef struct history_answer {
    int n;               /* record */
    const char *persona; /* name of the pass */
    const char *acts_by; /* "mask", "prompt", "prompt+mask", "none" */
    const char *stop;    /* pass_stop_name */
    const char *failure; /* with stop "error", else NULL */
    const char *program; /* router program's hash, 16 hex digits; all zero = the plain model */
    history_text text;   /* without its thought */
    history_text thought;
    const int *tokens;
    size_t token_count;
    int continued; /* the first ones are those of an earlier version; 0 = all are its own */
    int prompt_tokens;
    uint64_t seed;
    double seconds, tokens_per_second, banned_mass;
    const char *color;                /* or NULL */
    const char *prompt_hash;          /* 16 hex digits over the ids that were read, or NULL */
    int asked_experts, least_allowed; /* "4 of 8"; 0 = not asked */
    const int *allowed, *used;        /* [layers] of its model, or NULL */
    int layers;
    const json *setting; /* the "setting" record it was given under, or NULL */
    /* Versions of one persona's answer: how many were there before, the index in the turn of the first,
     * and of the one that took this one's place; 0 = it is current. */
    int earlier, first, next;
    int last; /* of a first version: the index of the current one */
} history_answer;

typedef struct history_merge {
    int n;
    const char *method, *by, *note, *failure; /* by, note, failure may be NULL */
    history_text text;
    const int *tokens;
    size_t token_count;
    const char *const *of; /* [passes] names of the answers that were joined, in order */
    int passes;
    int winner;               /* index in of, or -1 */
    const char *stop;         /* pass_stop_name, or NULL */
    const double *scores;     /* [passes * passes] judge x answer, NaN = none; NULL unless a vote */
    const double *shares;     /* [passes] or NULL */
    const double *divergence; /* [token_count] or NULL */
    const history_text *revised; /* debate: [passes], else NULL */
    bool tie;
    double seconds;
    uint64_t seed;
} history_merge;

typedef struct history_pick {
    int n;
    const char
        *name; /* a persona or "merge"; NULL: what was picked was given anew, the pick is off */
} history_pick;

typedef struct history_timings {
    double prefill, decode, union_experts_per_step, picks_per_step;
} history_timings;

/* How a turn was asked: the current setting, and what its passes remembered. */
typedef struct history_turn {
    int turn, n; /* its number, its prompt's record */
    int parent;  /* turn that it follows; 0 = the first */
    int follows; /* its index, or -1 */
    int root;    /* number of the first turn of those that lead here */
    double time; /* seconds since 1970 */
    history_text prompt;
    const char *context;     /* "own", "merged" or "picked" */
    const char *only;        /* @NAME text: the one persona that was asked, else NULL */
    int from;                /* the oldest turn that the passes still remembered */
    bool shared;             /* prompt read once for all */
    bool blind;              /* columns were A, B, C */
    const json *setting;     /* the current "setting" record, or NULL */
    const json *record;      /* the prompt's record */
    history_answer *answers; /* versions in order of time; the last of a name is the current one */
    int answer_count;
    history_merge *merges;
    int merge_count;
    const history_pick *picks; /* all of them, in order of time */
    int pick_count;
    const char *picked; /* the last, unless what it names was given anew since: a persona, "merge",
                           or NULL */
    uint64_t seed;
    history_timings timings;
    int undone_n; /* record that took it back, 0 = none */
    bool undone;
} history_turn;

typedef struct history {
    const char *id, *created, *version, *isa;
    const char *model_path, *architecture, *fingerprint;
    int layers, experts, experts_per_token;
    const char *title;   /* that it was given, or NULL */
    history_turn *turns; /* in order of time, undone ones too */
    int turn_count;
    int copied; /* records up to this one stand in the session that this was forked from, too */
    const json *setting;                    /* the current "setting" record at the end, or NULL */
    int last_turn;                          /* the highest number that was used */
    size_t records, damaged, first_damaged; /* lines, also those with a field that cannot be */
    size_t torn;                            /* bytes of an unfinished last line */
    struct history_memory *memory;
} history;

/* A record of its own: a fork's copied past counts, and is found, where it happened. */
static inline bool history_own(const history *h, int n)
{
    return !h->copied || n > h->copied;
}

/* The whole file. ERROR_LOAD when there is no header to go by. Caller owns. */
history *history_load(const char *path, error *err);
void history_close(history *h); /* NULL ok */

/* The answer of `persona` that is current in a turn, or NULL. */
const history_answer *history_answer_of(const history_turn *t, const char *persona);
/* Turns that lead to the last one that is not undone, oldest first: what a resumed session goes on
 * from. Caller frees *path. */
int history_path(const history *h, const history_turn ***path, size_t *count, error *err);

#endif
