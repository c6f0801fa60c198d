/* printable.h - words from a file, made safe to put into a sentence.
 *
 * Names, keys and values of a broken file end up in error messages, and those on a terminal: an
 * escape byte in a tensor's name must not become a terminal command. Characters that visible.h
 * lets pass stand as they are, all else is written as \xNN or \u{NNNN}, and what is long is cut
 * with "..." behind a whole character.
 */
#ifndef ENGINE_PRINTABLE_H
#define ENGINE_PRINTABLE_H

#include <stddef.h>

enum { PRINTABLE_SIZE = 80 };
typedef struct printable {
    char text[PRINTABLE_SIZE];
} printable;

/* By value, so that it can stand in an argument list: printable_of(p, n).text */
printable printable_of(const void *bytes, size_t len);
printable printable_text(const char *text); /* of a NUL-terminated string */

#endif
