/* bytelevel.h - the 256 characters that byte-level vocabularies write for the 256 bytes.
 *
 * Printable Latin-1 stands for itself; the other 68 bytes take U+0100, U+0101, ... in order, so a
 * space is written as U+0120 and a token never contains a blank. From GPT-2's encoder.py.
 */
#ifndef ENGINE_BYTELEVEL_H
#define ENGINE_BYTELEVEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"
#include "../base/buf.h"

/* The character for a byte, as UTF-8; returns its length, 1 or 2. */
size_t bytelevel_character(unsigned char byte, char out[4]);
/* Appends the characters for bytes[0..len). */
int bytelevel_encode(const char *bytes, size_t len, buf *out, error *err);
/* Appends the bytes that content writes. Content with any other character is not byte-level text
 * and is appended as it is, as the reference does. */
int bytelevel_decode(const char *content, size_t len, buf *out, error *err);

#endif
