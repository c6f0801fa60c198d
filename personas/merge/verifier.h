/* verifier.h - how right an answer seems: a weighted sum of what a vote knows of it, learned.
 *
 * The file is small JSON, made by `consilium train --what verifier` for one model:
 *
 *     {"verifier": 1,
 *      "model": {"architecture": "qwen2_moe", "width": 576, "layers": 30, "fingerprint": "dec2.."},
 *      "features": [{"name": "question", "scale": 0.41, "weight": 0.66}, ..],
 *      "penalty": 0.1,
 *      "figures": {"questions": 400, "told": 230, "right": 0.58, "blind": 0.51, "best": 0.55,
 *                  "any": 0.74, "low": 0.03, "high": 0.11},
 *      "learned_from": "0123456789abcdef"}
 *
 * A mark is the sum of weight * feature / scale in the order of the file; features are centred over the
 * answers that can win (merge_reading.h), so there is no mean and no constant. The difference of two marks is the
 * logarithm of the odds that the one answer is right, where just one of them is. Marks are sums in
 * double in one order: the same bytes everywhere.
 *
 * The reader is strict: unknown fields and features, numbers that are none or out of all proportion, and
 * large files are refused. A verifier for another model is told by fingerprint.
 */
#ifndef PERSONAS_VERIFIER_H
#define PERSONAS_VERIFIER_H

#include "model_file.h"
#include "vote_features.h"

typedef struct verifier verifier;

enum { VERIFIER_BYTES = 64 << 10, VERIFIER_BASIS = 160 };

/* On questions that it had not learned from, where a share is of all questions. */
typedef struct verifier_figures {
    int questions;    /* that were asked */
    int told;         /* of them those where some answers were right and some wrong */
    double right;     /* share whose picked answer is right */
    double blind;     /* expected share of a pick by chance */
    double best;      /* of the persona that is right most often */
    double any;       /* of those that any persona gets right */
    double low, high; /* 95 % interval of right - blind */
} verifier_figures;

typedef struct verifier_content {
    model_identity model;
    double scale[VOTE_FEATURES], weight[VOTE_FEATURES]; /* weight 0 = not in the file */
    double penalty;
    verifier_figures figures;
    uint64_t learned_from; /* hash of the sets */
} verifier_content;

/* From text; `where` stands for the file. ERROR_LOAD by file and field. Caller owns. */
verifier *verifier_read(const char *where, const char *text, size_t len, error *err);
void verifier_close(verifier *v); /* NULL ok */
/* The file's text, appended. */
int verifier_write(const verifier_content *c, buf *out, error *err);

/* The one for this model: the user's own beside the personas, else one that came with the program; *out =
 * NULL and 0 when there is none. *path (may be NULL) = where it lies, the caller's to free. */
int verifier_find(engine *e, verifier **out, char **path, error *err);

const verifier_content *verifier_is(const verifier *v);
uint64_t verifier_hash(const verifier *v); /* over the file's bytes */
/* "a verifier, right on 58 % of 400 questions (by chance 51 %)"; borrowed. */
const char *verifier_basis(const verifier *v);
/* marks [n] of features [n, VOTE_FEATURES]. */
void verifier_marks(const verifier *v, const double *features, int n, double *marks);

#endif
