/* links.h - which addresses a document may link to: http, https and mailto, nothing else.
 *
 * The test is on what stands there, not on what a browser might make of it: a scheme written with
 * entities, blanks or control characters is no scheme we know, and so no link.
 */
#ifndef TRANSCRIPTS_LINKS_H
#define TRANSCRIPTS_LINKS_H

#include <stdbool.h>
#include <stddef.h>

enum { LINKS_MOST = 2048 }; /* bytes; what is longer is text */

/* Bytes of the address that begins at text[0..n) with a scheme we allow; it ends before blanks,
 * quotes, angle brackets, backslashes, backticks and characters beyond ASCII. 0 when there is
 * none. */
size_t links_address(const char *text, size_t n);

/* True for what follows "](" when it may stay a link: an allowed address, or nothing that has a
 * scheme (a part of the same page). */
bool links_safe(const char *text, size_t n);

#endif
