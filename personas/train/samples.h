/* samples.h - lessons and texts as token sequences, and what is to be learned of each.
 *
 * A lesson is rendered in the model's chat format, as the engine will meet it: of its tokens those of
 * the answer are learned, and the one that ends it. A text is cut into windows, all of whose tokens
 * but the first are learned. A near text is cut in the same way: nothing of it is learned, the model is kept
 * near what it was on it. Near lessons are another's: their answers are to stay as the plain model finds
 * them, so that a voice is learned and not what all voices have in common. Their first tokens are
 * left out, for there one's own answer would begin too.
 *
 * A lesson may stand there once more with one of its sentences (clauses, lines of code) said twice:
 * greedy answers of a small model circle, and this shows it how a circle looks and how it is left. The
 * repetition is learned against from its third token on (the first two may begin anything), what follows
 * it is learned as ever.
 *
 * Which samples are held out: of lessons what lessons.h says, of texts every fifth window.
 */
#ifndef PERSONAS_SAMPLES_H
#define PERSONAS_SAMPLES_H

#include "../../engine/run/engine.h"
#include "../lessons/lessons.h"

enum {
    SAMPLES_HOLD = 5,           /* each fifth window is held out */
    SAMPLES_WINDOW = 256,       /* tokens of a text in one sample */
    SAMPLES_NEAR = 128,         /* of a near text */
    SAMPLES_NEAR_MOST = 64,     /* windows of a near text; of a longer one as many, evenly spread */
    SAMPLES_NEAR_LESSONS = 200, /* of others' lessons as many, evenly spread, or fewer */
    SAMPLES_LONGEST = 4096 /* tokens of a lesson, at most; and no more than the model's context */
};

typedef enum sample_kind {
    SAMPLE_LESSON,
    SAMPLE_AGAIN, /* a lesson that says a sentence twice */
    SAMPLE_TEXT,
    SAMPLE_NEAR,
} sample_kind;

typedef struct sample {
    sample_kind kind;
    bool held_out;
    int *ids; /* [n] */
    int n;
    int answer;    /* ids[0..answer) are the prompt; 0 for texts */
    int near_from; /* SAMPLE_NEAR: the first token at which the model is kept near */
    int of;        /* SAMPLE_AGAIN: the index of its lesson */
    float
        *weight; /* [n] of predicting ids[i + 1] at i (engine/train/net.h); all 0 for near texts */
    int counted; /* tokens with a weight above 0 */
    size_t row;  /* of its first token in the store of hidden states; set by who fills it */
} sample;

typedef struct samples {
    const engine *engine;
    double end_weight; /* of the token that ends an answer */
    int end;           /* that token; -1 = not known yet */
    sample *v;
    size_t len, cap;
    size_t lessons, windows, near; /* added so far: the order that holding out goes by */
} samples;

/* {.engine = e, .end_weight = 3, .end = -1} is ready to use. */
void samples_release(samples *s);

/* Those of l that are not in yet: l is the same list in every call, or longer. ERROR_LOAD naming the
 * lesson, counted from the first that was not in: empty, too long; or when the model has no chat format or no token that
 * ends an answer. */
int samples_add_lessons(samples *s, const lessons *l, error *err);
/* Others' lessons, as near samples, without those that are held out. */
int samples_add_near_lessons(samples *s, const lessons *l, error *err);
/* The last window is left out when it is shorter than half of one, unless it is the only one.
 * ERROR_LOAD for a text of fewer than 16 tokens, ERROR_USAGE for one that is no UTF-8. */
int samples_add_text(samples *s, sample_kind kind, const char *where, const char *text, size_t len,
                     error *err);
/* For each lesson that is learned `times` variants that say something twice; those that hold nothing to
 * repeat get none. Drawn from seed. */
int samples_add_again(samples *s, const lessons *l, int times, uint64_t seed, error *err);

/* Samples of a kind that are learned (held_out = false) or held out. */
size_t samples_count(const samples *s, sample_kind kind, bool held_out);
/* Tokens of all samples, and of the longest. */
size_t samples_tokens(const samples *s, int *longest);
/* Of everything that is in them, in order: two runs with the same hash learn from the same. */
uint64_t samples_hash(const samples *s);

/* answer with one unit said twice, appended to *out; [*from, *to) is the repetition in it. False when it
 * holds nothing to repeat. u[2]: uniform draws. */
bool samples_say_twice(const char *answer, const double u[2], buf *out, size_t *from, size_t *to,
                       error *err);

#endif
