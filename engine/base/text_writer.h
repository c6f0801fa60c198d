/* text_writer.h - writing a long text straight on.
 *
 * The first failure (only memory can run out) is kept, and nothing is written after it: writers are
 * straight lines, and whoever began the text asks once, at the end, whether it has failed.
 */
#ifndef ENGINE_TEXT_WRITER_H
#define ENGINE_TEXT_WRITER_H

#include <stdbool.h>

#include "buf.h"

/* {.out = &buffer, .err = err} is ready to use. */
typedef struct text_writer {
    buf *out;
    error *err;
    bool failed;
} text_writer;

void text_put(text_writer *w, const char *text);
void text_put_bytes(text_writer *w, const char *bytes, size_t n);
void text_format(text_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
