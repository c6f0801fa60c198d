/* replay.h - answering a conversation again, and where the new answers part from the recorded
 * ones.
 *
 * Everything that an answer depends on is in its transcript: the model's fingerprint, the
 * programs' hashes, instructions, sampling, seeds, the day, and what was remembered. So each
 * recorded answer is asked for once more, as a retry of its turn in a dialogue that holds the
 * recorded turns before it as they were then, and its tokens are compared. A group's answer is
 * made once more of its members' recorded ones: its text, its winner and every score are compared. What a later answer
 * builds on is always what was recorded, so one difference does not make others.
 */
#ifndef PERSONAS_REPLAY_H
#define PERSONAS_REPLAY_H

#include "conversation.h"

/* One answer, replayed. */
typedef struct replay_answer {
    const struct turn *turn;
    const turn_answer *was;
    const turn_answer *now;
    const tokenizer *words; /* of the model that answers now */
    bool other;             /* another model or program: a difference is no surprise */
    bool read_alike;        /* the tokens that were read before it are equal */
    bool joined_alike;      /* of a group: text, winner and all scores are; true of a pass */
    size_t alike;           /* tokens at the beginning that are equal */
    bool equal;             /* all that were recorded, and what was read */
} replay_answer;

/* Called for each answer in order; 0 = go on, 1 = enough, -1 with *err. */
typedef int replay_fn(void *user, const replay_answer *a, error *err);

typedef struct replay_result {
    int answers, equal; /* replayed; equal */
    size_t tokens;      /* recorded ones that were compared */
    int lost;           /* answers whose prompt or setting is lost, or that no seat gave */
    bool other;         /* any was given by another model or program */
} replay_result;

/* What a replay is told, and whom it tells. */
typedef struct replay_options {
    void *user;
    /* Opens the model of a setting, or the one that is wanted instead. Caller owns. */
    engine *(*open)(void *user, const record_setting *s, error *err);
    replay_fn *each;
    roster_note *note; /* what differs from then, a sentence each */
    /* May be NULL. The turn that is answered now, of the last that there is; 0: it is answered. */
    void (*progress)(void *user, int turn, int last);
    const atomic_bool *cancel; /* the engine's; may be NULL */
    bool other_model; /* the model is one that was asked for: a difference is no surprise */
    const dtype *kv;  /* NULL = as recorded */
} replay_options;

/* Each recorded answer once more. ERROR_LOAD when a model or persona is not there,
 * ERROR_CANCELLED. */
int replay_run(const history *h, const replay_options *options, replay_result *out, error *err);

#endif
