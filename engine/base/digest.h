/* digest.h - the SHA-256 of files, in hex: a name for what they held.
 *
 * For records that must tell later whether a file is still the one that was used, whoever changed it. A file
 * that cannot be read has the digest "", which equals none.
 */
#ifndef ENGINE_DIGEST_H
#define ENGINE_DIGEST_H

enum { DIGEST_TEXT = 65 }; /* 64 hex digits and a NUL */

/* Of the bytes of n files, one behind the other; "" when one of them cannot be read. */
void digest_files(const char *const *paths, int n, char out[DIGEST_TEXT]);

#endif
