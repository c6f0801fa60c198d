/* voices_file.h - writes an experts file, which builtin_source.h reads, and the masks that go with it.
 *
 * What is stored: the router of every layer in F32, gate and up of the personas' experts in Q5_0, down
 * in Q8_0 (its step is seen directly in the residual stream). The general experts are slices of the
 * dense block (voices_slices.h), so only their rows of the router and their neurons are there. The router's fingerprint is that of the model which the recipe
 * makes of the file, so the masks can be written before that model exists.
 */
#ifndef PERSONAS_VOICES_FILE_H
#define PERSONAS_VOICES_FILE_H

#include "../../engine/routing/fingerprint.h"
#include "../../kernels/quant.h"

/* One matrix of an expert, row-major: F32, F16 or BF16. Borrowed. */
typedef struct voices_matrix {
    dtype type;
    const void *data;
} voices_matrix;

enum { VOICES_GATE, VOICES_UP, VOICES_DOWN, VOICES_MATRICES };

typedef struct voices_bank {
    const char *const *names; /* [name_count] of the personas, in the order of their experts */
    int name_count, experts;  /* of each persona */
    int general, used;        /* slices; experts a token */
    int first, layers;        /* that route */
    int width, expert_width;
    const float *rows;    /* [layers, name_count * experts + general, width] */
    const float *neurons; /* [layers, general, expert_width] of the slices, whole numbers */
    /* [layers][name_count * experts][VOICES_MATRICES]: gate, up [expert_width, width], down [width,
     * expert_width]; NULL when there is no persona */
    const voices_matrix *matrices;
} voices_bank;

/* Whole or not at all. */
int voices_file_write(const voices_bank *b, const char *path, error *err);

/* The fingerprint of the model that the recipe makes of it. */
int voices_fingerprint(const voices_bank *b, char hex[FINGERPRINT_TEXT], error *err);

/* Writes WHERE/NAME.FP16.mask.json for each persona, which keeps its experts; `mark` is the model's fingerprint. The masks of
 * these names there that are for another model are removed. */
int voices_file_masks(const voices_bank *b, const char *where, const char *mark, error *err);

#endif
