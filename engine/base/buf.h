/* buf.h - a growable byte string; the bytes are always followed by a NUL that is not counted. */
#ifndef ENGINE_BUF_H
#define ENGINE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "../../kernels/error.h"

/* {0} is valid and empty; `v` is NULL until something was added. */
typedef struct buf {
    char *v;
    size_t len, cap;
} buf;

int buf_add(buf *b, const void *bytes, size_t n, error *err);
int buf_text(buf *b, const char *text, error *err);
int buf_format(buf *b, error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
int buf_format_list(buf *b, error *err, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* Text that may be broken: a byte that is no part of a UTF-8 character becomes U+FFFD. */
int buf_mend(buf *b, const char *text, size_t len, error *err);
void buf_clear(buf *b);   /* empties, keeps the storage */
void buf_release(buf *b); /* frees and empties */
char *buf_detach(buf *b); /* the storage is now the caller's to free(); NULL if nothing was added */

#endif
