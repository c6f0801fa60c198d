/* hidden_store.h - the residual streams of all samples where the layers that learn begin.
 *
 * The layers below are frozen, so these numbers never change while a run lasts: they are made once and
 * read in every epoch. They lie in memory, or, when they are more than `most` bytes, in a file without
 * a name that is mapped: the kernel keeps of it what it has room for, and the file is gone when
 * the process is, however it ends. Its whole length is reserved before anything is written, so a full disk
 * is an error here and never a fault later.
 */
#ifndef PERSONAS_HIDDEN_STORE_H
#define PERSONAS_HIDDEN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

typedef struct hidden_store hidden_store;

/* rows x width floats, undefined. Caller owns. ERROR_RUN when neither memory nor the cache folder has
 * room. */
hidden_store *hidden_store_open(size_t rows, int width, uint64_t most, error *err);
void hidden_store_close(hidden_store *s); /* NULL ok */
float *hidden_store_at(const hidden_store *s, size_t row);
bool hidden_store_in_file(const hidden_store *s);

#endif
