/* hash.h - FNV-1a, 64 bits: a number that tells byte strings apart, where nobody wants to deceive.
 *
 * For tables and for "is it the same as then": programs, samples, options. Digests that must withstand
 * strangers are SHA-256 (fingerprint.h, pack.h).
 *
 * Source: Fowler, Noll, Vo; draft-eastlake-fnv.
 */
#ifndef ENGINE_HASH_H
#define ENGINE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_byte(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

/* The hash of what `hash` is of, followed by these bytes. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        hash = hash_byte(hash, b[i]); /* NOLINT: wider types are read as bytes */
    return hash;
}

#endif
