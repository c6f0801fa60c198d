/* net_pack.h - the texts of a batch as one list of rows.
 *
 * A row is one token of a text with the residual stream that enters the first layer. Texts that begin
 * alike (lessons under one instruction) share the rows of their common beginning: since attention is
 * causal, what a row becomes depends on no later token. Only rows without a loss are shared, so that each
 * loss belongs to one row. Rows behind the last loss of a text are left out: nothing depends on them.
 *
 *   text 0   a b c d e         rows 0 1 2 3 4
 *   text 1   a b c x y z       rows 0 1 2 5 6 7        shared = 3
 */
#ifndef ENGINE_NET_PACK_H
#define ENGINE_NET_PACK_H

#include "net.h"

typedef struct packed_text {
    int index;  /* in the caller's list */
    int n;      /* positions 0..n-1 */
    int shared; /* positions below it are rows of earlier texts */
    int *rows;  /* [n]; from `shared` on they are neighbours */
    int offset; /* of position 0 in a list of all texts' positions */
} packed_text;

/* The losses of one row. */
typedef struct loss_row {
    int row, target; /* target -1: no weight */
    float weight, near;
    const float *plain; /* [width] or NULL */
} loss_row;

typedef struct pack {
    packed_text *texts;
    int text_count, longest; /* positions of the longest text */
    int rows, positions;     /* rows, and positions of all texts together */
    const float **hidden;    /* [rows] of [width]: the caller's */
    int *position;           /* [rows] */
    uint8_t *counted;        /* [rows] 1 = its weight is not 0 */
    loss_row *losses;
    int loss_count, counted_count;
    double weight; /* the sum of the positive weights */
    int *row_lists;
} pack;

/* The sequences must outlive p; pack_release() in any case.
 * ERROR_USAGE for an empty sequence or a token outside the vocabulary. */
int pack_make(pack *p, const train_sequence *sequences, int count, const model_config *c,
              error *err);
void pack_release(pack *p); /* {0} ok */

#endif
