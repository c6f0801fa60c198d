/* utf8.h - strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Text from outside is checked once by utf8_check(); everything behind that check may walk it with
 * utf8_next() and hand it to libraries that trust their input.
 */
#ifndef ENGINE_UTF8_H
#define ENGINE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the well-formed character at text[0..len), or 0 when there is none. */
size_t utf8_character(const char *text, size_t len);

/* True when text[0..len) is well-formed; otherwise *offset (may be NULL) is the first bad byte. */
bool utf8_check(const char *text, size_t len, size_t *offset);

/* The code point at text[*at] of checked text; moves *at behind it. */
uint32_t utf8_next(const char *text, size_t *at);

/* Whether more letters of checked text are Cyrillic than Latin: it is taken as Russian. */
bool utf8_is_cyrillic(const char *text, size_t len);

/* Writes code point c (not checked) to out; returns the number of bytes, 1 to 4. */
size_t utf8_put(uint32_t c, char out[4]);

#endif
