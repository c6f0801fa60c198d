/* frozen.h - a weight matrix of the model as f32: copied once, or opened each time it is used.
 *
 * An f32 matrix of the file is used where it lies. Others are copied when the memory limit allows it,
 * else frozen_open() dequantises them into room of the caller's.
 */
#ifndef ENGINE_FROZEN_H
#define ENGINE_FROZEN_H

#include "../run/weights.h"
#include "pieces.h"

typedef struct frozen {
    const void *bytes; /* the rows as the file has them; NULL = there is no such matrix */
    dtype type;
    size_t rows, cols;
    const float *values; /* f32 [rows, cols], or NULL = to be opened */
    float *copy;         /* values when they are a copy, which frozen_release() frees */
} frozen;

/* t may be NULL. */
frozen frozen_of(const tensor *t);
void frozen_release(frozen *w);

/* The f32 values: w->values, or room [rows * cols] filled by the calling thread. */
const float *frozen_open(const frozen *w, float *room);
/* Rows [from, from + rows): where they lie, or in room. */
const float *frozen_open_rows(const frozen *w, size_t from, size_t rows, float *room);
/* All, filled by all workers. */
const float *frozen_open_shared(const frozen *w, float *room, thread_pool *workers);
/* Makes a copy that stays, if there is memory for it; by all workers, or by the calling thread when
 * workers is NULL. 0 or -1. */
int frozen_copy(frozen *w, thread_pool *workers);

/* A small tensor as a copy of its own, f32; NULL when t is or memory ran out. Caller frees. */
float *frozen_vector(const tensor *t);

#endif
