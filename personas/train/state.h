/* state.h - where a run of training stands, as one file that is whole at every moment.
 *
 *     8 bytes   "CONSTRN1"
 *     8 bytes   length of the JSON, little-endian
 *     JSON      figures: what it is a run of, the step, the best so far, the losses until now
 *     floats    values, mean, square [count each], and, when there is a best, its values [count]
 *     32 bytes  SHA-256 of all before
 *
 * Floats are those of memory, little-endian. The file is written beside itself and renamed (atomic_file.h),
 * so a run that is killed leaves the state before. Whether it is one of this model, these samples and
 * these options is told by hashes: nothing else could go on in the same bytes.
 */
#ifndef PERSONAS_TRAIN_STATE_H
#define PERSONAS_TRAIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* A checkpoint that was looked at. */
typedef struct train_check {
    int step;
    double loss;  /* held out, nats a token */
    double voice; /* 0 .. 1; below 0 = it was not asked */
    int answers, ended, looped;
} train_check;

typedef struct train_state {
    char model[65]; /* fingerprint */
    uint64_t samples, options;
    int step, steps; /* done; planned */
    double seconds, control;
    size_t count;                         /* numbers that learn */
    float *values, *mean, *square, *best; /* [count], the caller's */
    bool has_best, saved;                 /* saved: its best was written as a result already */
    train_check chosen;                   /* with has_best */
    train_check *checks; /* [check_count] in order; the caller's room of check_room */
    int check_count, check_room;
    float *losses; /* [steps] of the steps done; the caller's room of `steps` */
} train_state;

/* One run at a time has the state at path: holds PATH.lock until train_state_unlock(), which removes it, and what
 * a killed process left of a state; its lock is taken over. The descriptor, or -1 with ERROR_RUN. */
int train_state_lock(const char *path, error *err);
void train_state_unlock(const char *path, int fd);

/* ERROR_RUN: the disk is full, or the like. */
int train_state_write(const char *path, const train_state *s, error *err);
/* The figures alone, without losses, checks and blocks: what it is a run of. ERROR_LOAD for a file
 * that is none, is cut short or was changed: the checksum of all of it is looked at. */
int train_state_peek(const char *path, train_state *s, error *err);
/* All of it, into the room that s brings; s->count, steps and check_room must be those of the file or
 * larger. */
int train_state_read(const char *path, train_state *s, error *err);

#endif
