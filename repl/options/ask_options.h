/* ask_options.h - who is asked, and how: what the options say, read once for `ask` and the conversation.
 *
 * Everything that can be refused from the words alone is refused by ask_options_read(), what the personas'
 * files say by ask_options_prepare(), both before a model is opened; then come the model's own limits.
 */
#ifndef REPL_ASK_OPTIONS_H
#define REPL_ASK_OPTIONS_H

#include "../../personas/merge/merge.h"
#include "options.h"
#include "routing_options.h"

typedef struct ask_options {
    char *names;           /* a copy of --personas, cut at the commas */
    const char **personas; /* [persona_count] */
    int persona_count;
    const char **candidates; /* [candidate_count] of --personas auto: one of them is chosen by the
                                prompt; until then, and where nobody chooses, all speak */
    int candidate_count;
    control_kind control;
    routing_options routing;
    merge_method merge;
    int rounds;
    int think;
    int loop;               /* tokens, 0 = off */
    uint64_t adapter_bytes; /* of an adapter's file, at most */
    persona *chair; /* whose instruction leads a synthesis; NULL = none is found or needed */
    uint64_t seed;  /* --seed, else drawn */
} ask_options;

/* *k is zeroed before; ask_options_release in any case. opt must outlive it. ERROR_USAGE. */
int ask_options_read(ask_options *k, const options *opt, error *err);
/* A persona's file that is broken, or not there, is told before a large model is touched. */
int ask_options_prepare(ask_options *k, error *err);
void ask_options_release(ask_options *k); /* leaves it zeroed */
/* Of several personas one is left, with what the options say of it; false when it is not among them. */
bool ask_options_settle(ask_options *k, const char *name);

/* What measures, measures the same each time: *out is a copy of given, greedy, with a seed, and with at most
 * `most` tokens in an answer, where it does not say otherwise. Its words are borrowed. */
void ask_options_greedy(options *out, const options *given, int most);

/* The seed that the loaded model recommends, unless one was given. */
void ask_options_adopt(ask_options *k, const options *opt, const engine *e);

/* For a council and its roster, on a loaded model; *o borrows from k and opt. o->prompt is the
 * caller's to set. */
int ask_options_council(const ask_options *k, const options *opt, const engine *e,
                        council_options *o, error *err);
int ask_options_roster(const ask_options *k, const options *opt, const engine *e, roster_options *o,
                       error *err);

/* --think: 0, -1 = unlimited, N. */
int ask_options_think(const options *opt, int *think, error *err);

/* Letters outside Latin script outnumber those inside. Signs, digits and pictures are no letters. */
bool ask_options_foreign(const char *text, size_t len);

#endif
