/* derive.h - from lessons to a mask: which experts does a voice call, and does leaning on them steer?
 *
 * The plain model reads what each persona says (its lessons' answers, or texts), once, and counts what
 * its experts do (expert_tally.h). Where it goes on by itself behind the first words of answers
 * (spoken.h) it is counted apart, and told how far that is alike. A persona's mask is then made of
 * what tells it from the others (contrast.h, plan.h), and is only written when it does something. To
 * know that, what was read is
 * cut into two halves, sample by sample:
 *
 *   search    A mask is made of the first half in each mode and strength there is to try. All are
 *             measured on the second half: how many nats a token its own texts lose, and how many the
 *             others' do. Of those that cost its own at most `damage`, one standard error included,
 *             the one with the widest gap between the two is taken, or the smallest of its mode that
 *             has three quarters of that: what is left alone cannot go wrong.
 *   verdict   A mask of that mode and strength is made of the second half and measured on the first,
 *             beside 20 random masks of the same size. There is an effect when its gap is above that
 *             of all of them and its 95 % interval lies above 0. Neither the mask nor its strength
 *             has seen a token that it is judged by. One that costs its own more than `damage` here
 *             is dropped for the next best.
 *   mask      Both halves together, in that mode and strength.
 *
 * The interval is a bootstrap over samples (measure.h). Everything is seeded: the same lessons and
 * model give the same mask.
 */
#ifndef PERSONAS_DERIVE_H
#define PERSONAS_DERIVE_H

#include "../../engine/base/buf.h"
#include "../../engine/routing/mask.h"
#include "../../engine/run/engine.h"
#include "../measure/measure.h"
#include "voice_lessons.h"

enum {
    DERIVE_TOKENS = 4096, /* read of each source */
    DERIVE_HELD = 1024,   /* of a half that masks are measured on, each side */
    DERIVE_CALLS = 256,   /* calls of an expert below which the statistics are thin */
    DERIVE_TRIALS = 24,   /* modes and strengths to try, at most */
    DERIVE_NAME = 64 + 1,
};

typedef struct derivation derivation;

/* Caller owns; e must outlive it. ERROR_LOAD for a dense model and one without a layer that may be
 * changed. */
derivation *derive_open(engine *e, error *err);
void derive_close(derivation *d); /* NULL ok */

/* A voice to be read; *source counts from 0. */
int derive_add_source(derivation *d, const char *name, int *source, error *err);
/* Queues the lessons in these languages, in the model's chat format, up to DERIVE_TOKENS tokens of
 * answers in the source. ERROR_LOAD when the model has no chat format. */
int derive_add_lessons(derivation *d, int source, const voice_lessons *v, const voice_languages *l,
                       error *err);
/* Queues a plain text, all of whose tokens count. ERROR_USAGE when it is no UTF-8. */
int derive_add_text(derivation *d, int source, const char *text, size_t len, error *err);
int derive_sources(const derivation *d);
const char *derive_source(const derivation *d, int source);

/* Lets the model go on behind beginnings of lessons, then reads all that is queued and that; progress (may be NULL) counts tokens. ERROR_CANCELLED on Ctrl-C. */
int derive_read(derivation *d, progress_fn *progress, void *user, error *err);

/* ---- a persona's mask ----------------------------------------------------------------------------- */

typedef struct derive_wish {
    bool modes[3];   /* by mask_mode: which to try */
    double coverage; /* of keep, (0, 1]; 0 = a few are tried */
    double damage;   /* nats a token that its own texts may lose */
} derive_wish;
derive_wish derive_wish_plain(void); /* ban and bias, 0.02 nats */

typedef struct derive_trial {
    mask_mode mode;
    double strength; /* plan.h */
    int layers, named;
    double own, other; /* nats a token that they lose; the gap is other - own */
    double own_error;  /* standard error of own */
    bool too_dear;     /* it cost its own more than `damage` in the verdict */
} derive_trial;

typedef struct derive_report {
    size_t own_tokens, other_tokens; /* read */
    size_t own_spoken, other_spoken; /* that the model wrote, and then read, too */
    double alike;                    /* its own: what was written lies with the experts of what was
                                        read, [0, 1] (tally_alike); 0 when nothing was written */
    int others;                      /* sources on the other side */
    double calls_per_expert;         /* mean calls of an expert in a layer on the scarcer side */
    derive_trial trials[DERIVE_TRIALS];
    int trial_count, chosen; /* chosen: index, or -1 */
    /* the verdict; all 0 when none was chosen */
    measure_interval gap, own,
        other;                     /* nats a token: other - own; lost by its own; by the others */
    double random[MEASURE_NULL];   /* gaps of random masks, ascending */
    double kl, kl_p99, agreement;  /* to the plain model, on its own texts */
    double banned;                 /* router mass, on its own texts */
    double other_kl, other_banned; /* on the others' */
    /* the mask */
    int layers, named;
    double stability;    /* mean of the experts that it names */
    char protected[256]; /* super experts, "3:17, 5:2"; "" = none */
    int protected_count;
    int pools; /* layers whose called experts are all nil: the model is made for pools, and keeps its
                  masks */
    bool found;
    char why[400]; /* when not found: a sentence */
} derive_report;

/* Searches, judges and, when there is an effect, appends the mask's file to *out. 0 with
 * report->found = false and nothing appended when there is none. After derive_read(). ERROR_CANCELLED,
 * ERROR_USAGE for a source with less than 8 samples in all, of its own or of the others. */
int derive_find(derivation *d, int source, const derive_wish *wish, derive_report *report, buf *out,
                progress_fn *progress, void *user, error *err);

/* Makes it the file at path (atomic_file.h, mode 0600): what is there is always whole. ERROR_RUN. */
int derive_save(const char *path, const buf *text, error *err);

#endif
