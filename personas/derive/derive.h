/* derive.h - from lessons to a mask: which experts does a voice call, on any mixture of experts?
 *
 * The plain model reads answers of the persona ("own") and of the others; of every token of an
 * answer (never of the question) and every layer the gates are added up by expert:
 *
 *     p_own(e), p_other(e) = the share of all gates in a layer that expert e got from each side
 *     bias(e) = clip(ln((p_own + eps) / (p_other + eps)), -2, +2)        eps = 0.1 / experts
 *
 * eps is a tenth of an expert's fair share: it keeps the logarithm of rarely called experts small.
 * The bias acts on selection only, in nats, as the gates themselves do. It is left at 0
 *   - in the first tenth of the layers (tokens, not meanings, are routed there) and the last two,
 *   - where the two sides differ by less than 5 % of the larger and of the fair share,
 *   - where the two halves of the samples do not differ in the same direction: that is noise.
 * A soft bias is all that stock models bear; a keep-mask of a quarter of the experts breaks them.
 */
#ifndef PERSONAS_DERIVE_H
#define PERSONAS_DERIVE_H

#include "../../engine/base/buf.h"
#include "../../engine/run/engine.h"
#include "../lessons/lessons.h"

enum { DERIVE_TOKENS = 4096, DERIVE_CALLS = 256 };

typedef enum derive_side { DERIVE_OWN, DERIVE_OTHER, DERIVE_SIDES } derive_side;

typedef struct derivation derivation;

/* Caller owns; e must outlive it. ERROR_LOAD for a dense model and one without a layer that may be
 * changed. */
derivation *derive_open(engine *e, error *err);
void derive_close(derivation *d); /* NULL ok */

/* Queues one persona's lessons, in the model's chat format: the first of them that
 * together have DERIVE_TOKENS tokens of answers. ERROR_LOAD when the model has no chat format. */
int derive_add_lessons(derivation *d, derive_side side, const lessons *l, error *err);
/* Queues a plain text, all of whose tokens count, up to DERIVE_TOKENS in all of the side's texts.
 * ERROR_USAGE when it is no UTF-8. */
int derive_add_text(derivation *d, derive_side side, const char *text, size_t len, error *err);

/* Reads all that is queued; progress (may be NULL) counts tokens. ERROR_CANCELLED on Ctrl-C. */
int derive_run(derivation *d, progress_fn *progress, void *user, error *err);

/* What was read; complete after derive_run(). */
typedef struct derive_figures {
    size_t tokens[DERIVE_SIDES]; /* counted ones */
    double calls_per_expert;     /* mean calls of an expert in a layer on the scarcer side; below
                                    DERIVE_CALLS the statistics are thin */
    int layers, biases;          /* that the mask names */
} derive_figures;

/* Appends the mask as JSON with the model's fingerprint. ERROR_RUN when nothing differs. */
int derive_mask(derivation *d, buf *out, derive_figures *figures, error *err);

/* Writes text to a new file beside path, syncs it and renames it over path (mode 0600): what is
 * there is always whole. ERROR_RUN. */
int derive_save(const char *path, const buf *text, error *err);

/* The formula alone. own, other: [experts] summed gates of a layer, as two halves of the samples
 * each, own[half][expert]; out: [experts], 0 = untouched. Returns how many are not 0. */
int derive_bias(const double *const own[2], const double *const other[2], int experts, float *out);

#endif
